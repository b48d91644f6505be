//! Long answers that are made portion by portion, as fast as the peer takes them.

use windlass::network::{PeerState, SimNetwork};
use windlass::{Config, Error, Handler, Raw, Session};

use crate::fixture::{
    Call, KIB, Scripted, What, World, address, echo, ignore, millis, panic_quietly, pattern, secs,
    timeless,
};

const PORTION: usize = 10_000;

/// For each byte that is sent, so many thousands of bytes, in portions; none if it is to rest.
struct Portions {
    /// How often it was called for a portion.
    calls: usize,
    ends: Ends,
}

#[derive(Clone, Copy, PartialEq)]
enum Ends {
    /// With all that was asked for.
    Whole,
    /// It never does: it wants to write, and writes nothing.
    Never,
    Panics,
}

impl Handler for Portions {
    type Codec = Raw;
    /// What is left to be sent.
    type State = Vec<u8>;

    fn on_frame(&mut self, session: &mut Session<'_, Self>, bytes: &mut [u8]) -> Result<(), Error> {
        let len: usize = bytes.iter().map(|byte| usize::from(*byte) * 1000).sum();
        *session.state() = pattern(len);
        session.pause();
        session.want_writable();
        Ok(())
    }

    fn on_writable(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.calls += 1;
        assert!(session.queued_len() <= Config::default().low_watermark, "there is room");
        match self.ends {
            Ends::Whole => {}
            Ends::Never => {
                session.want_writable();
                return Ok(());
            }
            Ends::Panics => panic_quietly(),
        }
        let mut rest = std::mem::take(session.state());
        let behind = rest.split_off(rest.len().min(PORTION));
        session.send(&rest)?;
        match behind.is_empty() {
            true => session.resume(),
            false => session.want_writable(),
        }
        *session.state() = behind;
        Ok(())
    }
}

fn world(config: Config, ends: Ends) -> World {
    World::of(SimNetwork::new(1), config, None, |server| {
        server.tcp(address(0), Portions { calls: 0, ends })
    })
}

#[test]
fn a_long_answer_comes_whole_and_the_next_request_after_it() {
    let mut world = world(timeless(), Ends::Whole);
    let peer = world.connect_with(&[200, 200]);
    world.settle();
    world.network.send_from(peer, &[3]);
    world.settle();
    let expected = [pattern(400_000), pattern(3000)].concat();
    assert!(world.network.received(peer) == expected, "not what was asked for");
}

#[test]
fn who_has_finished_gets_all_of_a_long_answer_before_the_end() {
    let mut world = world(timeless(), Ends::Whole);
    world.network.set_pipe_len(5000);
    let peer = world.connect_with(&[200]);
    world.network.read_slowly(peer, 3000, millis(1));
    world.network.finish(peer);
    world.run_for(secs(10));
    assert!(world.network.received(peer) == pattern(200_000), "not all of it");
    assert_eq!(world.network.state(peer), PeerState::Finished);
}

#[test]
fn whose_handler_asks_with_all_connections_at_hand_is_told_of_room_too() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Frame(_) => {
            let id = session.id();
            session.defer(move |_, scope| {
                let ask = |session: &mut Session<'_, Scripted>| {
                    session.want_writable();
                    session.send("soon")
                };
                scope.with(id, ask).expect("it is open")
            })
        }
        Call::Writable => session.send("now"),
        call => ignore(session, call),
    });
    let peer = world.connect_with(b"one\n");
    world.settle();
    assert_eq!(world.received(peer), "soon\nnow\n");
}

#[test]
fn no_more_is_made_than_a_slow_peer_takes() {
    let mut world = world(timeless(), Ends::Whole);
    let peer = world.connect();
    world.network.stall(peer);
    world.network.send_from(peer, &[255; 40]);
    world.settle();
    let config = Config::default();
    let held = world.reactor.held_len();
    assert!(held <= 2 * (config.low_watermark + PORTION), "{held} bytes wait");
    world.network.read_slowly(peer, 100_000, millis(1));
    world.run_for(secs(60));
    assert!(world.network.received(peer) == pattern(40 * 255 * 1000), "not all of it");
    assert_eq!(world.reactor.held_len(), 0);
}

#[test]
fn a_drain_waits_until_the_answer_is_whole() {
    let mut world = world(timeless(), Ends::Whole);
    let peer = world.connect();
    world.network.stall(peer);
    world.network.send_from(peer, &[255; 4]);
    world.settle();
    world.reactor.drain();
    world.run_for(secs(1));
    assert_eq!(world.open_len(), 1);
    world.network.resume(peer);
    let report = world.run_to_the_end(secs(10));
    assert!(report.is_clean(), "{report}");
    assert!(world.network.received(peer) == pattern(4 * 255 * 1000), "not all of it");
    assert_eq!(world.network.state(peer), PeerState::Finished);
}

#[test]
fn others_are_served_while_one_wants_to_write_without_end() {
    let config = Config { frame_budget: 10, ..timeless() };
    let mut world = world(config, Ends::Never);
    let (busy, other) = (world.connect_with(b"a"), world.connect());
    for _ in 0..100 {
        world.turn_at_once();
    }
    assert_eq!(world.network.state(busy), PeerState::Open);
    world.network.finish(other);
    world.turn_at_once();
    world.turn_at_once();
    assert_eq!(world.network.state(other), PeerState::Finished);
    world.reactor.stop();
    world.run_to_the_end(secs(1));
}

#[test]
fn nobody_is_told_of_room_more_often_in_a_turn_than_frames_are_run() {
    let mut world = World::new(Config { frame_budget: 10, ..timeless() }, |session, call| {
        session.want_writable();
        ignore(session, call)
    });
    world.connect();
    world.turn_at_once();
    for turns in 1..10 {
        world.turn_at_once();
        let calls = world.entries().into_iter().filter(|entry| entry.what == What::Writable);
        assert_eq!(calls.count(), 9 * turns, "and one is left for a frame");
    }
    world.reactor.stop();
    world.run_to_the_end(secs(1));
}

#[test]
fn a_panic_while_a_portion_is_made_costs_this_connection_only() {
    let mut world = world(timeless(), Ends::Panics);
    let peer = world.connect_with(b"a");
    world.run_for(secs(2));
    assert_eq!(world.network.state(peer), PeerState::Finished);
    assert_eq!((world.open_len(), world.reactor.metrics().panics), (0, 1));
}

#[test]
fn who_is_cut_in_the_middle_of_an_answer_sees_no_end() {
    let mut world = world(Config { frame_budget: 2, ..timeless() }, Ends::Whole);
    let peer = world.connect_with(&[200]);
    for _ in 0..4 {
        world.turn_at_once();
    }
    assert_eq!(world.reactor.held_len(), 0, "all that was made is on its way");
    world.reactor.stop();
    world.run_to_the_end(secs(1));
    assert!(world.network.received(peer).len() < 200_000, "it is not whole");
    assert_eq!(world.network.state(peer), PeerState::Reset);
}

#[test]
fn who_was_told_the_end_sees_no_reset_though_its_handler_wanted_to_write() {
    for is_closed_first in [true, false] {
        let mut world = World::new(timeless(), move |session, call| {
            if let Call::Frame(_) = call {
                if is_closed_first {
                    session.close();
                }
                session.want_writable();
                session.close();
            }
            ignore(session, call)
        });
        let peer = world.connect_with(b"go\n");
        world.settle();
        assert_eq!(world.network.state(peer), PeerState::Finished);
        assert_eq!(world.open_len(), 1, "the peer is still listened to");
        world.reactor.stop();
        world.run_to_the_end(secs(1));
        assert_eq!(world.network.state(peer), PeerState::Finished);
    }
}

/// Sends a line whenever there is room, so many for each that comes, and goes on reading.
fn lines_for_a_line(
    count: usize,
) -> impl FnMut(&mut Session<'_, Scripted>, Call<'_>) -> Result<(), Error> {
    let mut left = 0;
    move |session, call| match call {
        Call::Frame(_) => {
            left = count;
            session.want_writable();
            Ok(())
        }
        Call::Writable if left > 0 => {
            left -= 1;
            session.want_writable();
            session.send(&"x".repeat(99))
        }
        call => ignore(session, call),
    }
}

#[test]
fn what_waits_before_it_leaves_counts_against_the_room() {
    let config = Config { low_watermark: 1000, high_watermark: 100_000, ..timeless() };
    let mut world = World::new(config, lines_for_a_line(5000));
    world.network.set_pipe_len(1000);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"\n");
    world.settle();
    let held = world.reactor.held_len();
    assert!(held <= 1000 + 100 + 4 * KIB, "{held} bytes wait");
}

#[test]
fn a_drain_waits_for_who_wants_to_write_and_is_not_paused() {
    let config = Config { frame_budget: 2, ..timeless() };
    let mut world = World::new(config, lines_for_a_line(100));
    let peer = world.connect_with(b"\n");
    world.turn_at_once();
    world.turn_at_once();
    world.reactor.drain();
    let report = world.run_to_the_end(secs(10));
    assert!(report.is_clean(), "{report}");
    assert_eq!(world.received(peer).lines().count(), 100);
}

#[test]
fn who_wants_to_write_without_end_is_heard_with_the_least_budget_too() {
    let mut world = World::new(Config { frame_budget: 1, ..timeless() }, |session, call| {
        if let Call::Open | Call::Writable = call {
            session.want_writable();
        }
        echo(session, call)
    });
    let peer = world.connect_with(b"one\ntwo\n");
    for _ in 0..10 {
        world.turn_at_once();
    }
    assert_eq!(world.received(peer), "one\ntwo\n");
    world.network.finish(peer);
    world.run_until_empty();
}

#[test]
fn a_newcomer_of_the_drain_who_is_greeted_has_his_moment_all_the_same() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Open => {
            session.want_writable();
            Ok(())
        }
        Call::Writable => session.send("welcome"),
        call => echo(session, call),
    });
    let peer = world.connect();
    world.reactor.drain();
    world.run_for(millis(500));
    world.network.send_from(peer, b"a question\n");
    let report = world.run_to_the_end(secs(5));
    assert!(report.is_clean(), "{report}");
    assert_eq!(world.received(peer), "welcome\na question\n");
}
