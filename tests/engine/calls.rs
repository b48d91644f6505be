//! What the loop asks of its network: no more than it must.

use windlass::network::Calls;
use windlass::{Config, Error, Session, SocketOptions};

use crate::fixture::{Call, Scripted, World, at_most, echo, millis, secs};

fn long(session: &mut Session<'_, Scripted>, call: Call<'_>) -> Result<(), Error> {
    match call {
        Call::Frame("long") => session.send(&"x".repeat(9_999)),
        call => echo(session, call),
    }
}

/// What a turn-by-turn conversation costs, after its beginning.
fn costs(world: &mut World, act: impl FnOnce(&mut World)) -> Calls {
    let before = world.network.calls();
    act(world);
    world.network.calls().since(before)
}

#[test]
fn an_echo_costs_one_poll_one_read_and_one_write() {
    let mut world = World::new(at_most(10), echo);
    let peer = world.join();
    let calls = costs(&mut world, |world| {
        for _ in 0..100 {
            world.network.send_from(peer, b"hello\n");
            world.turn(secs(1));
            assert_eq!(world.network.take_received(peer), b"hello\n");
        }
    });
    assert_eq!((calls.polls, calls.reads, calls.writes), (100, 100, 100));
}

#[test]
fn many_frames_of_one_read_are_answered_with_one_write() {
    let mut world = World::new(at_most(10), echo);
    let peer = world.join();
    let calls = costs(&mut world, |world| {
        world.network.send_from(peer, &b"hello\n".repeat(500));
        world.settle();
    });
    assert_eq!((calls.reads, calls.writes), (1, 1));
}

#[test]
fn a_write_that_falls_short_is_not_tried_again_before_an_event() {
    let socket = SocketOptions { send_buffer_len: Some(1000), ..SocketOptions::default() };
    let mut world = World::new(Config { socket, ..at_most(10) }, long);
    let peer = world.join();
    let calls = costs(&mut world, |world| {
        world.network.send_from(peer, b"long\n");
        world.settle();
    });
    assert_eq!(world.network.received(peer).len(), 10_000);
    // The first is for the beginning and finds out; each other one is announced.
    assert!(calls.writes <= 11, "{calls:?}");
}

#[test]
fn an_idle_house_is_looked_at_for_deadlines_only() {
    let config = Config { idle_timeout: Some(secs(100)), ..at_most(10) };
    let mut world = World::new(config, echo);
    let peer = world.connect_with(b"hello\n");
    world.settle();
    let calls = costs(&mut world, |world| world.run_for(secs(99)));
    assert!(calls.polls <= 6 && calls.reads == 0, "{calls:?}");
    world.run_for(secs(2));
    assert_eq!(world.reason(peer), Some("idle timeout"));
    world.run_for(secs(10));
    let calls = costs(&mut world, |world| world.run_for(millis(1_000_000)));
    assert!(calls.polls <= 3, "{calls:?}");
}
