//! The loop's state, and one turn of it.
//!
//! A turn is, in this order:
//!
//! 1. sleep until something happens or the next deadline: not at all if anyone has work left, and
//!    for ever if nothing is due; before that, look for a while without sleeping, if so configured
//! 2. read the clock: that is the time of the whole turn
//! 3. serve those an event is for, in bounded portions: read, run frames, flush
//! 4. serve those that had work left from earlier turns, round robin
//! 5. fire timers and deadlines that are due
//! 6. pass on what tied connections have for each other
//! 7. run the commands that callbacks and other threads have left
//! 8. take the next step of a drain, if there is one
//! 9. free the slots of what closed during the turn
//! 10. accept, up to the limit
//!
//! Deadlines come after input, so that a peer whose bytes have arrived is served before it is
//! expired, and slots are freed after the last event was looked at and before anyone is let in, so
//! that no event meets a stranger in its slot, and a freed slot is used in the same turn.

mod accept;
mod audit;
mod busy_poll;
mod commands;
mod ending;
mod handles;
mod memory;
mod relay;
mod service;
mod serving;
mod timing;
mod waiting;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use self::audit::Breach;
use self::busy_poll::BusyPoll;
pub(crate) use self::service::Service;
use crate::batch::Incoming;
use crate::command::{AnyPostedTask, Command};
use crate::config::Config;
use crate::connections::capacity;
use crate::drain::{Drain, DrainReport};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::handler::Commands;
use crate::instant::Instant;
use crate::layers::Layers;
use crate::mailbox::{Mailbox, Request};
use crate::metrics::Metrics;
use crate::network::{Event, Network};
use crate::outside::Outside;
use crate::roster::Roster;
use crate::shared::Shared;
use crate::turn::Tools;

/// How many events are taken from the network at a time.
const EVENTS_LEN: usize = 1024;

/// The loop: all endpoints and what they share. It is lent a [`Network`] for each turn.
///
/// Most programs use an [`Engine`](crate::Engine), which is this and the operating system's
/// network. A test puts it on a simulated one:
///
/// ```
/// use windlass::network::SimNetwork;
/// use windlass::{Error, Handler, Lines, Server, Session};
///
/// struct Shout;
///
/// impl Handler for Shout {
///     type Codec = Lines;
///     type State = ();
///
///     fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
///         session.send(&line.to_uppercase())
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let mut network = SimNetwork::new(42);
/// let mut reactor = Server::new().tcp("192.0.2.1:7000", Shout).build_on(&mut network)?;
/// let peer = network.connect_to("192.0.2.1:7000".parse().unwrap());
/// network.send_from(peer, b"hel");
/// reactor.turn(&mut network, None)?;
/// network.send_from(peer, b"lo\n");
/// while network.received(peer).is_empty() {
///     reactor.turn(&mut network, None)?;
/// }
/// assert_eq!(network.received(peer), b"HELLO\n");
/// # Ok(())
/// # }
/// ```
pub struct Reactor {
    services: Vec<Service>,
    tools: Tools,
    drain: Drain,
    /// By which other threads reach the loop, once there is a handle.
    mailbox: Option<Mailbox<Command<AnyPostedTask>>>,
    /// Whether the last command that was run was due to other threads, and not to callbacks.
    is_posts_turn: bool,
    /// No handle reaches the loop any more.
    is_closed: bool,
    max_connections: usize,
    /// The buffer all UDP sockets receive into.
    incoming: Incoming,
    events: Vec<Event>,
    /// Whether trying to accept on one of the listeners may bring somebody.
    may_accept: bool,
    /// The budget was used up before it was known that nobody waits or nobody can be evicted.
    may_evict: bool,
    /// The listener that is first when there is room: the one behind the last that used any.
    accepts_first: usize,
    busy_poll: BusyPoll,
    /// The earliest deadline when the loop last went to sleep.
    expected: Instant,
    /// A moment by which all that had come is told by the last events.
    asked: Instant,
    /// For how many turns deadlines were put off: there were more events than fit.
    put_off: usize,
}

/// How often to turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turns {
    One,
    /// Until the loop has ended.
    All,
}

impl Reactor {
    pub(crate) fn new(
        config: Config,
        services: Vec<Service>,
        layers: Layers,
        max_connections: usize,
        now: Instant,
    ) -> Self {
        let has_datagrams = services.iter().any(|service| matches!(service, Service::Datagram(_)));
        let datagram_batch = config.datagram_batch.min(config.datagram_budget);
        let batch_len = if has_datagrams { datagram_batch } else { 1 };
        let datagram_len = if has_datagrams { config.max_datagram_len } else { 0 };
        let roster = Roster::new(services.iter().map(Service::serving).collect());
        let most = max_connections.saturating_add(config.max_outbound);
        let mut shared = Shared::new(config, capacity(most), roster, now);
        shared.metrics.max_connections = max_connections as u64;
        Self {
            services,
            drain: Drain::default(),
            mailbox: None,
            is_posts_turn: false,
            is_closed: false,
            max_connections,
            incoming: Incoming::new(batch_len, datagram_len),
            events: Vec::with_capacity(EVENTS_LEN),
            may_accept: false,
            may_evict: false,
            accepts_first: 0,
            busy_poll: BusyPoll::new(shared.config.busy_poll),
            expected: Instant::END,
            asked: now,
            put_off: 0,
            tools: Tools::new(shared, layers),
        }
    }

    /// Does what there is to do, after having waited for it for `timeout` at most (`None`: for as
    /// long as it takes). Once the loop has ended, by a signal or by [`drain`](Self::drain) and
    /// [`stop`](Self::stop), it says how.
    ///
    /// # Errors
    ///
    /// Only what makes it pointless to go on: the network cannot be asked for events any more, or a
    /// listener has broken.
    pub fn turn(
        &mut self,
        network: &mut dyn Network,
        timeout: Option<Duration>,
    ) -> Result<Option<DrainReport>, Error> {
        self.turn_on(&mut Outside::Other(network), timeout, Turns::One)
    }

    /// As [`turn`](Self::turn), once or until the loop has ended.
    pub(crate) fn turn_on(
        &mut self,
        network: &mut Outside<'_>,
        timeout: Option<Duration>,
        turns: Turns,
    ) -> Result<Option<DrainReport>, Error> {
        if self.drain.report().is_none() {
            // What embeds the loop may have been busy with something else.
            if self.next_timer().is_some() {
                self.tools.shared.stopwatch.start(network.now());
            }
            self.turn_on_and_on(network, timeout, turns)?;
        }
        Ok(self.drain.report().cloned())
    }

    /// Turns at least once. From the second turn on, the time of the last look at the clock is
    /// still good.
    fn turn_on_and_on(
        &mut self,
        network: &mut Outside<'_>,
        timeout: Option<Duration>,
        turns: Turns,
    ) -> Result<(), Error> {
        loop {
            match self.try_turn(network, timeout) {
                Ok(false) if turns == Turns::All => {}
                Ok(false) => return Ok(()),
                end => {
                    self.close_mailbox();
                    return end.map(|_| ());
                }
            }
        }
    }

    /// When [`turn`](Self::turn) must be called at the latest, events apart: at once if there is
    /// work left; `None` if nothing is due, or the loop has ended.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.drain.report().is_some() {
            None
        } else if self.has_work() {
            Some(self.tools.shared.now)
        } else {
            self.next_timer()
        }
    }

    /// For asking the loop, from outside of its callbacks, for what its next turn then does.
    pub const fn commands(&mut self) -> Commands<'_> {
        Commands::new(&mut self.tools.shared)
    }

    /// Begins to drain with the next turn: nobody new is accepted, what was received is answered,
    /// who is idle is closed. What is not done after
    /// [`drain_timeout`](Config::drain_timeout) is cut.
    pub fn drain(&mut self) {
        self.request(Request::Drain);
    }

    /// Ends with the next turn: every connection is cut.
    pub fn stop(&mut self) {
        self.request(Request::Stop);
    }

    fn request(&mut self, request: Request) {
        self.drain.request(request);
        // So that the next turn does not sleep.
        self.tools.shared.has_commands = true;
    }

    /// How many connections there are, accepted or made to others.
    pub fn connections_len(&self) -> usize {
        self.services.iter().filter_map(Service::endpoint).map(Endpoint::len).sum()
    }

    /// How many of them were made to others.
    pub const fn outbound_len(&self) -> usize {
        self.tools.shared.outbound_len
    }

    /// How many of them were accepted: those that the limit is for.
    fn accepted_len(&self) -> usize {
        self.connections_len() - self.outbound_len()
    }

    /// What has happened so far, and how things stand now.
    pub fn metrics(&self) -> Metrics {
        self.tools.shared.snapshot(self.connections_len())
    }

    /// How many connections can be accepted: as configured, or as the network allows.
    pub const fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Where the listeners and UDP sockets are, in the order they were added.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.services.iter().filter_map(|service| match service {
            Service::Stream(acceptor, _) => acceptor.address(),
            Service::Datagram(endpoint) => Some(endpoint.address()),
        })
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("connections", &self.connections_len())
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// The steps of a turn.
impl Reactor {
    #[inline(always)]
    fn try_turn(
        &mut self,
        network: &mut Outside<'_>,
        timeout: Option<Duration>,
    ) -> Result<bool, Error> {
        let poll = match self.busy_poll.is_on {
            false => self.poll(network, timeout),
            true => self.poll_busily(network, timeout),
        };
        let poll = if planted!(FatalPollIsIgnored) { Ok(()) } else { poll };
        poll.map_err(|error| Error::with_source("cannot wait for events any more", error))?;
        self.read_clock(network);
        let waiting_len = self.tools.shared.ready.len();
        let waiting_len = if planted!(TurnWithoutEnd) { usize::MAX } else { waiting_len };
        planted!(DeadlinesBeforeInput, self.fire_timers(network));
        self.serve_events(network);
        self.serve_ready(network, waiting_len);
        if self.tools.shared.now >= self.expected {
            self.fire_timers(network);
        }
        if self.tools.shared.has_commands {
            self.relay(network);
            self.run_commands(network);
        }
        if self.drain.is_under_way() {
            self.advance_drain(network);
        }
        if !self.tools.shared.closed.is_empty() {
            self.free_closed(network);
        }
        if self.may_accept {
            self.accept(network)?;
        }
        let shared = &mut self.tools.shared;
        let took = shared.stopwatch.read().nanos_from(shared.now);
        shared.metrics.turn_time.record(took);
        Ok(self.drain.is_over())
    }

    fn read_clock(&mut self, network: &mut Outside<'_>) {
        let shared = &mut self.tools.shared;
        shared.now = network.now();
        planted!(NowIsStale, shared.now = shared.stopwatch.read());
        shared.stopwatch.start(shared.now);
        shared.metrics.turns = shared.metrics.turns.wrapping_add(1);
    }
}
