//! A hash table of entries that know their key, which grows a little with every insertion and never
//! moves an entry: for the keys themselves, and for large hashes and sets.
//!
//! An entry stays in the slot that it was put into until it is removed. So a cursor of `SCAN` is
//! the number of a slot: who goes through all of them sees every entry that was there all the time,
//! and exactly once. The chains that lead to the slots are those of linear hashing: with an
//! insertion one chain is split into two, with a removal two are joined again, and no request ever
//! waits for a whole table to be made anew.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::random::Random;

/// What a table holds.
pub(crate) trait Keyed {
    fn key(&self) -> &[u8];
}

/// No slot.
const NONE: u32 = u32::MAX;
/// Chains of a table that has anything in it.
const LEAST_CHAINS: usize = 4;
/// A scan looks at so many slots for each entry that it was asked for, and then lets others go on.
const SLOTS_PER_ENTRY: usize = 10;

#[derive(Clone, Debug)]
pub(crate) struct Table<E> {
    slots: Vec<Slot<E>>,
    /// The first slot of each chain.
    chains: Vec<u32>,
    /// The first of the empty slots, each of which leads to the next.
    empty: u32,
    len: u32,
    /// Seeded by chance, so that nobody can choose keys that all fall into one chain.
    state: RandomState,
}

#[derive(Clone, Debug)]
struct Slot<E> {
    hash: u32,
    next: u32,
    entry: Option<E>,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        let (slots, chains) = (Vec::new(), Vec::new());
        Self { slots, chains, empty: NONE, len: 0, state: RandomState::default() }
    }
}

impl<E: Keyed> Table<E> {
    /// What an entry takes besides the memory it points to.
    pub(crate) const ENTRY_BYTES: usize = size_of::<Slot<E>>() + size_of::<u32>();

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&E> {
        self.find(self.hash(key), key).map(|slot| self.at(slot))
    }

    /// Takes the entry of `key` out, if there is one.
    pub(crate) fn take(&mut self, key: &[u8]) -> Option<E> {
        self.find(self.hash(key), key).map(|slot| self.remove(slot))
    }

    /// What [`find`](Self::find) and [`insert`](Self::insert) want to know of a key.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write(key);
        #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
        let hash = hasher.finish() as u32;
        hash
    }

    /// The slot of the entry of `key`, whose hash is `hash`.
    #[inline]
    pub(crate) fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let mut next = *self.chains.get(self.chain_of(hash))?;
        while let Some(slot) = self.slots.get(next as usize) {
            if slot.hash == hash && slot.entry.as_ref().is_some_and(|entry| entry.key() == key) {
                return Some(next);
            }
            next = slot.next;
        }
        None
    }

    /// The entry in a slot that [`find`](Self::find) or [`insert`](Self::insert) told of.
    #[inline]
    pub(crate) fn at(&self, slot: u32) -> &E {
        self.slots[slot as usize].entry.as_ref().expect(FILLED)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut E {
        self.slots[slot as usize].entry.as_mut().expect(FILLED)
    }

    /// Puts in an entry whose key is not there yet; says into which slot.
    ///
    /// # Panics
    ///
    /// If there are four thousand million entries, for which there is no memory.
    pub(crate) fn insert(&mut self, hash: u32, entry: E) -> u32 {
        self.add_chain();
        let chain = self.chain_of(hash);
        let filled = Slot { hash, next: self.chains[chain], entry: Some(entry) };
        let slot = self.empty;
        let slot = match self.slots.get_mut(slot as usize) {
            Some(room) => {
                self.empty = room.next;
                *room = filled;
                slot
            }
            None => {
                let slot = u32::try_from(self.slots.len()).expect("memory ends before that");
                self.slots.push(filled);
                slot
            }
        };
        self.chains[chain] = slot;
        self.len += 1;
        slot
    }

    /// Takes the entry out of a slot that [`find`](Self::find) told of.
    pub(crate) fn remove(&mut self, slot: u32) -> E {
        let room = &mut self.slots[slot as usize];
        let entry = room.entry.take().expect(FILLED);
        let (hash, behind) = (room.hash, room.next);
        room.next = self.empty;
        self.empty = slot;
        self.unlink(hash, slot, behind);
        self.len -= 1;
        if self.len == 0 {
            // All memory of what was a large table is given back.
            (self.slots, self.chains, self.empty) = (Vec::new(), Vec::new(), NONE);
        }
        // There may be two for each entry.
        self.drop_chain();
        self.drop_chain();
        entry
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        *self = Self { state: self.state.clone(), ..Self::default() };
    }

    /// All entries, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref())
    }

    /// Shows the entries from `cursor` on, about `count` of them; says where to go on, or zero at
    /// the end.
    pub(crate) fn scan<'t>(
        &'t self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&'t E),
    ) -> u64 {
        let start = usize::try_from(cursor).unwrap_or(usize::MAX);
        let most = count.saturating_mul(SLOTS_PER_ENTRY);
        let mut shown = 0;
        for (at, slot) in self.slots.iter().enumerate().skip(start) {
            if shown >= count || at - start >= most {
                return at as u64;
            }
            if let Some(entry) = &slot.entry {
                visit(entry);
                shown += 1;
            }
        }
        0
    }

    /// The slot of any entry: all are about as likely.
    pub(crate) fn random(&self, random: &mut Random) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        // There are no more than a few chains for each entry.
        loop {
            let chain = self.chains[random.below(self.chains.len())];
            let next = |slot: &u32| Some(self.slots.get(*slot as usize)?.next);
            let links = || std::iter::successors(Some(chain), next).filter(|slot| *slot != NONE);
            if chain != NONE {
                return links().nth(random.below(links().count()));
            }
        }
    }

    /// Which chain leads to an entry. There are as many chains as anything: those beyond the last
    /// power of two were split already, and so was what their lower half leads to.
    #[inline]
    const fn chain_of(&self, hash: u32) -> usize {
        let count = self.chains.len();
        let mask = count.next_power_of_two().wrapping_sub(1);
        let chain = hash as usize & mask;
        if chain < count { chain } else { chain & (mask >> 1) }
    }

    /// Makes one chain more if there are fewer than entries: out of the one that leads to what will
    /// belong to it.
    fn add_chain(&mut self) {
        let new = self.chains.len();
        if new < LEAST_CHAINS {
            return self.chains.resize(LEAST_CHAINS, NONE);
        }
        if self.len() < new {
            return;
        }
        self.chains.push(NONE);
        let old = new ^ (1 << new.ilog2());
        let mut next = std::mem::replace(&mut self.chains[old], NONE);
        while next != NONE {
            let slot = next;
            let chain = self.chain_of(self.slots[slot as usize].hash);
            let room = &mut self.slots[slot as usize];
            next = std::mem::replace(&mut room.next, self.chains[chain]);
            self.chains[chain] = slot;
        }
    }

    /// Joins the last chain to the one it came from if there are many more than entries.
    fn drop_chain(&mut self) {
        if self.chains.len() <= LEAST_CHAINS || self.chains.len() <= self.len() * 2 {
            return;
        }
        let mut next = self.chains.pop().unwrap_or(NONE);
        let last = self.chains.len();
        let old = last ^ (1 << last.ilog2());
        while next != NONE {
            let slot = next;
            let room = &mut self.slots[slot as usize];
            next = std::mem::replace(&mut room.next, self.chains[old]);
            self.chains[old] = slot;
        }
    }

    /// Has whatever led to `slot` lead to `behind`.
    fn unlink(&mut self, hash: u32, slot: u32, behind: u32) {
        let chain = self.chain_of(hash);
        let mut at = self.chains[chain];
        if at == slot {
            self.chains[chain] = behind;
            return;
        }
        while self.slots[at as usize].next != slot {
            at = self.slots[at as usize].next;
        }
        self.slots[at as usize].next = behind;
    }
}

/// Why there is an entry.
const FILLED: &str = "only slots that have an entry are told of, and none is kept beyond a removal";

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for Vec<u8> {
        fn key(&self) -> &[u8] {
            self
        }
    }

    fn key(number: u32) -> Vec<u8> {
        format!("key {number}").into_bytes()
    }

    fn put(table: &mut Table<Vec<u8>>, number: u32) -> u32 {
        table.insert(table.hash(&key(number)), key(number))
    }

    #[test]
    fn what_was_put_in_is_found_until_it_is_removed() {
        let mut table = Table::default();
        for number in 0..5000 {
            assert_eq!(table.get(&key(number)), None);
            put(&mut table, number);
            assert_eq!(table.len(), number as usize + 1);
        }
        assert!((0..5000).all(|number| table.get(&key(number)) == Some(&key(number))));
        for number in (0..5000).filter(|number| number % 10 > 0) {
            assert_eq!(table.take(&key(number)), Some(key(number)));
            assert_eq!(table.take(&key(number)), None);
        }
        assert!((0..5000).all(|number| table.get(&key(number)).is_some() == (number % 10 == 0)));
        assert!(table.chains.len() <= 1000, "chains are joined again");
        assert_eq!((table.iter().count(), table.len()), (500, 500));
        (0..500).for_each(|number| _ = table.take(&key(number * 10)));
        assert_eq!((table.len(), table.slots.capacity()), (0, 0), "its memory is given back");
    }

    #[test]
    fn a_scan_sees_once_what_was_there_all_the_time() {
        let mut table = Table::default();
        (0..1000).for_each(|number| _ = put(&mut table, number));
        let (mut seen, mut cursor, mut round) = (Vec::new(), 0, 0);
        loop {
            cursor = table.scan(cursor, 7, |entry| seen.push(entry.clone()));
            // Half of them come and go while it goes on.
            for number in (0..20).filter(|_| round < 25) {
                table.take(&key(500 + round * 20 + number));
                put(&mut table, 2000 + round * 20 + number);
            }
            round += 1;
            if cursor == 0 {
                break;
            }
        }
        for number in 0..500 {
            assert_eq!(seen.iter().filter(|seen| **seen == key(number)).count(), 1, "{number}");
        }
    }

    #[test]
    fn a_scan_of_what_is_nearly_empty_gives_way_to_others() {
        let mut table = Table::default();
        (0..1000).for_each(|number| _ = put(&mut table, number));
        (1..1000).for_each(|number| _ = table.take(&key(number)));
        let mut seen = 0;
        assert_eq!(table.scan(0, 1, |_| seen += 1), 1);
        assert_eq!(table.scan(1, 1, |_| seen += 1), 11, "it has looked at ten slots");
        assert_eq!(seen, 1);
        assert_eq!(table.scan(u64::MAX, 1, |_| seen += 1), 0);
    }

    #[test]
    fn any_entry_can_be_the_random_one() {
        let mut table = Table::default();
        let mut random = Random::new(1);
        assert_eq!(table.random(&mut random), None);
        (0..1000).for_each(|number| _ = put(&mut table, number));
        (10..1000).for_each(|number| _ = table.take(&key(number)));
        let mut counts = [0; 10];
        for _ in 0..1000 {
            let slot = table.random(&mut random).unwrap();
            let number = (0..10).find(|number| table.at(slot) == &key(*number)).unwrap();
            counts[number as usize] += 1;
        }
        assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    }
}
