//! Putting things into the loop's queue, and taking them back if it does not accept them.

use bytes::Bytes;

use super::{Handle, PostError, PostFault};
use crate::command::{AnyPostedTask, Broadcast, Command};
use crate::error::Error;
use crate::handler::{Handler, MessageHandler, PostedTask, Scope};
use crate::mailbox::{Closed, Refused};
use crate::token::ConnectionId;

/// What to do if the queue is full.
#[derive(Clone, Copy)]
pub(super) enum IfFull {
    Wait,
    Fail,
}

impl Handle {
    pub(super) fn put_bytes(
        &self,
        to: ConnectionId,
        bytes: Bytes,
        if_full: IfFull,
    ) -> Result<(), PostError<Bytes>> {
        if let Err(fault) = self.check(to) {
            return Err(PostError::new(fault, bytes));
        }
        let put = self.put(Command::Send { to: to.0, bytes }, if_full);
        put.map_err(|error| {
            error.map(|command| match command {
                Command::Send { bytes, .. } => bytes,
                _ => unreachable!("{SAME}"),
            })
        })
    }

    pub(super) fn put_for(
        &self,
        id: ConnectionId,
        command: Command<AnyPostedTask>,
        if_full: IfFull,
    ) -> Result<(), PostError<ConnectionId>> {
        self.check(id).map_err(|fault| PostError::new(fault, id))?;
        self.put(command, if_full).map_err(|error| error.map(|_| id))
    }

    pub(super) fn put_broadcast(
        &self,
        broadcast: Broadcast,
        if_full: IfFull,
    ) -> Result<(), PostError<Broadcast>> {
        self.put(Command::Broadcast(broadcast), if_full).map_err(|error| {
            error.map(|command| match command {
                Command::Broadcast(broadcast) => broadcast,
                _ => unreachable!("{SAME}"),
            })
        })
    }

    pub(super) fn put_message<H, M>(
        &self,
        endpoint: Option<u8>,
        message: M,
        if_full: IfFull,
    ) -> Result<(), PostError<M>>
    where
        H: MessageHandler<M>,
        M: Send + 'static,
    {
        match endpoint {
            Some(endpoint) => {
                let task = PostedTask::<H>::message(message);
                self.put_task::<H, M>(Command::Run { endpoint, task }, if_full)
            }
            None => Err(PostError::new(PostFault::NoHandler, message)),
        }
    }

    pub(super) fn put_function<H, F>(
        &self,
        function: F,
        if_full: IfFull,
    ) -> Result<(), PostError<F>>
    where
        H: Handler,
        F: FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error> + Send + 'static,
    {
        match self.roster.first_with::<H>() {
            Some(endpoint) => {
                let task = PostedTask::<H>::function(function);
                self.put_task::<H, F>(Command::Run { endpoint, task }, if_full)
            }
            None => Err(PostError::new(PostFault::NoHandler, function)),
        }
    }

    /// Puts a task into the queue that was made of a `T`.
    fn put_task<H: Handler, T: 'static>(
        &self,
        command: Command<AnyPostedTask>,
        if_full: IfFull,
    ) -> Result<(), PostError<T>> {
        self.put(command, if_full).map_err(|error| {
            error.map(|command| match command {
                Command::Run { task, .. } => PostedTask::<H>::into_item(task),
                _ => unreachable!("{SAME}"),
            })
        })
    }

    pub(super) fn put(
        &self,
        command: Command<AnyPostedTask>,
        if_full: IfFull,
    ) -> Result<(), PostError<Command<AnyPostedTask>>> {
        match if_full {
            IfFull::Wait => self
                .sender
                .send(command)
                .map_err(|Closed(command)| PostError::new(PostFault::Stopped, command)),
            IfFull::Fail => self.sender.try_send(command).map_err(|refused| match refused {
                Refused::Full(command) => PostError::new(PostFault::Full, command),
                Refused::Closed(command) => PostError::new(PostFault::Stopped, command),
            }),
        }
    }

    /// Whether it makes sense to ask for something for this connection.
    fn check(&self, id: ConnectionId) -> Result<(), PostFault> {
        if !self.is_running() {
            return Err(PostFault::Stopped);
        }
        if self.roster.is_current(id.0) { Ok(()) } else { Err(PostFault::Closed) }
    }
}

/// Why a command that is given back must be of the right kind.
const SAME: &str = "what is given back is what was given";
