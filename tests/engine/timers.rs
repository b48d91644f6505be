//! Timers that a handler sets: when they fire, and when they must not.

use std::collections::BTreeMap;
use std::time::Duration;

use windlass::network::Faults;
use windlass::{Config, Error, Instant, Session};

use crate::fixture::{Call, Entry, Random, Scripted, What, World, at_most, echo, millis, secs};

/// Later than this no timer may be.
const TOLERANCE: Duration = Duration::from_millis(1);

/// Sets a timer for each line `KEY MILLISECONDS`, and forgets it at `KEY never`.
fn on_request(session: &mut Session<'_, Scripted>, call: Call<'_>) -> Result<(), Error> {
    let Call::Frame(line) = call else { return echo(session, call) };
    let Some((key, wait)) = line.split_once(' ') else { return echo(session, call) };
    let key: u32 = key.parse().map_err(|_| Error::new("no key"))?;
    match wait.parse() {
        Ok(wait) => session.set_timer(key, millis(wait)),
        Err(_) => {
            let answer = if session.cancel_timer(key) { "cancelled" } else { "no such timer" };
            session.send(answer)?;
        }
    }
    Ok(())
}

/// The timers that fired: their keys and when.
fn fired(world: &World) -> Vec<(u32, Instant)> {
    let timer = |what: &What| if let What::Timer(key) = what { Some(*key) } else { None };
    let entries = world.entries();
    entries.iter().filter_map(|entry| timer(&entry.what).map(|key| (key, entry.at))).collect()
}

/// The timers that were asked for: by key, when they are due.
fn requested(world: &World) -> BTreeMap<u32, Instant> {
    let request = |entry: Entry| {
        let What::Frame(line) = entry.what else { return None };
        let (key, wait) = str::from_utf8(&line).ok()?.split_once(' ')?;
        Some((key.parse().ok()?, entry.at.after(millis(wait.parse().ok()?))?))
    };
    world.entries().into_iter().filter_map(request).collect()
}

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

#[test]
fn a_timer_fires_once_and_on_time() {
    let mut world = World::new(at_most(10), on_request);
    world.connect_with(b"1 30\n2 10\n3 0\n4 2500\n");
    world.run_for(secs(20));
    let fired = fired(&world);
    let keys: Vec<u32> = fired.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [3, 2, 1, 4]);
    for ((_, when), wait) in fired.into_iter().zip([0, 10, 30, 2500]) {
        assert!(when >= at(wait) && when.since(at(wait)) < TOLERANCE, "{when:?} for {wait} ms");
    }
}

#[test]
fn no_timer_is_early_or_more_than_a_millisecond_late_among_many() {
    for late_timeout in [0, 500] {
        let mut world = World::new(at_most(1000), on_request);
        world.network.set_faults(Faults { late_timeout, ..Faults::none() });
        let mut random = Random::new(1);
        for key in 0..300 {
            let wait = random.below(3000);
            world.connect_with(format!("{key} {wait}\n").as_bytes());
            world.run_for(random.micros_below(5000));
        }
        world.run_for(secs(5));
        let due = requested(&world);
        let fired = fired(&world);
        assert_eq!(fired.len(), 300);
        for (key, when) in fired {
            let due = due[&key];
            assert!(when >= due, "{key} was early: {when:?} for {due:?}");
            // With a network that wakes the loop up to a millisecond late.
            let tolerance = if late_timeout == 0 { Duration::ZERO } else { TOLERANCE };
            assert!(when.since(due) <= tolerance, "{key} was late: {when:?} for {due:?}");
        }
    }
}

#[test]
fn a_timer_set_again_is_replaced_earlier_or_later() {
    let mut world = World::new(at_most(10), on_request);
    world.connect_with(b"1 1000\n1 20\n2 20\n2 1000\n");
    world.run_for(secs(5));
    assert_eq!(fired(&world), [(1, at(20)), (2, at(1000))]);
}

#[test]
fn a_timer_that_was_cancelled_does_not_fire() {
    let mut world = World::new(at_most(10), on_request);
    let peer = world.connect_with(b"1 1000\n2 1000\n1 never\n1 never\n3 never\n");
    world.run_for(secs(5));
    assert_eq!(world.received(peer), "cancelled\nno such timer\nno such timer\n");
    assert_eq!(fired(&world), [(2, at(1000))]);
    world.network.send_from(peer, b"2 never\n");
    world.settle();
    assert!(world.received(peer).ends_with("no such timer\n"), "it has fired");
}

#[test]
fn timers_of_one_key_on_several_connections_are_apart() {
    let mut world = World::new(at_most(10), on_request);
    let peers = [world.connect_with(b"1 10\n"), world.connect_with(b"1 20\n")];
    world.settle();
    world.network.send_from(peers[0], b"1 never\n");
    world.run_for(secs(1));
    assert_eq!(fired(&world), [(1, at(20))]);
}

#[test]
fn a_timer_that_sets_itself_again_at_once_lets_others_be_served() {
    for timer_budget in [1, 1024] {
        let config = Config { timer_budget, ..at_most(10) };
        let mut world = World::new(config, |session, call| {
            match call {
                Call::Frame("busy") | Call::Timer(_) => session.set_timer(0, Duration::ZERO),
                _ => {}
            }
            echo(session, call)
        });
        world.connect_with(b"busy\n");
        let peer = world.connect();
        for round in 0..50 {
            let line = format!("{round}\n");
            world.network.send_from(peer, line.as_bytes());
            let before = world.reactor.metrics().turns;
            world.run_until("the echo", millis(1), |world| world.received(peer) == line);
            assert!(world.reactor.metrics().turns - before <= 3, "it is served without delay");
            world.network.take_received(peer);
            world.run_for(Duration::from_nanos(3));
        }
        assert!(fired(&world).len() >= 100, "and so is the timer");
    }
}

#[test]
fn no_timer_fires_after_its_connection_has_closed() {
    let mut world = World::new(at_most(1), |session, call| match call {
        Call::Frame("quit") => {
            session.set_timer(2, millis(5));
            session.close();
            Ok(())
        }
        Call::Frame("abort") => {
            session.abort();
            session.set_timer(2, millis(5));
            Ok(())
        }
        Call::Close(_) => {
            session.set_timer(3, millis(5));
            Ok(())
        }
        call => on_request(session, call),
    });
    let before = world.connect_with(b"1 100\nquit\n");
    world.settle();
    world.run_for(millis(200));
    assert_eq!(fired(&world), [], "nor while it is listened to");
    world.network.finish(before);
    for line in ["1 100\nabort\n", "1 100\n"] {
        let peer = world.connect_with(line.as_bytes());
        world.settle();
        world.network.finish(peer);
        world.settle();
        assert_eq!(world.open_len(), 0);
    }
    let stranger = world.join();
    world.run_for(secs(1));
    assert_eq!(fired(&world), [], "the stranger in the slot has set none");
    assert_eq!(world.open_len(), 1);
    world.network.finish(stranger);
    world.settle();
    assert_eq!(world.reactor.next_deadline(), None, "no timer is left");
}

#[test]
fn a_wait_beyond_the_end_of_the_clock_is_for_ever() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Open = call {
            session.set_timer(1, Duration::MAX);
            session.set_timer(2, Duration::from_nanos(u64::MAX));
            session.set_timer(3, secs(10));
            session.set_timer(3, Duration::MAX);
        }
        echo(session, call)
    });
    let peer = world.connect_with(b"a\n");
    world.run_for(secs(100));
    assert_eq!(fired(&world), []);
    assert_eq!(world.received(peer), "a\n");
}

#[test]
fn timers_beyond_the_budget_of_a_turn_fire_at_the_same_time_in_later_turns() {
    let config = Config { timer_budget: 7, ..at_most(100) };
    let mut world = World::new(config, on_request);
    for _ in 0..50 {
        world.connect_with(b"1 10\n2 10\n");
    }
    world.run_for(millis(10));
    let fired = fired(&world);
    assert_eq!(fired.len(), 100);
    assert!(fired.iter().all(|(_, when)| *when == at(10)));
}

#[test]
fn a_timer_may_answer_close_and_fail_like_any_callback() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Timer(1) => session.send("tick"),
        Call::Timer(2) => {
            session.send("bye")?;
            session.close();
            Ok(())
        }
        call => on_request(session, call),
    });
    let peer = world.connect_with(b"1 10\n2 20\n1 15\n3 30\n");
    world.run_for(secs(2));
    assert_eq!(world.received(peer), "tick\nbye\n");
    assert_eq!(fired(&world), [(1, at(15)), (2, at(20))]);
    assert_eq!(world.reason(peer), Some("closed"));
}

#[test]
fn time_that_passes_between_two_turns_makes_no_timer_late() {
    for slow in [60, 900, 1100] {
        let mut world = World::new(at_most(10), |session, call| {
            if matches!(call, Call::Open) {
                session.set_timer(1, secs(1));
            }
            echo(session, call)
        });
        let peer = world.join();
        world.network.jump(millis(slow));
        let fired = |world: &World| world.seen(peer).contains(&What::Timer(1));
        world.run_until("the timer", secs(10), fired);
        let late = world.network.clock().since(Instant::START).saturating_sub(millis(1000));
        assert!(late <= millis(slow.saturating_sub(1000) + 1), "{late:?} late after {slow} ms");
    }
}
