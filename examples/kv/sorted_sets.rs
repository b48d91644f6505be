//! To be written.

use super::command::Spec;
use super::refusal::Refusal;
use super::reply::Replies;
use super::store::Store;
use super::value::kind;

#[derive(Clone, Debug, Default)]
pub(crate) struct SortedSet {}

kind!(SortedSet);

impl SortedSet {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    /// As `OBJECT ENCODING` says it.
    pub(crate) fn encoding(&self) -> &'static str {
        "listpack"
    }

    pub(crate) fn heap_len(&self) -> usize {
        0
    }
}

pub(crate) const COMMANDS: &[Spec] = &[];

#[derive(Clone, Copy, Debug)]
pub(crate) enum SortedSetCommand<'a> {
    Nothing(&'a [u8]),
}

impl SortedSetCommand<'_> {
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        let _ = (store, to);
        Ok(())
    }
}
