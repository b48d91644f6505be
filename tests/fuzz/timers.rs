//! The timers: which are due, and in which order, against a sorted map.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;

use windlass::Instant;
use windlass::parts::{TimerId, Timers};

use super::choices::Choices;

const MAX_STEPS: usize = 400;
/// Among so many, room is given back when few are left.
const MANY: usize = 1_100;

/// An armed timer.
struct Armed {
    id: TimerId,
    /// Its place in the order of what is due.
    place: (u64, u64),
}

#[derive(Default)]
struct Model {
    /// By deadline and, among equal ones, in the order in which they were armed or moved.
    by_place: BTreeMap<(u64, u64), usize>,
    /// By number.
    armed: BTreeMap<usize, Armed>,
    next_order: u64,
    next_number: usize,
}

impl Model {
    fn place(&mut self, deadline: u64) -> (u64, u64) {
        self.next_order += 1;
        (deadline, self.next_order)
    }

    fn arm(&mut self, timers: &mut Timers, deadline: u64) {
        let number = self.next_number;
        self.next_number += 1;
        let for_number = u32::try_from(number).expect("there are few");
        let id = timers.arm_for(Instant::from_nanos(deadline), for_number);
        let place = self.place(deadline);
        self.by_place.insert(place, number);
        self.armed.insert(number, Armed { id, place });
    }

    /// The number of an armed timer, if there is any.
    fn any(&self, choices: &mut Choices<'_>) -> Option<usize> {
        let from = choices.below(self.next_number.max(1));
        let next = self.armed.range(from..).next().or_else(|| self.armed.iter().next());
        next.map(|(number, _)| *number)
    }

    fn move_any(&mut self, timers: &mut Timers, choices: &mut Choices<'_>, deadline: u64) {
        let Some(number) = self.any(choices) else { return };
        let place = self.place(deadline);
        let armed = self.armed.get_mut(&number).expect("it is armed");
        timers.move_to(armed.id, Instant::from_nanos(deadline));
        self.by_place.remove(&armed.place);
        self.by_place.insert(place, number);
        armed.place = place;
    }

    fn cancel_any(&mut self, timers: &mut Timers, choices: &mut Choices<'_>) {
        let Some(number) = self.any(choices) else { return };
        let Armed { id, place } = self.armed.remove(&number).expect("it is armed");
        timers.cancel(id);
        self.by_place.remove(&place);
    }

    /// Takes so many of those that are due.
    fn pop_due(&mut self, timers: &mut Timers, now: u64, count: usize) {
        for _ in 0..count {
            let due = self.by_place.first_entry().filter(|first| first.key().0 <= now);
            let expected = due.map(OccupiedEntry::remove);
            assert_eq!(timers.pop_due(Instant::from_nanos(now)), expected, "due at {now}");
            let Some(number) = expected else { return };
            self.armed.remove(&number);
        }
    }

    fn check(&self, timers: &Timers, choices: &mut Choices<'_>) {
        let next = self.by_place.keys().next().map(|(deadline, _)| Instant::from_nanos(*deadline));
        assert_eq!(timers.next_deadline(), next);
        assert_eq!((timers.len(), timers.is_empty()), (self.armed.len(), next.is_none()));
        if let Some(number) = self.any(choices) {
            let Armed { id, place } = &self.armed[&number];
            assert_eq!(timers.deadline_of(*id).as_nanos(), place.0);
        }
    }
}

/// A deadline: near, so that some are equal, past, or any.
fn deadline(choices: &mut Choices<'_>, now: u64) -> u64 {
    match choices.below(4) {
        0 => now.saturating_add(choices.byte().into()),
        1 => now.saturating_sub(choices.byte().into()),
        2 => now.saturating_add(1000 * u64::from(choices.byte())),
        _ => choices.number(),
    }
}

pub(crate) fn timers(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let mut timers = Timers::with_capacity(choices.below(3));
    let (mut model, mut now) = (Model::default(), 0_u64);
    for _ in 0..MAX_STEPS {
        match choices.below(8) {
            _ if choices.is_empty() => break,
            0 | 1 => {
                let deadline = deadline(choices, now);
                model.arm(&mut timers, deadline);
            }
            2 => {
                // Each a little earlier or later than the one before.
                let (first, step) = (deadline(choices, now), choices.below(256) as u64);
                let count =
                    if model.next_number < 4 * MANY { choices.pick(&[5, 40, MANY]) } else { 5 };
                for at in 0..count as u64 {
                    model.arm(&mut timers, first.wrapping_add(at.wrapping_mul(step) % 251));
                }
            }
            3 => {
                let deadline = deadline(choices, now);
                model.move_any(&mut timers, choices, deadline);
            }
            4 => model.cancel_any(&mut timers, choices),
            5 => {
                let count = choices.pick(&[5, 40, MANY]);
                (0..count).for_each(|_| model.cancel_any(&mut timers, choices));
            }
            6 => now = deadline(choices, now).max(now),
            _ => {
                let count = choices.pick(&[1, 2, 50, MANY]);
                model.pop_due(&mut timers, now, count);
            }
        }
        model.check(&timers, choices);
    }
    model.pop_due(&mut timers, u64::MAX, usize::MAX);
    assert!(timers.is_empty());
}
