//! Every short stream over a small alphabet, against a plain reading of the whole stream.

use windlass::{ByteLines, Codec, Delimited, Fixed, Lines, Varint};

use crate::feed::{Bytewise, assert_outcome};
use crate::readers::{Next, delimited, fixed, line, read, varint};

/// All strings of up to `max_len` bytes of `alphabet`.
fn words(alphabet: &[u8], max_len: usize) -> Vec<Vec<u8>> {
    let mut words = vec![vec![]];
    let mut from = 0;
    for _ in 0..max_len {
        let to = words.len();
        for shorter in from..to {
            for byte in alphabet {
                let word = [&words[shorter][..], &[*byte]].concat();
                words.push(word);
            }
        }
        from = to;
    }
    words
}

/// Asserts that `codec` makes of each stream, whole and byte by byte, what a plain reader does.
fn assert_reads_like<C: Bytewise>(codec: &C, streams: &[Vec<u8>], next: impl Fn(&[u8]) -> Next) {
    for stream in streams {
        let expected = read(stream, &next);
        assert_outcome(codec, stream, &[], &expected);
        assert_outcome(codec, stream, &(1..stream.len()).collect::<Vec<_>>(), &expected);
    }
}

#[test]
fn every_short_stream_of_lines_is_read_as_promised() {
    let streams = words(b"a\r\n\xC3\xA9", 6);
    assert_reads_like(&Lines::default().max_len(2), &streams, |rest| line(rest, 2, true));
    assert_reads_like(&ByteLines::default().max_len(2), &streams, |rest| line(rest, 2, false));
}

#[test]
fn every_short_stream_of_delimited_frames_is_read_as_promised() {
    let streams = words(b"ab", 9);
    for delimiter in words(b"ab", 4).iter().skip(1) {
        let codec = Delimited::new(delimiter).max_len(3);
        assert_reads_like(&codec, &streams, |rest| delimited(rest, delimiter, 3));
    }
}

#[test]
fn every_short_stream_of_frames_of_one_length_is_read_as_promised() {
    for len in 1..=4 {
        assert_reads_like(&Fixed::new(len), &words(b"ab", 9), |rest| fixed(rest, len));
    }
}

#[test]
fn every_short_stream_behind_lengths_of_variable_size_is_read_as_promised() {
    for max_len in [1, 2, 128] {
        let codec = Varint::default().max_len(max_len);
        let streams = words(&[0, 1, 2, 0x80, 0x81, 0xFF], 5);
        assert_reads_like(&codec, &streams, |rest| varint(rest, max_len));
        // The longest lengths, and those just beyond.
        let longest = words(&[0, 1, 2, 0x80, 0xFF], 3);
        let longest: Vec<_> = longest.iter().map(|end| [&[0xFF; 8][..], end].concat()).collect();
        assert_reads_like(&codec, &longest, |rest| varint(rest, max_len));
        assert_eq!(codec.max_frame_len(), 10.max(max_len + if max_len < 128 { 1 } else { 2 }));
    }
}
