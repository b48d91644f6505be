//! One connection, as its handler sees it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Commands, Handler, Scope};
use crate::codec::Codec;
use crate::connection::Connection;
use crate::context::{Borrower, ConnectionContext};
use crate::error::{CloseReason, Error};
use crate::instant::Instant;
use crate::output::Output;
use crate::outside::Outside;
use crate::shared::Shared;
use crate::token::ConnectionId;

/// One connection, lent to a callback of its [`Handler`].
///
/// What is called here is noted and done by the loop after the callback; no other callback runs
/// inside.
pub struct Session<'a, H: Handler> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) codec: &'a mut H::Codec,
    pub(crate) state: &'a mut H::State,
    pub(crate) shared: &'a mut Shared,
    pub(crate) network: Outside<'a>,
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
    pub fn send(&mut self, message: <H::Codec as Codec>::Message<'_>) -> Result<(), Error> {
        if !self.connection.may_send() {
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
        if !self.connection.may_send() {
            return Err(closing());
        }
        self.shared.output.put_bytes(bytes);
        self.check_write_limit()
    }

    /// Makes a frame of `message`, to be sent to many: by [`send_encoded`](Self::send_encoded), or
    /// in a [`Broadcast`](crate::Broadcast).
    ///
    /// # Errors
    ///
    /// If the codec refuses the message.
    pub fn encode(&mut self, message: <H::Codec as Codec>::Message<'_>) -> Result<Bytes, Error> {
        let mut output = Output::new();
        self.codec.encode(message, &mut output)?;
        Ok(output.into_bytes())
    }

    /// For what reaches beyond this connection: others of the loop, and the loop itself.
    pub const fn commands(&mut self) -> Commands<'_> {
        Commands::new(&mut *self.shared)
    }

    /// Has `task` run after this callback, and after what was asked for before, with this handler:
    /// where it may look at and use all of its connections. Frames that were read together with
    /// this one may be run before it; where the order matters, [pause](Self::pause) until then.
    ///
    /// # Errors
    ///
    /// If too much is asked for at a time.
    pub fn defer(
        &mut self,
        task: impl FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error> + 'static,
    ) -> Result<(), Error> {
        let endpoint = u8::try_from(self.connection.token().endpoint_index());
        let endpoint = endpoint.expect("a token has eight bits for it");
        self.commands().defer_to(endpoint, task)
    }

    /// Nearly all output is far from any limit.
    #[inline]
    fn check_write_limit(&mut self) -> Result<(), Error> {
        if self.shared.is_output_full() { self.note_full() } else { Ok(()) }
    }

    #[cold]
    fn note_full(&mut self) -> Result<(), Error> {
        let waiting = self.connection.queued_len() + self.shared.output.len();
        if waiting > self.shared.config.write_limit {
            return Err(self.overflow(waiting));
        }
        self.connection.note_full();
        Ok(())
    }

    #[cold]
    fn overflow(&mut self, waiting: usize) -> Error {
        let limit = self.shared.config.write_limit;
        self.connection.cut(CloseReason::WriteLimit);
        self.shared.output.clear();
        Error::new(format!("{waiting} bytes of output, above the write limit of {limit}"))
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

    /// Has [`Handler::on_writable`] called once, as soon as no more than the
    /// [low watermark](crate::Config::low_watermark) of output waits for the peer: in the next turn
    /// at the latest, if it is so already. It is also called while the connection is
    /// [paused](Self::pause), but not if that is closing.
    ///
    /// Until then a drain waits, and no newcomer takes its place. If the connection is cut, the
    /// peer sees a reset, and not what looks like the end of the answer.
    ///
    /// Whoever asks for it each time it is called, and sends nothing, keeps the loop from sleeping:
    /// if it is not the peer that is waited for, [`set_busy`](Self::set_busy) is meant.
    pub const fn want_writable(&mut self) {
        self.connection.want_room();
    }

    /// Says whether an answer is owed that comes later: from another thread, from another
    /// connection, or with a timer. Meanwhile a drain waits for it until the deadline of the drain,
    /// and no newcomer takes its place. Reading goes on, and so does the idle timeout.
    pub const fn set_busy(&mut self, is_busy: bool) {
        self.connection.set_busy(is_busy);
    }

    /// Has [`Handler::on_timer`] called with `key` after `wait`, once, unless the connection closes
    /// before. A timer set before under the same key is replaced. It is never early, and late by no
    /// more than a millisecond and what else the loop has to do.
    pub fn set_timer(&mut self, key: u32, wait: Duration) {
        self.connection.set_timer(self.shared, key, wait);
    }

    /// As [`set_timer`](Self::set_timer), again and again: each time from when it was due, so that
    /// it does not drift. Times that pass while the loop is held up are left out. With a period of
    /// zero it comes due in every turn, and the loop never sleeps.
    pub fn set_interval(&mut self, key: u32, period: Duration) {
        self.connection.set_interval(self.shared, key, period);
    }

    /// Forgets the timer under `key`; says whether there was one.
    pub fn cancel_timer(&mut self, key: u32) -> bool {
        self.connection.cancel_timer(self.shared, key)
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

    /// Whether the connection is closed as soon as it has nothing left to do, since the loop
    /// drains. One that was let in after that had begun is not told of it by
    /// [`on_drain`](Handler::on_drain).
    pub const fn is_draining(&self) -> bool {
        self.connection.is_draining()
    }

    /// The connection's name, which is never given to another.
    pub const fn id(&self) -> ConnectionId {
        ConnectionId(self.connection.token())
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
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

    /// When the peer was let in, or the connection to it made.
    pub const fn opened(&self) -> Instant {
        self.connection.opened()
    }

    /// What is known of the connection, and what the layers before the handler noted about it.
    pub fn context(&mut self) -> ConnectionContext<'_> {
        ConnectionContext {
            connection: &mut *self.connection,
            shared: &mut *self.shared,
            network: self.network.lend(),
            borrower: Borrower::HANDLER,
        }
    }

    /// How many bytes of earlier output wait for the peer to take them.
    pub fn queued_len(&self) -> usize {
        self.connection.queued_len()
    }
}

/// What the loop does with it around the callbacks. Nothing that is counted for every event can
/// overflow within 584 years, and costs no check.
impl<H: Handler> Session<'_, H> {
    /// How much output takes the queue to the high watermark.
    pub(crate) fn output_room(&self) -> usize {
        self.shared.config.high_watermark.saturating_sub(self.connection.queued_len())
    }

    /// Whether nothing holds frames.
    #[inline]
    pub(crate) const fn may_run(&self) -> bool {
        self.connection.may_run()
    }

    /// Whether frames may be run: they may if it was only that the output had to be flushed first.
    pub(crate) fn may_go_on(&mut self) -> bool {
        if self.connection.is_full() {
            self.flush();
        }
        self.shared.frames_left > 0 && self.connection.may_run()
    }

    /// Sends what there is of output, before anything else is done.
    pub(crate) fn flush(&mut self) {
        self.connection.flush(self.shared, &mut self.network);
        self.shared.room = self.output_room();
    }

    /// Sees to what came of an event.
    pub(crate) fn settle(&mut self) {
        self.connection.settle(self.shared, &mut self.network);
        self.shared.room = self.shared.config.high_watermark;
    }

    /// So many bytes were read.
    #[inline(always)]
    pub(crate) fn count_read(&mut self, len: usize) {
        self.connection.count_received(len);
        let metrics = &mut self.shared.metrics;
        metrics.bytes_received = metrics.bytes_received.wrapping_add(len as u64);
    }

    /// So many frames were run.
    #[inline(always)]
    pub(crate) fn count_frames(&mut self, count: usize) {
        self.connection.ran_frames(count);
        let metrics = &mut self.shared.metrics;
        metrics.frames = metrics.frames.wrapping_add(count as u64);
    }
}

#[cold]
fn closing() -> Error {
    Error::new("the connection is closing: nothing more can be sent")
}

impl<H: Handler> fmt::Debug for Session<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).field("peer", &self.peer()).finish()
    }
}
