//! The first signal drains, the second stops. `tests/proof/signals.rs` has them come at every call.

use windlass::network::{self, Network, PeerState, SimNetwork};
use windlass::{Config, Lines};

use super::drain::working;
use crate::fixture::{Call, Scripted, World, address, at_most, echo, millis, secs};

#[test]
fn the_first_signal_wakes_the_loop_and_drains() {
    let mut world = World::new(at_most(10), working);
    let peer = world.connect_with(b"half");
    world.settle();
    world.network.after(secs(3), SimNetwork::raise_signal);
    world.run_for(secs(4));
    assert!(!world.network.is_listening(address(0)), "nobody new is accepted");
    assert_eq!(world.network.state(peer), PeerState::Open);
    world.network.send_from(peer, b" a line\n");
    let report = world.run_to_the_end(secs(2));
    assert_eq!(world.received(peer), "half a line\n");
    assert!(report.is_clean() && report.finished == 1, "{report}");
}

#[test]
fn a_signal_as_the_first_socket_opens_drains_the_loop() {
    let build = |network| {
        World::of(network, at_most(10), None, |server| {
            server.tcp(address(0), Scripted::<Lines>::new(echo))
        })
    };
    let mut network = SimNetwork::new(1);
    network.record_calls();
    let calls = build(network).network.recorded_calls().to_vec();
    let opened =
        calls.iter().position(|made| made.call == network::Call::Listen).expect("it listens");
    let mut network = SimNetwork::new(1);
    network.at_call(opened as u64, SimNetwork::raise_signal);
    let mut world = build(network);
    assert_eq!(world.network.unwatched_signals(), 0, "it would have ended the process");
    let report = world.run_to_the_end(secs(1));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn the_second_signal_stops_now() {
    let mut world = World::new(at_most(10), working);
    let peer = world.connect_with(b"half");
    world.settle();
    world.network.raise_signal();
    world.run_for(secs(3));
    world.network.after(secs(2), SimNetwork::raise_signal);
    let report = world.run_to_the_end(secs(2));
    assert_eq!((report.cut_by_stop, report.took), (1, secs(5)));
    assert_eq!(world.reason(peer), Some("stopped"));
}

#[test]
fn several_signals_at_once_stop_now() {
    for count in 2..5 {
        let mut world = World::new(at_most(10), working);
        world.connect_with(b"half");
        world.settle();
        (0..count).for_each(|_| world.network.raise_signal());
        world.turn(secs(1));
        let report = world.report.clone().expect("it ends in this turn");
        assert_eq!((report.cut_by_stop, report.took.as_nanos()), (1, 0));
    }
}

#[test]
fn a_signal_after_the_program_asked_for_a_drain_stops_now() {
    let mut world = World::new(at_most(10), working);
    world.connect_with(b"half");
    world.settle();
    world.reactor.drain();
    world.network.raise_signal();
    world.turn(secs(1));
    assert_eq!(world.report.as_ref().map(|report| report.cut_by_stop), Some(1));
}

#[test]
fn a_loop_that_watches_for_no_signal_is_left_alone_by_them() {
    let config = Config { signals: Vec::new(), ..at_most(10) };
    let mut world = World::new(config, working);
    let peer = world.join();
    world.network.raise_signal();
    world.network.send_from(peer, b"hello\n");
    world.run_for(secs(1));
    assert_eq!((world.received(peer), world.network.unwatched_signals()), ("hello\n".into(), 1));
}

#[test]
fn a_signal_that_comes_between_the_polls_of_any_turn_is_not_lost() {
    // The signal comes within a callback: after the poll of this turn, before that of the next.
    for line in 0..30 {
        let (send, receive) = std::sync::mpsc::channel();
        let mut world = World::new(at_most(10), move |session, call| {
            if let Call::Frame(frame) = call
                && frame == format!("{line}")
            {
                send.send(()).expect("the test listens");
            }
            working(session, call)
        });
        let peer = world.join();
        for number in 0..30 {
            world.network.send_from(peer, format!("{number}\n").as_bytes());
            world.turn(millis(1));
            if receive.try_recv().is_ok() {
                world.network.raise_signal();
                break;
            }
        }
        world.network.finish(peer);
        let report = world.run_to_the_end(millis(1));
        assert_eq!(report.finished, 1);
    }
}

#[test]
fn the_end_is_the_end_for_every_later_turn() {
    let mut world = World::new(at_most(10), working);
    world.network.raise_signal();
    let report = world.run_to_the_end(secs(1));
    world.network.raise_signal();
    world.reactor.drain();
    let polls = world.network.calls().polls;
    for _ in 0..3 {
        world.turn(secs(1));
        assert_eq!(world.report.as_ref(), Some(&report));
    }
    assert_eq!(world.network.calls().polls, polls, "the network is not asked any more");
    assert_eq!(Network::take_signals(&mut world.network), 1);
}
