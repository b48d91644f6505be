//! A logarithmic axis: equal distances are equal ratios.

/// The least that an axis shows, as a ratio of its ends, so that noise does not fill it.
const MIN_RATIO: f64 = 1.8;
/// The most marks with numbers.
const MAX_TICKS: usize = 6;

/// An axis from one value to another, drawn from `left` to `right`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    left: f64,
    right: f64,
}

impl Axis {
    /// An axis on which all these values have a place. What is zero or less has none, and is shown
    /// at the left end.
    pub(crate) fn over(values: impl Iterator<Item = f64>, left: f64, right: f64) -> Self {
        let values: Vec<f64> = values.filter(|value| *value > 0.0 && value.is_finite()).collect();
        let low = values.iter().copied().min_by(f64::total_cmp).unwrap_or(1.0);
        let high = values.iter().copied().max_by(f64::total_cmp).unwrap_or(1.0);
        let lacking = (MIN_RATIO / (high / low)).max(1.0).sqrt();
        let margin = 1.06 * (high / low).powf(0.02);
        Self { low: low / lacking / margin, high: high * lacking * margin, left, right }
    }

    /// Where the value is.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let part = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.left + part.min(1.0) * (self.right - self.left)
    }

    /// The values at which there are marks: round numbers, a few, so far from one another or more.
    pub(crate) fn ticks(&self, apart: f64) -> Vec<f64> {
        let finest = [0.02, 0.05, 0.1, 0.2].map(|step| self.even_ticks(step));
        let coarser: [&[f64]; 4] =
            [&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        let coarser = coarser.map(|digits| self.decimal_ticks(digits));
        let mut all: Vec<Vec<f64>> = finest.into_iter().chain(coarser).collect();
        let mut sparse = self.decimal_ticks(&[1.0]);
        while sparse.len() > MAX_TICKS {
            sparse = sparse.into_iter().step_by(2).collect();
        }
        all.push(sparse);
        let is_apart = |pair: &[f64]| (self.place(pair[1]) - self.place(pair[0])) >= apart;
        let fits = |ticks: &Vec<f64>| {
            (2..=MAX_TICKS).contains(&ticks.len()) && ticks.windows(2).all(is_apart)
        };
        all.into_iter().find(fits).unwrap_or_default()
    }

    /// Multiples of a step of the power of ten at the low end.
    fn even_ticks(&self, step: f64) -> Vec<f64> {
        let step = step * 10_f64.powf(self.low.log10().ceil());
        if (self.high - self.low) / step > MAX_TICKS as f64 + 1.0 {
            return Vec::new();
        }
        let first = (self.low / step).ceil();
        let ticks = (0..=MAX_TICKS).map(|at| (first + at as f64) * step);
        ticks.take_while(|tick| *tick <= self.high).collect()
    }

    /// Powers of ten times these digits.
    fn decimal_ticks(&self, digits: &[f64]) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(self.low.log10().floor());
        while decade <= self.high {
            ticks.extend(digits.iter().map(|digit| digit * decade));
            decade *= 10.0;
        }
        ticks.retain(|tick| (self.low..=self.high).contains(tick));
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(values: &[f64]) -> Axis {
        Axis::over(values.iter().copied(), 100.0, 300.0)
    }

    #[test]
    fn equal_ratios_are_equal_distances() {
        let axis = over(&[1.0, 100.0]);
        let (one, ten, hundred) = (axis.place(1.0), axis.place(10.0), axis.place(100.0));
        assert!((ten - one - (hundred - ten)).abs() < 1e-9);
        assert!(one > 100.0 && hundred < 300.0);
    }

    #[test]
    fn what_has_no_logarithm_is_at_the_left_end() {
        let axis = over(&[0.0, -5.0, 10.0]);
        assert_eq!((axis.place(0.0), axis.place(-5.0)), (100.0, 100.0));
        assert!(over(&[]).place(1.0).is_finite());
    }

    #[test]
    fn noise_does_not_fill_the_axis() {
        let axis = over(&[1.0, 1.02]);
        assert!(axis.place(1.02) - axis.place(1.0) < 20.0);
    }

    #[test]
    fn marks_keep_their_distance() {
        let axis = over(&[40.0, 420.0]);
        for apart in [20.0, 40.0, 80.0] {
            let places: Vec<f64> = axis.ticks(apart).iter().map(|tick| axis.place(*tick)).collect();
            assert!(places.len() >= 2, "{apart}");
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= apart), "{places:?}");
        }
    }

    #[test]
    fn there_are_a_few_round_marks_at_any_scale() {
        let scales = [1.0, 1.3, 2.0, 4.0, 9.0, 30.0, 300.0, 1e4, 1e7, 1e12];
        for low in [0.03, 0.7, 1.0, 17.0, 2_301.0] {
            for scale in scales {
                let ticks = over(&[low, low * scale]).ticks(20.0);
                let count = ticks.len();
                assert!((2..=MAX_TICKS).contains(&count), "{low} to {}: {ticks:?}", low * scale);
            }
        }
    }
}
