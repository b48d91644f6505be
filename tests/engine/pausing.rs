//! Not reading: because the handler said so, or because the peer does not.

use windlass::network::{PeerState, SimPeer};
use windlass::{Config, Error, Session, SocketOptions};

use crate::fixture::{Call, Scripted, What, World, at_most, echo, millis, secs};

/// Echo that pauses for a second at each line `wait`.
fn pausing(session: &mut Session<'_, Scripted>, call: Call<'_>) -> Result<(), Error> {
    match call {
        Call::Frame("wait") => {
            session.pause();
            session.set_timer(0, secs(1));
        }
        Call::Timer(0) => session.resume(),
        _ => {}
    }
    echo(session, call)
}

#[test]
fn no_frame_is_run_while_paused_and_all_are_run_in_order_afterwards() {
    let mut world = World::new(at_most(10), pausing);
    let peer = world.connect_with(b"a\nwait\nb\nwait\nc\n");
    world.settle();
    assert_eq!(world.received(peer), "a\nwait\n");
    world.network.send_from(peer, b"d\n");
    world.run_for(millis(999));
    assert_eq!(world.received(peer), "a\nwait\n");
    world.run_for(millis(1));
    assert_eq!(world.received(peer), "a\nwait\nb\nwait\n");
    world.run_for(secs(1));
    assert_eq!(world.received(peer), "a\nwait\nb\nwait\nc\nd\n");
}

#[test]
fn whatever_came_during_a_pause_is_found_when_it_is_over() {
    for (more, is_finished) in [("", true), ("b\n", true), ("b\nc", true), ("b\nc\n", false)] {
        let mut world = World::new(at_most(10), pausing);
        let peer = world.connect_with(b"a\nwait\n");
        world.settle();
        world.network.send_from(peer, more.as_bytes());
        if is_finished {
            world.network.finish(peer);
        }
        world.run_for(millis(999));
        assert_eq!(world.received(peer), "a\nwait\n");
        assert_eq!(world.open_len(), 1, "the end is not looked at either");
        world.run_for(millis(1));
        let expected = format!("a\nwait\n{more}");
        assert_eq!(world.received(peer).trim_end(), expected.trim_end());
        assert_eq!(world.open_len(), usize::from(!is_finished));
    }
}

#[test]
fn an_end_that_was_read_before_the_pause_is_told_after_it() {
    // The last line of the stream pauses: what follows is its end.
    for lines in ["a\nwait\n", "a\nwait"] {
        let mut world = World::new(at_most(10), pausing);
        let peer = world.connect_with(lines.as_bytes());
        world.network.finish(peer);
        world.settle();
        assert_eq!(world.received(peer), "a\nwait\n");
        world.run_for(secs(1));
        assert_eq!(world.reason(peer), Some("peer finished"), "{lines:?}");
    }
}

#[test]
fn a_paused_peer_cannot_send_on_once_the_pipe_is_full_and_the_loop_sleeps() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Frame("stop") = call {
            session.pause();
        }
        echo(session, call)
    });
    world.network.set_pipe_len(1000);
    let peer = world.connect_with(b"stop\n");
    world.settle();
    world.network.send_from(peer, &[b'x'; 5000]);
    world.settle();
    let before = world.network.calls();
    world.run_for(secs(200));
    let calls = world.network.calls().since(before);
    assert!(calls.polls < 10 && calls.reads == 0, "{calls:?}");
    assert_eq!((world.network.unread_len(peer), world.network.unsent_len(peer)), (1000, 4000));
    world.run_for(secs(200));
    assert_eq!(world.reason(peer), Some("idle timeout"), "in the end it is closed");
}

#[test]
fn a_pause_that_is_over_within_the_callback_is_none() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Frame(_) = call {
            session.pause();
            session.resume();
        }
        echo(session, call)
    });
    let peer = world.connect_with(b"a\nb\n");
    world.settle();
    assert_eq!(world.received(peer), "a\nb\n");
}

#[test]
fn a_connection_can_be_paused_before_its_first_frame() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Open = call {
            session.pause();
            session.set_timer(0, secs(1));
        }
        pausing(session, call)
    });
    let peer = world.connect_with(b"a\nb\n");
    world.network.finish(peer);
    world.run_for(millis(999));
    assert_eq!(world.seen(peer), [What::Opened]);
    world.run_for(millis(1));
    assert_eq!(world.received(peer), "a\nb\n");
    assert_eq!(world.reason(peer), Some("peer finished"));
}

#[test]
fn time_spent_paused_is_not_charged_to_an_unfinished_frame() {
    let config = Config { frame_timeout: Some(millis(1500)), ..at_most(10) };
    let mut world = World::new(config, pausing);
    let peer = world.connect_with(b"wait\nhalf");
    world.run_for(millis(2400));
    assert_eq!(world.reason(peer), None, "1.4 s since it could have gone on");
    world.network.send_from(peer, b" a line\n");
    world.settle();
    assert_eq!(world.received(peer), "wait\nhalf a line\n");
    world.network.send_from(peer, b"half");
    world.run_for(millis(1501));
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.reason(peer), Some("frame timeout"));
}

#[test]
fn a_frame_that_is_held_up_by_us_is_given_its_time_anew() {
    // A timer pauses it in the middle of its frame, or sends what the peer does not read.
    for is_paused in [true, false] {
        let socket = SocketOptions { send_buffer_len: Some(1000), ..SocketOptions::default() };
        let config = Config { frame_timeout: Some(secs(2)), socket, ..at_most(10) };
        let mut world = World::new(config, move |session, call| match call {
            Call::Open => {
                session.set_timer(1, secs(1));
                session.set_timer(2, secs(10));
                Ok(())
            }
            Call::Timer(1) if is_paused => {
                session.pause();
                Ok(())
            }
            Call::Timer(1) => {
                session.send(&"x".repeat(40_000))?;
                session.send(&"x".repeat(40_000))
            }
            Call::Timer(2) if is_paused => {
                session.resume();
                Ok(())
            }
            call => echo(session, call),
        });
        let peer = world.connect_with(b"half");
        if !is_paused {
            world.network.stall(peer);
            world.network.after(secs(10), move |network| network.resume(peer));
        }
        world.run_for(millis(11_900));
        world.network.send_from(peer, b" and half\n");
        world.settle();
        assert!(world.received(peer).ends_with("half and half\n"), "{is_paused}");
    }
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from_and_is_served_whole_when_it_does() {
    let config = Config { high_watermark: 2000, low_watermark: 500, ..at_most(10) };
    let mut world = World::new(config, echo);
    world.network.set_pipe_len(1000);
    let peer = world.connect();
    world.network.stall(peer);
    let lines: String = (0..2000).map(|number| format!("line number {number}\n")).collect();
    world.network.send_from(peer, lines.as_bytes());
    world.settle();
    let before = world.network.calls();
    world.run_for(secs(10));
    assert!(world.network.calls().since(before).polls < 5, "nothing is to be done");
    let run: usize = world.frames(peer).iter().map(|line| line.len() + 1).sum();
    assert!((3000..3020).contains(&run), "{run} bytes fill the pipe and the queue");
    world.network.resume(peer);
    world.run_for(secs(1));
    assert!(world.received(peer) == lines);
}

#[test]
fn both_sides_may_write_first_and_read_later() {
    let config = Config { high_watermark: 3000, low_watermark: 1000, ..at_most(10) };
    let mut world = World::new(config, echo);
    world.network.set_pipe_len(4096);
    let lines = "a line that comes back as it is\n".repeat(5000);
    let peers: Vec<SimPeer> = (0..4).map(|_| world.connect()).collect();
    for peer in &peers {
        world.network.stall(*peer);
        world.network.send_from(*peer, lines.as_bytes());
        world.network.finish(*peer);
    }
    world.run_for(secs(5));
    assert!(world.network.unsent_len(peers[0]) > lines.len() / 2, "no side gives way");
    for (index, peer) in peers.iter().enumerate() {
        world.network.read_slowly(*peer, 700 + 500 * index, millis(1));
    }
    world.run_for(secs(10));
    for peer in peers {
        assert!(world.received(peer) == lines);
        assert_eq!(world.reason(peer), Some("peer finished"));
    }
}

#[test]
fn many_small_answers_never_come_to_the_write_limit() {
    let socket = SocketOptions { send_buffer_len: Some(1000), ..SocketOptions::default() };
    let limits = Config { high_watermark: 3000, low_watermark: 500, ..at_most(10) };
    let mut world = World::new(Config { socket, write_limit: 3100, ..limits }, echo);
    let peer = world.connect();
    world.network.stall(peer);
    let lines = "a line that comes back as it is\n".repeat(1000);
    world.network.send_from(peer, lines.as_bytes());
    world.run_for(secs(1));
    assert_eq!(world.reason(peer), None, "it is not read, and not closed");
    world.network.resume(peer);
    world.run_for(secs(1));
    assert!(world.received(peer) == lines);
}

#[test]
fn the_end_is_told_after_a_pause_that_the_last_line_asked_for_whole_or_not() {
    for bytes in ["wait\nask\n", "wait\nask"] {
        let mut world = World::new(at_most(10), |session, call| match call {
            Call::Frame("ask") => {
                session.pause();
                session.set_timer(1, secs(1));
                Ok(())
            }
            Call::Timer(_) => {
                session.resume();
                session.send("answer")
            }
            call => echo(session, call),
        });
        let peer = world.connect_with(bytes.as_bytes());
        world.network.finish(peer);
        world.run_for(secs(2));
        assert_eq!(world.received(peer), "wait\nanswer\n", "{bytes:?}");
        assert_eq!(world.seen(peer).iter().filter(|what| **what == What::Ended).count(), 1);
        assert_eq!(world.reason(peer), Some("peer finished"));
    }
}

#[test]
fn to_resume_what_is_not_paused_gives_a_frame_no_more_time() {
    let config = Config { frame_timeout: Some(secs(5)), ..at_most(10) };
    let mut world = World::new(config, |session, call| match call {
        Call::Open | Call::Timer(_) => {
            session.resume();
            session.set_timer(1, secs(1));
            Ok(())
        }
        call => echo(session, call),
    });
    let peer = world.connect_with(b"half");
    world.run_for(secs(5));
    assert_eq!(world.network.state(peer), PeerState::Finished);
    world.run_for(secs(1));
    assert_eq!(world.reason(peer), Some("frame timeout"));
}
