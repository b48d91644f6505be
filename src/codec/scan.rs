//! Every look a codec takes at what has arrived, so that the tests can count them.
//!
//! A codec is shown an unfinished frame again with each piece that arrives. One that then began
//! anew would look at a frame that comes byte by byte a quadratic number of times, and a peer could
//! buy minutes of work with a few kilobytes. So each codec remembers where it was, and all of them
//! together keep one promise: no more than two bytes looked at for each byte received.

/// Where `byte` first is in `input`, of which the bytes before `from` are not looked at.
#[inline]
pub(super) fn find(byte: u8, input: &[u8], from: usize) -> Option<usize> {
    let rest = &input[from..];
    let found = memchr::memchr(byte, rest);
    looked_at(found.map_or(rest.len(), |at| at + 1));
    found.map(|at| from + at)
}

/// Notes that `count` bytes are looked at, by other means than [`find`].
#[cfg(not(test))]
#[inline(always)]
pub(super) const fn looked_at(_count: usize) {}

#[cfg(test)]
pub(super) use tests::looked_at;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use crate::codec::{Codec, Decoded, Delimited, Fixed, LengthPrefixed, Lines, Varint};

    thread_local! {
        static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    pub(in crate::codec) fn looked_at(count: usize) {
        LOOKED_AT.with(|total| total.set(total.get() + count));
    }

    /// Feeds `stream` to `codec` in pieces of `piece_len`, as the engine does, and says how many
    /// frames there were and how many bytes the codec looked at.
    fn feed<C: Codec>(mut codec: C, stream: &[u8], piece_len: usize) -> (usize, usize) {
        LOOKED_AT.with(|total| total.set(0));
        let mut stream = stream.to_vec();
        let (mut frames, mut start, mut need, mut arrived) = (0, 0, 1, 0);
        while arrived < stream.len() {
            arrived = stream.len().min(arrived + piece_len);
            while start < arrived && arrived - start >= need {
                match codec.decode(&mut stream[start..arrived]) {
                    Ok(Decoded::Frame { consumed, .. }) => {
                        (start, need, frames) = (start + consumed, 1, frames + 1);
                    }
                    Ok(Decoded::Incomplete { need: more }) => need = more,
                    Err(_) => return (frames, LOOKED_AT.with(Cell::get)),
                }
            }
        }
        (frames, LOOKED_AT.with(Cell::get))
    }

    /// Asserts that `codec` finds `expected` frames in `stream` and keeps the promise, however the
    /// stream is cut.
    fn assert_few_looks<C: Codec + Clone>(codec: &C, stream: &[u8], expected: usize) {
        for piece_len in [1, 2, 3, 7, 100, 4096, stream.len()] {
            let (frames, looks) = feed(codec.clone(), stream, piece_len);
            assert_eq!(frames, expected, "in pieces of {piece_len}");
            assert!(
                looks > 0 && looks <= 2 * stream.len(),
                "{looks} looks at {} bytes in pieces of {piece_len}",
                stream.len()
            );
        }
    }

    #[test]
    fn a_line_is_looked_at_twice_at_most() {
        let line = [&b"x".repeat(65_536)[..], b"\r\n"].concat();
        assert_few_looks(&Lines::default(), &line, 1);
        assert_few_looks(&Lines::default(), &line[..65_000], 0);
        assert_few_looks(&Lines::default(), &b"x".repeat(70_000), 0);
        assert_few_looks(&Lines::default(), &b"\r\n".repeat(5_000), 5_000);
        assert_few_looks(&Lines::default(), &b"ab\n".repeat(5_000), 5_000);
        assert_few_looks(&Lines::default(), &b"\r".repeat(65_537), 0);
    }

    #[test]
    fn a_delimited_frame_is_looked_at_twice_at_most_whatever_the_delimiter() {
        for delimiter in [&b"\0"[..], b"\r\n", b"aaaaaaab", b"abababac", b"aaaaaaaa"] {
            let codec = Delimited::new(delimiter);
            let last = *delimiter.last().unwrap();
            let hostile = if last == b'a' { b"aaaaaaa-" } else { b"aaaaaaaa" };
            let frame = [&hostile.repeat(8_000)[..], delimiter].concat();
            assert_few_looks(&codec, &frame, 1);
            assert_few_looks(&codec, &frame[..64_000], 0);
            assert_few_looks(&codec, &[&b"ab".repeat(32_000), delimiter].concat(), 1);
            assert_few_looks(&codec, &delimiter.repeat(1_000), 1_000);
        }
    }

    #[test]
    fn a_long_delimiter_costs_no_more_than_a_short_one() {
        let delimiter = [&b"a".repeat(1_000)[..], b"b"].concat();
        let frame = [&b"a".repeat(60_000)[..], &delimiter].concat();
        assert_few_looks(&Delimited::new(&delimiter), &frame, 1);
    }

    #[test]
    fn nothing_beyond_the_maximum_is_looked_at() {
        let stream = b"x".repeat(10_000);
        let (_, looks) = feed(Lines::default().max_len(100), &stream, stream.len());
        assert!(looks <= 103, "{looks}");
        let (_, looks) = feed(Delimited::new(b"--").max_len(100), &stream, stream.len());
        assert_eq!(looks, 102);
    }

    #[test]
    fn only_the_header_of_a_prefixed_frame_is_looked_at() {
        for payload_len in [1, 2, 127, 128, 300, 65_536] {
            let payload = vec![7; payload_len];
            let prefix = u32::try_from(payload_len).unwrap().to_be_bytes();
            assert_few_looks(&LengthPrefixed::default(), &[&prefix, &payload[..]].concat(), 1);

            let mut output = crate::Output::new();
            Varint::default().encode(&payload, &mut output).unwrap();
            assert_few_looks(&Varint::default(), &output.to_vec(), 1);
        }
        assert_few_looks(&LengthPrefixed::default(), &[0; 4_000], 1_000);
        assert_few_looks(&Varint::default(), &[0; 1_000], 1_000);
        assert_few_looks(&Varint::default(), &[0xFF; 10], 0);
    }

    #[test]
    fn frames_of_one_length_are_not_looked_at() {
        assert_eq!(feed(Fixed::new(16), &[1; 160], 1), (10, 0));
    }

    #[test]
    fn a_search_that_begins_anew_would_be_noticed() {
        let mut line = b"x".repeat(100);
        LOOKED_AT.with(|total| total.set(0));
        for len in 1..=100 {
            assert!(Lines::default().decode(&mut line[..len]).is_ok());
        }
        assert_eq!(LOOKED_AT.with(Cell::get), 5_050);
    }
}
