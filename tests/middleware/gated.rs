//! A server behind layers: one listener for lines and one UDP socket, which send everything back.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use windlass::network::{PeerState, SimNetwork, SimPeer};
use windlass::{
    Config, ConnectionId, DatagramHandler, DatagramSession, Error, Instant, Lines, Listener,
    Server, SocketOptions,
};

use crate::fixture::{Entry, Journal, Scripted, What, World, address, echo, timeless};

/// The server, with what its handlers saw.
pub(crate) struct Gated {
    pub(crate) world: World,
    journal: Journal,
    datagrams: Datagrams,
}

/// The datagrams that the handler was shown: from whom, and what.
type Datagrams = Rc<RefCell<Vec<(SocketAddr, Vec<u8>)>>>;

/// Where the UDP socket is.
pub(crate) fn udp_address() -> SocketAddr {
    address(1)
}

struct EchoDatagrams(Datagrams);

impl DatagramHandler for EchoDatagrams {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        self.0.borrow_mut().push((sender, payload.to_vec()));
        session.send_to(sender, payload)
    }
}

/// A handler that sends lines back.
pub(crate) fn echo_lines() -> Scripted {
    Scripted::new(echo)
}

/// A configuration in which nothing is due unless a layer says so.
pub(crate) fn quiet() -> Config {
    let socket = SocketOptions { v6_only: false, ..timeless().socket };
    Config { socket, ..timeless() }
}

impl Gated {
    /// Behind what `add` puts before all listeners.
    pub(crate) fn behind(add: impl FnOnce(Server) -> Server) -> Self {
        Self::with_config(quiet(), add)
    }

    pub(crate) fn with_config(config: Config, add: impl FnOnce(Server) -> Server) -> Self {
        Self::with_handler(SimNetwork::new(1), config, echo_lines(), |server, listener| {
            add(server).listen(listener)
        })
    }

    /// This handler for lines, on this network; `listen` gives the server its layers, and the
    /// listener, perhaps with layers of its own.
    pub(crate) fn with_handler(
        network: SimNetwork,
        config: Config,
        handler: Scripted<Lines>,
        listen: impl FnOnce(Server, Listener) -> Server,
    ) -> Self {
        let (journal, datagrams) = (Journal::default(), Datagrams::default());
        let lines = Listener::tcp(address(0), handler.written_in(&journal));
        let udp = EchoDatagrams(Rc::clone(&datagrams));
        // The journal is no world's: handlers are not told of those that layers refuse.
        let world = World::of(network, config, None, |server| {
            listen(server, lines).udp(udp_address(), udp)
        });
        Self { world, journal, datagrams }
    }

    /// A peer from this address, as in `198.51.100.1:4000`, that knocks.
    pub(crate) fn knock(&mut self, from: &str) -> SimPeer {
        let from = from.parse().expect("an address with a port");
        let peer = self.world.network.connect_from(from, address(0));
        self.world.settle();
        peer
    }

    /// A peer from this address that is let in.
    pub(crate) fn join(&mut self, from: &str) -> SimPeer {
        let peer = self.knock(from);
        assert!(self.is_open(peer), "{from} was let in");
        peer
    }

    /// A peer that is refused; what it was told.
    pub(crate) fn refused(&mut self, from: &str) -> String {
        let opened = self.world.reactor.metrics().accepted;
        let peer = self.knock(from);
        assert_eq!(self.world.network.state(peer), PeerState::Finished, "{from} was refused");
        assert_eq!(self.world.reactor.metrics().accepted, opened, "at the door");
        self.world.received(peer)
    }

    /// The peer sends this, and whatever can be done at once is done.
    pub(crate) fn send(&mut self, peer: SimPeer, text: &str) {
        self.world.network.send_from(peer, text.as_bytes());
        self.world.settle();
    }

    /// What the peer has been sent since it was last asked.
    pub(crate) fn answer(&mut self, peer: SimPeer) -> String {
        String::from_utf8(self.world.network.take_received(peer)).expect("text")
    }

    pub(crate) fn is_open(&self, peer: SimPeer) -> bool {
        self.world.network.state(peer) == PeerState::Open
    }

    /// The peer goes, and that is seen.
    pub(crate) fn leave(&mut self, peer: SimPeer) {
        self.world.network.finish(peer);
        self.world.settle();
    }

    /// What the handler was called for on behalf of this peer.
    pub(crate) fn seen(&self, peer: SimPeer) -> Vec<What> {
        self.entries(peer).into_iter().map(|entry| entry.what).collect()
    }

    /// When each frame of this peer was run, in time since the beginning.
    pub(crate) fn frame_times(&self, peer: SimPeer) -> Vec<Duration> {
        let entries = self.entries(peer).into_iter();
        let frames = entries.filter(|entry| matches!(entry.what, What::Frame(_)));
        frames.map(|entry| entry.at.since(Instant::START)).collect()
    }

    /// How many connections each host has that the handler knows of.
    pub(crate) fn open_by_host(&self) -> HashMap<IpAddr, usize> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for Entry { peer, what, .. } in self.journal.entries().iter() {
            let count = counts.entry(peer.ip()).or_default();
            match what {
                What::Opened => *count += 1,
                What::Closed(_) => *count -= 1,
                _ => {}
            }
        }
        counts
    }

    /// The connections that the handler was ever told of.
    pub(crate) fn known(&self) -> BTreeSet<ConnectionId> {
        self.journal.entries().iter().map(|entry| entry.id).collect()
    }

    fn entries(&self, peer: SimPeer) -> Vec<Entry> {
        let address = self.world.network.address(peer);
        let entries = self.journal.entries();
        entries.iter().filter(|entry| entry.peer == address).cloned().collect()
    }

    /// Sends a datagram, and says whether the handler was shown it and the sender got it back.
    pub(crate) fn datagram_passes(&mut self, from: &str, payload: &[u8]) -> bool {
        let from = from.parse().expect("an address with a port");
        let before = self.datagrams.borrow().len();
        self.world.network.send_datagram(from, udp_address(), payload);
        self.world.settle();
        let answers = self.world.network.take_datagrams(from);
        match self.datagrams.borrow().get(before) {
            Some(seen) => {
                assert_eq!((seen.0, &seen.1[..]), (from, payload));
                assert_eq!(answers, [(udp_address(), payload.to_vec())]);
                true
            }
            None => {
                assert_eq!(answers, [], "nothing is said to whoever may be another");
                false
            }
        }
    }
}
