//! Many small worlds made by chance, in each of which every peer must receive what its partner
//! sent, as far as it received anything, and both must end.
//!
//! `WINDLASS_SEEDS` says how many; `WINDLASS_SEED` runs one again, by its number.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use windlass::network::{Faults, PeerState, SimNetwork, SimPeer};
use windlass::{Config, Instant};

use super::pairs::{Pairs, UPSTREAM};
use crate::fixture::{Random, address, for_each_seed, millis, number, secs};

/// What a debug build runs in about ten seconds.
const SEEDS: u64 = 400;
/// How long faults happen.
const CHAOS: Duration = Duration::from_secs(2);
/// How long the honest may take after that.
const PATIENCE: Duration = Duration::from_secs(200);

/// How a peer ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// It finishes when it has sent everything.
    WhenSent,
    /// It finishes when it has received everything.
    WhenReceived,
    /// It resets the connection when it has sent so much.
    Reset { at: usize },
}

/// One of two peers.
struct Half {
    peer: Option<SimPeer>,
    /// Sent before the two are tied: no whole frame.
    prelude_len: usize,
    bytes: Vec<u8>,
    sent_len: usize,
    portion: usize,
    every: Duration,
    next_send: Instant,
    /// How many bytes it takes at a time, and how often; none: it takes nothing for a while.
    reading: Option<(Option<usize>, Duration)>,
    resumes: Option<Instant>,
    ending: Ending,
    has_ended: bool,
}

impl Half {
    fn new(random: &mut Random, prelude: &[u8], most: usize) -> Self {
        let len = random.below(most);
        let bytes = [prelude, &random.bytes(len)].concat();
        let portion = 1 + random.below_one_of(&[3, 100, 1 + bytes.len()]);
        let portions = u32::try_from(bytes.len() / portion + 1).expect("few");
        let reading = match random.below(4) {
            0 => {
                let portion = 1 + bytes.len() / (1 + random.below(50));
                Some((Some(portion), millis(1 + random.below(30) as u64)))
            }
            1 => Some((None, random.micros_below(1_500_000))),
            _ => None,
        };
        Self {
            peer: None,
            prelude_len: prelude.len(),
            sent_len: 0,
            portion,
            every: random.pick(&[0, 1, 1, 2]) * random.micros_below(1_000_000) / portions,
            next_send: Instant::START,
            reading,
            resumes: None,
            ending: match random.below(12) {
                0 => Ending::Reset { at: random.below(bytes.len() + 1) },
                1..7 => Ending::WhenSent,
                _ => Ending::WhenReceived,
            },
            has_ended: false,
            bytes,
        }
    }

    /// It is there from now on.
    fn begin(&mut self, network: &mut SimNetwork, peer: SimPeer) {
        self.peer = Some(peer);
        match self.reading {
            None => {}
            Some((Some(portion), every)) => network.read_slowly(peer, portion, every),
            Some((None, time)) => {
                network.stall(peer);
                self.resumes = network.clock().after(time);
            }
        }
    }

    /// Does what it does at this moment, given how much it can expect, if that is known.
    fn step(&mut self, network: &mut SimNetwork, is_tied: bool, expected_len: usize) {
        let Some(peer) = self.peer else { return };
        let now = network.clock();
        if self.resumes.take_if(|when| *when <= now).is_some() {
            network.resume(peer);
        }
        let over = [PeerState::Reset, PeerState::Broken, PeerState::Refused];
        self.has_ended |= over.contains(&network.state(peer));
        if self.has_ended {
            return;
        }
        let end = if is_tied { self.bytes.len() } else { self.prelude_len };
        if self.next_send <= now && self.sent_len < end {
            let end = end.min(self.sent_len + self.portion);
            network.send_from(peer, &self.bytes[self.sent_len..end]);
            self.sent_len = end;
            self.next_send = now.after(self.every).expect("within the clock");
        }
        let has_sent = is_tied && self.sent_len == self.bytes.len();
        let received_len = network.received(peer).len();
        // Who is told that no more will come, or will ever come, has nothing to wait for.
        let has_received =
            received_len == expected_len || network.state(peer) == PeerState::Finished;
        match self.ending {
            Ending::Reset { at } if self.sent_len >= at => network.reset(peer),
            Ending::WhenSent if has_sent => network.finish(peer),
            Ending::WhenReceived if has_sent && has_received => network.finish(peer),
            _ => return,
        }
        self.has_ended = true;
    }

    fn is_over(&self, network: &SimNetwork) -> bool {
        let state = self.peer.map(|peer| network.state(peer));
        state.is_some_and(|state| ![PeerState::Connecting, PeerState::Open].contains(&state))
    }

    const fn is_honest(&self) -> bool {
        !matches!(self.ending, Ending::Reset { .. })
    }
}

/// Without the bytes.
impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, len, peer) = (self.sent_len, self.bytes.len(), self.peer);
        write!(f, "{peer:?} has sent {sent} of {len} bytes ({} early), ", self.prelude_len)?;
        write!(f, "reads {:?}, ends {:?} ({})", self.reading, self.ending, self.has_ended)
    }
}

/// Two peers whose connections are tied at some time.
#[derive(Debug)]
struct Couple {
    halves: [Half; 2],
    ties: Instant,
    is_asked_for: bool,
    is_tied: bool,
    /// The second is one that the loop connects to.
    is_upstream: bool,
    /// When the loop is told to close or abort the first.
    command: Option<(Instant, bool)>,
    is_interfered_with: bool,
}

struct Swarm {
    pairs: Pairs,
    couples: Vec<Couple>,
    is_lossless: bool,
    /// More is never held.
    most_held: usize,
}

fn any_config(random: &mut Random) -> Config {
    let low_watermark = random.pick(&[0, 10, 100, 1000, 16_384]);
    let high_watermark = low_watermark + random.pick(&[1, 10, 1000, 65_536]);
    Config {
        read_buffer_len: random.pick(&[1, 2, 7, 64, 256, 4096, 65_536]),
        low_watermark,
        high_watermark,
        write_limit: high_watermark + random.pick(&[0, 1, 10_000]),
        read_budget: random.pick(&[1, 5, 100, 4096, 262_144]),
        write_budget: random.pick(&[1, 10, 1000, 1 << 20]),
        command_budget: random.pick(&[1, 100]),
        timer_budget: random.pick(&[1, 1024]),
        max_connections: Some(8),
        max_outbound: 4,
        ..Config::default()
    }
}

impl Couple {
    fn new(random: &mut Random, most: usize, is_upstream: bool) -> Self {
        let early = |random: &mut Random| Instant::START.after(random.micros_below(300_000));
        let line = vec![b'l'; random.below_one_of(&[1, 10, 1000])];
        let frame = [&5000_u32.to_be_bytes(), vec![b'p'; random.below(1000)].as_slice()].concat();
        let frame_len = if is_upstream { 0 } else { random.below(frame.len()) };
        Self {
            halves: [Half::new(random, &line, most), Half::new(random, &frame[..frame_len], most)],
            ties: early(random).expect("early"),
            is_asked_for: false,
            is_tied: false,
            is_interfered_with: false,
            is_upstream,
            command: random.chance(10).then(|| {
                let when = Instant::START.after(random.micros_below(1_500_000)).expect("early");
                (when, random.chance(50))
            }),
        }
    }

    /// Whether both are to receive everything.
    fn is_honest(&self) -> bool {
        !self.is_interfered_with && self.halves.iter().all(Half::is_honest)
    }

    fn step(&mut self, pairs: &mut Pairs) {
        let now = pairs.world.network.clock();
        // Until then it would be frames that are sent.
        self.is_tied |= self.is_asked_for && pairs.world.reactor.metrics().commands_waiting == 0;
        self.meet(pairs, now);
        let [one, other] = &mut self.halves;
        let lens = [one.bytes.len(), other.bytes.len()];
        one.step(&mut pairs.world.network, self.is_tied, lens[1]);
        other.step(&mut pairs.world.network, self.is_tied, lens[0]);
        if self.is_tied
            && let Some((_, is_abort)) = self.command.take_if(|(when, _)| *when <= now)
            && let Some(id) = one.peer.and_then(|peer| pairs.id_of(peer))
        {
            self.is_interfered_with = true;
            // One that has closed meanwhile is an error, and none that matters.
            let mut commands = pairs.world.reactor.commands();
            let _ = if is_abort { commands.abort(id) } else { commands.close(id) };
        }
    }

    /// They come, and are tied.
    fn meet(&mut self, pairs: &mut Pairs, now: Instant) {
        let [one, other] = &mut self.halves;
        if one.peer.is_none() {
            let peer = pairs.world.network.connect_to(address(0));
            one.begin(&mut pairs.world.network, peer);
        }
        if other.peer.is_none() {
            let peer = match self.is_upstream {
                true => pairs.world.network.accepted(SocketAddr::from(UPSTREAM)),
                false => Some(pairs.world.network.connect_to(address(1))),
            };
            if let Some(peer) = peer {
                other.begin(&mut pairs.world.network, peer);
            }
        }
        if self.is_asked_for || now < self.ties {
            return;
        }
        let id = |half: &Half| half.peer.and_then(|peer| pairs.id_of(peer));
        let (ids, mut are_left) = ([id(one), id(other)], false);
        match ids {
            [Some(_), _] if self.is_upstream => {
                pairs.tie_to_upstream(one.peer.expect("it has an id"));
            }
            [Some(one), Some(other)] => {
                // One that is known to be gone already leaves the other to itself.
                are_left = pairs.world.reactor.commands().tie(one, other).is_err();
            }
            // One that was never let in does so too.
            _ => {
                let network = &pairs.world.network;
                let is_settled = |id: Option<_>, half: &Half| id.is_some() || half.is_over(network);
                let is_other_settled = self.is_upstream || is_settled(ids[1], other);
                if !is_settled(ids[0], one) || !is_other_settled {
                    return;
                }
                are_left = true;
            }
        }
        self.is_asked_for = true;
        for id in ids.into_iter().flatten().filter(|_| are_left) {
            let _ = pairs.world.reactor.commands().close(id);
        }
    }

    /// Nobody has received a byte that its partner did not send.
    fn check(&self, network: &SimNetwork) {
        for (from, to) in [(0, 1), (1, 0)] {
            let [from, to] = [&self.halves[from], &self.halves[to]];
            let received = to.peer.map_or(&[][..], |peer| network.received(peer));
            assert!(from.bytes.starts_with(received), "{:?} received foreign bytes", to.peer);
            assert!(received.len() <= from.sent_len);
        }
    }

    /// Everybody got what was due to it, or was told that it did not.
    fn check_end(&self, pairs: &Pairs, is_lossless: bool) {
        let [one, other] = &self.halves;
        for (from, to) in [(one, other), (other, one)] {
            let Some(peer) = to.peer else { continue };
            let network = &pairs.world.network;
            let (state, reason) = (network.state(peer), pairs.world.reason(peer));
            let has_all = network.received(peer) == from.bytes;
            let how = || format!("{peer:?} is {state:?}, closed for {reason:?}");
            if is_lossless && self.is_honest() {
                assert!(has_all, "bytes are missing: {}", how());
                assert_eq!(state, PeerState::Finished, "{}", how());
                assert_eq!(reason, Some("peer finished"), "{}", how());
                let lens = [to, from].map(|half| half.bytes.len() as u64);
                assert_eq!(pairs.counts(peer), (lens[0], lens[1], 0), "{}", how());
            }
            // Who is closed by command after his end, is closed for that.
            let is_clean = reason == Some("peer finished") && state == PeerState::Finished;
            if is_clean && to.is_honest() && !self.is_interfered_with {
                assert!(has_all, "the end came too early: {}", how());
            }
            let known = ["peer finished", "reset", "closed", "aborted", "partner gone"];
            assert!(reason.is_none_or(|reason| known.contains(&reason)), "{}", how());
        }
    }
}

impl Swarm {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let config = any_config(&mut random);
        let mut network = SimNetwork::new(seed);
        let pipe_len = random.pick(&[1, 2, 10, 100, 1000, 65_536]);
        network.set_pipe_len(pipe_len);
        network.delay_connects(SocketAddr::from(UPSTREAM), random.micros_below(1_000_000));
        let is_lossless = random.chance(60);
        let faults = Faults::random(seed);
        network.set_faults(if is_lossless { faults.lossless() } else { faults });
        // Much takes long where little fits.
        let most = random.pick(&[50, 500, 4000]).min(200 * pipe_len);
        // With several, nobody could tell whose the connections are that have come.
        let has_upstream = random.chance(50);
        let couples: Vec<_> = (0..1 + random.below(4))
            .map(|at| Couple::new(&mut random, most, at == 0 && has_upstream))
            .collect();
        let each = 2 * (config.high_watermark + config.read_buffer_len) + 8192;
        let most_held = 2 * couples.len() * each;
        let pairs = Pairs::on(network, config);
        if random.chance(50) {
            pairs.pause_at_first();
        }
        Self { pairs, couples, is_lossless, most_held }
    }

    fn run(&mut self, end: Instant) {
        while self.pairs.world.network.clock() < end && !self.is_done() {
            self.couples.iter_mut().for_each(|couple| couple.step(&mut self.pairs));
            let left = end.since(self.pairs.world.network.clock());
            // Peers act by the clock, which no event of the loop tells.
            self.pairs.world.turn(left.min(millis(5)));
            self.couples.iter().for_each(|couple| couple.check(&self.pairs.world.network));
            let held_len = self.pairs.world.reactor.held_len();
            assert!(held_len <= self.most_held, "{held_len} bytes are held");
        }
    }

    fn is_done(&self) -> bool {
        let is_done = |couple: &Couple| {
            couple.is_tied && couple.halves.iter().all(|half| half.resumes.is_none())
        };
        self.couples.iter().all(is_done) && self.pairs.world.open_len() == 0
    }
}

/// Runs the world of this seed, and says what its trace came to.
fn run(seed: u64) -> u64 {
    let mut swarm = Swarm::new(seed);
    swarm.run(Instant::START.after(CHAOS).expect("early"));
    swarm.pairs.world.network.set_faults(Faults::none());
    let end = swarm.pairs.world.network.clock().after(PATIENCE).expect("within the clock");
    swarm.run(end);
    assert!(swarm.is_done(), "somebody is left: {:#?}", swarm.couples);
    assert_eq!(swarm.pairs.world.reactor.held_len(), 0);
    // Who takes little at a time has what is in his pipe before him.
    swarm.pairs.world.let_pass(secs(200));
    for couple in &swarm.couples {
        couple.check(&swarm.pairs.world.network);
        couple.check_end(&swarm.pairs, swarm.is_lossless);
    }
    let trace = swarm.pairs.world.network.trace_hash();
    swarm.pairs.finish();
    trace
}

#[test]
fn every_pair_gets_all_or_a_clear_end_in_any_world() {
    for_each_seed(number("WINDLASS_SEEDS").unwrap_or(SEEDS), |seed| {
        let trace = run(seed);
        if seed % 100 == 0 || number("WINDLASS_SEED").is_some() {
            assert_eq!(run(seed), trace, "the same seed gives the same trace");
        }
    });
}
