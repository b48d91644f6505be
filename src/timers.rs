//! The deadlines of the whole loop: which is next, and which are due.
//!
//! A 4-ary min-heap in which each timer knows its place, so that any can be moved or removed. Four
//! children make the heap half as deep as two would, and the four lie in one cache line or two.
//! Arming a deadline later than the others, the usual case when all timeouts are alike, looks at
//! one other timer; everything else takes time logarithmic in the number of timers.
//!
//! A timer takes 16 bytes in the heap and a slot of 4 bytes and its key, padded: 40 bytes with a
//! key of 16 bytes, 24 with one of 4. What was moved or cancelled leaves nothing behind, so there
//! is only ever room for as many timers as were armed at one time. That room is kept until few of
//! many are left: then what nobody needs is given back.

use std::num::NonZeroU32;

use crate::instant::Instant;

/// How many children each place of the heap has.
const ARITY: usize = 4;
/// Room for fewer timers than this is kept.
const WORTH_GIVING_BACK_LEN: usize = 1024;
/// Few are left when there were this many times as many.
const MANY_PER_FEW: usize = 8;
/// The end of the list of free slots. No slot has this number.
const NONE: u32 = u32::MAX;

/// Deadlines, each with a key that says what it is the deadline of.
///
/// Equal deadlines are due in the order they were armed or moved.
#[derive(Debug)]
pub(crate) struct Timers<K: Copy> {
    /// The armed timers: each place's deadline is no later than those of its children.
    heap: Vec<Entry>,
    /// By the number of the timer.
    slots: Vec<Slot<K>>,
    /// The first free slot, or `NONE`.
    free: u32,
    /// The order of the timer armed next.
    order: u32,
    /// When so few timers are left, it is looked what can be given back.
    few: usize,
}

/// Names an armed timer, until it is cancelled or was due: then another may get the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimerId(NonZeroU32);

impl TimerId {
    const fn new(slot: u32) -> Self {
        // Slots are counted from 1 here, so that an `Option` of this takes no more room.
        Self(NonZeroU32::MIN.saturating_add(slot))
    }

    const fn slot(self) -> u32 {
        self.0.get() - 1
    }
}

/// A place of the heap. The order of the fields is the order of the heap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry {
    deadline: Instant,
    /// Which of two equal deadlines comes first.
    order: u32,
    id: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot<K> {
    /// Of an armed timer, its place in the heap; of a free slot, the next free one. They need no
    /// mark to tell them apart: no place of the heap names a free slot.
    position: u32,
    key: K,
}

// The figure that the module's head gives.
const _: () = assert!(size_of::<Entry>() + size_of::<Slot<[u64; 2]>>() == 40);

impl<K: Copy> Timers<K> {
    /// No timers yet, and room for `capacity` of them.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let (heap, slots) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        Self { heap, slots, free: NONE, order: 0, few: 0 }
    }

    /// Starts a timer. A deadline that has passed already is due at once: whoever arms timers
    /// while taking those that are due must itself see to it that this ends.
    ///
    /// # Panics
    ///
    /// If there would be more than 4,294,967,295 timers.
    pub(crate) fn arm(&mut self, deadline: Instant, key: K) -> TimerId {
        let id = self.take_slot(key);
        let entry = Entry { deadline, order: self.next_order(), id };
        self.heap.push(entry);
        self.sift_up(self.heap.len() - 1, entry);
        TimerId::new(id)
    }

    /// Gives an armed timer another deadline, earlier or later.
    ///
    /// # Panics
    ///
    /// If it is not armed.
    pub(crate) fn move_to(&mut self, id: TimerId, deadline: Instant) {
        // The order first: giving it may move the timers.
        let order = self.next_order();
        let position = self.position(id);
        self.settle(position, Entry { deadline, order, id: id.slot() });
    }

    /// Removes a timer before it is due.
    ///
    /// # Panics
    ///
    /// If it is not armed.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        let position = self.position(id);
        self.remove(position);
        self.free_slot(id.slot());
    }

    /// When the timer is due.
    ///
    /// # Panics
    ///
    /// If it is not armed.
    pub(crate) fn deadline_of(&self, id: TimerId) -> Instant {
        self.heap[self.position(id)].deadline
    }

    /// How many timers are armed.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The earliest deadline of all.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.heap.first().map(|entry| entry.deadline)
    }

    /// Removes the earliest timer if its deadline is not after `now`, and says what it was for.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let Entry { deadline, id, .. } = *self.heap.first()?;
        if deadline > now || (planted!(DueIsNotDueYet) && deadline == now) {
            return None;
        }
        self.remove(0);
        Some(self.free_slot(id))
    }

    /// The timer's place in the heap. Asserted in release too: acting on the wrong timer would
    /// close a connection that did nothing wrong.
    fn position(&self, id: TimerId) -> usize {
        let position = self.slots[id.slot() as usize].position as usize;
        let is_armed = self.heap.get(position).is_some_and(|entry| entry.id == id.slot());
        assert!(is_armed, "a timer that is not armed");
        position
    }

    fn take_slot(&mut self, key: K) -> u32 {
        if self.free == NONE {
            let id = narrow(self.slots.len());
            assert!(id != NONE, "more timers than can be numbered");
            self.slots.push(Slot { position: NONE, key });
            self.few = self.slots.len() / MANY_PER_FEW;
            return id;
        }
        let id = self.free;
        let slot = &mut self.slots[id as usize];
        self.free = slot.position;
        slot.key = key;
        id
    }

    /// The timer must be out of the heap.
    fn free_slot(&mut self, id: u32) -> K {
        let slot = &mut self.slots[id as usize];
        slot.position = self.free;
        self.free = id;
        let key = slot.key;
        if self.heap.len() <= self.few && self.slots.len() >= WORTH_GIVING_BACK_LEN {
            self.give_back();
        }
        key
    }

    /// Few of many timers are left: gives back what is behind the last of their slots, and most of
    /// the heap. The next look is at half as many, or when there were many again, so that all looks
    /// together cost less than the timers did.
    #[cold]
    fn give_back(&mut self) {
        self.few = self.heap.len() / 2;
        let last = self.heap.iter().map(|entry| entry.id as usize + 1).max();
        let len = last.unwrap_or(0);
        let is_armed = |heap: &[Entry], id: u32, slot: &Slot<K>| {
            heap.get(slot.position as usize).is_some_and(|entry| entry.id == id)
        };
        self.slots.truncate(len);
        self.free = NONE;
        // The lowest first, as if no other had ever been taken.
        for (id, slot) in (0..narrow(len)).zip(&mut self.slots).rev() {
            if !is_armed(&self.heap, id, slot) {
                slot.position = self.free;
                self.free = id;
            }
        }
        self.slots.shrink_to(len.max(WORTH_GIVING_BACK_LEN));
        self.heap.shrink_to(self.heap.len().max(WORTH_GIVING_BACK_LEN));
    }

    fn next_order(&mut self) -> u32 {
        if self.order == u32::MAX {
            self.renumber();
        }
        self.order += 1;
        self.order - 1
    }

    /// Numbers the timers from zero again, in their order, once in four thousand million: the
    /// order survives although its number wraps. What is sorted is a heap.
    fn renumber(&mut self) {
        self.heap.sort_unstable();
        for position in 0..self.heap.len() {
            let order = narrow(position);
            self.place(position, Entry { order, ..self.heap[position] });
        }
        self.order = narrow(self.heap.len());
        assert!(self.order != u32::MAX, "more timers than can be numbered");
    }

    /// Takes the entry at `position` out of the heap and fills its place with the last.
    fn remove(&mut self, position: usize) {
        let last = self.heap.pop().expect("the entry to be removed is in the heap");
        if position < self.heap.len() {
            self.settle(position, last);
        }
    }

    /// Puts `entry` where it belongs, beginning at `position`, whose entry is overwritten.
    fn settle(&mut self, position: usize, entry: Entry) {
        if position > 0 && entry < self.heap[parent(position)] {
            self.sift_up(position, entry);
        } else {
            self.sift_down(position, entry);
        }
    }

    fn sift_up(&mut self, mut position: usize, entry: Entry) {
        while position > 0 && entry < self.heap[parent(position)] {
            self.place(position, self.heap[parent(position)]);
            position = parent(position);
        }
        self.place(position, entry);
    }

    fn sift_down(&mut self, mut position: usize, entry: Entry) {
        while let Some(child) = self.earliest_child(position)
            && self.heap[child] < entry
        {
            self.place(position, self.heap[child]);
            position = child;
        }
        self.place(position, entry);
    }

    fn earliest_child(&self, position: usize) -> Option<usize> {
        let first = position * ARITY + 1;
        let end = self.heap.len().min(first + ARITY);
        (first..end).min_by_key(|&child| self.heap[child])
    }

    fn place(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.slots[entry.id as usize].position = narrow(position);
    }
}

const fn parent(position: usize) -> usize {
    (position - 1) / ARITY
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("there are no more timers than numbers for them")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// Says which seed failed, whatever panicked.
    struct Seed(u64);

    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with seed {}", self.0);
            }
        }
    }

    /// Numbers that look random, the same ones for the same seed (splitmix64).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % end
        }
    }

    impl<K: Copy> Timers<K> {
        /// Whether no timer is armed.
        pub(crate) fn is_empty(&self) -> bool {
            self.heap.is_empty()
        }

        /// What an armed timer is for.
        fn key(&self, id: TimerId) -> K {
            self.slots[self.heap[self.position(id)].id as usize].key
        }

        /// Everything that is always true of the heap and the slots.
        fn check(&self) {
            for (position, entry) in self.heap.iter().enumerate() {
                assert_eq!(self.slots[entry.id as usize].position as usize, position, "a place");
                if position > 0 {
                    assert!(self.heap[parent(position)] < *entry, "the order at {position}");
                }
                assert!(entry.order < self.order, "an order not given yet");
            }
            let mut free_len = 0;
            let mut free = self.free;
            while free != NONE {
                free_len += 1;
                assert!(free_len <= self.slots.len(), "the free list runs in a circle");
                free = self.slots[free as usize].position;
            }
            assert_eq!(free_len + self.heap.len(), self.slots.len(), "a slot is lost");
        }
    }

    /// Timers beside a model that is too simple to be wrong: a sorted map of deadline and order.
    struct History {
        timers: Timers<u64>,
        model: BTreeMap<(Instant, u64), (TimerId, u64)>,
        order: u64,
        now: u64,
        numbers: Numbers,
    }

    impl History {
        fn new(seed: u64) -> Self {
            let mut timers = Timers::with_capacity(0);
            // Every other history meets the end of the order's numbers on its way.
            timers.order = if seed.is_multiple_of(2) { 0 } else { u32::MAX - 200 };
            Self { timers, model: BTreeMap::new(), order: 0, now: 0, numbers: Numbers(seed) }
        }

        fn any_deadline(&mut self) -> Instant {
            // Few enough values that many deadlines are equal, some of them past.
            at((self.now + self.numbers.below(60)).saturating_sub(10))
        }

        fn any_timer(&mut self) -> Option<(Instant, u64)> {
            let count = self.model.len() as u64;
            let nth = if count == 0 { return None } else { self.numbers.below(count) };
            self.model.keys().nth(usize::try_from(nth).unwrap()).copied()
        }

        fn arm(&mut self) {
            let deadline = self.any_deadline();
            self.order += 1;
            let id = self.timers.arm(deadline, self.order);
            self.model.insert((deadline, self.order), (id, self.order));
        }

        fn move_one(&mut self) {
            let Some(place) = self.any_timer() else { return };
            let deadline = self.any_deadline();
            let (id, key) = self.model.remove(&place).unwrap();
            assert_eq!(self.timers.deadline_of(id), place.0);
            self.timers.move_to(id, deadline);
            assert_eq!(self.timers.deadline_of(id), deadline);
            self.order += 1;
            self.model.insert((deadline, self.order), (id, key));
        }

        fn cancel(&mut self) {
            let Some(place) = self.any_timer() else { return };
            let (id, key) = self.model.remove(&place).unwrap();
            assert_eq!(self.timers.key(id), key);
            self.timers.cancel(id);
        }

        fn pop_all_due(&mut self) {
            self.now += self.numbers.below(8);
            loop {
                let first = self.model.first_key_value();
                let expected =
                    first.filter(|(place, _)| place.0 <= at(self.now)).map(|(_, (_, key))| *key);
                assert_eq!(self.timers.pop_due(at(self.now)), expected);
                if expected.is_none() {
                    return;
                }
                self.model.pop_first();
            }
        }

        fn step(&mut self, arm_percent: u64) {
            match self.numbers.below(100) {
                dice if dice < arm_percent => self.arm(),
                dice if dice < 75 => self.move_one(),
                dice if dice < 97 => self.cancel(),
                _ => self.pop_all_due(),
            }
            let next = self.model.first_key_value().map(|(place, _)| place.0);
            assert_eq!(self.timers.next_deadline(), next);
            assert_eq!(self.timers.len(), self.model.len());
            assert_eq!(self.timers.is_empty(), self.model.is_empty());
        }
    }

    #[test]
    fn any_history_agrees_with_a_sorted_map() {
        for seed in 0..60 {
            let _seed = Seed(seed);
            let mut history = History::new(seed);
            for step in 0..4_000 {
                // Grows, shrinks to nothing, and grows again.
                history.step(if step % 2_000 < 1_000 { 60 } else { 15 });
                history.timers.check();
            }
        }
    }

    #[test]
    fn any_history_that_comes_from_many_to_few_agrees_with_a_sorted_map() {
        for seed in 0..4 {
            let _seed = Seed(seed);
            let mut history = History::new(seed);
            for step in 0..12_000 {
                history.step(if step % 6_000 < 3_000 { 100 } else { 15 });
                if step % 100 == 0 {
                    history.timers.check();
                }
            }
            assert!(history.timers.slots.len() < 1024, "they were given back");
        }
    }

    #[test]
    fn equal_deadlines_are_due_in_the_order_they_were_armed() {
        let mut timers = Timers::with_capacity(0);
        let first = timers.arm(at(5), 'a');
        timers.arm(at(5), 'b');
        timers.arm(at(5), 'c');
        timers.move_to(first, at(5));
        let keys: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(5))).collect();
        assert_eq!(keys, ['b', 'c', 'a'], "a move counts as arming");
    }

    #[test]
    fn the_order_survives_the_wrap_of_its_number() {
        let mut numbers = Numbers(1);
        let mut timers = Timers::with_capacity(0);
        timers.order = u32::MAX - 500;
        let mut expected = Vec::new();
        for key in 0..1_000 {
            let deadline = at(numbers.below(10));
            timers.arm(deadline, key);
            expected.push((deadline, key));
            timers.check();
        }
        assert_eq!(timers.order, 1_000, "the numbers began again");
        expected.sort_unstable();
        for (deadline, key) in expected {
            assert_eq!(timers.next_deadline(), Some(deadline));
            assert_eq!(timers.pop_due(at(10)), Some(key));
        }
    }

    #[test]
    fn a_timer_is_due_at_its_deadline_and_not_before() {
        let mut timers = Timers::with_capacity(0);
        timers.arm(at(7), "key");
        assert_eq!(timers.pop_due(at(6)), None);
        assert_eq!(timers.pop_due(at(7)), Some("key"));
        assert_eq!(timers.pop_due(at(u64::MAX)), None);
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn the_ends_of_the_clock_are_deadlines_too() {
        let mut timers = Timers::with_capacity(0);
        timers.arm(at(u64::MAX), 'z');
        timers.arm(Instant::START, 'a');
        assert_eq!(timers.pop_due(Instant::START), Some('a'));
        assert_eq!(timers.pop_due(at(u64::MAX - 1)), None);
        assert_eq!(timers.pop_due(at(u64::MAX)), Some('z'));
    }

    #[test]
    fn a_million_rearmed_timers_leave_memory_as_it_was() {
        let mut timers = Timers::with_capacity(0);
        let mut ids: Vec<_> = (0..1_000).map(|key| timers.arm(at(key), key)).collect();
        let room = (timers.heap.capacity(), timers.slots.capacity());
        for turn in 1..=1_000 {
            for (key, id) in (0..).zip(&mut ids) {
                // Half of them are moved; half are cancelled and armed anew.
                if key % 2 == 0 {
                    timers.move_to(*id, at(turn * 1_000 + key));
                } else {
                    timers.cancel(*id);
                    *id = timers.arm(at(turn * 1_000 + key), key);
                }
            }
        }
        assert_eq!((timers.heap.capacity(), timers.slots.capacity()), room);
        assert_eq!((timers.heap.len(), timers.slots.len()), (1_000, 1_000));
        timers.check();
    }

    #[test]
    fn nothing_is_given_back_before_few_of_many_are_left() {
        // As many as leave no remainder, and half as many again.
        for many in [4096, 6145] {
            let mut timers = Timers::with_capacity(0);
            let ids: Vec<_> = (0..many).map(|key| timers.arm(at(key), key)).collect();
            let many = ids.len();
            let mut left = many;
            // The last first, so that what can be given back is.
            for id in ids.into_iter().rev() {
                timers.cancel(id);
                left -= 1;
                let has_given_back = timers.slots.len() < many;
                let few = many / MANY_PER_FEW;
                assert_eq!(has_given_back, left <= few, "{left} are left");
                assert!(left != few || timers.few == few / 2, "the next look is at half as many");
            }
        }
    }

    #[test]
    fn few_timers_that_are_left_of_many_take_the_room_of_few() {
        let mut timers = Timers::with_capacity(0);
        // One from before the many, as a handler's own.
        let first = timers.arm(at(u64::MAX), 0);
        for round in 1..5 {
            let ids: Vec<_> = (0..50_000).map(|key| timers.arm(at(key), key)).collect();
            assert_eq!(timers.slots.len(), 50_001, "in round {round}");
            for (key, id) in (0..).zip(ids) {
                match key % 2 {
                    0 => timers.cancel(id),
                    _ => assert_eq!(timers.pop_due(at(key)), Some(key)),
                }
            }
            timers.check();
            assert!(timers.slots.capacity() <= 1024 && timers.heap.capacity() <= 1024);
            assert_eq!((timers.len(), timers.deadline_of(first)), (1, at(u64::MAX)));
        }
    }

    #[test]
    fn a_hundred_thousand_timers_at_once_are_due_in_order() {
        let mut numbers = Numbers(1);
        let mut timers = Timers::with_capacity(0);
        let mut deadlines: Vec<_> = (0..100_000).map(|_| at(numbers.below(1 << 40))).collect();
        for deadline in &deadlines {
            timers.arm(*deadline, ());
        }
        timers.check();
        deadlines.sort_unstable();
        for deadline in deadlines {
            assert_eq!(timers.next_deadline(), Some(deadline));
            assert!(timers.pop_due(deadline).is_some());
        }
        assert!(timers.is_empty());
        timers.check();
    }

    #[test]
    fn a_later_deadline_than_all_others_stays_where_it_is_put() {
        let mut timers = Timers::with_capacity(0);
        for deadline in 0..1_000 {
            let id = timers.arm(at(deadline), ());
            assert_eq!(timers.position(id), timers.len() - 1, "nothing else was moved");
        }
    }

    #[test]
    #[should_panic(expected = "a timer that is not armed")]
    fn cancelling_a_timer_that_was_due_panics() {
        let mut timers = Timers::with_capacity(0);
        let id = timers.arm(at(1), ());
        timers.arm(at(2), ());
        timers.pop_due(at(1));
        timers.cancel(id);
    }

    #[test]
    #[should_panic(expected = "a timer that is not armed")]
    fn moving_a_cancelled_timer_panics() {
        let mut timers = Timers::with_capacity(0);
        let id = timers.arm(at(1), ());
        timers.cancel(id);
        timers.move_to(id, at(2));
    }
}
