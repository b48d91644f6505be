//! What must happen at some time, and what must not.

use std::net::SocketAddr;
use std::time::Duration;

use windlass::network::PeerState;
use windlass::{Config, Raw};

use crate::proof::fixture::{
    Call, Scripted, What, World, assert_on_time, echo, ignore, millis, secs, timeless,
};

#[test]
pub(crate) fn whoever_is_idle_is_closed_on_time() {
    let config = Config { idle_timeout: Some(millis(1500)), ..timeless() };
    let mut world = World::new(config, echo);
    let peer = world.join();
    world.send_at(peer, secs(1), b"hello\n");
    let end = world.end_of(peer);
    assert_on_time(end, millis(2500));
    world.settle();
    world.network.finish(peer);
    world.run_until_empty();
    assert_eq!(world.reason(peer), Some("idle timeout"));
}

#[test]
pub(crate) fn a_deadline_beyond_the_clock_never_passes() {
    let config = Config { idle_timeout: Some(Duration::from_nanos(u64::MAX)), ..timeless() };
    let mut world = World::new(config, echo);
    let peer = world.join();
    world.send_at(peer, secs(1), b"hello\n");
    world.run_for(secs(10));
    assert_eq!(world.network.state(peer), PeerState::Open);
}

#[test]
pub(crate) fn a_timer_set_for_now_lets_others_run() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Open | Call::Timer(_) => {
            session.set_timer(0, Duration::ZERO);
            Ok(())
        }
        call => ignore(session, call),
    });
    world.connect();
    let count =
        |world: &World| world.entries().iter().filter(|entry| entry.what == What::Timer(0)).count();
    for _ in 0..10 {
        let before = count(&world);
        world.turn(millis(1));
        assert!(count(&world) <= before + 1, "more than once in a turn");
    }
    assert!(count(&world) > 5);
}

#[test]
pub(crate) fn a_timer_set_anew_is_one_timer() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Frame(_) => {
            session.set_timer(0, secs(1));
            Ok(())
        }
        Call::Timer(_) => session.send("now"),
        call => ignore(session, call),
    });
    let peer = world.connect_with(b"1\n2\n3\n");
    world.run_for(secs(2));
    assert_eq!(world.received(peer), "now\n");
}

#[test]
pub(crate) fn deadlines_that_fall_together_are_met_in_portions() {
    let config = Config { idle_timeout: Some(secs(1)), timer_budget: 3, ..timeless() };
    let mut world = World::new(config, echo);
    let peers = world.join_many(20);
    world.run_for(millis(1100));
    for peer in peers {
        world.network.finish(peer);
    }
    world.run_until_empty();
    assert_eq!(world.reasons(), ["idle timeout"; 20]);
}

#[test]
pub(crate) fn what_has_come_is_served_before_a_deadline() {
    let config = Config { idle_timeout: Some(secs(1)), ..timeless() };
    let mut world = World::new(config, echo);
    let peer = world.join();
    world.network.send_from(peer, b"hello\n");
    world.network.jump(secs(2));
    world.settle();
    assert_eq!(world.received(peer), "hello\n");
    assert_eq!(world.network.state(peer), PeerState::Open);
}

#[test]
pub(crate) fn bytes_that_dribble_buy_no_time() {
    let config = Config { frame_timeout: Some(secs(1)), ..timeless() };
    let mut world = World::new(config, echo);
    let peer = world.join();
    for round in 1..30 {
        world.send_at(peer, millis(300 * round), b"x");
    }
    let end = world.end_of(peer);
    assert_on_time(end, millis(1300));
}

#[test]
pub(crate) fn whoever_takes_nothing_is_cut_on_time() {
    let config = Config { write_timeout: Some(secs(5)), ..timeless() };
    let mut world = World::new(config, echo);
    let peer = world.join();
    world.network.stall(peer);
    for _ in 0..3 {
        world.network.send_from(peer, &[&[b'x'; 60_000][..], b"\n"].concat());
        world.settle();
    }
    let end = world.end_of(peer);
    assert_on_time(end, secs(5));
    assert_eq!(world.network.state(peer), PeerState::Reset);
}

#[test]
pub(crate) fn an_attempt_to_connect_has_an_end() {
    let config = Config { max_outbound: 1, connect_timeout: secs(3), ..timeless() };
    let mut world = World::with_codec(config, Raw, ignore);
    let to = SocketAddr::from(([198, 51, 100, 1], 80));
    world.network.ignore_connects(to);
    world.reactor.commands().connect::<Scripted<Raw>>(to, ()).expect("there is room");
    world.run_for(secs(4));
    assert_eq!(world.reactor.metrics().connects_failed, 1);
}
