//! The simulation as a whole: its clock, its signals, its counts and its trace.

use std::io;
use std::time::Duration;

use super::harness::{LISTENER, R, SOCKET, World};
use super::*;
use crate::config::SocketOptions;
use crate::network::{Network, Progress};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_poll_without_an_event_moves_the_clock_by_its_timeout() {
    let mut world = World::new();
    assert_eq!(world.poll_for(3 * SECOND), []);
    assert_eq!(world.net.now(), Instant::from_nanos(3_000_000_000));
}

#[test]
fn a_poll_with_an_event_leaves_the_clock_alone() {
    let mut world = World::new();
    world.connect();
    assert_eq!(world.poll_for(3 * SECOND), [(LISTENER, R)]);
    assert_eq!(world.net.now(), Instant::START);
}

#[test]
fn what_is_scheduled_happens_in_its_order_and_at_its_time() {
    let mut world = World::new();
    let address = world.address;
    world.net.after(2 * SECOND, move |net| {
        net.connect_to(address);
    });
    world.net.after(SECOND, |net| net.after(SECOND / 2, SimNetwork::raise_signal));
    world.net.watch_signals(&[15]).unwrap();
    assert_eq!(world.poll_for(9 * SECOND), [(Token::SIGNALS, R)]);
    assert_eq!(world.net.now(), Instant::from_nanos(1_500_000_000));
    assert_eq!(world.poll_for(9 * SECOND), [(LISTENER, R)]);
    assert_eq!(world.net.now(), Instant::from_nanos(2_000_000_000));
}

#[test]
fn what_is_due_with_the_timeout_happens_within_the_poll() {
    let mut world = World::new();
    let address = world.address;
    world.net.after(SECOND, move |net| {
        net.connect_to(address);
    });
    assert_eq!(world.poll_for(SECOND), [(LISTENER, R)]);
}

#[test]
fn what_was_scheduled_during_a_jump_happens_together_at_the_next_poll() {
    let mut world = World::new();
    let address = world.address;
    world.net.watch_signals(&[15]).unwrap();
    world.net.after(SECOND, SimNetwork::raise_signal);
    world.net.after(2 * SECOND, move |net| {
        net.connect_to(address);
    });
    world.net.jump(60 * SECOND);
    assert_eq!(world.poll_for(9 * SECOND), [(Token::SIGNALS, R), (LISTENER, R)]);
    assert_eq!(world.net.now(), Instant::from_nanos(60_000_000_000));
}

#[test]
fn what_schedules_itself_for_now_ends_the_poll_all_the_same() {
    fn again(net: &mut SimNetwork) {
        net.after(Duration::ZERO, again);
    }
    let mut world = World::new();
    again(&mut world.net);
    assert_eq!(world.poll(), []);
}

#[test]
fn a_sleep_for_ever_is_an_error_that_says_what_is_open() {
    let mut world = World::new();
    let (peer, _) = world.pair();
    world.net.send_from(peer, b"ab");
    world.net.bind(SOCKET, "127.0.0.1:0".parse().unwrap(), &SocketOptions::default()).unwrap();
    world.poll_for(SECOND);
    let error = world.net.poll(&mut Vec::new(), None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    assert_eq!(
        error.to_string(),
        "the loop would sleep for ever: nothing is scheduled after 0ns of virtual time; \
         open sockets: 0:0#0 (peer 127.0.0.1:32768, 2 B unread, 0 B in flight), \
         0 (listener 127.0.0.1:7000, 0 waiting), 1 (UDP 127.0.0.1:49152, 0 waiting)"
    );
    world.poll_for(SECOND);
    let error = world.net.poll(&mut Vec::new(), Some(Duration::MAX)).unwrap_err();
    assert!(error.to_string().contains("after 1s of"), "{error}");
}

#[test]
fn a_late_timeout_is_late_by_less_than_a_millisecond() {
    let mut world = World::new();
    world.faults(|faults| faults.late_timeout = 1000);
    world.poll_for(SECOND);
    let late = world.net.clock().since(Instant::from_nanos(1_000_000_000));
    assert!(late > Duration::ZERO && late < Duration::from_millis(1), "{late:?}");
}

#[test]
fn an_interrupted_poll_returns_early_and_with_nothing() {
    let mut world = World::new();
    let address = world.address;
    world.net.after(2 * SECOND, move |net| {
        net.connect_to(address);
    });
    world.faults(|faults| faults.interrupted_poll = 1000);
    assert_eq!(world.poll_for(SECOND), []);
    let now = world.net.clock();
    assert!(now > Instant::START && now < Instant::from_nanos(1_000_000_000), "{now:?}");
    world.net.poll(&mut Vec::new(), None).unwrap();
    assert!(world.net.clock() > now);
    assert_eq!(world.net.calls().idle_polls, 0);
}

#[test]
fn a_call_costs_what_it_is_told_to() {
    let mut world = World::new();
    world.net.set_call_cost(Duration::from_micros(7));
    world.net.now();
    assert_eq!(world.net.now(), Instant::from_nanos(14_000));
}

#[test]
fn a_signal_wakes_the_poll_and_each_is_counted() {
    let mut world = World::new();
    world.net.raise_signal();
    assert_eq!(world.net.unwatched_signals(), 1, "nobody watched");
    world.net.watch_signals(&[2, 15]).unwrap();
    assert_eq!(world.poll(), []);
    world.net.raise_signal();
    world.net.raise_signal();
    assert_eq!(world.poll_for(SECOND), [(Token::SIGNALS, R)]);
    assert_eq!(world.net.take_signals(), 2);
    assert_eq!(world.net.take_signals(), 0);
    world.net.raise_signal();
    assert_eq!(world.poll_for(SECOND), [(Token::SIGNALS, R)]);
    world.net.raise_signal();
    assert_eq!(world.poll_for(SECOND), [(Token::SIGNALS, R)], "also before the first is taken");
    assert_eq!(world.net.take_signals(), 2);
    assert_eq!(world.net.open_sockets(), 1, "signals are no socket");
}

#[test]
fn a_poll_for_nothing_is_counted_as_idle_and_a_sleep_is_not() {
    let mut world = World::new();
    world.poll();
    let before = world.net.calls();
    world.poll_for(SECOND);
    assert_eq!(world.net.calls().since(before).idle_polls, 0, "it slept");
    world.poll();
    world.poll();
    let calls = world.net.calls().since(before);
    assert_eq!((calls.polls, calls.idle_polls), (3, 2));
    world.pair();
    let before = world.net.calls();
    world.poll();
    assert_eq!(world.net.calls().since(before).idle_polls, 1, "a blocked read achieves nothing");
    assert!(matches!(world.net.accept(LISTENER), Ok(Progress::Blocked)));
    let before = world.net.calls();
    world.connect();
    world.poll();
    world.accept();
    world.poll();
    world.poll();
    let calls = world.net.calls().since(before);
    assert_eq!((calls.accepts, calls.adopts, calls.idle_polls), (1, 1, 1));
}

#[test]
fn calls_are_counted_also_those_that_achieve_nothing() {
    let mut world = World::with_pipe(4);
    let (_, token) = world.pair();
    let before = world.net.calls();
    world.net.write(token, b"abcd").progress().unwrap();
    world.net.write(token, b"e").progress().unwrap();
    world.read(token, 9);
    world.net.shutdown_write(token).unwrap();
    world.net.close(token);
    world.net.close(token);
    let calls = world.net.calls().since(before);
    let Calls { writes, reads, shutdowns, closes, .. } = calls;
    assert_eq!((writes, reads, shutdowns, closes), (2, 1, 1, 1));
}

#[test]
fn a_poll_forgets_the_events_of_the_one_before() {
    let mut world = World::new();
    world.connect();
    let mut events = Vec::new();
    world.net.poll(&mut events, None).unwrap();
    assert_eq!(events.len(), 1);
    world.net.poll(&mut events, Some(SECOND)).unwrap();
    assert_eq!(events, []);
}

#[test]
fn every_call_counts_in_the_trace() {
    let hash = |act: &dyn Fn(&mut World)| {
        let mut world = World::new();
        world.pair();
        act(&mut world);
        world.net.trace_hash()
    };
    let token = Token::connection(0, 0, 0);
    let acts: [&dyn Fn(&mut World); 9] = [
        &|_| (),
        &|world| drop(world.read(token, 9)),
        &|world| drop(world.read(token, 8)),
        &|world| drop(world.net.write(token, b"a")),
        &|world| drop(world.net.write(token, b"b")),
        &|world| drop(world.poll()),
        &|world| drop(world.poll_for(SECOND)),
        &|world| world.net.close(token),
        &|world| world.net.abort(token),
    ];
    let hashes: BTreeSet<u64> = acts.iter().map(|act| hash(*act)).collect();
    assert_eq!(hashes.len(), acts.len());
    assert!(acts.iter().all(|act| hash(*act) == hash(*act)));
}
