//! From a command to the module that does it.

use super::command::Command;
use super::refusal::Refusal;
use super::reply::Replies;
use super::store::Store;

/// Does a command that needs nothing but the store. `None`: it needs the connection as well.
#[inline]
pub(crate) fn run(
    command: Command<'_>,
    store: &mut Store,
    to: &mut impl Replies,
) -> Option<Result<(), Refusal>> {
    Some(match command {
        Command::String(command) => command.run(store, to),
        Command::Key(command) => command.run(store, to),
        Command::List(command) => command.run(store, to),
        Command::Hash(command) => command.run(store, to),
        Command::Set(command) => command.run(store, to),
        Command::SortedSet(command) => command.run(store, to),
        Command::Connection(_)
        | Command::Server(_)
        | Command::Transaction(_)
        | Command::Channel(_) => return None,
    })
}
