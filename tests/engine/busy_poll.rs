//! A loop that looks for events before it sleeps: that it looks, that it stops, and that nothing
//! waits for it to stop.

use std::time::Duration;

use windlass::network::{Calls, PeerState, SimNetwork, SimPeer};
use windlass::{Config, Error, Session};

use crate::fixture::{Call, Scripted, What, World, at_most, echo, millis, secs};

/// What each call of the loop takes, so that looking takes time.
const COST: Duration = Duration::from_micros(1);
/// For how long the loop looks: fifty times, with a look at the clock after each.
const LOOKING: Duration = micros(100);
/// What a turn may take beyond looking: a few calls.
const MARGIN: Duration = micros(10);

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn looking_for(busy_poll: Duration) -> Config {
    Config { busy_poll, ..at_most(10) }
}

/// Sets a timer for so many microseconds at each line that is a number.
fn timing(session: &mut Session<'_, Scripted>, call: Call<'_>) -> Result<(), Error> {
    let Call::Frame(line) = call else { return echo(session, call) };
    match line.parse() {
        Ok(wait) => session.set_timer(1, micros(wait)),
        Err(_) => session.send(line)?,
    }
    Ok(())
}

/// A loop on which calls take time, and a peer that it has just answered.
fn just_answered(config: Config) -> (World, SimPeer) {
    let mut world = World::new(config, timing);
    let peer = world.join();
    world.network.set_call_cost(COST);
    say(&mut world, peer, "hello\n");
    (world, peer)
}

/// The peer sends this, which is heard in one turn.
fn say(world: &mut World, peer: SimPeer, line: &str) {
    let heard_len = world.frames(peer).len();
    world.network.send_from(peer, line.as_bytes());
    world.turn(secs(1));
    assert_eq!(world.frames(peer).len(), heard_len + 1);
}

/// What one turn that waits for this long at most asks of the network, and how long it takes.
fn turn(world: &mut World, timeout: impl Into<Option<Duration>>) -> (Calls, Duration) {
    let (before, began) = (world.network.calls(), world.network.clock());
    world.turn(timeout);
    (world.network.calls().since(before), world.network.clock().since(began))
}

#[test]
fn a_loop_looks_for_so_long_and_then_sleeps() {
    let (mut world, _) = just_answered(looking_for(LOOKING));
    let (calls, took) = turn(&mut world, secs(1));
    assert!((45..=51).contains(&calls.polls), "{calls:?}");
    assert!(took >= secs(1) && took <= secs(1) + MARGIN, "it has slept for the rest: {took:?}");
    let (calls, _) = turn(&mut world, secs(1));
    assert_eq!(calls.polls, 1, "nothing has happened since it has looked");
}

#[test]
fn a_loop_that_is_not_told_to_look_sleeps_at_once() {
    let (mut world, _) = just_answered(looking_for(Duration::ZERO));
    let (calls, _) = turn(&mut world, secs(1));
    assert_eq!(calls.polls, 1);
}

#[test]
fn what_comes_while_the_loop_looks_is_answered_without_a_sleep() {
    let (mut world, peer) = just_answered(looking_for(LOOKING));
    for round in 0..5 {
        // Longer than it looks, together: each event begins the time anew.
        let line = format!("line {round}\n");
        world.network.take_received(peer);
        let sent = line.clone();
        world.network.after(micros(80), move |network| network.send_from(peer, sent.as_bytes()));
        let (calls, took) = turn(&mut world, secs(1));
        assert_eq!(world.received(peer), line);
        assert!((30..=41).contains(&calls.polls), "{calls:?}");
        assert!(took <= micros(80) + MARGIN, "{took:?}");
    }
}

#[test]
fn what_comes_after_a_sleep_begins_the_time_anew() {
    let (mut world, peer) = just_answered(looking_for(LOOKING));
    world.network.after(secs(1), move |network| network.send_from(peer, b"late\n"));
    let (calls, _) = turn(&mut world, None);
    assert!(world.received(peer).ends_with("late\n") && calls.polls > 40, "{calls:?}");
    let (calls, _) = turn(&mut world, secs(1));
    assert!((45..=51).contains(&calls.polls), "{calls:?}");
}

#[test]
fn a_turn_looks_for_no_longer_than_its_timeout() {
    let (mut world, _) = just_answered(looking_for(millis(10)));
    let (calls, _) = turn(&mut world, Duration::ZERO);
    assert_eq!(calls.polls, 1);
    for timeout in [micros(1), micros(20), micros(500)] {
        let (_, took) = turn(&mut world, timeout);
        assert!(took >= timeout && took <= timeout + MARGIN, "{took:?} for {timeout:?}");
    }
}

#[test]
fn looking_goes_on_in_the_next_turn_but_not_for_longer() {
    let (mut world, _) = just_answered(looking_for(LOOKING));
    let polls: Vec<u64> = (0..20).map(|_| turn(&mut world, micros(20)).0.polls).collect();
    assert!(polls.iter().sum::<u64>() < 80, "{polls:?}");
    assert!(polls[1] > 5, "{polls:?}");
    assert_eq!(polls[19], 1, "{polls:?}");
}

#[test]
fn looking_makes_no_timer_late() {
    for wait in [1, 30, 99, 150] {
        let (mut world, peer) = just_answered(looking_for(LOOKING));
        say(&mut world, peer, &format!("{wait}\n"));
        let set = world.network.clock();
        let fired = |world: &World| world.seen(peer).contains(&What::Timer(1));
        world.run_until("the timer", secs(1), fired);
        let took = world.network.clock().since(set);
        assert!(took <= micros(wait) + MARGIN, "{took:?} for {wait} us");
    }
}

#[test]
fn looking_does_not_ask_to_be_called_sooner() {
    let (mut world, peer) = just_answered(looking_for(LOOKING));
    say(&mut world, peer, "500000\n");
    let clock = world.network.clock();
    let due = world.reactor.next_deadline().expect("a timer is set").since(clock);
    assert!(due > millis(400) && due <= millis(500), "{due:?}");
}

#[test]
fn a_timer_that_fires_is_no_reason_to_look() {
    let (mut world, peer) = just_answered(looking_for(LOOKING));
    say(&mut world, peer, "500000\n");
    turn(&mut world, secs(1));
    assert!(world.seen(peer).contains(&What::Timer(1)));
    let (calls, _) = turn(&mut world, secs(1));
    assert_eq!(calls.polls, 1);
}

#[test]
fn work_that_is_left_is_done_before_the_loop_looks() {
    let config = Config { frame_budget: 1, ..looking_for(micros(20)) };
    let (mut world, peer) = just_answered(config);
    world.network.take_received(peer);
    world.network.send_from(peer, &b"hi\n".repeat(20));
    let began = world.network.clock();
    for count in 1..=20 {
        let (calls, _) = turn(&mut world, secs(1));
        assert_eq!((calls.polls, world.received(peer)), (1, "hi\n".repeat(count)));
    }
    assert!(world.network.clock().since(began) > micros(20), "since the event it is long");
    let (calls, _) = turn(&mut world, secs(1));
    assert!((8..=11).contains(&calls.polls), "{calls:?}");
}

#[test]
fn signals_and_other_threads_are_heard_while_the_loop_looks() {
    let (mut world, peer) = just_answered(looking_for(secs(1)));
    let handle = world.reactor.handle(&mut world.network).expect("a handle");
    let id = world.entries()[0].id;
    world.network.after(micros(50), move |_| handle.send(id, "posted\n").expect("there is room"));
    let (_, took) = turn(&mut world, None);
    assert!(world.received(peer).ends_with("posted\n") && took < micros(50) + 2 * MARGIN);
    world.network.after(micros(50), SimNetwork::raise_signal);
    let began = world.network.clock();
    world.run_until("the drain", secs(1), |world| world.network.state(peer) != PeerState::Open);
    assert!(world.network.clock().since(began) < micros(50) + 3 * MARGIN);
}

#[test]
fn a_drain_ends_by_its_deadline_however_long_the_loop_looks() {
    let config = Config { drain_timeout: micros(200), ..looking_for(secs(1)) };
    let (mut world, peer) = just_answered(config);
    world.network.send_from(peer, b"half of a li");
    world.turn(secs(1));
    world.reactor.drain();
    let began = world.network.clock();
    world.run_until("the end", secs(1), |world| world.report.is_some());
    let took = world.network.clock().since(began);
    assert!(took >= micros(200) && took < micros(200) + 3 * MARGIN, "{took:?}");
}

#[test]
fn by_a_clock_that_stands_still_the_loop_looks_once() {
    let (mut world, _) = just_answered(looking_for(secs(1)));
    world.network.set_call_cost(Duration::ZERO);
    let (calls, took) = turn(&mut world, secs(2));
    assert_eq!((calls.polls, took), (2, secs(2)));
}
