//! Many worlds made by chance, in each of which every peer must get what it is owed.
//!
//! First anything may happen; then the faults stop, and whoever is honest must be served. Of every
//! hundredth world it is seen that it takes the same course again. A world that fails is made
//! smaller, and told by one line.
//!
//! `WINDLASS_SEEDS` says how many; `WINDLASS_SEED` runs one again, by its number, and
//! `WINDLASS_WITHOUT` leaves parts of it out.

mod clients;
mod datagrams;
mod plan;
mod server;
mod upstream;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use windlass::Instant;
use windlass::network::{Faults, PeerState, SimPeer};

use self::clients::{Client, Last};
use self::datagrams::Senders;
use self::plan::{MAX_CLIENTS, Plan};
use self::server::world_of;
use self::upstream::Upstream;
use super::fixture::{Random, Replay, World, address, for_each_seed_in_parallel};
use super::fixture::{millis, number, quietly, secs};
use super::shrink::{Parts, from_ranges, needless_parts, to_ranges};

/// A debug build is much slower.
const SEEDS: u64 = if cfg!(debug_assertions) { 150 } else { 60_000 };
/// How many calls of the network a world takes at least, unless it is told to end.
const CALLS: u64 = 2000;
/// How long faults happen to those who came at the same time, at most.
const WAVE: Duration = Duration::from_secs(2);
/// How long the honest may wait after that, one after the other through a single slot.
const PATIENCE: Duration = Duration::from_secs(600);

/// One world of the swarm.
struct Swarm {
    plan: Plan,
    /// When the loop is yet to be told to end, if it is before everybody is served.
    signal: Option<Instant>,
    random: Random,
    world: World,
    /// How many things were told to all.
    told: Rc<Cell<u32>>,
    clients: Vec<Client>,
    /// The number that the next client has.
    next_client: usize,
    upstream: Upstream,
    senders: Option<Senders>,
}

impl Swarm {
    fn new(plan: Plan) -> Self {
        let (world, told) = world_of(&plan);
        let senders = plan.has_udp.then(|| Senders::new(plan.seed, &plan.faults));
        Self {
            random: Random::new(plan.seed ^ 0x5a),
            signal: plan.signal,
            plan,
            world,
            told,
            clients: Vec::new(),
            next_client: 0,
            upstream: Upstream::default(),
            senders,
        }
    }

    /// The whole course of it; says what its trace came to.
    fn run(&mut self) -> u64 {
        while self.world.network.calls_made() < CALLS && self.next_client < MAX_CLIENTS {
            self.add_clients();
            let end = self.world.network.clock().after(WAVE).expect("within the clock");
            self.run_until(end);
            if self.world.report.is_some() {
                break;
            }
        }
        self.world.network.set_faults(Faults::none());
        let end = self.world.network.clock().after(PATIENCE).expect("within the clock");
        self.run_until(end);
        if self.world.report.is_none() {
            assert!(self.is_done(), "I11: somebody still waits: {:#?}", self.waiting());
            // Or it drains already.
            if self.plan.signal.is_none() {
                self.send_last_datagrams();
                self.world.network.raise_signal();
            }
            self.world.run_to_the_end(secs(31));
        }
        self.world.let_pass(secs(10));
        self.check_answers();
        self.check_end();
        self.world.network.trace_hash()
    }

    /// A few more come.
    fn add_clients(&mut self) {
        let now = self.world.network.clock();
        for _ in 0..1 + self.random.below(12) {
            if self.plan.has_client(self.next_client) {
                self.clients.push(Client::new(&self.plan, self.next_client, now));
            }
            self.next_client += 1;
        }
    }

    /// Steps until `end`, or until everybody is done.
    fn run_until(&mut self, end: Instant) {
        while self.world.network.clock() < end && self.world.report.is_none() && !self.is_done() {
            self.step(end);
        }
    }

    fn step(&mut self, end: Instant) {
        let now = self.world.network.clock();
        if self.signal.take_if(|when| *when <= now).is_some() {
            self.world.network.raise_signal();
        }
        let network = &mut self.world.network;
        self.clients.iter_mut().for_each(|client| client.step(network));
        self.upstream.step(network);
        self.senders.iter_mut().for_each(|senders| senders.step(network));
        if self.plan.standstills > 0 && self.random.chance(self.plan.standstills) {
            network.jump(self.random.micros_below(50_000));
        }
        let times = self.clients.iter().filter_map(Client::next_time);
        let next = times.chain(self.signal).min().unwrap_or(end).min(end);
        // Peers act on what they receive, which no event of the loop tells.
        let wait = next.since(now).min(millis(20));
        self.world.turn(wait);
        self.check_answers();
    }

    /// When nothing is lost any more and nothing is late, every datagram is answered.
    fn send_last_datagrams(&mut self) {
        self.world.run_for(secs(1));
        let Some(mut senders) = self.senders.take() else { return };
        senders.send_last(&mut self.world.network);
        for _ in 0..1000 {
            self.world.turn(millis(1));
            senders.look(&mut self.world.network);
            if senders.have_all() {
                break;
            }
        }
        senders.check_end();
    }

    fn is_done(&self) -> bool {
        self.signal.is_none()
            && self.clients.iter().all(Client::is_done)
            && self.world.open_len() == 0
            && (0..)
                .zip(&self.plan.protocols)
                .all(|(listener, _)| self.world.network.queue_len(address(listener)) == 0)
    }

    fn waiting(&self) -> Vec<&Client> {
        self.clients.iter().filter(|client| !client.is_done()).collect()
    }

    /// Nobody has received a byte that it is not owed.
    fn check_answers(&mut self) {
        let told = self.told.get();
        for client in &mut self.clients {
            client.check_answers(&self.world.network, told);
        }
    }

    /// Everybody got what was due to it, or the handler knows why not.
    fn check_end(&self) {
        let entries = self.world.entries();
        let closes = entries.iter().filter_map(|entry| Some((entry.peer, entry.what.reason()?)));
        let reasons: BTreeMap<SocketAddr, &'static str> = closes.collect();
        let excuses = self.plan.excuses();
        for client in &self.clients {
            let Some(peer) = client.peer else { continue };
            let reason = reasons.get(&self.world.network.address(peer)).copied();
            self.check_client(client, peer, reason, &excuses);
        }
    }

    fn check_client(&self, client: &Client, peer: SimPeer, reason: Option<&str>, excuses: &[&str]) {
        let state = self.world.network.state(peer);
        let how = || format!("{state:?}, closed for {reason:?}: {client:?}");
        match reason {
            Some("peer finished") if client.is_honest() && state == PeerState::Finished => {
                assert!(client.has_all(), "I8: an answer is missing: {}", how());
            }
            Some("peer finished") | None => {}
            Some("malformed frame") if client.last == Last::Malformed => {}
            Some("closed") if client.last == Last::Quit => {}
            Some("closed" | "partner gone") if client.is_passed_on() => {}
            Some("handler panicked") if client.last == Last::Panic => {}
            Some("reset") if client.breaks_off() => {}
            Some(reason) => assert!(excuses.contains(&reason), "I4: no reason: {}", how()),
        }
        // Whoever goes on sending after the server has closed may be reset in the end.
        let is_reset = client.last != Last::Nothing && state == PeerState::Reset;
        if self.plan.is_fair() && client.is_honest() && !is_reset {
            assert!(client.has_all(), "I11: an answer is missing: {}", how());
            assert_eq!(state, PeerState::Finished, "I11: {}", how());
        }
    }
}

/// Runs the world of this seed, and says what its trace came to.
pub(super) fn run(seed: u64) -> u64 {
    run_without(seed, &Parts::new())
}

fn run_without(seed: u64, without: &Parts) -> u64 {
    Swarm::new(Plan::new(seed, without)).run()
}

/// Makes the world of this seed smaller, which fails like this, and runs what is left of it for all
/// to see.
fn fail_small(seed: u64, failure: &str) -> ! {
    let is_same = |other: &str| other.split(':').next() == failure.split(':').next();
    let fails =
        |without: &Parts| quietly(|| run_without(seed, without)).is_err_and(|e| is_same(&e));
    let without = needless_parts(&Plan::parts(), fails);
    let _replay = Replay(format!(
        "WINDLASS_SEED={seed} WINDLASS_WITHOUT={} cargo test --lib proof::swarm",
        to_ranges(&without)
    ));
    fail_again(seed, &without, failure)
}

/// Runs a world again that has failed like this, for all to see.
fn fail_again(seed: u64, without: &Parts, failure: &str) -> ! {
    run_without(seed, without);
    panic!("seed {seed} does not take the same course again, in which it has failed: {failure}");
}

#[test]
fn every_peer_gets_what_it_is_owed_in_any_world() {
    let text = std::env::var("WINDLASS_WITHOUT").unwrap_or_default();
    let without = from_ranges(&text).expect("WINDLASS_WITHOUT is a list of numbers and ranges");
    let seeds = number("WINDLASS_SEEDS").unwrap_or(SEEDS);
    for_each_seed_in_parallel(seeds, |seed| match quietly(|| run_without(seed, &without)) {
        Ok(trace) if seed % 100 == 0 || number("WINDLASS_SEED").is_some() => {
            let again = run_without(seed, &without);
            assert_eq!(again, trace, "the same seed gives the same trace");
        }
        Ok(_) => {}
        Err(failure) if without.is_empty() => fail_small(seed, &failure),
        Err(failure) => fail_again(seed, &without, &failure),
    });
}
