//! How often a duration was seen, to within one part in 128, without ever allocating.

/// Durations below this have a place each; above, each power of two is cut into so many.
const PARTS: u64 = 128;
const PARTS_LOG2: u32 = PARTS.ilog2();
#[expect(clippy::cast_possible_truncation, reason = "it is a small number")]
const PLACES: usize = (u64::BITS - PARTS_LOG2 + 1) as usize * PARTS as usize;

/// Counts of durations in nanoseconds.
pub(super) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    most: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; PLACES].into_boxed_slice(), total: 0, most: 0 }
    }

    /// Notes a duration that so many messages took.
    pub(super) fn note(&mut self, duration_ns: u64, count: u64) {
        self.counts[place(duration_ns)] += count;
        self.total += count;
        self.most = self.most.max(duration_ns);
    }

    /// The duration that so many thousandths of all did not exceed, rounded up to the end of its
    /// place; 0 if there was none.
    pub(super) fn at_thousandths(&self, thousandths: u64) -> u64 {
        let rank = (self.total * thousandths).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return end(place).min(self.most);
            }
        }
        0
    }

    pub(super) fn most(&self) -> u64 {
        self.most
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a place is a small number")]
fn place(duration: u64) -> usize {
    if duration < PARTS {
        return duration as usize;
    }
    let power = duration.ilog2() - PARTS_LOG2;
    let part = (duration >> power) - PARTS;
    ((u64::from(power) + 1) * PARTS + part) as usize
}

/// The longest duration of a place.
fn end(place: usize) -> u64 {
    let place = place as u64;
    if place < PARTS {
        return place;
    }
    let power = place / PARTS - 1;
    let from = (PARTS + place % PARTS) << power;
    from + ((1 << power) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_within_its_place() {
        let mut duration = 0_u64;
        while duration < u64::MAX / 3 {
            let place = place(duration);
            assert!(end(place) >= duration, "{duration}");
            assert!(place == 0 || end(place - 1) < duration, "{duration}");
            assert!(end(place) - duration <= duration / PARTS, "{duration}");
            duration = duration * 3 / 2 + 1;
        }
        assert!(place(u64::MAX) < PLACES);
        assert_eq!(end(place(u64::MAX)), u64::MAX);
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list() {
        let mut histogram = Histogram::new();
        for duration in 1..=1_000 {
            histogram.note(duration * 1_000, 1);
        }
        for thousandths in [1, 500, 900, 990, 999, 1_000] {
            let exact = thousandths * 1_000;
            let given = histogram.at_thousandths(thousandths);
            assert!(given >= exact && given - exact <= exact / PARTS, "{thousandths}: {given}");
        }
        assert_eq!(histogram.most(), 1_000_000);
        assert_eq!(histogram.at_thousandths(1_000), 1_000_000);
    }

    #[test]
    fn a_batch_counts_as_often_as_it_has_messages() {
        let mut histogram = Histogram::new();
        histogram.note(10, 99);
        histogram.note(20, 1);
        assert_eq!(histogram.at_thousandths(990), 10);
        assert_eq!(histogram.at_thousandths(991), 20);
    }

    #[test]
    fn nothing_noted_gives_zero() {
        assert_eq!(Histogram::new().at_thousandths(500), 0);
    }
}
