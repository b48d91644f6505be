//! The seam between the engine and the outside world.
//!
//! The loop is lent a [`Network`] for each turn. The network owns every socket, the clock and the
//! signals; the loop names sockets by [`Token`] and holds none. There are two networks: the
//! operating system's ([`OsNetwork`]) and a simulated one ([`SimNetwork`]), seeded and with a clock
//! of its own, on which a handler can be tested with every fault a real network has.
//!
//! # The contract
//!
//! `tests/network_contract.rs` states each of these once and runs it on both networks.
//!
//! *Time.* `now` never goes back. `poll` with a timeout returns when something has happened or the
//! timeout has passed, no more than a millisecond late because of rounding. Only when it is
//! interrupted does it return early, with whatever has happened by then, perhaps nothing.
//!
//! *Readiness is an edge.* An event says that something has become possible since it was last found
//! impossible, and it is said once. It must be used until the call answers
//! [`Blocked`](Progress::Blocked), and remembered by whoever stops before. Two exceptions save a
//! call: a read that returns fewer bytes than there was room for, and a write that takes fewer than
//! it was given, have found the end as surely as `Blocked` would, and the network owes an event
//! when there is more. The exception for reads does not hold after an event with
//! [`hangup`](Readiness::HANGUP): then only `Done(0)`, an error or `Blocked` is the end, since the
//! event for the end may already have been given. (Where a kernel's reads also stop short at urgent
//! data, which the loop knows nothing of, it says the same.)
//!
//! *An event is a hint.* It may be false (the call then answers `Blocked`), late, merged with
//! another for the same token, or for a token that was closed a moment ago. A new connection is
//! announced by an event, which also tells what came before it was adopted; it may be read and
//! written at once.
//!
//! *Connecting takes time, and its outcome is an event*, also where it is known at once, as it may
//! be on loopback. [`connected`](Network::connected) then says what it is. Until that has answered
//! `Done`, nothing else is asked of the connection but its address, and to be closed. From then on
//! it is a connection like any other, and may be read and written at once. The events given before
//! count, with all they said: what they have announced is not announced again, so it must be
//! remembered, or tried without having been told.
//!
//! *Interruption does not come through.* No call fails because a signal arrived meanwhile.
//!
//! *A signal is an event.* It wakes the poll, also one that begins after the signal came, and none
//! is lost between a check and a sleep: [`take_signals`](Network::take_signals) counts each one.
//!
//! *A wake is an event* too, for [`Token::WAKE`]: of the poll under way, or of the next one if none
//! is. Several wakes may make one event; a wake that comes when an event was given makes another.
//!
//! *The end of a stream* is `Done(0)` from `read`, only ever after all bytes before it; it is said
//! again at each further call. Errors are for the one socket they are of: afterwards it can only be
//! closed.
//!
//! *Tokens* are the caller's: it never uses one for a second socket. Every call for a token that
//! names no open socket is a bug of the caller and fails with
//! [`NotFound`](std::io::ErrorKind::NotFound), except the closing ones, which then do nothing.

mod os;
mod sim;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;
use std::{error, fmt};

use crate::config::SocketOptions;
use crate::instant::Instant;

pub use crate::batch::{Datagram, Incoming, Outgoing};
pub use crate::token::Token;
pub use os::OsNetwork;
pub use sim::{AcceptFailure, ConnectFailure, Faults, Forced};
pub use sim::{Call, Calls, PeerState, Recorded, SimNetwork, SimPeer};

/// How much of what a refused peer has sent is read and thrown away.
const REFUSED_READ_LEN: usize = 64 * 1024;

/// The outside world, as a loop sees it. The module says what each side may rely on.
pub trait Network {
    /// The time. It never goes back.
    fn now(&mut self) -> Instant;

    /// Waits until something happens, for `timeout` at most (`None`: for as long as it takes), and
    /// puts what happened into `events`, which it clears first.
    ///
    /// There may be more events than one call gives: `events` is then as long as its capacity, and
    /// the rest comes with the next call.
    ///
    /// # Errors
    ///
    /// Only what makes it pointless to go on: the loop ends with it. Interruption is none.
    fn poll(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// How many sockets can be open at a time, those included that are open now, after having asked
    /// for `wanted`; `None` if the network sets no limit.
    fn socket_limit(&mut self, wanted: usize) -> Option<usize>;

    /// Opens a listener under the name `listener` and says where: port 0 asks for any that is free.
    ///
    /// # Errors
    ///
    /// Whatever prevents it, such as an address in use.
    fn listen(
        &mut self,
        listener: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr>;

    /// Takes the next waiting peer off the listener's queue, into the network's hand, and says who
    /// it is. [`adopt`](Self::adopt) or [`refuse`](Self::refuse) must come next; a peer still in
    /// the hand at the next `accept` is closed.
    ///
    /// # Errors
    ///
    /// See [`AcceptError`]: what the error asks for is the point of it.
    fn accept(&mut self, listener: Token) -> Result<Progress<SocketAddr>, AcceptError>;

    /// Names the peer in the hand `connection` and watches it from now on.
    ///
    /// # Errors
    ///
    /// If it cannot be watched. The peer is then closed, and there is no such connection.
    fn adopt(&mut self, connection: Token) -> io::Result<()>;

    /// Sends the peer in the hand as much of `farewell` as it takes at once, and closes it. If
    /// there is a farewell, what has arrived from the peer is read before it is closed, 64 KiB of
    /// it at most: to close with bytes unread is to reset, which can destroy what the peer has not
    /// read.
    fn refuse(&mut self, farewell: &[u8]);

    /// Opens a connection under the name `connection`, begins to connect it to `address`, and
    /// watches it from now on. Of the options, those apply that are a connection's: `nodelay`,
    /// `keepalive` and the sizes of the buffers.
    ///
    /// # Errors
    ///
    /// If that cannot even begin, or has failed at once: see [`ConnectError`]. There is no such
    /// connection then.
    fn connect(
        &mut self,
        connection: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<(), ConnectError>;

    /// After an event for a connection that was begun: `Done` if it is connected, which is not
    /// asked again; `Blocked` if the event was false.
    ///
    /// # Errors
    ///
    /// It has failed, and can only be closed: see [`ConnectError`].
    fn connected(&mut self, connection: Token) -> Result<Progress<()>, ConnectError>;

    /// Reads what has arrived into `buffer`, which is not empty. `Done(0)` is the end of the
    /// stream.
    fn read(&mut self, connection: Token, buffer: &mut [u8]) -> Transfer;

    /// Writes the beginning of `bytes`, which are not empty, and says how many. No signal is
    /// raised.
    fn write(&mut self, connection: Token, bytes: &[u8]) -> Transfer;

    /// Like [`write`](Self::write), from several parts, none of them empty, 1,024 at most.
    fn write_vectored(&mut self, connection: Token, parts: &[IoSlice<'_>]) -> Transfer;

    /// Tells the peer that nothing more will be written. Reading goes on.
    ///
    /// # Errors
    ///
    /// The connection has broken; it can only be closed.
    fn shutdown_write(&mut self, connection: Token) -> io::Result<()>;

    /// The address of this end of a connection.
    ///
    /// # Errors
    ///
    /// The connection has broken.
    fn local_addr(&self, connection: Token) -> io::Result<SocketAddr>;

    /// Opens a UDP socket under the name `socket` and says where: port 0 asks for any that is free.
    ///
    /// # Errors
    ///
    /// Whatever prevents it, such as an address in use.
    fn bind(
        &mut self,
        socket: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr>;

    /// Receives datagrams into `batch`, which is cleared first, until the batch is full or there
    /// are no more. `Done` says that there is at least one, and that more may be waiting if the
    /// batch is full; only then, or after an error, need it be called again before the next event.
    ///
    /// A batch that is not full is the end because a datagram has no second half: the network has
    /// found none behind the last, and owes an event for the next. It may have found an error
    /// instead, for which it owes one too.
    ///
    /// # Errors
    ///
    /// Those of earlier datagrams among them, such as a refusal by a peer: the socket goes on, and
    /// what is in the batch was received nonetheless.
    fn receive(&mut self, socket: Token, batch: &mut Incoming) -> io::Result<Progress<()>>;

    /// Sends datagrams from the front of `batch` and removes them, until it is empty or the network
    /// takes no more; `Blocked` if it took none.
    ///
    /// # Errors
    ///
    /// That of the datagram now at the front, which the caller may drop; or, if it is a
    /// [refusal](std::io::ErrorKind::ConnectionRefused), perhaps of one sent before it. The socket
    /// goes on.
    fn send(&mut self, socket: Token, batch: &mut Outgoing) -> io::Result<Progress<()>>;

    /// Closes any socket as the system does by itself: a connection with bytes unread resets its
    /// peer. Does nothing if there is no such socket.
    fn close(&mut self, token: Token);

    /// Closes a connection so that its peer sees a reset. Does nothing if there is none.
    fn abort(&mut self, connection: Token);

    /// What any thread can wake the poll by: always the same, of which each call gives a clone. A
    /// network that is never asked has none, which costs nothing.
    ///
    /// It may outlive the network, and then wakes nobody.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left for it.
    fn waker(&mut self) -> io::Result<Waker>;

    /// From now on, reports these signals instead of letting them do what they do by default.
    ///
    /// # Errors
    ///
    /// If one of them cannot be caught.
    fn watch_signals(&mut self, signals: &[i32]) -> io::Result<()>;

    /// How many of the watched signals have arrived since the last call.
    fn take_signals(&mut self) -> usize;
}

/// What a call that does not wait has achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress<T> {
    /// It is done.
    Done(T),
    /// It would have had to wait: an event will tell when to try again.
    Blocked,
}

/// What came of reading from a connection, or of writing to it: as a [`Progress`] that may fail, in
/// a shape that is given back in registers.
#[derive(Debug)]
pub enum Transfer {
    /// So many bytes were moved.
    Done(usize),
    /// It would have had to wait: an event will tell when to try again.
    Blocked,
    /// The connection has broken; it can only be closed.
    Failed(io::Error),
}

impl Transfer {
    /// The same as any other call says it.
    ///
    /// # Errors
    ///
    /// The connection has broken.
    pub fn progress(self) -> io::Result<Progress<usize>> {
        match self {
            Self::Done(len) => Ok(Progress::Done(len)),
            Self::Blocked => Ok(Progress::Blocked),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<io::Result<Progress<usize>>> for Transfer {
    fn from(result: io::Result<Progress<usize>>) -> Self {
        match result {
            Ok(Progress::Done(len)) => Self::Done(len),
            Ok(Progress::Blocked) => Self::Blocked,
            Err(error) => Self::Failed(error),
        }
    }
}

/// Something happened to a socket, perhaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Which socket.
    pub token: Token,
    /// What can be tried now.
    pub readiness: Readiness,
}

/// What can be tried with a socket: a set.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// To read, receive or accept.
    pub const READABLE: Self = Self(1);
    /// To write or send.
    pub const WRITABLE: Self = Self(2);
    /// The end of the stream, or an error, is among what reading will find.
    pub const HANGUP: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// The set as a number: each of the constants is a power of two, and [`ALL`](Self::ALL) is 7.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether everything in `other` is in this set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set with `other` added.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and in `other`.
    #[inline]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set with `other` taken out.
    #[inline]
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Why nobody was accepted, sorted by what to do about it.
#[derive(Debug)]
pub enum AcceptError {
    /// The peer that was next has gone already. Try the one behind it.
    PeerGone(io::Error),
    /// Something has run out, such as descriptors or memory. Try again a little later: there will
    /// be no event.
    Exhausted(io::Error),
    /// This listener will never work again.
    Broken(io::Error),
}

/// Why there is no connection, sorted by whose matter it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is a host at the address, and nobody listens.
    Refused(io::Error),
    /// There is no way to the address, or no host.
    Unreachable(io::Error),
    /// Nobody has answered, for as long as the system waits: on Linux about two minutes.
    TimedOut(io::Error),
    /// The connection has reached itself. On the loopback interface this happens where nobody
    /// listens, if the system picks the very port as the one to connect from: as good as refused.
    SelfConnected,
    /// This process or its host has run out of something: descriptors, ports or memory. A little
    /// later it may go well.
    NoResources(io::Error),
    /// Anything else: a reset before the connection was known, an address that cannot be, a rule of
    /// a firewall, or a [`NotFound`](io::ErrorKind::NotFound) for a token that names no connection.
    Other(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "nobody listens there: {error}"),
            Self::Unreachable(error) => write!(f, "there is no way there: {error}"),
            Self::TimedOut(error) => write!(f, "nobody has answered: {error}"),
            Self::SelfConnected => {
                write!(f, "nobody listens there: the connection has reached itself")
            }
            Self::NoResources(error) => write!(f, "something has run out here: {error}"),
            Self::Other(error) => write!(f, "it cannot be connected: {error}"),
        }
    }
}

impl error::Error for ConnectError {}
