//! What becomes of one peer or a few.

use windlass::network::{AcceptFailure, PeerState};
use windlass::{AtLimit, Broadcast, Config, LengthPrefixed, Lines, Slow};

use crate::proof::fixture::{
    Call, KIB, MIB, Scripted, World, at_most, echo, frame, ignore, millis, panic_quietly, pattern,
    secs, timeless,
};
use crate::proof::small_worlds::id;

#[test]
pub(crate) fn a_listener_that_fails_pauses() {
    let mut world = World::new(timeless(), echo);
    let peer = world.connect_with(b"hello\n");
    world.network.fail_accept(AcceptFailure::Emfile, 10);
    world.run_for(secs(1));
    let accepts = world.network.calls().accepts;
    assert!(accepts <= 8, "{accepts} times within a second");
    world.run_for(secs(10));
    assert_eq!(world.received(peer), "hello\n");
}

#[test]
pub(crate) fn no_more_frames_are_run_in_a_turn_than_may_be() {
    let config = Config { frame_budget: 10, ..timeless() };
    let mut world = World::new(config, echo);
    world.connect_with(&[b'\n'; 200]);
    for _ in 0..40 {
        let before = world.frames_len();
        world.turn_at_once();
        let ran = world.frames_len() - before;
        assert!(ran <= 10, "{ran} frames in a turn");
    }
    assert_eq!(world.frames_len(), 200);
}

fn pattern_line(len: usize) -> Vec<u8> {
    let mut line = vec![b'x'; len];
    line.push(b'\n');
    line
}

#[test]
pub(crate) fn a_length_is_believed_when_its_bytes_have_come() {
    let mut world = World::with_codec(timeless(), LengthPrefixed::default(), echo);
    let peer = world.connect_with(&(1_u32 << 20).to_be_bytes());
    for round in 1..10 {
        world.network.send_from(peer, &[7; 5000]);
        world.settle();
        let held_len = world.reactor.held_len();
        assert!(held_len <= round * 10_000 + 8 * KIB, "{held_len} bytes in round {round}");
    }
}

#[test]
pub(crate) fn what_is_left_of_a_long_frame_takes_little() {
    let mut world = World::with_codec(timeless(), LengthPrefixed::default(), echo);
    let long = frame(&pattern(300 * KIB));
    let (most, last) = long.split_at(long.len() - 100);
    let peer = world.connect_with(most);
    world.run_until("the arrival of most", secs(10), |world| world.network.unsent_len(peer) == 0);
    world.settle();
    world.network.send_from(peer, &[last, &frame(&[7; 100])[..10]].concat());
    world.run_until("the answer", secs(10), |world| {
        world.network.received(peer).len() == long.len()
    });
    world.settle();
    let held_len = world.reactor.held_len();
    assert!(held_len <= 64 * KIB, "{held_len} bytes");
}

#[test]
pub(crate) fn a_line_that_dribbles_is_looked_at_twice_at_most() {
    let mut world = World::new(timeless(), echo);
    let peer = world.join();
    let before = crate::codec::looks();
    for _ in 0..2000 {
        world.network.send_from(peer, b"x");
        world.turn_at_once();
    }
    let looks = crate::codec::looks() - before;
    assert!(looks <= 2 * 2000, "{looks} of 2000 bytes looked at");
}

#[test]
pub(crate) fn a_line_without_end_is_refused() {
    let mut world = World::with_codec(timeless(), Lines::default().max_len(100), echo);
    let peer = world.connect_with(&[b'a'; 1000]);
    world.run_for(secs(5));
    assert_eq!(world.reason(peer), Some("malformed frame"));
}

#[test]
pub(crate) fn a_length_beyond_the_limit_is_refused() {
    let mut world = World::with_codec(timeless(), LengthPrefixed::default(), echo);
    let peer = world.connect_with(&[0xFF; 10]);
    world.run_for(secs(5));
    assert_eq!(world.reason(peer), Some("malformed frame"));
}

#[test]
pub(crate) fn whoever_sends_too_much_reads_the_last_word() {
    let config = Config { read_buffer_len: 16, ..timeless() };
    let mut world = World::new(config, |session, call| match call {
        Call::Frame(_) => {
            session.send("bye")?;
            session.close();
            Ok(())
        }
        call => ignore(session, call),
    });
    let peer = world.connect_with(&[b"quit\n", &[b'x'; 20_000][..]].concat());
    world.run_for(secs(5));
    assert_eq!(world.received(peer), "bye\n");
    assert_eq!(world.network.state(peer), PeerState::Finished);
}

#[test]
pub(crate) fn an_output_beyond_the_limit_closes() {
    let limits = Config { low_watermark: 10, high_watermark: 100, write_limit: 200, ..timeless() };
    let mut world = World::new(limits, echo);
    let peer = world.join();
    let to = id(&world, peer);
    world.network.set_pipe_len(10);
    world.network.stall(peer);
    for _ in 0..1000 {
        if world.open_len() == 0 {
            break;
        }
        world.reactor.commands().send(to, vec![b'x'; 150]).expect("it is open");
        world.settle();
    }
    assert_eq!(world.reason(peer), Some("write limit"));
    assert_eq!(world.network.state(peer), PeerState::Reset);
}

#[test]
pub(crate) fn whoever_is_owed_something_is_reset() {
    let mut world = World::new(timeless(), echo);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, &pattern_line(60 * KIB));
    world.settle();
    world.network.send_from(peer, &pattern_line(60 * KIB));
    world.settle();
    world.reactor.stop();
    world.run_to_the_end(secs(1));
    assert_eq!(world.network.state(peer), PeerState::Reset);
}

#[test]
pub(crate) fn an_abort_says_that_it_was_one() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Frame(_) => {
            session.abort();
            Ok(())
        }
        call => ignore(session, call),
    });
    let peer = world.connect_with(b"abort\n");
    world.run_for(secs(5));
    assert_eq!(world.reason(peer), Some("aborted"));
    assert_eq!(world.network.state(peer), PeerState::Reset);
}

#[test]
pub(crate) fn the_first_reason_stays() {
    let mut world = World::new(timeless(), echo);
    let peer = world.connect_with(b"\xff\n");
    world.settle();
    world.network.reset(peer);
    world.run_for(secs(5));
    assert_eq!(world.reason(peer), Some("malformed frame"));
}

#[test]
pub(crate) fn a_callback_that_panics_ends_its_connection() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Frame("panic") => {
            session.send("half an answer")?;
            panic_quietly()
        }
        call => echo(session, call),
    });
    let peer = world.connect_with(b"one\npanic\ntwo\n");
    world.run_for(secs(2));
    assert_eq!(world.reason(peer), Some("handler panicked"));
    assert_eq!(world.received(peer), "one\n");
}

#[test]
pub(crate) fn nobody_is_evicted_in_the_middle_of_a_frame() {
    let mut world = World::new(Config { at_limit: AtLimit::EvictIdle, ..at_most(1) }, echo);
    let peer = world.connect_with(b"hel");
    world.settle();
    world.connect();
    world.settle();
    world.network.send_from(peer, b"lo\n");
    world.settle();
    assert_eq!(world.received(peer), "hello\n");
}

#[test]
pub(crate) fn all_buffers_together_are_bounded() {
    let limits = Config { write_limit: MIB, memory_budget: 4 * MIB, ..timeless() };
    let mut world = World::with_codec(limits, LengthPrefixed::default(), echo);
    for _ in 0..8 {
        let peer = world.connect_with(&frame(&[7; 900 * KIB])[..800 * KIB]);
        world.run_until("a close or all of it", secs(10), |world| {
            world.network.unsent_len(peer) == 0
        });
    }
    world.settle();
    assert!(world.reasons().contains(&"memory budget"));
}

#[test]
pub(crate) fn an_error_of_a_write_ends_who_is_not_read() {
    let handler = Scripted::<Lines>::on_frames(|session, _| {
        session.pause();
        session.set_timer(0, millis(10));
        Ok(())
    });
    let handler = handler.on_timer(|session, _| session.send("late"));
    let network = windlass::network::SimNetwork::new(1);
    let mut world = World::on(network, timeless(), Lines::default(), handler);
    let peer = world.connect_with(b"ask\n");
    world.settle();
    world.network.fail_write(peer, std::io::ErrorKind::HostUnreachable);
    world.run_for(secs(1));
    assert_eq!(world.reason(peer), Some("reset"));
}

#[test]
pub(crate) fn whoever_is_slow_is_left_out_of_a_broadcast() {
    let limits = Config { low_watermark: 10, high_watermark: 100, ..timeless() };
    let mut world = World::new(limits, echo);
    let [slow, prompt] = [world.join(), world.join()];
    world.network.stall(slow);
    for _ in 0..200 {
        let all = Broadcast::to_all_of::<Scripted>(vec![b'x'; KIB]).slow(Slow::Skip);
        world.reactor.commands().broadcast(all).expect("there is room");
        world.settle();
    }
    assert_eq!(world.network.received(prompt).len(), 200 * KIB);
    assert!(world.reactor.metrics().broadcast_skipped > 100);
    assert!(world.reactor.held_len() <= 4 * KIB, "held {}", world.reactor.held_len());
}
