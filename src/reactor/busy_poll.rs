//! Looking for events without sleeping, for a while after there was work: if that is asked for.

use std::io;
use std::mem;
use std::time::Duration;

use super::Reactor;
use crate::instant::Instant;
use crate::outside::Outside;

/// How a loop looks for events before it sleeps.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// For how long after the last work, if at all.
    time: Duration,
    /// Whether it was asked for, which every turn wants to know.
    pub(super) is_on: bool,
    /// Whether there was work in the turn before this one.
    had_work: bool,
    /// Until when, as the last work has it.
    until: Instant,
}

impl BusyPoll {
    pub(super) const fn new(time: Duration) -> Self {
        Self { time, is_on: !time.is_zero(), had_work: false, until: Instant::START }
    }
}

impl Reactor {
    /// As [`poll`](Self::poll), but awake as long as the last work is recent, and only then asleep.
    #[inline(never)]
    pub(super) fn poll_busily(
        &mut self,
        network: &mut Outside<'_>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let wait = self.wait(timeout);
        let began = network.now();
        let has_work = self.has_work();
        if mem::replace(&mut self.busy_poll.had_work, has_work) {
            self.busy_poll.until = began.after(self.busy_poll.time).unwrap_or(Instant::END);
        }
        let mut now = began;
        while now < self.busy_poll.until && wait.is_none_or(|wait| now.since(began) < wait) {
            network.poll(&mut self.events, Some(Duration::ZERO))?;
            if !self.events.is_empty() {
                self.busy_poll.had_work = true;
                return Ok(());
            }
            let before = mem::replace(&mut now, network.now());
            if now == before {
                // By a clock that stands still while the loop works, as a simulated one may, this
                // would not end.
                break;
            }
        }
        network.poll(&mut self.events, wait.map(|wait| wait.saturating_sub(now.since(began))))?;
        self.busy_poll.had_work |= !self.events.is_empty();
        Ok(())
    }
}
