//! A loop that connects to itself and to others, through hundreds of mixtures of faults.

use std::io;
use std::net::SocketAddr;

use super::harness::LISTENER;
use super::swarm::Echo;
use super::{Faults, PeerState, SimNetwork, SimPeer};
use crate::config::SocketOptions;
use crate::network::{ConnectError, Event, Network, Progress, Readiness};
use crate::token::Token;

/// A connection that the loop begins: it sends a text, and wants it back. It keeps to the contract,
/// and reads only what was announced.
struct Caller {
    token: Token,
    is_connected: bool,
    is_readable: bool,
    is_hangup: bool,
    unsent: Vec<u8>,
    received: Vec<u8>,
    is_over: bool,
}

impl Caller {
    fn begin(
        net: &mut SimNetwork,
        token: Token,
        to: SocketAddr,
        text: &[u8],
    ) -> Result<Self, ConnectError> {
        Network::connect(net, token, to, &SocketOptions::default())?;
        Ok(Self {
            token,
            is_connected: false,
            is_readable: false,
            is_hangup: false,
            unsent: text.to_vec(),
            received: Vec::new(),
            is_over: false,
        })
    }

    fn act(&mut self, net: &mut SimNetwork, readiness: Readiness) {
        self.is_readable |= readiness.contains(Readiness::READABLE);
        self.is_hangup |= readiness.contains(Readiness::HANGUP);
        if self.is_over {
            return;
        }
        if self.go_on(net).is_err() {
            self.is_over = true;
        }
        if self.is_over {
            net.close(self.token);
        }
    }

    fn go_on(&mut self, net: &mut SimNetwork) -> Result<(), io::Error> {
        if !self.is_connected {
            if net.connected(self.token).map_err(io::Error::other)? == Progress::Blocked {
                return Ok(());
            }
            self.is_connected = true;
        }
        while !self.unsent.is_empty() {
            let Progress::Done(len) = net.write(self.token, &self.unsent).progress()? else {
                break;
            };
            self.unsent.drain(..len);
            if self.unsent.is_empty() {
                net.shutdown_write(self.token)?;
            }
        }
        let mut buffer = [0; 7];
        while self.is_readable {
            match net.read(self.token, &mut buffer).progress()? {
                Progress::Blocked => (self.is_readable, self.is_hangup) = (false, false),
                Progress::Done(0) => {
                    self.is_over = true;
                    return Ok(());
                }
                Progress::Done(len) => {
                    self.received.extend(&buffer[..len]);
                    self.is_readable = len == buffer.len() || self.is_hangup;
                }
            }
        }
        Ok(())
    }
}

/// What a served peer does: sends back what it receives.
fn echo(net: &mut SimNetwork, peer: SimPeer) {
    let state = net.state(peer);
    let bytes = net.take_received(peer);
    if !bytes.is_empty() {
        net.send_from(peer, &bytes);
    }
    if state == PeerState::Finished {
        net.finish(peer);
    }
}

/// What was sent, and what came back of it.
type Exchange = (Vec<u8>, Vec<u8>);

/// The exchanges of all callers that could begin, and the network after them.
fn run(seed: u64, faults: Faults) -> (SimNetwork, Vec<Exchange>) {
    let mut net = SimNetwork::new(seed);
    net.set_faults(faults);
    net.set_pipe_len(16);
    let options = SocketOptions { backlog: 2, ..SocketOptions::default() };
    let itself = net.listen(LISTENER, "127.0.0.1:7000".parse().unwrap(), &options).unwrap();
    let other = "192.0.2.9:80".parse().unwrap();
    net.serve(other);
    let mut server = Echo::new(false);
    let (mut callers, mut texts, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..12 {
        let text: Vec<u8> = (0..60).map(|byte| byte ^ number).collect();
        let to = if number % 2 == 0 { itself } else { other };
        let token = Token::connection(1, u32::from(number), 0);
        if let Ok(caller) = Caller::begin(&mut net, token, to, &text) {
            callers.push(caller);
            texts.push(text);
        }
    }
    let mut events = Vec::<Event>::with_capacity(3);
    for _ in 0..20_000 {
        if callers.iter().all(|caller| caller.is_over) && !server.has_connections() {
            break;
        }
        net.poll(&mut events, server.timeout())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        server.act(&mut net, &events);
        for event in &events {
            if let Some(caller) = callers.iter_mut().find(|caller| caller.token == event.token) {
                caller.act(&mut net, event.readiness);
            }
        }
        peers.extend(std::iter::from_fn(|| net.accepted(other)));
        for peer in &peers {
            if matches!(net.state(*peer), PeerState::Open | PeerState::Finished) {
                echo(&mut net, *peer);
            }
        }
    }
    let received = callers.into_iter().map(|caller| caller.received);
    (net, texts.into_iter().zip(received).collect())
}

#[test]
fn whoever_keeps_to_the_contract_gets_everything_back_whatever_the_network_does() {
    for seed in 0..300 {
        let (net, texts) = run(seed, Faults::random(seed).lossless());
        assert_eq!(texts.len(), 12, "seed {seed}");
        assert!(texts.iter().all(|(sent, received)| sent == received), "seed {seed}: {texts:?}");
        assert_eq!((net.open_sockets(), net.calls().unknown_tokens), (1, 0), "seed {seed}");
    }
}

#[test]
fn with_faults_that_cost_connections_others_get_everything_back() {
    let (mut whole, mut broken) = (0, 0);
    for seed in 0..300 {
        let (net, texts) = run(seed, Faults::random(seed));
        assert_eq!((net.open_sockets(), net.calls().unknown_tokens), (1, 0), "seed {seed}");
        for (sent, received) in texts {
            assert!(sent.starts_with(&received), "seed {seed}");
            whole += usize::from(received.len() == sent.len());
            broken += usize::from(received.len() < sent.len());
        }
    }
    assert!(whole > 1000 && broken > 100, "{whole} whole, {broken} broken");
}

#[test]
fn a_run_with_the_same_seed_is_the_same() {
    let hash = |seed| run(seed, Faults::random(seed)).0.trace_hash();
    let hashes: Vec<u64> = (0..20).map(hash).collect();
    assert!((0..20).map(hash).eq(hashes.iter().copied()));
    assert!(hashes.windows(2).all(|pair| pair[0] != pair[1]));
}
