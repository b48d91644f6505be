//! What a world of the swarm is made of: all of it follows from the seed, and each part can be left
//! out.

use std::time::Duration;

use bytes::Bytes;
use windlass::network::Faults;
use windlass::{AtLimit, Config, Instant};

use super::clients::MAX_PAYLOAD_LEN;
use crate::proof::fixture::{Random, at_most, millis};
use crate::proof::shrink::Parts;

/// The numbers of the parts: the faults first, then these, then the clients.
const FAULTS: usize = 0;
const CONFIG: usize = 100;
const UDP: usize = 200;
const SIGNAL: usize = 201;
const STANDSTILLS: usize = 202;
const CALL_COST: usize = 203;
const LAYERS: usize = 204;
const SMALL_PIPES: usize = 205;
const CLIENTS: usize = 1000;

/// More clients than any world comes to.
pub(super) const MAX_CLIENTS: usize = 400;

/// What a listener serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Raw,
    Lines,
    ByteLines,
    Delimited,
    Fixed,
    LengthPrefixed,
    Varint,
    /// Whatever comes is passed on to another server, which sends it back.
    Proxy,
}

impl Protocol {
    const ALL: [Self; 8] = [
        Self::Raw,
        Self::Lines,
        Self::ByteLines,
        Self::Delimited,
        Self::Fixed,
        Self::LengthPrefixed,
        Self::Varint,
        Self::Proxy,
    ];

    /// Whether a frame can be any text.
    pub(super) const fn has_words(self) -> bool {
        !matches!(self, Self::Raw | Self::Fixed | Self::Proxy)
    }
}

/// A world, before it is built.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    without: Parts,
    pub(super) config: Config,
    pub(super) faults: Faults,
    /// Whether no fault costs a connection.
    pub(super) is_lossless: bool,
    pub(super) pipe_len: usize,
    pub(super) protocols: Vec<Protocol>,
    /// How many bytes a client sends at most.
    pub(super) most: usize,
    pub(super) has_udp: bool,
    /// Whether layers look at the frames.
    pub(super) has_layers: bool,
    /// When the loop is told to end, if it is before everybody is served.
    pub(super) signal: Option<Instant>,
    /// How often in a hundred turns the process stands still for a while.
    pub(super) standstills: usize,
    pub(super) call_cost: Duration,
}

impl Plan {
    /// The plan of this seed, but for the parts that are to be left out.
    pub(super) fn new(seed: u64, without: &Parts) -> Self {
        let mut random = Random::new(seed);
        let is_lossless = random.chance(60);
        let faults = Faults::random(seed);
        let pipe_len = random.pick(&[1, 2, 10, 100, 1000, 65_536]);
        let is_slow = pipe_len < 10;
        let early = Instant::START.after(random.micros_below(2_000_000));
        let mut plan = Self {
            seed,
            without: without.clone(),
            is_lossless,
            faults: if is_lossless { faults.lossless() } else { faults },
            pipe_len,
            protocols: (0..1 + random.below(3)).map(|_| random.pick(&Protocol::ALL)).collect(),
            // Much takes long where little fits.
            most: if is_slow { 200 * pipe_len } else { random.pick(&[50, 500, 4000]) },
            has_udp: random.chance(40),
            has_layers: random.chance(40),
            signal: early.filter(|_| random.chance(20)),
            standstills: if random.chance(20) { 1 + random.below(5) } else { 0 },
            call_cost: random.pick(&[0, 0, 0, 0, 1, 100]) * Duration::from_nanos(100),
            config: Config::default(),
        };
        plan.config = plan.any_config(&mut random);
        plan.leave_out();
        plan
    }

    /// All parts that a world can have.
    pub(super) fn parts() -> Vec<usize> {
        let faults = (0..fault_rates(&mut Faults::none()).len()).map(|fault| FAULTS + fault);
        let config = (0..CONFIG_PARTS.len()).map(|part| CONFIG + part);
        let clients = CLIENTS..CLIENTS + MAX_CLIENTS;
        clients.chain(faults).chain(config).chain(UDP..=SMALL_PIPES).collect()
    }

    /// Whether the client of this number comes.
    pub(super) fn has_client(&self, number: usize) -> bool {
        !self.without.contains(&(CLIENTS + number))
    }

    /// Where chance for the client of this number begins, whoever else comes.
    pub(super) const fn client_seed(&self, number: usize) -> u64 {
        self.seed.wrapping_mul(1000).wrapping_add(number as u64)
    }

    /// Whether whoever is honest is served whatever else happens.
    pub(super) fn is_fair(&self) -> bool {
        self.is_lossless
            && self.config.at_limit == AtLimit::Wait
            && self.signal.is_none()
            && self.timeouts().is_empty()
            && self.config.memory_budget >= 1 << 20
    }

    /// The reasons for which a connection may be closed in this world that nobody asked for.
    pub(super) fn excuses(&self) -> Vec<&'static str> {
        let mut excuses = self.timeouts();
        let may = [
            (!self.is_lossless, "reset"),
            (self.config.at_limit == AtLimit::EvictIdle, "evicted"),
            (self.config.memory_budget < 1 << 20, "memory budget"),
            (self.signal.is_some(), "drained"),
            (self.signal.is_some(), "drain timeout"),
        ];
        excuses.extend(may.into_iter().filter(|(may_be, _)| *may_be).map(|(_, reason)| reason));
        excuses
    }

    /// The timeouts that may pass in the time a world takes.
    fn timeouts(&self) -> Vec<&'static str> {
        let Config { idle_timeout, first_frame_timeout, frame_timeout, .. } = self.config;
        let Config { write_timeout, lifetime, .. } = self.config;
        [
            (idle_timeout, "idle timeout"),
            (first_frame_timeout, "first frame timeout"),
            (frame_timeout, "frame timeout"),
            (write_timeout, "write timeout"),
            (lifetime, "lifetime over"),
        ]
        .into_iter()
        .filter(|(timeout, _)| timeout.is_some())
        .map(|(_, reason)| reason)
        .collect()
    }

    fn any_config(&self, random: &mut Random) -> Config {
        let low_watermark = random.pick(&[0, 10, 100, 1000, 16_384]);
        let high_watermark = low_watermark + random.pick(&[1, 10, 1000, 65_536]);
        let is_timed = random.chance(15);
        let timeout = |random: &mut Random| {
            let wait = millis(20) + random.micros_below(1_000_000);
            (is_timed && random.chance(50)).then_some(wait)
        };
        Config {
            at_limit: match random.below(10) {
                0 => AtLimit::Refuse(Bytes::new()),
                1 => AtLimit::EvictIdle,
                _ => AtLimit::Wait,
            },
            max_outbound: 200,
            read_buffer_len: random.pick(&[1, 2, 3, 7, 16, 64, 256, 4096, 65_536]),
            low_watermark,
            high_watermark,
            // What waits, the answer to one frame, and what others have for everybody.
            write_limit: high_watermark + 2 * MAX_PAYLOAD_LEN + (1 << 16),
            memory_budget: if random.chance(5) { 1 << 19 } else { 1 << 24 },
            read_budget: random.pick(&[1, 5, 100, 4096, 262_144]),
            frame_budget: random.pick(&[1, 2, 50, 1024]),
            write_budget: random.pick(&[1, 10, 1000, 1 << 20]),
            accept_budget: random.pick(&[1, 2, 64]),
            timer_budget: random.pick(&[1, 2, 1024]),
            command_budget: random.pick(&[1, 3, 1024]),
            datagram_budget: random.pick(&[1, 4, 256]),
            datagram_batch: random.pick(&[1, 3, 64]),
            max_datagram_len: 2000,
            idle_timeout: timeout(random),
            first_frame_timeout: timeout(random),
            frame_timeout: timeout(random),
            write_timeout: timeout(random),
            lifetime: timeout(random),
            ..at_most(random.pick(&[1, 2, 3, 100]))
        }
    }

    /// Makes plain what is to be left out.
    fn leave_out(&mut self) {
        for (number, rate) in fault_rates(&mut self.faults).into_iter().enumerate() {
            if self.without.contains(&(FAULTS + number)) {
                *rate = 0;
            }
        }
        let plain = Self { config: timeless_default(&self.config), ..self.clone() };
        for (number, part) in CONFIG_PARTS.iter().enumerate() {
            if self.without.contains(&(CONFIG + number)) {
                part(&mut self.config, &plain.config);
            }
        }
        let is_out = |part| plain.without.contains(&part);
        self.has_udp &= !is_out(UDP);
        self.has_layers &= !is_out(LAYERS);
        self.signal.take_if(|_| is_out(SIGNAL));
        self.standstills *= usize::from(!is_out(STANDSTILLS));
        self.call_cost *= u32::from(!is_out(CALL_COST));
        if is_out(SMALL_PIPES) {
            self.pipe_len = 65_536;
        }
    }
}

/// The defaults, without deadlines, and with the limits that others depend on.
fn timeless_default(of: &Config) -> Config {
    Config {
        max_connections: of.max_connections,
        max_outbound: of.max_outbound,
        idle_timeout: None,
        first_frame_timeout: None,
        frame_timeout: None,
        write_timeout: None,
        lifetime: None,
        ..Config::default()
    }
}

/// Parts of the configuration: each makes one like that of the other.
const CONFIG_PARTS: [fn(&mut Config, &Config); 12] = [
    |config, plain| config.at_limit = plain.at_limit.clone(),
    |config, plain| config.read_buffer_len = plain.read_buffer_len,
    |config, plain| {
        config.low_watermark = plain.low_watermark;
        config.high_watermark = plain.high_watermark;
        config.write_limit = plain.write_limit;
    },
    |config, plain| config.memory_budget = plain.memory_budget,
    |config, plain| config.read_budget = plain.read_budget,
    |config, plain| config.frame_budget = plain.frame_budget,
    |config, plain| config.write_budget = plain.write_budget,
    |config, plain| config.accept_budget = plain.accept_budget,
    |config, plain| config.timer_budget = plain.timer_budget,
    |config, plain| config.command_budget = plain.command_budget,
    |config, plain| {
        config.datagram_budget = plain.datagram_budget;
        config.datagram_batch = plain.datagram_batch;
    },
    |config, plain| {
        config.idle_timeout = plain.idle_timeout;
        config.first_frame_timeout = plain.first_frame_timeout;
        config.frame_timeout = plain.frame_timeout;
        config.write_timeout = plain.write_timeout;
        config.lifetime = plain.lifetime;
    },
];

fn fault_rates(faults: &mut Faults) -> [&mut u16; 22] {
    [
        &mut faults.partial_read,
        &mut faults.partial_write,
        &mut faults.blocked_read,
        &mut faults.blocked_write,
        &mut faults.spurious_event,
        &mut faults.delayed_event,
        &mut faults.merged_event,
        &mut faults.split_event,
        &mut faults.late_timeout,
        &mut faults.interrupted_poll,
        &mut faults.reset,
        &mut faults.exhausted_accept,
        &mut faults.aborted_accept,
        &mut faults.gone_at_accept,
        &mut faults.failed_adopt,
        &mut faults.failed_connect,
        &mut faults.lost_datagram,
        &mut faults.doubled_datagram,
        &mut faults.reordered_datagram,
        &mut faults.truncated_datagram,
        &mut faults.refused_datagram,
        &mut faults.joined_datagram,
    ]
}
