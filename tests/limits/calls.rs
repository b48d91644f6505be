//! System calls: how many a turn, an idle loop and a new connection cost.

use windlass::network::{Calls, SimNetwork, SimPeer};
use windlass::{Config, LengthPrefixed, Lines, Raw};

use crate::fixture::{KIB, Scripted, World, address, echo, frame, ignore, pattern, secs, timeless};

/// The calls that one turn makes after all of these have sent `bytes`.
fn calls_of_a_turn(world: &mut World, peers: &[SimPeer], bytes: &[u8]) -> Calls {
    for peer in peers {
        world.network.send_from(*peer, bytes);
    }
    let before = world.network.calls();
    world.turn(None);
    world.network.calls().since(before)
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
    let mut world = World::with_codec(Config::default(), Raw, echo);
    let peer = world.join();
    for _ in 0..100 {
        let calls = calls_of_a_turn(&mut world, &[peer], b"hello");
        assert_calls(calls, 1, 1, 1);
    }
    assert_eq!(world.network.received(peer), b"hello".repeat(100));
}

#[test]
fn a_poll_is_shared_by_all_who_are_ready() {
    let mut world = World::new(Config::default(), echo);
    let peers = world.join_many(500);
    for _ in 0..10 {
        let calls = calls_of_a_turn(&mut world, &peers, b"hello\n");
        assert_calls(calls, 1, 500, 500);
    }
}

#[test]
fn a_pipelined_batch_is_one_read_and_one_write() {
    let mut world = World::with_codec(Config::default(), LengthPrefixed::default(), echo);
    let peer = world.join();
    let batch = [&frame(&pattern(100)).repeat(16)[..], &frame(&pattern(100))[..50]].concat();
    let rest = &frame(&pattern(100))[50..];
    let calls = calls_of_a_turn(&mut world, &[peer], &batch);
    assert_calls(calls, 1, 1, 1);
    let calls = calls_of_a_turn(&mut world, &[peer], &[rest, &batch].concat());
    assert_calls(calls, 1, 1, 1);
}

#[test]
fn short_answers_to_several_reads_are_one_write() {
    let config = Config { read_buffer_len: KIB, ..Config::default() };
    let mut world = World::with_codec(config, Raw, echo);
    let peer = world.join();
    // What comes of the last read goes out together with all before it.
    let calls = calls_of_a_turn(&mut world, &[peer], &pattern(8 * KIB - 1));
    assert_calls(calls, 1, 8, 1);
    // From 16 KiB on the peer is given what there is before more is read.
    let calls = calls_of_a_turn(&mut world, &[peer], &pattern(20 * KIB - 1));
    assert_calls(calls, 1, 20, 2);
}

#[test]
fn a_frame_that_is_not_whole_costs_a_read_and_nothing_else() {
    let mut world = World::with_codec(Config::default(), LengthPrefixed::default(), echo);
    let peer = world.join();
    for piece in frame(&pattern(40 * KIB)).chunks(10 * KIB).take(4) {
        let calls = calls_of_a_turn(&mut world, &[peer], piece);
        // A long frame is read into room of its own, which grows as it arrives.
        assert!((1..=3).contains(&calls.reads), "{} reads of {} bytes", calls.reads, piece.len());
        assert_eq!((calls.polls, calls.writes), (1, 0));
    }
}

#[test]
fn nothing_is_called_while_nothing_happens() {
    let mut world = World::new(timeless(), echo);
    let peers = world.join_many(100);
    calls_of_a_turn(&mut world, &peers, b"hello\n");
    let before = world.network.calls();
    world.turn(secs(3600));
    assert_calls(world.network.calls().since(before), 1, 0, 0);
}

#[test]
fn a_new_connection_costs_an_accept_and_an_adoption() {
    let mut world = World::new(timeless(), echo);
    let before = world.network.calls();
    for _ in 0..50 {
        world.network.connect_to(address(0));
    }
    world.settle();
    let calls = world.network.calls().since(before);
    // The last accept finds nobody.
    assert_eq!((calls.accepts, calls.adopts), (51, 50));
    // What came before the adoption would be announced.
    assert_eq!((calls.reads, calls.writes), (0, 0));
}

#[test]
fn a_peer_that_is_done_costs_no_more_than_it_must() {
    let mut world = World::new(timeless(), echo);
    let peer = world.join();
    let before = world.network.calls();
    world.network.send_from(peer, b"bye\n");
    world.network.finish(peer);
    world.run_until_empty();
    let calls = world.network.calls().since(before);
    // The line, and the end behind it.
    assert_eq!((calls.reads, calls.writes, calls.closes), (2, 1, 1));
    assert_eq!(calls.shutdowns, 0, "who has finished is not told that we have");
}

#[test]
fn a_peer_held_back_costs_nothing_until_it_can_go_on() {
    let mut world = World::with_codec(timeless(), Raw, echo);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, &pattern(1000 * KIB));
    world.settle();
    let before = world.network.calls();
    world.turn(secs(3600));
    assert_calls(world.network.calls().since(before), 1, 0, 0);
}

#[test]
fn a_datagram_costs_one_poll_one_receive_and_one_send() {
    let echo = crate::datagrams::Probe::new(crate::datagrams::echo);
    let mut world =
        World::of(SimNetwork::new(1), timeless(), None, |server| server.udp(address(0), echo));
    let sender = "192.0.2.9:99".parse().expect("it is an address");
    world.settle();
    for _ in 0..20 {
        world.network.send_datagram(sender, address(0), b"hello");
        let before = world.network.calls();
        world.turn(None);
        let calls = world.network.calls().since(before);
        assert_eq!((calls.polls, calls.receives, calls.sends), (1, 1, 1));
    }
    assert_eq!(world.network.take_datagrams(sender).len(), 20);
}

#[test]
fn frames_without_answers_cost_no_write() {
    let handler = Scripted::<Lines>::new(ignore);
    let mut world = World::on(SimNetwork::new(1), timeless(), Lines::default(), handler);
    let peer = world.join();
    let calls = calls_of_a_turn(&mut world, &[peer], &b"hello\n".repeat(100));
    assert_calls(calls, 1, 1, 0);
}
