//! The commands about the connection itself.

use super::command::{Command, Flags, Keys, Spec};
use super::refusal::Refusal;
use super::reply::{Replies, Reply};

pub(crate) const COMMANDS: &[Spec] =
    &[Spec::new("ping", -1, Flags::SUBSCRIBED, Keys::NONE, |mut arguments| {
        if arguments.len() > 1 {
            return Err(Refusal::Other("ERR wrong number of arguments for 'ping' command"));
        }
        Ok(Command::Connection(ConnectionCommand::Ping(arguments.next())))
    })];

#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionCommand<'a> {
    Ping(Option<&'a [u8]>),
}

impl ConnectionCommand<'_> {
    pub(crate) fn run(self, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Ping(None) => to.put(Reply::Simple("PONG")),
            Self::Ping(Some(bytes)) => to.bulk(bytes),
        }
        Ok(())
    }
}
