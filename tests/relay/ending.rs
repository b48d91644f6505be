//! What becomes of one of two tied connections when the other ends, whatever way.

use std::io::ErrorKind;
use std::time::Duration;

use windlass::network::{PeerState, SimNetwork, SimPeer};
use windlass::{AtLimit, Config, SocketOptions};

use super::pairs::Pairs;
use crate::fixture::{KIB, MIB, address, assert_on_time, millis, pattern, secs, timeless};

/// The reasons and states of the two, once both have ended.
fn ends(mut pairs: Pairs, peers: [SimPeer; 2]) -> [(&'static str, PeerState); 2] {
    pairs.world.run_until("the end of both", None, |world| {
        peers.iter().all(|peer| world.reason(*peer).is_some())
    });
    let ends = peers.map(|peer| {
        (pairs.world.reason(peer).expect("it has closed"), pairs.world.network.state(peer))
    });
    pairs.finish();
    ends
}

const GONE: &str = "partner gone";

#[test]
fn a_reset_is_passed_on() {
    for first in [0, 1] {
        let mut pairs = Pairs::new();
        let peers = pairs.pair();
        pairs.world.network.reset(peers[first]);
        let ends = ends(pairs, peers);
        assert_eq!(ends[first], ("reset", PeerState::Broken));
        assert_eq!(ends[1 - first], (GONE, PeerState::Reset));
    }
}

#[test]
fn a_write_that_fails_resets_the_other() {
    let mut pairs = Pairs::new();
    let peers = pairs.pair();
    pairs.world.network.fail_write(peers[1], ErrorKind::TimedOut);
    pairs.world.network.send_from(peers[0], b"anything");
    let ends = ends(pairs, peers);
    assert_eq!(ends[1].0, "reset");
    assert_eq!(ends[0], (GONE, PeerState::Reset));
}

#[test]
fn a_reset_after_one_end_is_passed_on() {
    let mut pairs = Pairs::new();
    let peers = pairs.pair();
    pairs.world.network.finish(peers[0]);
    pairs.world.settle();
    pairs.world.network.reset(peers[1]);
    let ends = ends(pairs, peers);
    assert_eq!(ends, [(GONE, PeerState::Reset), ("reset", PeerState::Broken)]);
}

#[test]
fn when_one_is_closed_the_other_is_after_what_it_is_owed() {
    for first in [0, 1] {
        let config = Config { high_watermark: 300 * KIB, ..timeless() };
        let mut pairs = Pairs::with(config);
        let peers = pairs.pair();
        let (one, other) = (peers[first], peers[1 - first]);
        pairs.world.network.stall(other);
        pairs.world.network.send_from(one, &pattern(200 * KIB));
        pairs.world.settle();
        let id = pairs.id(one);
        pairs.world.reactor.commands().close(id).unwrap();
        pairs.world.settle();
        pairs.world.network.resume(other);
        pairs.world.settle();
        assert!(pairs.world.network.received(other) == pattern(200 * KIB));
        let ends = ends(pairs, peers);
        assert_eq!(ends[first], ("closed", PeerState::Finished));
        assert_eq!(ends[1 - first], (GONE, PeerState::Finished));
    }
}

#[test]
fn what_leaves_after_the_partner_was_closed_is_counted() {
    let config = Config { write_budget: KIB, ..timeless() };
    let mut pairs = Pairs::with(config);
    let [one, other] = pairs.pair();
    pairs.world.network.send_from(one, &pattern(50 * KIB));
    for _ in 0..5 {
        pairs.world.turn_at_once();
    }
    let id = pairs.id(one);
    pairs.world.reactor.commands().close(id).unwrap();
    pairs.world.run_for(secs(2));
    assert!(pairs.world.network.received(other) == pattern(50 * KIB));
    assert_eq!(pairs.counts(other), (0, 50 * KIB as u64, 0));
    assert_eq!(pairs.world.reactor.metrics().bytes_sent, 50 * KIB as u64);
}

#[test]
fn when_one_is_aborted_the_other_is_reset() {
    let mut pairs = Pairs::new();
    let peers = pairs.pair();
    let id = pairs.id(peers[1]);
    pairs.world.reactor.commands().abort(id).unwrap();
    let ends = ends(pairs, peers);
    assert_eq!(ends, [(GONE, PeerState::Reset), ("aborted", PeerState::Reset)]);
}

#[test]
fn a_pair_is_idle_when_neither_is_active() {
    let config = Config { idle_timeout: Some(secs(10)), ..timeless() };
    let mut pairs = Pairs::with(config);
    let peers = pairs.pair();
    for second in 1..=30 {
        pairs.world.send_at(peers[0], secs(second), b"x");
    }
    pairs.world.run_for(secs(35));
    assert_eq!(pairs.world.open_len(), 2);
    let end = pairs.world.end_of(peers[0]);
    assert_on_time(end, secs(40));
    let mut ends = ends(pairs, peers);
    ends.sort_by_key(|(reason, _)| *reason == GONE);
    let is_told = |(reason, state): &(_, _)| {
        ["idle timeout", GONE].contains(reason) && *state == PeerState::Finished
    };
    assert!(ends.iter().all(is_told) && ends[0].0 == "idle timeout", "{ends:?}");
}

#[test]
fn no_farewell_of_the_handler_comes_between_the_bytes_of_a_pair() {
    for has_ended in [false, true] {
        let config = Config { idle_timeout: Some(secs(10)), ..timeless() };
        let mut pairs = Pairs::with(config);
        let peers = pairs.pair();
        pairs.world.network.send_from(peers[0], b"theirs");
        if has_ended {
            pairs.world.network.finish(peers[0]);
        }
        pairs.world.run_for(secs(60));
        assert_eq!(peers.map(|peer| pairs.world.received(peer)), ["", "theirs"]);
        let reasons = pairs.reasons(peers);
        let expected = [Some("idle timeout"), Some(GONE)];
        assert!(reasons.iter().all(|reason| expected.contains(reason)), "{reasons:?}");
        pairs.finish();
    }
}

#[test]
fn a_peer_that_is_held_back_is_not_idle_while_the_other_takes_its_bytes() {
    let config = Config { high_watermark: 8 * KIB, low_watermark: KIB, ..timeless() };
    let config = Config { idle_timeout: Some(secs(10)), ..config };
    let mut network = SimNetwork::new(1);
    network.set_pipe_len(4 * KIB);
    let mut pairs = Pairs::on(network, config);
    let [one, other] = pairs.pair();
    pairs.world.network.send_from(one, &pattern(30 * KIB));
    pairs.world.network.read_slowly(other, 500, secs(1));
    pairs.world.run_for(secs(62));
    assert!(pairs.world.network.received(other) == pattern(30 * KIB));
    assert_eq!(pairs.world.open_len(), 2);
}

#[test]
fn no_deadline_for_frames_applies_to_a_pair() {
    let config = Config { first_frame_timeout: Some(secs(5)), ..timeless() };
    let config = Config { frame_timeout: Some(secs(5)), ..config };
    let mut pairs = Pairs::with(config);
    let [one, other] = pairs.strangers();
    pairs.world.network.send_from(one, b"begun");
    pairs.world.settle();
    pairs.tie([one, other]);
    pairs.world.network.send_from(one, b" and not ended");
    pairs.world.run_for(secs(100));
    assert_eq!(pairs.world.open_len(), 2);
    assert_eq!(pairs.world.received(other), "begun and not ended");
}

#[test]
fn a_peer_that_takes_nothing_for_too_long_is_reset_and_the_other_too() {
    let config = Config { write_timeout: Some(secs(30)), ..timeless() };
    let mut pairs = Pairs::with(config);
    let peers = pairs.pair();
    pairs.world.network.stall(peers[1]);
    pairs.world.network.send_from(peers[0], &pattern(MIB));
    let end = pairs.world.end_of(peers[1]);
    assert_on_time(end, secs(30));
    let ends = ends(pairs, peers);
    assert_eq!(ends, [(GONE, PeerState::Reset), ("write timeout", PeerState::Reset)]);
}

#[test]
fn the_age_of_one_ends_both() {
    let config = Config { lifetime: Some(secs(60)), ..timeless() };
    let mut pairs = Pairs::with(config);
    let one = pairs.world.connect();
    pairs.world.run_for(secs(1));
    let other = pairs.world.network.connect_to(address(1));
    pairs.world.settle();
    pairs.tie([one, other]);
    let ends = ends(pairs, [one, other]);
    assert_eq!(ends, [("lifetime over", PeerState::Finished), (GONE, PeerState::Finished)]);
}

#[test]
fn a_pair_that_costs_more_memory_than_there_is_ends() {
    let mut config = Config { write_limit: 600 * KIB, high_watermark: 600 * KIB, ..timeless() };
    config.memory_budget = 4 * MIB;
    let mut pairs = Pairs::with(config);
    let all: Vec<_> = (0..10).map(|_| pairs.pair()).collect();
    for [one, other] in &all {
        pairs.world.network.stall(*other);
        pairs.world.network.send_from(*one, &pattern(MIB));
    }
    pairs.world.settle();
    let pays = |pair: &&[SimPeer; 2]| pairs.world.reason(pair[1]) == Some("memory budget");
    let paid: Vec<_> = all.iter().filter(pays).collect();
    assert!((1..10).contains(&paid.len()), "{} have paid", paid.len());
    for pair in &paid {
        assert_eq!(pairs.reasons(**pair), [Some(GONE), Some("memory budget")]);
        assert_eq!(pairs.world.network.state(pair[0]), PeerState::Reset);
    }
    for pair in all.iter().filter(|pair| !paid.contains(pair)) {
        assert_eq!(pairs.reasons(*pair), [None; 2]);
        pairs.world.network.resume(pair[1]);
    }
    pairs.world.settle();
    for pair in all.iter().filter(|pair| !paid.contains(pair)) {
        assert!(pairs.world.network.received(pair[1]) == pattern(MIB));
    }
}

#[test]
fn a_pair_is_not_idle_enough_to_be_evicted() {
    let config = Config { at_limit: AtLimit::EvictIdle, ..timeless() };
    let mut pairs = Pairs::with(Config { max_connections: Some(3), ..config });
    let pair = pairs.pair();
    let third = pairs.world.join();
    let fourth = pairs.world.join();
    assert_eq!(pairs.world.reason(third), Some("evicted"));
    assert_eq!(pairs.reasons(pair), [None; 2]);
    assert_eq!(pairs.world.network.state(fourth), PeerState::Open);
}

#[test]
fn a_drain_leaves_a_pair_time_to_end() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.pair();
    let stranger = pairs.world.join();
    pairs.world.reactor.drain();
    pairs.world.run_for(secs(5));
    assert_eq!(pairs.world.reason(stranger), Some("drained"));
    pairs.world.network.send_from(one, b"still here");
    pairs.world.network.finish(one);
    pairs.world.run_for(secs(5));
    assert_eq!(pairs.world.received(other), "still here");
    pairs.world.network.finish(other);
    let report = pairs.world.run_to_the_end(secs(1));
    assert_eq!((report.finished, report.failed, report.cut_at_deadline), (3, 0, 0));
}

#[test]
fn a_pair_that_does_not_end_is_cut_at_the_drain_deadline() {
    let mut pairs = Pairs::new();
    let peers = pairs.pair();
    pairs.world.network.stall(peers[1]);
    pairs.world.network.send_from(peers[0], &pattern(MIB));
    pairs.world.reactor.drain();
    let report = pairs.world.run_to_the_end(secs(31));
    assert_eq!(pairs.reasons(peers), [Some("drain timeout"); 2]);
    assert_eq!((report.finished, report.cut_at_deadline), (0, 2));
}

#[test]
fn a_stop_cuts_both_of_a_pair() {
    let mut pairs = Pairs::new();
    let peers = pairs.pair();
    pairs.world.reactor.stop();
    let report = pairs.world.run_to_the_end(millis(1));
    assert_eq!(pairs.reasons(peers), [Some("stopped"); 2]);
    assert_eq!(report.cut_by_stop, 2);
}

#[test]
fn a_panic_at_the_close_of_one_costs_the_other_nothing_more() {
    let mut pairs = Pairs::new();
    let peers = pairs.pair();
    let bystanders = pairs.pair();
    pairs.panic_on_close();
    pairs.world.network.finish(peers[0]);
    pairs.world.network.send_from(peers[1], b"last words");
    pairs.world.network.finish(peers[1]);
    pairs.world.settle();
    assert_eq!(pairs.world.reactor.metrics().panics, 1);
    assert_eq!(pairs.reasons(peers), [Some("peer finished"); 2]);
    assert_eq!(pairs.world.received(peers[0]), "last words");
    assert_eq!(pairs.reasons(bystanders), [None; 2]);
}

#[test]
fn a_timer_of_the_handler_may_send_until_the_stream_has_ended() {
    for (is_ended, expected) in [(false, true), (true, false)] {
        let mut pairs = Pairs::new();
        let [one, other] = pairs.strangers();
        pairs.world.network.send_from(one, b"timer\n");
        pairs.world.settle();
        pairs.tie([one, other]);
        pairs.world.settle();
        if is_ended {
            pairs.world.network.finish(other);
        }
        pairs.world.run_for(secs(2));
        assert_eq!(pairs.known().sent, [expected]);
        let id = pairs.id(one);
        pairs.world.reactor.commands().send(id, "more\n").unwrap();
        pairs.world.settle();
        assert_eq!(pairs.world.received(one), if is_ended { "" } else { "late\nmore\n" });
        assert_eq!(pairs.world.open_len(), 2, "nothing broke");
    }
}

#[test]
fn both_ends_at_once_close_both() {
    let mut pairs = Pairs::with(Config { socket: SocketOptions::default(), ..timeless() });
    let peers = pairs.pair();
    for peer in peers {
        pairs.world.network.send_from(peer, b"bye");
        pairs.world.network.finish(peer);
    }
    pairs.world.run_until("the end", Duration::from_millis(1), |world| world.open_len() == 0);
    let ends = ends(pairs, peers);
    assert_eq!(ends, [("peer finished", PeerState::Finished); 2]);
}
