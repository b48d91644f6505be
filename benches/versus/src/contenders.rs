//! The servers that are compared: each in its own file, written as its users would write it well.
//!
//! Each answers what it is sent with the same bytes; those of real protocols answer as these say.
//! Where there are frames it finds each, and
//! answers each: that bytes could be sent back without a look at them is not used. Answers to
//! frames that came together go out together wherever users of the library would see to that.

// The parts they share.
mod frames;
mod mio_connection;
mod page;
// The contenders, in the order of the report.
mod epoll;
mod mio;
mod windlass;
mod tokio;
mod tokio_codec;
mod smol;
mod monoio;
mod message_io;
mod mill_io;
mod threads;
mod hyper;

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::workload::Protocol;

pub(crate) use page::{PAGE, PAGE_TYPE};

/// A server that can be measured.
pub(crate) struct Contender {
    /// What it is called on the command line and in the report.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// What it can speak.
    pub(crate) protocols: &'static [Protocol],
    /// How many threads serve: what is pinned to one core must not be punished for a second.
    pub(crate) threads: Threads,
    /// Binds a free port of 127.0.0.1, tells [`announce`], and serves until the process is ended.
    pub(crate) serve: fn(Protocol) -> Result<(), Box<dyn Error>>,
}

impl Contender {
    /// Whether it takes part where all is sent back.
    pub(crate) fn echoes(&self) -> bool {
        self.protocols.iter().any(|protocol| Protocol::ECHOES.contains(protocol))
    }
}

/// How many threads a contender serves with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Threads {
    /// All in one.
    One,
    /// As many as there are cores, or one for each connection.
    Many,
}

/// All contenders, the limit first.
pub(crate) const CONTENDERS: &[Contender] = &[
    epoll::CONTENDER,
    mio::CONTENDER,
    windlass::CONTENDER,
    tokio::CURRENT_THREAD,
    tokio::MULTI_THREAD,
    tokio_codec::SEND,
    tokio_codec::BATCH,
    smol::CONTENDER,
    monoio::URING,
    monoio::EPOLL,
    message_io::CONTENDER,
    mill_io::CONTENDER,
    threads::CONTENDER,
    hyper::CONTENDER,
];

/// What most can speak.
const ALL: &[Protocol] = &Protocol::ECHOES;

/// How many peers may wait to be accepted: all that the kernel lets wait here by default.
const BACKLOG: i32 = 4096;

/// How much is read at a time where each connection has a buffer of its own. A longer one would be
/// paid for by each of ten thousand connections, a shorter one by messages of 1 MiB.
const CONNECTION_BUFFER_LEN: usize = 16 * 1024;

/// How much is read at a time where all connections are read into one buffer.
const SHARED_BUFFER_LEN: usize = 256 * 1024;

/// No datagram is longer.
const DATAGRAM_LEN: usize = 65_536;

/// Says on standard output that the server is ready, in the one line that is waited for.
pub(crate) fn announce(address: SocketAddr, protocol: Protocol) {
    #[cfg(test)]
    if tests::is_told(address) {
        return;
    }
    let kind = if protocol.is_by_datagram() { "udp" } else { "tcp" };
    println!("listening {kind} {address}");
}

/// Lets the process have as many descriptors as it may: ten thousand connections are more than what
/// is allowed by default.
///
/// # Errors
///
/// What the system says.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let (_, hard_limit) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard_limit, hard_limit)?)
}

/// A free port of 127.0.0.1.
fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A TCP listener with room for all who come at once, which the standard library's has not.
fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&any_port().into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The same, for those that poll.
fn listen_nonblocking() -> io::Result<TcpListener> {
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A UDP socket, for those that poll.
fn bind_udp_nonblocking() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any_port())?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
