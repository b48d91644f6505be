//! How many connections closed, by reason.

use crate::error::CloseReason;

/// How many connections closed, by [reason](CloseReason).
///
/// ```
/// use windlass::{CloseReason, Metrics};
///
/// let metrics = Metrics::default();
/// assert_eq!(metrics.closed.of(&CloseReason::Evicted), 0);
/// for (label, count) in metrics.closed.iter() {
///     println!("{label}: {count}");
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Closes([u64; CloseReason::LABELS.len()]);

impl Closes {
    /// Counts a connection that closed for this reason.
    pub(crate) const fn add(&mut self, reason: &CloseReason) {
        self.0[reason.place()] += 1;
    }

    /// How many closed for this reason, whatever its details.
    pub const fn of(&self, reason: &CloseReason) -> u64 {
        self.0[reason.place()]
    }

    /// How many closed, whatever the reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason there is, by its [label](CloseReason::label), and how many closed for it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CloseReason::LABELS.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_counted_under_its_label_and_no_other() {
        let mut closes = Closes::default();
        for reason in [CloseReason::Evicted, CloseReason::Stopped, CloseReason::Evicted] {
            closes.add(&reason);
        }
        let counted: Vec<_> = closes.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("evicted", 2), ("stopped", 1)]);
        assert_eq!((closes.of(&CloseReason::Evicted), closes.total()), (2, 3));
    }
}
