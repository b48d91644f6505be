//! Crowds that come and go: tables grow, are given back and grow again, and nobody is mistaken for
//! another.

use windlass::network::{Faults, SimNetwork, SimPeer};
use windlass::{Config, ConnectionId, Lines};

use crate::fixture::{
    Random, Scripted, World, at_most, echo, for_each_seed, millis, secs, timeless,
};

/// How many crowds come one after the other, and how many seeds there are.
const CROWDS: usize = 5;
const SEEDS: u64 = 6;
/// Around the number of slots from which on tables are given back, and far from it.
const SIZES: [usize; 6] = [3, 700, 1023, 1024, 1025, 1600];

fn world(seed: u64, random: &mut Random) -> World {
    let mut network = SimNetwork::new(seed);
    if random.chance(50) {
        // Accepting that fails pauses for up to a second, which takes too long for a crowd.
        network.set_faults(Faults { exhausted_accept: 0, ..Faults::random(seed).lossless() });
    }
    let config = Config { linger_timeout: millis(100), ..timeless() };
    let config = Config { max_connections: at_most(1600).max_connections, ..config };
    World::on(network, config, Lines::default(), Scripted::new(echo))
}

/// So many come, each with a word of its own, and are answered.
fn come(world: &mut World, len: usize) -> Vec<SimPeer> {
    let word = |number: usize| format!("{number}\n");
    let peers: Vec<_> = (0..len).map(|at| world.connect_with(word(at).as_bytes())).collect();
    let all = peers.clone();
    world.run_until("an answer for everybody", secs(60), move |world| {
        (0..).zip(&all).all(|(at, peer)| world.received(*peer) == word(at))
    });
    peers
}

/// Some leave, or all, in any order and manner.
fn leave(world: &mut World, random: &mut Random, peers: &mut Vec<SimPeer>, percent: usize) {
    let (mut leaving, staying): (Vec<_>, Vec<_>) =
        std::mem::take(peers).into_iter().partition(|_| random.chance(percent));
    while !leaving.is_empty() {
        let peer = leaving.swap_remove(random.below(leaving.len()));
        if random.chance(50) {
            world.network.finish(peer);
        } else {
            world.network.reset(peer);
        }
        if random.chance(2) {
            world.turn_at_once();
        }
    }
    let staying_len = staying.len();
    *peers = staying;
    world.run_until("the last of those who leave", secs(60), move |world| {
        world.open_len() == staying_len
    });
}

#[test]
fn crowds_that_come_and_go_are_served_and_leave_no_name_behind() {
    for_each_seed(SEEDS, |seed| {
        let mut random = Random::new(seed);
        let mut world = world(seed, &mut random);
        for _ in 0..CROWDS {
            let size = random.pick(&SIZES);
            let mut peers = come(&mut world, size);
            leave(&mut world, &mut random, &mut peers, 50);
            let newcomers_len = random.below(1601 - peers.len());
            peers.extend(come(&mut world, newcomers_len));
            leave(&mut world, &mut random, &mut peers, 100);
            assert_eq!(world.reactor.held_len(), 0);
            let ids: Vec<ConnectionId> = world.entries().iter().map(|entry| entry.id).collect();
            for gone in ids {
                world.reactor.commands().close(gone).expect_err("it has closed for good");
            }
        }
    });
}
