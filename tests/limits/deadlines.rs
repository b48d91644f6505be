//! Deadlines: each closes at its time, never early and at most a millisecond late, and counts only
//! what it is about.

use std::time::Duration;

use windlass::network::{Faults, PeerState, SimNetwork, SimPeer};
use windlass::{Config, Instant, LengthPrefixed, Lines, Raw};

use crate::fixture::{
    KIB, Scripted, World, assert_on_time, echo, for_each_seed, frame, ignore, millis, pattern,
    secs, timeless,
};

/// Runs `trial` on networks whose clock is read in other units than they wait in, or is not.
fn on_any_clock(trial: impl Fn(SimNetwork)) {
    trial(SimNetwork::new(1));
    for_each_seed(20, |seed| {
        let mut net = SimNetwork::new(seed);
        net.set_faults(Faults { late_timeout: 1000, ..Faults::none() });
        trial(net);
    });
}

/// What the only connection was closed for.
fn reason(world: &mut World) -> &'static str {
    world.run_until_empty();
    let reasons = world.reasons();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0]
}

fn idle_after(timeout: Duration) -> Config {
    Config { idle_timeout: Some(timeout), ..timeless() }
}

#[test]
fn an_idle_peer_is_closed_at_its_time() {
    on_any_clock(|net| {
        let mut world = World::on(net, idle_after(secs(60)), Lines::default(), Scripted::new(echo));
        let peer = world.join();
        let end = world.end_of(peer);
        assert_on_time(end, secs(60));
        assert_eq!(world.network.state(peer), PeerState::Finished);
        assert_eq!(reason(&mut world), "idle timeout");
    });
}

#[test]
fn what_comes_puts_the_idle_deadline_off() {
    on_any_clock(|net| {
        let mut world =
            World::on(net, idle_after(secs(60)), Lines::default(), Scripted::new(ignore));
        let peer = world.join();
        // Lines, and a beginning of one.
        for (when, bytes) in [(59, "a\n"), (100, "b\n"), (159, "c"), (218, "d")] {
            world.send_at(peer, when * secs(1), bytes.as_bytes());
        }
        let end = world.end_of(peer);
        assert_on_time(end, secs(218) + secs(60));
        assert_eq!(reason(&mut world), "idle timeout");
    });
}

#[test]
fn a_slow_peer_that_takes_its_answer_is_not_idle() {
    on_any_clock(|mut net| {
        net.set_pipe_len(900);
        let config = Config { linger_timeout: Duration::ZERO, ..idle_after(secs(20)) };
        let config = Config { write_timeout: Some(secs(60)), ..config };
        let mut world = World::on(net, config, Raw, Scripted::new(echo));
        let peer = world.join();
        let start = world.network.clock();
        world.network.read_slowly(peer, 300, secs(15));
        world.network.send_from(peer, &pattern(900));
        world.network.send_from(peer, &pattern(9000));
        assert_eq!(reason(&mut world), "idle timeout");
        // 900 bytes go at once, and 300 more whenever the peer has taken as many.
        let last_write = (9900 - 900) / 300 * secs(15);
        let closed = world.first_close().expect("it was closed").since(start);
        assert_on_time(closed, last_write + secs(20));
        world.network.resume(peer);
        world.settle();
        assert_eq!(world.network.received(peer).len(), 9900);
    });
}

#[test]
fn a_peer_without_a_first_frame_is_closed_at_its_time() {
    on_any_clock(|net| {
        let config = Config { first_frame_timeout: Some(secs(30)), ..timeless() };
        let mut world = World::on(net, config, Lines::default(), Scripted::new(echo));
        let peer = world.join();
        for at in 0..100 {
            world.send_at(peer, at * secs(1), b"x");
        }
        let end = world.end_of(peer);
        assert_on_time(end, secs(30));
        assert_eq!(reason(&mut world), "first frame timeout");
    });
}

#[test]
fn a_first_frame_in_time_lifts_the_deadline_for_it() {
    let config = Config { first_frame_timeout: Some(secs(30)), ..timeless() };
    let mut world = World::new(config, echo);
    let peer = world.join();
    world.send_at(peer, Duration::from_millis(29_999), b"just\n");
    world.run_for(secs(1000));
    assert_eq!(world.network.received(peer), b"just\n");
    assert_eq!(world.network.state(peer), PeerState::Open);
}

fn frame_within(timeout: Duration) -> Config {
    Config { frame_timeout: Some(timeout), ..timeless() }
}

#[test]
fn a_frame_that_dribbles_in_is_not_waited_for_longer() {
    on_any_clock(|net| {
        let config = frame_within(secs(30));
        let mut world = World::on(net, config, Lines::default(), Scripted::new(echo));
        let peer = world.join();
        for at in 7..100 {
            world.send_at(peer, at * secs(1), b"x");
        }
        let end = world.end_of(peer);
        assert_on_time(end, secs(37));
        assert_eq!(reason(&mut world), "frame timeout");
    });
}

#[test]
fn a_long_frame_that_dribbles_in_is_not_waited_for_longer() {
    // Each way in which the beginning of a frame is kept.
    for first in [1, 4, 100, 5000, 100_000] {
        let mut world = World::with_codec(frame_within(secs(30)), LengthPrefixed::default(), echo);
        let peer = world.join();
        let stream = frame(&pattern(1_000_000));
        world.send_at(peer, secs(7), &stream[..first]);
        for at in 0..100_u32 {
            let from = first + 100 * at as usize;
            world.send_at(peer, (8 + at) * secs(1), &stream[from..from + 100]);
        }
        let end = world.end_of(peer);
        assert_on_time(end, secs(37));
        assert_eq!(reason(&mut world), "frame timeout");
    }
}

#[test]
fn each_frame_has_its_own_time() {
    let mut world = World::new(frame_within(secs(30)), echo);
    let peer = world.join();
    // Each ends one and begins the next, 20 s apart.
    for at in 0..10 {
        world.send_at(peer, at * secs(20), b"end\nbegin-");
    }
    let end = world.end_of(peer);
    assert_on_time(end, secs(210));
    assert_eq!(world.frames_len(), 10);
    assert_eq!(reason(&mut world), "frame timeout");
}

/// A peer that has begun a frame behind one whose answer it does not take.
fn held_back(config: Config, codec: Lines) -> (World, SimPeer) {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let config = Config { high_watermark: 2 * KIB, low_watermark: KIB, ..config };
    let handler = Scripted::<Lines>::on_frames(|session, _| session.send(&"a".repeat(4 * KIB)));
    let mut world = World::on(net, config, codec, handler);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"ask\nbegun");
    world.settle();
    (world, peer)
}

#[test]
fn the_time_for_a_frame_does_not_run_while_we_do_not_read_it() {
    let (mut world, peer) = held_back(frame_within(secs(30)), Lines::default());
    world.run_for(secs(100));
    assert_eq!(world.network.state(peer), PeerState::Open);
    world.network.resume(peer);
    world.send_at(peer, secs(125), b"-finished\nagain");
    world.run_for(secs(26));
    assert_eq!(world.frames(peer)[1], "begun-finished");
    let end = world.end_of(peer);
    assert_on_time(end, secs(155));
}

#[test]
fn the_time_for_a_frame_begins_anew_when_we_read_on() {
    let (mut world, peer) = held_back(frame_within(secs(30)), Lines::default());
    world.run_for(secs(100));
    world.network.resume(peer);
    let end = world.end_of(peer);
    assert_on_time(end, secs(130));
    assert_eq!(reason(&mut world), "frame timeout");
}

#[test]
fn the_time_for_a_frame_does_not_run_while_output_of_another_origin_waits() {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let config = Config { high_watermark: 2 * KIB, low_watermark: KIB, ..timeless() };
    let config = Config { frame_timeout: Some(secs(30)), ..config };
    let handler = Scripted::<Lines>::on_frames(|session, _| {
        session.set_timer(1, secs(20));
        Ok(())
    })
    .on_timer(|session, _| session.send(&"a".repeat(4 * KIB)));
    let mut world = World::on(net, config, Lines::default(), handler);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"ask\nbegun");
    world.run_for(secs(100));
    assert_eq!(world.network.state(peer), PeerState::Open);
    world.network.resume(peer);
    let end = world.end_of(peer);
    assert_on_time(end, secs(130));
    assert_eq!(reason(&mut world), "frame timeout");
}

#[test]
fn a_peer_that_takes_nothing_is_reset_at_its_time() {
    on_any_clock(|net| {
        let config = Config { write_timeout: Some(secs(30)), ..timeless() };
        let mut world = World::on(net, config, Raw, Scripted::new(echo));
        let peer = world.join();
        world.network.stall(peer);
        world.send_at(peer, secs(5), &pattern(64 * KIB));
        world.send_at(peer, secs(11), &pattern(64 * KIB));
        let end = world.end_of(peer);
        // The first is in the pipe; the second waits.
        assert_on_time(end, secs(41));
        assert_eq!(world.network.state(peer), PeerState::Reset);
        assert_eq!(reason(&mut world), "write timeout");
    });
}

#[test]
fn any_byte_taken_puts_the_write_deadline_off() {
    on_any_clock(|mut net| {
        net.set_pipe_len(3);
        let config = Config { write_timeout: Some(secs(30)), ..timeless() };
        let mut world = World::on(net, config, Raw, Scripted::new(echo));
        let peer = world.join();
        world.network.read_slowly(peer, 1, secs(29));
        world.network.send_from(peer, b"123");
        world.network.send_from(peer, b"abcdefghij");
        world.run_for(10 * secs(29) + secs(1));
        assert_eq!(world.network.received(peer), b"123abcdefg");
        assert_eq!(world.reactor.held_len(), 0, "all of it is on its way");
        world.run_for(secs(1000));
        assert_eq!(world.network.state(peer), PeerState::Open, "nothing waits any more");
    });
}

#[test]
fn what_is_sent_meanwhile_does_not_put_the_write_deadline_off() {
    let config = Config { write_timeout: Some(secs(30)), ..timeless() };
    let handler = Scripted::<Raw>::on_frames(|session, _| {
        session.set_timer(1, secs(1));
        session.send(&pattern(100 * KIB))
    })
    .on_timer(|session, _| {
        session.set_timer(1, secs(1));
        session.send(b"more")
    });
    let mut world = World::on(SimNetwork::new(1), config, Raw, handler);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"?");
    let end = world.end_of(peer);
    assert_on_time(end, secs(30));
    assert_eq!(reason(&mut world), "write timeout");
}

#[test]
fn an_answer_that_waits_at_the_close_has_its_deadline_too() {
    let config = Config { write_timeout: Some(secs(30)), ..timeless() };
    let handler = Scripted::<Raw>::on_frames(|session, _| {
        session.send(&pattern(100 * KIB))?;
        session.close();
        Ok(())
    });
    let mut world = World::on(SimNetwork::new(1), config, Raw, handler);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"?");
    let end = world.end_of(peer);
    assert_on_time(end, secs(30));
    assert_eq!(reason(&mut world), "write timeout");
}

#[test]
fn a_connection_that_reaches_its_age_is_closed_however_active() {
    on_any_clock(|net| {
        let config = Config { lifetime: Some(secs(100)), ..idle_after(secs(10)) };
        let mut world = World::on(net, config, Lines::default(), Scripted::new(echo));
        let peer = world.join();
        for at in 1..200 {
            world.send_at(peer, at * secs(1) - millis(1), b"hi\n");
        }
        let end = world.end_of(peer);
        assert_on_time(end, secs(100));
        assert_eq!(world.network.received(peer), b"hi\n".repeat(100));
        assert_eq!(reason(&mut world), "lifetime over");
    });
}

/// A server that closes after one line, whose peer does not close.
fn lingering(net: SimNetwork, config: Config) -> (World, SimPeer) {
    let handler = Scripted::<Raw>::on_frames(|session, bytes| {
        session.send(bytes)?;
        session.close();
        Ok(())
    });
    let mut world = World::on(net, config, Raw, handler);
    let peer = world.join();
    world.network.send_from(peer, b"bye");
    world.turn(None);
    assert_eq!(world.network.state(peer), PeerState::Finished);
    (world, peer)
}

#[test]
fn a_peer_that_does_not_close_too_is_waited_for_as_long_as_it_lingers() {
    on_any_clock(|net| {
        let config = Config { linger_timeout: secs(3), ..timeless() };
        let (mut world, peer) = lingering(net, config);
        let closed = world.network.clock();
        for at in 1..40_u32 {
            world.send_at(peer, at * secs(1) / 10, b"chatter");
        }
        assert_eq!(reason(&mut world), "closed");
        let freed = world.first_close().expect("it was closed");
        assert_on_time(freed.since(closed), secs(3));
        assert_eq!(world.network.received(peer), b"bye");
    });
}

#[test]
fn what_could_not_be_sent_does_not_put_the_idle_deadline_off() {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(4);
    let handler = Scripted::<Lines>::on_frames(|session, _| {
        session.set_timer(1, secs(10));
        session.send("now")
    })
    .on_timer(|session, _| session.send("later"));
    let config = Config { linger_timeout: Duration::ZERO, ..idle_after(secs(60)) };
    let mut world = World::on(net, config, Lines::default(), handler);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"ask\n");
    world.settle();
    // What it was sent first fills the pipe, and what the timer sends waits.
    let end = world.end_of(peer);
    assert_on_time(end, secs(60));
}

#[test]
fn false_news_of_room_does_not_put_the_write_deadline_off() {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let config = Config { write_timeout: Some(secs(30)), ..timeless() };
    let mut world = World::on(net, config, Raw, Scripted::new(echo));
    let (peer, other) = (world.join(), world.join());
    world.network.set_faults(Faults { spurious_event: 300, ..Faults::none() });
    world.network.stall(peer);
    world.network.send_from(peer, &pattern(4 * KIB));
    for at in 1..60 {
        world.send_at(other, at * secs(1), b"hi");
    }
    let end = world.end_of(peer);
    assert_on_time(end, secs(30));
    assert_eq!(world.reason(peer), Some("write timeout"));
}

#[test]
fn a_peer_that_sends_too_much_after_the_close_is_not_waited_for() {
    let config = Config { linger_timeout: secs(60), linger_limit: 10_000, ..timeless() };
    let (mut world, peer) = lingering(SimNetwork::new(1), config);
    world.network.send_from(peer, &pattern(10_000));
    world.settle();
    assert_eq!(world.reasons(), [""; 0], "just what is put up with");
    world.network.send_from(peer, b"x");
    world.settle();
    assert_eq!(world.reasons(), ["closed"]);
    assert_eq!(world.network.received(peer), b"bye");
}

#[test]
fn a_linger_timeout_of_zero_ends_a_connection_at_once() {
    let config = Config { linger_timeout: Duration::ZERO, ..timeless() };
    let (mut world, peer) = lingering(SimNetwork::new(1), config);
    world.settle();
    assert_eq!(world.reasons(), ["closed"]);
    assert_eq!(world.network.received(peer), b"bye");
}

#[test]
fn a_handlers_timer_comes_due_at_its_time() {
    on_any_clock(|net| {
        let wait = Duration::from_micros(12_345_678);
        let handler = Scripted::<Lines>::on_frames(move |session, _| {
            session.set_timer(1, wait);
            Ok(())
        })
        .on_timer(|session, _| session.send("due"));
        let mut world = World::on(net, timeless(), Lines::default(), handler);
        let peer = world.join();
        world.send_at(peer, secs(1), b"go\n");
        world.run_until("the timer", None, |world| !world.network.received(peer).is_empty());
        assert_on_time(world.network.clock().since(Instant::START), secs(1) + wait);
    });
}

#[test]
fn an_answer_without_a_deadline_of_its_own_waits_until_the_peer_is_idle() {
    for closes in [false, true] {
        let config = Config { write_timeout: None, ..idle_after(secs(60)) };
        let handler = Scripted::<Raw>::on_frames(move |session, _| {
            session.send(&pattern(100 * KIB))?;
            if closes {
                session.close();
            }
            Ok(())
        });
        let mut world = World::on(SimNetwork::new(1), config, Raw, handler);
        let peer = world.join();
        world.network.stall(peer);
        world.network.send_from(peer, b"?");
        let end = world.end_of(peer);
        assert_on_time(end, secs(60));
        assert_eq!(world.network.state(peer), PeerState::Reset, "it is owed something");
        assert_eq!(reason(&mut world), "idle timeout");
    }
}
