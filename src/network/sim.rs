//! The simulated network: a small world with a clock of its own, the same for the same seed.

mod calls;
#[cfg(test)]
mod callers;
mod connections;
mod datagrams;
mod dialing;
mod edges;
mod faults;
mod forcing;
#[cfg(test)]
mod harness;
mod link;
mod listeners;
mod loopback;
mod peers;
mod pipe;
mod random;
mod schedule;
mod seam;
#[cfg(test)]
mod swarm;
#[cfg(test)]
mod tests;
mod trace;
mod waking;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::instant::Instant;
use crate::network::{Event, Readiness};
use crate::token::Token;
use dialing::Upstream;
use edges::{Kind, Queued, Socket};
use forcing::Forcings;
use link::Link;
use random::Random;
use schedule::{Schedule, Scheduled};
use trace::{Act, Trace};
use waking::WakeFlag;

pub use calls::{Call, Calls};
pub use faults::{AcceptFailure, ConnectFailure, Faults};
pub use forcing::{Forced, Recorded};
pub use link::{PeerState, SimPeer};

/// Puts the events of a poll into the order that a test wants.
type EventOrder = Box<dyn FnMut(&mut [Event])>;

/// A simulated network, on which a loop with its handlers can be tested: peers, datagrams, signals
/// and faults as the test wants them, in no real time, and every run repeatable by its seed.
///
/// It keeps every promise of the contract that [`network`](crate::network) states, and promises no
/// more: an event comes once, and never for more bytes behind bytes that were not read.
///
/// # Time
///
/// The clock stands still while the loop works, unless a call is given a
/// [cost](Self::set_call_cost). A poll that finds nothing moves it to the next thing
/// [scheduled](Self::at) or to its timeout, whichever comes first. A poll that would sleep for ever
/// with nothing scheduled fails with [`Deadlock`](std::io::ErrorKind::Deadlock), and its text says
/// which sockets are open: a hang is found, and not hung in.
///
/// # Bytes
///
/// Each direction of a connection is a pipe of finite [length](Self::set_pipe_len). What a peer
/// sends arrives as far as it fits, and the rest at the polls after the loop has read. What the
/// loop writes is in flight until the next poll, and only then taken by the peer, if that is
/// reading, and its room free again; so a loop that writes more than the pipe holds in one turn
/// finds it full. A reset destroys what is in flight, either way, and what has arrived but was not
/// read: a loop that closes a connection with input unread loses the answers it has just written,
/// always.
///
/// # Connections of the loop
///
/// What the loop meets where it connects to is for the test to say: a server of the simulation
/// ([`serve`](Self::serve)), nobody who answers, or a way of failing. Elsewhere it is refused,
/// except where it listens itself: then it reaches itself, as a proxy may.
///
/// # Wakes
///
/// A wake makes an event of the poll that is made next, or that it comes in, by an
/// [action](Self::at). Real threads take no part in a simulation: when one wakes it is chance.
///
/// # Bugs of the loop
///
/// It panics where the contract leaves no doubt that its caller is wrong and a real network would
/// let it pass: at a token that is used for a second socket, a read without a buffer, a write
/// without bytes, or a connection that is used before it is known to be connected. Calls that name
/// no open socket are [counted](Calls::unknown_tokens), and so are polls of a loop that
/// [spins](Calls::idle_polls).
///
/// ```
/// use windlass::SocketOptions;
/// use windlass::network::{Network, Progress, SimNetwork, Token};
///
/// # fn main() -> std::io::Result<()> {
/// let mut network = SimNetwork::new(1);
/// let listener = Token::endpoint(0);
/// let address =
///     network.listen(listener, "127.0.0.1:0".parse().unwrap(), &SocketOptions::default())?;
///
/// let peer = network.connect_to(address);
/// network.send_from(peer, b"ping");
///
/// let mut events = Vec::with_capacity(8);
/// network.poll(&mut events, None)?;
/// assert_eq!(events[0].token, listener);
/// assert!(matches!(network.accept(listener), Ok(Progress::Done(_))));
/// let connection = Token::connection(0, 0, 0);
/// network.adopt(connection)?;
/// let mut buffer = [0; 8];
/// assert_eq!(network.read(connection, &mut buffer).progress()?, Progress::Done(4));
/// network.write(connection, b"pong").progress()?;
/// assert_eq!(network.received(peer), b"pong");
/// # Ok(())
/// # }
/// ```
pub struct SimNetwork {
    seed: u64,
    random: Random,
    faults: Faults,
    trace: Trace,
    calls: Calls,
    /// What one call or the other is made to answer.
    forcings: Forcings,
    /// In which order a poll gives its events, if a test has a wish.
    event_order: Option<EventOrder>,
    /// Whether a call since the last poll has achieved anything.
    has_achieved: bool,
    clock: Instant,
    call_cost: Duration,
    stood_still: Duration,
    schedule: Schedule,
    sockets: BTreeMap<Token, Socket>,
    /// Those of the sockets that have an address of their own: the listeners and the UDP sockets.
    endpoints: Vec<Token>,
    /// Every token that ever named a socket, to catch a second use.
    used_tokens: BTreeSet<Token>,
    /// Those closed last, for events that come too late.
    closed_tokens: VecDeque<Token>,
    events: VecDeque<Queued>,
    links: Vec<Link>,
    /// The links on which bytes may flow at the next poll.
    stirred: Vec<usize>,
    /// The link of the peer that was accepted and not yet adopted or refused.
    hand: Option<usize>,
    pipe_len: usize,
    socket_limit: Option<usize>,
    accept_failures: VecDeque<AcceptFailure>,
    adopt_failures: usize,
    /// What the loop meets where it connects to.
    upstreams: BTreeMap<SocketAddr, Upstream>,
    connect_failures: VecDeque<ConnectFailure>,
    /// Where to and where from the loop has connections that it began.
    dialed: BTreeSet<(SocketAddr, SocketAddr)>,
    next_port: u16,
    peer_count: u32,
    mailboxes: BTreeMap<SocketAddr, Vec<(SocketAddr, Vec<u8>)>>,
    refusing: BTreeSet<SocketAddr>,
    unwatched_signals: usize,
    /// Set by wakers, if there are any.
    wake_flag: Option<Arc<WakeFlag>>,
}

impl SimNetwork {
    /// A network without faults. `seed` decides everything that is left to chance.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            random: Random::new(seed),
            faults: Faults::none(),
            trace: Trace::new(),
            calls: Calls::default(),
            forcings: Forcings::default(),
            event_order: None,
            has_achieved: false,
            clock: Instant::START,
            call_cost: Duration::ZERO,
            stood_still: Duration::ZERO,
            schedule: Schedule::default(),
            sockets: BTreeMap::new(),
            endpoints: Vec::new(),
            used_tokens: BTreeSet::new(),
            closed_tokens: VecDeque::new(),
            events: VecDeque::new(),
            links: Vec::new(),
            stirred: Vec::new(),
            hand: None,
            pipe_len: 64 * 1024,
            socket_limit: None,
            accept_failures: VecDeque::new(),
            adopt_failures: 0,
            upstreams: BTreeMap::new(),
            connect_failures: VecDeque::new(),
            dialed: BTreeSet::new(),
            next_port: 49_152,
            peer_count: 0,
            mailboxes: BTreeMap::new(),
            refusing: BTreeSet::new(),
            unwatched_signals: 0,
            wake_flag: None,
        }
    }

    /// The seed it was made with.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// How often faults happen from now on. Default: [`Faults::none`].
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Everything that was asked of this network and what it answered, with the time, as one
    /// number: equal for equal seeds and equal callers.
    /// ([`local_addr`](crate::network::Network::local_addr) is left out.)
    pub const fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// How often the loop has called.
    pub const fn calls(&self) -> Calls {
        self.calls
    }

    /// How many bytes each direction of a connection holds, for peers that connect from now on.
    /// Default: 64 KiB. A listener's buffer sizes in
    /// [`SocketOptions`](crate::SocketOptions), if given, go before.
    ///
    /// # Panics
    ///
    /// If `bytes` is zero.
    pub fn set_pipe_len(&mut self, bytes: usize) {
        assert!(bytes > 0, "a pipe that holds nothing");
        self.pipe_len = bytes;
    }

    /// How many sockets can be open at a time. One more fails as if the process had no descriptor
    /// left. Default: no limit.
    pub fn set_socket_limit(&mut self, limit: Option<usize>) {
        self.socket_limit = limit;
    }

    /// How far the clock moves at each call of the loop. Default: not at all; a loop that is to
    /// [poll busily](crate::Config::busy_poll) then looks once before it sleeps.
    pub fn set_call_cost(&mut self, cost: Duration) {
        self.call_cost = cost;
    }

    /// How far the clock moves at each call of the loop.
    pub const fn call_cost(&self) -> Duration {
        self.call_cost
    }

    /// The time, without this being a call of the loop.
    pub const fn clock(&self) -> Instant {
        self.clock
    }

    /// Does `action` when the clock reaches `when`, within the poll that gets there; if that moment
    /// has passed, at the next poll. Actions of the same moment happen in the order they were
    /// given. (One that schedules itself again without end keeps a hang from being found.)
    pub fn at(&mut self, when: Instant, action: impl FnOnce(&mut Self) + 'static) {
        self.schedule.add(when, Scheduled::Action(Box::new(action)));
    }

    /// Does `action` when `wait` has passed.
    ///
    /// # Panics
    ///
    /// If the clock cannot reach that moment.
    pub fn after(&mut self, wait: Duration, action: impl FnOnce(&mut Self) + 'static) {
        self.at(self.moment(wait), action);
    }

    /// Time passes while the loop does nothing: its process was stopped, or a callback was slow.
    /// What was scheduled meanwhile happens at the next poll, all of it together.
    ///
    /// # Panics
    ///
    /// If the clock cannot reach that moment.
    pub fn jump(&mut self, wait: Duration) {
        self.clock = self.moment(wait);
        self.stood_still = self.stood_still.saturating_add(wait);
    }

    /// How much time has passed by [jumps](Self::jump), for which no loop is to blame.
    pub const fn stood_still(&self) -> Duration {
        self.stood_still
    }

    /// A signal arrives. If the loop [watches](crate::network::Network::watch_signals) none, it is
    /// only [counted](Self::unwatched_signals): a real one would have ended the process.
    pub fn raise_signal(&mut self) {
        self.trace.act(Act::RaiseSignal, 0, self.clock);
        let Some(socket) = self.sockets.get_mut(&Token::SIGNALS) else {
            self.unwatched_signals += 1;
            return;
        };
        if let Kind::Signals { count } = &mut socket.kind {
            *count += 1;
        }
        self.owe(Token::SIGNALS, Readiness::READABLE);
    }

    /// How many signals came that nobody watched for.
    pub const fn unwatched_signals(&self) -> usize {
        self.unwatched_signals
    }

    /// The next `times` accepts that get so far fail like this, after those already asked for. A
    /// failure that is about a peer waits until there is one, and costs it.
    pub fn fail_accept(&mut self, failure: AcceptFailure, times: usize) {
        self.accept_failures.extend(std::iter::repeat_n(failure, times));
    }

    /// The next `times` adoptions fail, in addition to those already asked for.
    pub fn fail_adopt(&mut self, times: usize) {
        self.adopt_failures += times;
    }

    /// How many sockets are open: listeners, connections, UDP sockets, and the peer in the hand.
    pub fn open_sockets(&self) -> usize {
        let has_signals = self.sockets.contains_key(&Token::SIGNALS);
        self.sockets.len() - usize::from(has_signals) + usize::from(self.hand.is_some())
    }

    /// What the loop will be told of this socket as soon as it is so, and what it is about to be
    /// told; `None` if there is no such socket. Whatever is not in it, the loop must remember.
    pub fn promised(&self, token: Token) -> Option<Readiness> {
        Some(self.sockets.get(&token)?.edges.promised())
    }

    /// The moment `wait` from now.
    fn moment(&self, wait: Duration) -> Instant {
        self.clock.after(wait).expect("the simulation stays within the 584 years of its clock")
    }

    /// A random delay, of a nanosecond at least.
    fn any_delay(&mut self) -> Duration {
        let longest = usize::try_from(self.faults.longest_delay.as_nanos()).unwrap_or(usize::MAX);
        Duration::from_nanos(1 + self.random.below(longest.max(1)) as u64)
    }

    /// A number of things out of `len`, at least one: all of them, unless a fault at `rate`
    /// happens.
    fn part_of(&mut self, len: usize, rate: u16) -> usize {
        if let Some(forced) = self.forced_len(len) {
            return forced;
        }
        if len > 1 && self.random.chance(rate) { 1 + self.random.below(len - 1) } else { len }
    }

    /// Whether the limit leaves no room for another socket.
    fn is_full(&self) -> bool {
        self.socket_limit.is_some_and(|limit| self.open_sockets() >= limit)
    }

    /// A port that nobody asked for by number.
    fn free_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(49_152);
            if self.endpoints.iter().all(|token| self.sockets[token].port() != Some(port)) {
                return port;
            }
        }
    }
}

impl fmt::Debug for SimNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNetwork")
            .field("seed", &self.seed)
            .field("clock", &self.clock)
            .field("open_sockets", &self.open_sockets())
            .field("peers", &self.links.len())
            .field("scheduled", &self.schedule)
            .finish_non_exhaustive()
    }
}
