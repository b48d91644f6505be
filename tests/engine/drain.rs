//! Coming to an end: who is finished, who is waited for, who is cut, and what the report says.

use std::time::Duration;

use bytes::Bytes;
use windlass::network::{AcceptFailure, Faults, PeerState, SimPeer};
use windlass::{AtLimit, Config, DrainReport, Error, Session};

use crate::fixture::{Call, Scripted, What, World, address, at_most, echo, millis, secs};

/// Echo, with a `long` answer of a megabyte, and a `pause` that lasts.
pub(crate) fn working(session: &mut Session<'_, Scripted>, call: Call<'_>) -> Result<(), Error> {
    match call {
        Call::Frame("long") => {
            for _ in 0..20 {
                session.send(&"x".repeat(49_999))?;
            }
            Ok(())
        }
        Call::Frame("pause") => {
            session.pause();
            session.send("pausing")
        }
        call => echo(session, call),
    }
}

const LONG: usize = 1_000_000;

fn config() -> Config {
    Config { drain_timeout: secs(20), write_timeout: None, frame_timeout: None, ..at_most(100) }
}

/// The report without the time it took.
fn numbers(report: &DrainReport) -> [usize; 5] {
    let cut = [report.cut_at_deadline, report.cut_by_stop];
    [report.finished, cut[0], cut[1], report.failed, report.datagrams_cut]
}

#[test]
fn whoever_is_idle_is_closed_at_once() {
    let mut world = World::new(config(), working);
    let peers = [world.join(), world.join(), world.join()];
    world.network.send_from(peers[1], b"hello\n");
    world.run_for(secs(7));
    world.reactor.drain();
    world.settle();
    for peer in peers {
        assert_eq!(world.network.state(peer), PeerState::Finished);
        world.network.finish(peer);
    }
    let report = world.run_to_the_end(millis(1));
    assert_eq!((numbers(&report), report.took), ([3, 0, 0, 0, 0], Duration::ZERO));
    assert!(report.is_clean());
    let expected = [What::Opened, What::Drained, What::Closed("drained")];
    assert_eq!(world.seen(peers[0]), expected);
}

#[test]
fn whoever_does_not_close_in_turn_holds_the_end_up_for_the_linger_timeout_only() {
    let mut world = World::new(config(), working);
    world.join();
    world.reactor.drain();
    let report = world.run_to_the_end(secs(5));
    assert_eq!((numbers(&report), report.took), ([1, 0, 0, 0, 0], secs(1)));
}

#[test]
fn an_empty_house_is_left_at_once() {
    let mut world = World::new(config(), working);
    world.settle();
    world.reactor.drain();
    world.turn(secs(1));
    assert_eq!(world.report, Some(DrainReport::default()));
    world.turn(secs(1));
    world.reactor.stop();
    world.turn(secs(1));
    assert_eq!(world.report, Some(DrainReport::default()), "the report is given again");
}

#[test]
fn what_has_arrived_is_answered_though_nothing_announced_it() {
    for read_budget in [3, 1 << 20] {
        let mut world = World::new(Config { read_budget, ..config() }, working);
        let peers = [world.join(), world.join()];
        for peer in peers {
            world.network.send_from(peer, b"one\ntwo\nthree\n");
        }
        world.network.finish(peers[0]);
        world.reactor.drain();
        let report = world.run_to_the_end(secs(2));
        for peer in peers {
            assert_eq!(world.received(peer), "one\ntwo\nthree\n");
        }
        assert_eq!(numbers(&report), [2, 0, 0, 0, 0]);
    }
}

#[test]
fn what_has_arrived_is_answered_though_its_event_comes_late() {
    let mut world = World::new(config(), working);
    let peers = [world.join(), world.join()];
    let late = Faults { delayed_event: 1000, longest_delay: secs(1), ..Faults::none() };
    world.network.set_faults(late);
    for peer in peers {
        world.network.send_from(peer, b"one\ntwo\n");
    }
    world.reactor.drain();
    world.run_to_the_end(secs(3));
    for peer in peers {
        assert_eq!(world.received(peer), "one\ntwo\n");
    }
}

#[test]
fn a_frame_that_was_begun_is_waited_for() {
    let mut world = World::new(config(), working);
    let peer = world.connect_with(b"half a ");
    world.settle();
    world.reactor.drain();
    world.run_for(secs(10));
    assert_eq!(world.network.state(peer), PeerState::Open);
    world.network.send_from(peer, b"line\nlost\n");
    let report = world.run_to_the_end(secs(2));
    assert_eq!(world.received(peer), "half a line\nlost\n");
    assert_eq!((numbers(&report), world.reason(peer)), ([1, 0, 0, 0, 0], Some("drained")));
}

#[test]
fn a_frame_that_does_not_come_is_waited_for_until_the_first_deadline() {
    for (frame_timeout, drain_timeout) in [(5, 10), (10, 5)] {
        let frame_timeout = Some(secs(frame_timeout));
        let drain_timeout = secs(drain_timeout);
        let mut world = World::new(Config { frame_timeout, drain_timeout, ..config() }, working);
        let peer = world.connect_with(b"half a ");
        world.settle();
        world.reactor.drain();
        world.run_for(millis(4_999));
        assert_eq!(world.network.state(peer), PeerState::Open);
        world.run_for(millis(1));
        assert_ne!(world.network.state(peer), PeerState::Open);
        let report = world.run_to_the_end(secs(1));
        let expected = if frame_timeout < Some(drain_timeout) {
            ([0, 0, 0, 1, 0], Some("frame timeout"))
        } else {
            ([0, 1, 0, 0, 0], Some("drain timeout"))
        };
        assert_eq!((numbers(&report), world.reason(peer)), expected);
    }
}

#[test]
fn a_slow_reader_gets_all_that_it_is_owed() {
    let mut world = World::new(config(), working);
    let peer = world.connect();
    world.network.read_slowly(peer, 1000, millis(10));
    world.network.send_from(peer, b"long\nlast\n");
    world.settle();
    world.reactor.drain();
    let report = world.run_to_the_end(secs(20));
    world.let_pass(secs(2));
    assert_eq!(world.network.received(peer).len(), LONG + 5);
    assert_eq!((numbers(&report), world.reason(peer)), ([1, 0, 0, 0, 0], Some("drained")));
}

#[test]
fn whoever_never_reads_is_cut_at_the_deadline() {
    let mut world = World::new(config(), working);
    let peer = world.connect();
    world.network.stall(peer);
    world.network.send_from(peer, b"long\n");
    world.settle();
    world.reactor.drain();
    let report = world.run_to_the_end(secs(30));
    assert_eq!((numbers(&report), report.took), ([0, 1, 0, 0, 0], secs(20)));
    assert!(!report.is_clean());
    assert_eq!(world.reason(peer), Some("drain timeout"));
    assert_eq!(world.network.state(peer), PeerState::Reset, "it is owed something");
}

#[test]
fn whoever_is_at_work_is_waited_for() {
    let mut world = World::new(config(), |session, call| match call {
        Call::Frame("ask") => {
            session.pause();
            session.set_timer(1, secs(4));
            Ok(())
        }
        Call::Timer(_) => {
            session.resume();
            session.send("found it")
        }
        call => working(session, call),
    });
    let (asking, stuck) = (world.connect_with(b"ask\n"), world.connect_with(b"pause\nmore\n"));
    world.settle();
    world.reactor.drain();
    world.run_for(secs(4));
    assert_eq!(world.received(asking), "found it\n");
    assert_eq!(world.network.state(asking), PeerState::Finished);
    let report = world.run_to_the_end(secs(30));
    assert_eq!((numbers(&report), report.took), ([1, 1, 0, 0, 0], secs(20)));
    assert_eq!(world.reason(stuck), Some("drain timeout"));
}

#[test]
fn a_goodbye_arrives_before_the_end() {
    let mut world = World::new(config(), |session, call| match call {
        Call::Drain => session.send("goodbye"),
        call => working(session, call),
    });
    let (idle, asking) = (world.join(), world.join());
    world.network.send_from(asking, b"wait\n");
    world.reactor.drain();
    world.run_to_the_end(secs(2));
    assert_eq!(world.received(idle), "goodbye\n");
    assert!(["goodbye\nwait\n", "wait\ngoodbye\n"].contains(&&*world.received(asking)));
}

#[test]
fn whoever_waits_in_the_queue_is_served_as_far_as_there_is_room() {
    let mut world = World::new(Config { max_connections: Some(4), ..config() }, working);
    let (first, second) = (world.join(), world.join());
    let queued: Vec<SimPeer> = (0..6).map(|_| world.connect_with(b"me too\n")).collect();
    world.reactor.drain();
    world.turn(secs(1));
    let late = world.connect();
    world.run_to_the_end(secs(2));
    for peer in &queued[..2] {
        assert_eq!(world.received(*peer), "me too\n");
        assert_eq!(world.network.state(*peer), PeerState::Finished);
    }
    for peer in &queued[2..] {
        assert_eq!(world.network.state(*peer), PeerState::Reset);
        assert_eq!(world.seen(*peer), []);
    }
    assert_eq!(world.network.state(late), PeerState::Refused);
    let report = world.report.clone().expect("it has ended");
    assert_eq!(numbers(&report), [4, 0, 0, 0, 0], "{first:?} and {second:?} and two more");
}

#[test]
fn the_queue_is_told_the_farewell_where_there_is_one() {
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"we are full\n"));
    let mut world = World::new(Config { at_limit, max_connections: Some(2), ..config() }, working);
    world.join();
    let queued: Vec<SimPeer> = (0..4).map(|_| world.connect()).collect();
    world.reactor.drain();
    world.run_to_the_end(secs(3));
    assert_eq!(world.reason(queued[0]), Some("drained"));
    for peer in &queued[1..] {
        assert_eq!(world.received(*peer), "we are full\n");
    }
}

#[test]
fn nobody_in_the_queue_closes_another_who_came_from_there() {
    let limit = Config { at_limit: AtLimit::EvictIdle, max_connections: Some(2), ..config() };
    let mut world = World::new(limit, working);
    let queued: Vec<SimPeer> = (0..5).map(|_| world.connect_with(b"a\n")).collect();
    world.reactor.drain();
    let report = world.run_to_the_end(secs(3));
    let served = queued.iter().filter(|peer| world.received(**peer) == "a\n").count();
    assert_eq!((served, numbers(&report)), (2, [2, 0, 0, 0, 0]));
}

#[test]
fn a_newcomer_from_the_queue_has_a_moment_to_ask_for_something() {
    let mut world = World::new(config(), |session, call| {
        match call {
            Call::Open if session.peer().port() == 32_771 => {
                session.pause();
                session.set_timer(1, secs(2));
            }
            Call::Timer(_) => session.resume(),
            _ => {}
        }
        working(session, call)
    });
    let [silent, prompt, slow, works] = [(); 4].map(|()| world.connect());
    world.network.send_from(works, b"before\n");
    world.reactor.drain();
    world.settle();
    world.run_for(millis(900));
    world.network.send_from(prompt, b"a question\n");
    world.network.send_from(slow, b"a long ");
    world.settle();
    assert_eq!(world.received(prompt), "a question\n");
    assert_eq!(world.network.state(prompt), PeerState::Finished);
    world.run_for(millis(100));
    assert_eq!(world.network.state(silent), PeerState::Finished, "the moment is over");
    assert_eq!(world.network.state(slow), PeerState::Open, "this frame was begun");
    world.run_for(secs(2));
    world.network.send_from(slow, b"question\n");
    let report = world.run_to_the_end(secs(2));
    assert_eq!(world.received(slow), "a long question\n");
    assert_eq!(world.received(works), "before\n", "it was not the peer that was slow");
    assert_eq!(numbers(&report), [4, 0, 0, 0, 0]);
}

#[test]
fn a_newcomer_who_asks_with_the_end_of_his_stream_has_no_moment_left() {
    // It could be answered later still, since the end does not close it.
    let mut world = World::new(config(), |session, call| match call {
        Call::End => Ok(()),
        call => working(session, call),
    });
    let peer = world.connect_with(b"a question");
    world.network.finish(peer);
    world.reactor.drain();
    let report = world.run_to_the_end(secs(5));
    assert_eq!(world.received(peer), "a question\n");
    assert_eq!((numbers(&report), report.took), ([1, 0, 0, 0, 0], Duration::ZERO));
}

#[test]
fn a_drain_while_nobody_can_be_accepted_ends_like_any_other() {
    let mut world = World::new(config(), working);
    let peer = world.join();
    world.network.fail_accept(AcceptFailure::Emfile, 1_000_000);
    let queued = world.connect();
    world.run_for(millis(5));
    world.network.finish(peer);
    world.reactor.drain();
    world.run_to_the_end(secs(2));
    assert_eq!(world.network.state(queued), PeerState::Reset);
    assert!(!world.network.is_listening(address(0)));
}

#[test]
fn a_drain_without_a_deadline_waits_for_ever() {
    let patient = Config { idle_timeout: None, first_frame_timeout: None, ..config() };
    let config = Config { drain_timeout: Duration::MAX, ..patient };
    let mut world = World::new(config, working);
    let peer = world.connect_with(b"half");
    world.settle();
    world.reactor.drain();
    world.run_for(secs(100_000));
    assert_eq!(world.report, None);
    world.network.finish(peer);
    world.run_to_the_end(secs(1));
    assert_eq!(world.received(peer), "half\n");
}

#[test]
fn a_stop_cuts_everyone_now() {
    for has_drained in [false, true] {
        let mut world = World::new(config(), working);
        let (idle, asking) = (world.join(), world.connect_with(b"half"));
        let stuck = world.connect();
        world.network.stall(stuck);
        world.network.send_from(stuck, b"long\n");
        world.settle();
        if has_drained {
            world.reactor.drain();
            world.run_for(secs(2));
        }
        world.reactor.stop();
        world.turn(secs(1));
        let report = world.report.clone().expect("it ends in this turn");
        let expected = if has_drained { [1, 0, 2, 0, 0] } else { [0, 0, 3, 0, 0] };
        assert_eq!(numbers(&report), expected);
        assert_eq!(world.reason(idle), Some(if has_drained { "drained" } else { "stopped" }));
        assert_eq!(world.reason(asking), Some("stopped"));
        assert_eq!(world.network.state(stuck), PeerState::Reset);
    }
}

#[test]
fn the_report_tells_each_connection_once_under_what_became_of_it() {
    let mut world = World::new(config(), |session, call| match call {
        Call::Frame("fail") => Err(Error::new("as you wish")),
        Call::Frame("quit") => {
            session.close();
            Ok(())
        }
        call => working(session, call),
    });
    let gone = world.join();
    world.network.finish(gone);
    world.run_for(secs(2));
    let idle = world.join();
    let resets = world.connect_with(b"half");
    let fails = world.connect_with(b"half");
    let lingers = world.connect_with(b"quit\n");
    let stuck = world.connect_with(b"pause\n");
    let never = world.connect();
    world.network.stall(never);
    world.network.send_from(never, b"long\n");
    let ends = world.connect_with(b"half");
    world.settle();
    world.reactor.drain();
    world.settle();
    world.network.reset(resets);
    world.network.send_from(fails, b"\nfail\n");
    world.network.finish(ends);
    let report = world.run_to_the_end(secs(30));
    assert_eq!(numbers(&report), [3, 2, 0, 2, 0], "{idle:?} {lingers:?} {stuck:?}");
    assert_eq!(report.took, secs(20));
    assert_eq!(world.received(ends), "half\n");
}

#[test]
fn goodbyes_keep_to_the_memory_budget() {
    let (write_limit, memory_budget) = (1 << 20, 3 << 20);
    let config = Config { write_limit, memory_budget, ..config() };
    let mut world = World::new(config, |session, call| match call {
        Call::Drain => session.send_encoded(Bytes::from(vec![b'x'; 900_000])),
        call => working(session, call),
    });
    let peers: Vec<SimPeer> = (0..10).map(|_| world.join()).collect();
    peers.iter().for_each(|peer| world.network.stall(*peer));
    world.reactor.drain();
    world.turn(secs(1));
    let closed = peers.iter().filter(|peer| world.reason(**peer) == Some("memory budget")).count();
    assert_eq!(closed, 7);
    let report = world.run_to_the_end(secs(21));
    assert_eq!(numbers(&report), [0, 3, 0, 7, 0]);
}

#[test]
fn a_listener_that_breaks_when_the_loop_drains_keeps_nobody_from_finishing() {
    let mut world = World::new(config(), working);
    let peer = world.connect_with(b"half a ");
    world.settle();
    world.network.fail_accept(AcceptFailure::Broken, 1);
    world.reactor.drain();
    world.run_for(secs(1));
    assert!(!world.network.is_listening(address(0)), "it is closed all the same");
    world.network.send_from(peer, b"line\n");
    let report = world.run_to_the_end(secs(2));
    assert_eq!((numbers(&report), world.received(peer)), ([1, 0, 0, 0, 0], "half a line\n".into()));
}
