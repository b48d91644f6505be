//! A UDP socket, as its handler sees it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::batch::Outgoing;
use crate::error::Error;
use crate::handler::Commands;
use crate::handler_timers::HandlerTimers;
use crate::instant::Instant;
use crate::shared::Shared;
use crate::token::Token;

/// The longest payload that fits into a datagram over IPv4 (RFC 768 with RFC 791).
const MAX_PAYLOAD_LEN: usize = 65_507;

/// A UDP socket, lent to a callback of its [`DatagramHandler`](super::DatagramHandler).
pub struct DatagramSession<'a> {
    pub(super) outgoing: &'a mut Outgoing,
    pub(super) timers: &'a mut HandlerTimers,
    pub(super) shared: &'a mut Shared,
    pub(super) token: Token,
    pub(super) address: SocketAddr,
}

impl DatagramSession<'_> {
    /// Sends `payload` to `receiver`, after the callback. UDP promises nothing, and neither does
    /// this: if more than [`datagram_queue_limit`](crate::Config::datagram_queue_limit) would wait
    /// to be sent, it is dropped and [counted](crate::Metrics::datagrams_dropped).
    ///
    /// # Errors
    ///
    /// A payload of more than 65,507 bytes, the most that a datagram over IPv4 carries.
    #[inline]
    pub fn send_to(&mut self, receiver: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        let limit = self.shared.config.datagram_queue_limit;
        // Both are memory, of which there is not as much.
        let waiting_len = self.outgoing.waiting_len().wrapping_add(payload.len());
        if waiting_len <= limit && self.outgoing.join(&receiver, payload) {
            return Ok(());
        }
        self.send_apart(receiver, payload)
    }

    /// Sends what cannot simply be joined to what is sent before it.
    #[inline(never)]
    fn send_apart(&mut self, receiver: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        let len = payload.len();
        if len > MAX_PAYLOAD_LEN {
            return Err(too_long(&receiver, len));
        }
        if self.outgoing.waiting_len() + len > self.shared.config.datagram_queue_limit {
            self.shared.metrics.datagrams_dropped += 1;
        } else {
            self.outgoing.push_apart(receiver, payload);
        }
        Ok(())
    }

    /// Has [`on_timer`](super::DatagramHandler::on_timer) called with `key` after `wait`, once,
    /// unless the socket closes before. A timer set before under the same key is replaced. It is
    /// never early, and late by no more than a millisecond and what else the loop has to do.
    pub fn set_timer(&mut self, key: u32, wait: Duration) {
        self.timers.set(self.shared, self.token, key, wait);
    }

    /// As [`set_timer`](Self::set_timer), again and again: each time from when it was due, so that
    /// it does not drift. Times that pass while the loop is held up are left out. With a period of
    /// zero it comes due in every turn, and the loop never sleeps.
    pub fn set_interval(&mut self, key: u32, period: Duration) {
        self.timers.set_periodic(self.shared, self.token, key, period);
    }

    /// Forgets the timer under `key`; says whether there was one.
    pub fn cancel_timer(&mut self, key: u32) -> bool {
        self.timers.cancel(self.shared, key)
    }

    /// For what is done between callbacks: with the connections of the same loop, and the loop
    /// itself.
    pub const fn commands(&mut self) -> Commands<'_> {
        Commands::new(&mut *self.shared)
    }

    /// The address the socket is bound to.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The time of this turn.
    pub const fn now(&self) -> Instant {
        self.shared.now
    }
}

#[cold]
fn too_long(receiver: &SocketAddr, len: usize) -> Error {
    Error::new(format!("a payload of {len} bytes for {receiver}: the longest is {MAX_PAYLOAD_LEN}"))
}

impl fmt::Debug for DatagramSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramSession").field("address", &self.address).finish_non_exhaustive()
    }
}
