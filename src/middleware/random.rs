//! Chance for the tests of this folder: the same numbers for the same seed.

/// A generator of the splitmix kind.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of any size: one of few bits is as likely as one of many.
    pub(super) const fn of_any_size(&mut self) -> u64 {
        let bits = self.below(64);
        self.next() >> bits
    }
}

/// Runs `trial` with each of the seeds, and says which one failed.
pub(super) fn for_each_seed(count: u64, trial: impl Fn(u64)) {
    for seed in 0..count {
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trial(seed)));
        assert!(tried.is_ok(), "failed with seed {seed}");
    }
}
