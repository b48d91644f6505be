//! How often something took how long, in buckets that cost next to nothing to fill.

use std::time::Duration;

/// How often something took how long.
///
/// There are 28 buckets. The first is for less than 1,024 ns, each of the next for less than twice
/// as much, up to 2^36 ns, which is 68.7 s, and the last for everything beyond. What takes a
/// microsecond is a few system calls, and anything less is not worth telling apart in a loop; what
/// takes a minute is an accident, however long it takes. Powers of two, since the bucket is then
/// found by counting zeros: to [`record`](Self::record) is a dozen instructions, and no division.
///
/// ```
/// use std::time::Duration;
/// use windlass::Histogram;
///
/// let mut histogram = Histogram::default();
/// for nanos in [800, 1_500, 1_700, 90_000] {
///     histogram.record(nanos);
/// }
/// assert_eq!((histogram.count(), histogram.max()), (4, Duration::from_nanos(90_000)));
/// assert_eq!(histogram.quantile(1, 2), Duration::from_nanos(2_048), "half took no longer");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    /// By how many bits there are in what it took.
    counts: [u64; u64::BITS as usize],
    sum: u64,
    max: u64,
}

/// The upper bound of the first bucket, as a power of two of nanoseconds.
const FIRST: u32 = 10;
/// The upper bound of the last bucket that has one, in the same way.
const LAST: u32 = 36;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; u64::BITS as usize], sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts something that took `nanos` nanoseconds; says whether nothing has taken longer or as
    /// long before.
    // Nothing here can overflow within 584 years, not even the sum, and what is done for every
    // event is not to pay for a check.
    #[inline]
    pub const fn record(&mut self, nanos: u64) -> bool {
        let count = &mut self.counts[place(nanos)];
        *count = count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(nanos);
        if nanos > self.max {
            self.set_max(nanos);
            return true;
        }
        false
    }

    /// So rare that it is not to cost those anything that are not the longest.
    #[cold]
    const fn set_max(&mut self, nanos: u64) {
        self.max = nanos;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took together.
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// How long the longest took; zero if there was none.
    pub const fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// What so many did not exceed: `quantile(99, 100)` is what 99 of 100 did not. Not exactly, but
    /// the upper bound of the bucket, so up to twice as much, or [`max`](Self::max) if that is
    /// less. Zero if there was none.
    ///
    /// # Panics
    ///
    /// If `of` is zero, or `part` is more than `of`.
    pub fn quantile(&self, part: u32, of: u32) -> Duration {
        assert!(of > 0 && part <= of, "{part} of {of} is no part");
        let total = u128::from(self.count());
        let rank = (total * u128::from(part)).div_ceil(u128::from(of)).max(1);
        let mut seen = 0;
        let reached = self.buckets().find(|(_, count)| {
            seen += u128::from(*count);
            seen >= rank
        });
        reached.map_or(Duration::ZERO, |(bound, _)| bound.min(self.max()))
    }

    /// The buckets from the shortest: what everything in it took less than, and how many are. The
    /// last has no bound: it says [`Duration::MAX`].
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let (within, beyond) = self.counts.split_at(LAST as usize);
        let (short, others) = within.split_at(FIRST as usize);
        let first = [short.iter().sum()].into_iter();
        let counts = first.chain(others.iter().copied()).chain([beyond.iter().sum()]);
        let bounds = (FIRST..=LAST).map(|power| Duration::from_nanos(1 << power));
        bounds.chain([Duration::MAX]).zip(counts)
    }
}

/// The count of what took `nanos`: there is one for each power of two, so that the compiler sees
/// that there is one for everything, and leaves out the checks. They are added up when asked for.
#[inline]
const fn place(nanos: u64) -> usize {
    (nanos | 1).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for nanos in values {
            histogram.record(*nanos);
        }
        histogram
    }

    /// The upper bound of the bucket that this alone is counted in.
    fn bound_of(nanos: u64) -> Duration {
        let histogram = of(&[nanos]);
        let mut filled = histogram.buckets().filter(|(_, count)| *count > 0);
        let (bound, count) = filled.next().unwrap();
        assert_eq!((count, filled.next()), (1, None));
        bound
    }

    #[test]
    fn each_bound_is_the_first_of_the_next_bucket() {
        assert_eq!(bound_of(0), Duration::from_nanos(1 << FIRST));
        for power in FIRST..=LAST {
            let bound = 1 << power;
            assert_eq!(bound_of(bound - 1), Duration::from_nanos(bound), "{power}");
            let next = if power < LAST { Duration::from_nanos(2 * bound) } else { Duration::MAX };
            assert_eq!(bound_of(bound), next, "{power}");
        }
        assert_eq!(bound_of(u64::MAX), Duration::MAX);
    }

    #[test]
    fn bounds_grow_and_the_last_is_none() {
        let bounds: Vec<_> = of(&[]).buckets().map(|(bound, _)| bound).collect();
        assert_eq!(bounds.len(), 28);
        assert!(bounds.is_sorted_by(|a, b| a < b));
        assert_eq!(bounds.last(), Some(&Duration::MAX));
    }

    #[test]
    fn only_what_takes_longer_than_all_before_is_the_longest() {
        let mut histogram = Histogram::default();
        let longest = [5, 3, 5, 6, u64::MAX / 2, 7].map(|nanos| histogram.record(nanos));
        assert_eq!(longest, [true, false, false, true, true, false]);
        assert_eq!(histogram.max(), Duration::from_nanos(u64::MAX / 2));
        assert_eq!(histogram.sum(), Duration::from_nanos(u64::MAX / 2 + 26));
        assert_eq!(histogram.count(), 6);
    }

    #[test]
    fn a_quantile_is_at_least_the_exact_one_and_at_most_twice_it() {
        let mut values: Vec<u64> = (1..=1_000).map(|i| (i * 7_919) % 1_000 * i * i).collect();
        let histogram = of(&values);
        values.sort_unstable();
        for part in 0..=1_000_u32 {
            let exact = values[(part as usize).max(1) - 1];
            let found = histogram.quantile(part, 1_000);
            assert!(found >= Duration::from_nanos(exact), "{part}: {found:?} of {exact}");
            let most = Duration::from_nanos((2 * exact).max(1 << FIRST));
            assert!(found <= most, "{part}: {found:?} of {exact}");
        }
        assert_eq!(histogram.quantile(1, 1), histogram.max());
    }

    #[test]
    fn what_has_no_bound_is_bounded_by_the_longest() {
        assert_eq!(of(&[]).quantile(1, 2), Duration::ZERO);
        assert_eq!(of(&[1, u64::MAX]).quantile(99, 100), Duration::from_nanos(u64::MAX));
        assert_eq!(of(&[1, u64::MAX]).quantile(1, 2), Duration::from_nanos(1 << FIRST));
    }

    #[test]
    #[should_panic(expected = "3 of 2 is no part")]
    fn more_than_the_whole_is_refused() {
        of(&[1]).quantile(3, 2);
    }
}
