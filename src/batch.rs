//! Datagrams in batches: those a network received, and those it is to send.
//!
//! Both kinds of batch keep equal datagrams of one peer joined, one behind the other in one piece,
//! since that is how a system takes and gives many at the price of one. Whoever looks at the
//! datagrams does not see it.

mod incoming;
mod outgoing;

use std::net::SocketAddr;

pub use self::incoming::Incoming;
pub(crate) use self::incoming::Place;
pub(crate) use self::outgoing::Message;
pub use self::outgoing::Outgoing;

/// One datagram that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// Where it came from.
    pub sender: SocketAddr,
    /// What it carries: of a truncated one, the beginning.
    pub payload: &'a [u8],
    /// Whether it was longer than the longest that is taken whole.
    pub is_truncated: bool,
}
