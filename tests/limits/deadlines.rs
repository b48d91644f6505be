//! Deadlines: each closes at its time, never early and at most a millisecond late, and counts only
//! what it is about.

use std::time::Duration;

use windlass::network::{Faults, PeerState, SimNetwork, SimPeer};
use windlass::{Config, Instant, LengthPrefixed, Lines, Raw};

use crate::fixture::{
    KIB, MILLISECOND, MINUTE, Probe, SECOND, World, assert_on_time, echo, for_each_seed, frame,
    ignore, pattern, timeless,
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
    let reasons = world.seen.reasons();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0]
}

fn idle_after(timeout: Duration) -> Config {
    Config { idle_timeout: Some(timeout), ..timeless() }
}

#[test]
fn an_idle_peer_is_closed_at_its_time() {
    on_any_clock(|net| {
        let mut world = World::on(net, idle_after(MINUTE), Lines::default(), Probe::new(echo));
        let peer = world.connect();
        let end = world.end_of(peer);
        assert_on_time(end, MINUTE);
        assert_eq!(world.net.state(peer), PeerState::Finished);
        assert_eq!(reason(&mut world), "idle timeout");
    });
}

#[test]
fn what_comes_puts_the_idle_deadline_off() {
    on_any_clock(|net| {
        let mut world = World::on(net, idle_after(MINUTE), Lines::default(), Probe::new(ignore));
        let peer = world.connect();
        // Lines, and a beginning of one.
        for (when, bytes) in [(59, "a\n"), (100, "b\n"), (159, "c"), (218, "d")] {
            world.send_at(peer, when * SECOND, bytes.as_bytes());
        }
        let end = world.end_of(peer);
        assert_on_time(end, 218 * SECOND + MINUTE);
        assert_eq!(reason(&mut world), "idle timeout");
    });
}

#[test]
fn a_slow_peer_that_takes_its_answer_is_not_idle() {
    on_any_clock(|mut net| {
        net.set_pipe_len(900);
        let config = Config { linger_timeout: Duration::ZERO, ..idle_after(20 * SECOND) };
        let config = Config { write_timeout: Some(MINUTE), ..config };
        let mut world = World::on(net, config, Raw, Probe::new(echo));
        let peer = world.connect();
        let start = world.net.clock();
        world.net.read_slowly(peer, 300, 15 * SECOND);
        world.net.send_from(peer, &pattern(900));
        world.net.send_from(peer, &pattern(9000));
        assert_eq!(reason(&mut world), "idle timeout");
        // 900 bytes go at once, and 300 more whenever the peer has taken as many.
        let last_write = (9900 - 900) / 300 * 15 * SECOND;
        let closed = world.seen.record().closed[0].when.since(start);
        assert_on_time(closed, last_write + 20 * SECOND);
        world.net.resume(peer);
        world.settle();
        assert_eq!(world.net.received(peer).len(), 9900);
    });
}

#[test]
fn a_peer_without_a_first_frame_is_closed_at_its_time() {
    on_any_clock(|net| {
        let config = Config { first_frame_timeout: Some(30 * SECOND), ..timeless() };
        let mut world = World::on(net, config, Lines::default(), Probe::new(echo));
        let peer = world.connect();
        for at in 0..100 {
            world.send_at(peer, at * SECOND, b"x");
        }
        let end = world.end_of(peer);
        assert_on_time(end, 30 * SECOND);
        assert_eq!(reason(&mut world), "first frame timeout");
    });
}

#[test]
fn a_first_frame_in_time_lifts_the_deadline_for_it() {
    let config = Config { first_frame_timeout: Some(30 * SECOND), ..timeless() };
    let mut world = World::new(config, Lines::default(), echo);
    let peer = world.connect();
    world.send_at(peer, Duration::from_millis(29_999), b"just\n");
    world.run_for(1000 * SECOND);
    assert_eq!(world.net.received(peer), b"just\n");
    assert_eq!(world.net.state(peer), PeerState::Open);
}

fn frame_within(timeout: Duration) -> Config {
    Config { frame_timeout: Some(timeout), ..timeless() }
}

#[test]
fn a_frame_that_dribbles_in_is_not_waited_for_longer() {
    on_any_clock(|net| {
        let config = frame_within(30 * SECOND);
        let mut world = World::on(net, config, Lines::default(), Probe::new(echo));
        let peer = world.connect();
        for at in 7..100 {
            world.send_at(peer, at * SECOND, b"x");
        }
        let end = world.end_of(peer);
        assert_on_time(end, 37 * SECOND);
        assert_eq!(reason(&mut world), "frame timeout");
    });
}

#[test]
fn a_long_frame_that_dribbles_in_is_not_waited_for_longer() {
    // Each way in which the beginning of a frame is kept.
    for first in [1, 4, 100, 5000, 100_000] {
        let mut world = World::new(frame_within(30 * SECOND), LengthPrefixed::default(), echo);
        let peer = world.connect();
        let stream = frame(&pattern(1_000_000));
        world.send_at(peer, 7 * SECOND, &stream[..first]);
        for at in 0..100_u32 {
            let from = first + 100 * at as usize;
            world.send_at(peer, (8 + at) * SECOND, &stream[from..from + 100]);
        }
        let end = world.end_of(peer);
        assert_on_time(end, 37 * SECOND);
        assert_eq!(reason(&mut world), "frame timeout");
    }
}

#[test]
fn each_frame_has_its_own_time() {
    let mut world = World::new(frame_within(30 * SECOND), Lines::default(), echo);
    let peer = world.connect();
    // Each ends one and begins the next, 20 s apart.
    for at in 0..10 {
        world.send_at(peer, at * 20 * SECOND, b"end\nbegin-");
    }
    let end = world.end_of(peer);
    assert_on_time(end, 210 * SECOND);
    assert_eq!(world.seen.frames_len(), 10);
    assert_eq!(reason(&mut world), "frame timeout");
}

/// A peer that has begun a frame behind one whose answer it does not take.
fn held_back(config: Config, codec: Lines) -> (World, SimPeer) {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let config = Config { high_watermark: 2 * KIB, low_watermark: KIB, ..config };
    let probe = Probe::<Lines>::new(|session, _| session.send(&"a".repeat(4 * KIB)));
    let mut world = World::on(net, config, codec, probe);
    let peer = world.connect();
    world.net.stall(peer);
    world.net.send_from(peer, b"ask\nbegun");
    world.settle();
    (world, peer)
}

#[test]
fn the_time_for_a_frame_does_not_run_while_we_do_not_read_it() {
    let (mut world, peer) = held_back(frame_within(30 * SECOND), Lines::default());
    world.run_for(100 * SECOND);
    assert_eq!(world.net.state(peer), PeerState::Open);
    world.net.resume(peer);
    world.send_at(peer, 125 * SECOND, b"-finished\nagain");
    world.run_for(26 * SECOND);
    assert_eq!(world.seen.record().frames[1], b"begun-finished");
    let end = world.end_of(peer);
    assert_on_time(end, 155 * SECOND);
}

#[test]
fn the_time_for_a_frame_begins_anew_when_we_read_on() {
    let (mut world, peer) = held_back(frame_within(30 * SECOND), Lines::default());
    world.run_for(100 * SECOND);
    world.net.resume(peer);
    let end = world.end_of(peer);
    assert_on_time(end, 130 * SECOND);
    assert_eq!(reason(&mut world), "frame timeout");
}

#[test]
fn the_time_for_a_frame_does_not_run_while_output_of_another_origin_waits() {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let config = Config { high_watermark: 2 * KIB, low_watermark: KIB, ..timeless() };
    let config = Config { frame_timeout: Some(30 * SECOND), ..config };
    let probe = Probe::<Lines>::new(|session, _| {
        session.set_timer(1, 20 * SECOND);
        Ok(())
    })
    .on_timer(|session, _| session.send(&"a".repeat(4 * KIB)));
    let mut world = World::on(net, config, Lines::default(), probe);
    let peer = world.connect();
    world.net.stall(peer);
    world.net.send_from(peer, b"ask\nbegun");
    world.run_for(100 * SECOND);
    assert_eq!(world.net.state(peer), PeerState::Open);
    world.net.resume(peer);
    let end = world.end_of(peer);
    assert_on_time(end, 130 * SECOND);
    assert_eq!(reason(&mut world), "frame timeout");
}

#[test]
fn a_peer_that_takes_nothing_is_reset_at_its_time() {
    on_any_clock(|net| {
        let config = Config { write_timeout: Some(30 * SECOND), ..timeless() };
        let mut world = World::on(net, config, Raw, Probe::new(echo));
        let peer = world.connect();
        world.net.stall(peer);
        world.send_at(peer, 5 * SECOND, &pattern(64 * KIB));
        world.send_at(peer, 11 * SECOND, &pattern(64 * KIB));
        let end = world.end_of(peer);
        // The first is in the pipe; the second waits.
        assert_on_time(end, 41 * SECOND);
        assert_eq!(world.net.state(peer), PeerState::Reset);
        assert_eq!(reason(&mut world), "write timeout");
    });
}

#[test]
fn any_byte_taken_puts_the_write_deadline_off() {
    on_any_clock(|mut net| {
        net.set_pipe_len(3);
        let config = Config { write_timeout: Some(30 * SECOND), ..timeless() };
        let mut world = World::on(net, config, Raw, Probe::new(echo));
        let peer = world.connect();
        world.net.read_slowly(peer, 1, 29 * SECOND);
        world.net.send_from(peer, b"123");
        world.net.send_from(peer, b"abcdefghij");
        world.run_for(10 * 29 * SECOND + SECOND);
        assert_eq!(world.net.received(peer), b"123abcdefg");
        assert_eq!(world.reactor.held_len(), 0, "all of it is on its way");
        world.run_for(1000 * SECOND);
        assert_eq!(world.net.state(peer), PeerState::Open, "nothing waits any more");
    });
}

#[test]
fn what_is_sent_meanwhile_does_not_put_the_write_deadline_off() {
    let config = Config { write_timeout: Some(30 * SECOND), ..timeless() };
    let probe = Probe::<Raw>::new(|session, _| {
        session.set_timer(1, SECOND);
        session.send(&pattern(100 * KIB))
    })
    .on_timer(|session, _| {
        session.set_timer(1, SECOND);
        session.send(b"more")
    });
    let mut world = World::on(SimNetwork::new(1), config, Raw, probe);
    let peer = world.connect();
    world.net.stall(peer);
    world.net.send_from(peer, b"?");
    let end = world.end_of(peer);
    assert_on_time(end, 30 * SECOND);
    assert_eq!(reason(&mut world), "write timeout");
}

#[test]
fn an_answer_that_waits_at_the_close_has_its_deadline_too() {
    let config = Config { write_timeout: Some(30 * SECOND), ..timeless() };
    let probe = Probe::<Raw>::new(|session, _| {
        session.send(&pattern(100 * KIB))?;
        session.close();
        Ok(())
    });
    let mut world = World::on(SimNetwork::new(1), config, Raw, probe);
    let peer = world.connect();
    world.net.stall(peer);
    world.net.send_from(peer, b"?");
    let end = world.end_of(peer);
    assert_on_time(end, 30 * SECOND);
    assert_eq!(reason(&mut world), "write timeout");
}

#[test]
fn a_connection_that_reaches_its_age_is_closed_however_active() {
    on_any_clock(|net| {
        let config = Config { lifetime: Some(100 * SECOND), ..idle_after(10 * SECOND) };
        let mut world = World::on(net, config, Lines::default(), Probe::new(echo));
        let peer = world.connect();
        for at in 1..200 {
            world.send_at(peer, at * SECOND - MILLISECOND, b"hi\n");
        }
        let end = world.end_of(peer);
        assert_on_time(end, 100 * SECOND);
        assert_eq!(world.net.received(peer), b"hi\n".repeat(100));
        assert_eq!(reason(&mut world), "lifetime over");
    });
}

/// A server that closes after one line, whose peer does not close.
fn lingering(net: SimNetwork, config: Config) -> (World, SimPeer) {
    let probe = Probe::<Raw>::new(|session, bytes| {
        session.send(bytes)?;
        session.close();
        Ok(())
    });
    let mut world = World::on(net, config, Raw, probe);
    let peer = world.connect();
    world.net.send_from(peer, b"bye");
    world.turn();
    assert_eq!(world.net.state(peer), PeerState::Finished);
    (world, peer)
}

#[test]
fn a_peer_that_does_not_close_too_is_waited_for_as_long_as_it_lingers() {
    on_any_clock(|net| {
        let config = Config { linger_timeout: 3 * SECOND, ..timeless() };
        let (mut world, peer) = lingering(net, config);
        let closed = world.net.clock();
        for at in 1..40_u32 {
            world.send_at(peer, at * SECOND / 10, b"chatter");
        }
        assert_eq!(reason(&mut world), "closed");
        let freed = world.seen.record().closed[0].when;
        assert_on_time(freed.since(closed), 3 * SECOND);
        assert_eq!(world.net.received(peer), b"bye");
    });
}

#[test]
fn a_peer_that_sends_too_much_after_the_close_is_not_waited_for() {
    let config = Config { linger_timeout: MINUTE, linger_limit: 10_000, ..timeless() };
    let (mut world, peer) = lingering(SimNetwork::new(1), config);
    world.net.send_from(peer, &pattern(10_000));
    world.settle();
    assert_eq!(world.seen.reasons(), [""; 0], "just what is put up with");
    world.net.send_from(peer, b"x");
    world.settle();
    assert_eq!(world.seen.reasons(), ["closed"]);
    assert_eq!(world.net.received(peer), b"bye");
}

#[test]
fn a_linger_timeout_of_zero_ends_a_connection_at_once() {
    let config = Config { linger_timeout: Duration::ZERO, ..timeless() };
    let (mut world, peer) = lingering(SimNetwork::new(1), config);
    world.settle();
    assert_eq!(world.seen.reasons(), ["closed"]);
    assert_eq!(world.net.received(peer), b"bye");
}

#[test]
fn a_handlers_timer_comes_due_at_its_time() {
    on_any_clock(|net| {
        let wait = Duration::from_micros(12_345_678);
        let probe = Probe::<Lines>::new(move |session, _| {
            session.set_timer(1, wait);
            Ok(())
        })
        .on_timer(|session, _| session.send("due"));
        let mut world = World::on(net, timeless(), Lines::default(), probe);
        let peer = world.connect();
        world.send_at(peer, SECOND, b"go\n");
        world.run_until("the timer", |world| !world.net.received(peer).is_empty());
        assert_on_time(world.net.clock().since(Instant::START), SECOND + wait);
    });
}

#[test]
fn an_answer_without_a_deadline_of_its_own_waits_until_the_peer_is_idle() {
    for closes in [false, true] {
        let config = Config { write_timeout: None, ..idle_after(MINUTE) };
        let probe = Probe::<Raw>::new(move |session, _| {
            session.send(&pattern(100 * KIB))?;
            if closes {
                session.close();
            }
            Ok(())
        });
        let mut world = World::on(SimNetwork::new(1), config, Raw, probe);
        let peer = world.connect();
        world.net.stall(peer);
        world.net.send_from(peer, b"?");
        let end = world.end_of(peer);
        assert_on_time(end, MINUTE);
        assert_eq!(world.net.state(peer), PeerState::Reset, "it is owed something");
        assert_eq!(reason(&mut world), "idle timeout");
    }
}
