//! Which keys are watched by transactions to come, and how often they have changed.

use std::collections::HashMap;

use super::element::Element;

/// The watched keys.
#[derive(Debug, Default)]
pub(crate) struct Watches(HashMap<Element, Watch>);

#[derive(Debug)]
struct Watch {
    /// How many connections watch it.
    watchers: usize,
    changes: u64,
}

impl Watches {
    /// `key` has changed.
    #[inline]
    pub(crate) fn touch(&mut self, key: &[u8]) {
        if !self.0.is_empty() {
            self.note(key);
        }
    }

    #[cold]
    fn note(&mut self, key: &[u8]) {
        if let Some(watch) = self.0.get_mut(key) {
            watch.changes += 1;
        }
    }

    /// What a watch takes, here and with the connection, which share a long key.
    pub(crate) fn bytes(key: &Element) -> usize {
        2 * size_of::<(Element, Watch)>() + key.heap_len()
    }

    /// Begins to watch `key`; says how often it has changed so far.
    pub(crate) fn add(&mut self, key: &Element) -> u64 {
        let fresh = Watch { watchers: 0, changes: 0 };
        let watch = self.0.entry(key.clone()).or_insert(fresh);
        watch.watchers += 1;
        watch.changes
    }

    /// Ends a watch on `key`; says how often it has changed.
    pub(crate) fn remove(&mut self, key: &[u8]) -> u64 {
        let Some(watch) = self.0.get_mut(key) else { return 0 };
        watch.watchers -= 1;
        let changes = watch.changes;
        if watch.watchers == 0 {
            self.0.remove(key);
        }
        changes
    }
}
