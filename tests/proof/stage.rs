//! A world in which it is written down what every peer sends and what it is owed, to be compared
//! with what it gets, whatever happens on the way.

mod owed;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use windlass::network::{PeerState, SimNetwork, SimPeer};
use windlass::{Config, Error, Instant, Listener, Server, Session};

use super::fixture::{Call, Journal, Scripted, Unbuilt, World, address, millis, secs};

pub(super) use self::owed::{EchoDatagrams, Owed};

/// A stage, or why there is none.
pub(super) type Staged = Result<Stage, Box<Unbuilt>>;

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Send(&'static [u8]),
    Finish,
    Reset,
    Stall,
    Resume,
    /// It takes so many bytes each millisecond.
    ReadSlowly(usize),
}

impl Act {
    fn done_by(self, peer: SimPeer, network: &mut SimNetwork, said: &Said) {
        match self {
            Self::Send(bytes) => {
                network.send_from(peer, bytes);
                *said.borrow_mut().entry(network.address(peer)).or_default() += bytes.len();
            }
            Self::Finish => network.finish(peer),
            Self::Reset => network.reset(peer),
            Self::Stall => network.stall(peer),
            Self::Resume => network.resume(peer),
            Self::ReadSlowly(len) => network.read_slowly(peer, len, millis(1)),
        }
    }
}

/// How many bytes each client has sent so far.
pub(super) type Said = Rc<RefCell<BTreeMap<SocketAddr, usize>>>;

/// The address of this client; of several of the same ten, the host is the same.
pub(super) fn client(number: u16) -> SocketAddr {
    let host = u8::try_from(1 + number / 10).expect("few clients");
    SocketAddr::from(([198, 51, 100, host], 5000 + number))
}

/// What a frame looks like on the wire.
type Wire = fn(&[u8]) -> Vec<u8>;

/// A server, its clients, and what each is owed.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) owed: Owed,
    /// What each client sends in all.
    pub(super) sent: BTreeMap<SocketAddr, Vec<u8>>,
    /// How many bytes of it each has sent so far.
    pub(super) said: Said,
    /// When the loop is told to end, in milliseconds.
    signals: Vec<u64>,
    /// Who breaks off at some moment, wherever the loop is then.
    impatient: BTreeSet<SocketAddr>,
    /// Who has sent datagrams.
    senders: BTreeSet<SocketAddr>,
    /// What a frame looks like on the wire, if frames are to be compared with what was sent.
    wire: Option<Wire>,
    /// How long it plays.
    pub(super) length: Duration,
    /// What a newcomer asks at the end and is to be answered, if anybody is still let in.
    pub(super) probe: Option<[&'static [u8]; 2]>,
    /// How many peers suffer at most if one connection fails; none: who is served depends on who
    /// comes first.
    pub(super) most_harmed: Option<usize>,
    /// Whether it matters when a client is let in.
    pub(super) is_timed: bool,
}

fn as_line(frame: &[u8]) -> Vec<u8> {
    [frame, b"\n"].concat()
}

impl Stage {
    /// Whatever `listen` makes of a server.
    pub(super) fn of(
        network: SimNetwork,
        config: Config,
        owed: Owed,
        listen: impl FnOnce(Server, &Journal) -> Server,
    ) -> Staged {
        let journal = Journal::default();
        let world = World::try_of(network, config, Some(journal.clone()), |server| {
            listen(server, &journal)
        })?;
        Ok(Self {
            world,
            owed,
            sent: BTreeMap::new(),
            said: Said::default(),
            signals: Vec::new(),
            impatient: BTreeSet::new(),
            senders: BTreeSet::new(),
            wire: Some(as_line),
            length: secs(1),
            probe: Some([b"are you there\n", b"are you there\n"]),
            most_harmed: Some(1),
            is_timed: false,
        })
    }

    /// A server for lines with this script.
    pub(super) fn lines(
        network: SimNetwork,
        config: Config,
        owed: Owed,
        script: impl FnMut(&mut Session<'_, Scripted>, Call<'_>) -> Result<(), Error> + 'static,
    ) -> Staged {
        Self::layered(network, config, owed, script, |listener| listener)
    }

    /// The same, with something done to the listener.
    pub(super) fn layered(
        network: SimNetwork,
        config: Config,
        owed: Owed,
        script: impl FnMut(&mut Session<'_, Scripted>, Call<'_>) -> Result<(), Error> + 'static,
        change: impl FnOnce(Listener) -> Listener,
    ) -> Staged {
        Self::of(network, config, owed, |server, journal| {
            let handler = Scripted::new(script).written_in(journal);
            server.listen(change(Listener::tcp(address(0), handler)))
        })
    }

    /// A server that sends lines back.
    pub(super) fn echo(network: SimNetwork, config: Config) -> Staged {
        let owed = Owed::default();
        let script = owed.echo();
        Self::lines(network, config, owed, script)
    }

    /// A client that connects at `at` milliseconds, and acts when so many have passed after that.
    pub(super) fn client(&mut self, number: u16, at: u64, acts: &'static [(u64, Act)]) {
        self.client_of(0, number, at, acts);
    }

    /// The same, of this listener.
    pub(super) fn client_of(
        &mut self,
        listener: u16,
        number: u16,
        at: u64,
        acts: &'static [(u64, Act)],
    ) {
        let sent = self.sent.entry(client(number)).or_default();
        for (_, act) in acts {
            match act {
                Act::Send(bytes) => sent.extend(*bytes),
                Act::Reset => {
                    self.impatient.insert(client(number));
                }
                _ => {}
            }
        }
        let said = self.said.clone();
        self.world.network.after(millis(at), move |network| {
            let peer = network.connect_from(client(number), address(listener));
            play(network, peer, acts, &said);
        });
    }

    /// Whoever the loop reaches at this address acts so, from `at` milliseconds on.
    pub(super) fn upstream(&mut self, to: SocketAddr, at: u64, acts: &'static [(u64, Act)]) {
        self.world.network.serve(to);
        let said = self.said.clone();
        self.world.network.after(millis(at), move |network| meet(network, to, acts, said));
    }

    /// A datagram from this client to the socket of this number, at so many milliseconds.
    pub(super) fn datagram(&mut self, from: u16, to: u16, at: u64, payload: &[u8]) {
        let payload = payload.to_vec();
        self.senders.insert(client(from));
        self.world.network.after(millis(at), move |network| {
            network.send_datagram(client(from), address(to), &payload);
        });
    }

    pub(super) fn at(&mut self, at: u64, action: impl FnOnce(&mut SimNetwork) + 'static) {
        self.world.network.after(millis(at), action);
    }

    /// The loop is told to end at so many milliseconds, once signals are
    /// [raised](Self::raise_signals).
    pub(super) fn signal_at(&mut self, at: u64) {
        self.signals.push(at);
    }

    /// The signals of the story come at their times.
    pub(super) fn raise_signals(&mut self) {
        for at in std::mem::take(&mut self.signals) {
            self.at(at, SimNetwork::raise_signal);
        }
    }

    /// What may be said to whoever is sent away.
    pub(super) fn farewell(self, farewell: &'static [u8]) -> Self {
        self.owed.farewell(farewell);
        self
    }

    pub(super) const fn lasting(mut self, millis: u64) -> Self {
        self.length = Duration::from_millis(millis);
        self
    }

    /// So many suffer at most if one connection fails.
    pub(super) const fn harming(mut self, most: usize) -> Self {
        self.most_harmed = Some(most);
        self
    }

    /// Who is served how depends on who comes first.
    pub(super) const fn tangled(mut self) -> Self {
        self.most_harmed = None;
        self
    }

    /// It matters when a client is let in.
    pub(super) const fn timed(mut self) -> Self {
        self.is_timed = true;
        self
    }

    /// As [`tangled`](Self::tangled); and lines may be left out.
    pub(super) fn loose(self) -> Self {
        self.owed.loosen();
        self.tangled()
    }

    /// Layers may keep connections from the handler, and frames too.
    pub(super) fn withholding(mut self) -> Self {
        self.world = self.world.withholding();
        self.wire = None;
        self
    }

    /// Frames are not lines.
    pub(super) const fn framed(mut self, wire: Option<Wire>) -> Self {
        self.wire = wire;
        self
    }

    pub(super) const fn probed(mut self, probe: Option<[&'static [u8]; 2]>) -> Self {
        self.probe = probe;
        self
    }

    /// No peer has received what it is not owed, and no handler what was not sent.
    pub(super) fn check(&self) {
        self.owed.check(&self.world.network);
        for (from, sent) in &self.sent {
            let Some(run) = self.run(*from) else { return };
            // The last line of a stream may do without its end.
            let is_sent = sent.starts_with(&run) || run.strip_suffix(b"\n") == Some(sent);
            let text = String::from_utf8_lossy(&run).into_owned();
            assert!(is_sent, "{from} has not sent this: {text:?}");
        }
    }

    /// What the frames of this client that were run look like on the wire, if they are compared.
    pub(super) fn run(&self, from: SocketAddr) -> Option<Vec<u8>> {
        let wire = self.wire?;
        Some(self.world.frames_from(from).iter().flat_map(|frame| wire(frame)).collect())
    }

    /// How it stands at the end with everybody who does not break off.
    pub(super) fn outcomes(&mut self) -> Outcomes {
        let mut datagrams = BTreeMap::new();
        for sender in &self.senders {
            let received = self.world.network.take_datagrams(*sender);
            let received: Vec<_> = received.into_iter().map(|(_, payload)| payload).collect();
            self.owed.check_datagrams(*sender, &received);
            datagrams.insert(*sender, received);
        }
        let network = &self.world.network;
        let mut peers: BTreeMap<SocketAddr, Vec<Outcome>> = BTreeMap::new();
        let is_patient = |peer: &SimPeer| !self.impatient.contains(&network.address(*peer));
        for peer in network.peers().filter(is_patient) {
            let state = network.state(peer);
            // How much gets through before a reset is chance.
            let is_cut = matches!(state, PeerState::Reset | PeerState::Broken);
            let received = if is_cut { Vec::new() } else { network.received(peer).to_vec() };
            let reason = self.world.reason(peer).map(|reason| match reason {
                // Which of both comes first is chance.
                "peer finished" | "drained" => "all done",
                reason => reason,
            });
            let outcome = Outcome { received, state, reason };
            peers.entry(network.address(peer)).or_default().push(outcome);
        }
        Outcomes { peers, datagrams }
    }
}

/// As soon as somebody is reached there, within the time that a story takes.
fn meet(network: &mut SimNetwork, to: SocketAddr, acts: &'static [(u64, Act)], said: Said) {
    match network.accepted(to) {
        Some(peer) => play(network, peer, acts, &said),
        None if network.clock().since(Instant::START) > secs(5) => {}
        None => network.after(millis(1), move |network| meet(network, to, acts, said)),
    }
}

fn play(network: &mut SimNetwork, peer: SimPeer, acts: &'static [(u64, Act)], said: &Said) {
    for (wait, act) in acts {
        let said = said.clone();
        match wait {
            0 => act.done_by(peer, network, &said),
            wait => network.after(millis(*wait), move |network| act.done_by(peer, network, &said)),
        }
    }
}

/// What became of a peer.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    received: Vec<u8>,
    state: PeerState,
    reason: Option<&'static str>,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.received);
        let len = self.received.len();
        write!(f, "{:?} for {:?}, with {len} bytes: {text:.60?}", self.state, self.reason)
    }
}

/// What became of all peers, and which datagrams came to whom.
pub(super) struct Outcomes {
    peers: BTreeMap<SocketAddr, Vec<Outcome>>,
    datagrams: BTreeMap<SocketAddr, Vec<Vec<u8>>>,
}

impl Outcomes {
    /// For whom it came otherwise, and how.
    pub(super) fn other_than(&self, expected: &Self) -> Vec<String> {
        let peers = differences(&self.peers, &expected.peers, |outcome| format!("{outcome:?}"));
        let sizes = |datagrams: &Vec<Vec<u8>>| format!("{} datagrams", datagrams.len());
        let receivers = differences(&self.datagrams, &expected.datagrams, sizes);
        peers.into_iter().chain(receivers).collect()
    }
}

fn differences<T: PartialEq>(
    here: &BTreeMap<SocketAddr, T>,
    there: &BTreeMap<SocketAddr, T>,
    text: impl Fn(&T) -> String,
) -> Vec<String> {
    let addresses: BTreeSet<_> = here.keys().chain(there.keys()).collect();
    let different = addresses.into_iter().filter(|at| here.get(at) != there.get(at));
    let text = |at: &SocketAddr, of: &BTreeMap<_, T>| of.get(at).map(&text).unwrap_or_default();
    different.map(|at| format!("{at}: {} instead of {}", text(at, here), text(at, there))).collect()
}
