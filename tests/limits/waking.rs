//! Waking: the loop wakes when something is due and not otherwise, and is fair to those who were
//! kept waiting when it wakes too late.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use windlass::network::{PeerState, SimNetwork};
use windlass::{Config, Instant, LengthPrefixed, Lines, Raw};

use crate::fixture::{
    KIB, Scripted, World, address, assert_on_time, echo, frame, ignore, millis, pattern, secs,
    timeless,
};

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

#[test]
fn an_idle_loop_sleeps() {
    for (config, most) in [(timeless(), 0), (Config::default(), 4)] {
        let config = Config { idle_timeout: config.idle_timeout.map(|_| 2 * HOUR), ..config };
        let mut world = World::new(config, echo);
        let peer = world.join();
        world.network.send_from(peer, b"first\n");
        world.settle();
        let before = world.network.calls();
        let end = world.network.clock().after(HOUR).expect("an hour");
        while world.network.clock() < end {
            world.turn(end.since(world.network.clock()));
        }
        let calls = world.network.calls().since(before);
        assert!(calls.polls <= 1 + most, "{} polls in an hour without events", calls.polls);
        assert_eq!((calls.reads, calls.writes, calls.accepts, calls.idle_polls), (0, 0, 0, 0));
    }
}

#[test]
fn a_loop_without_deadlines_sleeps_for_as_long_as_it_takes() {
    let mut world = World::new(timeless(), echo);
    world.join();
    assert_eq!(world.reactor.next_deadline(), None);
    let error = world.reactor.turn(&mut world.network, None).expect_err("nothing will ever happen");
    assert!(error.to_string().contains("would sleep for ever"), "{error}");
}

#[test]
fn an_active_connection_costs_hardly_a_wakeup_for_its_deadlines() {
    let mut world = World::new(Config::default(), echo);
    let peer = world.join();
    let before = world.network.calls();
    for at in 0..36_000_u32 {
        world.send_at(peer, at * secs(1) / 10 + secs(1), b"hi\n");
    }
    world.run_for(HOUR);
    let calls = world.network.calls().since(before);
    assert!(calls.events >= 35_000);
    let wakeups = calls.polls - calls.events;
    assert!(wakeups <= 60, "{wakeups} wakeups without an event in an hour");
    assert_eq!(world.network.state(peer), PeerState::Open);
}

/// Every timeout there is.
fn all_timeouts(timeout: Option<Duration>) -> Config {
    Config {
        idle_timeout: timeout,
        first_frame_timeout: timeout,
        frame_timeout: timeout,
        write_timeout: timeout,
        lifetime: timeout,
        linger_timeout: timeout.unwrap_or(Duration::MAX),
        drain_timeout: timeout.unwrap_or(Duration::MAX),
        ..timeless()
    }
}

#[test]
fn timeouts_that_never_pass_never_pass() {
    for timeout in
        [None, Some(Duration::MAX), Some(Duration::from_secs(u64::MAX)), Some(500 * YEAR)]
    {
        let handler = Scripted::<Lines>::on_frames(|session, line| {
            session.set_timer(1, Duration::MAX);
            if line == "bye" {
                session.close();
            }
            session.send(line).or(Ok(()))
        })
        .on_timer(|_, _| panic!("the timer that never is due"));
        let mut world =
            World::on(SimNetwork::new(1), all_timeouts(timeout), Lines::default(), handler);
        let peers = world.join_many(3);
        world.network.send_from(peers[1], b"begun");
        world.network.stall(peers[2]);
        world.network.send_from(peers[2], &[&[b'x'; 60_000][..], b"\n"].concat().repeat(3));
        world.run_for(50 * YEAR);
        world.network.jump(50 * YEAR);
        world.turn(secs(1));
        world.network.send_from(peers[0], b"still there?\n");
        world.settle();
        assert_eq!(world.network.received(peers[0]), b"still there?\n");
        world.network.send_from(peers[0], b"bye\n");
        world.settle();
        assert_eq!(world.network.state(peers[0]), PeerState::Finished);
        world.reactor.drain();
        world.run_for(50 * YEAR);
        assert_eq!(world.reactor.connections_len(), 3, "{timeout:?}");
    }
}

#[test]
fn the_longest_timeout_to_turn_is_no_timeout() {
    let mut world = World::new(timeless(), echo);
    world.join();
    world.network.after(10 * YEAR, move |net| {
        net.connect_to(address(0));
    });
    world.turn(Duration::MAX);
    assert_eq!(world.reactor.connections_len(), 2);
}

#[test]
fn twenty_thousand_deadlines_at_once_are_worked_off_in_portions() {
    let config = Config { idle_timeout: Some(secs(60)), accept_budget: 20_001, ..timeless() };
    let mut world = World::new(config, echo);
    let peers = world.join_many(20_001);
    let active = peers[20_000];
    world.send_at(active, secs(30), b"early\n");
    world.run_until("the deadline", None, |world| {
        world.network.clock().since(Instant::START) >= secs(60)
    });
    let mut turns = 0;
    while world.network.calls().shutdowns < 20_000 {
        let before = world.network.calls().shutdowns;
        world.network.send_from(active, b"hi\n");
        world.turn_at_once();
        turns += 1;
        assert_eq!(
            world.network.received(active),
            [&b"early\n"[..], &b"hi\n".repeat(turns)].concat()
        );
        let closed = world.network.calls().shutdowns - before;
        assert!(closed <= 1024, "{closed} deadlines in one turn");
        assert_on_time(world.network.clock().since(Instant::START), secs(60));
    }
    assert!(turns >= 19, "{turns} turns for 20,000 deadlines");
    world.run_for(secs(10));
    assert_eq!(world.reactor.connections_len(), 1);
}

#[test]
fn a_turn_that_takes_long_makes_no_deadline_late() {
    let mut net = SimNetwork::new(1);
    let due = Rc::new(Cell::new(Instant::START));
    let noted = due.clone();
    let handler = Scripted::<Lines>::on_frames(move |session, line| {
        if line == "timer" {
            session.set_timer(1, secs(10));
            noted.set(session.now().after(secs(10)).expect("it is soon"));
        }
        session.send("done")
    })
    .on_timer(|session, _| session.send("due"));
    // Reading from 200 peers and answering them takes 40 ms.
    net.set_call_cost(millis(1) / 10);
    let mut world = World::on(net, timeless(), Lines::default(), handler);
    let peers = world.join_many(201);
    world.network.send_from(peers[200], b"timer\n");
    world.settle();
    let due = due.get().since(Instant::START);
    for peer in &peers[..200] {
        world.send_at(*peer, due - millis(60), b"busy\n");
    }
    world
        .run_until("the timer", None, |world| world.network.received(peers[200]) == b"done\ndue\n");
    assert_on_time(world.network.clock().since(Instant::START), due);
}

#[test]
fn timers_that_set_themselves_again_let_others_run() {
    let handler = Scripted::<Lines>::on_frames(|session, line| {
        if line == "begin" {
            session.set_timer(1, Duration::ZERO);
        }
        session.send("done")
    })
    .on_timer(|session, _| {
        session.set_timer(1, Duration::ZERO);
        Ok(())
    });
    let mut net = SimNetwork::new(1);
    net.set_call_cost(Duration::from_micros(1));
    let mut world = World::on(net, timeless(), Lines::default(), handler);
    let peers: Vec<_> = (0..50).map(|_| world.join()).collect();
    for peer in &peers[1..] {
        world.network.send_from(*peer, b"begin\n");
    }
    for _ in 0..20 {
        world.turn(None);
    }
    for turn in 1..100 {
        world.network.send_from(peers[0], b"hi\n");
        world.turn(None);
        assert_eq!(world.network.received(peers[0]), b"done\n".repeat(turn));
    }
}

/// What has happened to 3,000 peers when the loop did nothing for so long, during which the first
/// `sending` of them have sent a line: how many were answered, and how many are left.
fn after_a_jump(jump: Duration, sending: usize) -> (usize, usize) {
    let config = Config { idle_timeout: Some(secs(30)), accept_budget: 5000, ..timeless() };
    let mut world = World::new(config, echo);
    let peers = world.join_many(3000);
    world.run_for(secs(10));
    // Those whose deadlines come last are heard first.
    for peer in peers[..sending].iter().rev() {
        world.network.send_from(*peer, b"late\n");
    }
    world.network.jump(jump - secs(10));
    world.settle();
    let answered = peers.iter().filter(|peer| world.network.received(**peer) == b"late\n").count();
    world.run_for(secs(2));
    (answered, world.reactor.connections_len())
}

#[test]
fn whoever_has_sent_while_the_loop_stood_still_is_served_before_anyone_is_expired() {
    for millis in [29_999, 30_000, 30_001, 30_500, 31_000, 31_001, 45_000, 3_600_000] {
        let jump = Duration::from_millis(millis);
        assert_eq!(after_a_jump(jump, 3000), (3000, 3000), "after {jump:?}");
    }
}

#[test]
fn whoever_has_sent_while_the_loop_stood_still_amid_a_turn_is_served_before_anyone_is_expired() {
    for calls in 0..12 {
        let config = Config { idle_timeout: Some(secs(30)), ..timeless() };
        let mut world = World::new(config, echo);
        let [other, peer] = [world.join(), world.join()];
        world.settle();
        // Before so many calls of the turn that begins with what the other one sends.
        let call = world.network.calls_made() + calls;
        world.network.at_call(call, move |network| {
            network.send_from(peer, b"late\n");
            network.jump(secs(31));
        });
        world.network.send_from(other, b"now\n");
        world.settle();
        world.network.send_from(other, b"and again\n");
        world.settle();
        assert_eq!(world.network.received(peer), b"late\n", "it stood still before call {calls}");
    }
}

#[test]
fn whoever_has_sent_while_the_loop_stood_still_is_served_though_others_were_due_before() {
    for (slow, calls) in (0..6).flat_map(|slow| (1..12).map(move |calls| (slow, calls))) {
        let config = Config { idle_timeout: Some(secs(30)), ..timeless() };
        let mut world = World::new(config, echo);
        let [other, idle] = [world.join(), world.join()];
        world.run_for(secs(1));
        let peer = world.join();
        world.run_for(secs(29) - millis(1));
        // The idle one's deadline passes in this turn, unseen, and the peer's in the next.
        let call = world.network.calls_made() + slow;
        world.network.at_call(call, move |network| {
            network.jump(millis(2));
            network.at_call(call + calls, move |network| {
                network.send_from(peer, b"late\n");
                network.jump(secs(31));
            });
        });
        world.network.send_from(other, b"now\n");
        world.settle();
        world.network.send_from(other, b"and again\n");
        world.settle();
        let times = format!("slow before call {slow}, still before the {calls}. after it");
        assert_eq!(world.network.received(peer), b"late\n", "{times}");
        assert_eq!(world.network.state(idle), PeerState::Finished, "{times}");
    }
}

#[test]
fn whoever_has_sent_nothing_while_the_loop_stood_still_is_expired() {
    assert_eq!(after_a_jump(HOUR, 0), (0, 0));
    assert_eq!(after_a_jump(HOUR, 1500), (1500, 1500));
    assert_eq!(after_a_jump(HOUR, 1024), (1024, 1024));
}

#[test]
fn a_steady_stream_of_events_does_not_keep_deadlines_from_passing() {
    let config = Config { idle_timeout: Some(secs(30)), accept_budget: 5000, ..timeless() };
    let handler = Scripted::<Raw>::new(ignore).without_frames();
    let mut world = World::on(SimNetwork::new(1), config, Raw, handler);
    let peers = world.join_many(1300);
    world.run_for(secs(10));
    let (busy, idle) = peers.split_at(1200);
    world.network.jump(HOUR);
    let mut turns = 0;
    while world.reactor.connections_len() > 1200 || world.network.calls().shutdowns < 100 {
        for peer in busy {
            if world.network.unread_len(*peer) == 0 {
                world.network.send_from(*peer, b"x");
            }
        }
        world.turn_at_once();
        world.network.jump(millis(1));
        turns += 1;
        assert!(turns < 2000, "the idle ones are never expired");
        // Put off for a few turns, in which everybody is looked at who has an event.
        let is_told = world.network.calls().shutdowns == 100;
        assert!(is_told || turns < 20, "the idle ones are not expired in time");
    }
    assert!(idle.iter().all(|peer| world.network.state(*peer) == PeerState::Finished));
    assert!(busy.iter().all(|peer| world.network.state(*peer) == PeerState::Open));
}

#[test]
fn a_loop_that_is_held_up_in_every_turn_meets_its_deadlines_all_the_same() {
    for (busy_poll, timeout) in
        [(0, Some(0)), (0, None), (1, Some(0)), (1, None)].map(|(busy, t)| (millis(busy), t))
    {
        let config = Config { idle_timeout: Some(secs(30)), busy_poll, ..timeless() };
        let mut world = World::new(config, echo);
        let [busy, idle] = [world.join(), world.join()];
        // Between asking for events and the look at the clock.
        world.network.set_call_cost(millis(20));
        while world.network.state(idle) == PeerState::Open {
            world.network.send_from(busy, b"hi\n");
            world.turn(timeout.map(millis));
            let clock = world.network.clock().since(Instant::START);
            assert!(clock < secs(31), "{clock:?}: the idle one is not expired");
        }
        assert_eq!(world.network.state(busy), PeerState::Open);
    }
}

#[test]
fn a_frame_that_has_come_while_the_loop_stood_still_is_read_to_its_end() {
    let deadline = Some(secs(5));
    for deadlines in [
        Config { frame_timeout: deadline, ..timeless() },
        Config { first_frame_timeout: deadline, ..timeless() },
    ] {
        let config = Config { read_budget: KIB, ..deadlines };
        let mut world = World::with_codec(config, LengthPrefixed::default(), ignore);
        let (whole, half) = (world.join(), world.join());
        let bytes = frame(&pattern(20 * KIB));
        world.network.send_from(whole, &bytes[..10]);
        world.network.send_from(half, &bytes[..10]);
        world.settle();
        world.network.send_from(whole, &bytes[10..]);
        world.network.send_from(half, &bytes[10..10 * KIB]);
        world.network.jump(secs(6));
        world.settle();
        assert_eq!(world.frames_len(), 1);
        assert_ne!(world.network.state(half), PeerState::Open, "this one did not come");
        assert_eq!(world.network.state(whole), PeerState::Open);
    }
}
