//! What layers refuse, count and allow.

use std::net::SocketAddr;

use windlass::SocketOptions;
use windlass::middleware::{Over, PerAddressLimit, RateLimit};
use windlass::network::{PeerState, SimNetwork, SimPeer};
use windlass::{Config, Server};

use crate::proof::fixture::{Journal, Scripted, World, echo, secs, timeless};
use crate::proof::small_worlds::datagrams::Echo;

const V4: &str = "192.0.2.1:7000";
/// Where a peer of IPv4 is seen as one of IPv6.
const ANY: &str = "[::]:7001";

/// A world behind a layer.
fn behind(add: impl FnOnce(Server) -> Server) -> World {
    let socket = SocketOptions { v6_only: false, ..timeless().socket };
    let config = Config { socket, ..timeless() };
    let journal = Journal::default();
    let handler = Scripted::<windlass::Lines>::new(echo).written_in(&journal);
    World::of(SimNetwork::new(1), config, Some(journal), |server| {
        add(server).tcp(V4, handler.clone()).tcp(ANY, handler)
    })
}

fn knock(world: &mut World, port: u16, listener: &str) -> SimPeer {
    let from = SocketAddr::from(([198, 51, 100, 1], port));
    let peer = world.network.connect_from(from, listener.parse().expect("an address"));
    world.settle();
    peer
}

#[test]
pub(crate) fn an_address_has_no_more_connections_than_it_may_have() {
    let mut world = behind(|server| server.middleware(PerAddressLimit::new(1)));
    for round in 0..3 {
        let first = knock(&mut world, 4000 + round, V4);
        assert_eq!(world.network.state(first), PeerState::Open, "round {round}");
        let second = knock(&mut world, 5000 + round, V4);
        assert_eq!(world.network.state(second), PeerState::Finished, "round {round}");
        world.network.reset(first);
        world.settle();
    }
}

#[test]
pub(crate) fn whoever_comes_with_many_addresses_wins_nothing() {
    let limit = PerAddressLimit::new(1).addresses(8).hash_seed(1);
    let mut world = behind(|server| server.middleware(limit));
    let first = knock(&mut world, 4000, V4);
    for host in 1..=20 {
        let from = SocketAddr::from(([203, 0, 113, host], 4000));
        world.network.connect_from(from, V4.parse().expect("an address"));
        world.settle();
    }
    let second = knock(&mut world, 4001, V4);
    assert_eq!(world.network.state(first), PeerState::Open);
    assert_eq!(world.network.state(second), PeerState::Finished);
}

#[test]
pub(crate) fn an_address_is_the_same_in_the_guise_of_another_family() {
    let mut world = behind(|server| {
        let server = server.middleware(RateLimit::frames(1, secs(1)));
        server.udp(V4, Echo).udp(ANY, Echo)
    });
    let from = SocketAddr::from(([198, 51, 100, 1], 4000));
    for to in [V4, ANY] {
        world.network.send_datagram(from, to.parse().expect("an address"), b"once");
    }
    world.settle();
    let metrics = world.reactor.metrics();
    assert_eq!((metrics.datagrams_received, metrics.datagrams_rejected), (2, 1));
}

#[test]
pub(crate) fn what_was_not_used_of_a_rate_does_not_add_up() {
    let rate = RateLimit::frames(1, secs(1)).over(Over::Refuse).farewell("busy\n");
    let mut world = behind(|server| server.middleware(rate));
    world.run_for(secs(100));
    let peer = knock(&mut world, 4000, V4);
    world.network.send_from(peer, b"one\ntwo\nthree\n");
    world.settle();
    assert_eq!(world.received(peer), "one\nbusy\nbusy\n");
}
