//! All keys together: to be looked through, picked from, renamed and removed.

use super::super::table::Keyed;
use super::super::value::Value;
use super::Store;

impl Store {
    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        self.table.iter().for_each(|entry| self.watches.touch(entry.key()));
        self.table.clear();
        self.deadlines.clear();
        self.used_bytes = 0;
    }

    /// All keys that are there, with what they hold.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        let there = self.table.iter().filter(|entry| entry.expires > self.now);
        there.map(|entry| (entry.key(), &entry.value))
    }

    /// Shows the keys from `cursor` on, as [`Table::scan`] does.
    pub(crate) fn scan<'s>(
        &'s self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&'s [u8], &'s Value),
    ) -> u64 {
        self.table.scan(cursor, count, |entry| {
            if entry.expires > self.now {
                visit(entry.key(), &entry.value);
            }
        })
    }

    /// Any key.
    pub(crate) fn random_key(&mut self) -> Option<&[u8]> {
        const TRIES: usize = 100;
        for _ in 0..TRIES {
            let slot = self.table.random(&mut self.random)?;
            if self.table.at(slot).expires > self.now {
                return Some(self.table.at(slot).key());
            }
        }
        None
    }

    /// Moves, or copies, what one key holds to another, with its time of expiry, whatever was there
    /// before; says whether there was anything.
    pub(crate) fn transfer(&mut self, from: &[u8], to: &[u8], is_copy: bool) -> bool {
        let Some(slot) = self.place(from).slot else { return false };
        if from == to {
            return true;
        }
        let entry = match is_copy {
            true => self.table.at(slot).clone(),
            false => {
                self.watches.touch(from);
                self.remove_at(slot)
            }
        };
        self.remove(to);
        self.watches.touch(to);
        let slot = self.insert(self.table.hash(to), to, entry.value);
        self.set_expires_at(slot, entry.expires);
        true
    }
}
