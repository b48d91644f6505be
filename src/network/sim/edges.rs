//! Readiness as edges: which events the simulated network owes, and how it gives them.

use std::io;

use super::SimNetwork;
use super::datagrams::UdpSocket;
use super::listeners::Listener;
use super::schedule::Scheduled;
use crate::network::{Event, Readiness};
use crate::token::Token;

/// How many closed tokens are remembered for events that come too late.
const CLOSED_TOKENS: usize = 16;

/// A socket of the loop.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) kind: Kind,
    pub(super) edges: Edges,
}

/// What kind of socket.
#[derive(Debug)]
pub(super) enum Kind {
    Listener(Listener),
    /// The server's end of this link.
    Connection(usize),
    Udp(UdpSocket),
    Signals {
        count: usize,
    },
}

/// What the loop knows of a socket's readiness, and what it is yet to be told.
#[derive(Default, Debug)]
pub(super) struct Edges {
    /// It has found that there is nothing to read, and is owed an event when there is.
    pub(super) read_waits: bool,
    /// It has found that there is no room, and is owed an event when there is.
    pub(super) write_waits: bool,
    /// It was told of the end: from then on a short read says nothing.
    pub(super) hangup_told: bool,
    /// In the queue of events.
    queued: Readiness,
    /// In the schedule, since it comes late.
    delayed: Readiness,
}

/// A place in the queue of events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Queued {
    /// What this socket is owed, as far as it is still true when its turn comes.
    Owed(Token),
    /// An event that is not owed.
    Unfounded(Event),
}

impl Socket {
    pub(super) const fn new(kind: Kind, read_waits: bool) -> Self {
        let edges = Edges {
            read_waits,
            write_waits: false,
            hangup_told: false,
            queued: Readiness::NONE,
            delayed: Readiness::NONE,
        };
        Self { kind, edges }
    }

    /// The port that it occupies.
    pub(super) const fn port(&self) -> Option<u16> {
        match &self.kind {
            Kind::Listener(listener) => Some(listener.address.port()),
            Kind::Udp(udp) => Some(udp.address.port()),
            Kind::Connection(_) | Kind::Signals { .. } => None,
        }
    }
}

impl SimNetwork {
    /// Opens a socket and announces what can be done with it from the start, as epoll does.
    pub(super) fn open(&mut self, token: Token, kind: Kind) {
        assert!(self.used_tokens.insert(token), "{token:?} is used for a second socket");
        let rate = match &kind {
            Kind::Connection(_) => self.faults.unannounced_connection,
            Kind::Listener(_) | Kind::Udp(_) => {
                self.endpoints.push(token);
                0
            }
            Kind::Signals { .. } => 0,
        };
        let is_announced = !self.random.chance(rate);
        self.sockets.insert(token, Socket::new(kind, is_announced));
        let facts = self.truth(token);
        if is_announced && facts != Readiness::NONE {
            self.owe(token, facts);
        }
    }

    /// Forgets a socket, with the events that were on their way for it.
    pub(super) fn forget(&mut self, token: Token) -> Option<Kind> {
        let socket = self.sockets.remove(&token)?;
        self.endpoints.retain(|endpoint| *endpoint != token);
        self.closed_tokens.push_back(token);
        if self.closed_tokens.len() > CLOSED_TOKENS {
            self.closed_tokens.pop_front();
        }
        Some(socket.kind)
    }

    pub(super) fn edges(&mut self, token: Token) -> &mut Edges {
        &mut self.sockets.get_mut(&token).expect("the caller has just found it").edges
    }

    /// What can be done with a socket right now.
    fn truth(&self, token: Token) -> Readiness {
        let facts = |is_readable, is_writable, is_at_end| {
            let mut facts = Readiness::NONE;
            for (is_so, fact) in [
                (is_readable, Readiness::READABLE),
                (is_writable, Readiness::WRITABLE),
                (is_at_end, Readiness::HANGUP),
            ] {
                facts = if is_so { facts.with(fact) } else { facts };
            }
            facts
        };
        match &self.sockets[&token].kind {
            Kind::Listener(listener) => facts(listener.can_accept(), false, false),
            Kind::Connection(link) => {
                let link = &self.links[*link];
                let is_at_end = link.inbound.end_arrived() || link.is_broken;
                let can_write = link.outbound.is_roomy()
                    || link.is_broken
                    || link.outbound.is_finished()
                    || link.write_error.is_some();
                facts(link.inbound.unread_len() > 0 || is_at_end, can_write, is_at_end)
            }
            Kind::Udp(udp) => facts(udp.can_receive(), udp.can_send(self.clock), udp.refusals > 0),
            Kind::Signals { count } => facts(*count > 0, false, false),
        }
    }

    /// Owes the loop what it waits for, if that has become true.
    pub(super) fn check(&mut self, token: Token) {
        let truth = self.truth(token);
        let edges = self.edges(token);
        let mut facts = Readiness::NONE;
        if edges.read_waits && truth.contains(Readiness::READABLE) {
            facts = truth.without(Readiness::WRITABLE);
        }
        if edges.write_waits && truth.contains(Readiness::WRITABLE) {
            facts = facts.with(Readiness::WRITABLE);
        }
        if facts != Readiness::NONE {
            self.owe(token, facts);
        }
    }

    /// The loop is to be told `facts`, now or late, if they are not on their way already.
    pub(super) fn owe(&mut self, token: Token, facts: Readiness) {
        let is_late = self.random.chance(self.faults.delayed_event);
        let edges = self.edges(token);
        let facts = facts.without(edges.queued).without(edges.delayed);
        if facts == Readiness::NONE {
            return;
        }
        if is_late {
            edges.delayed = edges.delayed.with(facts);
            let delay = self.any_delay();
            let when = self.moment(delay);
            self.schedule.add(when, Scheduled::Event { token, facts });
        } else {
            self.queue(token, facts);
        }
    }

    fn queue(&mut self, token: Token, facts: Readiness) {
        let edges = self.edges(token);
        let is_new = edges.queued == Readiness::NONE;
        edges.queued = edges.queued.with(facts);
        if is_new {
            self.events.push_back(Queued::Owed(token));
        }
    }

    /// An event that was late comes now, perhaps for a socket that is no more.
    pub(super) fn arrive_late(&mut self, token: Token, facts: Readiness) {
        if let Some(socket) = self.sockets.get_mut(&token) {
            socket.edges.delayed = socket.edges.delayed.without(facts);
            self.queue(token, facts);
        } else {
            self.events.push_back(Queued::Unfounded(Event { token, readiness: facts }));
        }
    }

    /// Moves events from the queue to `events`, up to its capacity.
    pub(super) fn deliver(&mut self, events: &mut Vec<Event>) {
        while events.len() < events.capacity() {
            let Some(queued) = self.events.pop_front() else { return };
            let (event, is_owed) = match queued {
                Queued::Owed(token) => (self.owed_event(token), true),
                Queued::Unfounded(event) => (Some(event), false),
            };
            if let Some(event) = event {
                self.trace.add(event.token.to_bits());
                self.trace.add(u64::from(event.readiness.0));
                self.calls.events += 1;
                self.note_told(event, is_owed);
                events.push(event);
            }
        }
    }

    /// What is owed to this socket and still true, or a part of it, or more that is true.
    fn owed_event(&mut self, token: Token) -> Option<Event> {
        self.sockets.get(&token)?;
        let truth = self.truth(token);
        let edges = self.edges(token);
        let mut readiness = common(std::mem::take(&mut edges.queued), truth);
        if readiness == Readiness::NONE {
            return None;
        }
        if self.random.chance(self.faults.merged_event) {
            readiness = truth;
        } else if self.random.chance(self.faults.split_event) {
            let first = self.part_of_facts(readiness);
            let rest = readiness.without(first);
            if rest != Readiness::NONE {
                self.queue(token, rest);
            }
            readiness = first;
        }
        Some(Event { token, readiness })
    }

    /// A part of several facts: of an end and what goes with it, what goes with it.
    fn part_of_facts(&mut self, facts: Readiness) -> Readiness {
        let input = common(facts, Readiness::READABLE.with(Readiness::HANGUP));
        let output = facts.without(input);
        if output == Readiness::NONE {
            return facts;
        }
        if input == Readiness::NONE || self.random.chance(500) { output } else { input }
    }

    /// An event that is not owed settles nothing, but has told of an end all the same.
    fn note_told(&mut self, event: Event, is_owed: bool) {
        let Some(socket) = self.sockets.get_mut(&event.token) else { return };
        let edges = &mut socket.edges;
        edges.hangup_told |= event.readiness.contains(Readiness::HANGUP);
        edges.read_waits &= !(is_owed && event.readiness.contains(Readiness::READABLE));
        edges.write_waits &= !(is_owed && event.readiness.contains(Readiness::WRITABLE));
    }

    /// Queues an event that says nothing true, of any socket that is open or was of late.
    pub(super) fn invent_event(&mut self) {
        let candidates = self.sockets.len() + self.closed_tokens.len();
        if candidates == 0 {
            return;
        }
        let index = self.random.below(candidates);
        let open = self.sockets.keys().chain(&self.closed_tokens).nth(index);
        let token = *open.expect("the index is below their number");
        let bits = [
            Readiness::READABLE,
            Readiness::WRITABLE,
            Readiness::READABLE.with(Readiness::WRITABLE),
            Readiness::READABLE.with(Readiness::HANGUP),
        ];
        let readiness = bits[self.random.below(bits.len())];
        self.events.push_back(Queued::Unfounded(Event { token, readiness }));
    }

    /// The sockets that are open, for the text of a hang.
    pub(super) fn describe_sockets(&self) -> String {
        const MOST: usize = 12;
        let mut texts: Vec<String> = self
            .sockets
            .iter()
            .take(MOST)
            .map(|(token, socket)| self.describe(*token, socket))
            .collect();
        if self.sockets.len() > MOST {
            texts.push(format!("{} more", self.sockets.len() - MOST));
        }
        if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
    }

    fn describe(&self, token: Token, socket: &Socket) -> String {
        match &socket.kind {
            Kind::Listener(Listener { address, queue, .. }) => {
                format!("{token:?} (listener {address}, {} waiting)", queue.len())
            }
            Kind::Connection(link) => {
                let link = &self.links[*link];
                let (unread, in_flight) =
                    (link.inbound.unread_len(), link.outbound.in_flight_len());
                let end = if link.inbound.end_arrived() || link.is_broken { ", ended" } else { "" };
                let address = link.address;
                format!(
                    "{token:?} (peer {address}, {unread} B unread, {in_flight} B in flight{end})"
                )
            }
            Kind::Udp(UdpSocket { address, inbox, .. }) => {
                format!("{token:?} (UDP {address}, {} waiting)", inbox.len())
            }
            Kind::Signals { count } => format!("signals ({count} waiting)"),
        }
    }
}

/// What is in both sets.
const fn common(a: Readiness, b: Readiness) -> Readiness {
    a.without(a.without(b))
}

/// The error for a token that names no open socket of the kind that is meant.
pub(super) fn unknown(token: Token, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{token:?} names no open {what}"))
}
