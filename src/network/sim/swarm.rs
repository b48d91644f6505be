//! A small server on the simulated network, through hundreds of mixtures of faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use super::harness::{LISTENER, SOCKET};
use super::{Faults, PeerState, SimNetwork, SimPeer};
use crate::batch::{Incoming, Outgoing};
use crate::config::SocketOptions;
use crate::network::{AcceptError, Event, Network, Progress, Readiness, Transfer};
use crate::token::Token;

const SECOND: Duration = Duration::from_secs(1);

/// An echo server that keeps to the contract, as plain as can be; or not quite, to be caught.
pub(super) struct Echo {
    connections: BTreeMap<Token, VecDeque<u8>>,
    readable: BTreeMap<Token, bool>,
    next_slot: u32,
    can_accept: bool,
    stops_early: bool,
    datagrams: Outgoing,
}

impl Echo {
    pub(super) fn new(stops_early: bool) -> Self {
        Self {
            connections: BTreeMap::new(),
            readable: BTreeMap::new(),
            next_slot: 0,
            can_accept: false,
            stops_early,
            datagrams: Outgoing::new(),
        }
    }

    fn turn(&mut self, net: &mut SimNetwork) -> io::Result<()> {
        let mut events = Vec::<Event>::with_capacity(3);
        net.poll(&mut events, self.timeout())?;
        self.act(net, &events);
        Ok(())
    }

    /// How long it can sleep.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let is_busy = self.can_accept || !self.readable.is_empty();
        is_busy.then_some(Duration::from_millis(10))
    }

    /// Does what a poll asks for.
    pub(super) fn act(&mut self, net: &mut SimNetwork, events: &[Event]) {
        for event in events {
            if event.token == LISTENER {
                self.can_accept = true;
            } else if event.token == SOCKET {
                self.echo_datagrams(net);
            } else if self.connections.contains_key(&event.token) {
                if event.readiness.contains(Readiness::READABLE) {
                    let hangup = event.readiness.contains(Readiness::HANGUP);
                    *self.readable.entry(event.token).or_default() |= hangup;
                }
                if event.readiness.contains(Readiness::WRITABLE) {
                    self.flush(net, event.token);
                }
            }
        }
        self.accept(net);
        for (token, is_hangup) in std::mem::take(&mut self.readable) {
            self.serve(net, token, is_hangup);
        }
    }

    pub(super) fn has_connections(&self) -> bool {
        !self.connections.is_empty()
    }

    fn accept(&mut self, net: &mut SimNetwork) {
        while self.can_accept {
            match net.accept(LISTENER) {
                Ok(Progress::Done(_)) => {
                    let token = Token::connection(0, self.next_slot, 0);
                    self.next_slot += 1;
                    if net.adopt(token).is_ok() {
                        self.connections.insert(token, VecDeque::new());
                        self.readable.insert(token, false);
                    }
                }
                Ok(Progress::Blocked) => self.can_accept = false,
                Err(AcceptError::PeerGone(_)) => {}
                Err(AcceptError::Exhausted(_)) => return,
                Err(AcceptError::Broken(error)) => panic!("{error}"),
            }
        }
    }

    fn serve(&mut self, net: &mut SimNetwork, token: Token, is_hangup: bool) {
        let mut buffer = [0; 7];
        while let Some(output) = self.connections.get_mut(&token) {
            match net.read(token, &mut buffer) {
                Transfer::Blocked => return,
                Transfer::Done(0) if output.is_empty() => {
                    self.connections.remove(&token);
                    net.close(token);
                    return;
                }
                // The end again when the output is gone.
                Transfer::Done(0) => {
                    self.readable.insert(token, true);
                    return;
                }
                Transfer::Done(len) => {
                    output.extend(&buffer[..len]);
                    self.flush(net, token);
                    if self.stops_early || len < buffer.len() && !is_hangup {
                        return;
                    }
                }
                Transfer::Failed(_) => {
                    self.connections.remove(&token);
                    net.close(token);
                    return;
                }
            }
        }
    }

    fn flush(&mut self, net: &mut SimNetwork, token: Token) {
        let Some(output) = self.connections.get_mut(&token) else { return };
        while !output.is_empty() {
            match net.write(token, output.make_contiguous()) {
                Transfer::Done(len) => drop(output.drain(..len)),
                Transfer::Blocked => return,
                Transfer::Failed(_) => {
                    self.connections.remove(&token);
                    net.close(token);
                    return;
                }
            }
        }
    }

    fn echo_datagrams(&mut self, net: &mut SimNetwork) {
        let mut batch = Incoming::new(2, 16);
        loop {
            match net.receive(SOCKET, &mut batch) {
                Ok(Progress::Blocked) => break,
                Ok(Progress::Done(())) => {
                    for datagram in batch.iter() {
                        self.datagrams.push(datagram.sender, datagram.payload);
                    }
                    if !batch.is_full() {
                        break;
                    }
                }
                Err(_) => {}
            }
        }
        while !self.datagrams.is_empty() {
            match net.send(SOCKET, &mut self.datagrams) {
                Ok(Progress::Blocked) => break,
                Ok(Progress::Done(())) => {}
                Err(_) => self.datagrams.pop(),
            }
        }
    }
}

/// What twelve peers sent and got back, and the network after it.
struct Outcome {
    net: SimNetwork,
    peers: Vec<(SimPeer, Vec<u8>)>,
    result: io::Result<()>,
}

fn run(seed: u64, faults: Faults, stops_early: bool) -> Outcome {
    let mut net = SimNetwork::new(seed);
    net.set_faults(faults);
    net.set_pipe_len(16);
    let options = SocketOptions { backlog: 4, ..SocketOptions::default() };
    let address = net.listen(LISTENER, "127.0.0.1:7000".parse().unwrap(), &options).unwrap();
    let udp = net.bind(SOCKET, "127.0.0.1:7000".parse().unwrap(), &options).unwrap();
    let mut echo = Echo::new(stops_early);
    let mut peers = Vec::new();
    for number in 0..12 {
        let peer = net.connect_to(address);
        let text: Vec<u8> = (0..60).map(|byte| byte ^ number).collect();
        if number % 3 == 0 {
            net.read_slowly(peer, 5, SECOND / 10);
        }
        let (first, second) = text.split_at(25);
        net.send_from(peer, first);
        let second = second.to_vec();
        net.after(SECOND * u32::from(number), move |net| {
            net.send_from(peer, &second);
            net.finish(peer);
        });
        net.send_datagram("192.0.2.1:9".parse().unwrap(), udp, &[number]);
        peers.push((peer, text));
    }
    let is_done = |net: &SimNetwork, echo: &Echo| {
        let is_going = |(peer, _): &(SimPeer, _)| {
            matches!(net.state(*peer), PeerState::Open | PeerState::Connecting)
        };
        echo.connections.is_empty() && !peers.iter().any(is_going)
    };
    let mut result = Ok(());
    for _ in 0..20_000 {
        if result.is_err() || is_done(&net, &echo) {
            break;
        }
        // The last peer may have gone within the poll, and there is nothing more to wait for.
        result = echo
            .turn(&mut net)
            .or_else(|error| if is_done(&net, &echo) { Ok(()) } else { Err(error) });
    }
    Outcome { net, peers, result }
}

#[test]
fn a_loop_that_keeps_to_the_contract_serves_everybody_whatever_the_network_does() {
    for seed in 0..300 {
        let faults = Faults::random(seed).lossless();
        let Outcome { net, peers, result } = run(seed, faults, false);
        result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for (peer, text) in peers {
            assert_eq!(net.received(peer), text, "seed {seed}, {peer:?}");
            assert_eq!(net.state(peer), PeerState::Finished, "seed {seed}, {peer:?}");
        }
        assert_eq!((net.open_sockets(), net.calls().unknown_tokens), (2, 0), "seed {seed}");
    }
}

#[test]
fn with_faults_that_cost_connections_the_others_are_served() {
    let (mut whole, mut broken) = (0, 0);
    for seed in 0..300 {
        let Outcome { net, peers, result } = run(seed, Faults::random(seed), false);
        result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!((net.open_sockets(), net.calls().unknown_tokens), (2, 0), "seed {seed}");
        for (peer, text) in peers {
            let received = net.received(peer);
            assert!(text.starts_with(received), "seed {seed}, {peer:?}");
            whole += usize::from(received.len() == text.len());
            broken += usize::from(net.state(peer) == PeerState::Broken);
        }
    }
    assert!(whole > 1000 && broken > 100, "{whole} whole, {broken} broken");
}

#[test]
fn a_loop_that_stops_before_it_has_found_the_end_is_caught() {
    let error = run(1, Faults::none(), true).result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_gives_another() {
    let hash = |seed| run(seed, Faults::random(seed), false).net.trace_hash();
    let hashes: BTreeSet<u64> = (0..50).map(hash).collect();
    assert_eq!(hashes.len(), 50);
    assert!((0..50).all(|seed| hashes.contains(&hash(seed))));
}
