//! Backpressure: a peer that does not take its answers is not served further, and in the end not
//! put up with.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use windlass::network::{PeerState, SimNetwork, SimPeer};
use windlass::{Config, Lines, Raw};

use crate::fixture::{
    KIB, MIB, Scripted, World, assert_on_time, echo, millis, pattern, secs, timeless,
};

const ANSWER_LEN: usize = 1000;

/// Answers each line with a kilobyte; holds a peer back from 8 KiB to 2 KiB; pipes of 4 KiB.
fn talkative() -> World {
    let config = Config { high_watermark: 8 * KIB, low_watermark: 2 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(4 * KIB);
    let handler =
        Scripted::<Lines>::on_frames(|session, _| session.send(&"a".repeat(ANSWER_LEN - 1)));
    World::on(net, config, Lines::default(), handler)
}

/// A peer that takes no answers and has sent `count` lines.
fn stalled_with(world: &mut World, count: usize) -> SimPeer {
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, &b"ask\n".repeat(count));
    world.settle();
    peer
}

/// The most answers until a stalled peer is held back: those in the pipe, those up to the
/// watermark, and the one that goes above it.
const MOST_ANSWERS: usize = (4 + 8) * KIB / ANSWER_LEN + 1;

#[test]
fn a_slow_peer_stops_being_read() {
    let mut world = talkative();
    let peer = stalled_with(&mut world, 20);
    let (frames, reads) = (world.frames_len(), world.network.calls().reads);
    for _ in 0..10 {
        world.network.send_from(peer, &b"ask\n".repeat(500));
        world.run_for(secs(1));
    }
    assert_eq!(world.network.calls().reads, reads, "reads while it is held back");
    assert_eq!(world.frames_len(), frames, "frames that were run while it is held back");
    assert!(world.network.unsent_len(peer) > 0, "the peer is made to wait");
}

#[test]
fn a_slow_peers_frames_are_not_run_though_they_have_arrived() {
    let mut world = talkative();
    let peer = stalled_with(&mut world, 500);
    assert_eq!(world.network.unread_len(peer), 0, "all of it was read at once");
    let frames = world.frames_len();
    assert!(frames <= MOST_ANSWERS, "{frames} frames were run above the high watermark");
    world.run_for(secs(100));
    assert_eq!(world.frames_len(), frames);
}

#[test]
fn a_slow_peer_is_served_again_when_it_has_taken_its_answers() {
    for count in [20, 500, 3000] {
        let mut world = talkative();
        let peer = stalled_with(&mut world, count);
        assert!(world.frames_len() <= MOST_ANSWERS);
        world.network.resume(peer);
        world.settle();
        assert_eq!(world.frames_len(), count);
        assert_eq!(world.network.received(peer).len(), count * ANSWER_LEN);
        assert_eq!(world.reactor.held_len(), 0);
    }
}

#[test]
fn who_is_held_back_is_counted_until_he_goes_on_or_ends() {
    let mut world = talkative();
    let held_back = |world: &World| world.reactor.metrics().held_back;
    let peers = [(); 3].map(|()| stalled_with(&mut world, 20));
    let idle = world.connect();
    world.settle();
    assert_eq!(held_back(&world), 3);
    world.network.resume(peers[0]);
    world.settle();
    assert_eq!(held_back(&world), 2, "one goes on");
    world.network.reset(peers[1]);
    world.settle();
    assert_eq!(held_back(&world), 1, "one has gone");
    world.network.reset(idle);
    world.reactor.stop();
    world.run_until_empty();
    assert_eq!(held_back(&world), 0);
}

#[test]
fn an_end_that_came_while_a_peer_was_held_back_is_seen_afterwards() {
    for count in [20, 500, 3000] {
        let mut world = talkative();
        let peer = stalled_with(&mut world, count);
        world.network.finish(peer);
        world.run_for(secs(1));
        assert_eq!(world.reasons(), [""; 0]);
        world.network.resume(peer);
        world.run_until_empty();
        assert_eq!(world.reasons(), ["peer finished"]);
        world.settle();
        assert_eq!(world.network.received(peer).len(), count * ANSWER_LEN);
    }
}

#[test]
fn a_peer_held_back_goes_on_at_the_low_watermark_and_not_before() {
    let config = Config { high_watermark: 8 * KIB, low_watermark: 2 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let waiting = Rc::new(RefCell::new(Vec::new()));
    let noted = waiting.clone();
    let handler = Scripted::<Lines>::on_frames(move |session, _| {
        noted.borrow_mut().push(session.queued_len());
        session.send(&"a".repeat(ANSWER_LEN - 1))
    });
    let mut world = World::on(net, config, Lines::default(), handler);
    let peer = world.join();
    world.network.read_slowly(peer, 300, millis(1));
    for line in 0..400 {
        world.send_at(peer, line * millis(1) / 10, b"ask\n");
    }
    world.run_for(secs(2));
    assert_eq!(world.network.received(peer).len(), 400 * ANSWER_LEN);
    let waiting = waiting.borrow();
    assert!(waiting.iter().all(|len| *len < 8 * KIB), "a frame above the high watermark");
    let falls: Vec<_> = waiting.windows(2).filter(|two| two[1] < two[0]).collect();
    assert!(falls.len() > 10, "it was held back {} times", falls.len());
    assert!(falls.iter().all(|two| two[1] <= 2 * KIB), "{falls:?}");
}

#[test]
fn one_answer_above_the_write_limit_closes_and_resets_its_peer() {
    let config = Config { write_limit: 64 * KIB, ..timeless() };
    let handler = Scripted::<Raw>::on_frames(|session, _| {
        for _ in 0..100 {
            session.send(&[b'a'; KIB])?;
        }
        Ok(())
    });
    let mut world = World::on(SimNetwork::new(1), config, Raw, handler);
    let peer = world.join();
    world.network.send_from(peer, b"?");
    world.run_until_empty();
    assert_eq!(world.reasons(), ["write limit"]);
    assert_eq!(
        world.network.state(peer),
        PeerState::Reset,
        "what was lost must not look like the end"
    );
    assert_eq!(world.reactor.held_len(), 0);
}

#[test]
fn output_that_piles_up_to_the_write_limit_closes() {
    let config = Config { write_limit: 64 * KIB, ..timeless() };
    let handler = Scripted::<Raw>::on_frames(|session, _| {
        session.set_timer(1, secs(1));
        Ok(())
    })
    .on_timer(|session, _| {
        session.set_timer(1, secs(1));
        session.send(&[b'a'; 10 * KIB])
    });
    let mut world = World::on(SimNetwork::new(1), config, Raw, handler);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"?");
    world.run_for(secs(12));
    // 64 KiB are in the pipe, and as much may wait.
    assert_eq!(world.reasons(), [""; 0], "120 KiB do not exceed what may wait");
    world.run_for(secs(1) + millis(1));
    assert_eq!(world.reasons(), ["write limit"]);
    assert_eq!(world.network.state(peer), PeerState::Reset);
    assert_eq!(world.reactor.held_len(), 0);
}

#[test]
fn when_both_sides_only_write_the_write_deadline_ends_it() {
    let config = Config { write_timeout: Some(secs(30)), ..timeless() };
    let mut world = World::with_codec(config, Raw, echo);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, &pattern(16 * MIB));
    let end = world.end_of(peer);
    assert_eq!(world.network.state(peer), PeerState::Reset);
    assert_on_time(end, secs(30));
    world.run_until_empty();
    assert_eq!(world.reasons(), ["write timeout"]);
}

#[test]
fn a_peer_that_the_handler_paused_is_not_read_until_it_is_resumed() {
    let handler = Scripted::<Lines>::on_frames(|session, line| {
        if line == "pause" {
            session.pause();
            session.set_timer(1, secs(10));
        }
        session.send("done")
    })
    .on_timer(|session, _| {
        session.resume();
        Ok(())
    });
    let mut world = World::on(SimNetwork::new(1), timeless(), Lines::default(), handler);
    let peer = world.join();
    world.network.send_from(peer, b"pause\nwaits\n");
    world.settle();
    let reads = world.network.calls().reads;
    world.network.send_from(peer, b"waits too\n");
    world.network.finish(peer);
    world.run_for(Duration::from_millis(9_999));
    assert_eq!((world.frames_len(), world.network.calls().reads), (1, reads));
    world.end_of(peer);
    assert_eq!(world.frames_len(), 3);
    assert_eq!(world.network.received(peer), b"done\n".repeat(3));
}

#[test]
fn as_much_may_wait_as_the_write_limit_says_and_no_more() {
    for (len, reason) in [(20_000, None), (20_001, Some("write limit"))] {
        let config = Config { high_watermark: KIB, low_watermark: 1, ..timeless() };
        let handler = Scripted::<Raw>::on_frames(move |session, _| session.send(&pattern(len)));
        let net = SimNetwork::new(1);
        let config = Config { write_limit: 20_000, ..config };
        let mut world = World::on(net, config, Raw, handler);
        let peer = world.join();
        world.network.send_from(peer, b"ask");
        world.settle();
        assert_eq!(world.reason(peer), reason, "with {len} bytes");
    }
}
