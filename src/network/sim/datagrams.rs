//! UDP in the simulated network: sockets of the loop, and the mailboxes of its peers.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::SimNetwork;
use super::edges::{Kind, unknown};
use super::listeners::{as_seen, check_free, pick, reaches, this_host};
use super::schedule::Scheduled;
use super::trace::{Act, address_word};
use crate::batch::{Incoming, Outgoing};
use crate::config::SocketOptions;
use crate::instant::Instant;
use crate::network::{Progress, Readiness};
use crate::token::Token;

/// The longest payload of a datagram: 65,535 bytes less the headers of IPv4 and UDP.
const LONGEST: usize = 65_507;
/// What a datagram that waits costs beside its payload, as kernels reckon.
const OVERHEAD: usize = 256;
/// How many bytes may wait in a socket that asked for no size.
const INBOX_LEN: usize = 212_992;

#[derive(Debug)]
pub(super) struct UdpSocket {
    pub(super) address: SocketAddr,
    options: SocketOptions,
    /// Senders and payloads.
    pub(super) inbox: VecDeque<(SocketAddr, Vec<u8>)>,
    /// What the inbox holds in bytes, overhead included.
    inbox_len: usize,
    /// How many refusals the loop has not been told of.
    pub(super) refusals: usize,
    /// The error of the next calls to receive, and how many of them.
    failure: Option<(io::ErrorKind, usize)>,
    blocked_until: Instant,
}

impl UdpSocket {
    pub(super) fn can_receive(&self) -> bool {
        !self.inbox.is_empty() || self.refusals > 0 || self.failure.is_some()
    }

    pub(super) fn can_send(&self, now: Instant) -> bool {
        self.blocked_until <= now
    }

    /// Takes in a datagram if there is room for it; otherwise it is lost.
    fn put(&mut self, from: SocketAddr, payload: Vec<u8>) {
        let capacity = self.options.receive_buffer_len.unwrap_or(INBOX_LEN);
        let len = payload.len() + OVERHEAD;
        if self.inbox.is_empty() || self.inbox_len + len <= capacity {
            self.inbox_len += len;
            self.inbox.push_back((as_seen(from, self.address), payload));
        }
    }

    /// How many of those in front a system could give joined: of one sender and one length, the
    /// last perhaps shorter, and no more together than a packet holds.
    fn joinable_len(&self) -> usize {
        let Some((sender, first)) = self.inbox.front() else { return 0 };
        let len = first.len();
        let most = LONGEST.checked_div(len).unwrap_or(1).max(1);
        let equal =
            |(from, payload): &&(SocketAddr, Vec<u8>)| from == sender && payload.len() == len;
        let count = self.inbox.iter().take(most).take_while(equal).count();
        let has_shorter = count < most
            && self
                .inbox
                .get(count)
                .is_some_and(|(from, payload)| from == sender && (1..len).contains(&payload.len()));
        count + usize::from(has_shorter)
    }

    fn take(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let (from, payload) = self.inbox.pop_front()?;
        self.inbox_len -= payload.len() + OVERHEAD;
        Some((from, payload))
    }
}

impl SimNetwork {
    /// A datagram is sent, from any address to any other. It reaches the UDP socket that is bound
    /// there, or else waits to be [taken](Self::take_datagrams). A socket whose buffer is full
    /// (212,992 bytes unless asked for otherwise, 256 for each datagram and its payload) loses it.
    ///
    /// # Panics
    ///
    /// If the payload is longer than the 65,507 bytes that a datagram carries.
    pub fn send_datagram(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        assert!(payload.len() <= LONGEST, "a datagram longer than there can be");
        self.trace.act(Act::Datagram, 0, self.clock);
        self.trace.add(address_word(from));
        self.trace.add(address_word(to));
        self.trace.add_bytes(payload);
        self.dispatch(from, to, payload);
    }

    /// Takes out the datagrams that have arrived at an address where no socket of the loop is: the
    /// sender and the payload of each, in the order they came.
    pub fn take_datagrams(&mut self, at: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
        self.mailboxes.remove(&at).unwrap_or_default()
    }

    /// From now on nobody listens at this address: each datagram that the loop sends there is lost,
    /// and makes one later call for its socket fail with
    /// [`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused).
    pub fn refuse_datagrams(&mut self, at: SocketAddr) {
        self.refusing.insert(at);
    }

    /// Takes back [`refuse_datagrams`](Self::refuse_datagrams).
    pub fn allow_datagrams(&mut self, at: SocketAddr) {
        self.refusing.remove(&at);
    }

    /// For the time of `wait`, the UDP socket bound at this address takes nothing to send: it
    /// answers `Blocked`.
    ///
    /// # Panics
    ///
    /// If there is no such socket.
    pub fn block_datagrams(&mut self, at: SocketAddr, wait: Duration) {
        let token = self.udp_socket_at(at, at).expect("a socket is bound at the address to block");
        let until = self.moment(wait);
        if let Ok(udp) = self.udp_socket(token) {
            udp.blocked_until = until;
        }
        self.schedule.add(until, Scheduled::Unblock { token });
    }

    /// The next `times` calls to receive at the UDP socket bound at this address fail with an error
    /// of this kind, and an event says that there is something to receive.
    ///
    /// # Panics
    ///
    /// If there is no such socket.
    pub fn fail_receive(&mut self, at: SocketAddr, kind: io::ErrorKind, times: usize) {
        let token = self.udp_socket_at(at, at).expect("a socket is bound at the address to fail");
        if let Ok(udp) = self.udp_socket(token) {
            udp.failure = (times > 0).then_some((kind, times));
        }
        self.check(token);
    }

    /// Sends a datagram on its way, with all that can happen to it there.
    fn dispatch(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        if self.random.chance(self.faults.lost_datagram) {
            return;
        }
        let copies = if self.random.chance(self.faults.doubled_datagram) { 2 } else { 1 };
        for _ in 0..copies {
            let mut payload = payload.to_vec();
            if !payload.is_empty() && self.random.chance(self.faults.truncated_datagram) {
                payload.truncate(self.random.below(payload.len()));
            }
            if self.random.chance(self.faults.reordered_datagram) {
                let delay = self.any_delay();
                let when = self.moment(delay);
                self.schedule.add(when, Scheduled::Datagram { from, to, payload });
            } else {
                self.arrive(from, to, payload);
            }
        }
    }

    /// A datagram arrives, at a socket of the loop or in a mailbox.
    pub(super) fn arrive(&mut self, from: SocketAddr, to: SocketAddr, payload: Vec<u8>) {
        let Some(token) = self.udp_socket_at(from, to) else {
            self.mailboxes.entry(to).or_default().push((from, payload));
            return;
        };
        if let Ok(udp) = self.udp_socket(token) {
            udp.put(from, payload);
        }
        self.check(token);
    }

    fn udp_socket_at(&self, from: SocketAddr, to: SocketAddr) -> Option<Token> {
        let is_reached = |token: &Token| match &self.sockets[token].kind {
            Kind::Udp(udp) => reaches(udp.address, &udp.options, to),
            Kind::Connection(_) | Kind::Listener(_) | Kind::Signals { .. } => false,
        };
        let candidates = self.endpoints.iter().copied().filter(is_reached);
        pick(&candidates.collect::<Vec<_>>(), from)
    }

    fn udp_socket(&mut self, token: Token) -> io::Result<&mut UdpSocket> {
        match self.sockets.get_mut(&token).map(|socket| &mut socket.kind) {
            Some(Kind::Udp(udp)) => Ok(udp),
            _ => {
                self.calls.unknown_tokens += 1;
                Err(unknown(token, "UDP socket"))
            }
        }
    }

    pub(super) fn open_udp(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        self.check_limit()?;
        self.check_forced()?;
        for token in &self.endpoints {
            if let Kind::Udp(other) = &self.sockets[token].kind {
                check_free((address, options), (other.address, &other.options))?;
            }
        }
        let udp = UdpSocket {
            address: self.with_port(address),
            options: options.clone(),
            inbox: VecDeque::new(),
            inbox_len: 0,
            refusals: 0,
            failure: None,
            blocked_until: Instant::START,
        };
        let address = udp.address;
        self.open(token, Kind::Udp(udp));
        Ok(address)
    }

    pub(super) fn receive_batch(
        &mut self,
        token: Token,
        batch: &mut Incoming,
    ) -> io::Result<Progress<()>> {
        batch.clear();
        self.take_refusal(token)?;
        self.take_failure(token)?;
        self.check_forced()?;
        let waiting = self.udp_socket(token)?.inbox.len();
        if waiting == 0 || self.is_blocked_now(self.faults.blocked_read) {
            self.edges(token).read_waits = true;
            self.check(token);
            return Ok(Progress::Blocked);
        }
        let mut most = self.part_of(waiting, self.faults.partial_read);
        while most > 0 && !batch.is_full() {
            let count = self.udp_socket(token)?.joinable_len().min(most);
            let is_joined = count > 1 && self.random.chance(self.faults.joined_datagram);
            let count = if is_joined { count } else { 1 };
            if !self.receive_piece(token, batch, count)? {
                break;
            }
            most -= count;
        }
        self.edges(token).read_waits = !batch.is_full();
        self.check(token);
        Ok(Progress::Done(()))
    }

    /// Receives as many datagrams in one piece, which must be fit to be joined, if there is room.
    fn receive_piece(
        &mut self,
        token: Token,
        batch: &mut Incoming,
        count: usize,
    ) -> io::Result<bool> {
        let room = if count > 1 { batch.joined_room() } else { batch.room() };
        let Some(room) = room else { return Ok(false) };
        let (mut piece_len, mut segment_len, mut sender) = (0, 0, None);
        for _ in 0..count {
            let Some((from, payload)) = self.udp_socket(token)?.take() else { break };
            let len = payload.len().min(room.len() - piece_len);
            room[piece_len..piece_len + len].copy_from_slice(&payload[..len]);
            self.trace.add(address_word(from));
            self.trace.add_bytes(&payload[..len]);
            piece_len += len;
            segment_len = segment_len.max(len);
            sender = Some(from);
        }
        if let Some(sender) = sender {
            batch.push_joined(sender, piece_len, segment_len);
        }
        Ok(true)
    }

    pub(super) fn send_batch(
        &mut self,
        token: Token,
        batch: &mut Outgoing,
    ) -> io::Result<Progress<()>> {
        let clock = self.clock;
        let waiting = batch.len();
        let is_free = self.udp_socket(token)?.can_send(clock);
        self.check_forced()?;
        let can_send = is_free && !self.is_blocked_now(self.faults.blocked_write);
        let most = if can_send { self.part_of(waiting, self.faults.partial_write) } else { 0 };
        for _ in 0..most {
            self.take_refusal(token)?;
            let from = self.udp_socket(token)?.address;
            let Some((to, payload)) = batch.front() else { break };
            check_sendable(from, to, payload)?;
            self.trace.add(address_word(to));
            self.trace.add_bytes(payload);
            self.send_one(token, this_host(from), to, payload);
            batch.pop();
        }
        self.edges(token).write_waits = most < waiting;
        self.check(token);
        Ok(if most == 0 && waiting > 0 { Progress::Blocked } else { Progress::Done(()) })
    }

    fn send_one(&mut self, token: Token, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        if self.refusing.contains(&to) || self.random.chance(self.faults.refused_datagram) {
            if let Ok(udp) = self.udp_socket(token) {
                udp.refusals += 1;
            }
            self.owe(token, Readiness::READABLE.with(Readiness::HANGUP));
        } else {
            self.dispatch(from, to, payload);
        }
    }

    /// Fails if it was asked to.
    fn take_failure(&mut self, token: Token) -> io::Result<()> {
        let udp = self.udp_socket(token)?;
        let Some((kind, times)) = udp.failure else { return Ok(()) };
        udp.failure = (times > 1).then(|| (kind, times - 1));
        Err(io::Error::new(kind, format!("{kind} (simulated)")))
    }

    /// Fails if a refusal waits to be told.
    fn take_refusal(&mut self, token: Token) -> io::Result<()> {
        let udp = self.udp_socket(token)?;
        if udp.refusals == 0 {
            return Ok(());
        }
        udp.refusals -= 1;
        Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "ECONNREFUSED: nobody listens where a datagram was sent (simulated)",
        ))
    }
}

/// Fails for datagrams that no network takes.
fn check_sendable(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> io::Result<()> {
    let text = if payload.len() > LONGEST {
        "EMSGSIZE: the datagram is too long (simulated)"
    } else if to.port() == 0 {
        "EINVAL: there is no port 0 to send to (simulated)"
    } else if from.is_ipv4() != to.is_ipv4() {
        "EAFNOSUPPORT: an address of another family (simulated)"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(test)]
mod tests {
    use super::super::harness::{H, R, SOCKET, W, World};
    use super::*;
    use crate::network::{Faults, Network};

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn here() -> SocketAddr {
        address("127.0.0.1:5300")
    }

    fn peer() -> SocketAddr {
        address("192.0.2.1:99")
    }

    /// A world with a socket of which all is told.
    fn world() -> World {
        let mut world = World::new();
        world.net.bind(SOCKET, here(), &SocketOptions::default()).unwrap();
        assert_eq!(world.poll(), [(SOCKET, W)]);
        assert_eq!(receive(&mut world, 4), None);
        world
    }

    fn receive(world: &mut World, capacity: usize) -> Option<Vec<Vec<u8>>> {
        let mut batch = Incoming::new(capacity, 8);
        match world.net.receive(SOCKET, &mut batch).unwrap() {
            Progress::Done(()) => {
                assert!(batch.iter().all(|datagram| datagram.sender == peer()));
                Some(batch.iter().map(|datagram| datagram.payload.to_vec()).collect())
            }
            Progress::Blocked => None,
        }
    }

    fn outgoing(payloads: &[&[u8]]) -> Outgoing {
        let mut batch = Outgoing::new();
        for payload in payloads {
            batch.push(peer(), payload);
        }
        batch
    }

    fn send(world: &mut World, batch: &mut Outgoing) -> io::Result<Progress<()>> {
        world.net.send(SOCKET, batch)
    }

    fn kind(result: io::Result<Progress<()>>) -> io::ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn datagrams_make_one_event_until_the_end_was_found() {
        let mut world = world();
        for payload in ["a", "", "c"] {
            world.net.send_datagram(peer(), here(), payload.as_bytes());
        }
        assert_eq!(world.poll(), [(SOCKET, R)]);
        assert_eq!(receive(&mut world, 2).unwrap(), [b"a".to_vec(), vec![]]);
        world.net.send_datagram(peer(), here(), b"d");
        assert_eq!(world.poll(), [], "a full batch is not the end");
        assert_eq!(receive(&mut world, 3).unwrap(), [b"c", b"d"]);
        world.net.send_datagram(peer(), here(), b"e");
        assert_eq!(world.poll(), [(SOCKET, R)], "a batch with room left is");
    }

    #[test]
    fn joined_datagrams_are_the_same_datagrams() {
        let lens = [3, 3, 3, 1, 3, 0, 0, 2, 4, 4, 8, 8, 9, 9];
        let payloads: Vec<_> = (1..).zip(lens).map(|(byte, len)| vec![byte; len]).collect();
        let mut whole: Vec<_> = payloads.clone();
        whole.iter_mut().for_each(|payload| payload.truncate(8));
        for (joined_datagram, partial_read) in [(0, 0), (1000, 0), (500, 0), (700, 500)] {
            let mut world = world();
            world.net.set_faults(Faults { partial_read, joined_datagram, ..Faults::none() });
            for payload in &payloads {
                world.net.send_datagram(peer(), here(), payload);
            }
            let mut received = Vec::new();
            let mut receives = 0;
            while received.len() < payloads.len() {
                received.extend(receive(&mut world, 2).unwrap());
                receives += 1;
            }
            assert_eq!(received, whole, "joined at {joined_datagram}");
            assert!(joined_datagram != 1000 || receives < payloads.len() / 2, "none was joined");
        }
    }

    #[test]
    fn what_a_system_joins_is_joined_and_nothing_else() {
        for (lens, joinable) in [
            (&[][..], 0),
            (&[5], 1),
            (&[5, 5, 5], 3),
            (&[5, 5, 4], 3),
            (&[5, 5, 4, 4], 3),
            (&[5, 4, 4], 2),
            (&[5, 6], 1),
            (&[0, 0], 1),
            (&[5, 0], 1),
            (&[30_000, 30_000, 30_000], 2),
            (&[30_000, 30_000, 5], 2),
        ] {
            let mut world = world();
            for len in lens {
                world.net.send_datagram(peer(), here(), &vec![1; *len]);
            }
            let udp = world.net.udp_socket(SOCKET).unwrap();
            assert_eq!(udp.joinable_len(), joinable, "{lens:?}");
            udp.inbox.iter_mut().skip(1).for_each(|(from, _)| from.set_port(1));
            assert_eq!(udp.joinable_len(), joinable.min(1), "{lens:?} of others");
        }
    }

    #[test]
    fn a_datagram_too_long_for_the_room_shows() {
        let mut world = world();
        world.net.send_datagram(peer(), here(), b"12345678");
        world.net.send_datagram(peer(), here(), b"123456789");
        let mut batch = Incoming::new(4, 8);
        world.net.receive(SOCKET, &mut batch).unwrap();
        let truncated: Vec<bool> = batch.iter().map(|datagram| datagram.is_truncated).collect();
        assert_eq!(truncated, [false, true]);
    }

    #[test]
    fn what_is_sent_arrives_in_the_mailbox_of_its_address() {
        let mut world = world();
        let mut batch = outgoing(&[b"a", b""]);
        assert_eq!(send(&mut world, &mut batch).unwrap(), Progress::Done(()));
        assert!(batch.is_empty());
        let expected = [(here(), b"a".to_vec()), (here(), vec![])];
        assert_eq!(world.net.take_datagrams(peer()), expected);
        assert_eq!(world.net.take_datagrams(peer()), []);
    }

    #[test]
    fn a_full_buffer_loses_what_comes() {
        let mut world = World::new();
        let options = SocketOptions { receive_buffer_len: Some(600), ..SocketOptions::default() };
        world.net.bind(SOCKET, here(), &options).unwrap();
        for payload in [b"a", b"b", b"c"] {
            world.net.send_datagram(peer(), here(), payload);
        }
        assert_eq!(receive(&mut world, 4).unwrap(), [b"a", b"b"]);
        world.net.send_datagram(peer(), here(), b"d");
        assert_eq!(receive(&mut world, 4).unwrap(), [b"d"]);
    }

    #[test]
    fn a_refusal_fails_one_later_call() {
        let mut world = world();
        world.net.refuse_datagrams(peer());
        let mut batch = outgoing(&[b"a"]);
        send(&mut world, &mut batch).unwrap();
        assert_eq!(world.poll(), [(SOCKET, R.with(H))]);
        let result = world.net.receive(SOCKET, &mut Incoming::new(4, 8));
        assert_eq!(kind(result), io::ErrorKind::ConnectionRefused);
        assert_eq!(receive(&mut world, 4), None);
        assert_eq!(world.net.take_datagrams(peer()), []);
        let mut batch = outgoing(&[b"a", b"b"]);
        assert_eq!(kind(send(&mut world, &mut batch)), io::ErrorKind::ConnectionRefused);
        assert_eq!(batch.front(), Some((peer(), &b"b"[..])));
        world.net.allow_datagrams(peer());
        assert_eq!(send(&mut world, &mut batch).unwrap(), Progress::Done(()));
        assert_eq!(world.net.take_datagrams(peer()).len(), 1);
    }

    #[test]
    fn receiving_fails_as_often_as_it_was_asked_to() {
        let mut world = world();
        world.net.send_datagram(peer(), here(), b"a");
        assert_eq!(receive(&mut world, 4).unwrap(), [b"a"]);
        world.net.fail_receive(here(), io::ErrorKind::OutOfMemory, 2);
        assert_eq!(world.poll(), [(SOCKET, R)]);
        for _ in 0..2 {
            let result = world.net.receive(SOCKET, &mut Incoming::new(4, 8));
            assert_eq!(kind(result), io::ErrorKind::OutOfMemory);
        }
        assert_eq!(receive(&mut world, 4), None);
    }

    #[test]
    fn a_blocked_socket_takes_nothing_and_tells_when_it_does_again() {
        let mut world = world();
        world.net.block_datagrams(here(), Duration::from_secs(1));
        let mut batch = outgoing(&[b"a"]);
        assert_eq!(send(&mut world, &mut batch).unwrap(), Progress::Blocked);
        assert_eq!(batch.len(), 1);
        assert_eq!(world.poll_for(Duration::from_secs(2)), [(SOCKET, W)]);
        assert_eq!(world.net.clock().as_nanos(), 1_000_000_000);
        assert_eq!(send(&mut world, &mut batch).unwrap(), Progress::Done(()));
    }

    #[test]
    fn what_no_network_sends_is_an_error_and_stays_in_front() {
        let mut world = world();
        let long = vec![0; LONGEST + 1];
        for (to, payload) in [
            (peer(), &long[..]),
            (address("192.0.2.1:0"), b"a"),
            (address("[2001:db8::1]:99"), b"a"),
        ] {
            let mut batch = outgoing(&[b"good"]);
            batch.push(to, payload);
            assert_eq!(kind(send(&mut world, &mut batch)), io::ErrorKind::InvalidInput);
            assert_eq!(batch.len(), 1);
        }
        assert_eq!(world.net.take_datagrams(peer()).len(), 3);
    }

    #[test]
    fn datagrams_are_lost_doubled_and_truncated() {
        let mut world = world();
        world.faults(|faults| faults.lost_datagram = 1000);
        world.net.send_datagram(peer(), here(), b"ab");
        assert_eq!(receive(&mut world, 4), None);
        world.faults(|faults| faults.doubled_datagram = 1000);
        world.net.send_datagram(peer(), here(), b"ab");
        assert_eq!(receive(&mut world, 4).unwrap(), [b"ab", b"ab"]);
        world.faults(|faults| faults.truncated_datagram = 1000);
        world.net.send_datagram(peer(), here(), b"abcd");
        let received = receive(&mut world, 4).unwrap();
        assert!(b"abcd".starts_with(&received[0]) && received[0].len() < 4, "{received:?}");
        let mut batch = outgoing(&[b"abcd"]);
        send(&mut world, &mut batch).unwrap();
        assert!(world.net.take_datagrams(peer())[0].1.len() < 4);
    }

    #[test]
    fn datagrams_change_their_order() {
        let mut world = world();
        world.faults(|faults| faults.reordered_datagram = 1000);
        world.net.send_datagram(peer(), here(), b"late");
        world.faults(|_| ());
        world.net.send_datagram(peer(), here(), b"early");
        assert_eq!(world.poll(), [(SOCKET, R)]);
        assert_eq!(receive(&mut world, 4).unwrap(), [b"early"]);
        assert_eq!(world.poll_for(Duration::from_millis(5)), [(SOCKET, R)]);
        assert_eq!(receive(&mut world, 4).unwrap(), [b"late"]);
    }

    #[test]
    fn datagrams_are_refused_by_chance() {
        let mut world = world();
        world.faults(|faults| faults.refused_datagram = 1000);
        send(&mut world, &mut outgoing(&[b"a"])).unwrap();
        let result = send(&mut world, &mut outgoing(&[b"b"]));
        assert_eq!(kind(result), io::ErrorKind::ConnectionRefused);
        assert_eq!(world.net.take_datagrams(peer()), []);
    }

    #[test]
    fn partial_and_blocked_batches_are_owed_an_event() {
        let mut world = world();
        world.net.send_datagram(peer(), here(), b"a");
        world.net.send_datagram(peer(), here(), b"b");
        world.poll();
        world.faults(|faults| (faults.partial_read, faults.partial_write) = (1000, 1000));
        assert_eq!(receive(&mut world, 4).unwrap(), [b"a"]);
        assert_eq!(world.poll(), [(SOCKET, R)]);
        let mut batch = outgoing(&[b"a", b"b"]);
        assert_eq!(send(&mut world, &mut batch).unwrap(), Progress::Done(()));
        assert_eq!(batch.len(), 1);
        assert_eq!(world.poll(), [(SOCKET, W)]);
        world.faults(|faults| (faults.blocked_read, faults.blocked_write) = (1000, 1000));
        assert_eq!(receive(&mut world, 4), None);
        assert_eq!(send(&mut world, &mut batch).unwrap(), Progress::Blocked);
        assert_eq!(world.poll(), [(SOCKET, R.with(W))]);
    }

    #[test]
    fn a_socket_for_all_addresses_has_one_and_sees_other_families_mapped() {
        let mut world = World::new();
        let options = SocketOptions { v6_only: false, ..SocketOptions::default() };
        world.net.bind(SOCKET, address("[::]:5300"), &options).unwrap();
        world.net.send_datagram(peer(), here(), b"a");
        let mut batch = Incoming::new(1, 8);
        world.net.receive(SOCKET, &mut batch).unwrap();
        let sender = address("[::ffff:192.0.2.1]:99");
        assert_eq!(batch.iter().next().unwrap().sender, sender);
        let mut answers = Outgoing::new();
        answers.push(sender, b"b");
        send(&mut world, &mut answers).unwrap();
        let local = address("[::1]:5300");
        assert_eq!(world.net.take_datagrams(sender), [(local, b"b".to_vec())]);
    }

    #[test]
    fn two_sockets_of_the_loop_reach_each_other() {
        let mut world = world();
        let other = Token::endpoint(2);
        let address = world.net.bind(other, address("127.0.0.1:0"), &SocketOptions::default());
        let mut batch = Outgoing::new();
        batch.push(address.unwrap(), b"hello");
        send(&mut world, &mut batch).unwrap();
        let mut batch = Incoming::new(1, 8);
        assert_eq!(world.net.receive(other, &mut batch).unwrap(), Progress::Done(()));
        assert_eq!(batch.iter().next().unwrap().sender, here());
    }
}
