//! How much may be sent, and how long anything may take.

use super::fixture::secs;
use super::{ask, closed, frame, open, send, take, text, world};

#[test]
fn the_longest_message_is_echoed_and_a_longer_one_refused_by_its_header() {
    let mut world = world("--max-message 100000");
    let peer = open(&mut world, "/echo");
    world.network.send_from(peer, &frame(0x82, &[7; 100_000]));
    world.run_for(secs(1));
    let echo = world.network.take_received(peer);
    assert_eq!((&echo[..10], echo.len()), (&b"\x82\x7f\0\0\0\0\0\x01\x86\xa0"[..], 100_010));
    let header = &frame(0x82, &[7; 100_001])[..14];
    assert_eq!(ask(&mut world, peer, header), closed(1009, "the frame is too long"));
    let peer = open(&mut world, "/echo");
    send(&mut world, peer, &frame(0x02, &[7; 60_000]));
    let header = &frame(0x80, &[7; 40_001])[..8];
    assert_eq!(ask(&mut world, peer, header), closed(1009, "the message is too long"));
}

#[test]
fn unfinished_messages_of_all_hold_no_more_than_is_allowed() {
    let mut world = world("--max-unfinished 10000 --max-message 8000 --max-frame 8000");
    let refused = closed(1013, "too much of other messages is unfinished");
    // What they hold is given back when they end: by the last fragment, a close, or a reset.
    for round in 0..5 {
        let (one, other) = (open(&mut world, "/echo"), open(&mut world, "/echo"));
        assert_eq!(ask(&mut world, one, &frame(0x02, &[1; 6000])), "", "round {round}");
        assert_eq!(ask(&mut world, other, &frame(0x01, &[b'a'; 4001])), refused, "round {round}");
        let third = open(&mut world, "/echo");
        assert_eq!(ask(&mut world, third, &frame(0x01, &[b'a'; 4000])), "", "round {round}");
        // The one that has begun is not let go on either.
        assert_eq!(ask(&mut world, one, &frame(0x00, &[1; 2000])), refused, "round {round}");
        world.network.finish(one);
        world.settle();
        send(&mut world, third, &frame(0x80, b"b"));
        assert_eq!(world.network.take_received(third).len(), 4 + 4001);
        match round % 2 {
            0 => world.network.reset(third),
            _ => world.network.finish(third),
        }
        world.network.finish(other);
        world.run_for(secs(2));
    }
}

#[test]
fn a_message_in_fragments_has_an_end_in_time() {
    let mut world = world("--message-timeout 10s");
    let (one, other) = (open(&mut world, "/echo"), open(&mut world, "/echo"));
    for _ in 0..3 {
        // However steadily it dribbles in.
        send(&mut world, one, &frame(0x01, b"a"));
        world.run_for(secs(6));
        assert_eq!(ask(&mut world, one, &frame(0x80, b"b")), r"\x81\x02ab");
    }
    world.run_for(secs(11));
    assert_eq!(ask(&mut world, one, &text("c")), r"\x81\x01c", "it has ended in time");
    send(&mut world, other, &frame(0x01, b""));
    for _ in 0..4 {
        world.run_for(secs(2));
        assert_eq!(ask(&mut world, other, &frame(0x00, b"a")), "");
    }
    world.run_for(secs(3));
    assert_eq!(take(&mut world, other), closed(1008, "the message did not end in time"));
}

#[test]
fn a_frame_has_an_end_in_time() {
    let mut world = world("--frame-timeout 5s");
    let peer = open(&mut world, "/echo");
    assert_eq!(ask(&mut world, peer, &text("ab")[..7]), "");
    world.run_for(secs(6));
    assert_eq!(take(&mut world, peer), closed(1008, "the message did not end in time"));
}

#[test]
fn who_is_silent_is_asked_and_given_up_if_he_does_not_answer() {
    let mut world = world("--ping 10s");
    let [gone, alive, busy] = [(); 3].map(|()| open(&mut world, "/echo"));
    for _ in 0..20 {
        world.run_for(secs(5));
        let asked = take(&mut world, alive);
        if asked.contains(r"\x89\x00") {
            send(&mut world, alive, &frame(0x8a, b""));
        }
        assert_eq!(ask(&mut world, busy, &text("a")), r"\x81\x01a", "it is not asked");
    }
    let heard = take(&mut world, gone);
    assert_eq!(heard, format!(r"\x89\x00{}", closed(1008, "no answer to a ping")));
    assert_eq!(ask(&mut world, alive, &text("here")), r"\x81\x04here");
}

#[test]
fn who_takes_his_answers_slowly_is_not_taken_for_gone() {
    let mut world = world("--ping 5s --high-watermark 4KiB");
    world.network.set_pipe_len(1000);
    let peer = open(&mut world, "/echo");
    world.network.read_slowly(peer, 100, secs(1));
    // So much that no frame behind it is read: neither an answer to a ping could be.
    send(&mut world, peer, &frame(0x82, &[7; 20_000]));
    world.run_for(secs(60));
    world.network.resume(peer);
    world.settle();
    let heard = world.network.take_received(peer);
    assert_eq!(heard.len(), 4 + 20_000, "the echo, no ping and no close");
    assert_eq!(ask(&mut world, peer, &text("here")), r"\x81\x04here");
}
