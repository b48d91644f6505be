//! Timers: so many of them armed, and each set, set again, cancelled or fired.

use windlass::Instant;
use windlass::parts::{TimerId, Timers};

use crate::Work;

/// Deadlines in no order, none of them twice: as those of peers whose last bytes came when they
/// came. There are no more of them than `LATEST`, and none is later.
fn deadline(number: usize) -> Instant {
    Instant::from_nanos(1 + number as u64 * 7_919 % LATEST)
}

/// A prime, so that multiples of another reach every number below it.
const LATEST: u64 = 1_000_003;

/// To arm so many timers, for which there is room.
pub fn arm_timers(count: usize) -> Work {
    let mut timers = Timers::with_capacity(count);
    Box::new(move || {
        for number in 0..count {
            timers.arm(deadline(number));
        }
        count
    })
}

/// To set each of so many timers to a later time than that of all others: as for peers that are
/// served one after another, each of which would be idle for as long from then on.
pub fn move_timers(count: usize) -> Work {
    let (mut timers, ids) = armed(count);
    Box::new(move || {
        for (id, nanos) in ids.iter().zip(LATEST + 1..) {
            timers.move_to(*id, Instant::from_nanos(nanos));
        }
        ids.len()
    })
}

/// To cancel each of so many timers.
pub fn cancel_timers(count: usize) -> Work {
    let (mut timers, ids) = armed(count);
    Box::new(move || {
        ids.iter().for_each(|id| timers.cancel(*id));
        ids.len()
    })
}

/// To fire so many timers, all of which are due.
pub fn fire_timers(count: usize) -> Work {
    let (mut timers, _) = armed(count);
    Box::new(move || {
        let mut fired = 0;
        while timers.fire(Instant::END) {
            fired += 1;
        }
        fired
    })
}

/// So many timers, which were armed in another order than that of their deadlines.
fn armed(count: usize) -> (Timers, Vec<TimerId>) {
    let mut timers = Timers::with_capacity(count);
    let ids = (0..count).map(|number| timers.arm(deadline(number))).collect();
    (timers, ids)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_deadline_is_there_twice_or_later_than_the_latest() {
        let deadlines: BTreeSet<_> = (0..10_000).map(deadline).collect();
        assert_eq!(deadlines.len(), 10_000);
        assert!(deadlines.last().is_some_and(|last| last.as_nanos() <= LATEST));
    }
}
