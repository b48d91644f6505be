//! Timers that come again and again, and those of one time beside them.

use std::time::Duration;

use windlass::network::SimNetwork;
use windlass::{Config, Lines};

use crate::fixture::{Call, Scripted, What, World, at_most, echo, ignore, millis, secs, timeless};
use crate::stage::Stage;

/// When the timer under `key` came, in milliseconds.
fn times(world: &World, key: u32) -> Vec<u64> {
    let entries = world.entries();
    let timers = entries.iter().filter(|entry| entry.what == What::Timer(key));
    timers.map(|entry| entry.at.as_nanos() / 1_000_000).collect()
}

/// A world with one peer, whose connection has this done with it when it is opened.
fn world_with(
    act: impl Fn(&mut windlass::Session<'_, Scripted>) + 'static,
    mut on_timer: impl FnMut(&mut windlass::Session<'_, Scripted>, u32) + 'static,
) -> World {
    let mut world = World::new(timeless(), move |session, call| {
        match call {
            Call::Open => act(session),
            Call::Timer(key) => on_timer(session, key),
            call => return echo(session, call),
        }
        Ok(())
    });
    world.join();
    world
}

#[test]
fn an_interval_comes_at_multiples_of_its_period_and_does_not_drift() {
    let mut world = world_with(|session| session.set_interval(1, millis(100)), |_, _| {});
    // Each of the loop's calls takes time: it is late, and not later each time.
    world.network.set_call_cost(Duration::from_micros(300));
    world.run_for(secs(10));
    let times = times(&world, 1);
    assert_eq!(times.len(), 100);
    for (number, at) in (1..).zip(times) {
        assert!((100 * number..=100 * number + 3).contains(&at), "number {number} at {at} ms");
    }
}

#[test]
fn times_that_pass_while_the_loop_is_held_up_are_left_out() {
    let mut world = world_with(|session| session.set_interval(1, millis(100)), |_, _| {});
    world.run_for(millis(250));
    world.network.jump(millis(500));
    world.run_for(millis(300));
    assert_eq!(times(&world, 1), [100, 200, 750, 800, 900, 1000]);
    // Held up just until it is due once more.
    world.network.jump(millis(50));
    world.run_for(millis(100));
    assert_eq!(times(&world, 1)[6..], [1100, 1200]);
}

#[test]
fn an_interval_is_cancelled_by_its_key_also_when_it_comes() {
    let mut world = world_with(
        |session| {
            session.set_interval(1, secs(1));
            session.set_interval(2, secs(1));
            session.set_interval(3, secs(1));
            assert!(session.cancel_timer(2));
            assert!(!session.cancel_timer(2));
        },
        |session, key| {
            let is_third = session.now().as_nanos() >= 3_000_000_000;
            if key == 1 && is_third {
                assert!(session.cancel_timer(1), "it is set again already");
                assert!(!session.cancel_timer(1));
            }
        },
    );
    world.run_for(secs(5));
    assert_eq!(times(&world, 1), [1000, 2000, 3000]);
    assert_eq!(times(&world, 2), []);
    assert_eq!(times(&world, 3), [1000, 2000, 3000, 4000, 5000]);
}

#[test]
fn each_kind_of_timer_takes_the_place_of_the_other_under_the_same_key() {
    let mut world = world_with(
        |session| {
            session.set_interval(1, secs(1));
            session.set_timer(1, secs(3));
            session.set_timer(2, secs(1));
            session.set_interval(2, secs(2));
            session.set_interval(3, secs(9));
            session.set_interval(3, secs(4));
        },
        |_, _| {},
    );
    world.run_for(secs(8));
    assert_eq!(times(&world, 1), [3000]);
    assert_eq!(times(&world, 2), [2000, 4000, 6000, 8000]);
    assert_eq!(times(&world, 3), [4000, 8000]);
    assert_eq!(world.reactor.metrics().timers_armed, 2);
}

#[test]
fn in_its_own_callback_an_interval_may_become_anything() {
    let mut world = world_with(
        |session| (1..=2).for_each(|key| session.set_interval(key, secs(1))),
        |session, key| match (key, session.now().as_nanos() / 1_000_000_000) {
            (1, 2) => session.set_timer(1, secs(2)),
            (2, 2) => session.set_interval(2, secs(3)),
            _ => {}
        },
    );
    world.run_for(secs(9));
    assert_eq!(times(&world, 1), [1000, 2000, 4000]);
    assert_eq!(times(&world, 2), [1000, 2000, 5000, 8000]);
}

#[test]
fn an_interval_ends_with_its_connection() {
    let mut world = world_with(
        |session| session.set_interval(1, millis(10)),
        |session, _| {
            if session.now().as_nanos() >= 50_000_000 {
                session.close();
            }
        },
    );
    world.run_for(secs(5));
    assert_eq!(times(&world, 1), [10, 20, 30, 40, 50]);
    assert_eq!((world.open_len(), world.reactor.metrics().timers_armed), (0, 0));
}

#[test]
fn an_interval_of_no_time_lets_everybody_be_served() {
    let mut world = world_with(|session| session.set_interval(1, Duration::ZERO), |_, _| {});
    world.network.set_call_cost(Duration::from_micros(10));
    let other = world.connect();
    for round in 1..=20 {
        world.network.send_from(other, b"x\n");
        (0..3).for_each(|_| world.turn_at_once());
        assert_eq!(world.received(other), "x\n".repeat(round));
    }
    let metrics = world.reactor.metrics();
    assert!(metrics.timers_fired <= 2 * metrics.turns, "once a turn for each of the two");
}

#[test]
fn an_interval_beyond_the_clock_never_comes() {
    let mut world = world_with(
        |session| {
            session.set_interval(1, Duration::MAX);
            session.set_interval(2, Duration::from_nanos(u64::MAX / 2 + 1));
        },
        |_, _| {},
    );
    world.run_for(secs(1_000_000));
    assert_eq!((times(&world, 1), times(&world, 2)), (vec![], vec![]));
}

#[test]
fn a_hundred_thousand_at_once_come_once_each_and_keep_nobody_waiting() {
    const LEN: u32 = 100_000;
    let handler = Scripted::<Lines>::new(|session, call| match call {
        Call::Frame("set") => {
            (0..LEN).for_each(|key| session.set_interval(key, secs(1)));
            Ok(())
        }
        Call::Frame(_) => echo(session, call),
        call => ignore(session, call),
    });
    let config = Config { timer_budget: 1000, ..timeless() };
    let mut world = World::on(SimNetwork::new(1), config, Lines::default(), handler);
    let peers = world.join_many(2);
    world.network.send_from(peers[0], b"set\n");
    world.settle();
    assert!(world.reactor.metrics().timers_armed >= u64::from(LEN));
    for round in 1..=3 {
        world.let_pass(secs(1));
        for turn in 1..=100 {
            world.network.send_from(peers[1], b"x\n");
            world.turn_at_once();
            let answers = "x\n".repeat((round - 1) * 101 + turn);
            assert!(world.received(peers[1]).len() + 2 >= answers.len(), "a turn later at most");
        }
        world.network.send_from(peers[1], b"x\n");
        world.settle();
        let mut keys: Vec<_> = world
            .entries()
            .iter()
            .filter_map(|entry| match entry.what {
                What::Timer(key) => Some(key),
                _ => None,
            })
            .collect();
        keys.sort_unstable();
        let expected: Vec<_> = (0..LEN).flat_map(|key| std::iter::repeat_n(key, round)).collect();
        assert!(keys == expected, "each of them {round} times, and there are {}", keys.len());
    }
    world.network.reset(peers[0]);
    world.settle();
    assert_eq!(world.reactor.metrics().timers_armed, 0);
}

#[test]
fn an_interval_of_the_handler_is_cancelled_and_replaced_like_any_other() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    stage.scope(asker, |scope| {
        scope.set_interval(1, secs(1));
        scope.set_interval(2, secs(1));
        scope.set_timer(2, millis(1500));
        scope.set_timer(3, secs(1));
        scope.set_interval(3, millis(1700));
    });
    stage.world.run_for(secs(2));
    assert!(stage.scope(asker, |scope| scope.cancel_timer(1)));
    assert!(!stage.scope(asker, |scope| scope.cancel_timer(2)), "it came");
    stage.world.network.jump(secs(4));
    stage.world.run_for(millis(800));
    let calls: Vec<_> = stage.first.calls().into_iter().skip(1).collect();
    let at = |key, millis: u64| (crate::hub::At::ServerTimer(key), millis);
    let calls: Vec<_> = calls.iter().map(|(at, when)| (*at, when.as_nanos() / 1_000_000)).collect();
    let expected = [at(1, 1000), at(2, 1500), at(3, 1700), at(1, 2000), at(3, 6000), at(3, 6800)];
    assert_eq!(calls, expected);
}
