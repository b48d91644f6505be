//! The servers that are compared: each in its own file, written as its users would write it well.

use std::error::Error;
use std::net::SocketAddr;

use crate::workload::Protocol;

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

/// How many threads a contender serves with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Threads {
    /// All in one.
    One,
    /// As many as there are cores, or one for each connection.
    Many,
}

/// All contenders, the limit first.
pub(crate) const CONTENDERS: &[Contender] = &[];

/// Says on standard output that the server is ready, in the one line that is waited for.
pub(crate) fn announce(address: SocketAddr, protocol: Protocol) {
    let kind = if protocol == Protocol::Datagram { "udp" } else { "tcp" };
    println!("listening {kind} {address}");
}
