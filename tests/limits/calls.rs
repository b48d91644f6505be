//! System calls: how many a turn, an idle loop and a new connection cost.

use windlass::network::{Calls, SimNetwork, SimPeer};
use windlass::{Config, LengthPrefixed, Lines, Raw, Server};

use crate::fixture::{KIB, MINUTE, Probe, World, echo, frame, ignore, pattern, server, timeless};

/// The calls that one turn makes after all of these have sent `bytes`.
fn calls_of_a_turn(world: &mut World, peers: &[SimPeer], bytes: &[u8]) -> Calls {
    for peer in peers {
        world.net.send_from(*peer, bytes);
    }
    let before = world.net.calls();
    world.turn();
    world.net.calls().since(before)
}

/// Every call is among those named here.
fn assert_calls(calls: Calls, polls: u64, reads: u64, writes: u64) {
    assert_eq!((calls.polls, calls.reads, calls.writes), (polls, reads, writes), "{calls:?}");
    let Calls { accepts, adopts, refusals, shutdowns, receives, sends, closes, .. } = calls;
    assert_eq!((accepts, adopts, refusals, shutdowns), (0, 0, 0, 0), "{calls:?}");
    assert_eq!((receives, sends, closes), (0, 0, 0), "{calls:?}");
}

#[test]
fn an_echo_costs_one_poll_one_read_and_one_write() {
    let mut world = World::new(Config::default(), Raw, echo);
    let peer = world.connect();
    for _ in 0..100 {
        let calls = calls_of_a_turn(&mut world, &[peer], b"hello");
        assert_calls(calls, 1, 1, 1);
    }
    assert_eq!(world.net.received(peer), b"hello".repeat(100));
}

#[test]
fn a_poll_is_shared_by_all_who_are_ready() {
    let mut world = World::new(Config::default(), Lines::default(), echo);
    let peers = world.connect_many(500);
    for _ in 0..10 {
        let calls = calls_of_a_turn(&mut world, &peers, b"hello\n");
        assert_calls(calls, 1, 500, 500);
    }
}

#[test]
fn a_pipelined_batch_is_one_read_and_one_write() {
    let mut world = World::new(Config::default(), LengthPrefixed::default(), echo);
    let peer = world.connect();
    let batch = [&frame(&pattern(100)).repeat(16)[..], &frame(&pattern(100))[..50]].concat();
    let rest = &frame(&pattern(100))[50..];
    let calls = calls_of_a_turn(&mut world, &[peer], &batch);
    assert_calls(calls, 1, 1, 1);
    let calls = calls_of_a_turn(&mut world, &[peer], &[rest, &batch].concat());
    assert_calls(calls, 1, 1, 1);
}

#[test]
fn a_frame_that_is_not_whole_costs_a_read_and_nothing_else() {
    let mut world = World::new(Config::default(), LengthPrefixed::default(), echo);
    let peer = world.connect();
    for piece in frame(&pattern(40 * KIB)).chunks(10 * KIB).take(4) {
        let calls = calls_of_a_turn(&mut world, &[peer], piece);
        // A long frame is read into room of its own, which grows as it arrives.
        assert!((1..=3).contains(&calls.reads), "{} reads of {} bytes", calls.reads, piece.len());
        assert_eq!((calls.polls, calls.writes), (1, 0));
    }
}

#[test]
fn nothing_is_called_while_nothing_happens() {
    let mut world = World::new(timeless(), Lines::default(), echo);
    let peers = world.connect_many(100);
    calls_of_a_turn(&mut world, &peers, b"hello\n");
    let before = world.net.calls();
    world.turn_within(Some(60 * MINUTE));
    assert_calls(world.net.calls().since(before), 1, 0, 0);
}

#[test]
fn a_new_connection_costs_an_accept_and_an_adoption() {
    let mut world = World::new(timeless(), Lines::default(), echo);
    let before = world.net.calls();
    for _ in 0..50 {
        world.net.connect_to(server());
    }
    world.settle();
    let calls = world.net.calls().since(before);
    // The last accept finds nobody.
    assert_eq!((calls.accepts, calls.adopts), (51, 50));
    // What came before the adoption would be announced.
    assert_eq!((calls.reads, calls.writes), (0, 0));
}

#[test]
fn a_peer_that_is_done_costs_no_more_than_it_must() {
    let mut world = World::new(timeless(), Lines::default(), echo);
    let peer = world.connect();
    let before = world.net.calls();
    world.net.send_from(peer, b"bye\n");
    world.net.finish(peer);
    world.run_until_empty();
    let calls = world.net.calls().since(before);
    // The line, and the end behind it.
    assert_eq!((calls.reads, calls.writes, calls.closes), (2, 1, 1));
    assert_eq!(calls.shutdowns, 0, "who has finished is not told that we have");
}

#[test]
fn a_peer_held_back_costs_nothing_until_it_can_go_on() {
    let mut world = World::new(timeless(), Raw, echo);
    let peer = world.connect();
    world.net.stall(peer);
    world.net.send_from(peer, &pattern(1000 * KIB));
    world.settle();
    let before = world.net.calls();
    world.turn_within(Some(60 * MINUTE));
    assert_calls(world.net.calls().since(before), 1, 0, 0);
}

#[test]
fn a_datagram_costs_one_poll_one_receive_and_one_send() {
    let echo = crate::datagrams::Probe::new(crate::datagrams::echo);
    let net = SimNetwork::new(1);
    let mut world = World::of(net, Server::with_config(timeless()).udp(server(), echo));
    let sender = "192.0.2.9:99".parse().expect("it is an address");
    world.settle();
    for _ in 0..20 {
        world.net.send_datagram(sender, server(), b"hello");
        let before = world.net.calls();
        world.turn();
        let calls = world.net.calls().since(before);
        assert_eq!((calls.polls, calls.receives, calls.sends), (1, 1, 1));
    }
    assert_eq!(world.net.take_datagrams(sender).len(), 20);
}

#[test]
fn frames_without_answers_cost_no_write() {
    let probe = Probe::<Lines>::new(ignore);
    let mut world = World::on(SimNetwork::new(1), timeless(), Lines::default(), probe);
    let peer = world.connect();
    let calls = calls_of_a_turn(&mut world, &[peer], &b"hello\n".repeat(100));
    assert_calls(calls, 1, 1, 0);
}
