//! What is sent arrives as it was sent, wherever it is cut.

use std::borrow::Borrow;

use windlass::{ByteLines, Codec, Delimited, Fixed, Lines, Output, Varint};

use crate::feed::{Bytewise, Outcome, assert_outcome};
use crate::fixture::Random;

const CASES: u64 = 2_000;

/// A few places to cut a stream of `len` bytes, in order.
pub(crate) fn cuts(random: &mut Random, len: usize) -> Vec<usize> {
    let mut cuts: Vec<_> = (0..random.below(6)).map(|_| random.below(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Sends messages that `message` makes, with `settings`, and asserts that those which were taken
/// arrive, however they are cut.
fn assert_round_trips<C, M, T>(
    settings: impl Fn(&mut Random) -> C,
    message: impl Fn(&mut Random) -> M,
    may_be_sent: impl Fn(&M) -> bool,
) where
    C: Bytewise + for<'m> Codec<Message<'m> = &'m T>,
    M: Borrow<T> + AsRef<[u8]>,
    T: ?Sized,
{
    for seed in 0..CASES {
        let random = &mut Random::new(seed);
        let mut codec = settings(random);
        let mut output = Output::new();
        let mut frames = Vec::new();
        for _ in 0..random.below(6) {
            let message = message(random);
            let before = output.len();
            let taken = codec.encode(message.borrow(), &mut output).is_ok();
            assert_eq!(taken, may_be_sent(&message), "seed {seed}");
            if taken {
                frames.push(message.as_ref().to_vec());
            } else {
                assert_eq!(output.len(), before, "seed {seed}: refused, yet put");
            }
        }
        let stream = output.to_vec();
        assert_outcome(
            &codec,
            &stream,
            &cuts(random, stream.len()),
            &Outcome { frames, end: Ok(()) },
        );
    }
}

#[test]
fn lines_arrive_as_they_were_sent() {
    assert_round_trips(
        |random| {
            let lines = Lines::default().max_len(16);
            if random.below(2) == 0 { lines } else { lines.crlf() }
        },
        |random| -> String {
            let len = random.below(12);
            (0..len).map(|_| random.pick(&['a', 'a', 'b', '\0', '\u{e9}', '\r', '\n'])).collect()
        },
        |line| line.len() <= 16 && !line.contains('\n') && !line.ends_with('\r'),
    );
}

#[test]
fn lines_of_bytes_arrive_as_they_were_sent() {
    assert_round_trips(
        |_| ByteLines::default().max_len(150),
        |random| -> Vec<u8> {
            let len = random.pick(&[0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 150, 151]);
            let mut message = vec![0xFF; len];
            if len > 0 && random.below(4) == 0 {
                message[random.below(len)] = random.pick(b"\r\n");
            }
            message
        },
        |line| line.len() <= 150 && !line.contains(&b'\n') && !line.ends_with(b"\r"),
    );
}

#[test]
fn messages_before_one_byte_arrive_as_they_were_sent() {
    assert_round_trips(
        |_| Delimited::new(b"|").max_len(150),
        |random| -> Vec<u8> {
            let len = random.pick(&[0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 150, 151]);
            let mut message = vec![0xFF; len];
            if len > 0 && random.below(4) == 0 {
                message[random.below(len)] = random.pick(b"|}");
            }
            message
        },
        |message| message.len() <= 150 && !message.contains(&b'|'),
    );
}

#[test]
fn delimited_messages_arrive_as_they_were_sent() {
    let delimiter = b"abab";
    assert_round_trips(
        |_| Delimited::new(delimiter).max_len(10),
        |random| -> Vec<u8> {
            let len = random.below(13);
            (0..len).map(|_| random.pick(b"abc")).collect()
        },
        |message| {
            let sent = [&message[..], delimiter].concat();
            let first = sent.windows(4).position(|window| window == delimiter);
            message.len() <= 10 && first == Some(message.len())
        },
    );
}

#[test]
fn varint_messages_arrive_as_they_were_sent() {
    assert_round_trips(
        |_| Varint::default().max_len(20_000),
        |random| {
            let len = random.pick(&[0, 1, 127, 128, 129, 16_383, 16_384, 20_000, 20_001]);
            random.bytes(len)
        },
        |message| message.len() <= 20_000,
    );
}

#[test]
fn messages_of_one_length_arrive_as_they_were_sent() {
    assert_round_trips(
        |_| Fixed::new(5),
        |random| {
            let len = random.pick(&[5, 5, 5, 0, 4, 6]);
            random.bytes(len)
        },
        |message| message.len() == 5,
    );
}
