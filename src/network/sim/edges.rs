//! Readiness as edges: which events the simulated network owes, and how it gives them.

use std::io;

use super::SimNetwork;
use super::datagrams::UdpSocket;
use super::link::{Link, Place};
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
    /// It was told of the end, and has not found itself blocked since: a short read says nothing.
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

impl Edges {
    /// What the loop will be told as soon as it is so, or is about to be told.
    pub(super) const fn promised(&self) -> Readiness {
        let mut promised = self.queued.with(self.delayed);
        if self.read_waits {
            promised = promised.with(Readiness::READABLE);
        }
        if self.write_waits {
            promised = promised.with(Readiness::WRITABLE);
        }
        promised
    }
}

impl Socket {
    pub(super) const fn new(kind: Kind) -> Self {
        let edges = Edges {
            read_waits: true,
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
        if matches!(kind, Kind::Listener(_) | Kind::Udp(_)) {
            self.endpoints.push(token);
        }
        self.sockets.insert(token, Socket::new(kind));
        let facts = self.truth(token);
        if facts != Readiness::NONE {
            self.owe(token, facts);
        }
    }

    /// Forgets a socket, with the events that were on their way for it.
    pub(super) fn forget(&mut self, token: Token) -> Option<Kind> {
        let socket = self.sockets.remove(&token)?;
        self.endpoints.retain(|endpoint| *endpoint != token);
        if let Kind::Connection(link) = socket.kind {
            let Link { address, server, .. } = self.links[link];
            self.dialed.remove(&(address, server));
        }
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
    pub(super) fn truth(&self, token: Token) -> Readiness {
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
                if let Place::Dialing(_) = link.place {
                    return Readiness::NONE;
                }
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
        let mut facts = facts.without(edges.queued).without(edges.delayed);
        if facts == Readiness::NONE {
            return;
        }
        // An end is something to read, also when that is to be told already.
        if facts.contains(Readiness::HANGUP) {
            facts = facts.with(Readiness::READABLE);
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
        let most = self.forced_len(events.capacity()).unwrap_or(events.capacity());
        while events.len() < most {
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
                let kind = self.sockets.get(&event.token).map(|socket| &socket.kind);
                if let Some(&Kind::Connection(link)) = kind {
                    self.traffic(link).events += 1;
                }
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
        let wake = self.wake_flag.as_ref().map(|_| &Token::WAKE);
        let candidates =
            self.sockets.len() + self.closed_tokens.len() + usize::from(wake.is_some());
        if candidates == 0 {
            return;
        }
        let index = self.random.below(candidates);
        let open = self.sockets.keys().chain(&self.closed_tokens).chain(wake).nth(index);
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
            Kind::Connection(link) if matches!(self.links[*link].place, Place::Dialing(_)) => {
                format!("{token:?} (connecting to {})", self.links[*link].address)
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::super::harness::{H, LISTENER, R, W, World};
    use crate::network::{Network, Progress};

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn bytes_make_one_event_and_none_behind_bytes_unread() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        assert_eq!(world.poll(), [(token, R)]);
        world.net.send_from(peer, b"cd");
        assert_eq!(world.poll(), [], "behind what is unread");
        assert_eq!(world.read(token, 2).unwrap(), b"ab");
        assert_eq!(world.poll(), [], "the end was not found");
    }

    #[test]
    fn more_bytes_make_an_event_once_the_end_was_found() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        world.poll();
        assert_eq!(world.read(token, 3).unwrap(), b"ab", "a short read finds the end");
        world.net.send_from(peer, b"cd");
        assert_eq!(world.poll(), [(token, R)]);
        assert_eq!(world.read(token, 2).unwrap(), b"cd");
        assert_eq!(world.read(token, 2), None, "so does a blocked one");
        world.net.send_from(peer, b"e");
        assert_eq!(world.poll(), [(token, R)]);
    }

    #[test]
    fn a_read_that_fills_the_buffer_finds_no_end() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        world.poll();
        assert_eq!(world.read(token, 2).unwrap(), b"ab");
        world.net.send_from(peer, b"cd");
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn what_came_before_the_adoption_is_announced_once() {
        let mut world = World::new();
        let (first, second) = (world.connect(), world.connect());
        world.net.send_from(first, b"ab");
        let (first, quiet) = (world.accept(), world.accept());
        assert_eq!(world.poll(), [(LISTENER, R), (first, R.with(W)), (quiet, W)][1..]);
        assert_eq!(world.poll(), []);
        world.net.send_from(second, b"cd");
        assert_eq!(world.poll(), [(quiet, R)], "although it was never read");
    }

    #[test]
    fn an_event_that_has_become_untrue_is_not_given() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        assert_eq!(world.read(token, 9).unwrap(), b"ab");
        assert_eq!(world.poll(), []);
        world.net.send_from(peer, b"cd");
        assert_eq!(world.poll(), [(token, R)]);
    }

    #[test]
    fn the_end_makes_an_event_even_behind_bytes_unread() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        world.poll();
        world.net.finish(peer);
        assert_eq!(world.poll(), [(token, R.with(H))]);
        assert_eq!(world.read(token, 9).unwrap(), b"ab");
        assert_eq!(world.poll(), [], "after a hangup a short read is not the end");
        assert_eq!(world.read(token, 9).unwrap(), b"");
        assert_eq!(world.read(token, 9).unwrap(), b"", "the end is said again");
    }

    #[test]
    fn bytes_and_end_come_in_one_event_and_no_other_follows() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        world.net.finish(peer);
        assert_eq!(world.poll(), [(token, R.with(H))]);
        assert_eq!(world.read(token, 9).unwrap(), b"ab");
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn room_makes_an_event_when_it_was_missed_and_a_third_is_free() {
        let mut world = World::with_pipe(9);
        let (peer, token) = world.pair();
        assert_eq!(world.net.write(token, b"0123456789").progress().unwrap(), Progress::Done(9));
        world.net.read_slowly(peer, 2, Duration::from_secs(1));
        assert_eq!(world.net.write(token, b"9").progress().unwrap(), Progress::Blocked);
        assert_eq!(world.poll_for(Duration::from_secs(1)), [], "two bytes free are too few");
        assert_eq!(world.poll_for(Duration::from_secs(1)), [(token, W)]);
        assert_eq!(world.poll_for(SHORT), []);
    }

    #[test]
    fn room_that_nobody_missed_makes_no_event() {
        let mut world = World::with_pipe(9);
        let (_, token) = world.pair();
        assert_eq!(world.net.write(token, b"012345678").progress().unwrap(), Progress::Done(9));
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn a_reset_tells_everything_at_once_and_is_an_error_once() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"lost");
        world.net.write(token, b"lost too").progress().unwrap();
        world.net.reset(peer);
        assert_eq!(world.net.received(peer), b"");
        assert_eq!(world.poll(), [(token, R.with(W).with(H))]);
        let error = world.net.read(token, &mut [0; 9]).progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(world.read(token, 9).unwrap(), b"", "what was not read is lost");
        let error = world.net.write(token, b"more").progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn a_poll_gives_no_more_events_than_there_is_room_and_the_rest_in_order() {
        let mut world = World::new();
        let pairs: Vec<_> = (0..5).map(|_| world.pair()).collect();
        for (peer, _) in pairs.iter().rev() {
            world.net.send_from(*peer, b"x");
        }
        let mut tokens = Vec::new();
        for expected in [2, 2, 1, 0] {
            let mut events = Vec::with_capacity(2);
            world.net.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(events.len(), expected);
            tokens.extend(events.iter().map(|event| event.token));
        }
        assert!(tokens.iter().eq(pairs.iter().rev().map(|(_, token)| token)));
    }

    #[test]
    fn a_closed_socket_takes_its_events_along() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        world.net.close(token);
        assert_eq!(world.poll(), []);
    }

    #[test]
    #[should_panic(expected = "0:0#0 is used for a second socket")]
    fn a_token_used_twice_is_noticed() {
        let mut world = World::new();
        let (_, token) = world.pair();
        world.net.close(token);
        world.connect();
        world.net.accept(LISTENER).unwrap();
        let _ = world.net.adopt(token);
    }

    #[test]
    fn a_spurious_event_says_nothing_and_settles_nothing() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        let (_, closed) = world.pair();
        world.net.close(closed);
        world.faults(|faults| faults.spurious_event = 1000);
        let mut seen = Vec::new();
        for _ in 0..50 {
            let events = world.poll();
            assert_eq!(events.len(), 1);
            seen.push(events[0].0);
        }
        assert!(seen.contains(&token) && seen.contains(&closed) && seen.contains(&LISTENER));
        world.faults(|_| ());
        world.net.send_from(peer, b"ab");
        assert_eq!(world.poll(), [(token, R)]);
    }

    #[test]
    fn a_delayed_event_comes_later_even_when_its_socket_is_closed() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.faults(|faults| faults.delayed_event = 1000);
        world.net.send_from(peer, b"a");
        world.net.send_from(peer, b"b");
        assert_eq!(world.poll(), []);
        let start = world.net.clock();
        assert_eq!(world.poll_for(SHORT), [(token, R)]);
        assert!(world.net.clock().since(start) <= Duration::from_millis(5));
        assert_eq!(world.poll_for(SHORT), [], "once for both");
        world.read(token, 9);
        world.net.send_from(peer, b"cd");
        world.net.close(token);
        assert_eq!(world.poll_for(SHORT), [(token, R)]);
    }

    #[test]
    fn a_merged_event_says_all_that_is_true() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.faults(|faults| faults.merged_event = 1000);
        world.net.send_from(peer, b"ab");
        assert_eq!(world.poll(), [(token, R.with(W))]);
    }

    #[test]
    fn a_split_event_says_in_two_what_fits_in_one() {
        let mut world = World::new();
        world.faults(|faults| faults.split_event = 1000);
        let peer = world.connect();
        world.net.send_from(peer, b"ab");
        world.net.finish(peer);
        let token = world.accept();
        let mut events = world.poll();
        events.sort_by_key(|(_, readiness)| readiness.contains(W));
        assert_eq!(events, [(token, R.with(H)), (token, W)]);
    }
}
