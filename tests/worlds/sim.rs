//! The simulated network and its peers.

use std::net::{Ipv4Addr, SocketAddr};
use std::task::Waker;
use std::time::Duration;

use windlass::Reactor;
use windlass::network::{Faults, Network, PeerState, SimNetwork, SimPeer};

use super::{End, Peer, World};

struct SimWorld {
    network: SimNetwork,
    peers: Vec<SimPeer>,
    next_port: u16,
}

/// The simulated network without faults, and nobody there yet.
pub(crate) fn world() -> Box<dyn World> {
    world_with_faults(1, Faults::none())
}

/// The simulated network with these faults, and nobody there yet.
pub(crate) fn world_with_faults(seed: u64, faults: Faults) -> Box<dyn World> {
    let mut network = SimNetwork::new(seed);
    network.set_faults(faults);
    Box::new(SimWorld { network, peers: Vec::new(), next_port: 9000 })
}

impl SimWorld {
    fn any_address(&mut self) -> SocketAddr {
        self.next_port += 1;
        SocketAddr::from(([127, 0, 0, 1], self.next_port))
    }
}

impl World for SimWorld {
    fn network(&mut self) -> &mut dyn Network {
        &mut self.network
    }

    fn go_on(&mut self) {}

    fn audit(&self, reactor: &Reactor) {
        let sockets_len = reactor
            .audit(|token| self.network.promised(token))
            .unwrap_or_else(|breach| panic!("a rule is broken: {breach}"));
        assert_eq!(sockets_len, self.network.open_sockets(), "sockets that the loop knows");
        assert_eq!(self.network.calls().unknown_tokens, 0, "only sockets that are open are named");
    }

    fn connect(&mut self, listener: SocketAddr) -> Peer {
        self.peers.push(self.network.connect_to(listener));
        self.peers.len() - 1
    }

    fn connect_from(&mut self, host: Ipv4Addr, listener: SocketAddr) -> Peer {
        self.next_port += 1;
        let from = SocketAddr::from((host, self.next_port));
        self.peers.push(self.network.connect_from(from, listener));
        self.peers.len() - 1
    }

    fn address(&self, peer: Peer) -> SocketAddr {
        self.network.address(self.peers[peer])
    }

    fn serve(&mut self) -> SocketAddr {
        let address = self.any_address();
        self.network.serve(address);
        address
    }

    fn nobody(&mut self) -> SocketAddr {
        self.any_address()
    }

    fn reached(&mut self, address: SocketAddr) -> Option<Peer> {
        self.peers.push(self.network.accepted(address)?);
        Some(self.peers.len() - 1)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.network.send_from(self.peers[peer], bytes);
    }

    fn finish(&mut self, peer: Peer) {
        self.network.finish(self.peers[peer]);
    }

    fn reset(&mut self, peer: Peer) {
        self.network.reset(self.peers[peer]);
    }

    fn stall(&mut self, peer: Peer) {
        self.network.stall(self.peers[peer]);
    }

    fn resume(&mut self, peer: Peer) {
        self.network.resume(self.peers[peer]);
    }

    fn received(&self, peer: Peer) -> &[u8] {
        self.network.received(self.peers[peer])
    }

    fn end(&self, peer: Peer) -> Option<End> {
        match self.network.state(self.peers[peer]) {
            PeerState::Connecting | PeerState::Open => None,
            PeerState::Finished => Some(End::Finished),
            PeerState::Reset => Some(End::Reset),
            PeerState::Refused => Some(End::Refused),
            other => panic!("{other:?}"),
        }
    }

    fn open_datagrams(&mut self) -> SocketAddr {
        self.any_address()
    }

    fn closed_datagrams(&mut self) -> SocketAddr {
        let address = self.any_address();
        self.network.refuse_datagrams(address);
        address
    }

    fn close_datagrams(&mut self, at: SocketAddr) {
        self.network.refuse_datagrams(at);
    }

    fn send_datagram(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.network.send_datagram(from, to, payload);
    }

    fn send_joined(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], len: usize) {
        self.network.set_faults(Faults { joined_datagram: 500, ..Faults::none() });
        bytes.chunks(len).for_each(|payload| self.network.send_datagram(from, to, payload));
    }

    fn take_datagrams(&mut self, at: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
        self.network.take_datagrams(at)
    }

    fn raise(&mut self, _: i32) {
        self.network.raise_signal();
    }

    fn raise_soon(&mut self, _: i32) {
        self.network.after(Duration::from_millis(20), SimNetwork::raise_signal);
    }

    fn wake_soon(&mut self, waker: Waker) {
        self.network.after(Duration::from_millis(20), move |_| waker.wake());
    }
}
