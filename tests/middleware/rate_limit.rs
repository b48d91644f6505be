//! So many connections, frames or bytes of one address per time.

use std::time::Duration;

use windlass::middleware::{Over, RateLimit};
use windlass::network::SimPeer;

use crate::fixture::{What, millis, secs};
use crate::gated::Gated;

const SECOND: Duration = Duration::from_secs(1);

fn behind(limit: RateLimit) -> Gated {
    Gated::behind(|server| server.middleware(limit))
}

/// Runs the loop to the end of these seconds.
fn run_to(gated: &mut Gated, seconds: u64) {
    let now = Duration::from_nanos(gated.world.network.clock().as_nanos());
    gated.world.run_for(secs(seconds) - now);
}

#[test]
fn connections_over_the_rate_are_refused_until_the_time_has_come() {
    let mut gated = behind(RateLimit::connections(1, SECOND).burst(2).farewell("slowly\n"));
    for port in 4000..4002 {
        gated.join(&format!("198.51.100.1:{port}"));
    }
    assert_eq!(gated.refused("198.51.100.1:4002"), "slowly\n");
    gated.join("198.51.100.2:4000");
    gated.world.run_for(millis(999));
    gated.refused("198.51.100.1:4003");
    gated.world.run_for(millis(1));
    gated.join("198.51.100.1:4004");
    gated.refused("198.51.100.1:4005");
}

#[test]
fn connections_that_are_slowed_are_let_in_and_read_later() {
    let mut gated = behind(RateLimit::connections(1, SECOND).over(Over::Slow));
    let peers: Vec<SimPeer> =
        (4000..4003).map(|port| gated.join(&format!("198.51.100.1:{port}"))).collect();
    for peer in &peers {
        gated.send(*peer, "hello\n");
    }
    gated.world.run_for(secs(5));
    let times: Vec<_> = peers.iter().flat_map(|peer| gated.frame_times(*peer)).collect();
    assert_eq!(times, [secs(0), secs(1), secs(2)]);
}

#[test]
fn frames_over_the_rate_are_slowed_to_it_and_none_is_lost() {
    let mut gated = behind(RateLimit::frames(2, SECOND).burst(3));
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "1\n2\n3\n4\n5\n6\n7\n");
    gated.world.run_for(secs(10));
    let times = [0, 0, 0, 0, 500, 1000, 1500].map(millis);
    assert_eq!(gated.frame_times(peer), times, "the one too many passes, and is made up for");
    assert_eq!(gated.answer(peer), "1\n2\n3\n4\n5\n6\n7\n");
}

#[test]
fn all_connections_of_an_address_count_together() {
    let mut gated = behind(RateLimit::frames(1, SECOND));
    let peers = [4000, 4001].map(|port| gated.join(&format!("198.51.100.1:{port}")));
    let other = gated.join("198.51.100.2:4000");
    for peer in [peers[0], peers[1], other] {
        gated.send(peer, "1\n2\n3\n");
    }
    gated.world.run_for(secs(10));
    let mut times: Vec<_> = peers.iter().flat_map(|peer| gated.frame_times(*peer)).collect();
    times.sort_unstable();
    // One for each second, and of each connection one that is still to be made up for.
    assert_eq!(times, [0, 0, 0, 1, 2, 4].map(secs));
    assert_eq!(gated.frame_times(other), [secs(0), secs(0), secs(1)]);
}

#[test]
fn frames_over_the_rate_can_be_answered_in_the_handlers_stead() {
    let limit = RateLimit::frames(2, SECOND).over(Over::Refuse).farewell("busy\n");
    let mut gated = behind(limit);
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "1\n2\n3\n4\n");
    assert_eq!(gated.answer(peer), "1\n2\nbusy\nbusy\n");
    gated.world.run_for(SECOND / 2);
    gated.send(peer, "5\n6\n");
    assert_eq!(gated.answer(peer), "5\nbusy\n");
    assert!(gated.is_open(peer));
    assert_eq!(gated.frame_times(peer).len(), 3);
}

#[test]
fn frames_over_the_rate_can_end_the_connection() {
    let mut gated = behind(RateLimit::frames(2, SECOND).over(Over::Close).farewell("bye\n"));
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "1\n2\n3\n4\n");
    assert_eq!(gated.answer(peer), "1\n2\nbye\n");
    assert!(!gated.is_open(peer));
    gated.leave(peer);
    assert_eq!(gated.seen(peer).last(), Some(&What::Closed("refused")));
}

#[test]
fn bytes_are_those_on_the_wire() {
    let mut gated = behind(RateLimit::bytes(10, SECOND).over(Over::Refuse).farewell("busy\n"));
    let peer = gated.join("198.51.100.1:4000");
    // Four letters and an end of line; then one byte more than is left.
    gated.send(peer, "four\nfives\n");
    assert_eq!(gated.answer(peer), "four\nbusy\n");
    gated.send(peer, "four\n\n");
    assert_eq!(gated.answer(peer), "four\nbusy\n");
}

#[test]
fn a_frame_longer_than_the_burst_passes_and_is_made_up_for() {
    let mut gated = behind(RateLimit::bytes(10, SECOND));
    let peer = gated.join("198.51.100.1:4000");
    let long = format!("{}\n", "x".repeat(99));
    gated.send(peer, &format!("{long}next\n"));
    gated.world.run_for(secs(30));
    // Ninety bytes too many.
    assert_eq!(gated.frame_times(peer), [secs(0), secs(9)]);
}

#[test]
fn what_is_not_used_is_saved_up_to_the_burst_only() {
    let mut gated = behind(RateLimit::frames(1, SECOND).burst(2).over(Over::Refuse));
    let peer = gated.join("198.51.100.1:4000");
    run_to(&mut gated, 3600);
    gated.send(peer, "1\n2\n3\n4\n");
    assert_eq!(gated.answer(peer), "1\n2\n");
}

#[test]
fn datagrams_over_the_rate_are_dropped() {
    for over in [Over::Refuse, Over::Close, Over::Slow] {
        let mut gated = behind(RateLimit::frames(2, SECOND).over(over));
        assert!(gated.datagram_passes("198.51.100.1:53", b"1"));
        assert!(gated.datagram_passes("198.51.100.1:54", b"2"));
        assert!(!gated.datagram_passes("198.51.100.1:53", b"3"), "{over:?}");
        assert!(gated.datagram_passes("198.51.100.2:53", b"1"));
        // What was dropped does not count.
        gated.world.run_for(SECOND / 2);
        assert!(gated.datagram_passes("198.51.100.1:53", b"4"));
    }
    let mut gated = behind(RateLimit::bytes(10, SECOND));
    assert!(gated.datagram_passes("198.51.100.1:53", b"six by"));
    assert!(!gated.datagram_passes("198.51.100.1:53", b"five."));
    assert!(gated.datagram_passes("198.51.100.1:53", b"four"));
    let mut gated = behind(RateLimit::connections(1, SECOND).over(Over::Slow));
    for port in 4000..4005 {
        gated.join(&format!("198.51.100.1:{port}"));
    }
    assert!((0..5).all(|_| gated.datagram_passes("198.51.100.1:53", b"no connection")));
}
