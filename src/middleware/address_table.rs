//! A record for each address, in memory of a fixed size that no number of addresses outgrows.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::ops::{Index, IndexMut};

use super::address_key::AddressKey;

/// How many addresses a set has places for: their keys are one cache line.
const WAYS: usize = 8;
/// The place in a set that is nobody's own.
const SHARED: u8 = 8;

/// How many addresses a layer has places for, unless told otherwise. A third is taken when as many
/// connections as there may be by default come from an address each.
pub(super) const DEFAULT_PLACES: usize = 1 << 15;

/// A table from addresses to small records, made once and never grown.
///
/// Each address belongs to one set, by a keyed hash, so that nobody can choose his neighbours. A
/// set has eight places. An address has a place to itself from the time it is first looked for
/// there until its record is *worthless*, which is to say that it differs in nothing that matters
/// from the record of a stranger, and another address needs the place. So a record that says
/// something about an address is never forgotten, however many others come: whoever has been told
/// to wait cannot get a clean record by having the old one pushed out.
///
/// An address that finds all places of its set taken shares one record with all others of its set
/// that did. That is the table's failure mode: whoever has enough addresses to keep the places of
/// a set occupied makes the strangers of that set share what is meant for one, and never lets
/// anybody have more. An address that shared and then finds a place begins there with the record
/// of a stranger; each time, that takes a place whose record had become worthless.
///
/// A look-up costs one hash and eight comparisons; a record costs its own length and 8 bytes, and a
/// ninth record for each eight.
pub(super) struct AddressTable<R> {
    sets: Box<[Set<R>]>,
    /// With its key, as it is before anything is hashed.
    hasher: DefaultHasher,
    seed: Option<u64>,
}

#[derive(Clone)]
struct Set<R> {
    /// Whose place it is. A place that never was anybody's has the record of a stranger, and so
    /// may have any key.
    keys: [AddressKey; WAYS],
    records: [R; WAYS + 1],
}

/// Where a record is. Good for as long as the record is not worthless.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    set: u32,
    way: u8,
}

impl Place {
    /// The place that those of the same set share who have none to themselves.
    pub(super) const fn shared(self) -> Self {
        Self { way: SHARED, ..self }
    }
}

impl<R: Copy + Default> AddressTable<R> {
    /// A table with places for so many addresses, rounded up to whole sets. Sets fill unevenly:
    /// with half as many addresses as there are places, two sets in a hundred have more addresses
    /// than places; with a quarter, two in ten thousand.
    ///
    /// With a `seed`, the same addresses always meet in the same sets, so that a simulation can be
    /// repeated; without, nobody can foresee who meets whom.
    ///
    /// # Panics
    ///
    /// If there is no memory for them, or there are more than 2³⁴.
    pub(super) fn new(places: usize, seed: Option<u64>) -> Self {
        let len = places.div_ceil(WAYS).max(1);
        assert!(u32::try_from(len).is_ok(), "more places than a table can have");
        let hasher = match seed {
            Some(seed) => {
                let mut hasher = DefaultHasher::new();
                hasher.write_u64(seed);
                hasher
            }
            None => RandomState::new().build_hasher(),
        };
        let set = Set { keys: [AddressKey::default(); WAYS], records: [R::default(); WAYS + 1] };
        Self { sets: vec![set; len].into_boxed_slice(), hasher, seed }
    }

    /// An empty table of this size, with the same seed.
    pub(super) fn resized(self, places: usize) -> Self {
        Self::new(places, self.seed)
    }

    /// An empty table of the same size, with this seed.
    pub(super) fn seeded(self, seed: u64) -> Self {
        Self::new(self.sets.len() * WAYS, Some(seed))
    }

    /// The place of the address's record: its own, a new one if there is one to be had, or the one
    /// that all others share.
    pub(super) fn find(&mut self, key: AddressKey, is_worthless: impl Fn(&R) -> bool) -> Place {
        let index = self.set_of(key);
        let set = &mut self.sets[index];
        let own = set.keys.iter().position(|other| *other == key);
        let way = own.or_else(|| {
            let way = set.records[..WAYS].iter().position(is_worthless);
            let way = way.or(planted!(FullTableEvicts).then_some(0))?;
            set.keys[way] = key;
            set.records[way] = R::default();
            Some(way)
        });
        let set = u32::try_from(index).expect("no more sets than that");
        Place { set, way: way.map_or(SHARED, |way| u8::try_from(way).expect("one of eight")) }
    }

    fn set_of(&self, key: AddressKey) -> usize {
        let mut hasher = self.hasher.clone();
        hasher.write_u64(key.to_bits());
        let share = u128::from(hasher.finish()) * self.sets.len() as u128;
        usize::try_from(share >> 64).expect("less than the number of sets")
    }
}

impl<R> Index<Place> for AddressTable<R> {
    type Output = R;

    fn index(&self, place: Place) -> &R {
        &self.sets[place.set as usize].records[usize::from(place.way)]
    }
}

impl<R> IndexMut<Place> for AddressTable<R> {
    fn index_mut(&mut self, place: Place) -> &mut R {
        &mut self.sets[place.set as usize].records[usize::from(place.way)]
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::super::gcra::{Gcra, Paid};
    use super::super::random::{Random, for_each_seed};
    use super::*;
    use crate::instant::Instant;

    fn key(number: u64) -> AddressKey {
        let bits = u128::from(0x2001_0db8_0000_0000 + number) << 64;
        AddressKey::new(IpAddr::from(bits.to_be_bytes()))
    }

    /// Counts of connections, as a layer keeps them, which is told of a close by the address only.
    struct Counts {
        table: AddressTable<u32>,
        /// By the number of the address.
        open: Vec<u32>,
        random: Random,
    }

    impl Counts {
        fn new(seed: u64) -> Self {
            let mut random = Random::new(seed);
            let places = usize::try_from(random.below(25)).unwrap();
            let open = vec![0; usize::try_from(1 + random.below(60)).unwrap()];
            Self { table: AddressTable::new(places, Some(seed)), open, random }
        }

        fn any_number(&mut self) -> usize {
            usize::try_from(self.random.below(self.open.len() as u64)).unwrap()
        }

        fn open_any(&mut self) {
            let number = self.any_number();
            let key = key(number as u64);
            let set = &self.table.sets[self.table.set_of(key)];
            let live = set.keys.iter().zip(&set.records).filter(|(_, count)| **count > 0);
            let (is_live, live) = (live.clone().any(|(other, _)| *other == key), live.count());
            let place = self.table.find(key, |count| *count == 0);
            assert_eq!(is_own(place), is_live || live < WAYS, "his, or a free one, or nobody's");
            assert!(!is_own(place) || is_live == (self.table[place] > 0), "from the beginning");
            self.table[place] += 1;
            self.open[number] += 1;
        }

        fn close_any(&mut self) {
            let number = self.any_number();
            if self.open[number] == 0 {
                return;
            }
            let own = self.table.find(key(number as u64), |_| false);
            let place = if self.table[own] > 0 { own } else { own.shared() };
            self.table[place] -= 1;
            self.open[number] -= 1;
        }

        /// Nobody has more to himself than is his, and together it is as many as there are.
        fn check(&self) {
            let mut left = vec![0; self.table.sets.len()];
            for (number, open) in (0..).zip(&self.open) {
                left[self.table.set_of(key(number))] += open;
            }
            for (set, left) in self.table.sets.iter().zip(left) {
                assert_eq!(set.records.iter().sum::<u32>(), left);
                for (owner, count) in set.keys.iter().zip(&set.records).filter(|(_, n)| **n > 0) {
                    let number = (0..self.open.len()).find(|n| key(*n as u64) == *owner);
                    assert!(*count <= self.open[number.unwrap()], "{count} of {number:?}");
                }
            }
        }
    }

    fn is_own(place: Place) -> bool {
        place != place.shared()
    }

    #[test]
    fn any_history_of_counts_agrees_with_those_who_were_counted() {
        for_each_seed(50, |seed| {
            let mut counts = Counts::new(seed);
            for step in 0..1_200 {
                // Fills, empties, and fills again.
                if counts.random.below(100) < if step % 400 < 200 { 70 } else { 20 } {
                    counts.open_any();
                } else {
                    counts.close_any();
                }
                counts.check();
            }
        });
    }

    /// How many of these addresses, each with a live record, have it to themselves.
    fn owners(table: &mut AddressTable<bool>, keys: impl Iterator<Item = AddressKey>) -> usize {
        let mut owners = 0;
        for key in keys {
            let place = table.find(key, |is_live| !is_live);
            table[place] = true;
            owners += usize::from(is_own(place));
        }
        owners
    }

    #[test]
    fn a_million_addresses_take_nobodys_record() {
        let rate = Gcra::new(1, Duration::from_secs(3600));
        let now = Instant::from_nanos(1);
        let mut table: AddressTable<Paid> = AddressTable::new(1 << 16, Some(1));
        let check = |table: &mut AddressTable<Paid>, key| {
            let place = table.find(key, |paid| paid.is_settled(now));
            rate.check(&mut table[place], now, 1)
        };
        let known: Vec<_> = (0..1 << 14).map(key).collect();
        let admitted = known.iter().filter(|key| check(&mut table, **key).is_ok()).count();
        assert!(admitted >= known.len() * 999 / 1000, "{admitted} had a record each");
        let strangers = 1_000_000;
        let admitted = (0..strangers).filter(|n| check(&mut table, key(n + (1 << 20))).is_ok());
        assert!(admitted.count() <= (1 << 16) + (1 << 13), "one for each record there is");
        assert!(known.iter().all(|key| check(&mut table, *key).is_err()), "one was forgotten");
    }

    #[test]
    fn keys_that_look_alike_spread_over_the_sets() {
        let strides = [1, 1 << 8, 1 << 16, 1 << 20];
        for stride in strides {
            let mut table = AddressTable::new(1 << 13, None);
            let owners = owners(&mut table, (0..1 << 11).map(|number| key(number * stride)));
            assert!(owners >= 2_000, "{owners} of 2048, {stride} apart");
        }
    }

    #[test]
    fn a_full_set_has_one_more_record_for_all_others() {
        let mut table = AddressTable::new(0, Some(1));
        assert_eq!(owners(&mut table, (0..100).map(key)), WAYS);
        assert_eq!(size_of_val(&*table.sets), WAYS * 8 + 16, "nine records and eight keys");
    }

    #[test]
    fn a_place_is_given_on_only_once_its_record_is_worthless() {
        let mut table = AddressTable::new(0, Some(1));
        let place = |table: &mut AddressTable<u32>, number| table.find(key(number), |n| *n < 7);
        for number in 0..8 {
            let own = place(&mut table, number);
            table[own] = 7;
        }
        let shared = place(&mut table, 8);
        assert!(!is_own(shared));
        table[shared] = 5;
        let freed = place(&mut table, 3);
        table[freed] = 6;
        assert_eq!(place(&mut table, 3), freed, "it is still his until another needs it");
        assert_eq!((place(&mut table, 8), table[shared]), (freed, 5));
        assert_eq!(table[freed], 0, "a stranger's record");
        table[freed] = 7;
        assert_eq!(place(&mut table, 3), shared);
    }

    #[test]
    fn nobody_can_tell_who_meets_whom_unless_it_is_asked_for() {
        let sets = |table: &AddressTable<u32>| (0..64).map(|n| table.set_of(key(n))).collect();
        let (one, two): (Vec<_>, Vec<_>) =
            (sets(&AddressTable::new(1 << 20, None)), sets(&AddressTable::new(1 << 20, None)));
        assert_ne!(one, two, "each table has a key of its own");
        let seeded = |seed| -> Vec<usize> { sets(&AddressTable::new(1 << 20, Some(seed))) };
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
    }
}
