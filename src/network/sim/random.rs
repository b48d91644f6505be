//! The simulation's chance: a small generator, the same numbers for the same seed everywhere.

/// A generator of the splitmix kind: a counter in large odd steps, and a mixer behind it.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 up to `end`, which is not among them and not zero.
    pub(super) fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "a choice among nothing");
        let product = u128::from(self.next()) * end as u128;
        usize::try_from(product >> 64).expect("smaller than the end, which is a usize")
    }

    /// Whether something that happens `per_mille` times in a thousand happens now. What never
    /// happens costs no number, so that adding a fault to the list does not change old runs.
    pub(super) fn chance(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1000) < usize::from(per_mille)
    }
}

/// Spreads every bit of `word` over all 64.
pub(super) const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_numbers_and_another_gives_others() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_number_below_stays_below_and_reaches_every_one() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.below(5)] = true;
        }
        assert_eq!(seen, [true; 5]);
    }

    #[test]
    fn a_chance_keeps_its_rate_and_never_and_always_are_just_that() {
        let mut random = Random::new(3);
        let hits = (0..10_000).filter(|_| random.chance(250)).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| random.chance(1000)));
        let before = random.clone().next();
        assert!(!random.chance(0));
        assert_eq!(random.next(), before, "never costs no number");
    }
}
