//! Listeners of the simulated network: connecting, waiting and being accepted.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::SimNetwork;
use super::edges::{Kind, unknown};
use super::faults::{AcceptFailure, ConnectFailure};
use super::link::{Link, PeerState, Place, SimPeer};
use super::schedule::Scheduled;
use super::trace::{Act, address_word};
use crate::config::SocketOptions;
use crate::network::{AcceptError, Progress, REFUSED_READ_LEN};
use crate::token::Token;

/// After how many seconds in all a peer that found the queue full tries again; after the last it
/// gives up. Linux does so by default.
const RETRIES: [u64; 7] = [1, 3, 7, 15, 31, 63, 127];

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    options: SocketOptions,
    /// The links of the peers that have connected and were not accepted.
    pub(super) queue: VecDeque<usize>,
    is_broken: bool,
}

impl Listener {
    pub(super) fn can_accept(&self) -> bool {
        !self.queue.is_empty() && !self.is_broken
    }
}

impl SimNetwork {
    /// A peer connects to a listener, from an address of its own. If the listener's queue is full
    /// (one more than its backlog), it tries again after 1, 3, 7, 15, 31 and 63 s and gives up
    /// after 127 s. If nobody listens there, it is refused.
    ///
    /// An address given as `0.0.0.0` or `[::]` means this host.
    pub fn connect_to(&mut self, listener: SocketAddr) -> SimPeer {
        let number = self.peer_count;
        self.peer_count += 1;
        let (host, port) = (number / 16_384, 32_768 + number % 16_384);
        let port = u16::try_from(port).expect("below 49,152");
        let from = match listener.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host)),
            IpAddr::V6(_) => {
                IpAddr::V6(Ipv6Addr::from_bits(Ipv6Addr::LOCALHOST.to_bits() + u128::from(host)))
            }
        };
        self.connect_from(SocketAddr::new(from, port), listener)
    }

    /// As [`connect_to`](Self::connect_to), from this address. A peer with an IPv4 address that
    /// reaches an IPv6 listener is seen there as `::ffff:a.b.c.d`.
    pub fn connect_from(&mut self, from: SocketAddr, listener: SocketAddr) -> SimPeer {
        self.trace.act(Act::PeerConnect, self.links.len() as u64, self.clock);
        self.trace.add(address_word(from));
        self.trace.add(address_word(listener));
        let peer = self.add_link(Link::new(from, this_host(listener)));
        self.knock(peer.0, 0);
        peer
    }

    /// Whether there is a listener for this address.
    pub fn is_listening(&self, address: SocketAddr) -> bool {
        self.listener_for(address, address).is_some()
    }

    /// How many peers wait in the queue of the listener for this address; 0 if there is none.
    pub fn queue_len(&self, listener: SocketAddr) -> usize {
        let token = self.listener_for(listener, listener);
        match token.map(|token| &self.sockets[&token].kind) {
            Some(Kind::Listener(listener)) => listener.queue.len(),
            _ => 0,
        }
    }

    /// The listener that a peer from `from` reaches at `address`: of several, always the same.
    pub(super) fn listener_for(&self, from: SocketAddr, address: SocketAddr) -> Option<Token> {
        let is_reached = |token: &Token| match &self.sockets[token].kind {
            Kind::Listener(listener) => reaches(listener.address, &listener.options, address),
            Kind::Connection(_) | Kind::Udp(_) | Kind::Signals { .. } => false,
        };
        let candidates = self.endpoints.iter().copied().filter(is_reached);
        pick(&candidates.collect::<Vec<_>>(), from)
    }

    /// A peer tries to get into a queue, for the `attempt`-th time.
    pub(super) fn knock(&mut self, index: usize, attempt: u32) {
        let link = &self.links[index];
        if link.is_over() {
            return;
        }
        let token = self.listener_for(link.address, link.server);
        let kind = token.and_then(|token| Some(&mut self.sockets.get_mut(&token)?.kind));
        let (Some(token), Some(Kind::Listener(listener))) = (token, kind) else {
            self.give_up(index, PeerState::Refused);
            return;
        };
        if listener.queue.len() <= listener.options.backlog as usize {
            listener.queue.push_back(index);
            let link = &mut self.links[index];
            let SocketOptions { send_buffer_len, receive_buffer_len, .. } = listener.options;
            link.set_capacities(
                receive_buffer_len.unwrap_or(self.pipe_len).max(1),
                send_buffer_len.unwrap_or(self.pipe_len).max(1),
            );
            link.address = as_seen(link.address, listener.address);
            link.server = as_seen(link.server, listener.address);
            link.place = Place::Queued;
            self.flow_in(index);
            self.check(token);
            self.tell_twin(index, None);
        } else if let Some(wait) = retry_wait(attempt) {
            let when = self.moment(wait);
            self.schedule.add(when, Scheduled::Knock { link: index, attempt: attempt + 1 });
        } else {
            self.give_up(index, PeerState::TimedOut);
        }
    }

    /// A peer has not got in.
    fn give_up(&mut self, index: usize, fate: PeerState) {
        self.links[index].fate = Some(fate);
        self.links[index].discard();
        let failure = match fate {
            PeerState::TimedOut => ConnectFailure::TimedOut,
            _ => ConnectFailure::Refused,
        };
        self.tell_twin(index, Some(failure));
    }

    pub(super) fn open_listener(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        self.check_limit()?;
        self.check_forced()?;
        for token in &self.endpoints {
            if let Kind::Listener(other) = &self.sockets[token].kind {
                check_free((address, options), (other.address, &other.options))?;
            }
        }
        let address = self.with_port(address);
        let options = options.clone();
        let queue = VecDeque::new();
        self.open(token, Kind::Listener(Listener { address, options, queue, is_broken: false }));
        Ok(address)
    }

    /// Fails if the limit leaves no room for another socket.
    pub(super) fn check_limit(&self) -> io::Result<()> {
        match AcceptFailure::Emfile.error() {
            AcceptError::Exhausted(error) if self.is_full() => Err(error),
            _ => Ok(()),
        }
    }

    /// The address with a free port in place of port 0.
    pub(super) fn with_port(&mut self, mut address: SocketAddr) -> SocketAddr {
        if address.port() == 0 {
            address.set_port(self.free_port());
        }
        address
    }

    pub(super) fn accept_peer(
        &mut self,
        token: Token,
    ) -> Result<Progress<SocketAddr>, AcceptError> {
        self.close_hand();
        if self.listener(token).map_err(AcceptError::Broken)?.is_broken {
            return Err(AcceptFailure::Broken.error());
        }
        if self.is_full() && self.forced_accept_failure().is_none() {
            return Err(AcceptFailure::Emfile.error());
        }
        let can_accept = self.listener(token).is_ok_and(|listener| listener.can_accept());
        if let Some(failure) = self.accept_failure(can_accept) {
            return Err(self.fail_accept_now(token, failure));
        }
        let is_blocked = !can_accept || self.is_blocked_now(self.faults.blocked_read);
        self.edges(token).read_waits = is_blocked;
        if is_blocked {
            self.check(token);
            return Ok(Progress::Blocked);
        }
        let index = self.take_next(token).expect("somebody can be accepted");
        self.hand = Some(index);
        self.links[index].place = Place::Hand;
        if self.random.chance(self.faults.gone_at_accept) {
            self.break_link(index, io::ErrorKind::ConnectionReset);
        }
        Ok(Progress::Done(self.links[index].address))
    }

    /// How this accept fails, if it does.
    fn accept_failure(&mut self, can_accept: bool) -> Option<AcceptFailure> {
        let is_possible = |failure: AcceptFailure| can_accept || !failure.costs_a_peer();
        if let Some(failure) = self.forced_accept_failure().filter(|forced| is_possible(*forced)) {
            return Some(failure);
        }
        if self.accept_failures.front().is_some_and(|failure| is_possible(*failure)) {
            return self.accept_failures.pop_front();
        }
        if self.random.chance(self.faults.exhausted_accept) {
            let index = self.random.below(AcceptFailure::EXHAUSTED.len());
            return Some(AcceptFailure::EXHAUSTED[index]);
        }
        if can_accept && self.random.chance(self.faults.aborted_accept) {
            let index = self.random.below(AcceptFailure::PEER_GONE.len());
            return Some(AcceptFailure::PEER_GONE[index]);
        }
        None
    }

    fn fail_accept_now(&mut self, token: Token, failure: AcceptFailure) -> AcceptError {
        if failure.costs_a_peer()
            && let Some(index) = self.take_next(token)
        {
            self.break_link(index, io::ErrorKind::ConnectionAborted);
            self.links[index].place = Place::Left;
        }
        if failure == AcceptFailure::Broken
            && let Ok(listener) = self.listener(token)
        {
            listener.is_broken = true;
        }
        failure.error()
    }

    fn take_next(&mut self, token: Token) -> Option<usize> {
        self.listener(token).ok()?.queue.pop_front()
    }

    fn listener(&mut self, token: Token) -> io::Result<&mut Listener> {
        match self.sockets.get_mut(&token).map(|socket| &mut socket.kind) {
            Some(Kind::Listener(listener)) => Ok(listener),
            _ => {
                self.calls.unknown_tokens += 1;
                Err(unknown(token, "listener"))
            }
        }
    }

    pub(super) fn adopt_peer(&mut self, connection: Token) -> io::Result<()> {
        let Some(index) = self.hand else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "nobody to adopt"));
        };
        if let Err(error) = self.check_forced() {
            self.close_hand();
            return Err(error);
        }
        if self.adopt_failures > 0 || self.random.chance(self.faults.failed_adopt) {
            self.adopt_failures = self.adopt_failures.saturating_sub(1);
            self.close_hand();
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "ENOMEM: cannot watch the connection (simulated)",
            ));
        }
        self.hand = None;
        self.links[index].place = Place::Held(connection);
        self.open(connection, Kind::Connection(index));
        Ok(())
    }

    pub(super) fn refuse_peer(&mut self, farewell: &[u8]) {
        let Some(index) = self.hand else { return };
        let room = self.links[index].outbound.room().min(farewell.len());
        let len = if self.is_forced_to_block() { 0 } else { self.forced_len(room).unwrap_or(room) };
        let link = &mut self.links[index];
        if !link.is_broken && !farewell.is_empty() {
            link.outbound.write(&farewell[..len]);
            link.inbound.skip(REFUSED_READ_LEN);
            self.record_moved(len);
        }
        self.close_hand();
    }

    /// Closes the peer that is in the hand, if any.
    fn close_hand(&mut self) {
        if let Some(index) = self.hand.take() {
            self.leave(index);
        }
    }
}

/// How long whoever has had no answer to the `attempt`-th try waits before the next; after the last
/// there is none.
pub(super) fn retry_wait(attempt: u32) -> Option<Duration> {
    let attempt = attempt as usize;
    let waited = if attempt == 0 { 0 } else { *RETRIES.get(attempt - 1)? };
    RETRIES.get(attempt).map(|retry| Duration::from_secs(retry - waited))
}

/// The address by which a peer means this host.
pub(super) const fn this_host(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        _ => {}
    }
    address
}

/// An address as a socket at `local` sees it: an IPv6 socket sees IPv4 addresses mapped.
pub(super) const fn as_seen(mut address: SocketAddr, local: SocketAddr) -> SocketAddr {
    if let (IpAddr::V4(ip), SocketAddr::V6(_)) = (address.ip(), local) {
        address.set_ip(IpAddr::V6(ip.to_ipv6_mapped()));
    }
    address
}

/// Whether what is sent to `target` reaches a socket bound to `bound`.
pub(super) fn reaches(bound: SocketAddr, options: &SocketOptions, target: SocketAddr) -> bool {
    let is_any = match (bound.ip(), target.ip()) {
        (IpAddr::V4(bound), IpAddr::V4(_)) => bound.is_unspecified(),
        (IpAddr::V6(bound), IpAddr::V6(_)) => bound.is_unspecified(),
        (IpAddr::V6(bound), IpAddr::V4(_)) => bound.is_unspecified() && !options.v6_only,
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    };
    bound.port() == target.port() && (is_any || this_host(bound).ip() == this_host(target).ip())
}

/// Fails if a new socket would take the address of another.
pub(super) fn check_free(
    (address, options): (SocketAddr, &SocketOptions),
    (other, other_options): (SocketAddr, &SocketOptions),
) -> io::Result<()> {
    let is_shared = options.reuse_port && other_options.reuse_port;
    let overlaps = reaches(other, other_options, address) || reaches(address, options, other);
    if address.port() != 0 && overlaps && !is_shared {
        let text = format!("EADDRINUSE: {other} is in use (simulated)");
        return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    }
    Ok(())
}

/// One of the sockets that share an address, always the same for the same sender.
pub(super) fn pick(candidates: &[Token], from: SocketAddr) -> Option<Token> {
    let index = address_word(from).checked_rem(candidates.len() as u64)?;
    candidates.get(usize::try_from(index).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::super::Faults;
    use super::super::harness::{H, LISTENER, R, SOCKET, W, World};
    use super::*;
    use crate::network::Network;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn is_blocked(world: &mut World) -> bool {
        matches!(world.net.accept(LISTENER), Ok(Progress::Blocked))
    }

    #[test]
    fn a_listener_is_told_of_peers_once_until_it_finds_nobody() {
        let mut world = World::new();
        let first = world.connect();
        assert_eq!(world.poll(), [(LISTENER, R)]);
        world.connect();
        assert_eq!(world.poll(), []);
        let accepted = world.net.accept(LISTENER).unwrap();
        assert_eq!(accepted, Progress::Done(world.net.address(first)));
        world.accept();
        world.poll();
        world.connect();
        assert_eq!(world.poll(), [], "although it has accepted everybody");
        world.accept();
        assert!(is_blocked(&mut world));
        world.connect();
        assert!(world.poll().contains(&(LISTENER, R)));
    }

    #[test]
    fn one_more_than_the_backlog_gets_in_and_others_try_again() {
        let mut world = World::with_backlog(1);
        let peers = [(); 4].map(|()| world.connect());
        assert_eq!(world.net.queue_len(world.address), 2);
        world.poll();
        world.accept();
        world.accept();
        assert!(is_blocked(&mut world));
        world.poll();
        assert_eq!(world.net.queue_len(world.address), 0, "the others have not tried again");
        assert_eq!(world.poll_for(2 * SECOND), [(LISTENER, R)]);
        assert_eq!(world.net.clock().as_nanos(), 1_000_000_000);
        assert_eq!(world.net.queue_len(world.address), 2);
        assert_eq!(peers.map(|peer| world.net.state(peer))[2..], [PeerState::Connecting; 2]);
    }

    #[test]
    fn a_peer_tries_again_until_it_gives_up() {
        let mut world = World::with_backlog(0);
        let (_, late) = (world.connect(), world.connect());
        world.poll();
        world.poll_for(126 * SECOND);
        assert_eq!(world.net.state(late), PeerState::Connecting);
        world.poll_for(SECOND);
        assert_eq!(world.net.state(late), PeerState::TimedOut);
    }

    #[test]
    fn a_retry_comes_after_1_3_and_7_seconds() {
        for (freed_at, in_at) in [(0, 1), (1, 3), (3, 7), (7, 15)] {
            let mut world = World::with_backlog(0);
            let (_, late) = (world.connect(), world.connect());
            world.poll();
            world.poll_for(freed_at * SECOND + SECOND / 2);
            world.accept();
            assert!(is_blocked(&mut world));
            world.net.send_from(late, b"early");
            world.poll();
            assert_eq!(world.poll_for(20 * SECOND), [(LISTENER, R)]);
            assert_eq!(world.net.clock().as_nanos(), in_at * 1_000_000_000);
            assert_eq!(world.net.unread_len(late), 5);
        }
    }

    #[test]
    fn where_nobody_listens_a_peer_is_refused() {
        let mut world = World::new();
        let peer = world.net.connect_to(address("127.0.0.1:7001"));
        assert_eq!(world.net.state(peer), PeerState::Refused);
        assert!(world.net.is_listening(world.address));
        world.net.close(LISTENER);
        assert!(!world.net.is_listening(world.address));
        let peer = world.connect();
        assert_eq!(world.net.state(peer), PeerState::Refused);
    }

    #[test]
    fn a_listener_that_closes_resets_those_who_wait() {
        let mut world = World::with_backlog(0);
        let (queued, outside) = (world.connect(), world.connect());
        world.net.send_from(outside, b"lost");
        world.net.close(LISTENER);
        assert_eq!(world.net.state(queued), PeerState::Reset);
        world.poll_for(SECOND);
        assert_eq!(world.net.state(outside), PeerState::Refused);
        assert_eq!(world.net.unsent_len(outside), 0);
    }

    #[test]
    fn a_peer_that_gives_up_by_itself_does_not_try_again() {
        let mut world = World::with_backlog(0);
        let (_, outside) = (world.connect(), world.connect());
        world.accept();
        world.net.reset(outside);
        world.poll_for(SECOND);
        world.poll_for(SECOND);
        assert_eq!(world.net.queue_len(world.address), 0);
    }

    #[test]
    fn accepts_fail_as_told_and_the_peer_is_kept_or_lost() {
        let mut world = World::new();
        let (first, second) = (world.connect(), world.connect());
        world.net.fail_accept(AcceptFailure::Emfile, 2);
        world.net.fail_accept(AcceptFailure::ConnAborted, 1);
        for _ in 0..2 {
            assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::Exhausted(_))));
        }
        assert_eq!(world.net.queue_len(world.address), 2);
        assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::PeerGone(_))));
        assert_eq!(world.net.state(first), PeerState::Broken);
        world.accept();
        assert_eq!(world.net.state(second), PeerState::Open);
        world.poll();
        assert_eq!(world.poll(), [], "an error leaves no event behind");
    }

    #[test]
    fn each_failure_is_sorted_by_what_to_do_about_it() {
        for failure in AcceptFailure::EXHAUSTED {
            assert!(matches!(failure.error(), AcceptError::Exhausted(_)), "{failure:?}");
        }
        for failure in AcceptFailure::PEER_GONE {
            assert!(matches!(failure.error(), AcceptError::PeerGone(_)), "{failure:?}");
        }
        assert!(matches!(AcceptFailure::Broken.error(), AcceptError::Broken(_)));
    }

    #[test]
    fn a_failure_about_a_peer_waits_for_one_and_exhaustion_does_not() {
        let mut world = World::new();
        world.net.fail_accept(AcceptFailure::Proto, 1);
        assert!(is_blocked(&mut world));
        let peer = world.connect();
        assert_eq!(world.poll(), [(LISTENER, R)]);
        assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::PeerGone(_))));
        assert_eq!(world.net.state(peer), PeerState::Broken);
        world.net.fail_accept(AcceptFailure::Enfile, 1);
        assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::Exhausted(_))));
    }

    #[test]
    fn a_broken_listener_stays_broken() {
        let mut world = World::new();
        world.connect();
        world.net.fail_accept(AcceptFailure::Broken, 1);
        for _ in 0..2 {
            assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::Broken(_))));
        }
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn beyond_the_socket_limit_nothing_opens() {
        let mut world = World::new();
        let peers = [world.connect(), world.connect()];
        world.net.set_socket_limit(Some(2));
        assert_eq!(world.net.socket_limit(100), Some(2));
        let token = world.accept();
        assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::Exhausted(_))));
        let options = SocketOptions::default();
        assert!(world.net.bind(SOCKET, address("127.0.0.1:0"), &options).is_err());
        world.net.close(token);
        world.accept();
        assert_eq!(peers.map(|peer| world.net.state(peer))[1], PeerState::Open);
    }

    #[test]
    fn a_peer_left_in_the_hand_is_closed() {
        let mut world = World::new();
        let (first, second) = (world.connect(), world.connect());
        world.net.accept(LISTENER).unwrap();
        assert_eq!(world.net.open_sockets(), 2);
        world.net.accept(LISTENER).unwrap();
        assert_eq!(world.net.state(first), PeerState::Finished);
        assert_eq!(world.net.state(second), PeerState::Open);
        assert_eq!(world.net.open_sockets(), 2);
    }

    #[test]
    fn a_refused_peer_gets_as_much_of_the_farewell_as_fits() {
        let mut world = World::with_pipe(4);
        let peer = world.connect();
        world.net.accept(LISTENER).unwrap();
        world.net.refuse(b"too many");
        world.poll();
        assert_eq!(world.net.received(peer), b"too ");
        assert_eq!(world.net.state(peer), PeerState::Finished);
        assert_eq!(world.net.open_sockets(), 1);
    }

    #[test]
    fn a_refused_peer_that_sends_on_loses_the_farewell() {
        let mut world = World::new();
        for (sends_on, state, received) in
            [(false, PeerState::Finished, &b"full"[..]), (true, PeerState::Reset, b"")]
        {
            let peer = world.connect();
            world.net.send_from(peer, b"before");
            world.net.accept(LISTENER).unwrap();
            world.net.refuse(b"full");
            if sends_on {
                world.net.send_from(peer, b"after");
            }
            world.poll();
            assert_eq!((world.net.state(peer), world.net.received(peer)), (state, received));
        }
    }

    #[test]
    fn a_failed_adoption_closes_the_peer() {
        let mut world = World::new();
        let peer = world.connect();
        world.net.fail_adopt(1);
        world.net.accept(LISTENER).unwrap();
        let token = Token::connection(0, 9, 0);
        assert!(world.net.adopt(token).is_err());
        assert_eq!(world.net.state(peer), PeerState::Finished);
        assert_eq!(world.net.open_sockets(), 1);
        let error = world.net.adopt(token).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "nobody is in the hand");
        world.faults(|faults| faults.failed_adopt = 1000);
        world.connect();
        world.net.accept(LISTENER).unwrap();
        assert!(world.net.adopt(token).is_err());
    }

    #[test]
    fn a_peer_reset_in_the_queue_is_accepted_and_found_broken() {
        let mut world = World::new();
        let peer = world.connect();
        world.net.send_from(peer, b"lost");
        world.net.reset(peer);
        let token = world.accept();
        assert!(world.net.local_addr(token).is_err());
        assert!(world.poll().contains(&(token, R.with(W).with(H))));
        assert!(world.net.read(token, &mut [0; 9]).progress().is_err());
        world.faults(|faults| faults.gone_at_accept = 1000);
        world.connect();
        let token = world.accept();
        assert!(world.net.write(token, b"ab").progress().is_err());
        let peer = world.connect();
        world.net.accept(LISTENER).unwrap();
        world.net.refuse(b"nobody hears it");
        assert_eq!(world.net.received(peer), b"");
    }

    #[test]
    fn accepts_fail_by_chance() {
        let mut world = World::new();
        world.connect();
        world.net.set_faults(Faults { exhausted_accept: 1000, ..Faults::none() });
        assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::Exhausted(_))));
        world.net.set_faults(Faults { aborted_accept: 1000, ..Faults::none() });
        assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::PeerGone(_))));
        assert!(is_blocked(&mut world), "there is nobody left to have gone");
        world.connect();
        world.poll();
        world.net.set_faults(Faults { blocked_read: 1000, ..Faults::none() });
        assert!(is_blocked(&mut world));
        assert_eq!(world.poll(), [(LISTENER, R)], "an event is owed");
    }

    #[test]
    fn an_address_is_taken_once_unless_both_share_it() {
        let mut world = World::new();
        let options = SocketOptions::default();
        let shared = SocketOptions { reuse_port: true, ..SocketOptions::default() };
        for (text, options) in [
            ("127.0.0.1:7000", &options),
            ("0.0.0.0:7000", &options),
            ("127.0.0.1:7000", &shared),
            ("[::]:7000", &SocketOptions { v6_only: false, ..SocketOptions::default() }),
        ] {
            let error = world.net.listen(SOCKET, address(text), options).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{text}");
        }
        world.net.listen(SOCKET, address("[::]:7000"), &options).unwrap();
        for endpoint in 2..4 {
            let token = Token::endpoint(endpoint);
            world.net.listen(token, address("127.0.0.1:7002"), &shared).unwrap();
        }
        for _ in 0..100 {
            world.net.connect_to(address("127.0.0.1:7002"));
        }
        let events = world.poll();
        assert_eq!(events.len(), 2, "both get a share: {events:?}");
    }

    #[test]
    fn port_0_gives_a_free_port() {
        let mut world = World::new();
        let options = SocketOptions::default();
        let first = world.net.listen(SOCKET, address("127.0.0.1:0"), &options).unwrap();
        let second = world.net.listen(Token::endpoint(2), address("127.0.0.1:0"), &options);
        assert_ne!(first.port(), 0);
        assert_ne!(first, second.unwrap());
    }

    #[test]
    fn a_wildcard_listener_is_reached_at_any_address_of_its_families() {
        let mut world = World::new();
        let options = SocketOptions { v6_only: false, ..SocketOptions::default() };
        world.net.listen(SOCKET, address("[::]:7100"), &options).unwrap();
        let v4 = world.net.connect_from(address("192.0.2.1:99"), address("127.0.0.1:7100"));
        let v6 = world.net.connect_to(address("[::1]:7100"));
        let any = world.net.connect_to(address("[::]:7100"));
        let states = [v4, v6, any].map(|peer| world.net.state(peer));
        assert_eq!(states, [PeerState::Connecting; 3]);
        let accepted = world.net.accept(SOCKET).unwrap();
        assert_eq!(accepted, Progress::Done(address("[::ffff:192.0.2.1]:99")));
        world.net.adopt(Token::connection(1, 0, 0)).unwrap();
        let local = world.net.local_addr(Token::connection(1, 0, 0)).unwrap();
        assert_eq!(local, address("[::ffff:127.0.0.1]:7100"));
    }

    #[test]
    fn peers_have_addresses_of_their_own() {
        let mut world = World::with_backlog(u32::MAX);
        let addresses: std::collections::BTreeSet<_> = (0..40_000)
            .map(|_| {
                let peer = world.connect();
                world.net.address(peer)
            })
            .collect();
        assert_eq!(addresses.len(), 40_000);
    }
}
