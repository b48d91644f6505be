//! Which key expires next.

use std::collections::BTreeSet;

use super::store::NEVER;

/// The slots of all keys that expire, in the order in which they do.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(u64, u32)>);

impl Deadlines {
    /// The key in `slot` expires then: nothing is noted of one that never does.
    pub(crate) fn insert(&mut self, expires: u64, slot: u32) {
        if expires != NEVER {
            self.0.insert((expires, slot));
        }
    }

    pub(crate) fn remove(&mut self, expires: u64, slot: u32) {
        if expires != NEVER {
            self.0.remove(&(expires, slot));
        }
    }

    /// The first of all.
    pub(crate) fn first(&self) -> Option<(u64, u32)> {
        self.0.first().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
