//! The other server, to which proxies pass things on: it sends back what it receives.

use std::net::SocketAddr;

use windlass::network::{PeerState, SimNetwork, SimPeer};

/// Where it is.
pub(super) const UPSTREAM: ([u8; 4], u16) = ([198, 51, 100, 1], 80);

/// Its connections that are not over.
#[derive(Default)]
pub(super) struct Upstream {
    peers: Vec<SimPeer>,
}

impl Upstream {
    /// Does what is to be done at this moment.
    pub(super) fn step(&mut self, network: &mut SimNetwork) {
        while let Some(peer) = network.accepted(SocketAddr::from(UPSTREAM)) {
            self.peers.push(peer);
        }
        self.peers.retain(|peer| {
            let state = network.state(*peer);
            let is_over = !matches!(state, PeerState::Open | PeerState::Finished);
            if is_over {
                return false;
            }
            let received = network.take_received(*peer);
            if !received.is_empty() {
                network.send_from(*peer, &received);
            }
            if state == PeerState::Finished {
                network.finish(*peer);
            }
            state == PeerState::Open
        });
    }
}
