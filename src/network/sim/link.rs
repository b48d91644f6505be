//! One simulated TCP connection: both ends of it, and what lies between.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::faults::ConnectFailure;
use super::pipe::{Inbound, Outbound};
use crate::token::Token;

/// A simulated peer: the far end of one TCP connection. The network that made it knows more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SimPeer(pub(super) usize);

/// How things stand, as a peer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PeerState {
    /// It has not been accepted yet: it waits in the listener's queue, or for a place there. Or the
    /// loop connects to it, and has not reached it.
    Connecting,
    /// The connection is open.
    Open,
    /// The server has finished, and everything it sent has been received.
    Finished,
    /// The server has reset the connection.
    Reset,
    /// The peer itself has reset the connection, or a fault of the network has.
    Broken,
    /// There was no connection: nobody was listening, or there was no way.
    Refused,
    /// The queue was full for the 127 s after which a peer gives up.
    TimedOut,
}

/// Where the server's end of a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Outside: the listener's queue has no place for it.
    Outside,
    /// With the server, under this token, and on its way to the peer.
    Dialing(Token),
    /// In the listener's queue.
    Queued,
    /// In the network's hand, between accept and adopt.
    Hand,
    /// With the server, under this token.
    Held(Token),
    /// The server has closed it, or never had it.
    Left,
}

/// How a peer takes what it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// All of it, at each poll.
    Prompt,
    /// Nothing.
    Stalled,
    /// So much, every so often.
    Slow { bytes: usize, every: Duration },
}

/// How many bytes the loop has read from a connection since a poll, and how many events for it that
/// has given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    pub(super) poll: u64,
    pub(super) events: usize,
    pub(super) read_len: usize,
}

#[derive(Debug)]
pub(super) struct Link {
    /// The peer's address.
    pub(super) address: SocketAddr,
    /// The address of the server's end: that the peer connected to, or that it was reached from.
    pub(super) server: SocketAddr,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
    pub(super) place: Place,
    pub(super) reading: Reading,
    /// Whether a slow peer's next portion is scheduled.
    pub(super) is_ticking: bool,
    /// Whether it is among those on which bytes may flow at the next poll.
    pub(super) is_stirred: bool,
    /// How it ended for the peer, if it did other than by finishing.
    pub(super) fate: Option<PeerState>,
    /// Whether the server's end is broken.
    pub(super) is_broken: bool,
    /// The error that the server's next read or write finds, whichever comes first.
    pub(super) error: Option<io::ErrorKind>,
    /// The error that the server's next write finds.
    pub(super) write_error: Option<io::ErrorKind>,
    /// Whether it was the server that connected.
    pub(super) is_outbound: bool,
    /// Whether the server knows that it is connected.
    pub(super) is_proven: bool,
    /// Why the server's connecting fails, if it does.
    pub(super) failure: Option<ConnectFailure>,
    /// What was read since the last poll that it was read after.
    pub(super) traffic: Traffic,
    /// The other half of a connection that leads from the loop to itself: what is sent to the one's
    /// peer, the other's peer sends.
    pub(super) twin: Option<usize>,
}

impl Link {
    pub(super) const fn new(address: SocketAddr, server: SocketAddr) -> Self {
        Self {
            address,
            server,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            place: Place::Outside,
            reading: Reading::Prompt,
            is_ticking: false,
            is_stirred: false,
            fate: None,
            is_broken: false,
            error: None,
            write_error: None,
            is_outbound: false,
            is_proven: true,
            failure: None,
            traffic: Traffic { poll: 0, events: 0, read_len: 0 },
            twin: None,
        }
    }

    /// One that the loop has begun, from `server` to `address`.
    pub(super) const fn outbound(address: SocketAddr, server: SocketAddr, token: Token) -> Self {
        let mut link = Self::new(address, server);
        link.place = Place::Dialing(token);
        link.is_outbound = true;
        link.is_proven = false;
        link
    }

    /// How many bytes each direction holds.
    pub(super) const fn set_capacities(&mut self, inbound: usize, outbound: usize) {
        self.inbound.set_capacity(inbound);
        self.outbound.set_capacity(outbound);
    }

    pub(super) fn state(&self) -> PeerState {
        if let Some(fate) = self.fate {
            return fate;
        }
        match self.place {
            Place::Outside | Place::Dialing(_) | Place::Queued => PeerState::Connecting,
            Place::Hand | Place::Held(_) | Place::Left => {
                let has_all = self.outbound.in_flight_len() == 0 || self.reading == Reading::Prompt;
                if self.outbound.is_finished() && has_all {
                    PeerState::Finished
                } else {
                    PeerState::Open
                }
            }
        }
    }

    /// Whether the connection is over for the peer.
    pub(super) const fn is_over(&self) -> bool {
        self.fate.is_some()
    }

    /// Everything on the way is lost, in both directions.
    pub(super) fn discard(&mut self) {
        self.inbound.discard();
        self.outbound.discard();
    }
}
