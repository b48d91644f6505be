//! Chance for tests: the same numbers for the same seed everywhere.

use std::time::Duration;

/// A generator of the splitmix kind.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        // Far from what the network makes of the same seed.
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x6c62_272e_07bb_0142)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number from 0 up to `end`, which is not among them.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("smaller than a usize")
    }

    /// Whether something that happens `percent` times in a hundred happens now.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A number below one of these.
    pub(crate) fn below_one_of(&mut self, ends: &[usize]) -> usize {
        let end = self.pick(ends);
        self.below(end)
    }

    /// A time shorter than so many microseconds.
    pub(crate) fn micros_below(&mut self, end: usize) -> Duration {
        Duration::from_micros(self.below(end) as u64)
    }
}
