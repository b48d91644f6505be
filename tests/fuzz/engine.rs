//! The whole engine on the simulated network: bytes decide what it is configured to, what its peers
//! do, how the network fails it, and when it is told to end.
//!
//! The server answers each frame with itself. After each turn all that must hold is checked, and
//! that no peer has received a byte other than it is owed; after the last everybody who had nothing
//! in the way must have received all, and nothing may be left open.

mod clients;
mod script;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use windlass::network::{AcceptFailure, Call, Faults, Forced, PeerState, SimNetwork};
use windlass::{AtLimit, Config};

use self::clients::Client;
use self::script::{MAX_FRAME_LEN, Protocol};
use super::choices::Choices;
use super::fixture::{EchoDatagrams, World, address, millis, secs};

const MAX_STEPS: usize = 400;
const MAX_CLIENTS: usize = 12;
/// No client sends more bytes, nor more than two hundred times what its pipe holds: much takes long
/// where little fits.
const MAX_SENT_LEN: usize = 2000;
/// A network may hold up each of many small pieces; nobody waits longer for all of them.
const PATIENCE: Duration = Duration::from_secs(600);
/// A drain is over some time after its deadline: who is cut lingers.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

struct Trial {
    world: World,
    protocol: Protocol,
    /// How many bytes a client sends at most.
    most: usize,
    clients: Vec<Client>,
    /// What was sent as datagrams, by who sent it.
    datagrams: BTreeMap<SocketAddr, Vec<Vec<u8>>>,
    /// Whether nothing has come in the way of anybody who waits long enough.
    is_fair: bool,
    /// Whether there was a signal.
    is_told_to_end: bool,
}

fn timeout(choices: &mut Choices<'_>) -> Option<Duration> {
    choices.pick(&[None, Some(millis(20)), Some(millis(500))])
}

/// Few bytes decide for something that is as usual: what the bits of the first stand for is drawn,
/// the rest is as it is by default.
fn config(choices: &mut Choices<'_>) -> Config {
    let drawn = choices.byte();
    let mut config = usual_config();
    if drawn & 1 != 0 {
        config.max_connections = Some(choices.pick(&[1, 2, 3]));
        config.accept_budget = choices.pick(&[64, 1, 2]);
        config.at_limit = match choices.below(4) {
            2 => AtLimit::Refuse(Bytes::new()),
            3 => AtLimit::EvictIdle,
            _ => AtLimit::Wait,
        };
    }
    if drawn & 2 != 0 {
        config.read_buffer_len = choices.pick(&[4096, 1, 2, 7, 64]);
        config.read_budget = choices.pick(&[262_144, 1, 5, 100]);
        config.frame_budget = choices.pick(&[1024, 1, 2]);
    }
    if drawn & 4 != 0 {
        config.low_watermark = choices.pick(&[16_384, 0, 10, 1000]);
        config.high_watermark = config.low_watermark + choices.pick(&[65_536, 1, 10, 1000]);
        config.write_limit = config.high_watermark + 2 * MAX_FRAME_LEN;
        config.write_budget = choices.pick(&[1 << 20, 1, 10, 1000]);
    }
    if drawn & 8 != 0 {
        config.datagram_budget = choices.pick(&[256, 1, 3]);
        config.datagram_batch = choices.pick(&[64, 1, 2]);
        config.timer_budget = choices.pick(&[1024, 1]);
        config.busy_poll = choices.pick(&[Duration::ZERO, Duration::from_micros(50)]);
        config.linger_timeout = choices.pick(&[secs(1), millis(10)]);
    }
    if drawn & 48 == 48 {
        config.idle_timeout = timeout(choices);
        config.first_frame_timeout = timeout(choices);
        config.frame_timeout = timeout(choices);
        config.write_timeout = timeout(choices);
        config.lifetime = timeout(choices);
    }
    config
}

fn usual_config() -> Config {
    Config {
        max_connections: Some(100),
        memory_budget: 1 << 20,
        // What waits, and the answer to one frame.
        write_limit: Config::default().high_watermark + 2 * MAX_FRAME_LEN,
        idle_timeout: None,
        first_frame_timeout: None,
        frame_timeout: None,
        write_timeout: None,
        drain_timeout: DRAIN_TIMEOUT,
        ..Config::default()
    }
}

/// Whether whoever waits long enough is served.
fn is_fair(config: &Config) -> bool {
    let timeouts = [
        config.idle_timeout,
        config.first_frame_timeout,
        config.frame_timeout,
        config.write_timeout,
        config.lifetime,
    ];
    timeouts.iter().all(Option::is_none) && config.at_limit == AtLimit::Wait
}

/// Its steps.
impl Trial {
    fn new(choices: &mut Choices<'_>) -> Self {
        let protocol = Protocol::any(choices);
        let config = config(choices);
        let mut network = SimNetwork::new(choices.byte().into());
        let pipe_len = choices.pick(&[65_536, 1, 2, 10, 1000]);
        network.set_pipe_len(pipe_len);
        network.set_call_cost(choices.pick(&[Duration::ZERO, Duration::from_micros(10)]));
        let is_fair = is_fair(&config);
        let world = protocol.world(network, config, |server| server.udp(address(1), EchoDatagrams));
        let most = MAX_SENT_LEN.min(200 * pipe_len);
        let (clients, datagrams) = (Vec::new(), BTreeMap::new());
        Self { world, protocol, most, clients, datagrams, is_fair, is_told_to_end: false }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0 | 1 if self.clients.len() < MAX_CLIENTS => {
                let peer = self.world.connect();
                self.clients.push(Client::new(peer, self.clients.len(), self.most));
            }
            0..=7 => self.act(choices),
            8 => self.break_something(choices),
            9 => self.send_datagram(choices),
            10 => self.force(choices),
            11 => self.world.turn(choices.pick(&[millis(1), millis(7), millis(100), secs(2)])),
            12 => self.world.network.jump(choices.pick(&[millis(1), millis(30), secs(1)])),
            13 if choices.chance(10) => {
                self.is_told_to_end = true;
                self.world.network.raise_signal();
            }
            _ => self.world.turn_at_once(),
        }
        self.check();
    }

    /// A client does something.
    fn act(&mut self, choices: &mut Choices<'_>) {
        if self.clients.is_empty() {
            return;
        }
        let number = choices.below(self.clients.len());
        let client = &mut self.clients[number];
        client.act(&mut self.world.network, self.protocol, choices);
    }

    /// The network is no longer as good as it was, or is again.
    fn break_something(&mut self, choices: &mut Choices<'_>) {
        let network = &mut self.world.network;
        match choices.below(6) {
            0 => network.set_faults(Faults::none()),
            1 | 2 => network.set_faults(Faults::random(choices.byte().into()).lossless()),
            3 => {
                self.is_fair = false;
                network.set_faults(Faults::random(choices.byte().into()));
            }
            4 => {
                let failures = [
                    AcceptFailure::Emfile,
                    AcceptFailure::Enobufs,
                    AcceptFailure::ConnAborted,
                    AcceptFailure::Perm,
                ];
                let failure = choices.pick(&failures);
                self.is_fair &=
                    !matches!(failure, AcceptFailure::ConnAborted | AcceptFailure::Perm);
                network.fail_accept(failure, 1 + choices.below(3));
            }
            _ => {
                self.is_fair = false;
                network.fail_adopt(1);
            }
        }
    }

    /// A call that the loop will make answers otherwise than it would have.
    fn force(&mut self, choices: &mut Choices<'_>) {
        let network = &mut self.world.network;
        let number = network.calls_made() + choices.byte() as u64 % 64;
        match choices.below(5) {
            0 => network.force(number, Forced::Short(choices.below(4))),
            1 => network.force(number, Forced::Blocked),
            2 => network.force_nothing(),
            3 => {
                let call = choices.pick(&[Call::Read, Call::Write]);
                network.force_from(number, call, Forced::Short(1 + choices.below(4)));
            }
            _ if self.clients.is_empty() => {}
            _ => {
                let client = choices.below(self.clients.len());
                self.clients[client].act_at(network, number, choices);
            }
        }
    }

    fn send_datagram(&mut self, choices: &mut Choices<'_>) {
        let from = SocketAddr::from(([198, 51, 100, 1], 9000 + u16::from(choices.byte() % 4)));
        let len = choices.below(40);
        let payload = choices.take(len);
        let network = &mut self.world.network;
        match choices.below(8) {
            // A drain closes the socket some time.
            _ if self.is_told_to_end => {}
            6 => network.block_datagrams(address(1), millis(5)),
            7 => network.fail_receive(address(1), ErrorKind::ConnectionRefused, 1),
            _ => {}
        }
        self.datagrams.entry(from).or_default().push(payload.to_vec());
        network.send_datagram(from, address(1), payload);
    }
}

/// What must hold.
impl Trial {
    /// Nobody has received what it is not owed.
    fn check(&mut self) {
        let network = &mut self.world.network;
        self.clients.iter_mut().for_each(|client| client.check_answers(network));
        for (at, sent) in &self.datagrams {
            for (from, payload) in network.take_datagrams(*at) {
                let is_answer = sent.iter().any(|sent| sent.starts_with(&payload));
                assert!(from == address(1) && is_answer, "{at} received {payload:?} of {from}");
            }
        }
    }

    /// Nothing more comes in the way; everybody sends the rest and takes what is there.
    fn come_to_rest(&mut self) {
        let network = &mut self.world.network;
        network.set_faults(Faults::none());
        network.force_nothing();
        // Instead of what was to come at a call later on.
        network.at_call(network.calls_made(), |_| {});
        self.clients.iter_mut().for_each(|client| client.finish(network));
        let end = network.clock().after(PATIENCE).expect("within the clock");
        while self.world.report.is_none() && !self.is_at_rest() {
            let left = end.since(self.world.network.clock());
            assert!(!left.is_zero(), "somebody still waits: {:?}", self.clients);
            self.world.turn(left.min(secs(1)));
            self.check();
        }
    }

    fn is_at_rest(&self) -> bool {
        self.world.open_len() == 0 && self.world.network.queue_len(address(0)) == 0
    }

    /// The loop ends, and everybody got what was due to him.
    fn end(&mut self) {
        if self.world.report.is_none() {
            self.world.network.raise_signal();
            self.world.run_to_the_end(DRAIN_TIMEOUT + secs(2));
        }
        self.world.let_pass(secs(10));
        self.check();
        let is_fair = self.is_fair && !self.is_told_to_end;
        for client in &self.clients {
            let (peer, network) = (client.peer, &self.world.network);
            let has_all = network.received(peer).len() == client.owed.len();
            let state = network.state(peer);
            if is_fair && client.is_honest() {
                assert!(has_all && state == PeerState::Finished, "{state:?}: {client:?}");
            }
        }
    }
}

pub(crate) fn engine(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let mut trial = Trial::new(choices);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() || trial.world.report.is_some() {
            break;
        }
        trial.step(choices);
    }
    trial.come_to_rest();
    trial.end();
}
