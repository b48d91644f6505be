//! So many connections of one address at a time.

use std::net::{IpAddr, SocketAddr};

use windlass::Config;
use windlass::middleware::{AccessControl, PerAddressLimit};
use windlass::network::{Faults, SimNetwork, SimPeer};

use crate::fixture::{Random, address, at_most, for_each_seed, secs};
use crate::gated::{Gated, echo_lines, quiet};

#[test]
fn one_too_many_is_refused_until_another_has_gone() {
    let limit = PerAddressLimit::new(2).farewell("too many\n");
    let mut gated = Gated::behind(|server| server.middleware(limit));
    let first = gated.join("198.51.100.1:4000");
    gated.join("198.51.100.1:4001");
    assert_eq!(gated.refused("198.51.100.1:4002"), "too many\n");
    gated.join("198.51.100.2:4000");
    gated.leave(first);
    gated.join("198.51.100.1:4003");
    gated.refused("198.51.100.1:4004");
}

#[test]
fn a_network_of_64_bits_is_one_address() {
    let mut config = quiet();
    config.socket.v6_only = true;
    let limit = PerAddressLimit::new(1);
    let handler = echo_lines();
    let mut gated = Gated::with_handler(SimNetwork::new(1), config, handler, |server, _| {
        server.middleware(limit).tcp("[2001:db8::1]:7000", echo_lines())
    });
    let mut open_len_after = |from: &str| {
        let from: SocketAddr = from.parse().expect("an address with a port");
        let listener = "[2001:db8::1]:7000".parse().expect("an address");
        gated.world.network.connect_from(from, listener);
        gated.world.settle();
        gated.world.open_len()
    };
    assert_eq!(open_len_after("[2001:db8:0:1::1]:4000"), 1);
    assert_eq!(open_len_after("[2001:db8:0:1:ffff::2]:4000"), 1, "refused");
    assert_eq!(open_len_after("[2001:db8:0:2::1]:4000"), 2);
}

#[test]
fn whoever_never_gets_in_does_not_count() {
    let rules = AccessControl::new().deny("198.51.100.1".parse::<IpAddr>().unwrap());
    let mut gated = Gated::with_config(Config { max_connections: Some(2), ..quiet() }, |server| {
        server.middleware(PerAddressLimit::new(1)).middleware(rules)
    });
    for port in 4000..4010 {
        gated.refused(&format!("198.51.100.1:{port}"));
    }
    // Those that cannot be adopted do not count either.
    gated.world.network.fail_adopt(3);
    for port in 4000..4003 {
        gated.knock(&format!("198.51.100.2:{port}"));
        gated.world.run_for(secs(10));
    }
    assert_eq!(gated.world.open_len(), 0);
    gated.join("198.51.100.2:4010");
    gated.refused("198.51.100.2:4011");
}

/// Whatever happens to its connections, an address never has more of them than it may have, and in
/// the end it may have as many as ever.
#[test]
fn any_history_leaves_the_counts_right() {
    const MAX: usize = 3;
    for_each_seed(60, |seed| {
        let mut random = Random::new(seed);
        let mut network = SimNetwork::new(seed);
        network.set_faults(Faults::random(seed));
        let limit = PerAddressLimit::new(3).addresses(1000).hash_seed(seed);
        let handler = echo_lines();
        let mut gated = Gated::with_handler(network, at_most(20), handler, |server, listener| {
            server.middleware(limit).listen(listener)
        });
        for port in 1..150 {
            let from = SocketAddr::from((host(random.below(6)), port));
            let peer = gated.world.network.connect_from(from, address(0));
            gated.world.network.send_from(peer, b"hello\n");
            disturb(&mut random, &mut gated.world.network);
            gated.world.turn(random.micros_below(20_000));
            let most = gated.open_by_host().into_values().max();
            assert!(most.is_none_or(|most| most <= MAX), "{most:?} connections of one address");
        }
        gated.world.network.set_faults(Faults::none());
        let peers: Vec<SimPeer> = gated.world.network.peers().collect();
        peers.iter().for_each(|peer| gated.world.network.reset(*peer));
        gated.world.run_for(secs(10));
        assert_eq!(gated.world.open_len(), 0);
        for number in 0..6 {
            for port in 200..204 {
                gated
                    .world
                    .network
                    .connect_from(SocketAddr::from((host(number), port)), address(0));
            }
            gated.world.settle();
            assert_eq!(gated.open_by_host().get(&host(number)), Some(&MAX));
        }
    });
}

fn host(number: usize) -> IpAddr {
    IpAddr::from([198, 51, 100, u8::try_from(number).expect("few")])
}

/// Some of the peers go, in one way or the other.
fn disturb(random: &mut Random, network: &mut SimNetwork) {
    for peer in network.peers().collect::<Vec<_>>() {
        match random.below(40) {
            0 => network.finish(peer),
            1 => network.reset(peer),
            _ => {}
        }
    }
}

/// The table has eight places. Whoever finds none shares what is meant for one.
#[test]
fn more_addresses_than_places_share_what_is_meant_for_one() {
    let limit = PerAddressLimit::new(2).addresses(8);
    let mut gated = Gated::behind(|server| server.middleware(limit));
    let owners: Vec<SimPeer> =
        (0..8).map(|number| gated.join(&format!("198.51.100.{number}:4000"))).collect();
    let first = gated.join("203.0.113.1:4000");
    let second = gated.join("203.0.113.2:4000");
    gated.refused("203.0.113.3:4000");
    // Whoever has a place of his own is not affected by them.
    gated.join("198.51.100.1:4001");
    gated.refused("198.51.100.1:4002");
    gated.leave(first);
    gated.join("203.0.113.3:4001");
    gated.refused("203.0.113.1:4001");
    // One that shares and then finds a place is counted right in both, whichever it leaves first.
    gated.leave(owners[0]);
    let third = gated.join("203.0.113.2:4001");
    gated.leave(second);
    gated.leave(third);
    gated.join("203.0.113.4:4000");
    gated.join("203.0.113.5:4000");
    gated.refused("203.0.113.6:4000");
}
