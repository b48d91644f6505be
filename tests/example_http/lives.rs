//! What happens in time: events, those who are slow, and the end of the server.

use std::time::Duration;

use windlass::network::PeerState;

use super::fixture::{World, millis, secs};
use super::{DATE, body, field, status, take, world};

const END: &str = "HTTP/1.1\r\nHost: a\r\n\r\n";

fn send(world: &mut World, text: &str) -> windlass::network::SimPeer {
    let peer = world.join();
    world.network.send_from(peer, text.as_bytes());
    world.settle();
    peer
}

#[test]
fn events_are_told_at_their_times_with_their_numbers() {
    let world = &mut world("--event-interval 200ms");
    let peer = send(world, &format!("GET /events {END}"));
    let answer = take(world, peer);
    assert_eq!(field(&answer, "Transfer-Encoding"), Some("chunked"));
    assert_eq!(body(&answer), format!("2b\r\nid: 0\ndata: {DATE}\n\n\r\n"));
    for id in 1..5 {
        world.run_for(millis(201));
        assert_eq!(take(world, peer), format!("2b\r\nid: {id}\ndata: {DATE}\n\n\r\n"));
    }
}

#[test]
fn who_comes_back_is_told_what_comes_next() {
    for (last, next) in
        [("7", 8), ("18446744073709551615", 0), ("18446744073709551616", 0), ("x", 0), ("", 0)]
    {
        let head = format!("GET /events HTTP/1.0\r\nLast-Event-ID: {last}\r\n\r\n");
        let world = &mut world("");
        let peer = send(world, &head);
        let answer = take(world, peer);
        assert_eq!(field(&answer, "Connection"), Some("close"));
        assert_eq!(body(&answer), format!("id: {next}\ndata: {DATE}\n\n"), "after {last:?}");
    }
}

#[test]
fn who_does_not_listen_misses_events_and_costs_nothing() {
    let world = &mut world("--event-interval 1ms --write-timeout 1h");
    world.network.set_pipe_len(1000);
    let peer = send(world, &format!("GET /events {END}"));
    world.network.stall(peer);
    world.run_for(secs(10));
    assert_eq!(world.network.state(peer), PeerState::Open);
    world.network.resume(peer);
    world.settle();
    let told = take(world, peer).matches("data").count();
    assert!(told < 100, "{told} of 10,000 were kept");
    world.run_for(millis(2));
    assert!(take(world, peer).contains("data"), "what comes now, it is told");
}

#[test]
fn a_drain_ends_the_events_and_waits_for_a_body() {
    let world = &mut world("");
    let listener = send(world, &format!("GET /events {END}"));
    let sender = send(world, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    let idle = send(world, &format!("GET / {END}"));
    world.network.raise_signal();
    world.run_for(secs(2));
    assert!(take(world, listener).ends_with("\r\n0\r\n\r\n"));
    assert_eq!(world.network.state(listener), PeerState::Finished);
    assert_eq!(world.network.state(idle), PeerState::Finished);
    assert_eq!(world.network.state(sender), PeerState::Open);
    world.network.send_from(sender, b"lo");
    world.settle();
    assert_eq!(body(&take(world, sender)), "hello");
    assert_eq!(world.network.state(sender), PeerState::Finished);
    for peer in [listener, sender, idle] {
        world.network.finish(peer);
    }
    assert!(world.run_to_the_end(secs(60)).is_clean());
}

#[test]
fn a_request_that_has_begun_before_a_drain_is_the_last() {
    for line in ["GET /", "GET /nothing", "PUT /echo"] {
        let world = &mut world("");
        let peer = send(world, line);
        world.network.raise_signal();
        world.run_for(secs(1));
        let rest = " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        world.network.send_from(peer, rest.as_bytes());
        world.settle();
        assert_eq!(field(&take(world, peer), "Connection"), Some("close"), "{line}");
        assert_eq!(world.network.state(peer), PeerState::Finished, "{line}");
    }
}

#[test]
fn events_that_are_asked_for_in_a_drain_end_at_once() {
    let world = &mut world("");
    let peer = send(world, "GET /events HTTP/1.1\r\nHost: a\r\n");
    world.network.raise_signal();
    world.settle();
    world.network.send_from(peer, b"\r\n");
    world.settle();
    let answer = take(world, peer);
    assert!(body(&answer).ends_with("\n\n\r\n0\r\n\r\n"), "{answer}");
    world.network.finish(peer);
    assert!(world.run_to_the_end(secs(5)).is_clean());
}

#[test]
fn who_waits_for_an_event_is_not_idle() {
    let world = &mut world("--event-interval 90s --idle-timeout 10s");
    let peer = send(world, &format!("GET /events {END}"));
    for _ in 0..3 {
        world.run_for(secs(91));
        assert!(take(world, peer).contains("data: "));
    }
    assert_eq!(world.network.state(peer), PeerState::Open);
}

#[test]
fn a_request_that_comes_too_slowly_is_answered_so() {
    for (options, stream) in [
        ("--head-timeout 2s", "GET"),
        ("--head-timeout 2s", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /"),
        ("--body-timeout 2s", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
        ("--idle-timeout 2s", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
    ] {
        let world = &mut world(options);
        let peer = send(world, stream);
        world.run_for(millis(1999));
        take(world, peer);
        assert_eq!(world.network.state(peer), PeerState::Open, "{stream:?}");
        world.run_for(millis(3));
        let answer = take(world, peer);
        assert_eq!((status(&answer), field(&answer, "Connection")), ("408", Some("close")));
        assert_eq!(world.network.state(peer), PeerState::Finished, "{stream:?}");
    }
}

#[test]
fn who_asks_for_nothing_more_is_told_nothing() {
    for (options, stream) in
        [("--idle-timeout 2s", format!("GET / {END}")), ("--head-timeout 2s", String::new())]
    {
        let world = &mut world(options);
        let peer = send(world, &stream);
        take(world, peer);
        world.run_for(secs(3));
        assert_eq!(take(world, peer), "");
        assert_eq!(world.network.state(peer), PeerState::Finished, "{options}");
    }
}

#[test]
fn a_body_in_dribs_and_drabs_is_not_waited_for() {
    let world = &mut world("--body-timeout 2s");
    let head = "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    let peer = send(world, head);
    let mut waited = Duration::ZERO;
    while world.network.state(peer) == PeerState::Open {
        world.network.send_from(peer, b"x");
        world.run_for(millis(100));
        waited += millis(100);
        assert!(waited < secs(3), "it is waited for");
    }
    // The answer had begun: there is no other.
    assert_eq!(take(world, peer).matches("HTTP/1.1").count(), 1);
    // As fast as is asked for is fast enough, however long it takes.
    let peer = send(world, head);
    for _ in 0..5 {
        world.run_for(millis(1900));
        world.network.send_from(peer, &[b'x'; 16 << 10]);
        world.settle();
    }
    assert_eq!(world.network.state(peer), PeerState::Open);
}

#[test]
fn who_is_let_in_during_a_drain_does_not_hold_it_up() {
    for path in ["/", "/events", "/nothing"] {
        let world = &mut world("");
        let peer = world.connect_with(format!("GET {path} {END}").as_bytes());
        world.network.raise_signal();
        world.settle();
        assert_eq!(field(&take(world, peer), "Connection"), Some("close"), "{path}");
        world.network.finish(peer);
        assert!(world.run_to_the_end(secs(5)).is_clean(), "{path}");
    }
}
