//! To be written.

use super::command::Spec;
use super::refusal::Refusal;
use super::reply::Replies;
use super::store::Store;
use super::value::kind;

#[derive(Clone, Debug, Default)]
pub(crate) struct List {}

kind!(List);

impl List {
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
pub(crate) enum ListCommand<'a> {
    Nothing(&'a [u8]),
}

impl ListCommand<'_> {
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        let _ = (store, to);
        Ok(())
    }
}
