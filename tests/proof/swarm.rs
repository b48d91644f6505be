//! Many small worlds made by chance, in each of which every peer must get what it is owed.
//!
//! `WINDLASS_SEEDS` says how many; `WINDLASS_SEED` runs one again, by its number.

mod clients;

use std::time::Duration;

use bytes::Bytes;
use windlass::network::{Faults, PeerState, SimNetwork};
use windlass::{AtLimit, Config, Instant, LengthPrefixed, Lines, Raw};

use self::clients::{Client, MAX_PAYLOAD_LEN, Protocol};
use super::fixture::{
    Framing, Random, Scripted, World, address, echo, for_each_seed, millis, number, secs,
};

/// What a debug build runs in about ten seconds.
const SEEDS: u64 = 600;
/// How long faults happen.
const CHAOS: Duration = Duration::from_secs(2);
/// How long the honest may wait after that, one after the other through a single slot.
const PATIENCE: Duration = Duration::from_secs(120);

/// One world of the swarm.
struct Swarm {
    world: World,
    clients: Vec<Client>,
    /// Whether whoever is honest is served whatever else happens.
    is_fair: bool,
    /// When the loop is told to end, if it is before everybody is served.
    signal: Option<Instant>,
}

fn any_config(random: &mut Random) -> Config {
    let low_watermark = random.pick(&[0, 10, 100, 1000, 16_384]);
    let high_watermark = low_watermark + random.pick(&[1, 10, 1000, 65_536]);
    Config {
        max_connections: Some(random.pick(&[1, 2, 3, 100])),
        at_limit: match random.below(10) {
            0 => AtLimit::Refuse(Bytes::new()),
            1 => AtLimit::EvictIdle,
            _ => AtLimit::Wait,
        },
        read_buffer_len: random.pick(&[1, 2, 3, 7, 16, 64, 256, 4096, 65_536]),
        low_watermark,
        high_watermark,
        // What waits and the answer to one frame.
        write_limit: high_watermark + 2 * MAX_PAYLOAD_LEN,
        memory_budget: 1 << 20,
        read_budget: random.pick(&[1, 5, 100, 4096, 262_144]),
        frame_budget: random.pick(&[1, 2, 50, 1024]),
        write_budget: random.pick(&[1, 10, 1000, 1 << 20]),
        accept_budget: random.pick(&[1, 2, 64]),
        timer_budget: random.pick(&[1, 2, 1024]),
        ..Config::default()
    }
}

impl Swarm {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let protocol = random.pick(&[Protocol::Raw, Protocol::Lines, Protocol::LengthPrefixed]);
        let config = any_config(&mut random);
        let mut network = SimNetwork::new(seed);
        let pipe_len = random.pick(&[1, 2, 10, 100, 1000, 65_536]);
        network.set_pipe_len(pipe_len);
        let faults = Faults::random(seed);
        let is_lossless = random.chance(60);
        network.set_faults(if is_lossless { faults.lossless() } else { faults });
        // Much takes long where little fits.
        let most = random.pick(&[50, 500, 4000]).min(200 * pipe_len);
        let clients: Vec<Client> =
            (0..1 + random.below(12)).map(|_| Client::new(&mut random, protocol, most)).collect();
        let is_early = random.chance(20);
        let early = Instant::START.after(random.micros_below(2_000_000));
        let is_fair = is_lossless && config.at_limit == AtLimit::Wait && !is_early;
        let world = match protocol {
            Protocol::Raw => world_on(network, config, Raw),
            Protocol::Lines => world_on(network, config, Lines::default()),
            Protocol::LengthPrefixed => {
                let codec = LengthPrefixed::default().max_len(MAX_PAYLOAD_LEN);
                world_on(network, config, codec)
            }
        };
        Self { world, clients, is_fair, signal: early.filter(|_| is_early) }
    }

    /// Steps until `end`, or until everybody is done.
    fn run(&mut self, end: Instant) {
        while self.world.network.clock() < end && self.world.report.is_none() && !self.is_done() {
            let now = self.world.network.clock();
            if self.signal.take_if(|when| *when <= now).is_some() {
                self.world.network.raise_signal();
            }
            self.clients.iter_mut().for_each(|client| client.step(&mut self.world.network));
            let times = self.clients.iter().filter_map(Client::next_time);
            let next = times.chain(self.signal).min().unwrap_or(end).min(end);
            // Peers act on what they receive, which no event of the loop tells.
            let wait = next.since(now).min(millis(20));
            self.world.turn(wait);
            self.check_answers();
        }
    }

    fn is_done(&self) -> bool {
        self.signal.is_none()
            && self.clients.iter().all(Client::is_done)
            && self.world.open_len() == 0
            && self.world.network.queue_len(address(0)) == 0
    }

    /// Nobody has received a byte that it is not owed.
    fn check_answers(&mut self) {
        for client in &mut self.clients {
            client.check_answers(&self.world.network);
        }
    }

    /// Everybody got what was due to it, or the handler knows why not.
    fn check_end(&self) {
        for client in &self.clients {
            let Some(peer) = client.peer else { continue };
            let has_all = self.world.network.received(peer).len() == client.owed.len();
            let state = self.world.network.state(peer);
            let reason = self.world.reason(peer);
            let how = || format!("{peer:?} is {state:?}, closed for {reason:?}: {client:?}");
            match reason {
                Some("peer finished") if client.is_honest() && state == PeerState::Finished => {
                    assert!(has_all, "an answer is missing: {}", how());
                }
                Some("malformed frame") => assert!(client.is_malformed, "{}", how()),
                Some("peer finished" | "reset" | "evicted" | "drained") | None => {}
                Some("stopped" | "drain timeout") => assert!(!self.is_fair, "{}", how()),
                Some(_) => panic!("no reason to close: {}", how()),
            }
            // Whoever goes on sending after a malformed frame may be reset in the end.
            let is_reset = state == PeerState::Reset;
            if self.is_fair && client.is_honest() && !(client.is_malformed && is_reset) {
                assert!(has_all, "an answer is missing: {}", how());
                assert_eq!(state, PeerState::Finished, "{}", how());
            }
        }
    }
}

/// A world whose server sends back every frame. Frames are not written down: there are too many.
fn world_on<C: Framing>(network: SimNetwork, config: Config, codec: C) -> World {
    World::on(network, config, codec, Scripted::new(echo).without_frames())
}

/// Runs the world of this seed, and says what its trace came to.
pub(super) fn run(seed: u64) -> u64 {
    let mut swarm = Swarm::new(seed);
    swarm.run(Instant::START.after(CHAOS).expect("early"));
    swarm.world.network.set_faults(Faults::none());
    let end = swarm.world.network.clock().after(PATIENCE).expect("within the clock");
    swarm.run(end);
    if swarm.world.report.is_none() {
        assert!(swarm.is_done(), "somebody still waits: {:#?}", swarm.clients);
        swarm.world.network.raise_signal();
        swarm.world.run_to_the_end(secs(31));
    }
    swarm.world.let_pass(secs(10));
    swarm.check_answers();
    swarm.check_end();
    swarm.world.network.trace_hash()
}

#[test]
fn every_peer_gets_what_it_is_owed_in_any_world() {
    for_each_seed(number("WINDLASS_SEEDS").unwrap_or(SEEDS), |seed| {
        let trace = run(seed);
        if seed % 100 == 0 || number("WINDLASS_SEED").is_some() {
            assert_eq!(run(seed), trace, "the same seed gives the same trace");
        }
    });
}
