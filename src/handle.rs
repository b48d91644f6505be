//! What other threads ask of the loop.

mod error;
mod putting;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

pub use self::error::{PostError, PostFault};
use self::putting::IfFull;
use crate::command::{AnyPostedTask, Broadcast, Command};
use crate::error::Error;
use crate::handler::{Handler, MessageHandler, Scope};
use crate::mailbox::{Request, Sender};
use crate::metrics::Metrics;
use crate::roster::Roster;
use crate::sync::mpsc::{RecvTimeoutError, sync_channel};
use crate::token::ConnectionId;

/// The loop, as other threads reach it: by [`Engine::handle`](crate::Engine::handle).
///
/// What is asked for waits in a queue of [`mailbox_len`](crate::Config::mailbox_len) places, which
/// all handles of a loop share, until the loop comes to it: between callbacks, so many in a turn as
/// [`command_budget`](crate::Config::command_budget) says, and what one thread asks for in the
/// order in which it does. To wake a loop that sleeps costs the first who asks a system call, and
/// nobody else until the loop has looked.
///
/// Each of what goes into the queue has two forms. The plain one waits while there is no room, and
/// never for anything else. **On the loop's own thread it would wait for itself, for ever**:
/// callbacks have [`Session::commands`](crate::Session::commands) instead. The form that begins
/// with `try_` fails instead of waiting, and may be used anywhere.
///
/// When the loop has ended, or is dropped, everything fails at once, also for those who wait for
/// room. To have been accepted is not to have been done: a connection may close, and the loop end,
/// before it comes to what waits. What waits when a drain begins is done before it; what is left at
/// the loop's end is dropped, and [counted](Metrics::commands_dropped).
///
/// ```
/// use std::thread;
/// use windlass::{Error, Handler, Lines, MessageHandler, Scope, Server, Session};
///
/// #[derive(Default)]
/// struct Board {
///     news: String,
/// }
///
/// impl Handler for Board {
///     type Codec = Lines;
///     type State = ();
///
///     fn on_frame(&mut self, session: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
///         session.send(&self.news)
///     }
/// }
///
/// impl MessageHandler<String> for Board {
///     fn on_message(&mut self, _: &mut Scope<'_, Self>, news: String) -> Result<(), Error> {
///         self.news = news;
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let mut engine = Server::new().tcp("127.0.0.1:0", Board::default()).build()?;
/// let handle = engine.handle()?;
/// let editor = thread::spawn(move || {
///     let posted = handle.post::<Board, _>("nothing new".to_owned());
///     handle.drain();
///     posted
/// });
/// println!("{}", engine.run()?);
/// editor.join().unwrap().expect("the loop ran until it was told to drain");
/// assert_eq!(engine.metrics().commands_posted, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    sender: Sender<Command<AnyPostedTask>>,
    roster: Roster,
}

/// For connections.
impl Handle {
    /// Sends `bytes`, as they are, on a connection. What waits for it may come to the
    /// [write limit](crate::Config::write_limit).
    ///
    /// # Errors
    ///
    /// If the connection has closed or the loop ended. `Ok` does not say that the bytes arrive.
    pub fn send(&self, to: ConnectionId, bytes: impl Into<Bytes>) -> Result<(), PostError<Bytes>> {
        self.put_bytes(to, bytes.into(), IfFull::Wait)
    }

    /// As [`send`](Self::send), without waiting.
    ///
    /// # Errors
    ///
    /// As for `send`, or if there is no room.
    pub fn try_send(
        &self,
        to: ConnectionId,
        bytes: impl Into<Bytes>,
    ) -> Result<(), PostError<Bytes>> {
        self.put_bytes(to, bytes.into(), IfFull::Fail)
    }

    /// Closes a connection, after what was sent on it.
    ///
    /// # Errors
    ///
    /// If the connection has closed already or the loop ended.
    pub fn close(&self, id: ConnectionId) -> Result<(), PostError<ConnectionId>> {
        self.put_for(id, Command::Close(id.0), IfFull::Wait)
    }

    /// As [`close`](Self::close), without waiting.
    ///
    /// # Errors
    ///
    /// As for `close`, or if there is no room.
    pub fn try_close(&self, id: ConnectionId) -> Result<(), PostError<ConnectionId>> {
        self.put_for(id, Command::Close(id.0), IfFull::Fail)
    }

    /// Breaks a connection off.
    ///
    /// # Errors
    ///
    /// As for [`close`](Self::close).
    pub fn abort(&self, id: ConnectionId) -> Result<(), PostError<ConnectionId>> {
        self.put_for(id, Command::Abort(id.0), IfFull::Wait)
    }

    /// As [`abort`](Self::abort), without waiting.
    ///
    /// # Errors
    ///
    /// As for `abort`, or if there is no room.
    pub fn try_abort(&self, id: ConnectionId) -> Result<(), PostError<ConnectionId>> {
        self.put_for(id, Command::Abort(id.0), IfFull::Fail)
    }

    /// Sends the same bytes to many.
    ///
    /// # Errors
    ///
    /// If the loop has ended.
    pub fn broadcast(&self, broadcast: Broadcast) -> Result<(), PostError<Broadcast>> {
        self.put_broadcast(broadcast, IfFull::Wait)
    }

    /// As [`broadcast`](Self::broadcast), without waiting.
    ///
    /// # Errors
    ///
    /// As for `broadcast`, or if there is no room.
    pub fn try_broadcast(&self, broadcast: Broadcast) -> Result<(), PostError<Broadcast>> {
        self.put_broadcast(broadcast, IfFull::Fail)
    }

    /// Whether the connection is there, as far as other threads can know: it may have closed in
    /// this very moment. `false` is final.
    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.is_running() && self.roster.is_current(id.0)
    }
}

/// For handlers.
impl Handle {
    /// Has a message given to the handler `H`. If several listeners have handlers of this type, it
    /// is the first of them: see [`post_to`](Self::post_to).
    ///
    /// # Errors
    ///
    /// If no listener has this handler, or the loop has ended.
    pub fn post<H, M>(&self, message: M) -> Result<(), PostError<M>>
    where
        H: MessageHandler<M>,
        M: Send + 'static,
    {
        self.put_message::<H, M>(self.roster.first_with::<H>(), message, IfFull::Wait)
    }

    /// As [`post`](Self::post), without waiting.
    ///
    /// # Errors
    ///
    /// As for `post`, or if there is no room.
    pub fn try_post<H, M>(&self, message: M) -> Result<(), PostError<M>>
    where
        H: MessageHandler<M>,
        M: Send + 'static,
    {
        self.put_message::<H, M>(self.roster.first_with::<H>(), message, IfFull::Fail)
    }

    /// Has a message given to the handler `H` that serves a connection, or has served it: it gets
    /// the message also if the connection has closed.
    ///
    /// # Errors
    ///
    /// If the handler of that connection is of another type, or the loop has ended.
    pub fn post_to<H, M>(&self, id: ConnectionId, message: M) -> Result<(), PostError<M>>
    where
        H: MessageHandler<M>,
        M: Send + 'static,
    {
        self.put_message::<H, M>(self.roster.endpoint_with::<H>(id.0), message, IfFull::Wait)
    }

    /// As [`post_to`](Self::post_to), without waiting.
    ///
    /// # Errors
    ///
    /// As for `post_to`, or if there is no room.
    pub fn try_post_to<H, M>(&self, id: ConnectionId, message: M) -> Result<(), PostError<M>>
    where
        H: MessageHandler<M>,
        M: Send + 'static,
    {
        self.put_message::<H, M>(self.roster.endpoint_with::<H>(id.0), message, IfFull::Fail)
    }

    /// Has `task` run on the loop's thread with the handler `H`, where it may look at and use all
    /// of its connections. If several listeners have handlers of this type, it is the first of
    /// them. An error is logged.
    ///
    /// # Errors
    ///
    /// As for [`post`](Self::post).
    pub fn run<H, F>(&self, task: F) -> Result<(), PostError<F>>
    where
        H: Handler,
        F: FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error> + Send + 'static,
    {
        self.put_function(task, IfFull::Wait)
    }

    /// As [`run`](Self::run), without waiting.
    ///
    /// # Errors
    ///
    /// As for `run`, or if there is no room.
    pub fn try_run<H, F>(&self, task: F) -> Result<(), PostError<F>>
    where
        H: Handler,
        F: FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error> + Send + 'static,
    {
        self.put_function(task, IfFull::Fail)
    }
}

/// For the loop itself.
impl Handle {
    pub(crate) const fn new(sender: Sender<Command<AnyPostedTask>>, roster: Roster) -> Self {
        Self { sender, roster }
    }

    /// Begins to drain: see [`Reactor::drain`](crate::Reactor::drain). There is always room for
    /// that, and if the loop has ended, nothing is left to be done.
    pub fn drain(&self) {
        self.request(Request::Drain);
    }

    /// Cuts every connection, and ends the loop: as [`drain`](Self::drain), there is always room.
    pub fn stop(&self) {
        self.request(Request::Stop);
    }

    /// Whether the loop has not ended, as far as other threads can know: it may do so in this very
    /// moment. `false` is final.
    pub fn is_running(&self) -> bool {
        !self.sender.is_closed()
    }

    /// What has happened so far, and how things stand: asks the loop, and waits for its answer for
    /// `timeout` at most. On the loop's own thread there would be none.
    ///
    /// # Errors
    ///
    /// If there is no room to ask, no answer in time, or the loop has ended.
    pub fn metrics(&self, timeout: Duration) -> Result<Metrics, PostFault> {
        let (sender, answer) = sync_channel(1);
        self.put(Command::Report(sender), IfFull::Fail).map_err(|error| error.fault)?;
        match answer.recv_timeout(timeout) {
            Ok(metrics) => Ok(*metrics),
            Err(RecvTimeoutError::Timeout) => Err(PostFault::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(PostFault::Stopped),
        }
    }

    fn request(&self, request: Request) {
        // If the loop has ended, there is nothing left that could be asked of it.
        let _ = self.sender.request(request);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_running", &self.is_running()).finish_non_exhaustive()
    }
}
