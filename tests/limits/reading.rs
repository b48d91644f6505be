//! Reading: what comes out does not depend on how the bytes came in, nor on how large the buffers
//! and the budgets are.

use std::time::Duration;

use windlass::network::{Faults, PeerState, SimNetwork};
use windlass::{Config, LengthPrefixed, Lines};

use crate::fixture::{
    Framing, KIB, MIB, Scripted, World, address, echo, for_each_seed, frame, ignore, pattern,
    timeless,
};

/// A stream with the answers it is to get, and the reason for its end.
struct Case {
    stream: Vec<u8>,
    answers: Vec<u8>,
    why: &'static str,
}

impl Case {
    fn new(stream: &[u8], answers: &[u8], why: &'static str) -> Self {
        Self { stream: stream.to_vec(), answers: answers.to_vec(), why }
    }
}

/// Sends the stream in pieces, each of which is served before the next is sent.
fn assert_outcome<C: Framing>(
    what: &str,
    config: &Config,
    codec: &C,
    case: &Case,
    pieces: &[&[u8]],
) {
    let mut world = World::with_codec(config.clone(), codec.clone(), echo);
    let peer = world.join();
    for piece in pieces {
        world.network.send_from(peer, piece);
        world.settle();
    }
    world.network.finish(peer);
    world.run_until_empty();
    world.settle();
    assert_eq!(world.network.received(peer), case.answers, "{what}");
    assert_eq!(world.network.state(peer), PeerState::Finished, "{what}");
    assert_eq!(world.reasons(), [case.why], "{what}");
    assert_eq!(world.reactor.held_len(), 0, "{what}");
}

fn buffers_and_budgets() -> Vec<Config> {
    let mut configs = Vec::new();
    for read_buffer_len in [1, 2, 3, 7, 16, 4 * KIB, 256 * KIB] {
        for read_budget in [1, 5, 256 * KIB] {
            for frame_budget in [1, 1024] {
                let config = Config { read_buffer_len, read_budget, frame_budget, ..timeless() };
                configs.push(config);
            }
        }
    }
    let tight = Config { high_watermark: 1, low_watermark: 0, read_budget: 3, ..timeless() };
    configs.push(Config { read_buffer_len: 5, write_budget: 1, ..tight });
    configs
}

fn assert_same_for_every_cut<C: Framing>(codec: &C, cases: &[Case]) {
    for config in buffers_and_budgets() {
        let (room, budget) = (config.read_buffer_len, config.read_budget);
        for case in cases {
            let stream = &case.stream;
            let what = |cut: &str| {
                let text = stream.escape_ascii();
                format!("read_buffer_len {room}, read_budget {budget}, {cut}: {text}")
            };
            for cut in 0..=stream.len() {
                let pieces = [&stream[..cut], &stream[cut..]];
                assert_outcome(&what(&format!("cut at {cut}")), &config, codec, case, &pieces);
            }
            let pieces: Vec<_> = stream.chunks(1).collect();
            assert_outcome(&what("byte by byte"), &config, codec, case, &pieces);
        }
    }
}

#[test]
fn lines_come_out_the_same_for_every_cut_and_every_buffer() {
    let cases = [
        Case::new(b"one\n\ntwo\r\nlonger\nrest", b"one\n\ntwo\nlonger\nrest\n", "peer finished"),
        Case::new(b"ok\n12345678\r\n123456789\nno\n", b"ok\n12345678\n", "malformed frame"),
        Case::new(b"a\nb\xFF\nno\n", b"a\n", "malformed frame"),
    ];
    assert_same_for_every_cut(&Lines::default().max_len(8), &cases);
}

#[test]
fn length_prefixed_frames_come_out_the_same_for_every_cut_and_every_buffer() {
    let good = [frame(b"a"), frame(b""), frame(b"12345678")].concat();
    let cases = [
        Case::new(&good, &good, "peer finished"),
        Case::new(&[&good[..], b"\0\0\0\x09never"].concat(), &good, "malformed frame"),
        Case::new(&[&good[..], b"\0\0\0\x02x"].concat(), &good, "malformed frame"),
    ];
    assert_same_for_every_cut(&LengthPrefixed::default().max_len(8), &cases);
}

#[test]
fn frames_come_out_the_same_whatever_the_network_does() {
    for_each_seed(60, |seed| {
        let mut net = SimNetwork::new(seed);
        net.set_pipe_len(1 + usize::try_from(seed * 7919 % 3000).expect("below 3000"));
        net.set_faults(Faults::random(seed).lossless());
        let sizes = [1, 7, 64, 1000, 64 * KIB];
        let size = |step: u64| sizes[usize::try_from((seed / step) % 5).expect("below 5")];
        let (read_buffer_len, read_budget) = (size(1), size(5));
        let config = Config { read_buffer_len, read_budget, write_budget: size(7), ..timeless() };
        let mut world = World::on(net, config, LengthPrefixed::default(), Scripted::new(echo));
        let frames: Vec<_> = (0..40).map(|n| frame(&pattern(n * n * 3))).collect();
        let stream = frames.concat();
        let peer = world.network.connect_to(address(0));
        world.network.send_from(peer, &stream);
        world.network.finish(peer);
        world.end_of(peer);
        world.run_until_empty();
        assert_eq!(world.network.received(peer), stream);
        assert_eq!(world.reactor.held_len(), 0);
    });
}

#[test]
fn a_frame_larger_than_the_buffer_arrives_whole() {
    for read_buffer_len in [1, 100, 64 * KIB] {
        let config = Config { read_buffer_len, ..timeless() };
        let codec = LengthPrefixed::default().max_len(3 * MIB);
        let mut world = World::with_codec(config, codec, ignore);
        let peer = world.join();
        let large = pattern(3 * MIB);
        world.network.send_from(peer, &[frame(b"before"), frame(&large), frame(b"after")].concat());
        world.settle();
        let frames = world.frames(peer);
        assert_eq!(frames.len(), 3);
        assert!(frames[1] == large, "the large frame has changed on its way");
        assert_eq!(frames[2], "after");
        assert_eq!(world.reactor.held_len(), 0);
    }
}

#[test]
fn a_frame_of_just_the_maximum_arrives_and_one_byte_more_is_refused() {
    for read_buffer_len in [1, 99, 100, 101, 104, 105] {
        for (len, expected) in [(99, None), (100, None), (101, Some("malformed frame"))] {
            let config = Config { read_buffer_len, ..timeless() };
            let mut world =
                World::with_codec(config, LengthPrefixed::default().max_len(100), ignore);
            let peer = world.join();
            world.network.send_from(peer, &frame(&pattern(len)));
            world.run_for(Duration::from_secs(2));
            assert_eq!(world.frames_len(), usize::from(expected.is_none()));
            assert_eq!(world.reasons().first().copied(), expected);
        }
    }
}

#[test]
fn one_mebibyte_and_silence_is_served_with_budgets_of_one_byte() {
    let config = Config { read_budget: 1, frame_budget: 1, ..timeless() };
    let mut world = World::with_codec(config, LengthPrefixed::default(), echo);
    let peer = world.join();
    let stream = frame(&pattern(MIB));
    world.network.send_from(peer, &stream);
    world.settle();
    assert!(world.network.received(peer) == stream, "the answer is not whole");
}

#[test]
fn the_last_frames_before_the_end_of_the_stream_are_answered() {
    for frame_budget in [1, 2, 1000] {
        let mut world = World::new(Config { frame_budget, ..timeless() }, echo);
        let peer = world.network.connect_to(address(0));
        world.network.send_from(peer, &b"line\n".repeat(99));
        world.network.send_from(peer, b"unfinished");
        world.network.finish(peer);
        world.end_of(peer);
        assert_eq!(
            world.network.received(peer),
            [&b"line\n".repeat(99)[..], b"unfinished\n"].concat()
        );
        assert_eq!(world.reasons(), ["peer finished"]);
    }
}
