//! The system's monotonic clock, counted from when the network began.

use std::io;

use crate::instant::Instant;

/// A clock that began at zero.
#[derive(Debug)]
pub(super) struct Clock {
    #[cfg(target_os = "linux")]
    started_nanos: u64,
    #[cfg(not(target_os = "linux"))]
    started: std::time::Instant,
}

/// Linux is asked directly: the loop reads the clock once a turn, and the standard library's
/// arithmetic takes more than twice the instructions.
#[cfg(target_os = "linux")]
impl Clock {
    pub(super) fn start() -> io::Result<Self> {
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
        Ok(Self { started_nanos: Self::monotonic_nanos() })
    }

    #[inline]
    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(Self::monotonic_nanos().wrapping_sub(self.started_nanos))
    }

    #[inline]
    fn monotonic_nanos() -> u64 {
        let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
            .expect("there is a monotonic clock, as was tried at the start");
        // Neither is negative, nor does this overflow for 584 years: the clock counts from the
        // start of the system.
        let (seconds, nanos) = (time.tv_sec().cast_unsigned(), time.tv_nsec().cast_unsigned());
        seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos)
    }
}

#[cfg(not(target_os = "linux"))]
impl Clock {
    pub(super) fn start() -> io::Result<Self> {
        Ok(Self { started: std::time::Instant::now() })
    }

    pub(super) fn now(&self) -> Instant {
        Instant::START.after(self.started.elapsed()).expect("584 years are not over")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_begins_at_zero_and_never_goes_back() {
        let clock = Clock::start().unwrap();
        let first = clock.now();
        assert!(first.since(Instant::START).as_secs() < 60);
        assert!((0..1000).fold(first, |last, _| last.max(clock.now())) <= clock.now());
    }
}
