//! How many lines per time one place in the code may log.

use std::fmt;
use std::time::Duration;

use super::gcra::{Gcra, Paid};
use crate::instant::Instant;

/// The limit of one place that logs, so that a flood of peers is no flood of lines. Each place has
/// its own: what is logged much does not hide what is logged rarely.
#[derive(Debug)]
pub(super) struct LogLimit {
    rate: Gcra,
    paid: Paid,
    suppressed: u64,
}

impl LogLimit {
    /// So many lines a second, of which `burst` may come at once.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let rate = Gcra::new(per_second, Duration::from_secs(1)).with_burst(burst);
        Self { rate, paid: Paid::default(), suppressed: 0 }
    }

    /// Whether a line may be logged now; if so, what is to be added to it.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Suppressed> {
        if self.rate.check(&mut self.paid, now, 1).is_err() {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        Some(Suppressed(std::mem::take(&mut self.suppressed)))
    }
}

/// How many lines were not logged before one that was: displayed at its end, unless there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Suppressed(u64);

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(" (1 such line was left out before)"),
            count => write!(f, " ({count} such lines were left out before)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_burst_and_then_so_many_lines_a_second() {
        let mut limit = LogLimit::new(2, 5);
        // A line each millisecond, for ten seconds.
        let times = (0..10_000).map(|milli| Instant::from_nanos(milli * 1_000_000));
        let lines = times.filter(|now| limit.admit(*now).is_some()).count();
        assert_eq!(lines, 5 + 2 * 10 - 1, "the last half second is not over");
    }

    #[test]
    fn what_was_left_out_is_said_once_with_the_next_line() {
        let mut limit = LogLimit::new(1, 1);
        let mut admit = |second: u64| {
            let admitted = limit.admit(Instant::from_nanos(second * 1_000_000_000));
            admitted.map(|suppressed| suppressed.to_string())
        };
        assert_eq!(admit(0).as_deref(), Some(""));
        assert_eq!(admit(0), None);
        assert_eq!(admit(1).as_deref(), Some(" (1 such line was left out before)"));
        assert_eq!((admit(1), admit(1)), (None, None));
        assert_eq!(admit(2).as_deref(), Some(" (2 such lines were left out before)"));
        assert_eq!(admit(3).as_deref(), Some(""));
    }
}
