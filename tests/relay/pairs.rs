//! A world with pairs of tied connections.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::network::{SimNetwork, SimPeer};
use windlass::{Config, ConnectionId, Error, LengthPrefixed, Lines, Listener, Scope, Session};

use crate::fixture::{
    Call, Framing, Journal, Scripted, World, address, ignore, panic_quietly, secs, timeless,
};

/// What timers of the handlers are for.
const SEND: u32 = 1;
const PAUSE: u32 = 2;
const RESUME: u32 = 3;

/// Where those are that the loop connects to.
pub(crate) const UPSTREAM: ([u8; 4], u16) = ([198, 51, 100, 1], 80);

/// What the handlers know of all connections.
#[derive(Default)]
pub(crate) struct Known {
    ids: BTreeMap<SocketAddr, ConnectionId>,
    /// How many bytes were received and sent, and how many frames run, of those that have closed.
    pub(crate) counts: BTreeMap<SocketAddr, (u64, u64, u64)>,
    /// Whether sending went well, each time a timer came due.
    pub(crate) sent: Vec<bool>,
    /// Whether connections are paused from the start, until they are tied.
    pub(crate) pauses: bool,
    /// Whether the next close panics.
    pub(crate) panics_on_close: bool,
}

/// A loop with two listeners of different protocols, and connections to others.
pub(crate) struct Pairs {
    pub(crate) world: World,
    known: Rc<RefCell<Known>>,
}

impl Pairs {
    pub(crate) fn new() -> Self {
        Self::with(timeless())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::on(SimNetwork::new(1), config)
    }

    pub(crate) fn on(network: SimNetwork, config: Config) -> Self {
        Self::of(network, config, |listener| listener)
    }

    /// As [`on`](Self::on), with something done to the first listener.
    pub(crate) fn of(
        mut network: SimNetwork,
        config: Config,
        change: impl FnOnce(Listener) -> Listener,
    ) -> Self {
        network.serve(SocketAddr::from(UPSTREAM));
        let known = Rc::new(RefCell::new(Known::default()));
        let journal = Journal::default();
        let lines = Scripted::<Lines>::new(script(&known, "late")).written_in(&journal);
        let prefixed = script(&known, b"late".as_slice());
        let prefixed = Scripted::<LengthPrefixed>::new(prefixed).written_in(&journal);
        let config = Config { max_outbound: 10, ..config };
        let world = World::of(network, config, Some(journal), |server| {
            let second = Listener::tcp_with(address(1), LengthPrefixed::default(), prefixed);
            server.listen(change(Listener::tcp(address(0), lines))).listen(second)
        });
        Self { world, known }
    }

    /// Two peers, of different listeners, whose connections are tied.
    pub(crate) fn pair(&mut self) -> [SimPeer; 2] {
        let peers = self.strangers();
        self.tie(peers);
        self.world.settle();
        peers
    }

    /// Two peers, of different listeners.
    pub(crate) fn strangers(&mut self) -> [SimPeer; 2] {
        let peers = [0, 1].map(|listener| self.world.network.connect_to(address(listener)));
        self.world.settle();
        peers
    }

    /// Asks for the connections of these peers to be tied.
    pub(crate) fn tie(&mut self, peers: [SimPeer; 2]) {
        let [one, other] = peers.map(|peer| self.id(peer));
        self.world.reactor.commands().tie(one, other).expect("both are there");
    }

    /// The connection of this peer, once it was opened.
    pub(crate) fn id_of(&self, peer: SimPeer) -> Option<ConnectionId> {
        self.known.borrow().ids.get(&self.world.network.address(peer)).copied()
    }

    pub(crate) fn id(&self, peer: SimPeer) -> ConnectionId {
        self.id_of(peer).expect("the connection was opened")
    }

    pub(crate) fn known(&self) -> Ref<'_, Known> {
        self.known.borrow()
    }

    /// From now on connections are paused until they are tied.
    pub(crate) fn pause_at_first(&self) {
        self.known.borrow_mut().pauses = true;
    }

    /// Has a connection to the upstream made and tied to that of this peer at once.
    pub(crate) fn tie_to_upstream(&mut self, peer: SimPeer) {
        let id = self.id(peer);
        let connect = move |_: &mut Scripted, scope: &mut Scope<'_, Scripted>| {
            match scope.connect(SocketAddr::from(UPSTREAM), ()) {
                // It may have closed meanwhile: then there is nobody to connect for.
                Ok(upstream) if scope.commands().tie(id, upstream).is_err() => {
                    scope.commands().close(upstream)
                }
                Ok(_) => Ok(()),
                Err(_) => scope.commands().close(id),
            }
        };
        self.world.reactor.commands().defer::<Scripted>(connect).expect("there is room");
    }

    pub(crate) fn panic_on_close(&self) {
        self.known.borrow_mut().panics_on_close = true;
    }

    /// How many bytes were received from and sent to a peer whose connection has closed, and how
    /// many frames of it were run.
    pub(crate) fn counts(&self, peer: SimPeer) -> (u64, u64, u64) {
        self.known.borrow().counts[&self.world.network.address(peer)]
    }

    /// Why the connections of these peers were closed.
    pub(crate) fn reasons(&self, peers: [SimPeer; 2]) -> [Option<&'static str>; 2] {
        peers.map(|peer| self.world.reason(peer))
    }

    /// Whatever the rest of the way is, in the end nothing is left.
    pub(crate) fn finish(mut self) {
        self.world.run_for(secs(600));
        assert_eq!(self.world.open_len(), 0, "somebody is left");
        assert_eq!(self.world.reactor.held_len(), 0);
        assert_eq!(self.world.reactor.metrics().held_back, 0);
        self.world.reactor.drain();
        self.world.run_to_the_end(secs(1));
    }
}

/// Does what frames say: `tie …` ties the connection to that of the other peer named, as does
/// `tie-and-panic …`, which panics then; `timer` has something sent in a second, and
/// `rest` has the connection paused from then on for four.
fn script<C: Framing>(
    known: &Rc<RefCell<Known>>,
    late: &'static C::Text,
) -> impl FnMut(&mut Session<'_, Scripted<C>>, Call<'_, C::Text>) -> Result<(), Error> + use<C> {
    let known = Rc::clone(known);
    move |session, call| {
        let mut known = known.borrow_mut();
        let (id, peer) = (session.id(), session.peer());
        match call {
            Call::Open => {
                known.ids.insert(peer, id);
                // One that was made to another is tied already.
                if known.pauses && peer != SocketAddr::from(UPSTREAM) {
                    session.pause();
                }
            }
            Call::Frame(frame) => {
                let text = String::from_utf8_lossy(frame.as_ref()).into_owned();
                match text.split_once(' ').unwrap_or((&text, "")) {
                    ("tie", other) => {
                        session.pause();
                        let other = known.ids[&other.parse().expect("an address")];
                        session.commands().tie(id, other)?;
                    }
                    ("tie-and-panic", other) => {
                        let other = known.ids[&other.parse().expect("an address")];
                        session.commands().tie(id, other)?;
                        drop(known);
                        panic_quietly();
                    }
                    ("timer", _) => session.set_timer(SEND, secs(1)),
                    ("rest", _) => {
                        session.set_timer(PAUSE, secs(1));
                        session.set_timer(RESUME, secs(5));
                    }
                    _ => {}
                }
            }
            Call::Timer(PAUSE) => session.pause(),
            Call::Timer(RESUME) => session.resume(),
            Call::Timer(_) => known.sent.push(session.send(late).is_ok()),
            Call::Farewell(_) => session.send(late)?,
            Call::Close(_) => {
                let context = session.context();
                let (received, sent) = (context.bytes_received(), context.bytes_sent());
                known.counts.insert(peer, (received, sent, context.frames()));
                if std::mem::take(&mut known.panics_on_close) {
                    drop(known);
                    panic_quietly();
                }
            }
            call => return ignore(session, call),
        }
        Ok(())
    }
}
