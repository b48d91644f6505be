//! A loop on a simulated network, driven turn by turn and checked after each.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use windlass::network::{Calls, Network, PeerState, SimNetwork, SimPeer};
use windlass::{Config, DrainReport, Error, Handler, Instant, Lines, Reactor, Server, Session};

use super::journal::{Call, Entry, Journal, Lifecycles, What};

/// Where the listeners are: the first here, each further one a port higher.
const ADDRESS: ([u8; 4], u16) = ([192, 0, 2, 1], 7000);
/// More turns than any test takes.
const MAX_TURNS: usize = 200_000;
/// So many polls in a row that bring nothing and follow on nothing, and the loop spins.
const MAX_IDLE_POLLS: u64 = 20;

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The defaults, with this many connections at most.
pub(crate) fn at_most(max_connections: usize) -> Config {
    Config { max_connections: Some(max_connections), ..Config::default() }
}

/// What a handler does when it is called.
type Script = dyn Fn(&mut Session<'_, Scripted>, Call<'_>) -> Result<(), Error>;

/// A handler that writes down each callback, and then does what its script says.
pub(crate) struct Scripted {
    journal: Journal,
    script: Rc<Script>,
}

impl Scripted {
    fn call(&self, session: &mut Session<'_, Self>, call: Call<'_>) -> Result<(), Error> {
        let (id, peer, at) = (session.id(), session.peer(), session.now());
        self.journal.write(Entry { id, peer, at, what: What::from(call) });
        (self.script)(session, call)
    }
}

impl Handler for Scripted {
    type Codec = Lines;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.call(session, Call::Open)
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        self.call(session, Call::Frame(line))
    }

    fn on_end(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.call(session, Call::End)
    }

    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        self.call(session, Call::Timer(key))
    }

    fn on_drain(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.call(session, Call::Drain)
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &windlass::CloseReason) {
        // A close cannot fail.
        let _ = self.call(session, Call::Close(reason));
    }
}

/// The script of a server that answers each line with itself, and does otherwise what handlers do
/// that are told nothing.
pub(crate) fn echo(session: &mut Session<'_, Scripted>, call: Call<'_>) -> Result<(), Error> {
    match call {
        Call::Frame(line) => session.send(line),
        Call::End => {
            session.close();
            Ok(())
        }
        Call::Open | Call::Timer(_) | Call::Drain | Call::Close(_) => Ok(()),
    }
}

/// A panic that the panic hook says nothing of.
pub(crate) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("a panic that a test asked for"))
}

pub(crate) struct World {
    pub(crate) network: SimNetwork,
    pub(crate) reactor: Reactor,
    /// What the handlers write down, if they do.
    journal: Option<Journal>,
    /// How the loop ended, if it has.
    pub(crate) report: Option<DrainReport>,
    config: Config,
    lifecycles: Lifecycles,
    idle_polls: u64,
}

impl World {
    /// One listener with this script.
    pub(crate) fn new(
        config: Config,
        script: impl Fn(&mut Session<'_, Scripted>, Call<'_>) -> Result<(), Error> + 'static,
    ) -> Self {
        Self::with_listeners(1, config, script)
    }

    /// So many listeners with this script.
    pub(crate) fn with_listeners(
        count: u16,
        config: Config,
        script: impl Fn(&mut Session<'_, Scripted>, Call<'_>) -> Result<(), Error> + 'static,
    ) -> Self {
        let journal = Journal::default();
        let script: Rc<Script> = Rc::new(script);
        let mut server = Server::with_config(config.clone());
        for index in 0..count {
            let handler = Scripted { journal: journal.clone(), script: Rc::clone(&script) };
            server = server.tcp(address(index), handler);
        }
        Self::of(SimNetwork::new(1), config, server, Some(journal))
    }

    /// Any server, with the journal that its handlers write.
    pub(crate) fn of(
        mut network: SimNetwork,
        config: Config,
        server: Server,
        journal: Option<Journal>,
    ) -> Self {
        let reactor = server.build_on(&mut network).expect("the server can be built");
        let lifecycles = Lifecycles::default();
        Self { network, reactor, journal, report: None, config, lifecycles, idle_polls: 0 }
    }

    /// A peer that connects to the first listener.
    pub(crate) fn connect(&mut self) -> SimPeer {
        self.network.connect_to(address(0))
    }

    /// A peer that connects and is let in.
    pub(crate) fn join(&mut self) -> SimPeer {
        let peer = self.connect();
        self.settle();
        assert_eq!(self.network.state(peer), PeerState::Open, "the peer was let in");
        peer
    }

    /// A peer that connects and sends this.
    pub(crate) fn connect_with(&mut self, bytes: &[u8]) -> SimPeer {
        let peer = self.connect();
        self.network.send_from(peer, bytes);
        peer
    }

    /// A turn that waits for `timeout` at most.
    pub(crate) fn try_turn(&mut self, timeout: Duration) -> Result<(), Error> {
        let before = self.network.calls();
        let was_over = self.report.is_some();
        let report = self.reactor.turn(&mut self.network, Some(timeout))?;
        assert!(!was_over || report == self.report, "after the end the report stays the same");
        self.report = report;
        self.check(before, timeout);
        Ok(())
    }

    pub(crate) fn turn(&mut self, timeout: Duration) {
        self.try_turn(timeout).expect("nothing made it pointless to go on");
    }

    /// Turns until there is nothing to do at this moment.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MAX_TURNS {
            let before = self.network.calls();
            self.turn(Duration::ZERO);
            let calls = self.network.calls().since(before);
            // Whoever was let in is announced at the next poll.
            let is_quiet = calls.events == 0 && calls.adopts == 0;
            let is_due = |deadline: Instant| deadline <= self.network.clock();
            if self.report.is_some()
                || (is_quiet && !self.reactor.next_deadline().is_some_and(is_due))
            {
                return;
            }
        }
        panic!("the loop does not come to rest");
    }

    /// Turns for this long, and until there is nothing to do.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.network.clock().after(time).expect("within the clock");
        while self.network.clock() < end && self.report.is_none() {
            self.turn(end.since(self.network.clock()));
        }
        self.settle();
    }

    /// Turns until `is_so`, which must be within `limit`.
    pub(crate) fn run_until(&mut self, what: &str, limit: Duration, is_so: impl Fn(&Self) -> bool) {
        let end = self.network.clock().after(limit).expect("within the clock");
        for _ in 0..MAX_TURNS {
            if is_so(self) {
                return;
            }
            assert!(self.report.is_none(), "the loop ended before {what}");
            assert!(self.network.clock() < end, "not within {limit:?}: {what}");
            self.turn(end.since(self.network.clock()));
        }
        panic!("not within {MAX_TURNS} turns: {what}");
    }

    /// Turns until the loop has ended, which must be within `limit`.
    pub(crate) fn run_to_the_end(&mut self, limit: Duration) -> DrainReport {
        self.run_until("the end of the loop", limit, |world| world.report.is_some());
        self.report.clone().expect("it has ended")
    }

    /// Lets the network go on alone.
    pub(crate) fn let_pass(&mut self, time: Duration) {
        let end = self.network.clock().after(time).expect("within the clock");
        let mut events = Vec::new();
        while self.network.clock() < end {
            let left = end.since(self.network.clock());
            self.network.poll(&mut events, Some(left)).expect("the simulation goes on");
        }
    }

    pub(crate) fn open_len(&self) -> usize {
        self.reactor.connections_len()
    }

    pub(crate) fn received(&self, peer: SimPeer) -> String {
        String::from_utf8_lossy(self.network.received(peer)).into_owned()
    }

    /// What the handler was called for on behalf of this peer.
    pub(crate) fn seen(&self, peer: SimPeer) -> Vec<What> {
        let address = self.network.address(peer);
        let entries = self.entries().into_iter();
        entries.filter(|entry| entry.peer == address).map(|entry| entry.what).collect()
    }

    /// All that the handlers wrote down.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.journal.as_ref().map_or_else(Vec::new, |journal| journal.entries().to_vec())
    }

    /// The frames of this peer that were run.
    pub(crate) fn frames(&self, peer: SimPeer) -> Vec<String> {
        let frame = |what| if let What::Frame(line) = what { Some(line) } else { None };
        self.seen(peer).into_iter().filter_map(frame).collect()
    }

    /// Why this peer's connection was closed, if it was.
    pub(crate) fn reason(&self, peer: SimPeer) -> Option<&'static str> {
        self.seen(peer).into_iter().find_map(|what| match what {
            What::Closed(reason) => Some(reason),
            _ => None,
        })
    }

    /// What must hold after every turn, which could wait for `timeout`, and before which the calls
    /// stood like this.
    fn check(&mut self, before: Calls, timeout: Duration) {
        let len = self.reactor.connections_len();
        let counters = self.reactor.counters();
        let mut has_called = false;
        if let Some(journal) = &self.journal {
            has_called = self.lifecycles.follow(journal);
            assert_eq!(self.lifecycles.open_len(), len, "callbacks and connections agree");
        }
        assert_eq!(counters.accepted - counters.closed, len as u64, "counters agree");
        assert!(len <= self.reactor.max_connections(), "{len} connections");
        assert!(self.reactor.held_len() <= self.config.memory_budget, "memory is bounded");
        assert!(len > 0 || self.reactor.held_len() == 0, "nobody holds memory");
        self.check_sockets(len);
        let calls = self.network.calls().since(before);
        assert_eq!(calls.unknown_tokens, 0, "only sockets that are open are named");
        let own = self.reactor.local_addrs().count();
        let most = (own.saturating_mul(self.config.accept_budget)) as u64;
        let is_ending = self.own_len() < own;
        assert!(is_ending || calls.adopts + calls.refusals <= most, "{calls:?}");
        let is_idle = calls.idle_polls > 0 && !has_called;
        self.idle_polls = match is_idle {
            true => self.idle_polls + u64::from(!timeout.is_zero()),
            false => 0,
        };
        assert!(self.idle_polls <= MAX_IDLE_POLLS, "the loop spins");
        if self.report.is_some() {
            assert_eq!((len, self.network.open_sockets()), (0, 0), "nothing is left open");
            assert_eq!(self.reactor.next_deadline(), None, "nothing is due any more");
        }
    }

    /// How many of the loop's own sockets are open, those for UDP not counted.
    fn own_len(&self) -> usize {
        self.reactor.local_addrs().filter(|own| self.network.is_listening(*own)).count()
    }

    /// Every open socket is one that the loop knows.
    fn check_sockets(&self, len: usize) {
        let own = self.reactor.local_addrs().count();
        let open = self.network.open_sockets();
        assert!((len..=len + own).contains(&open), "{open} sockets for {len} connections");
        if self.own_len() == own {
            assert_eq!(open, len + own, "no socket leaks");
        }
    }
}

/// Where the listener of this number is.
pub(crate) fn address(index: u16) -> SocketAddr {
    let (host, port) = ADDRESS;
    SocketAddr::from((host, port + index))
}

/// Says how to run a test again that fails.
pub(crate) struct Replay(pub(crate) String);

impl Drop for Replay {
    #[expect(clippy::print_stderr, reason = "this is where a test that fails is read")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay: {}", self.0);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let entries = self.entries();
        let last = &entries[entries.len().saturating_sub(12)..];
        let last: String = last.iter().map(|entry| format!("\n  {entry:?}")).collect();
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("");
        let _replay = Replay(format!(
            "cargo test --test engine -- {test} (network seed {}, at {:?}); the last calls: {last}",
            self.network.seed(),
            self.network.clock().since(Instant::START),
        ));
    }
}
