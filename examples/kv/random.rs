//! Chance, for commands that pick anything. Nothing that has to be secret depends on it.

/// A sequence of numbers that look as if by chance: `SplitMix64`.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Another sequence, which goes on by itself.
    pub(crate) const fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// A number below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let product = u128::from(self.number()) * end as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_end_comes_up() {
        let mut random = Random::new(7);
        let mut counts = [0; 6];
        (0..600).for_each(|_| counts[random.below(6)] += 1);
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
        assert_eq!(random.below(1), 0);
    }
}
