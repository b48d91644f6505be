//! How long each piece of the loop's work takes.

use std::time::Duration;

use crate::instant::Instant;
use crate::metrics::Histogram;

/// Measures one piece of work after the other: the end of one is the beginning of the next.
///
/// The clock is read once for each event, and not before and after each callback, since that would
/// cost more than most of them do; so what is measured is all that was done for the event, reading
/// and writing included.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    /// When the clock was last looked at.
    read: Instant,
    /// How long something took that somebody should look into.
    long: Option<Duration>,
    /// From how long on something is worth a warning.
    stall_nanos: u64,
    laps: Histogram,
}

impl Stopwatch {
    pub(crate) fn new(now: Instant, stall_warning: Option<Duration>) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).ok();
        let stall_nanos = stall_warning.and_then(nanos).unwrap_or(u64::MAX);
        Self { read: now, long: None, stall_nanos, laps: Histogram::default() }
    }

    /// When the clock was last looked at.
    #[inline]
    pub(crate) const fn read(&self) -> Instant {
        self.read
    }

    /// It is `now`, and nothing was done since the clock was last looked at.
    #[inline]
    pub(crate) const fn start(&mut self, now: Instant) {
        self.read = now;
    }

    /// It is `now`, and a piece of work is done. Says whether somebody should look into it, since
    /// nothing has taken longer so far, or it took longer than it should.
    #[inline(always)]
    pub(crate) fn lap(&mut self, now: Instant) -> bool {
        let began = std::mem::replace(&mut self.read, now);
        // The network's clock never goes back.
        let nanos = now.nanos_from(began);
        let is_long = self.laps.record(nanos) | (nanos >= self.stall_nanos);
        if is_long {
            self.keep(nanos);
        }
        is_long
    }

    #[cold]
    fn keep(&mut self, nanos: u64) {
        self.long = Some(Duration::from_nanos(nanos));
    }

    /// Whether something has taken long that nobody has looked into yet.
    #[inline]
    pub(crate) const fn is_long(&self) -> bool {
        self.long.is_some()
    }

    /// How long something took that nobody has looked into yet, and whether that was longer than it
    /// should.
    #[inline]
    pub(crate) fn take_long(&mut self) -> Option<(Duration, bool)> {
        let took = self.long.take()?;
        Some((took, took >= Duration::from_nanos(self.stall_nanos)))
    }

    /// How often something took how long.
    pub(crate) const fn laps(&self) -> &Histogram {
        &self.laps
    }
}
