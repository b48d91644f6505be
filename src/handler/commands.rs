//! Asking the loop for what reaches beyond the connection at hand.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use super::{Handler, MessageHandler, NotConnected, Scope, Task};
use crate::command::{Broadcast, Command};
use crate::error::Error;
use crate::mailbox::Request;
use crate::shared::Shared;
use crate::token::ConnectionId;

/// The loop's list of things to be done between callbacks, lent to one of them.
///
/// What is asked for here is done after the callback, in the order it was asked for, and whatever
/// becomes of the callback. An id whose connection has closed is an error now if that is known
/// already, and is passed over otherwise. Nothing more can be asked for, but to drain and to stop,
/// as long as [`command_queue_limit`](crate::Config::command_queue_limit) is reached.
///
/// While the loop drains, all is done as ever: a connection that has nothing left to do is closed
/// after what was asked for until then, which may be an answer for it.
///
/// ```
/// use std::collections::HashMap;
/// use windlass::{CloseReason, ConnectionId, Error, Handler, Lines, Session};
///
/// /// Passes lines on: `bob: hello` goes to whoever has said `i am bob`.
/// #[derive(Default)]
/// struct Operator {
///     names: HashMap<String, ConnectionId>,
/// }
///
/// impl Handler for Operator {
///     type Codec = Lines;
///     type State = String;
///
///     fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
///         if let Some(name) = line.strip_prefix("i am ") {
///             *session.state() = name.into();
///             // Whoever had the name before is sent away.
///             if let Some(id) = self.names.insert(name.into(), session.id()) {
///                 return session.commands().close(id);
///             }
///             return Ok(());
///         }
///         let Some((name, text)) = line.split_once(": ") else { return session.send("whom?") };
///         let Some(id) = self.names.get(name) else { return session.send("not here") };
///         let frame = session.encode(text)?;
///         session.commands().send(*id, frame)
///     }
///
///     fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
///         if self.names.get(session.state()) == Some(&session.id()) {
///             self.names.remove(session.state());
///         }
///     }
/// }
/// ```
pub struct Commands<'a> {
    shared: &'a mut Shared,
}

impl<'a> Commands<'a> {
    pub(crate) const fn new(shared: &'a mut Shared) -> Self {
        Self { shared }
    }

    /// Sends `bytes`, as they are, on another connection. For a frame, see
    /// [`Session::encode`](super::Session::encode). If more than
    /// [`write_limit`](crate::Config::write_limit) would wait for it, it is closed.
    ///
    /// # Errors
    ///
    /// If it has closed, or too much is asked for at a time.
    pub fn send(&mut self, to: ConnectionId, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.push_for(to, Command::Send { to: to.0, bytes: bytes.into() })
    }

    /// Closes another connection, after what was sent on it.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn close(&mut self, id: ConnectionId) -> Result<(), Error> {
        self.push_for(id, Command::Close(id.0))
    }

    /// Breaks another connection off.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn abort(&mut self, id: ConnectionId) -> Result<(), Error> {
        self.push_for(id, Command::Abort(id.0))
    }

    /// Ties two connections to each other: from then on what one peer sends goes to the other as it
    /// is, in both directions, without frames. A peer that does not take its bytes holds the other
    /// back; the end of one's stream is passed on to the other, and so is a reset. Both are closed
    /// when both directions have ended.
    ///
    /// Input that was not run as frames is passed on first. Frames go on being run until the end of
    /// the callback that asks for this, unless it pauses the connection, which is then read again
    /// once it is tied:
    ///
    /// ```
    /// use windlass::{ConnectionId, Error, Handler, Lines, Session};
    ///
    /// /// Pairs peers in the order in which they say anything.
    /// struct Matchmaker {
    ///     waiting: Option<ConnectionId>,
    /// }
    ///
    /// impl Handler for Matchmaker {
    ///     type Codec = Lines;
    ///     type State = ();
    ///
    ///     fn on_frame(&mut self, session: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
    ///         let id = session.id();
    ///         // What comes behind this line is for the other.
    ///         session.pause();
    ///         match self.waiting.take() {
    ///             Some(other) if session.commands().is_open(other) => {
    ///                 session.commands().tie(id, other)
    ///             }
    ///             _ => {
    ///                 self.waiting = Some(id);
    ///                 Ok(())
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// What else a tied connection does stays as it is: handlers' timers run, and
    /// [`on_drain`](Handler::on_drain) and [`on_close`](Handler::on_close) are called, but not
    /// [`on_farewell`](Handler::on_farewell): what is sent goes out between the bytes of the other.
    /// No deadline for frames applies, and the two are idle only when nothing has come or gone on
    /// either. They are not evicted, and a drain leaves them all the time there is.
    ///
    /// If one of the two is closed, the other is closed as well, after what it is owed; if one is
    /// cut, the other is reset. The reason is [`PartnerGone`](crate::CloseReason::PartnerGone). One
    /// that is still being made can be tied: what comes for it waits, nothing that comes from it is
    /// run as frames, and if it cannot be made, the other is closed. So is one whose partner has
    /// closed before the two come to be tied, or was not let in by layers yet. One that was tied
    /// before stays as it is, and so does whom it was to be tied to, which is logged.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), for either; or if they are one and the same.
    pub fn tie(&mut self, one: ConnectionId, other: ConnectionId) -> Result<(), Error> {
        if one == other {
            return Err(Error::new(format!("connection {one} cannot be tied to itself")));
        }
        self.check(other)?;
        self.push_for(one, Command::Tie(one.0, other.0))
    }

    /// Whether the connection is there. It may be closing, until its `on_close` was called.
    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.shared.roster.is_current(id.0)
    }

    /// Sends the same bytes to many.
    ///
    /// # Errors
    ///
    /// If too much is asked for at a time.
    pub fn broadcast(&mut self, broadcast: Broadcast) -> Result<(), Error> {
        self.push(Command::Broadcast(broadcast))
    }

    /// Has `task` run with the handler `H`, between callbacks: where it may look at and use all of
    /// its connections. If there are several of this type, it is the one that was added first. An
    /// error of the task is logged.
    ///
    /// # Errors
    ///
    /// If no listener has this handler, or too much is asked for at a time.
    pub fn defer<H: Handler>(
        &mut self,
        task: impl FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error> + 'static,
    ) -> Result<(), Error> {
        let Some(endpoint) = self.shared.roster.first_with::<H>() else {
            let name = std::any::type_name::<H>();
            return Err(Error::new(format!("no listener of this server has the handler {name}")));
        };
        self.defer_to(endpoint, task)
    }

    /// As [`defer`](Self::defer), with the handler of the endpoint of this number, which is an `H`.
    pub(super) fn defer_to<H: Handler>(
        &mut self,
        endpoint: u8,
        task: impl FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error> + 'static,
    ) -> Result<(), Error> {
        let task = Box::new(Task::<H>(Box::new(task)));
        self.push(Command::Run { endpoint, task })
    }

    /// Has a message given to the handler `H`. See [`MessageHandler`].
    ///
    /// # Errors
    ///
    /// As for [`defer`](Self::defer).
    pub fn post<H: MessageHandler<M>, M: 'static>(&mut self, message: M) -> Result<(), Error> {
        self.defer::<H>(|handler, scope| handler.on_message(scope, message))
    }

    /// Has a connection made to `address` for the handler `H`, as [`Scope::connect`] does; whatever
    /// comes in the way, [`on_connect_failed`](Handler::on_connect_failed) tells of it.
    ///
    /// # Errors
    ///
    /// As for [`defer`](Self::defer).
    pub fn connect<H: Handler>(
        &mut self,
        address: SocketAddr,
        state: H::State,
    ) -> Result<(), Error> {
        self.defer::<H>(move |handler, scope| match scope.connect(address, state) {
            Ok(_) => Ok(()),
            Err(NotConnected { address, state, error }) => {
                handler.on_connect_failed(scope, address, state, &error)
            }
        })
    }

    /// Begins to drain, after the callbacks and commands of this turn. See
    /// [`Reactor::drain`](crate::Reactor::drain).
    pub fn drain(&mut self) {
        self.shared.request(Request::Drain);
    }

    /// Cuts every connection, after the callbacks and commands of this turn, and ends. See
    /// [`Reactor::stop`](crate::Reactor::stop).
    pub fn stop(&mut self) {
        self.shared.request(Request::Stop);
    }

    fn check(&self, id: ConnectionId) -> Result<(), Error> {
        match self.is_open(id) {
            true => Ok(()),
            false => Err(Error::new(format!("connection {id} has closed"))),
        }
    }

    fn push_for(&mut self, id: ConnectionId, command: Command) -> Result<(), Error> {
        self.check(id)?;
        self.push(command)
    }

    fn push(&mut self, command: Command) -> Result<(), Error> {
        let limit = self.shared.config.command_queue_limit;
        if self.shared.commands.len() >= limit {
            return Err(Error::new(format!("{limit} commands wait already")));
        }
        self.shared.command(command);
        Ok(())
    }
}

impl fmt::Debug for Commands<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("waiting", &self.shared.commands.len()).finish()
    }
}
