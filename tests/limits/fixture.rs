//! What the engine is tried in: a simulated network with one loop on it, and a record of what its
//! handler saw.

use std::cell::{Ref, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use windlass::network::{Calls, PeerState, SimNetwork, SimPeer};
use windlass::{
    CloseReason, Codec, Config, Error, Handler, Instant, LengthPrefixed, Lines, Raw, Reactor,
    Server, Session, SocketOptions,
};

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
/// More turns than anything here takes.
const MANY_TURNS: usize = 2_000_000;

/// Where the server of most tests listens.
pub(crate) fn server() -> SocketAddr {
    "192.0.2.1:7000".parse().expect("it is an address")
}

/// A configuration without deadlines, for tests that are about something else.
pub(crate) fn timeless() -> Config {
    Config {
        max_connections: Some(25_000),
        idle_timeout: None,
        first_frame_timeout: None,
        frame_timeout: None,
        write_timeout: None,
        lifetime: None,
        socket: SocketOptions { backlog: 65_535, ..SocketOptions::default() },
        ..Config::default()
    }
}

/// Runs `trial` with many seeds, or with the one that the environment asks for.
pub(crate) fn for_each_seed(count: u64, trial: impl Fn(u64)) {
    let seeds = match std::env::var("WINDLASS_SEED") {
        Ok(seed) => vec![seed.parse().expect("WINDLASS_SEED is a number")],
        Err(_) => (0..count).collect(),
    };
    for seed in seeds {
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trial(seed)));
        if tried.is_err() {
            panic!("failed with seed {seed}: to try it again, set WINDLASS_SEED={seed}");
        }
    }
}

/// A codec whose frames and messages are bytes.
pub(crate) trait Framing: Codec + Clone + 'static {
    fn bytes<'a>(frame: &'a Self::Frame<'_>) -> &'a [u8];
    fn message(bytes: &[u8]) -> &Self::Message;
}

impl Framing for Lines {
    fn bytes<'a>(frame: &'a &str) -> &'a [u8] {
        frame.as_bytes()
    }

    fn message(bytes: &[u8]) -> &str {
        str::from_utf8(bytes).expect("the tests send text")
    }
}

impl Framing for LengthPrefixed {
    fn bytes<'a>(frame: &'a &mut [u8]) -> &'a [u8] {
        frame
    }

    fn message(bytes: &[u8]) -> &[u8] {
        bytes
    }
}

impl Framing for Raw {
    fn bytes<'a>(frame: &'a &mut [u8]) -> &'a [u8] {
        frame
    }

    fn message(bytes: &[u8]) -> &[u8] {
        bytes
    }
}

/// What a length-prefixed frame looks like on the wire.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a frame of a test");
    [&len.to_be_bytes(), payload].concat()
}

/// Bytes that are not alike, so that none can be lost or swapped unseen.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 31 + at / 251) % 251).expect("below 251")).collect()
}

/// A handler that notes everything, and does with frames and timers what a test wants.
pub(crate) struct Probe<C: Framing> {
    seen: Seen,
    on_frame: Act<C>,
    on_timer: Act<C>,
    keeps_frames: bool,
}

/// What is done with a frame, or when a timer comes due (its key is then the frame).
type Act<C> = Box<dyn FnMut(&mut Session<'_, Probe<C>>, &[u8]) -> Result<(), Error>>;

/// Sends each frame back.
pub(crate) fn echo<C: Framing>(
    session: &mut Session<'_, Probe<C>>,
    frame: &[u8],
) -> Result<(), Error> {
    session.send(C::message(frame))
}

/// Does nothing with it.
pub(crate) fn ignore<C: Framing>(_: &mut Session<'_, Probe<C>>, _: &[u8]) -> Result<(), Error> {
    Ok(())
}

impl<C: Framing> Probe<C> {
    pub(crate) fn new(
        on_frame: impl FnMut(&mut Session<'_, Self>, &[u8]) -> Result<(), Error> + 'static,
    ) -> Self {
        Self {
            seen: Seen::default(),
            on_frame: Box::new(on_frame),
            on_timer: Box::new(ignore),
            keeps_frames: true,
        }
    }

    pub(crate) fn on_timer(
        mut self,
        act: impl FnMut(&mut Session<'_, Self>, &[u8]) -> Result<(), Error> + 'static,
    ) -> Self {
        self.on_timer = Box::new(act);
        self
    }

    /// Frames are only counted: for tests with very many of them.
    pub(crate) fn without_frames(mut self) -> Self {
        self.keeps_frames = false;
        self
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }
}

impl<C: Framing> Handler for Probe<C> {
    type Codec = C;
    type State = ();

    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        frame: C::Frame<'_>,
    ) -> Result<(), Error> {
        let bytes = C::bytes(&frame);
        let mut record = self.seen.0.borrow_mut();
        record.frames_len += 1;
        if self.keeps_frames {
            record.frames.push(bytes.to_vec());
        }
        drop(record);
        (self.on_frame)(session, bytes)
    }

    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        (self.on_timer)(session, &key.to_be_bytes())
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        let closed = Closed { why: reason.label(), when: session.now() };
        self.seen.0.borrow_mut().closed.push(closed);
    }
}

/// What a [`Probe`] has seen so far.
#[derive(Clone, Default)]
pub(crate) struct Seen(Rc<RefCell<Record>>);

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) frames_len: usize,
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) closed: Vec<Closed>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) why: &'static str,
    pub(crate) when: Instant,
}

impl Seen {
    pub(crate) fn record(&self) -> Ref<'_, Record> {
        self.0.borrow()
    }

    pub(crate) fn frames_len(&self) -> usize {
        self.record().frames_len
    }

    /// Why connections ended, in their order.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        self.record().closed.iter().map(|closed| closed.why).collect()
    }
}

/// A loop and the network that it is on.
pub(crate) struct World {
    pub(crate) net: SimNetwork,
    pub(crate) reactor: Reactor,
    pub(crate) seen: Seen,
    memory_budget: usize,
}

impl World {
    /// A server that does `on_frame` with each frame.
    pub(crate) fn new<C: Framing>(
        config: Config,
        codec: C,
        on_frame: impl FnMut(&mut Session<'_, Probe<C>>, &[u8]) -> Result<(), Error> + 'static,
    ) -> Self {
        Self::on(SimNetwork::new(1), config, codec, Probe::new(on_frame))
    }

    /// A server with this handler on this network.
    pub(crate) fn on<C: Framing>(
        mut net: SimNetwork,
        config: Config,
        codec: C,
        probe: Probe<C>,
    ) -> Self {
        let (seen, memory_budget) = (probe.seen(), config.memory_budget);
        let server = Server::with_config(config).tcp_with(server(), codec, probe);
        let reactor = server.build_on(&mut net).expect("the configuration of a test is valid");
        Self { net, reactor, seen, memory_budget }
    }

    /// A server of any kind.
    pub(crate) fn of(mut net: SimNetwork, server: Server) -> Self {
        let reactor = server.build_on(&mut net).expect("the configuration of a test is valid");
        Self { net, reactor, seen: Seen::default(), memory_budget: usize::MAX }
    }

    /// A peer that has been let in.
    pub(crate) fn connect(&mut self) -> SimPeer {
        let peer = self.net.connect_to(server());
        self.settle();
        assert!(self.net.token(peer).is_some(), "a peer was not let in");
        peer
    }

    /// Many peers that have been let in.
    pub(crate) fn connect_many(&mut self, count: usize) -> Vec<SimPeer> {
        let peers = (0..count).map(|_| self.net.connect_to(server())).collect();
        self.settle();
        assert_eq!(self.reactor.connections_len(), count, "peers that were not let in");
        peers
    }

    /// One turn that waits for as long as it takes.
    pub(crate) fn turn(&mut self) {
        self.turn_within(None);
    }

    /// One turn that does not wait.
    pub(crate) fn turn_at_once(&mut self) {
        self.turn_within(Some(Duration::ZERO));
    }

    pub(crate) fn turn_within(&mut self, timeout: Option<Duration>) {
        self.reactor.turn(&mut self.net, timeout).expect("the loop goes on");
        assert!(self.reactor.held_len() <= self.memory_budget, "above the memory budget");
        assert_eq!(self.net.calls().unknown_tokens, 0, "calls for sockets that are not there");
    }

    /// Turns until there is nothing left to do at this moment.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MANY_TURNS {
            let before = self.net.calls();
            self.turn_at_once();
            let mut calls = self.net.calls().since(before);
            (calls.polls, calls.idle_polls) = (0, 0);
            let has_work = self.reactor.next_deadline().is_some_and(|due| due <= self.net.clock());
            if !has_work && calls == Calls::default() {
                return;
            }
        }
        panic!("the loop does not come to rest");
    }

    /// Turns for so long.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.net.clock().after(time).expect("a time of a test");
        for _ in 0..MANY_TURNS {
            let left = end.since(self.net.clock());
            if left.is_zero() {
                return self.settle();
            }
            self.turn_within(Some(left));
        }
        panic!("the clock stands still");
    }

    /// Turns until it is so.
    pub(crate) fn run_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        for _ in 0..MANY_TURNS {
            if is_so(self) {
                return;
            }
            self.turn();
        }
        panic!("it never happened: {what}");
    }

    /// Turns until the server has finished or reset this connection; says when that was.
    pub(crate) fn end_of(&mut self, peer: SimPeer) -> Duration {
        self.run_until("the end of a connection", |world| {
            !matches!(world.net.state(peer), PeerState::Open | PeerState::Connecting)
        });
        self.net.clock().since(Instant::START)
    }

    /// Turns until nobody is connected.
    pub(crate) fn run_until_empty(&mut self) {
        self.run_until("the last close", |world| world.reactor.connections_len() == 0);
    }

    /// Has `peer` send `bytes` when the clock shows `when`.
    pub(crate) fn send_at(&mut self, peer: SimPeer, when: Duration, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        let when = Instant::START.after(when).expect("a time of a test");
        self.net.at(when, move |net| net.send_from(peer, &bytes));
    }
}

/// A time of the clock that must have come, and by a millisecond ago at most.
pub(crate) fn assert_on_time(now: Duration, expected: Duration) {
    assert!(now >= expected, "{:?} too early: {now:?}", expected - now);
    assert!(now <= expected + MILLISECOND, "{:?} late: {now:?}", now - expected);
}
