//! The keys, what they hold, until when, and how much memory all of it takes.

mod keys;
mod texts;

use super::deadlines::Deadlines;
use super::element::Element;
use super::random::Random;
use super::refusal::Refusal;
use super::table::{Keyed, Table};
use super::value::{Kind, Value};
use super::watches::Watches;

/// A time of expiry that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// All keys.
///
/// Time comes in through [`set_now`](Self::set_now) alone. A key whose time has come is not there
/// for anybody, whether it was removed yet or not.
#[derive(Debug)]
pub(crate) struct Store {
    table: Table<Entry>,
    deadlines: Deadlines,
    watches: Watches,
    /// In milliseconds since 1970.
    now: u64,
    /// How many bytes the keys and their values take, by our own account.
    used_bytes: usize,
    /// How many bytes connections keep for themselves: transactions to come, watches, and names of
    /// channels.
    kept_bytes: usize,
    limits: StoreLimits,
    /// How many keys have expired.
    expired: u64,
    pub(crate) random: Random,
}

/// What a store may come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StoreLimits {
    /// How many bytes of memory the keys and their values may take.
    pub(crate) max_bytes: usize,
    /// The longest string.
    pub(crate) max_len: usize,
    /// The longest request: all of a transaction's together are no longer either.
    pub(crate) max_request_len: usize,
}

/// A key, and the slot it is in, if it is there: good until the next change of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'k> {
    key: &'k [u8],
    hash: u32,
    slot: Option<u32>,
}

impl Place<'_> {
    /// Whether the key is not there.
    #[inline]
    pub(crate) const fn is_new(&self) -> bool {
        self.slot.is_none()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    key: Element,
    value: Value,
    /// In milliseconds since 1970.
    expires: u64,
}

impl Keyed for Entry {
    #[inline]
    fn key(&self) -> &[u8] {
        self.key.as_slice()
    }
}

/// Whether a change has changed anything: if not, nobody who watches the key needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome<R> {
    Changed(R),
    Same(R),
}

impl Store {
    /// An empty store, whose chance comes from `seed`.
    pub(crate) fn new(limits: StoreLimits, seed: u64) -> Self {
        Self {
            table: Table::default(),
            deadlines: Deadlines::default(),
            watches: Watches::default(),
            now: 0,
            used_bytes: 0,
            kept_bytes: 0,
            limits,
            expired: 0,
            random: Random::new(seed),
        }
    }

    /// The time, in milliseconds since 1970.
    #[inline]
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    pub(crate) const fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// The slot of `key`, unless its time has come.
    #[inline]
    fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let slot = self.table.find(hash, key)?;
        (self.table.at(slot).expires > self.now).then_some(slot)
    }

    /// What `key` holds.
    #[inline]
    pub(crate) fn value(&self, key: &[u8]) -> Option<&Value> {
        let slot = self.find(self.table.hash(key), key)?;
        Some(&self.table.at(slot).value)
    }

    /// What `key` holds, if it is of the type `T`.
    ///
    /// # Errors
    ///
    /// If it is of another type.
    #[inline]
    pub(crate) fn read<T: Kind>(&self, key: &[u8]) -> Result<Option<&T>, Refusal> {
        match self.value(key) {
            Some(value) => T::of(value).map(Some).ok_or(Refusal::WrongType),
            None => Ok(None),
        }
    }

    /// The first of `keys` that holds anything.
    ///
    /// # Errors
    ///
    /// If that is of another type than `T`.
    pub(crate) fn first_of<'k, T: Kind>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Option<&'k [u8]>, Refusal> {
        for key in keys {
            if self.read::<T>(key)?.is_some() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Changes what `key` holds, if it holds anything. If nothing is left, the key is removed.
    ///
    /// # Errors
    ///
    /// If it is of another type than `T`.
    pub(crate) fn change<T: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> Outcome<R>,
    ) -> Result<Option<R>, Refusal> {
        let Some(slot) = self.find(self.table.hash(key), key) else { return Ok(None) };
        self.change_at(slot, change).map(Some)
    }

    /// As [`change`](Self::change), after an empty value was put there if there was none.
    ///
    /// # Errors
    ///
    /// If it is of another type than `T`.
    pub(crate) fn change_or_create<T: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> Outcome<R>,
    ) -> Result<R, Refusal> {
        let hash = self.table.hash(key);
        let slot = match self.find(hash, key) {
            Some(slot) => slot,
            None => self.insert(hash, key, T::default().into_value()),
        };
        self.change_at(slot, change)
    }

    fn change_at<T: Kind, R>(
        &mut self,
        slot: u32,
        change: impl FnOnce(&mut T) -> Outcome<R>,
    ) -> Result<R, Refusal> {
        let entry = self.table.at_mut(slot);
        let value = T::of_mut(&mut entry.value).ok_or(Refusal::WrongType)?;
        let before = value.held_bytes();
        let outcome = change(value);
        let (after, is_gone) = (value.held_bytes(), value.is_gone());
        self.used_bytes = self.used_bytes - before + after;
        let result = match outcome {
            Outcome::Changed(result) => {
                self.watches.touch(entry.key());
                result
            }
            Outcome::Same(result) => result,
        };
        if is_gone {
            self.remove_at(slot);
        }
        Ok(result)
    }

    /// Puts `value` under `key`, whatever was there before, without a time of expiry. A value that
    /// is gone only removes what was there.
    pub(crate) fn put<T: Kind>(&mut self, key: &[u8], value: T) {
        self.remove(key);
        if !value.is_gone() {
            let slot = self.insert(self.table.hash(key), key, value.into_value());
            self.watches.touch(self.table.at(slot).key());
        }
    }

    /// Removes `key`; says whether it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(slot) = self.find(self.table.hash(key), key) else { return false };
        self.watches.touch(key);
        self.remove_at(slot);
        true
    }

    /// Where `key` is, or would be.
    #[inline]
    pub(crate) fn place<'k>(&self, key: &'k [u8]) -> Place<'k> {
        let hash = self.table.hash(key);
        Place { key, hash, slot: self.find(hash, key) }
    }

    /// When the key at a place expires, if it is there.
    pub(crate) fn expires(&self, place: Place<'_>) -> Option<u64> {
        place.slot.map(|slot| self.table.at(slot).expires)
    }

    /// Has the key at a place expire then, if it is there. If that time has come, it is removed.
    pub(crate) fn set_expires(&mut self, place: Place<'_>, expires: u64) {
        let Some(slot) = place.slot else { return };
        self.watches.touch(place.key);
        match expires <= self.now {
            true => _ = self.remove_at(slot),
            false => self.set_expires_at(slot, expires),
        }
    }

    #[inline]
    fn set_expires_at(&mut self, slot: u32, expires: u64) {
        let before = std::mem::replace(&mut self.table.at_mut(slot).expires, expires);
        if before != expires {
            self.deadlines.remove(before, slot);
            self.deadlines.insert(expires, slot);
        }
    }

    /// Removes keys whose time has come, `most` of them.
    pub(crate) fn expire_due(&mut self, most: usize) {
        for _ in 0..most {
            let Some((_, slot)) = self.deadlines.first().filter(|(due, _)| *due <= self.now) else {
                return;
            };
            self.watches.touch(self.table.at(slot).key());
            self.remove_at(slot);
            self.expired += 1;
        }
    }

    /// When the next key expires.
    #[inline]
    pub(crate) fn next_expiry(&self) -> u64 {
        self.deadlines.first().map_or(NEVER, |(expires, _)| expires)
    }

    /// How many keys there are, those counted that have expired and were not removed yet.
    pub(crate) const fn len(&self) -> usize {
        self.table.len()
    }

    /// How many of them have a time of expiry.
    pub(crate) fn expiring_len(&self) -> usize {
        self.deadlines.len()
    }

    /// How many have expired so far.
    pub(crate) const fn expired(&self) -> u64 {
        self.expired
    }

    pub(crate) const fn used_bytes(&self) -> usize {
        self.used_bytes + self.kept_bytes
    }

    /// A connection keeps so many bytes more.
    pub(crate) const fn keep(&mut self, bytes: usize) {
        self.kept_bytes += bytes;
    }

    /// A connection lets so many of the bytes go that it kept.
    pub(crate) const fn let_go(&mut self, bytes: usize) {
        self.kept_bytes -= bytes;
    }

    pub(crate) const fn limits(&self) -> StoreLimits {
        self.limits
    }

    /// Whether there is no memory left for what may take more.
    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.used_bytes() > self.limits.max_bytes
    }

    /// Begins to watch `key`; says how often it has changed so far.
    pub(crate) fn watch(&mut self, key: &Element) -> u64 {
        self.drop_expired(key.as_slice());
        self.keep(Watches::bytes(key));
        self.watches.add(key)
    }

    /// Ends a watch; says how often the key has changed, which it has if its time has come.
    pub(crate) fn unwatch(&mut self, key: &Element) -> u64 {
        self.drop_expired(key.as_slice());
        self.let_go(Watches::bytes(key));
        self.watches.remove(key.as_slice())
    }

    /// Puts in a key that is not there, or whose time has come.
    fn insert(&mut self, hash: u32, key: &[u8], value: Value) -> u32 {
        if let Some(slot) = self.table.find(hash, key) {
            self.remove_at(slot);
        }
        let entry = Entry { key: Element::from(key), value, expires: NEVER };
        self.used_bytes += entry.held_bytes();
        self.table.insert(hash, entry)
    }

    /// Removes `key` if its time has come.
    fn drop_expired(&mut self, key: &[u8]) {
        let slot = self.table.find(self.table.hash(key), key);
        if let Some(slot) = slot.filter(|slot| self.table.at(*slot).expires <= self.now) {
            self.watches.touch(key);
            self.remove_at(slot);
        }
    }

    fn remove_at(&mut self, slot: u32) -> Entry {
        let entry = self.table.remove(slot);
        self.used_bytes -= entry.held_bytes();
        self.deadlines.remove(entry.expires, slot);
        entry
    }
}

impl Entry {
    fn held_bytes(&self) -> usize {
        Table::<Self>::ENTRY_BYTES + self.key.heap_len() + self.value.held_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ask, store};
    use super::*;

    /// What the account should say.
    fn counted(store: &Store) -> usize {
        store.table.iter().map(Entry::held_bytes).sum()
    }

    #[test]
    fn the_account_of_memory_is_that_of_what_is_there() {
        let mut store = store();
        let long = "y".repeat(300);
        for line in [
            "SET a 1",
            "SET a 12345678901234567890",
            "APPEND a 1234567890",
            "SETRANGE a 500 x",
            "SET a 2",
            "SET a 3 EX 100",
            &format!("SET {long} {long}"),
            &format!("RENAME {long} b"),
            "COPY b c",
            "RPUSH l 1 2 3",
            &format!("RPUSH l {long}"),
            "LPOP l",
            "HSET h f 1 g 2",
            &format!("HSET h f {long}"),
            "HDEL h f",
            "SADD s a b c",
            "SREM s a",
            "ZADD z 1 a 2 b",
            "ZREM z a",
            "LREM l 0 2",
            "SET l x",
            "GETDEL c",
            "INCR n",
            "EXPIRE n -1",
        ] {
            let answer = ask(&mut store, line);
            assert!(!answer.starts_with('-'), "{line}: {answer}");
            assert_eq!(store.used_bytes(), counted(&store), "after {line}");
        }
        ask(&mut store, "DEL a b l h s z");
        assert_eq!((store.len(), store.used_bytes()), (0, 0));
    }

    #[test]
    fn so_many_keys_expire_at_a_time_and_no_more() {
        let mut store = store();
        for at in 0..100 {
            ask(&mut store, &format!("SET key{at} x PX {}", 1 + at));
        }
        assert_eq!((store.next_expiry(), store.expiring_len()), (1001, 100));
        store.set_now(1050);
        assert_eq!(ask(&mut store, "GET key49"), "$-1\\r\\n", "nobody sees it any more");
        store.expire_due(20);
        assert_eq!((store.len(), store.next_expiry()), (80, 1021));
        store.expire_due(1000);
        assert_eq!((store.len(), store.expiring_len(), store.expired()), (50, 50, 50));
        assert_eq!(store.used_bytes(), counted(&store));
    }

    #[test]
    fn an_expired_key_is_as_none_for_every_command() {
        for line in ["APPEND a x", "SETNX a x", "INCR a", "RPUSH a x", "SETRANGE a 0 x"] {
            let mut store = store();
            ask(&mut store, "SET a 5 PX 10");
            store.set_now(1010);
            assert_eq!(ask(&mut store, line), ":1\\r\\n", "{line}");
            assert_eq!(ask(&mut store, "PTTL a"), ":-1\\r\\n", "{line}");
            assert_eq!((store.len(), store.expiring_len()), (1, 0), "{line}");
        }
    }

    #[test]
    fn a_value_that_is_gone_takes_its_key_along() {
        let mut store = store();
        for (put, take) in
            [("RPUSH a x", "LPOP a"), ("SADD a x", "SREM a x"), ("HSET a f x", "HDEL a f")]
        {
            ask(&mut store, put);
            ask(&mut store, "EXPIRE a 100");
            ask(&mut store, take);
            assert_eq!((store.len(), store.used_bytes(), store.expiring_len()), (0, 0, 0));
        }
        ask(&mut store, "SET a \"\"");
        assert_eq!(store.len(), 1, "an empty string stays");
    }

    #[test]
    fn a_scan_sees_every_key_that_stays_and_none_that_has_expired() {
        let mut store = store();
        for at in 0..100 {
            ask(&mut store, &format!("SET key{at} x"));
            ask(&mut store, &format!("SET gone{at} x PX 1"));
        }
        store.set_now(2000);
        let (mut cursor, mut seen) = ("0".to_owned(), 0);
        loop {
            let answer = ask(&mut store, &format!("SCAN {cursor} COUNT 7"));
            let words: Vec<&str> = answer.split("\\r\\n").collect();
            seen += words.iter().filter(|word| word.starts_with("key")).count();
            assert!(!answer.contains("gone"), "{answer}");
            cursor = words[2].to_owned();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen, 100);
    }
}
