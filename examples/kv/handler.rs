//! The handler: every connection's commands, one after the other, on one store.

use windlass::{Error, Handler, Session};

use super::command::Command;
use super::dispatch;
use super::refusal::Refusal;
use super::reply::{Replies, Reply, Version};
use super::resp::{Request, Resp};
use super::store::Store;

/// The server's side of all connections.
pub(crate) struct Kv {
    pub(crate) store: Store,
}

/// What is kept for each connection.
#[derive(Default)]
pub(crate) struct Client {}

/// Answers to a command, on their way to the connection it came from.
pub(crate) struct Answers<'a, 's>(pub(crate) &'a mut Session<'s, Kv>);

impl Replies for Answers<'_, '_> {
    #[inline]
    fn put(&mut self, reply: Reply<'_>) {
        // If it is too much, the loop closes the connection, and nobody reads what follows.
        let _ = self.0.send(reply);
    }

    fn version(&self) -> Version {
        Version::Resp2
    }
}

impl Handler for Kv {
    type Codec = Resp;
    type State = Client;

    #[inline]
    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        request: Request<'_>,
    ) -> Result<(), Error> {
        let mut to = Answers(session);
        match request {
            Request::Command { command, .. } => {
                let done = command.and_then(|command| run(&mut self.store, command, &mut to));
                if let Err(refusal) = done {
                    to.put(Reply::Error(&refusal.text()));
                }
            }
            Request::Unknown { .. } => to.put(Reply::Error("ERR unknown command")),
            Request::WrongArity { .. } => to.put(Reply::Error("ERR wrong number of arguments")),
            Request::Nothing => {}
            Request::Broken(_) => session.close(),
        }
        Ok(())
    }
}

fn run(store: &mut Store, command: Command<'_>, to: &mut Answers<'_, '_>) -> Result<(), Refusal> {
    match command {
        Command::Connection(command) => command.run(to),
        Command::Server(command) => command.run(store, to),
        other => dispatch::run(other, store, to).unwrap_or(Ok(())),
    }
}
