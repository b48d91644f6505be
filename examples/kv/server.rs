//! To be written.

use super::command::Spec;
use super::refusal::Refusal;
use super::reply::Replies;
use super::store::Store;

pub(crate) const COMMANDS: &[Spec] = &[];

#[derive(Clone, Copy, Debug)]
pub(crate) enum ServerCommand<'a> {
    Nothing(&'a [u8]),
}

impl ServerCommand<'_> {
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        let _ = (store, to);
        Ok(())
    }
}
