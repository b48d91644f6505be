//! How much of something may be had per time: the generic cell rate algorithm, in whole numbers.

use std::time::Duration;

use crate::instant::Instant;

/// A rate, `count` units in each `period`, of which `burst` units may be had at once.
///
/// What was taken from it is one point in time, the [`Paid`]: when everything taken will have been
/// paid for, at one unit every `period / count`. Taking moves it on; whoever would move it further
/// than `burst` units beyond the present is told to wait. The time between two units is a fraction
/// of nanoseconds, and is kept as one: nothing is ever rounded, except a wait, up to the next
/// nanosecond.
///
/// What takes more units at once than the burst passes when all of the burst is there, and is paid
/// for in full after that: were it refused always, a frame longer than the burst would wait for
/// ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gcra {
    /// A unit is paid for in `period / count` nanoseconds.
    period: u64,
    count: u32,
    burst: u32,
}

/// When what was taken from a [`Gcra`] will have been paid for.
///
/// The default is that of somebody who has taken nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Paid {
    nanos: u64,
    /// And so many of the rate's `count` parts of a nanosecond.
    parts: u32,
}

impl Paid {
    /// The end of the clock, beyond which nothing is counted.
    const END: Self = Self { nanos: u64::MAX, parts: 0 };

    /// Whether all is paid for: the past has no bearing on what may be taken.
    pub(super) const fn is_settled(self, now: Instant) -> bool {
        self.nanos < now.as_nanos() || (self.nanos == now.as_nanos() && self.parts == 0)
    }
}

impl Gcra {
    /// So many units in each period, of which `count` may be had at once.
    ///
    /// # Panics
    ///
    /// If either is zero, or the period longer than the clock's 584 years.
    pub(crate) fn new(count: u32, period: Duration) -> Self {
        let period = u64::try_from(period.as_nanos()).expect("a period within the clock");
        assert!(count > 0 && period > 0, "a rate is of one unit or more, in some time");
        Self { period, count, burst: count }
    }

    /// As before, but so many units may be had at once.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub(crate) fn with_burst(self, burst: u32) -> Self {
        assert!(burst > 0, "nothing passes a burst of nothing");
        Self { burst, ..self }
    }

    /// Takes `cost` units if they may be had now; else takes nothing and says when they may, if
    /// nothing else is taken until then.
    pub(super) fn check(&self, paid: &mut Paid, now: Instant, cost: u64) -> Result<(), Duration> {
        let burst = u64::from(self.burst);
        let wait = self.excess(*paid, now, burst - cost.min(burst));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.take(paid, now, cost);
        Ok(())
    }

    /// Takes `cost` units, and says how long it is until no more is taken than may be had.
    pub(super) fn charge(&self, paid: &mut Paid, now: Instant, cost: u64) -> Duration {
        self.take(paid, now, cost);
        self.excess(*paid, now, u64::from(self.burst))
    }

    /// How long it is until no more than `units` are unpaid.
    fn excess(&self, paid: Paid, now: Instant, units: u64) -> Duration {
        let allowed = self.time(units);
        // What is allowed is a time from now on; the sum of the two could be beyond the clock.
        let unpaid = Paid { nanos: paid.nanos.saturating_sub(now.as_nanos()), ..paid };
        if paid.nanos < now.as_nanos() || unpaid <= allowed {
            return Duration::ZERO;
        }
        let rounded_up = u64::from(unpaid.parts > allowed.parts);
        Duration::from_nanos((unpaid.nanos - allowed.nanos).saturating_add(rounded_up))
    }

    fn take(&self, paid: &mut Paid, now: Instant, cost: u64) {
        let start = (*paid).max(Paid { nanos: now.as_nanos(), parts: 0 });
        let start = if planted!(RateAddsUp) { *paid } else { start };
        *paid = self.sum(start, self.time(cost));
    }

    /// The time in which so many units are paid for.
    fn time(&self, units: u64) -> Paid {
        let Some(total) = units.checked_mul(self.period) else { return self.long_time(units) };
        let count = u64::from(self.count);
        let parts = u32::try_from(total % count).expect("less than the count");
        Paid { nanos: total / count, parts }
    }

    /// The same where whole numbers of the usual size do not suffice.
    #[cold]
    fn long_time(&self, units: u64) -> Paid {
        let total = u128::from(units) * u128::from(self.period);
        let count = u128::from(self.count);
        let parts = u32::try_from(total % count).expect("less than the count");
        match u64::try_from(total / count) {
            Ok(nanos) => Paid { nanos, parts },
            Err(_) => Paid::END,
        }
    }

    fn sum(&self, start: Paid, time: Paid) -> Paid {
        let parts = u64::from(start.parts) + u64::from(time.parts);
        let is_whole = parts >= u64::from(self.count);
        let parts = if is_whole { parts - u64::from(self.count) } else { parts };
        let nanos = start.nanos.checked_add(time.nanos);
        match nanos.and_then(|nanos| nanos.checked_add(u64::from(is_whole))) {
            Some(nanos) => {
                let parts = u32::try_from(parts).expect("less than the count");
                Paid { nanos, parts }.min(Paid::END)
            }
            None => Paid::END,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::{Random, for_each_seed};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NANO: Duration = Duration::from_nanos(1);

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// The same rate as a bucket that fills: another way to say it, in exact fractions.
    ///
    /// A unit is `period` of the model's, and each nanosecond brings `count` of them.
    struct Bucket {
        rate: Gcra,
        /// Below zero while more was taken than may be had.
        level: i128,
        filled_at: u64,
    }

    impl Bucket {
        fn new(rate: Gcra) -> Self {
            Self { rate, level: Self::full(rate), filled_at: 0 }
        }

        fn full(rate: Gcra) -> i128 {
            i128::from(rate.burst) * i128::from(rate.period)
        }

        fn fill(&mut self, now: u64) {
            let time = now.saturating_sub(self.filled_at);
            self.filled_at = now;
            let inflow = i128::from(time) * i128::from(self.rate.count);
            self.level = (self.level + inflow).min(Self::full(self.rate));
        }

        fn take(&mut self, cost: u64) {
            // All is forgotten at the end of the clock, as it is paid for then.
            let end = i128::from(u64::MAX - self.filled_at) * i128::from(self.rate.count);
            let level = self.level - i128::from(cost) * i128::from(self.rate.period);
            self.level = level.max(Self::full(self.rate) - end);
        }

        /// The time until the level is so high.
        fn wait(&self, level: i128) -> Duration {
            let missing = (level - self.level).max(0);
            let count = i128::from(self.rate.count);
            let nanos = (missing + count - 1) / count;
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        }

        fn check(&mut self, now: u64, cost: u64) -> Result<(), Duration> {
            self.fill(now);
            let need = i128::from(cost.min(u64::from(self.rate.burst)));
            let wait = self.wait(need * i128::from(self.rate.period));
            if wait.is_zero() {
                self.take(cost);
                return Ok(());
            }
            Err(wait)
        }

        fn charge(&mut self, now: u64, cost: u64) -> Duration {
            self.fill(now);
            self.take(cost);
            self.wait(0)
        }
    }

    fn any_rate(random: &mut Random) -> Gcra {
        let few = |random: &mut Random| u32::try_from(random.of_any_size() >> 32).unwrap().max(1);
        let period = (random.of_any_size() >> random.below(40)).max(1);
        Gcra::new(few(random), Duration::from_nanos(period)).with_burst(few(random))
    }

    /// A step in time: none, what makes a difference at this rate, or long.
    fn any_step(random: &mut Random, rate: Gcra) -> u64 {
        match random.below(8) {
            0..=2 => 0,
            3..=5 => random.below((rate.period / u64::from(rate.count)).saturating_add(2)),
            6 => random.below(rate.period) + 1,
            _ => random.of_any_size(),
        }
    }

    fn any_cost(random: &mut Random, rate: Gcra) -> u64 {
        match random.below(8) {
            0 => 0,
            1..=4 => 1 + random.below(3),
            5 => random.below(u64::from(rate.burst) + 2),
            6 => random.below(4 * u64::from(rate.burst)),
            _ => random.of_any_size(),
        }
    }

    /// Both are asked the same, and answer the same.
    fn history(seed: u64, start: u64) {
        let mut random = Random::new(seed);
        let rate = any_rate(&mut random);
        let (mut paid, mut bucket, mut now) = (Paid::default(), Bucket::new(rate), start);
        for step in 0..300 {
            now = now.saturating_add(any_step(&mut random, rate));
            let cost = any_cost(&mut random, rate);
            let place = format!("step {step} at {now}: {cost} of {rate:?}");
            if random.below(3) == 0 {
                let wait = rate.charge(&mut paid, at(now), cost);
                assert_eq!(wait, bucket.charge(now, cost), "{place}");
            } else {
                let verdict = rate.check(&mut paid, at(now), cost);
                assert_eq!(verdict, bucket.check(now, cost), "{place}");
            }
            let is_full = bucket.level == Bucket::full(rate);
            assert_eq!(paid.is_settled(at(now)), is_full, "{place}");
        }
    }

    #[test]
    fn any_history_agrees_with_a_bucket_of_exact_fractions() {
        for_each_seed(4_000, |seed| history(seed, 0));
    }

    #[test]
    fn any_history_near_the_end_of_the_clock_agrees_with_the_bucket() {
        for_each_seed(4_000, |seed| history(seed, u64::MAX - Random::new(!seed).of_any_size()));
    }

    #[test]
    fn whoever_waits_as_long_as_told_passes_and_not_before() {
        for_each_seed(2_000, |seed| {
            let mut random = Random::new(seed);
            let rate = any_rate(&mut random);
            let mut paid = Paid::default();
            let mut now = 0;
            for _ in 0..50 {
                let cost = any_cost(&mut random, rate);
                let Err(wait) = rate.check(&mut paid, at(now), cost) else { continue };
                let Some(later) = at(now).after(wait) else { return };
                let sooner = at(later.as_nanos() - 1);
                assert_eq!(rate.check(&mut paid, sooner, cost), Err(NANO), "{cost} of {rate:?}");
                assert_eq!(rate.check(&mut paid, later, cost), Ok(()), "{cost} of {rate:?}");
                now = later.as_nanos();
            }
        });
    }

    #[test]
    fn a_million_seconds_of_three_units_each_do_not_drift() {
        let rate = Gcra::new(3, SECOND).with_burst(1);
        let mut paid = Paid::default();
        let mut now = Instant::START;
        for _ in 0..=3_000_000 {
            now = now.after(rate.charge(&mut paid, now, 1)).unwrap();
        }
        // Each wait was rounded up, and the next one was shorter for it.
        assert_eq!(now, Instant::START.after(1_000_000 * SECOND).unwrap());
    }

    #[test]
    fn a_burst_passes_at_once_and_then_one_for_each_interval() {
        let rate = Gcra::new(10, SECOND).with_burst(3);
        let mut paid = Paid::default();
        let verdicts: Vec<_> = (0..4).map(|_| rate.check(&mut paid, at(7), 1)).collect();
        let interval = Duration::from_millis(100);
        assert_eq!(verdicts, [Ok(()), Ok(()), Ok(()), Err(interval)], "time stands still");
        let later = at(7).after(interval).unwrap();
        assert_eq!(rate.check(&mut paid, later, 1), Ok(()));
        assert_eq!(rate.check(&mut paid, later, 1), Err(interval));
    }

    #[test]
    fn a_long_rest_saves_up_no_more_than_the_burst() {
        let rate = Gcra::new(1, SECOND).with_burst(2);
        let mut paid = Paid::default();
        let late = at(u64::MAX / 2);
        assert_eq!(rate.check(&mut paid, late, 1), Ok(()));
        assert_eq!(rate.check(&mut paid, late, 1), Ok(()));
        assert_eq!(rate.check(&mut paid, late, 1), Err(SECOND));
    }

    #[test]
    fn what_costs_more_than_the_burst_passes_when_nothing_is_owed_and_is_paid_in_full() {
        let rate = Gcra::new(10, SECOND);
        let mut paid = Paid::default();
        assert_eq!(rate.check(&mut paid, at(0), 50), Ok(()));
        // Fifty units take five seconds, and the next has room once nine are still unpaid.
        assert_eq!(rate.check(&mut paid, at(0), 1), Err(Duration::from_millis(4_100)));
        assert_eq!(rate.check(&mut paid, at(0), 50), Err(5 * SECOND));
    }

    #[test]
    fn a_charge_always_takes_and_says_how_long_to_rest() {
        let rate = Gcra::new(10, SECOND);
        let mut paid = Paid::default();
        assert_eq!(rate.charge(&mut paid, at(0), 10), Duration::ZERO);
        assert_eq!(rate.charge(&mut paid, at(0), 5), SECOND / 2);
        assert_eq!(rate.charge(&mut paid, at(0), 10), SECOND * 3 / 2);
        assert!(!paid.is_settled(at(2_499_999_999)) && paid.is_settled(at(2_500_000_000)));
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let rate = Gcra::new(1, SECOND);
        let mut paid = Paid::default();
        assert_eq!(rate.check(&mut paid, at(0), 1), Ok(()));
        let before = paid;
        assert!(rate.check(&mut paid, at(1), 1).is_err());
        assert_eq!(paid, before);
    }

    #[test]
    fn what_costs_nothing_passes_unless_more_is_owed_than_the_burst() {
        let rate = Gcra::new(1, SECOND);
        let mut paid = Paid::default();
        rate.charge(&mut paid, at(0), 1);
        assert_eq!(rate.check(&mut paid, at(0), 0), Ok(()));
        rate.charge(&mut paid, at(0), 1);
        assert_eq!(rate.check(&mut paid, at(0), 0), Err(SECOND));
    }

    #[test]
    fn the_largest_numbers_overflow_nowhere() {
        let longest = Duration::from_nanos(u64::MAX);
        for rate in [Gcra::new(u32::MAX, longest), Gcra::new(1, longest), Gcra::new(1, NANO)] {
            let rate = rate.with_burst(u32::MAX);
            for now in [0, 1, u64::MAX - 1, u64::MAX] {
                let mut paid = Paid::default();
                for _ in 0..3 {
                    rate.charge(&mut paid, at(now), u64::MAX);
                    assert!(paid <= Paid::END);
                    let _ = rate.check(&mut paid, at(now), u64::MAX);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a rate is of one unit or more")]
    fn a_rate_of_nothing_panics() {
        Gcra::new(0, SECOND);
    }

    #[test]
    #[should_panic(expected = "a burst of nothing")]
    fn a_burst_of_nothing_panics() {
        Gcra::new(1, SECOND).with_burst(0);
    }
}
