//! What goes wrong while accepting, and what the loop makes of it.

use windlass::network::{AcceptFailure, PeerState, SimPeer};
use windlass::{Config, Instant};

use crate::fixture::{Call, What, World, address, at_most, echo, millis, secs};

const PEER_GONE: [AcceptFailure; 3] =
    [AcceptFailure::ConnAborted, AcceptFailure::Proto, AcceptFailure::Perm];
const EXHAUSTED: [AcceptFailure; 4] =
    [AcceptFailure::Emfile, AcceptFailure::Enfile, AcceptFailure::Enobufs, AcceptFailure::Enomem];

#[test]
fn a_peer_that_has_gone_is_passed_over_at_once() {
    for failure in PEER_GONE {
        let mut world = World::new(at_most(10), echo);
        let peers: Vec<SimPeer> = (0..4).map(|_| world.connect()).collect();
        world.network.fail_accept(failure, 3);
        world.turn(secs(1));
        assert_eq!(world.network.state(peers[3]), PeerState::Open, "{failure:?}");
        assert_eq!(world.open_len(), 1);
        assert_eq!(world.reactor.metrics().gone, 3);
        assert_eq!(world.network.clock().as_nanos(), 0, "nobody waited");
    }
}

#[test]
fn a_pause_follows_on_want_and_doubles_from_10_ms_to_a_second() {
    for failure in EXHAUSTED {
        let mut world = World::new(at_most(10), echo);
        world.network.fail_accept(failure, usize::from(u16::MAX));
        world.connect();
        world.settle();
        for wait in [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000] {
            let before = world.network.calls().accepts;
            world.run_for(millis(wait - 1));
            assert_eq!(world.network.calls().accepts, before, "{failure:?}: before {wait} ms");
            world.run_for(millis(1));
            assert_eq!(world.network.calls().accepts, before + 1, "{failure:?}: at {wait} ms");
        }
    }
}

#[test]
fn connections_are_served_while_nobody_can_be_accepted() {
    let mut world = World::new(at_most(100), echo);
    let talker = world.join();
    world.network.set_socket_limit(Some(world.network.open_sockets()));
    let waiting: Vec<SimPeer> = (0..20).map(|_| world.connect_with(b"me\n")).collect();
    let before = world.network.calls();
    for number in 0..100 {
        let line = format!("{number}\n");
        world.network.send_from(talker, line.as_bytes());
        world.settle();
        assert_eq!(world.network.take_received(talker), line.as_bytes(), "at once");
        world.run_for(millis(100));
    }
    let calls = world.network.calls().since(before);
    assert!(calls.accepts <= 20, "{} accepts in 10 s", calls.accepts);
    world.network.set_socket_limit(None);
    world.run_for(secs(1));
    assert!(waiting.iter().all(|peer| world.received(*peer) == "me\n"), "the want is over");
}

#[test]
fn pauses_begin_again_at_10_ms_once_accepting_has_worked() {
    let mut world = World::new(at_most(10), echo);
    world.network.fail_accept(AcceptFailure::Enomem, 6);
    world.connect();
    world.run_for(secs(2));
    assert_eq!(world.open_len(), 1);
    world.network.fail_accept(AcceptFailure::Enomem, 1);
    world.connect();
    world.settle();
    assert_eq!(world.open_len(), 1);
    world.run_for(millis(10));
    assert_eq!(world.open_len(), 2);
}

#[test]
fn a_slot_that_frees_ends_the_pause() {
    let mut world = World::new(at_most(10), echo);
    let first = world.join();
    world.network.set_socket_limit(Some(world.network.open_sockets()));
    let second = world.connect_with(b"hello\n");
    world.run_for(secs(5));
    assert_eq!(world.network.state(second), PeerState::Connecting);
    world.run_for(millis(1));
    let now = world.network.clock();
    world.network.finish(first);
    world.settle();
    assert_eq!(world.received(second), "hello\n");
    assert_eq!(world.network.clock(), now, "at once");
}

#[test]
fn a_broken_listener_ends_the_turn_with_an_error_that_names_it() {
    let mut world = World::with_listeners(2, at_most(10), echo);
    world.network.connect_to(address(1));
    world.network.fail_accept(AcceptFailure::Broken, 1);
    let error = world.try_turn(secs(1)).expect_err("a listener that has broken");
    let text = error.to_string();
    assert!(text.contains(&address(1).to_string()), "{text}");
    assert!(text.contains("EBADF"), "{text}");
}

#[test]
fn a_peer_that_cannot_be_adopted_leaks_nothing() {
    let mut world = World::new(at_most(10), echo);
    let peers: Vec<SimPeer> = (0..5).map(|_| world.connect()).collect();
    world.network.fail_adopt(3);
    world.run_for(secs(2));
    assert_eq!(world.open_len(), 2, "the sockets are checked after each turn");
    assert_eq!(world.reactor.metrics().accept_errors, 3);
    for peer in &peers[..3] {
        assert_eq!(world.network.state(*peer), PeerState::Finished);
        assert_eq!(world.seen(*peer), []);
    }
    for peer in &peers[3..] {
        assert_eq!(world.seen(*peer), [What::Opened]);
    }
}

#[test]
fn a_peer_that_was_reset_in_the_queue_costs_only_itself() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Open = call {
            // It has none any more: an error, and no panic.
            let _ = session.local_addr();
            session.send("welcome")?;
        }
        echo(session, call)
    });
    let (gone, stays) = (world.connect_with(b"a\n"), world.connect_with(b"b\n"));
    world.network.reset(gone);
    world.settle();
    assert_eq!(world.seen(gone), [What::Opened, What::Closed("reset")]);
    assert_eq!(world.received(stays), "welcome\nb\n");
    assert_eq!((world.open_len(), world.reactor.metrics().panics), (1, 0));
}

#[test]
fn peers_that_have_gone_cost_as_much_of_the_budget_as_others() {
    let mut world = World::new(Config { accept_budget: 4, ..at_most(100) }, echo);
    world.network.fail_accept(AcceptFailure::ConnAborted, 50);
    let _peers = [(); 60].map(|()| world.connect());
    for _ in 0..15 {
        let before = world.network.calls();
        world.turn(secs(1));
        assert_eq!(world.network.calls().since(before).accepts, 4);
    }
    assert_eq!(world.network.clock(), Instant::START, "it does not sleep while more may wait");
    world.settle();
    assert_eq!((world.open_len(), world.reactor.metrics().gone), (10, 50));
}
