//! The ways to the end of one connection, and what its peer sees of them.

use std::io::ErrorKind;

use windlass::network::{self, Forced, PeerState};
use windlass::{Config, Error, Session};

use crate::fixture::{Call, Scripted, World, at_most, echo, millis, secs};

/// Answers `quit` with a line and closes; `long` is answered with 60 lines of 50,000 bytes before.
fn until_quit(session: &mut Session<'_, Scripted>, call: Call<'_>) -> Result<(), Error> {
    match call {
        Call::Frame("quit") => {
            session.send("bye")?;
            session.close();
            Ok(())
        }
        Call::Frame("long") => {
            for _ in 0..60 {
                session.send(&"x".repeat(50_000))?;
            }
            session.send("bye")?;
            session.close();
            Ok(())
        }
        Call::Frame("abort") => {
            session.send("this is lost")?;
            session.abort();
            Ok(())
        }
        call => echo(session, call),
    }
}

fn long_answer() -> String {
    format!("{}bye\n", format!("{}\n", "x".repeat(50_000)).repeat(60))
}

#[test]
fn an_answer_survives_a_peer_that_sends_a_mebibyte_too_much() {
    let mut world = World::new(at_most(10), until_quit);
    let peer = world.connect_with(b"quit\n");
    world.network.send_from(peer, &vec![b'x'; 1 << 20]);
    world.run_for(millis(500));
    assert_eq!(world.received(peer), "bye\n");
    assert_eq!(world.network.state(peer), PeerState::Finished, "and not reset");
    assert_eq!(
        (world.network.unsent_len(peer), world.network.unread_len(peer)),
        (0, 0),
        "discarded"
    );
    assert_eq!(world.open_len(), 1, "it is still listened to");
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.open_len(), 0);
    assert_eq!(world.network.state(peer), PeerState::Finished);
    assert_eq!(world.reason(peer), Some("closed"));
    assert_eq!(world.frames(peer), ["quit"]);
}

#[test]
fn a_peer_that_does_not_close_is_listened_to_for_the_linger_timeout_only() {
    let config = Config { linger_timeout: millis(300), ..at_most(10) };
    let mut world = World::new(config, until_quit);
    let peer = world.connect_with(b"quit\n");
    world.settle();
    world.run_for(millis(150));
    world.network.send_from(peer, b"more\n");
    world.run_for(millis(149));
    assert_eq!(world.open_len(), 1);
    world.run_for(millis(1));
    assert_eq!(world.open_len(), 0, "what it sends meanwhile buys it no time");
    assert_eq!(world.reason(peer), Some("closed"));
}

#[test]
fn a_peer_that_sends_without_end_is_listened_to_up_to_the_linger_limit() {
    let config = Config { linger_limit: 200_000, ..at_most(10) };
    let mut world = World::new(config, until_quit);
    let peer = world.connect_with(b"quit\n");
    world.network.send_from(peer, &vec![b'x'; 10_000_000]);
    world.settle();
    assert_eq!(world.open_len(), 0, "without waiting");
    assert_eq!(world.network.state(peer), PeerState::Reset);
    assert_eq!(world.reason(peer), Some("closed"));
}

#[test]
fn a_slow_reader_gets_the_whole_answer_before_the_end() {
    let mut world = World::new(at_most(10), until_quit);
    let peer = world.connect();
    world.network.read_slowly(peer, 20_000, millis(10));
    world.network.send_from(peer, b"long\nlost\n");
    world.run_for(secs(3));
    assert_eq!(world.received(peer).len(), long_answer().len());
    assert!(world.received(peer) == long_answer());
    assert_eq!(world.network.state(peer), PeerState::Finished);
    world.run_for(secs(2));
    assert_eq!(world.reason(peer), Some("closed"));
    assert_eq!(world.frames(peer), ["long"]);
}

#[test]
fn a_peer_that_finished_before_the_answer_gets_all_of_it() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("long") => {
            for _ in 0..60 {
                session.send(&"x".repeat(50_000))?;
            }
            session.send("bye")
        }
        call => echo(session, call),
    });
    let peer = world.connect_with(b"long\n");
    world.network.read_slowly(peer, 20_000, millis(10));
    world.network.finish(peer);
    world.run_for(secs(5));
    assert!(world.received(peer) == long_answer());
    assert_eq!(world.reason(peer), Some("peer finished"));
}

#[test]
fn an_abort_resets_the_peer_and_drops_what_waits() {
    let mut world = World::new(at_most(10), until_quit);
    let peer = world.join();
    world.network.send_from(peer, b"abort\n");
    world.turn(secs(1));
    assert_eq!(world.network.state(peer), PeerState::Reset);
    assert_eq!(world.received(peer), "");
    assert_eq!((world.reason(peer), world.open_len()), (Some("aborted"), 0));
}

#[test]
fn whoever_is_owed_output_sees_a_reset_and_not_what_looks_like_the_end() {
    let config = Config { write_timeout: Some(secs(2)), ..at_most(10) };
    let mut world = World::new(config, until_quit);
    let peer = world.connect();
    world.network.stall(peer);
    world.network.send_from(peer, b"long\n");
    world.run_for(millis(1999));
    assert_eq!(world.open_len(), 1);
    world.run_for(millis(1));
    assert_eq!(world.reason(peer), Some("write timeout"), "it was owed more when it was closed");
    assert_eq!(world.network.state(peer), PeerState::Reset);
}

#[test]
fn a_connection_that_breaks_is_closed_quietly_whatever_the_error() {
    for kind in [ErrorKind::ConnectionReset, ErrorKind::TimedOut, ErrorKind::HostUnreachable] {
        let mut world = World::new(at_most(10), until_quit);
        let (reading, writing) = (world.join(), world.join());
        let neighbour = world.connect_with(b"half");
        world.settle();
        world.network.fail_read(reading, kind);
        world.network.fail_write(writing, kind);
        world.network.send_from(writing, b"a\nb\n");
        world.settle();
        assert_eq!(world.reason(reading), Some("reset"), "{kind}");
        assert_eq!(world.reason(writing), Some("reset"), "{kind}");
        world.network.send_from(neighbour, b" and half\n");
        world.settle();
        assert_eq!(world.received(neighbour), "half and half\n");
    }
}

#[test]
fn a_peer_that_resets_while_it_is_flushed_to_or_listened_to_is_let_go() {
    for (line, has_taken) in [("quit\n", true), ("long\n", false)] {
        let mut world = World::new(at_most(10), until_quit);
        let peer = world.connect();
        world.network.stall(peer);
        world.network.send_from(peer, line.as_bytes());
        world.settle();
        assert_eq!(world.open_len(), 1);
        world.network.reset(peer);
        world.settle();
        assert_eq!(world.open_len(), 0);
        // What was owed and could not be delivered changes the reason.
        assert_eq!(world.reason(peer), Some(if has_taken { "closed" } else { "reset" }));
    }
}

#[test]
fn a_protocol_error_is_answered_even_if_the_peer_goes_on_sending() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("nonsense") => {
            session.send("error: nonsense")?;
            Err(Error::new("nonsense"))
        }
        call => echo(session, call),
    });
    let peer = world.connect_with(b"nonsense\n");
    world.network.send_from(peer, &b"and more nonsense\n".repeat(30_000));
    world.run_for(millis(500));
    assert_eq!(world.received(peer), "error: nonsense\n");
    assert_eq!(world.network.state(peer), PeerState::Finished);
    assert_eq!(world.frames(peer), ["nonsense"]);
}

#[test]
fn an_abort_after_a_close_is_an_abort() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("quit") => {
            session.send("bye")?;
            session.close();
            session.abort();
            Ok(())
        }
        call => echo(session, call),
    });
    let peer = world.connect_with(b"quit\n");
    world.settle();
    assert_eq!((world.received(peer).as_str(), world.network.state(peer)), ("", PeerState::Reset));
    assert_eq!((world.reason(peer), world.open_len()), (Some("aborted"), 0));
}

#[test]
fn a_connection_that_cannot_be_shut_down_is_closed_all_the_same() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Frame(line) = call {
            session.send(line)?;
            session.close();
        }
        Ok(())
    });
    let (peer, neighbour) = (world.join(), world.join());
    let next = world.network.calls_made();
    let broken = Forced::Fails(ErrorKind::NotConnected);
    world.network.force_from(next, network::Call::ShutdownWrite, broken);
    world.network.send_from(peer, b"bye\n");
    world.settle();
    assert_eq!((world.reason(peer), world.open_len()), (Some("reset"), 1));
    world.network.force_nothing();
    world.network.send_from(neighbour, b"still here\n");
    world.settle();
    assert_eq!(world.received(neighbour), "still here\n");
}
