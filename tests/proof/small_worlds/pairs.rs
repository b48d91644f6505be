//! Connections to others, and connections that are tied.

use std::net::SocketAddr;

use windlass::network::{Faults, PeerState, SimPeer};
use windlass::{Config, Raw};

use crate::proof::fixture::{Scripted, World, ignore, pattern, secs, timeless};
use crate::proof::small_worlds::id;

const UPSTREAM: ([u8; 4], u16) = ([198, 51, 100, 1], 80);

/// Two peers whose connections are tied.
fn pair(config: Config) -> (World, [SimPeer; 2]) {
    let mut world = World::with_codec(config, Raw, ignore);
    let peers = [world.join(), world.join()];
    let [one, other] = peers.map(|peer| id(&world, peer));
    world.reactor.commands().tie(one, other).expect("both are open");
    world.settle();
    (world, peers)
}

#[test]
pub(crate) fn the_end_of_one_is_passed_on_to_the_other() {
    let (mut world, [one, other]) = pair(timeless());
    world.network.send_from(one, b"hello");
    world.network.finish(one);
    world.settle();
    assert_eq!(world.received(other), "hello");
    assert_eq!(world.network.state(other), PeerState::Finished);
    world.network.finish(other);
    world.run_for(secs(1));
    assert_eq!(world.reasons(), ["peer finished"; 2]);
}

#[test]
pub(crate) fn all_of_it_is_passed_on_however_little_at_a_time() {
    let (mut world, [one, other]) = pair(Config { read_budget: 10, ..timeless() });
    let bytes = pattern(1000);
    world.network.send_from(one, &bytes);
    world.settle();
    assert_eq!(world.network.received(other), bytes);
}

#[test]
pub(crate) fn the_partner_of_one_that_is_reset_is_reset() {
    let (mut world, [one, other]) = pair(timeless());
    world.network.reset(one);
    world.settle();
    assert_eq!(world.network.state(other), PeerState::Reset);
    assert_eq!(world.reasons(), ["reset", "partner gone"]);
}

#[test]
pub(crate) fn an_attempt_to_connect_has_an_end() {
    let config = Config { max_outbound: 1, connect_timeout: secs(3), ..timeless() };
    let mut world = World::with_codec(config, Raw, ignore);
    let to = SocketAddr::from(UPSTREAM);
    world.network.ignore_connects(to);
    world.reactor.commands().connect::<Scripted<Raw>>(to, ()).expect("there is room");
    world.run_for(secs(4));
    assert_eq!(world.reactor.metrics().connects_failed, 1);
}

#[test]
pub(crate) fn connections_to_others_are_made_and_counted() {
    let config = Config { max_outbound: 2, ..timeless() };
    let mut world = World::with_codec(config, Raw, ignore);
    world.network.serve(SocketAddr::from(UPSTREAM));
    world.network.set_faults(Faults { blocked_write: 500, ..Faults::none() });
    for _ in 0..5 {
        let to = SocketAddr::from(UPSTREAM);
        world.reactor.commands().connect::<Scripted<Raw>>(to, ()).expect("there is room");
        world.settle();
        let peer = world.network.accepted(to).expect("it was connected to");
        world.network.finish(peer);
        world.run_until_empty();
    }
    assert_eq!(world.reasons(), ["peer finished"; 5]);
}
