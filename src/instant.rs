//! A point in time on the loop's own clock.

use std::time::Duration;

/// A point on a network's monotonic clock, in nanoseconds since that network began: not
/// [`std::time::Instant`].
///
/// The engine never reads a clock itself: the [`Network`](crate::network::Network) tells the time,
/// which is what lets a simulation own it. 64 bits of nanoseconds last 584 years.
///
/// ```
/// use std::time::Duration;
/// use windlass::Instant;
///
/// let start = Instant::from_nanos(5);
/// let later = start.after(Duration::from_nanos(7)).unwrap();
/// assert_eq!(later.since(start), Duration::from_nanos(7));
/// assert_eq!(start.after(Duration::MAX), None, "beyond the end of the clock is never");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment the network began.
    pub const START: Self = Self(0);
    /// A moment that is never reached.
    pub const END: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the network began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the network began.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment and `timeout` more, or `None` for a moment the clock cannot reach: never.
    pub fn after(self, timeout: Duration) -> Option<Self> {
        let nanos = u64::try_from(timeout.as_nanos()).ok()?;
        planted!(DeadlineWraps, return Some(Self(self.0.wrapping_add(nanos))));
        self.0.checked_add(nanos).map(Self)
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// As [`since`](Self::since), in nanoseconds.
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// As [`nanos_since`](Self::nanos_since), from a moment that is known to be earlier.
    pub(crate) const fn nanos_from(self, earlier: Self) -> u64 {
        self.0.wrapping_sub(earlier.0)
    }
}
