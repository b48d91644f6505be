//! Budgets: what one connection may do in a turn, so that the others get theirs.

use windlass::network::{Faults, SimNetwork, SimPeer};
use windlass::{Config, LengthPrefixed, Lines, Raw};

use crate::fixture::{KIB, MIB, Scripted, World, echo, frame, ignore, pattern, timeless};

/// A hundred peers, one of which sends a line each turn and is to have its answer when the next
/// turn is over. Meanwhile something else goes on, of which `each_turn` is told.
fn assert_paced_peers_are_answered(
    world: &mut World,
    paced: &[SimPeer],
    turns: usize,
    mut each_turn: impl FnMut(&mut World),
) {
    for turn in 0..turns {
        let peer = paced[turn % paced.len()];
        world.network.send_from(peer, b"honest\n");
        world.turn_at_once();
        each_turn(world);
        let answers = turn / paced.len() + 1;
        assert_eq!(world.network.received(peer), b"honest\n".repeat(answers), "in turn {turn}");
    }
}

#[test]
fn a_peer_that_never_stops_sending_keeps_nobody_waiting() {
    let config = Config { read_budget: 4 * KIB, frame_budget: 4 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(64 * KIB);
    let handler = Scripted::new(echo).without_frames();
    let mut world = World::on(net, config, Lines::default(), handler);
    let peers = world.join_many(101);
    let blaster = peers[100];
    world.network.send_from(blaster, &b"x\n".repeat(2 * MIB));
    let mut left = world.network.unread_len(blaster) + world.network.unsent_len(blaster);
    assert_paced_peers_are_answered(&mut world, &peers[..100], 500, |world| {
        let now = world.network.unread_len(blaster) + world.network.unsent_len(blaster);
        let read = left - now;
        assert!(read > 0, "the other one is served too");
        assert!(read <= 4 * KIB, "{read} bytes in one turn, with a budget of 4 KiB");
        left = now;
        world.network.take_received(blaster);
    });
}

#[test]
fn an_event_for_whoever_waits_for_his_turn_serves_him_no_sooner() {
    let config = Config { read_buffer_len: 4 * KIB, read_budget: 4 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let mut world = World::on(net, config, Raw, Scripted::new(ignore).without_frames());
    let peer = world.join();
    world.network.send_from(peer, &pattern(400 * KIB));
    world.network.set_faults(Faults { spurious_event: 500, ..Faults::none() });
    let mut left = world.network.unread_len(peer);
    for turn in 0..90 {
        world.turn_at_once();
        let now = world.network.unread_len(peer);
        assert!(left - now <= 4 * KIB, "{} bytes in turn {turn}", left - now);
        left = now;
    }
    assert!(left < 100 * KIB, "he is served nevertheless");
}

#[test]
fn a_batch_of_a_hundred_thousand_frames_runs_in_portions_and_loses_nothing() {
    let config = Config { frame_budget: 100, read_buffer_len: 512 * KIB, ..timeless() };
    let config = Config { read_budget: 512 * KIB, high_watermark: MIB, ..config };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let handler = Scripted::new(echo).without_frames();
    let mut world = World::on(net, config, Lines::default(), handler);
    let peers = world.join_many(101);
    let batch: String = (0..100_000).map(|number| format!("{}\n", number % 1000)).collect();
    world.network.send_from(peers[100], batch.as_bytes());
    world.network.finish(peers[100]);
    let mut before = 0;
    assert_paced_peers_are_answered(&mut world, &peers[..100], 1000, |world| {
        let frames = world.frames_len() - before;
        assert!(frames <= 100 + 1, "{frames} frames in one turn, with a budget of 100");
        before += frames;
    });
    world.end_of(peers[100]);
    assert!(
        world.network.received(peers[100]) == batch.as_bytes(),
        "an answer is wrong or missing"
    );
}

#[test]
fn nothing_is_read_while_whole_frames_wait_for_their_turn() {
    let config = Config { frame_budget: 1, read_buffer_len: KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let mut world = World::on(net, config, Lines::default(), Scripted::new(ignore));
    let peer = world.join();
    world.network.send_from(peer, &b"1234567\n".repeat(128 * 4));
    for turn in 1..=128 * 4 {
        world.turn_at_once();
        assert_eq!(world.frames_len(), turn);
        assert!(world.reactor.held_len() <= 2 * KIB, "{}", world.reactor.held_len());
    }
    assert_eq!(world.network.unread_len(peer), 0);
}

#[test]
fn what_comes_after_a_close_is_discarded_in_portions() {
    // The last read of a turn has less room than the buffer.
    let config = Config { read_buffer_len: 4 * KIB, read_budget: 5000, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let handler = Scripted::<Raw>::on_frames(|session, _| {
        session.close();
        Ok(())
    });
    let mut world = World::on(net, config, Raw, handler);
    let peer = world.join();
    world.network.send_from(peer, b"bye");
    world.turn_at_once();
    world.network.send_from(peer, &pattern(100_000));
    for turn in 1..=20 {
        world.turn_at_once();
        assert_eq!(world.network.unread_len(peer), 100_000 - 5000 * turn, "in turn {turn}");
    }
}

#[test]
fn empty_frames_cost_as_much_of_the_budget_as_others() {
    let config = Config { frame_budget: 10, ..timeless() };
    let handler = Scripted::new(ignore).without_frames();
    let mut world = World::on(SimNetwork::new(1), config, LengthPrefixed::default(), handler);
    let peer = world.join();
    world.network.send_from(peer, &frame(b"").repeat(5000));
    for turn in 1..=500 {
        world.turn_at_once();
        let frames = world.frames_len();
        assert!(frames <= 10 * turn, "{frames} frames in {turn} turns");
    }
    world.settle();
    assert_eq!(world.frames_len(), 5000);
}

#[test]
fn a_huge_answer_to_a_fast_reader_leaves_in_portions() {
    let config = Config { write_budget: 64 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(16 * MIB);
    let handler = Scripted::<Raw>::on_frames(|session, bytes| match bytes {
        b"more" => session.send(&pattern(8 * MIB)),
        _ => session.send(bytes),
    });
    let mut world = World::on(net, config, Raw, handler);
    let peers = world.join_many(101);
    world.network.send_from(peers[100], b"more");
    let mut before = 0;
    assert_paced_peers_are_answered(&mut world, &peers[..100], 100, |world| {
        let sent = world.network.received(peers[100]).len() - before;
        assert!(sent > 0, "the other one is served too");
        assert!(sent <= 64 * KIB, "{sent} bytes in one turn, with a budget of 64 KiB");
        before += sent;
    });
    world.settle();
    assert!(world.network.received(peers[100]) == pattern(8 * MIB), "the answer is not whole");
}

#[test]
fn an_answer_below_the_watermark_leaves_in_portions_too() {
    let config = Config { write_budget: 4 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let handler = Scripted::<Raw>::on_frames(|session, _| session.send(&pattern(30 * KIB)));
    let mut world = World::on(net, config, Raw, handler);
    let peer = world.join();
    world.network.send_from(peer, b"more");
    for turn in 1..=8 {
        world.turn_at_once();
        assert_eq!(world.network.received(peer).len(), (4 * turn).min(30) * KIB);
    }
    assert!(world.network.received(peer) == pattern(30 * KIB), "the answer is not whole");
}

#[test]
fn answers_that_wait_and_answers_to_come_share_one_write_budget() {
    let config = Config { write_budget: 4 * KIB, read_budget: 16 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let mut world = World::on(net, config, Raw, Scripted::new(echo).without_frames());
    let peer = world.join();
    world.network.send_from(peer, &pattern(MIB));
    let mut before = 0;
    while before < MIB {
        world.turn_at_once();
        let sent = world.network.received(peer).len() - before;
        assert!((1..=4 * KIB).contains(&sent), "{sent} bytes in one turn of at most 4 KiB");
        before += sent;
    }
    assert!(world.network.received(peer) == pattern(MIB), "the echo is not whole");
}

#[test]
fn each_portion_of_a_stream_is_answered_before_the_next_is_read() {
    let config = Config { read_buffer_len: 20 * KIB, read_budget: 80 * KIB, ..timeless() };
    let config = Config { high_watermark: 20 * KIB, ..config };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let mut world = World::on(net, config, Raw, Scripted::new(echo).without_frames());
    let peer = world.join();
    world.network.send_from(peer, &pattern(200 * KIB));
    for so_far in [80 * KIB, 160 * KIB, 200 * KIB] {
        let before = world.network.calls();
        world.turn_at_once();
        let after = world.network.calls();
        let all = pattern(200 * KIB);
        assert!(world.network.received(peer) == &all[..so_far], "not the first {so_far}");
        assert!(after.writes - before.writes <= 4, "it is not read and written in one go");
    }
}

#[test]
fn nobody_is_passed_over_while_many_have_work_left() {
    let config = Config { read_budget: 100, ..timeless() };
    let handler = Scripted::new(ignore).without_frames();
    let mut world = World::on(SimNetwork::new(1), config, Raw, handler);
    let peers = world.join_many(50);
    for peer in &peers {
        world.network.send_from(*peer, &pattern(10_000));
    }
    for turn in 1..=100 {
        world.turn_at_once();
        for peer in &peers {
            assert_eq!(world.network.unread_len(*peer), 10_000 - 100 * turn, "in turn {turn}");
        }
    }
}
