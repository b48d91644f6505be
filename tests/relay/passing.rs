//! What is passed on between two tied connections, how much at a time, and when not.

use windlass::Config;
use windlass::middleware::{ConnectionContext, Frame, Interest, Middleware, Verdict};
use windlass::network::{PeerState, SimNetwork};

use super::pairs::Pairs;
use crate::fixture::{KIB, MIB, frame, millis, pattern, secs, timeless};

/// From 8 KiB to 2 KiB a peer that does not take its bytes holds the other back; pipes of 4 KiB.
fn narrow() -> Pairs {
    let config = Config { high_watermark: 8 * KIB, low_watermark: 2 * KIB, ..timeless() };
    let mut network = SimNetwork::new(1);
    network.set_pipe_len(4 * KIB);
    Pairs::on(network, config)
}

#[test]
fn bytes_go_both_ways_as_they_are() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.pair();
    // No frames of either codec.
    let (there, back) = (pattern(300_001), frame(&pattern(70_000))[..60_000].to_vec());
    pairs.world.network.send_from(one, &there);
    pairs.world.network.send_from(other, &back);
    pairs.world.settle();
    assert!(pairs.world.network.received(other) == there);
    assert!(pairs.world.network.received(one) == back);
    pairs.world.network.finish(one);
    pairs.world.network.finish(other);
    pairs.world.run_until_empty();
    assert_eq!(pairs.counts(one), (300_001, 60_000, 0));
    assert_eq!(pairs.counts(other), (60_000, 300_001, 0));
    assert_eq!(pairs.reasons([one, other]), [Some("peer finished"); 2]);
    let metrics = pairs.world.reactor.metrics();
    assert_eq!((metrics.bytes_received, metrics.bytes_sent), (360_001, 360_001));
    assert_eq!(pairs.world.frames_len(), 0);
    pairs.finish();
}

#[test]
fn input_that_was_not_run_is_passed_on_first() {
    for len in [0, 1, 5000, 200_000] {
        let mut pairs = Pairs::new();
        let [one, other] = pairs.strangers();
        let address = pairs.world.network.address(other);
        let mut behind = pattern(len);
        pairs.world.network.send_from(one, format!("first\ntie {address}\n").as_bytes());
        pairs.world.network.send_from(one, &behind);
        pairs.world.settle();
        pairs.world.network.send_from(one, b"more");
        pairs.world.settle();
        behind.extend(b"more");
        assert!(pairs.world.network.received(other) == behind, "{len} bytes behind the line");
        assert_eq!(pairs.world.frames(one).len(), 2);
        assert_eq!(pairs.world.reactor.held_len(), 0);
    }
}

#[test]
fn a_frame_that_had_begun_is_passed_on_with_its_beginning() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.strangers();
    let long = frame(&pattern(10_000));
    pairs.world.network.send_from(other, &long[..6000]);
    pairs.world.network.send_from(one, b"half a li");
    pairs.world.settle();
    assert!(pairs.world.reactor.held_len() > 6000, "it is kept");
    pairs.tie([one, other]);
    pairs.world.settle();
    assert_eq!(pairs.world.network.received(one), &long[..6000]);
    assert_eq!(pairs.world.received(other), "half a li");
    assert_eq!(pairs.world.reactor.held_len(), 0);
    pairs.world.network.send_from(other, &long[6000..]);
    pairs.world.settle();
    assert!(pairs.world.network.received(one) == long);
}

#[test]
fn the_end_of_one_stream_leaves_the_other_open() {
    for first in [0, 1] {
        let mut pairs = Pairs::new();
        let peers = pairs.pair();
        let (one, other) = (peers[first], peers[1 - first]);
        pairs.world.network.send_from(one, b"question");
        pairs.world.network.finish(one);
        pairs.world.settle();
        assert_eq!(pairs.world.received(other), "question");
        assert_eq!(pairs.world.network.state(other), PeerState::Finished, "it is told the end");
        assert_eq!(pairs.world.network.state(one), PeerState::Open);
        pairs.world.network.send_from(other, &pattern(MIB));
        pairs.world.settle();
        assert_eq!(pairs.world.network.received(one).len(), MIB);
        assert_eq!(pairs.world.open_len(), 2);
        pairs.world.network.finish(other);
        pairs.world.settle();
        assert!(pairs.world.network.received(one) == pattern(MIB));
        assert_eq!(pairs.world.network.state(one), PeerState::Finished);
        assert_eq!(pairs.reasons(peers), [Some("peer finished"); 2]);
        assert_eq!(pairs.world.network.calls().shutdowns, 2, "each is told the end once");
        pairs.finish();
    }
}

#[test]
fn the_end_comes_behind_bytes_that_wait() {
    let mut pairs = narrow();
    let [one, other] = pairs.pair();
    pairs.world.network.stall(other);
    pairs.world.network.send_from(one, &pattern(10 * KIB));
    pairs.world.network.finish(one);
    pairs.world.run_for(secs(1));
    assert_eq!(pairs.world.network.state(other), PeerState::Open);
    pairs.world.network.read_slowly(other, 100, millis(1));
    pairs.world.run_for(secs(1));
    assert_eq!(pairs.world.network.state(other), PeerState::Finished);
    assert!(pairs.world.network.received(other) == pattern(10 * KIB));
}

#[test]
fn an_end_that_came_before_they_were_tied_is_passed_on() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.strangers();
    let address = pairs.world.network.address(other);
    pairs.world.network.send_from(one, format!("tie {address}\nrest").as_bytes());
    pairs.world.network.finish(one);
    pairs.world.settle();
    assert_eq!(pairs.world.received(other), "rest");
    assert_eq!(pairs.world.network.state(other), PeerState::Finished);
    assert_eq!(pairs.world.open_len(), 2);
}

#[test]
fn a_peer_that_takes_nothing_holds_the_other_back() {
    let mut pairs = narrow();
    let [one, other] = pairs.pair();
    pairs.world.network.stall(other);
    pairs.world.network.send_from(one, &pattern(MIB));
    pairs.world.run_for(secs(1));
    let left = pairs.world.network.unread_len(one) + pairs.world.network.unsent_len(one);
    // A pipe of 4 KiB is full, and one read went beyond the watermark at most.
    assert!(MIB - left <= (4 + 8 + 4) * KIB, "{} bytes were read", MIB - left);
    assert!(pairs.world.reactor.held_len() <= 2 * (8 + 4) * KIB);
    assert_eq!(pairs.world.reactor.metrics().held_back, 1);
    let reads = pairs.world.network.calls().reads;
    pairs.world.run_for(secs(10));
    assert_eq!(pairs.world.network.calls().reads, reads, "it is not even tried");
    // The other way is free.
    pairs.world.network.send_from(other, &pattern(100 * KIB));
    pairs.world.settle();
    assert!(pairs.world.network.received(one) == pattern(100 * KIB));
    pairs.world.network.resume(other);
    pairs.world.settle();
    assert!(pairs.world.network.received(other) == pattern(MIB));
    assert_eq!(pairs.world.reactor.held_len(), 0);
    assert_eq!(pairs.world.reactor.metrics().held_back, 0);
}

#[test]
fn nothing_is_read_beyond_the_watermark_that_cannot_leave_at_once() {
    let config = Config { high_watermark: 8 * KIB, low_watermark: 2 * KIB, ..timeless() };
    let mut pairs = Pairs::on(SimNetwork::new(1), config);
    let [one, other] = pairs.pair();
    pairs.world.network.stall(other);
    // The pipe is full, and a little waits behind it.
    pairs.world.network.send_from(one, &pattern(64 * KIB + 100));
    pairs.world.settle();
    assert!(pairs.world.reactor.held_len() < KIB);
    pairs.world.network.send_from(one, &pattern(60 * KIB));
    pairs.world.settle();
    assert_eq!(pairs.world.network.unread_len(one), 52 * KIB + 100);
}

/// Slows whoever sends a frame.
struct Brake;

impl Middleware for Brake {
    fn name(&self) -> &'static str {
        "brake"
    }

    fn interest(&self) -> Interest {
        Interest::Lengths
    }

    fn on_frame(&mut self, _: &mut ConnectionContext<'_>, _: Frame<'_>) -> Verdict {
        Verdict::Slow(secs(5))
    }
}

#[test]
fn who_was_slowed_by_a_layer_is_read_when_the_time_is_over() {
    let mut pairs =
        Pairs::of(SimNetwork::new(1), timeless(), |listener| listener.middleware(Brake));
    let [one, other] = pairs.strangers();
    let address = pairs.world.network.address(other);
    pairs.world.network.send_from(one, format!("tie {address}\nrest").as_bytes());
    pairs.world.settle();
    pairs.world.network.finish(one);
    pairs.world.network.send_from(other, b"this way is free");
    pairs.world.run_for(secs(4));
    assert_eq!(pairs.world.received(one), "this way is free");
    assert_eq!(pairs.world.received(other), "");
    assert_eq!(pairs.world.network.state(other), PeerState::Open);
    pairs.world.run_for(secs(2));
    assert_eq!(pairs.world.received(other), "rest");
    assert_eq!(pairs.world.network.state(other), PeerState::Finished);
}

#[test]
fn a_handler_can_pause_a_tied_connection() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.strangers();
    pairs.world.network.send_from(one, b"rest\n");
    pairs.world.settle();
    pairs.tie([one, other]);
    pairs.world.run_for(secs(2));
    pairs.world.network.send_from(one, b"later");
    pairs.world.network.send_from(other, b"now");
    pairs.world.run_for(secs(2));
    assert_eq!([one, other].map(|peer| pairs.world.received(peer)), ["now", ""]);
    pairs.world.run_for(secs(2));
    assert_eq!(pairs.world.received(other), "later");
}

#[test]
fn what_waits_stays_bounded_while_a_peer_takes_little() {
    let mut pairs = narrow();
    let [one, other] = pairs.pair();
    pairs.world.network.read_slowly(other, 700, millis(1));
    pairs.world.network.send_from(one, &pattern(MIB));
    pairs.world.network.finish(one);
    let mut most = 0;
    while pairs.world.network.state(other) == PeerState::Open {
        pairs.world.turn(millis(1));
        most = most.max(pairs.world.reactor.held_len());
    }
    assert!(pairs.world.network.received(other) == pattern(MIB));
    assert!(most <= 2 * (8 + 4) * KIB, "{most} bytes were held");
}

#[test]
fn a_held_sender_is_read_again_at_the_low_watermark_and_not_before() {
    let mut pairs = narrow();
    let [one, other] = pairs.pair();
    pairs.world.network.stall(other);
    pairs.world.network.send_from(one, &pattern(MIB));
    pairs.world.settle();
    let left =
        |pairs: &Pairs| pairs.world.network.unread_len(one) + pairs.world.network.unsent_len(one);
    let before = left(&pairs);
    // The pipe is full: what is taken out of it makes room for as much of the queue.
    pairs.world.network.read_slowly(other, KIB, secs(1));
    let mut taken = 0;
    while left(&pairs) == before {
        pairs.world.run_for(secs(1));
        taken = pairs.world.network.received(other).len();
        assert!(taken <= 8 * KIB, "it is held for ever");
    }
    assert!(taken >= 6 * KIB, "it goes on after {taken} bytes");
}

#[test]
fn a_fast_pair_keeps_nobody_waiting() {
    for (read_budget, write_budget) in [(4 * KIB, MIB), (MIB, 4 * KIB)] {
        let config = Config { read_budget, write_budget, ..timeless() };
        let mut pairs = Pairs::with(config);
        let [one, other] = pairs.pair();
        let paced = pairs.pair();
        pairs.world.network.send_from(one, &pattern(4 * MIB));
        let mut received_len = 0;
        for turn in 1..=500 {
            pairs.world.network.send_from(paced[turn % 2], b"honest");
            pairs.world.turn_at_once();
            let received = pairs.world.network.received(paced[1 - turn % 2]).len();
            assert_eq!(received, 6 * turn.div_ceil(2), "in turn {turn}");
            let len = pairs.world.network.take_received(other).len();
            assert!(len <= 4 * KIB, "{len} bytes in a turn, with a budget of 4 KiB");
            received_len += len;
        }
        assert!(received_len >= 499 * 4 * KIB, "it is served in each turn: {received_len}");
    }
}

#[test]
fn a_small_write_budget_slows_a_pair_and_loses_nothing() {
    let config = Config { write_budget: 100, ..timeless() };
    let mut pairs = Pairs::with(config);
    let [one, other] = pairs.pair();
    pairs.world.network.send_from(one, &pattern(200 * KIB));
    let mut all = Vec::new();
    while all.len() < 200 * KIB {
        pairs.world.turn_at_once();
        let received = pairs.world.network.take_received(other);
        assert!(received.len() <= 100, "{} bytes in a turn", received.len());
        all.extend(received);
    }
    assert!(all == pattern(200 * KIB));
}

#[test]
fn what_waited_and_what_has_just_come_share_a_write_budget() {
    let config = Config { write_budget: 4 * KIB, ..timeless() };
    let mut pairs = Pairs::with(config);
    let [one, other] = pairs.pair();
    // In each turn a little is left over, and more comes.
    for _ in 0..20 {
        pairs.world.network.send_from(one, &pattern(5 * KIB));
        pairs.world.turn_at_once();
        let len = pairs.world.network.take_received(other).len();
        assert!(len <= 4 * KIB, "{len} bytes in a turn, with a budget of 4 KiB");
    }
}

#[test]
fn a_pair_at_rest_costs_nothing() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.pair();
    pairs.world.network.send_from(one, b"ping");
    pairs.world.settle();
    assert_eq!(pairs.world.received(other), "ping");
    let before = pairs.world.network.calls();
    pairs.world.run_for(secs(100));
    let calls = pairs.world.network.calls().since(before);
    assert_eq!((calls.reads, calls.writes), (0, 0));
    assert!(calls.polls <= 5, "{calls:?}");
}

#[test]
fn a_message_costs_one_turn_one_read_and_one_write() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.pair();
    let before = pairs.world.network.calls();
    for _ in 0..100 {
        pairs.world.network.send_from(one, b"ping");
        pairs.world.turn_at_once();
        assert_eq!(pairs.world.reactor.next_deadline(), None, "nothing is left to do");
    }
    let calls = pairs.world.network.calls().since(before);
    assert_eq!((calls.reads, calls.writes), (100, 100));
    assert_eq!(pairs.world.network.received(other).len(), 400);
}

#[test]
fn what_was_kept_waits_until_the_other_has_room() {
    let config = Config { high_watermark: 2 * KIB, low_watermark: KIB, ..timeless() };
    let config = Config { write_limit: 2 * KIB, ..config };
    let mut network = SimNetwork::new(1);
    network.set_pipe_len(4 * KIB);
    let mut pairs = Pairs::on(network, config);
    let [one, other] = pairs.strangers();
    pairs.world.network.stall(other);
    let begun = vec![b'x'; 16 * KIB];
    pairs.world.network.send_from(one, &begun);
    pairs.world.settle();
    assert!(pairs.world.reactor.held_len() >= begun.len(), "no line has ended");
    pairs.tie([one, other]);
    pairs.world.settle();
    assert!(pairs.world.reactor.held_len() >= 8 * KIB, "there is no room for the rest");
    pairs.world.network.take_received(other);
    pairs.world.network.resume(other);
    pairs.world.settle();
    assert_eq!(pairs.world.reactor.held_len(), 0);
}

#[test]
fn what_the_write_budget_holds_up_is_no_more_than_a_portion() {
    let config = Config { high_watermark: 8 * KIB, low_watermark: 7 * KIB, ..timeless() };
    let config = Config { read_buffer_len: 16 * KIB, write_budget: KIB, ..config };
    let mut network = SimNetwork::new(1);
    network.set_pipe_len(MIB);
    let mut pairs = Pairs::on(network, config);
    let [one, other] = pairs.pair();
    pairs.world.network.send_from(one, &pattern(100 * KIB));
    let mut passed_on = 0;
    while passed_on < 100 * KIB {
        pairs.world.turn_at_once();
        let network = &pairs.world.network;
        passed_on = network.received(other).len();
        let waiting = 100 * KIB - network.unread_len(one) - passed_on;
        assert!(waiting <= 16 * KIB, "{waiting} bytes wait");
    }
    assert!(pairs.world.network.received(other) == pattern(100 * KIB));
}
