//! How a loop ends.

use std::io;

use windlass::network::{Call as NetworkCall, Forced, PeerState};

use crate::proof::fixture::{Call, KIB, World, echo, ignore, millis, secs, timeless};

#[test]
pub(crate) fn whoever_waits_when_the_drain_begins_is_served() {
    let mut world = World::new(timeless(), echo);
    let peers = [(); 5].map(|()| world.connect_with(b"hello\n"));
    world.network.raise_signal();
    world.run_to_the_end(secs(31));
    for peer in peers {
        assert_eq!(world.received(peer), "hello\n");
        assert_eq!(world.network.state(peer), PeerState::Finished);
    }
}

/// A world with a peer that takes nothing, and is owed something.
fn with_a_stalled_peer() -> World {
    let mut world = World::new(timeless(), echo);
    let peer = world.join();
    world.network.stall(peer);
    for _ in 0..3 {
        world.network.send_from(peer, &[&[b'x'; 60 * KIB][..], b"\n"].concat());
        world.settle();
    }
    world
}

#[test]
pub(crate) fn a_second_signal_ends_at_once() {
    let mut world = with_a_stalled_peer();
    world.network.raise_signal();
    world.run_for(secs(1));
    assert_eq!(world.report, None);
    world.network.raise_signal();
    let report = world.run_to_the_end(millis(1));
    assert_eq!(report.cut_by_stop, 1);
}

#[test]
pub(crate) fn a_drain_ends_though_somebody_takes_nothing() {
    let mut world = with_a_stalled_peer();
    world.network.raise_signal();
    let report = world.run_to_the_end(secs(31));
    assert_eq!(report.cut_at_deadline, 1);
}

#[test]
pub(crate) fn a_drain_closes_the_idle_at_once() {
    let mut world = World::new(timeless(), echo);
    let peer = world.join();
    world.network.raise_signal();
    world.run_to_the_end(secs(2));
    assert_eq!(world.reason(peer), Some("drained"));
}

#[test]
pub(crate) fn a_drain_waits_for_an_answer_that_is_owed() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Frame(_) => {
            session.set_busy(true);
            session.set_timer(0, secs(5));
            Ok(())
        }
        Call::Timer(_) => {
            session.set_busy(false);
            session.send("late")
        }
        call => ignore(session, call),
    });
    let peer = world.connect_with(b"ask\n");
    world.settle();
    world.network.raise_signal();
    world.run_to_the_end(secs(31));
    assert_eq!(world.received(peer), "late\n");
}

#[test]
pub(crate) fn whoever_comes_with_the_drain_and_is_silent_goes_soon() {
    let mut world = World::new(timeless(), echo);
    let peer = world.connect();
    world.network.raise_signal();
    world.run_to_the_end(secs(3));
    assert_eq!(world.reason(peer), Some("drained"));
}

#[test]
pub(crate) fn a_poll_that_fails_ends_the_loop() {
    let mut world = World::new(timeless(), echo);
    let failure = Forced::Fails(io::ErrorKind::Other);
    world.network.force_from(world.network.calls_made(), NetworkCall::Poll, failure);
    world.try_turn(secs(1)).expect_err("the network cannot be asked any more");
}
