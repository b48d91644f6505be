//! What becomes of a connection to another that cannot be made.

use super::{StreamEndpoint, drop_kept};
use crate::command::Command;
use crate::connections::Peer;
use crate::error::CloseReason;
use crate::handler::{Handler, Task};
use crate::token::Token;
use crate::turn::Turn;

impl<H: Handler> StreamEndpoint<H> {
    /// A connection was never made: the handler gets back what it kept for it.
    pub(super) fn free_unconnected(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        reason: &CloseReason,
    ) {
        let Some(Peer { mut connection, codec, state }) = self.connections.remove(token) else {
            return;
        };
        let error = connection.take_connect_error(reason);
        let address = connection.peer();
        connection.release(turn.shared, &mut turn.network);
        drop_kept(turn.shared, token, (codec, connection));
        turn.shared.metrics.connects_failed += 1;
        // Not at once: it may use all of the handler's connections, and those are lent.
        let task: Task<H> = Task(Box::new(move |handler, scope| {
            handler.on_connect_failed(scope, address, state, &error)
        }));
        let task = Box::new(task);
        turn.shared.command(Command::Run { endpoint: self.number, task });
    }
}
