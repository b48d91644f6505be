//! The loop's state, and one turn of it.
//!
//! A turn is, in this order:
//!
//! 1. sleep until something happens or the next deadline: not at all if anyone has work left, and
//!    for ever if nothing is due
//! 2. read the clock: that is the time of the whole turn
//! 3. serve those an event is for, in bounded portions: read, run frames, flush
//! 4. serve those that had work left from earlier turns, round robin
//! 5. fire timers and deadlines that are due
//! 6. take the next step of a drain, if there is one
//! 7. free the slots of what closed during the turn
//! 8. accept, up to the limit
//!
//! Deadlines come after input, so that a peer whose bytes have arrived is served before it is
//! expired, and slots are freed after the last event was looked at and before anyone is let in, so
//! that no event meets a stranger in its slot, and a freed slot is used in the same turn.

mod accept;
mod ending;
mod memory;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::acceptor::Acceptor;
use crate::batch::Incoming;
use crate::config::{AtLimit, Config};
use crate::datagram::DatagramEndpoint;
use crate::drain::{Drain, DrainReport, Request};
use crate::endpoint::Endpoint;
use crate::error::{CloseReason, Error};
use crate::instant::Instant;
use crate::layers::Layers;
use crate::network::{Event, Network};
use crate::shared::{Counters, Purpose};
use crate::token::Token;
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
    max_connections: usize,
    /// The buffer all UDP sockets receive into.
    incoming: Incoming,
    events: Vec<Event>,
    /// Whether trying to accept on one of the listeners may bring somebody.
    may_accept: bool,
    /// The budget was used up before it was known that nobody waits or nobody can be evicted.
    may_evict: bool,
    /// The listener whose turn it is when there is room for one: the one behind the last that used
    /// any, so that none takes it all.
    accepts_first: usize,
    /// The earliest deadline when the loop last went to sleep.
    expected: Instant,
    /// For how many turns deadlines were put off, since there were more events than fit.
    put_off: usize,
}

/// What one of the loop's own sockets is for.
pub(crate) enum Service {
    Stream(Acceptor, Box<dyn Endpoint>),
    Datagram(DatagramEndpoint),
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
        Self {
            services,
            drain: Drain::default(),
            max_connections,
            incoming: Incoming::new(batch_len, datagram_len),
            events: Vec::with_capacity(EVENTS_LEN),
            may_accept: false,
            may_evict: false,
            accepts_first: 0,
            expected: Instant::END,
            put_off: 0,
            tools: Tools::new(config, capacity(max_connections), layers, now),
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
        if let Some(report) = self.drain.report() {
            return Ok(Some(report.clone()));
        }
        let wait = self.wait(network, timeout);
        let poll = network.poll(&mut self.events, wait);
        poll.map_err(|error| Error::with_source("cannot wait for events any more", error))?;
        self.read_clock(network);
        let waiting_len = self.tools.shared.ready.len();
        self.serve_events(network);
        self.serve_ready(network, waiting_len);
        if self.tools.shared.now >= self.expected {
            self.fire_timers(network);
        }
        if self.drain.is_under_way() {
            self.advance_drain(network)?;
        }
        if !self.tools.shared.closed.is_empty() {
            self.free_closed(network);
        }
        if self.may_accept {
            self.accept(network)?;
        }
        Ok(self.drain.report().cloned())
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

    /// Begins to drain with the next turn: nobody new is accepted, what was received is answered,
    /// who is idle is closed. What is not done after
    /// [`drain_timeout`](Config::drain_timeout) is cut.
    pub fn drain(&mut self) {
        self.drain.request(Request::Drain);
    }

    /// Ends with the next turn: every connection is cut.
    pub fn stop(&mut self) {
        self.drain.request(Request::Stop);
    }

    /// How many connections there are.
    pub fn connections_len(&self) -> usize {
        self.services
            .iter()
            .map(|service| match service {
                Service::Stream(_, endpoint) => endpoint.len(),
                Service::Datagram(_) => 0,
            })
            .sum()
    }

    /// How many connections there can be: as configured, or as the network allows.
    pub const fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// What has happened so far.
    pub const fn counters(&self) -> Counters {
        self.tools.shared.counters
    }

    /// Where the listeners and UDP sockets are, in the order they were added.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.services.iter().map(|service| match service {
            Service::Stream(acceptor, _) => acceptor.address(),
            Service::Datagram(endpoint) => endpoint.address(),
        })
    }
}

/// For how many connections tables are made at the start; beyond it they grow.
pub(crate) fn capacity(max_connections: usize) -> usize {
    max_connections.min(65_536)
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
    /// How long to sleep.
    fn wait(&mut self, network: &mut dyn Network, timeout: Option<Duration>) -> Option<Duration> {
        self.expected = self.next_timer().unwrap_or(Instant::END);
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        if self.expected == Instant::END {
            return timeout;
        }
        // Not from the time of the last turn: a callback may have been slow, or the program that
        // embeds the loop busy with something else.
        let wait = self.expected.since(network.now());
        Some(timeout.map_or(wait, |timeout| timeout.min(wait)))
    }

    fn next_timer(&self) -> Option<Instant> {
        match (self.tools.shared.timers.next_deadline(), self.drain.deadline()) {
            (Some(timer), Some(drain)) => Some(timer.min(drain)),
            (timer, drain) => timer.or(drain),
        }
    }

    /// Whether there is something to do that no event will announce.
    fn has_work(&self) -> bool {
        !self.tools.shared.ready.is_empty()
            || !self.tools.shared.closed.is_empty()
            || self.drain.has_request()
            || (self.may_accept && self.has_room())
    }

    /// Whether a peer that comes now can be dealt with.
    fn has_room(&self) -> bool {
        match self.tools.shared.config.at_limit {
            AtLimit::Refuse(_) => true,
            AtLimit::EvictIdle if self.may_evict => true,
            AtLimit::Wait | AtLimit::EvictIdle => self.connections_len() < self.max_connections,
        }
    }

    fn read_clock(&mut self, network: &mut dyn Network) {
        self.tools.shared.now = network.now();
        self.tools.shared.counters.turns += 1;
    }

    fn serve_events(&mut self, network: &mut dyn Network) {
        for at in 0..self.events.len() {
            let Event { token, readiness } = self.events[at];
            if token == Token::SIGNALS {
                for _ in 0..network.take_signals() {
                    self.drain.on_signal();
                }
                continue;
            }
            let Some(service) = self.services.get_mut(token.endpoint_index()) else { continue };
            let mut turn = self.tools.turn(network);
            match service {
                Service::Stream(_, endpoint) if token.is_connection() => {
                    endpoint.on_event(&mut turn, token, readiness);
                }
                Service::Stream(acceptor, _) => {
                    acceptor.on_event();
                    self.may_accept = true;
                }
                Service::Datagram(endpoint) => {
                    endpoint.on_event(&mut turn, &mut self.incoming, readiness);
                }
            }
            self.keep_budget(network);
        }
    }

    /// Serves the first `waiting_len` of those that have work left: those of earlier turns. Whoever
    /// used up his budget in this one waits for the next.
    fn serve_ready(&mut self, network: &mut dyn Network, waiting_len: usize) {
        for _ in 0..waiting_len {
            let Some(token) = self.tools.shared.ready.pop_front() else { break };
            let mut turn = self.tools.turn(network);
            match &mut self.services[token.endpoint_index()] {
                Service::Stream(_, endpoint) => endpoint.on_turn(&mut turn, token),
                Service::Datagram(endpoint) => endpoint.on_turn(&mut turn, &mut self.incoming),
            }
            self.keep_budget(network);
        }
    }

    /// Not before all were looked at for whom something waited in the network, if the loop comes
    /// late: after a slow callback, or because its process was stopped.
    fn fire_timers(&mut self, network: &mut dyn Network) {
        let may_have_more = self.events.len() == self.events.capacity();
        if may_have_more && self.put_off <= self.connections_len() / EVENTS_LEN {
            self.put_off += 1;
            return;
        }
        self.put_off = 0;
        for _ in 0..self.tools.shared.config.timer_budget {
            let Some(key) = self.tools.shared.timers.pop_due(self.tools.shared.now) else { break };
            let mut turn = self.tools.turn(network);
            match (&mut self.services[key.token.endpoint_index()], key.purpose) {
                (Service::Stream(acceptor, _), Purpose::Retry) => {
                    acceptor.on_timer();
                    self.may_accept = true;
                }
                (Service::Stream(_, endpoint), purpose) => {
                    endpoint.on_timer(&mut turn, key.token, purpose);
                }
                (Service::Datagram(endpoint), _) => {
                    endpoint.on_timer(&mut turn, &mut self.incoming);
                }
            }
            self.keep_budget(network);
        }
    }

    fn streams(&mut self) -> impl Iterator<Item = &mut Box<dyn Endpoint>> {
        self.services.iter_mut().filter_map(|service| match service {
            Service::Stream(_, endpoint) => Some(endpoint),
            Service::Datagram(_) => None,
        })
    }

    fn cut(&mut self, network: &mut dyn Network, token: Token, reason: CloseReason) {
        let mut turn = self.tools.turn(network);
        if let Service::Stream(_, endpoint) = &mut self.services[token.endpoint_index()] {
            endpoint.cut(&mut turn, token, reason);
        }
    }

    /// Frees the slots of what closed, and lets those try again that failed for want of something.
    fn free_closed(&mut self, network: &mut dyn Network) {
        let mut closed = std::mem::take(&mut self.tools.shared.closed);
        for token in closed.drain(..) {
            let mut turn = self.tools.turn(network);
            if let Service::Stream(_, endpoint) = &mut self.services[token.endpoint_index()]
                && let Some(reason) = endpoint.free(&mut turn, token)
            {
                log::debug!("connection {token:?} closed: {reason}");
                self.tools.shared.counters.closed += 1;
                self.drain.count(&reason);
            }
        }
        self.tools.shared.closed = closed;
        for service in &mut self.services {
            if let Service::Stream(acceptor, _) = service {
                acceptor.retry(&mut self.tools.shared);
                self.may_accept |= acceptor.may_accept();
            }
        }
    }
}
