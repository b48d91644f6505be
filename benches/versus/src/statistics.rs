//! Medians, and how far what they stand for is apart.

/// A number that stands for several, and between which they lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spread {
    pub(crate) value: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// The median stands for all; of none there is none.
    pub(crate) fn of_median(values: &[f64]) -> Option<Self> {
        Some(Self { value: median(values)?, ..Self::of_least(values)? })
    }

    /// The least stands for all: right for what disturbance can only add to.
    pub(crate) fn of_least(values: &[f64]) -> Option<Self> {
        let least = values.iter().copied().min_by(f64::total_cmp)?;
        let most = values.iter().copied().max_by(f64::total_cmp)?;
        Some(Self { value: least, least, most })
    }
}

/// The median; of an even number of values the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    match sorted.len() % 2 {
        0 => Some(f64::midpoint(sorted[middle - 1], upper)),
        _ => Some(upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }

    #[test]
    fn a_spread_holds_the_least_and_the_most() {
        let spread = Spread::of_median(&[5.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { value: 2.0, least: 1.0, most: 5.0 });
        assert_eq!(Spread::of_least(&[5.0, 1.0, 2.0]).unwrap().value, 1.0);
        assert_eq!(Spread::of_median(&[]), None);
    }
}
