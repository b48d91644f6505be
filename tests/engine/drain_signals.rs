//! The first signal drains, the second stops, whenever they come.

use windlass::network::{self, Network, PeerState, SimNetwork, SimPeer};
use windlass::{Config, Instant, Lines};

use super::drain::working;
use crate::fixture::{Call, Replay, Scripted, What, World, address, at_most, echo, millis, secs};

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

/// A small town in which all that can happen does, within 30 ms.
struct Scenario {
    world: World,
    peers: Vec<SimPeer>,
    /// Sends a line each millisecond.
    talker: SimPeer,
}

impl Scenario {
    fn new() -> Self {
        let config = Config {
            drain_timeout: millis(200),
            linger_timeout: millis(20),
            read_buffer_len: 2000,
            high_watermark: 3000,
            low_watermark: 1000,
            ..at_most(6)
        };
        let mut world = World::new(config, working);
        world.network.set_pipe_len(2000);
        let peers: Vec<SimPeer> = (0..9).map(|_| world.connect()).collect();
        let [idle, talker, slow, halting, short, never, resets, queued, last] = peers[..] else {
            unreachable!("there are nine");
        };
        let network = &mut world.network;
        for number in 0..30 {
            network.after(millis(number), move |network| {
                network.send_from(talker, format!("line {number}\n").as_bytes());
            });
        }
        network.read_slowly(slow, 300, millis(1));
        network.send_from(slow, &b"a line that is read slowly\n".repeat(500));
        network.send_from(halting, b"be");
        network.after(millis(6), move |network| network.send_from(halting, b"gun\nhalf of th"));
        network.after(millis(18), move |network| network.send_from(halting, b"is\n"));
        network.after(millis(9), move |network| {
            network.send_from(short, b"one\ntwo\nthe last");
            network.finish(short);
        });
        network.stall(never);
        network.send_from(never, b"long\n");
        for peer in [resets, queued, last] {
            network.send_from(peer, b"may I come in\n");
        }
        network.after(millis(12), move |network| network.reset(resets));
        network.after(millis(21), move |network| network.finish(idle));
        network.after(millis(23), move |network| network.finish(queued));
        Self { world, peers, talker }
    }

    /// Turns, so many of them; the loop may end meanwhile.
    fn turns(&mut self, count: usize) {
        for _ in 0..count {
            if self.world.report.is_none() {
                self.world.turn(millis(5));
            }
        }
    }

    /// What must be true of the end, however it came.
    fn check_end(&self) {
        let world = &self.world;
        let report = world.report.as_ref().expect("it has ended");
        let drained: Vec<_> =
            world.entries().into_iter().filter(|entry| entry.what == What::Drained).collect();
        let began = drained.first().map(|entry| entry.at);
        let total = report.finished + report.failed + report.cut_at_deadline + report.cut_by_stop;
        let closes = world.entries().into_iter().filter(|entry| {
            let is_close = matches!(entry.what, What::Closed(_));
            is_close && began.is_none_or(|began| entry.at >= began)
        });
        assert!(total >= drained.len(), "{report}");
        assert!(total <= closes.count(), "{report}");
        assert!(report.took <= millis(200), "{report}");
        for peer in &self.peers {
            self.check_peer(*peer);
        }
    }

    /// A peer got the answers to its frames: all of them, unless it was cut.
    fn check_peer(&self, peer: SimPeer) {
        let world = &self.world;
        let frames = world.frames(peer);
        let owed: String = frames
            .iter()
            .map(|frame| match str::from_utf8(frame).expect("lines are text") {
                "long" => format!("{}\n", "x".repeat(49_999)).repeat(20),
                frame => format!("{frame}\n"),
            })
            .collect();
        let received = world.received(peer);
        assert!(owed.starts_with(&received), "{peer:?} received what it was not owed");
        let state = world.network.state(peer);
        if state == PeerState::Finished {
            assert_eq!(
                received.len(),
                owed.len(),
                "{peer:?} lost an answer: {:?}",
                world.reason(peer)
            );
        }
        assert_ne!(state, PeerState::Connecting, "{peer:?} was left in the queue");
    }
}

/// The turns of the scenario in which something happens.
const TURNS: usize = 90;

#[test]
fn a_signal_at_any_turn_loses_no_request_that_had_arrived() {
    for turn in 0..TURNS {
        let mut scenario = Scenario::new();
        let _replay = Replay(format!("a signal before turn {turn}"));
        scenario.turns(turn);
        let now = scenario.world.network.clock();
        scenario.world.network.raise_signal();
        scenario.world.run_to_the_end(millis(201));
        scenario.world.let_pass(secs(1));
        scenario.check_end();
        let sent = now.since(Instant::START).as_millis().min(29);
        let answered = scenario.world.received(scenario.talker);
        assert!(answered.contains(&format!("line {sent}\n")) || sent == 0, "{sent}: {answered}");
    }
}

#[test]
fn a_second_signal_at_any_turn_ends_it_in_that_turn() {
    for first in (0..TURNS).step_by(4) {
        for second in (0..TURNS - first).step_by(3) {
            let mut scenario = Scenario::new();
            let _replay = Replay(format!("signals before turns {first} and {}", first + second));
            scenario.turns(first);
            scenario.world.network.raise_signal();
            scenario.turns(second);
            if second > 0 && scenario.world.report.is_some() {
                break;
            }
            scenario.world.network.raise_signal();
            scenario.turns(1);
            assert!(scenario.world.report.is_some(), "it ends in this turn");
            scenario.world.let_pass(secs(1));
            scenario.check_end();
        }
    }
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
