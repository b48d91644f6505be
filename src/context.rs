//! A connection as layers see it: whose it is, how long, how much, and what they noted about it.

use std::any::Any;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use crate::connection::Connection;
pub use crate::connection::Identity;
use crate::error::Refusal;
use crate::instant::Instant;
use crate::outside::Outside;
use crate::shared::Shared;
use crate::token::ConnectionId;

/// One connection, lent to a layer, or to a handler that wants to know what the layers noted.
pub struct ConnectionContext<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) shared: &'a mut Shared,
    pub(crate) network: Outside<'a>,
    pub(crate) borrower: Borrower,
}

/// Whom a connection is lent to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Borrower {
    /// A layer's bit among those of its chain; none for a handler.
    pub(crate) bit: u32,
    pub(crate) name: &'static str,
}

impl Borrower {
    pub(crate) const HANDLER: Self = Self { bit: 0, name: "handler" };
}

impl ConnectionContext<'_> {
    /// The connection's name, which is never given to another.
    pub const fn id(&self) -> ConnectionId {
        ConnectionId(self.connection.token())
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer()
    }

    /// The peer's address; one of IPv4 that came by way of IPv6 is one of IPv4.
    pub fn ip(&self) -> IpAddr {
        self.peer().ip().to_canonical()
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

    /// When it was opened.
    pub const fn opened(&self) -> Instant {
        self.connection.opened()
    }

    /// When bytes last came or went.
    pub const fn last_active(&self) -> Instant {
        self.connection.last_active()
    }

    /// How many bytes were read from the peer.
    pub fn bytes_received(&self) -> u64 {
        self.connection.bytes_received()
    }

    /// How many bytes the kernel took for the peer.
    pub fn bytes_sent(&self) -> u64 {
        self.connection.bytes_sent()
    }

    /// How many frames were run, those included that layers used up. Frames of the portion of input
    /// that is being run are not counted yet.
    pub const fn frames(&self) -> u64 {
        self.connection.frames()
    }

    /// Who was authenticated, if anybody.
    pub fn identity(&self) -> Option<&Identity> {
        self.connection.notes()?.identity.as_ref()
    }

    /// Notes who was authenticated.
    pub fn set_identity(&mut self, identity: Identity) {
        self.connection.notes_or_new().identity = Some(identity);
    }

    /// The value of this type that a layer has noted.
    pub fn value<T: Any>(&self) -> Option<&T> {
        self.connection.notes()?.values.iter().find_map(|value| value.downcast_ref())
    }

    /// As [`value`](Self::value), to be changed.
    pub fn value_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.connection.notes_mut()?.values.iter_mut().find_map(|value| value.downcast_mut())
    }

    /// Notes a value for later stages, for the layers after this one and for the handler, in place
    /// of one of the same type.
    pub fn set_value<T: Any>(&mut self, value: T) {
        match self.value_mut() {
            Some(place) => *place = value,
            None => self.connection.notes_or_new().values.push(Box::new(value)),
        }
    }

    /// From now on this layer is not shown the connection's frames any more, which then cost it
    /// nothing.
    pub const fn ignore_frames(&mut self) {
        self.connection.unwatch(self.borrower.bit);
    }

    /// Sends `bytes`, as they are, after what the callbacks of this event have sent. A connection
    /// that is closing is sent nothing.
    pub fn send(&mut self, bytes: Bytes) {
        if self.connection.may_send() {
            self.shared.output.put_bytes(bytes);
            if self.shared.is_output_full() {
                self.connection.note_full();
            }
        }
    }

    /// Reads nothing from the peer for `wait`: for a layer that slows it and uses the frame up as
    /// well, which is two verdicts.
    pub fn slow(&mut self, wait: Duration) {
        self.connection.slow(self.shared, wait);
    }

    /// Keeps the handler from being told of the connection, until [`admit`](Self::admit), or until
    /// a frame has passed all layers.
    pub const fn withhold(&mut self) {
        self.connection.withhold();
    }

    /// Lets the handler be told of a connection that was [withheld](Self::withhold).
    pub const fn admit(&mut self) {
        self.connection.admit();
    }

    /// Closes the connection after `wait`, unless told otherwise before. There is one such deadline
    /// for a connection: a later call takes the place of an earlier one.
    pub fn close_after(&mut self, wait: Duration, refusal: Refusal) {
        self.connection.set_notice(self.shared, wait, self.borrower.name, refusal);
    }

    /// Takes [`close_after`](Self::close_after) back.
    pub fn cancel_close(&mut self) {
        self.connection.cancel_notice();
    }

    /// Refuses frames of more bytes on the wire than this; `None`: as many as the codec allows.
    pub fn limit_frames(&mut self, wire_len: Option<usize>) {
        self.connection.limit_frames(wire_len);
    }
}

impl fmt::Debug for ConnectionContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionContext")
            .field("id", &self.id())
            .field("peer", &self.peer())
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}
