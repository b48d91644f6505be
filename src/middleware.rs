//! Layers between the network and the application: who is let in, what is let through, and who
//! looks on.
//!
//! A [`Middleware`] is asked for a [`Verdict`] at the stages of a connection: when its peer is at
//! the door and nothing was spent on it yet, when it has been opened, and, if the layer asks for
//! that, at each frame. It is also told of the close. Layers are asked in the order in which they
//! were given, those of the server before those of the listener; the first refusal ends it, and
//! the handler is never reached.
//!
//! A layer of one's own takes ten lines. This one counts those who come, and lets nobody in from
//! a port that is kept for the system:
//!
//! ```
//! use windlass::middleware::{Arrival, Middleware, Refusal, Verdict};
//!
//! #[derive(Default)]
//! struct OrdinaryPorts {
//!     seen: u64,
//! }
//!
//! impl Middleware for OrdinaryPorts {
//!     fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
//!         self.seen += 1;
//!         match arrival.peer.port() {
//!             0..1024 => Verdict::Refuse(Refusal::new("a port of the system")),
//!             _ => Verdict::Continue,
//!         }
//!     }
//! }
//! ```

// The layers that are built in.
mod access_control; // who is let in by where he comes from
mod authenticate; // nothing reaches the handler before a peer has proved who it is
mod logging; // who came, who was refused, who went, and why
mod per_address_limit; // so many connections of one address at a time
mod rate_limit; // so much of one address per time

// What they are made of.
mod address_key; // what counts as one address
mod address_rates; // a rate for each address
mod address_table; // a record for each address, in memory of a fixed size
mod cidr; // a network of addresses
mod constant_time; // comparing what is secret
mod escape; // what a peer sent, fit for a log
mod gcra; // how much of something per time
mod log_limit; // how many lines per time
#[cfg(test)]
mod random; // chance for the tests

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use access_control::AccessControl;
pub use authenticate::{Authenticate, Login};
pub use cidr::Cidr;
pub use constant_time::constant_time_eq;
pub use escape::Escaped;
pub use logging::Logging;
pub use per_address_limit::PerAddressLimit;
pub use rate_limit::{Over, RateLimit};

#[cfg(any(test, feature = "parts"))]
pub(crate) use {address_rates::AddressRates, gcra::Gcra};

pub use crate::batch::Datagram;
pub use crate::context::{ConnectionContext, Identity};
use crate::error::CloseReason;
pub use crate::error::Refusal;
use crate::instant::Instant;

/// A layer: what it has to say about connections, frames and datagrams.
///
/// One value serves all connections of the server, or of the listener it was given to. A panic in
/// it is taken for a refusal, and is counted and logged.
pub trait Middleware: 'static {
    /// What it is called in logs and [close reasons](CloseReason::Refused): the name of its type,
    /// unless told otherwise. Asked once, when the server is built.
    fn name(&self) -> &'static str {
        short_name::<Self>()
    }

    /// What it wants to see of each frame. Asked once, when the server is built.
    fn interest(&self) -> Interest {
        Interest::Nothing
    }

    /// A peer is at the door: it has no slot, no buffer and no state yet. To let it pass promises
    /// nothing: another layer, the connection limit or the system may still refuse it.
    fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
        let _ = arrival;
        Verdict::Continue
    }

    /// A peer that this layer let pass at the door was refused there after all: by the layer that
    /// `by` names, or by the limit.
    fn on_refused(&mut self, arrival: &Arrival, by: &'static str, why: &str) {
        let _ = (arrival, by, why);
    }

    /// A connection was opened; the handler has not been told yet.
    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        let _ = connection;
        Verdict::Continue
    }

    /// A frame has come. Called only as far as the [`interest`](Self::interest) goes.
    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        let _ = (connection, frame);
        Verdict::Continue
    }

    /// A datagram has come. Everything but [`Continue`](Verdict::Continue) drops it: nothing is
    /// said to its sender, who may be somebody else.
    fn on_datagram(&mut self, datagram: &Datagram<'_>, now: Instant) -> Verdict {
        let _ = (datagram, now);
        Verdict::Continue
    }

    /// A connection has ended whose opening this layer was told of: exactly once for each.
    fn on_close(&mut self, connection: &mut ConnectionContext<'_>, reason: &CloseReason) {
        let _ = (connection, reason);
    }
}

/// What becomes of a peer, a frame or a datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on, to the next layer or to the handler.
    Continue,
    /// The layer has used the frame up: nobody after it sees it. Anywhere else, this is
    /// [`Continue`](Self::Continue).
    Consume,
    /// It goes on, and then nothing is read from the peer for so long. At the door, this is
    /// [`Continue`](Self::Continue).
    Slow(Duration),
    /// It ends here.
    Refuse(Refusal),
}

/// What a layer wants to see of each frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Interest {
    /// Nothing: frames cost this layer nothing.
    Nothing,
    /// How long each is. Its bytes are empty.
    Lengths,
    /// Its bytes. What was read is copied for that, once for all layers.
    Bytes,
}

/// A frame, as a layer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// How many bytes it took on the wire, with length, delimiter and all.
    pub wire_len: usize,
    /// What the codec calls its [body](crate::Codec::body); empty unless the layer's interest is in
    /// [bytes](Interest::Bytes).
    pub body: &'a [u8],
}

/// A peer at the door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Who.
    pub peer: SocketAddr,
    /// At which listener.
    pub listener: SocketAddr,
    /// When.
    pub now: Instant,
}

impl Arrival {
    /// The peer's address; one of IPv4 that came by way of IPv6 is one of IPv4.
    pub const fn ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }
}

/// The last part of a type's path, without its parameters.
fn short_name<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}
