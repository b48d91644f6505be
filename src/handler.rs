//! The application's side: what it does with its connections, and what it is lent for that.

mod commands;
mod lending;
mod posted;
mod scope;
mod session;

use std::net::SocketAddr;

pub use self::commands::Commands;
pub(crate) use self::lending::{guard, lend, panicked, session, take_leave};
pub(crate) use self::posted::PostedTask;
pub use self::scope::{NotConnected, Scope};
pub(crate) use self::scope::{OtherConnections, Task};
pub use self::session::Session;
use crate::codec::Codec;
use crate::connections::{Connections, Peer};
use crate::error::{CloseReason, Error};
use crate::network::ConnectError;

/// One of a handler's connections, with all that is kept for it.
pub(crate) type PeerOf<H> = Peer<<H as Handler>::Codec, <H as Handler>::State>;

/// All of a handler's connections.
pub(crate) type ConnectionsOf<H> = Connections<<H as Handler>::Codec, <H as Handler>::State>;

/// What an application does with the frames of its connections.
///
/// One value serves all connections of a listener; what belongs to one of them is its `State`. The
/// callbacks of one connection come in this order: `on_open`, then any of the others, then
/// `on_farewell` if it has one, then `on_close`, exactly once each for the first and the last. A
/// connection that a layer keeps from the handler, or that could not be made, has none of them.
///
/// A callback that returns an error closes its connection, after what was already sent. So does one
/// that panics, unless the program is built to abort: the panic ends here, is counted and logged,
/// and what the callback sent is dropped. A handler that may panic must keep its own fields fit for
/// the connections that go on.
///
/// A callback holds up the whole loop while it runs. It must not wait.
///
/// ```
/// use windlass::{Error, Handler, Lines, Session};
///
/// struct Shout;
///
/// impl Handler for Shout {
///     type Codec = Lines;
///     type State = ();
///
///     fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
///         session.send(&line.to_uppercase())
///     }
/// }
/// ```
pub trait Handler: Sized + 'static {
    /// The framing of the protocol.
    type Codec: Codec + Clone + 'static;
    /// What the handler keeps for each connection.
    type State: Default + 'static;

    /// The server was built, and will turn: the moment to set timers and to make connections.
    ///
    /// # Errors
    ///
    /// Fail [`Server::build`](crate::Server::build), and so does a panic.
    fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
        let _ = scope;
        Ok(())
    }

    /// A peer was let in, or a connection that was asked for has been made.
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let _ = session;
        Ok(())
    }

    /// A connection to `address` could not be made, after all: gives back what was to be kept for
    /// it, perhaps for another try, there or elsewhere. Neither `on_open` nor `on_close` is called
    /// for it.
    ///
    /// # Errors
    ///
    /// Are logged. Unless told otherwise, this error is.
    fn on_connect_failed(
        &mut self,
        scope: &mut Scope<'_, Self>,
        address: SocketAddr,
        state: Self::State,
        error: &ConnectError,
    ) -> Result<(), Error> {
        let _ = (scope, state);
        Err(Error::new(format!("cannot connect to {address}: {error}")))
    }

    /// A frame has come.
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        frame: <Self::Codec as Codec>::Frame<'_>,
    ) -> Result<(), Error>;

    /// The peer will send no more, and all its frames have been run. It may still be listening:
    /// unless told otherwise, the connection is closed once its output is flushed.
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_end(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        session.close();
        Ok(())
    }

    /// A timer that was set with [`Session::set_timer`] or [`Session::set_interval`] under this
    /// `key` has come due.
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        let _ = (session, key);
        Ok(())
    }

    /// A timer that was set with [`Scope::set_timer`] or [`Scope::set_interval`] under this `key`
    /// has come due.
    ///
    /// # Errors
    ///
    /// Are logged.
    fn on_server_timer(&mut self, scope: &mut Scope<'_, Self>, key: u32) -> Result<(), Error> {
        let _ = (scope, key);
        Ok(())
    }

    /// There is room for more output: no more than the
    /// [low watermark](crate::Config::low_watermark) of it waits for the peer. It was asked for
    /// with [`Session::want_writable`], and is told once each time.
    ///
    /// An answer that is too long to be sent at once is made of portions this way, as fast as the
    /// peer takes them. Meanwhile the connection is [paused](Session::pause): or else the next
    /// frame is run in the middle of it, and so is the [end](Self::on_end), which closes the
    /// connection unless told otherwise. What others send it goes out between two portions.
    ///
    /// ```
    /// use windlass::{Error, Handler, Lines, Session};
    ///
    /// /// Counts down from each number.
    /// struct Countdown;
    ///
    /// impl Handler for Countdown {
    ///     type Codec = Lines;
    ///     type State = u64;
    ///
    ///     fn on_frame(
    ///         &mut self,
    ///         session: &mut Session<'_, Self>,
    ///         line: &str,
    ///     ) -> Result<(), Error> {
    ///         *session.state() = line.parse().map_err(|_| Error::new("no number"))?;
    ///         // The next number waits until this one is answered.
    ///         session.pause();
    ///         session.want_writable();
    ///         Ok(())
    ///     }
    ///
    ///     fn on_writable(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
    ///         for _ in 0..1000 {
    ///             let number = *session.state();
    ///             session.send(&number.to_string())?;
    ///             if number == 0 {
    ///                 session.resume();
    ///                 return Ok(());
    ///             }
    ///             *session.state() -= 1;
    ///         }
    ///         session.want_writable();
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_writable(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let _ = session;
        Ok(())
    }

    /// The loop is about to close the connection of its own accord, since what the peer sent is no
    /// frame ([`Malformed`](CloseReason::Malformed)), since it takes too long
    /// ([`FirstFrameTimeout`](CloseReason::FirstFrameTimeout),
    /// [`FrameTimeout`](CloseReason::FrameTimeout), [`IdleTimeout`](CloseReason::IdleTimeout)), or
    /// since it was there for long enough ([`LifetimeOver`](CloseReason::LifetimeOver)): the moment
    /// to say why. What is sent is flushed, then the connection is closed for this reason; nothing
    /// need be done for that, and nothing but [`on_close`](Self::on_close) is called afterwards.
    ///
    /// An answer may be under way, of which only a part was sent: what is sent now comes in its
    /// middle, and the end behind it. With [`Session::abort`] the peer sees that it is not whole.
    ///
    /// A connection that is cut, for which nothing is flushed any more, has no farewell; nor has
    /// one that a layer refuses, that closes in a drain, which [`on_drain`](Self::on_drain) tells
    /// of, or that is [tied](Commands::tie) to another.
    ///
    /// # Errors
    ///
    /// Are the reason of the close then.
    fn on_farewell(
        &mut self,
        session: &mut Session<'_, Self>,
        reason: &CloseReason,
    ) -> Result<(), Error> {
        let _ = (session, reason);
        Ok(())
    }

    /// The loop has begun to drain: the moment to say goodbye. Afterwards the connection is closed
    /// as soon as it has nothing left to do; one that was made to another, not before all that were
    /// accepted have gone.
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_drain(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let _ = session;
        Ok(())
    }

    /// The connection has ended. Nothing can be sent any more.
    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        let _ = (session, reason);
    }
}

/// A handler that can be sent messages: by other threads with
/// [`Handle::post`](crate::Handle::post), and by other handlers with [`Commands::post`]. It may
/// understand several types of them.
///
/// ```
/// use windlass::{Error, Handler, Lines, MessageHandler, Scope, Session};
///
/// /// Serves players.
/// struct Game;
///
/// impl Handler for Game {
///     type Codec = Lines;
///     type State = u64;
///
///     fn on_frame(&mut self, session: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
///         *session.state() += 1;
///         Ok(())
///     }
/// }
///
/// /// What an operator says to all players who have made at least so many moves.
/// struct Notice {
///     text: String,
///     least_moves: u64,
/// }
///
/// impl MessageHandler<Notice> for Game {
///     fn on_message(&mut self, scope: &mut Scope<'_, Self>, notice: Notice) -> Result<(), Error> {
///         for id in scope.select(|_, moves| *moves >= notice.least_moves) {
///             // Whoever is closing is told nothing.
///             scope.with(id, |session| session.send(&notice.text).is_ok());
///         }
///         Ok(())
///     }
/// }
///
/// /// Serves operators, on another listener of the same server.
/// struct Desk;
///
/// impl Handler for Desk {
///     type Codec = Lines;
///     type State = ();
///
///     fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
///         let notice = Notice { text: line.into(), least_moves: 10 };
///         session.commands().post::<Game, _>(notice)
///     }
/// }
/// ```
pub trait MessageHandler<M>: Handler {
    /// A message has come.
    ///
    /// # Errors
    ///
    /// Are logged.
    fn on_message(&mut self, scope: &mut Scope<'_, Self>, message: M) -> Result<(), Error>;
}
