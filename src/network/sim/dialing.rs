//! Connections that the loop begins, and what it meets where it connects to.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::SimNetwork;
use super::edges::Kind;
use super::faults::ConnectFailure;
use super::link::{Link, PeerState, Place, SimPeer};
use super::listeners::{retry_wait, this_host};
use super::schedule::Scheduled;
use crate::config::SocketOptions;
use crate::network::{ConnectError, Progress, Readiness};
use crate::token::Token;

/// How many ports there are to connect from.
const PORTS: usize = 16_384;
/// Where the loop connects from, if not to the loopback interface.
const HERE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HERE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// What is at an address that the loop connects to.
#[derive(Default, Debug)]
pub(super) struct Upstream {
    behaviour: Behaviour,
    /// After what time that shows.
    wait: Duration,
    /// Who was reached and not yet given to the test.
    reached: VecDeque<SimPeer>,
}

#[derive(Clone, Copy, Default, Debug)]
enum Behaviour {
    /// Whatever the loop itself has there: a listener, or nothing.
    #[default]
    Loop,
    Serves,
    Ignores,
    Fails(ConnectFailure),
}

impl SimNetwork {
    /// From now on, the loop reaches a server of the simulation when it connects to this address.
    /// The peer at the far end of each such connection is [given](Self::accepted) to the test, to
    /// be told what to do like any other.
    ///
    /// ```
    /// use windlass::SocketOptions;
    /// use windlass::network::{Network, Progress, SimNetwork, Token};
    ///
    /// let mut network = SimNetwork::new(1);
    /// let address = "192.0.2.9:7000".parse().unwrap();
    /// network.serve(address);
    ///
    /// let connection = Token::connection(0, 0, 0);
    /// Network::connect(&mut network, connection, address, &SocketOptions::default())?;
    /// let mut events = Vec::with_capacity(8);
    /// network.poll(&mut events, None)?;
    /// assert_eq!(events[0].token, connection);
    /// assert_eq!(network.connected(connection)?, Progress::Done(()));
    /// network.write(connection, b"ping").progress()?;
    ///
    /// let peer = network.accepted(address).unwrap();
    /// assert_eq!(network.received(peer), b"ping");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serve(&mut self, at: SocketAddr) {
        self.upstream(at).behaviour = Behaviour::Serves;
    }

    /// The next of the peers at this address that the loop has reached, in the order in which it
    /// did.
    pub fn accepted(&mut self, at: SocketAddr) -> Option<SimPeer> {
        self.upstream(at).reached.pop_front()
    }

    /// From now on, nobody answers when the loop connects to this address: it fails after 127 s,
    /// unless by then somebody [serves](Self::serve) there, who is found after 1, 3, 7, 15, 31 or
    /// 63 s.
    pub fn ignore_connects(&mut self, at: SocketAddr) {
        self.upstream(at).behaviour = Behaviour::Ignores;
    }

    /// From now on, connecting to this address begins well and fails like this.
    pub fn refuse_connects(&mut self, at: SocketAddr, failure: ConnectFailure) {
        self.upstream(at).behaviour = Behaviour::Fails(failure);
    }

    /// What the loop meets at this address shows after `wait`, for connections begun from now on.
    /// Default: at the poll that follows.
    pub fn delay_connects(&mut self, at: SocketAddr, wait: Duration) {
        self.upstream(at).wait = wait;
    }

    /// The next `times` connections that the loop begins fail like this at once, after the failures
    /// already asked for.
    pub fn fail_connect(&mut self, failure: ConnectFailure, times: usize) {
        self.connect_failures.extend(std::iter::repeat_n(failure, times));
    }

    fn upstream(&mut self, at: SocketAddr) -> &mut Upstream {
        self.upstreams.entry(this_host(at)).or_default()
    }

    /// The loop begins to connect.
    pub(super) fn dial(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<(), ConnectError> {
        if !token.is_connection() {
            let text = format!("{token:?} cannot name a connection");
            return Err(ConnectError::Other(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        if self.is_full() {
            return Err(ConnectFailure::Emfile.error());
        }
        if let Some(failure) = self.forced_connect_failure() {
            return Err(failure.error());
        }
        if let Some(failure) = self.connect_failures.pop_front() {
            return Err(failure.error());
        }
        let is_doomed = self.random.chance(self.faults.failed_connect);
        if is_doomed && self.random.chance(500) {
            return Err(self.any_of(ConnectFailure::AT_ONCE).error());
        }
        let address = this_host(address);
        let Some(local) = self.free_local_address(address) else {
            return Err(ConnectFailure::AddrNotAvail.error());
        };
        let mut link = Link::outbound(address, local, token);
        link.failure = is_doomed.then(|| self.any_of(ConnectFailure::LATER));
        let SocketOptions { send_buffer_len, receive_buffer_len, .. } = options;
        link.set_capacities(
            receive_buffer_len.unwrap_or(self.pipe_len).max(1),
            send_buffer_len.unwrap_or(self.pipe_len).max(1),
        );
        self.dialed.insert((address, local));
        let SimPeer(link) = self.add_link(link);
        self.open(token, Kind::Connection(link));
        let when = self.moment(self.upstreams.get(&address).map_or(Duration::ZERO, |up| up.wait));
        self.schedule.add(when, Scheduled::Dial { link, attempt: 0 });
        Ok(())
    }

    fn any_of(&mut self, failures: [ConnectFailure; 4]) -> ConnectFailure {
        failures[self.random.below(failures.len())]
    }

    /// An address of this host from which nothing is connected to `remote`, if there is one.
    fn free_local_address(&mut self, remote: SocketAddr) -> Option<SocketAddr> {
        let host = match remote.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V4(_) => HERE_V4.into(),
            IpAddr::V6(ip) if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V6(_) => HERE_V6.into(),
        };
        (0..PORTS).find_map(|_| {
            let local = SocketAddr::new(host, self.free_port());
            // A connection reaches itself when a test asks for it, and not by chance.
            let is_free = local != remote && !self.dialed.contains(&(remote, local));
            is_free.then_some(local)
        })
    }

    /// A connection of the loop meets what is at its address, for the `attempt`-th time.
    pub(super) fn try_to_reach(&mut self, index: usize, attempt: u32) {
        let link = &self.links[index];
        if !matches!(link.place, Place::Dialing(_)) {
            return;
        }
        let upstream = self.upstreams.get_mut(&link.address);
        let behaviour = match (link.failure, &upstream) {
            (Some(failure), _) => Behaviour::Fails(failure),
            (None, Some(upstream)) => upstream.behaviour,
            (None, None) => Behaviour::Loop,
        };
        match behaviour {
            Behaviour::Loop => self.reach_listener(index),
            Behaviour::Serves => {
                let reached = &mut upstream.expect("somebody serves there").reached;
                reached.push_back(SimPeer(index));
                self.establish(index);
            }
            Behaviour::Ignores => match retry_wait(attempt) {
                Some(wait) => {
                    let when = self.moment(wait);
                    self.schedule.add(when, Scheduled::Dial { link: index, attempt: attempt + 1 });
                }
                None => self.fail_dial(index, ConnectFailure::TimedOut),
            },
            Behaviour::Fails(failure) => self.fail_dial(index, failure),
        }
    }

    /// The connection is there, and the loop is to find out.
    pub(super) fn establish(&mut self, index: usize) {
        if let Place::Dialing(token) = self.links[index].place {
            self.links[index].place = Place::Held(token);
            self.flow_in(index);
            self.owe(token, self.truth(token));
        }
    }

    /// There will be no connection, and the loop is to find out.
    pub(super) fn fail_dial(&mut self, index: usize, failure: ConnectFailure) {
        let link = &mut self.links[index];
        let Place::Dialing(token) = link.place else { return };
        link.place = Place::Held(token);
        link.failure = Some(failure);
        link.is_broken = true;
        link.fate = Some(match failure {
            ConnectFailure::TimedOut => PeerState::TimedOut,
            _ => PeerState::Refused,
        });
        link.discard();
        self.owe(token, Readiness::ALL);
        self.stir_twin(index);
    }

    /// What has become of a connection that the loop began.
    pub(super) fn outcome(&mut self, token: Token) -> Result<Progress<()>, ConnectError> {
        let index = self.link_of(token).map_err(ConnectError::Other)?;
        let link = &self.links[index];
        assert!(!link.is_proven, "{token:?} is known to be connected");
        if let Place::Dialing(_) = link.place {
            return Ok(Progress::Blocked);
        }
        if let Some(failure) = self.forced_connect_failure() {
            self.break_link(index, io::ErrorKind::ConnectionReset);
            self.links[index].failure = Some(failure);
        }
        if let Some(failure) = self.links[index].failure {
            return Err(failure.error());
        }
        self.check_unbroken(index).map_err(ConnectError::Other)?;
        if self.is_blocked_now(self.faults.blocked_write) {
            self.edges(token).write_waits = true;
            self.check(token);
            return Ok(Progress::Blocked);
        }
        self.links[index].is_proven = true;
        Ok(Progress::Done(()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::harness::{H, LISTENER, R, W, World};
    use super::*;
    use crate::network::Network;

    const SECOND: Duration = Duration::from_secs(1);
    const FIRST: Token = Token::connection(1, 0, 0);

    fn upstream() -> SocketAddr {
        "192.0.2.9:80".parse().unwrap()
    }

    fn connect(world: &mut World, token: Token, to: SocketAddr) -> Result<(), ConnectError> {
        Network::connect(&mut world.net, token, to, &SocketOptions::default())
    }

    /// A world in which the loop has reached a peer and knows it.
    fn reached() -> (World, SimPeer) {
        let mut world = World::new();
        world.net.serve(upstream());
        connect(&mut world, FIRST, upstream()).unwrap();
        assert_eq!(world.poll(), [(FIRST, W)]);
        assert_eq!(world.net.connected(FIRST).unwrap(), Progress::Done(()));
        assert_eq!(world.read(FIRST, 9), None);
        let peer = world.net.accepted(upstream()).unwrap();
        (world, peer)
    }

    #[test]
    fn a_server_is_reached_at_the_poll_and_is_a_peer_like_others() {
        let (mut world, peer) = reached();
        assert_eq!(world.net.accepted(upstream()), None, "only one was reached");
        assert_eq!((world.net.address(peer), world.net.token(peer)), (upstream(), Some(FIRST)));
        world.net.send_from(peer, b"ab");
        assert_eq!(world.poll(), [(FIRST, R)]);
        assert_eq!(world.read(FIRST, 9).unwrap(), b"ab");
        world.net.stall(peer);
        world.net.write(FIRST, b"cd").progress().unwrap();
        world.poll();
        assert_eq!(world.net.received(peer), b"");
        world.net.resume(peer);
        world.poll();
        assert_eq!(world.net.take_received(peer), b"cd");
        world.net.finish(peer);
        assert_eq!(world.poll(), [(FIRST, R.with(H))]);
        world.net.close(FIRST);
        assert_eq!(world.net.state(peer), PeerState::Finished);
        assert_eq!(world.net.calls().connects, 1);
    }

    #[test]
    fn peers_are_given_in_the_order_they_were_reached() {
        let mut world = World::new();
        world.net.serve(upstream());
        for slot in 0..3 {
            connect(&mut world, Token::connection(1, slot, 0), upstream()).unwrap();
        }
        assert_eq!(world.net.accepted(upstream()), None, "not before the poll");
        world.poll();
        for slot in 0..3 {
            let peer = world.net.accepted(upstream()).unwrap();
            assert_eq!(world.net.token(peer), Some(Token::connection(1, slot, 0)));
        }
    }

    #[test]
    fn what_an_address_does_can_be_late() {
        let mut world = World::new();
        world.net.serve(upstream());
        world.net.delay_connects(upstream(), 3 * SECOND);
        connect(&mut world, FIRST, upstream()).unwrap();
        assert_eq!(world.poll_for(2 * SECOND), []);
        assert_eq!(world.net.connected(FIRST).unwrap(), Progress::Blocked);
        assert_eq!(world.poll_for(2 * SECOND), [(FIRST, W)]);
        assert_eq!(world.net.clock().as_nanos(), 3_000_000_000);
    }

    #[test]
    fn connecting_fails_as_told_and_says_so_again() {
        for failure in ConnectFailure::LATER.into_iter().chain(ConnectFailure::AT_ONCE) {
            let mut world = World::new();
            world.net.refuse_connects(upstream(), failure);
            connect(&mut world, FIRST, upstream()).unwrap();
            assert_eq!(world.poll(), [(FIRST, Readiness::ALL)]);
            for _ in 0..2 {
                let error = world.net.connected(FIRST).unwrap_err();
                assert_eq!(error.to_string(), failure.error().to_string());
            }
            assert_eq!(world.net.accepted(upstream()), None);
            world.net.close(FIRST);
            assert_eq!(world.net.open_sockets(), 1);
        }
    }

    #[test]
    fn each_failure_is_sorted_by_whose_matter_it_is() {
        let error = ConnectFailure::error;
        assert!(matches!(error(ConnectFailure::Refused), ConnectError::Refused(_)));
        assert!(matches!(error(ConnectFailure::Unreachable), ConnectError::Unreachable(_)));
        assert!(matches!(error(ConnectFailure::TimedOut), ConnectError::TimedOut(_)));
        assert!(matches!(error(ConnectFailure::SelfConnected), ConnectError::SelfConnected));
        assert!(matches!(error(ConnectFailure::Emfile), ConnectError::NoResources(_)));
        assert!(matches!(error(ConnectFailure::AddrNotAvail), ConnectError::NoResources(_)));
        assert!(matches!(error(ConnectFailure::Perm), ConnectError::Other(_)));
    }

    #[test]
    fn a_connect_that_fails_at_once_leaves_nothing_behind() {
        let mut world = World::new();
        world.net.serve(upstream());
        world.net.fail_connect(ConnectFailure::AddrNotAvail, 2);
        for _ in 0..2 {
            let error = connect(&mut world, FIRST, upstream()).unwrap_err();
            assert!(matches!(error, ConnectError::NoResources(_)), "{error}");
        }
        assert_eq!((world.poll(), world.net.open_sockets()), (vec![], 1));
        connect(&mut world, FIRST, upstream()).expect("the name is still free");
        world.net.set_socket_limit(Some(2));
        let error = connect(&mut world, Token::connection(1, 1, 0), upstream()).unwrap_err();
        assert!(error.to_string().contains("EMFILE"), "{error}");
    }

    #[test]
    fn where_nobody_answers_it_takes_long_to_fail() {
        let mut world = World::new();
        world.net.ignore_connects(upstream());
        connect(&mut world, FIRST, upstream()).unwrap();
        assert_eq!(world.poll_for(200 * SECOND), [(FIRST, Readiness::ALL)]);
        assert_eq!(world.net.clock().as_nanos(), 127_000_000_000);
        let error = world.net.connected(FIRST).unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut(_)), "{error}");
    }

    #[test]
    fn whoever_begins_to_serve_is_found_by_the_next_try() {
        let mut world = World::new();
        world.net.ignore_connects(upstream());
        connect(&mut world, FIRST, upstream()).unwrap();
        world.net.after(4 * SECOND, |net| net.serve(upstream()));
        assert_eq!(world.poll_for(200 * SECOND), [(FIRST, W)]);
        assert_eq!(world.net.clock().as_nanos(), 7_000_000_000);
    }

    #[test]
    fn one_given_up_on_its_way_reaches_nobody() {
        let mut world = World::new();
        world.net.serve(upstream());
        connect(&mut world, FIRST, upstream()).unwrap();
        world.net.close(FIRST);
        assert_eq!(world.poll(), []);
        assert_eq!(world.net.accepted(upstream()), None);
        let states: Vec<_> = world.net.peers().map(|peer| world.net.state(peer)).collect();
        assert_eq!(states, [PeerState::Reset]);
    }

    #[test]
    fn a_reset_on_the_way_is_a_refusal_and_later_an_error() {
        let mut world = World::new();
        world.net.serve(upstream());
        connect(&mut world, FIRST, upstream()).unwrap();
        let peer = world.net.peers().next().unwrap();
        world.net.reset(peer);
        assert_eq!(world.poll(), [(FIRST, Readiness::ALL)]);
        assert!(matches!(world.net.connected(FIRST), Err(ConnectError::Refused(_))));

        let second = Token::connection(1, 1, 0);
        connect(&mut world, second, upstream()).unwrap();
        world.poll();
        let peer = world.net.accepted(upstream()).unwrap();
        world.net.reset(peer);
        assert!(matches!(world.net.connected(second), Err(ConnectError::Other(_))));
    }

    #[test]
    fn connecting_is_disturbed_by_faults() {
        let mut world = World::new();
        world.net.serve(upstream());
        world.faults(|faults| faults.blocked_write = 1000);
        connect(&mut world, FIRST, upstream()).unwrap();
        for _ in 0..3 {
            assert_eq!(world.poll(), [(FIRST, W)], "an event is owed");
            assert_eq!(world.net.connected(FIRST).unwrap(), Progress::Blocked);
        }
        world.faults(|faults| faults.failed_connect = 1000);
        let (mut at_once, mut later) = (0, 0);
        for slot in 1..50 {
            let token = Token::connection(1, slot, 0);
            if connect(&mut world, token, upstream()).is_err() {
                at_once += 1;
            } else {
                world.poll();
                world.net.connected(token).unwrap_err();
                later += 1;
            }
        }
        assert!(at_once > 10 && later > 10, "{at_once} at once, {later} later");
    }

    #[test]
    fn ports_to_one_address_run_out_and_are_free_again() {
        let mut world = World::new();
        let token = |slot| Token::connection(1, slot, 0);
        let mut addresses = BTreeSet::new();
        for slot in 0..16_384 {
            connect(&mut world, token(slot), upstream()).unwrap();
            addresses.insert(world.net.local_addr(token(slot)).unwrap());
        }
        assert_eq!(addresses.len(), 16_384);
        assert!(addresses.iter().all(|address| address.ip() == HERE_V4));
        let error = connect(&mut world, token(16_384), upstream()).unwrap_err();
        assert!(error.to_string().contains("EADDRNOTAVAIL"), "{error}");
        let elsewhere = "[::1]:80".parse().unwrap();
        connect(&mut world, token(16_384), elsewhere).expect("ports are counted by address");
        assert!(world.net.local_addr(token(16_384)).unwrap().ip().is_loopback());
        let freed = world.net.local_addr(token(9)).unwrap();
        world.net.close(token(9));
        connect(&mut world, token(16_385), upstream()).unwrap();
        assert_eq!(world.net.local_addr(token(16_385)).unwrap(), freed);
    }

    #[test]
    fn a_connection_on_its_way_is_named_in_the_text_of_a_hang() {
        let mut world = World::with_backlog(0);
        world.net.close(LISTENER);
        connect(&mut world, FIRST, upstream()).unwrap();
        assert_eq!(world.net.describe_sockets(), "1:0#0 (connecting to 192.0.2.9:80)");
    }

    #[test]
    #[should_panic(expected = "is used before it is known to be connected")]
    fn a_connection_cannot_be_used_before_its_outcome_is_known() {
        let mut world = World::new();
        world.net.serve(upstream());
        connect(&mut world, FIRST, upstream()).unwrap();
        world.poll();
        world.read(FIRST, 9);
    }

    #[test]
    #[should_panic(expected = "is known to be connected")]
    fn an_outcome_that_is_known_is_not_asked_again() {
        let (mut world, _) = reached();
        let _ = world.net.connected(FIRST);
    }
}
