//! Letting peers in: the limit, the budget, the queue.

use bytes::Bytes;
use windlass::network::{AcceptFailure, PeerState, SimPeer};
use windlass::{AtLimit, Config, SocketOptions};

use crate::fixture::{Call, What, World, address, at_most, echo, millis, secs};

#[test]
fn whoever_is_over_the_limit_is_served_when_a_slot_frees_though_nobody_new_connects() {
    let mut world = World::new(at_most(1), echo);
    let peers: Vec<SimPeer> =
        (0..5).map(|number| world.connect_with(format!("{number}\n").as_bytes())).collect();
    for (number, peer) in peers.iter().enumerate() {
        world.run_until("its turn", millis(1), |world| !world.received(*peer).is_empty());
        assert_eq!(world.received(*peer), format!("{number}\n"));
        assert_eq!(world.network.queue_len(address(0)), peers.len() - 1 - number);
        world.network.finish(*peer);
    }
    world.settle();
    assert_eq!(world.open_len(), 0);
}

#[test]
fn a_slot_that_was_cut_is_used_again_in_the_same_turn() {
    let mut world = World::new(at_most(1), echo);
    let (first, second) = (world.join(), world.connect());
    world.settle();
    assert_eq!(world.network.state(second), PeerState::Connecting);
    world.network.reset(first);
    world.turn(secs(1));
    assert_eq!(world.network.state(second), PeerState::Open);
    assert_eq!(world.reason(first), Some("reset"));
}

#[test]
fn a_full_house_with_peers_waiting_sleeps() {
    let mut world = World::new(at_most(2), echo);
    for _ in 0..5 {
        world.connect();
    }
    world.settle();
    let before = world.network.calls();
    world.run_for(secs(20));
    let calls = world.network.calls().since(before);
    assert!(calls.polls <= 3 && calls.accepts == 0, "{calls:?}");
    assert_eq!((world.open_len(), world.network.queue_len(address(0))), (2, 3));
}

#[test]
fn the_limit_is_of_all_listeners_together() {
    let mut world = World::with_listeners(3, at_most(4), echo);
    let peers: Vec<SimPeer> =
        (0..12).map(|number| world.network.connect_to(address(number % 3))).collect();
    for peer in &peers {
        world.network.send_from(*peer, b"hello\n");
    }
    world.settle();
    assert_eq!(world.open_len(), 4);
    let mut unserved: Vec<SimPeer> = peers;
    while !unserved.is_empty() {
        let before = unserved.len();
        unserved.retain(|peer| {
            let is_served = world.received(*peer) == "hello\n";
            if is_served {
                world.network.finish(*peer);
            }
            !is_served
        });
        assert!(unserved.len() < before, "each round serves somebody: {unserved:?}");
        world.settle();
    }
    assert_eq!(world.open_len(), 0);
}

#[test]
fn no_more_peers_are_let_in_in_a_turn_than_the_budget_and_others_go_on_meanwhile() {
    let config = Config { accept_budget: 3, ..at_most(100) };
    let mut world = World::new(config, echo);
    let paced = world.join();
    for _ in 0..20 {
        world.connect();
    }
    for turn in 0..7_usize {
        let line = format!("{turn}\n");
        world.network.send_from(paced, line.as_bytes());
        world.turn(secs(1));
        assert_eq!(world.network.take_received(paced), line.as_bytes());
        assert_eq!(world.open_len(), 1 + (3 * (turn + 1)).min(20));
    }
}

#[test]
fn the_last_slot_is_given_though_the_budget_of_the_turn_ended_before_it() {
    let config = Config { accept_budget: 3, ..at_most(1) };
    let mut world = World::new(config, echo);
    let start = world.network.clock();
    // The first have gone, which leaves no connection whose event would end a sleep.
    world.network.fail_accept(AcceptFailure::ConnAborted, 3);
    for _ in 0..4 {
        world.connect();
    }
    world.turn(secs(10));
    assert_eq!(world.open_len(), 0);
    world.turn(secs(10));
    assert_eq!((world.open_len(), world.network.clock()), (1, start), "the loop did not sleep");
}

#[test]
fn whoever_is_over_the_limit_is_refused_with_the_farewell() {
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"come back later\n"));
    let mut world = World::new(Config { at_limit, ..at_most(2) }, echo);
    let peers = [world.join(), world.join()];
    let refused: Vec<SimPeer> = (0..3).map(|_| world.connect()).collect();
    world.settle();
    for peer in refused {
        assert_eq!(world.received(peer), "come back later\n");
        assert_eq!(world.network.state(peer), PeerState::Finished);
        assert_eq!(world.seen(peer), []);
    }
    assert_eq!(world.reactor.metrics().refused, 3);
    world.network.finish(peers[0]);
    world.settle();
    let late = world.connect_with(b"hello\n");
    world.settle();
    assert_eq!(world.received(late), "hello\n", "there is room again");
}

#[test]
fn a_farewell_of_no_bytes_just_closes() {
    let at_limit = AtLimit::Refuse(Bytes::new());
    let mut world = World::new(Config { at_limit, ..at_most(1) }, echo);
    world.join();
    let refused = world.connect();
    world.settle();
    assert_eq!(world.network.state(refused), PeerState::Finished);
    assert_eq!(world.received(refused), "");
}

#[test]
fn refusing_a_flood_keeps_to_the_budget_and_serves_others_meanwhile() {
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"full\n"));
    let mut world = World::new(Config { at_limit, accept_budget: 4, ..at_most(1) }, echo);
    let paced = world.join();
    let flood: Vec<SimPeer> = (0..40).map(|_| world.connect()).collect();
    for turn in 1..=10 {
        world.network.send_from(paced, b"x\n");
        world.turn(secs(1));
        assert_eq!(world.network.take_received(paced), b"x\n");
        assert_eq!(world.reactor.metrics().refused, 4 * turn);
    }
    assert!(flood.iter().all(|peer| world.received(*peer) == "full\n"));
}

#[test]
fn a_flood_is_refused_to_the_last_though_nothing_else_happens() {
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"full\n"));
    let mut world = World::new(Config { at_limit, accept_budget: 4, ..at_most(1) }, echo);
    world.join();
    let flood: Vec<SimPeer> = (0..41).map(|_| world.connect()).collect();
    world.settle();
    assert!(flood.iter().all(|peer| world.received(*peer) == "full\n"));
}

#[test]
fn peers_that_find_the_queue_full_get_in_when_they_try_again() {
    let socket = SocketOptions { backlog: 2, ..SocketOptions::default() };
    let mut world = World::new(Config { socket, ..at_most(2) }, |session, call| match call {
        Call::Frame(line) => {
            session.send(line)?;
            session.close();
            Ok(())
        }
        call => echo(session, call),
    });
    let peers: Vec<SimPeer> = (0..10).map(|_| world.connect_with(b"me too\n")).collect();
    assert_eq!(world.network.queue_len(address(0)), 3);
    peers.iter().for_each(|peer| world.network.finish(*peer));
    world.run_for(secs(130));
    for peer in peers {
        assert_eq!(world.received(peer), "me too\n");
        assert_eq!(world.network.state(peer), PeerState::Finished);
    }
}

#[test]
fn a_peer_that_was_there_before_the_loop_hears_from_it() {
    let mut world = World::new(at_most(10), echo);
    let peer = world.connect_with(b"early\nlast");
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.received(peer), "early\nlast\n");
    assert_eq!(world.reason(peer), Some("peer finished"));
}

#[test]
fn a_queue_before_one_listener_does_not_keep_the_peers_of_another_waiting() {
    let mut world = World::with_listeners(3, at_most(1), |session, call| match call {
        Call::Frame("go") => {
            session.abort();
            Ok(())
        }
        call => echo(session, call),
    });
    let crowd: Vec<SimPeer> = (0..20).map(|_| world.network.connect_to(address(0))).collect();
    let few = [1, 2, 2].map(|index| world.network.connect_to(address(index)));
    world.settle();
    for served in 1..=5 {
        assert_eq!(world.entries().iter().filter(|it| it.what == What::Opened).count(), served);
        for peer in crowd.iter().chain(&few) {
            if !world.seen(*peer).is_empty() && world.reason(*peer).is_none() {
                world.network.send_from(*peer, b"go\n");
            }
        }
        world.settle();
    }
    assert!(few.iter().all(|peer| world.seen(*peer).contains(&What::Opened)));
}
