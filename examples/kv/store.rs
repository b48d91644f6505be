//! The keys, what they hold, until when, and how much memory all of it takes.

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
    max_bytes: usize,
    pub(crate) random: Random,
}

#[derive(Debug)]
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
    /// A store for as many bytes.
    pub(crate) fn new(max_bytes: usize, seed: u64) -> Self {
        Self {
            table: Table::default(),
            deadlines: Deadlines::default(),
            watches: Watches::default(),
            now: 0,
            used_bytes: 0,
            max_bytes,
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

    /// Puts in a key that is not there, or whose time has come.
    fn insert(&mut self, hash: u32, key: &[u8], value: Value) -> u32 {
        if let Some(slot) = self.table.find(hash, key) {
            self.remove_at(slot);
        }
        let entry = Entry { key: Element::from(key), value, expires: NEVER };
        self.used_bytes += entry.held_bytes();
        self.table.insert(hash, entry)
    }

    fn remove_at(&mut self, slot: u32) {
        let entry = self.table.remove(slot);
        self.used_bytes -= entry.held_bytes();
        self.deadlines.remove(entry.expires, slot);
    }
}

impl Entry {
    fn held_bytes(&self) -> usize {
        Table::<Self>::ENTRY_BYTES + self.key.heap_len() + self.value.held_bytes()
    }
}
