//! The application's side of a connection: what it does with frames, and what it is lent for that.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::Codec;
use crate::connection::Connection;
use crate::context::{Borrower, ConnectionContext};
use crate::error::{CloseReason, Error};
use crate::instant::Instant;
use crate::network::Network;
use crate::shared::Shared;
use crate::token::ConnectionId;

/// What an application does with the frames of its connections.
///
/// One value serves all connections of a listener; what belongs to one of them is its `State`. The
/// callbacks of one connection come in this order: `on_open`, then any of the others, then
/// `on_close`, exactly once each for the first and the last.
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

    /// A peer was let in.
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let _ = session;
        Ok(())
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

    /// A timer that was set with [`Session::set_timer`] under this `key` has come due.
    ///
    /// # Errors
    ///
    /// Closes the connection.
    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        let _ = (session, key);
        Ok(())
    }

    /// The loop has begun to drain: the moment to say goodbye. Afterwards the connection is closed
    /// as soon as it has nothing left to do.
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

/// One connection, lent to a callback of its [`Handler`].
///
/// What is called here is noted and done by the loop after the callback; no other callback runs
/// inside.
pub struct Session<'a, H: Handler> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) codec: &'a mut H::Codec,
    pub(crate) state: &'a mut H::State,
    pub(crate) shared: &'a mut Shared,
    pub(crate) network: &'a mut dyn Network,
}

impl<H: Handler> Session<'_, H> {
    /// Sends `message` as a frame. It leaves after the callback, together with whatever else the
    /// callbacks of this event send.
    ///
    /// # Errors
    ///
    /// If the codec refuses the message, the connection is closing, or its output would come to
    /// more than [`write_limit`](crate::Config::write_limit), in which case it is closed.
    #[inline]
    pub fn send(&mut self, message: &<H::Codec as Codec>::Message) -> Result<(), Error> {
        if !self.connection.is_open() {
            return Err(closing());
        }
        self.codec.encode(message, &mut self.shared.output)?;
        self.check_write_limit()
    }

    /// Sends `bytes` as they are, frames that were encoded before. From 4 KiB on they are shared
    /// and not copied: the same bytes can be sent on many connections.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), except that no codec is asked.
    pub fn send_encoded(&mut self, bytes: Bytes) -> Result<(), Error> {
        if !self.connection.is_open() {
            return Err(closing());
        }
        self.shared.output.put_bytes(bytes);
        self.check_write_limit()
    }

    #[inline]
    fn check_write_limit(&mut self) -> Result<(), Error> {
        let limit = self.shared.config.write_limit;
        let waiting = self.connection.queued_len() + self.shared.output.len();
        if waiting <= limit {
            return Ok(());
        }
        self.connection.cut(CloseReason::WriteLimit);
        self.shared.output.clear();
        Err(Error::new(format!("{waiting} bytes of output, above the write limit of {limit}")))
    }

    /// Closes the connection: no more frames are run, what was sent is flushed, then the peer is
    /// told that nothing more will come.
    pub fn close(&mut self) {
        let reason = match self.connection.has_peer_finished() {
            true => CloseReason::PeerFinished,
            false => CloseReason::Closed,
        };
        self.connection.close(reason);
    }

    /// Breaks the connection off: what waits to be sent is dropped, and the peer sees a reset.
    pub fn abort(&mut self) {
        self.connection.abort();
    }

    /// Stops reading from the peer, and running its frames, until [`resume`](Self::resume). Once
    /// the kernel's buffers are full, the peer cannot send on. The idle timeout goes on.
    pub fn pause(&mut self) {
        self.connection.pause();
    }

    /// Takes up reading again after [`pause`](Self::pause).
    pub fn resume(&mut self) {
        self.connection.resume(self.shared.now);
    }

    /// Has [`Handler::on_timer`] called with `key` after `wait`, once, unless the connection closes
    /// before. A timer set before under the same key is replaced. It is never early, and late by no
    /// more than a millisecond and what else the loop has to do.
    pub fn set_timer(&mut self, key: u32, wait: Duration) {
        self.connection.set_timer(self.shared, key, wait);
    }

    /// Forgets the timer under `key`; says whether there was one.
    pub fn cancel_timer(&mut self, key: u32) -> bool {
        self.connection.cancel_timer(self.shared, key)
    }

    /// How much output takes the queue to the high watermark.
    #[inline]
    pub(crate) fn output_room(&self) -> usize {
        self.shared.config.high_watermark.saturating_sub(self.connection.queued_len())
    }

    /// What the handler keeps for this connection. What is borrowed from it must be let go, or
    /// cloned, before anything is sent.
    #[inline]
    pub const fn state(&mut self) -> &mut H::State {
        self.state
    }

    /// The connection's codec, to change its settings for the frames to come.
    pub const fn codec(&mut self) -> &mut H::Codec {
        self.codec
    }

    /// The connection's name, which is never given to another.
    pub const fn id(&self) -> ConnectionId {
        ConnectionId(self.connection.token())
    }

    /// The other end.
    pub const fn peer(&self) -> SocketAddr {
        self.connection.peer()
    }

    /// This end. The network is asked for it each time.
    ///
    /// # Errors
    ///
    /// If the connection has broken meanwhile.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.network.local_addr(self.connection.token())
    }

    /// The time of this turn, on the network's clock.
    pub const fn now(&self) -> Instant {
        self.shared.now
    }

    /// When the peer was let in.
    pub const fn opened(&self) -> Instant {
        self.connection.opened()
    }

    /// What is known of the connection, and what the layers before the handler noted about it.
    pub const fn context(&mut self) -> ConnectionContext<'_> {
        ConnectionContext {
            connection: &mut *self.connection,
            shared: &mut *self.shared,
            network: &mut *self.network,
            borrower: Borrower::HANDLER,
        }
    }

    /// How many bytes of earlier output wait for the peer to take them.
    pub fn queued_len(&self) -> usize {
        self.connection.queued_len()
    }
}

fn closing() -> Error {
    Error::new("the connection is closing: nothing more can be sent")
}

impl<H: Handler> fmt::Debug for Session<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).field("peer", &self.peer()).finish()
    }
}
