//! One stretch of work: how much of it is left, and what it gave.

use std::fmt::{self, Display};
use std::time::Instant;

use nix::time::{ClockId, clock_gettime};

use super::histogram::Histogram;
use super::plan::Until;
use crate::trouble::{Trouble, Trying as _};

/// The time, in nanoseconds since the load began.
#[derive(Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a measurement does not last for centuries"
    )]
    pub(super) fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// How much may still be issued.
pub(super) struct Allowance {
    left: u64,
    deadline: u64,
}

impl Allowance {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a measurement does not last for centuries"
    )]
    pub(super) fn new(until: Until, now: u64) -> Self {
        match until {
            Until::Replies(count) => Self { left: count, deadline: u64::MAX },
            Until::Time(time) => Self { left: u64::MAX, deadline: now + time.as_nanos() as u64 },
        }
    }

    /// How many of so many may be issued now.
    pub(super) fn take(&mut self, wanted: u64, now: u64) -> u64 {
        if now >= self.deadline {
            return 0;
        }
        let taken = wanted.min(self.left);
        self.left -= taken;
        taken
    }
}

/// What a stretch has given so far.
pub(super) struct Tally {
    pub(super) replies: u64,
    pub(super) resent: u64,
    /// How long it only waited, though awake.
    pub(super) idle_ns: u64,
    pub(super) histogram: Histogram,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { replies: 0, resent: 0, idle_ns: 0, histogram: Histogram::new() }
    }
}

/// What was measured, as it is told to who measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) replies: u64,
    pub(crate) resent: u64,
    pub(crate) elapsed_ns: u64,
    /// What the load was charged for while it did something.
    pub(crate) cpu_ns: u64,
    /// At p50, p90, p99, p99.9 and the most.
    pub(crate) latency_ns: [u64; 5],
}

impl Outcome {
    pub(super) fn new(tally: &Tally, elapsed_ns: u64, cpu_ns: u64) -> Self {
        let Tally { replies, resent, idle_ns, histogram } = tally;
        let [p50, p90, p99, p999] = [500, 900, 990, 999].map(|part| histogram.at_thousandths(part));
        let latency_ns = [p50, p90, p99, p999, histogram.most()];
        let cpu_ns = cpu_ns.saturating_sub(*idle_ns);
        Self { replies: *replies, resent: *resent, elapsed_ns, cpu_ns, latency_ns }
    }

    /// # Errors
    /// If the line is not one that [`Display`] wrote.
    pub(crate) fn parse(line: &str) -> Result<Self, Trouble> {
        let unreadable = || Trouble::new(format!("the load said `{line}`, which is no result"));
        let numbers: Vec<u64> = line
            .strip_prefix("result ")
            .ok_or_else(unreadable)?
            .split(' ')
            .map(|part| part.split_once('=').and_then(|(_, number)| number.parse().ok()))
            .collect::<Option<_>>()
            .ok_or_else(unreadable)?;
        let &[replies, resent, elapsed_ns, cpu_ns, ref latency_ns @ ..] = &numbers[..] else {
            return Err(unreadable());
        };
        let latency_ns = latency_ns.try_into().map_err(|_| unreadable())?;
        Ok(Self { replies, resent, elapsed_ns, cpu_ns, latency_ns })
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replies, resent, elapsed_ns, cpu_ns, latency_ns } = self;
        write!(f, "result replies={replies} resent={resent} ")?;
        write!(f, "elapsed_ns={elapsed_ns} cpu_ns={cpu_ns}")?;
        for (name, value) in ["p50", "p90", "p99", "p999", "max"].iter().zip(latency_ns) {
            write!(f, " {name}_ns={value}")?;
        }
        Ok(())
    }
}

/// What the scheduler has charged this process.
pub(super) fn cpu_ns() -> Result<u64, Trouble> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .trying("cannot read the load's processor time")?;
    Ok(u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_outcome_survives_its_line() {
        let outcome = Outcome {
            replies: 1,
            resent: 2,
            elapsed_ns: 3,
            cpu_ns: 4,
            latency_ns: [5, 6, 7, 8, u64::MAX],
        };
        assert_eq!(Outcome::parse(&outcome.to_string()), Ok(outcome));
    }

    #[test]
    fn a_line_that_is_no_result_is_refused() {
        for line in ["", "warm", "result", "result replies=1", "result replies=x resent=1"] {
            assert!(Outcome::parse(line).is_err(), "{line}");
        }
        let line = Outcome::default().to_string();
        assert!(Outcome::parse(&format!("{line} more=1")).is_err());
    }

    #[test]
    fn a_count_is_issued_exactly() {
        let mut allowance = Allowance::new(Until::Replies(10), 0);
        let taken = [allowance.take(4, 0), allowance.take(4, 1), allowance.take(4, 2)];
        assert_eq!(taken, [4, 4, 2]);
        assert_eq!(allowance.take(1, u64::MAX - 1), 0);
    }

    #[test]
    fn nothing_is_issued_after_the_time() {
        let mut allowance = Allowance::new(Until::Time(Duration::from_nanos(100)), 50);
        assert_eq!(allowance.take(1_000, 149), 1_000);
        assert_eq!(allowance.take(1, 150), 0);
    }
}
