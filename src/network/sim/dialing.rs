//! Connections that the loop begins, and what it meets where it connects to.

use std::collections::{BTreeSet, VecDeque};
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
    /// The peer at the far end of each such connection is [given](Self::accepted) to the test, which
    /// can do with it whatever it does with peers.
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
    /// network.write(connection, b"ping")?;
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
        let port_of = |link: &Link| {
            (link.is_outbound && link.address == remote).then_some(link.server.port())
        };
        let mut taken: BTreeSet<u16> = self
            .sockets
            .values()
            .filter_map(|socket| match socket.kind {
                Kind::Connection(link) => port_of(&self.links[link]),
                _ => None,
            })
            .collect();
        // A connection reaches itself when a test asks for it, and not by chance.
        taken.insert(remote.port());
        let mut ports = (0..PORTS).map(|_| self.free_port());
        let port = ports.find(|port| !taken.contains(port))?;
        Some(SocketAddr::new(host, port))
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
        if let Some(failure) = link.failure {
            return Err(failure.error());
        }
        self.check_unbroken(index).map_err(ConnectError::Other)?;
        if self.random.chance(self.faults.blocked_write) {
            self.edges(token).write_waits = true;
            self.check(token);
            return Ok(Progress::Blocked);
        }
        self.links[index].is_proven = true;
        Ok(Progress::Done(()))
    }
}
