//! What callbacks and other threads ask for.

use windlass::network::SimPeer;
use windlass::{Config, ConnectionId, Handle};

use crate::proof::fixture::{Scripted, World, echo, secs, timeless};
use crate::proof::small_worlds::id;

#[test]
pub(crate) fn what_was_for_one_never_reaches_the_next_in_its_slot() {
    let config = Config { command_budget: 1, ..timeless() };
    let mut world = World::new(config, echo);
    let one = world.join();
    let to = id(&world, one);
    for _ in 0..3 {
        world.reactor.commands().send(to, "for one\n").expect("it is open");
    }
    world.turn_at_once();
    world.network.reset(one);
    let next = world.connect();
    world.settle();
    assert_eq!(id(&world, next).to_string().split('#').next(), to.to_string().split('#').next());
    assert_eq!(world.received(next), "");
}

fn with_a_handle(config: Config) -> (World, SimPeer, ConnectionId, Handle) {
    let mut world = World::new(config, echo);
    let peer = world.join();
    let id = id(&world, peer);
    let handle = world.reactor.handle(&mut world.network).expect("the simulation can be woken");
    (world, peer, id, handle)
}

#[test]
pub(crate) fn each_burst_wakes_the_loop() {
    let (mut world, peer, id, handle) = with_a_handle(timeless());
    for round in 1..=3 {
        handle.try_send(id, "hello\n").expect("there is room");
        world.settle();
        assert_eq!(world.received(peer), "hello\n".repeat(round));
    }
}

#[test]
pub(crate) fn what_is_beyond_the_budget_is_done_in_the_next_turns() {
    let (mut world, peer, id, handle) = with_a_handle(Config { command_budget: 1, ..timeless() });
    for _ in 0..5 {
        handle.try_send(id, "hello\n").expect("there is room");
    }
    world.settle();
    assert_eq!(world.received(peer), "hello\n".repeat(5));
}

#[test]
pub(crate) fn no_more_commands_are_done_in_a_turn_than_may_be() {
    let (mut world, _, id, handle) = with_a_handle(Config { command_budget: 3, ..timeless() });
    for _ in 0..20 {
        handle.try_send(id, "hello\n").expect("there is room");
    }
    for _ in 0..10 {
        let before = world.reactor.metrics().commands;
        world.turn_at_once();
        let done = world.reactor.metrics().commands - before;
        assert!(done <= 3, "{done} in a turn");
    }
    assert_eq!(world.reactor.metrics().commands, 20);
}

#[test]
pub(crate) fn a_loop_that_has_ended_takes_nothing() {
    let (mut world, _, _, handle) = with_a_handle(timeless());
    world.reactor.stop();
    world.run_to_the_end(secs(1));
    handle.try_run::<Scripted, _>(|_, _| Ok(())).expect_err("nobody will do it");
}
