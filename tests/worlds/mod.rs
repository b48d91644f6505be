//! What there is around a network: peers that do what a test says, on the system's network as on
//! the simulated one.
//!
//! A test target says `mod worlds;`. Its scenarios know nothing but the [`World`], so that they run
//! in [either](os) of the [two](sim).

#![allow(dead_code, unused_imports, reason = "each test target uses a part of it")]

mod os;
mod sim;

use std::net::{Ipv4Addr, SocketAddr};
use std::task::Waker;

use windlass::Reactor;
use windlass::network::Network;

pub(crate) use os::world as os;
pub(crate) use sim::{world as sim, world_with_faults as sim_with_faults};

/// Names a peer of a world.
pub(crate) type Peer = usize;

/// How a connection ended, as its peer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Finished,
    Reset,
    Refused,
}

/// A network and what is around it. Peers read what they are sent, unless they are told to stall.
pub(crate) trait World {
    fn network(&mut self) -> &mut dyn Network;
    /// Lets the peers go on with what they are at.
    fn go_on(&mut self);
    /// Looks whether a loop on this network keeps its rules, as far as this can be seen here.
    fn audit(&self, reactor: &Reactor);

    fn connect(&mut self, listener: SocketAddr) -> Peer;
    /// The same, from this address of the loopback network.
    fn connect_from(&mut self, host: Ipv4Addr, listener: SocketAddr) -> Peer;
    fn address(&self, peer: Peer) -> SocketAddr;
    /// An address where a peer listens, with pipes that hold little.
    fn serve(&mut self) -> SocketAddr;
    /// An address where nobody listens.
    fn nobody(&mut self) -> SocketAddr;
    /// The next peer that was reached at an address where one listens.
    fn reached(&mut self, address: SocketAddr) -> Option<Peer>;
    /// Sends all of it, by and by.
    fn send(&mut self, peer: Peer, bytes: &[u8]);
    /// Sends no more after what was sent.
    fn finish(&mut self, peer: Peer);
    fn reset(&mut self, peer: Peer);
    fn stall(&mut self, peer: Peer);
    fn resume(&mut self, peer: Peer);
    fn received(&self, peer: Peer) -> &[u8];
    fn end(&self, peer: Peer) -> Option<End>;

    /// A UDP socket of a peer.
    fn open_datagrams(&mut self) -> SocketAddr;
    /// An address where nobody listens, and says so.
    fn closed_datagrams(&mut self) -> SocketAddr;
    /// A peer's UDP socket is closed.
    fn close_datagrams(&mut self, at: SocketAddr);
    fn send_datagram(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]);
    /// Sends these bytes as datagrams of `len` bytes, the last perhaps shorter, in a way in which
    /// the network may give them joined.
    fn send_joined(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], len: usize);
    /// What has arrived there since the last call.
    fn take_datagrams(&mut self, at: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)>;

    fn raise(&mut self, signal: i32);
    /// The same, while the network sleeps.
    fn raise_soon(&mut self, signal: i32);
    fn wake_soon(&mut self, waker: Waker);
}
