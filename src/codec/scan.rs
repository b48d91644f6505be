//! Every look a codec takes at what has arrived, so that the tests can count them.
//!
//! A codec is shown an unfinished frame again with each piece that arrives. One that then began
//! anew would look at a frame that comes byte by byte a quadratic number of times, and a peer could
//! buy minutes of work with a few kilobytes. So each codec remembers where it was, and all of them
//! together keep one promise: no more than two bytes looked at for each byte received.

/// How far is looked in one glance. Most frames end before. What it takes to begin a search in
/// larger steps, which is more than a glance, is little for those that do not.
const NEAR_LEN: usize = 64;

/// Where `byte` first is in `input`, of which the bytes before `from` are not looked at.
#[inline]
pub(super) fn find(byte: u8, input: &[u8], from: usize) -> Option<usize> {
    let rest = &input[from..];
    let found = first_place(byte, rest);
    looked_at(found.map_or(rest.len(), |at| at + 1));
    found.map(|at| from + at)
}

/// Where `byte` first is in `bytes`, of which there may be many more than have to be looked at.
#[inline]
fn first_place(byte: u8, bytes: &[u8]) -> Option<usize> {
    let Some((near, far)) = bytes.split_first_chunk() else {
        return memchr::memchr(byte, bytes);
    };
    match is_in(byte, near) {
        true => Some(place_in(byte, near)),
        false => memchr::memchr(byte, far).map(|at| near.len() + at),
    }
}

/// Where `byte`, which is in `near`, is first.
#[inline(always)]
fn place_in(byte: u8, near: &[u8; NEAR_LEN]) -> usize {
    let (quarters, _) = near.as_chunks::<16>();
    let quarter = quarters.iter().position(|quarter| is_in(byte, quarter)).unwrap_or_default();
    let (halves, _) = quarters[quarter].as_chunks();
    let [first, last] =
        [0, 1].map(|half| zeros(u64::from_le_bytes(halves[half]) ^ u64::from_le_bytes([byte; 8])));
    let bits = if first != 0 { first.trailing_zeros() } else { 64 + last.trailing_zeros() };
    16 * quarter + bits as usize / 8
}

/// Whether `byte` is in `bytes`, all of which are looked at.
#[inline]
pub(super) fn contains(byte: u8, bytes: &[u8]) -> bool {
    /// Looks at the first bytes and the last, which between them are all, some of them twice.
    #[inline(always)]
    fn at_either_end<const N: usize>(byte: u8, bytes: &[u8]) -> Option<bool> {
        Some(is_in(byte, bytes.first_chunk::<N>()?) | is_in(byte, bytes.last_chunk::<N>()?))
    }
    let found = match bytes.len() {
        129.. => None,
        65.. => at_either_end::<64>(byte, bytes),
        33.. => at_either_end::<32>(byte, bytes),
        16.. => at_either_end::<16>(byte, bytes),
        _ => return bytes.contains(&byte),
    };
    found.unwrap_or_else(|| memchr::memchr(byte, bytes).is_some())
}

/// Whether `byte` is in `bytes`: without a branch, so that many are compared at once.
#[inline(always)]
fn is_in<const N: usize>(byte: u8, bytes: &[u8; N]) -> bool {
    bytes.iter().fold(false, |is_in, other| is_in | (*other == byte))
}

/// A word of which the lowest bit that is set is the top bit of the first byte that is zero in
/// `word`: of no byte before it, since only a byte that is less than one borrows.
const fn zeros(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Notes that `count` bytes are looked at, by other means than [`find`].
#[cfg(not(test))]
#[inline(always)]
pub(super) const fn looked_at(_count: usize) {}

#[cfg(test)]
pub(crate) use tests::{looked_at, looks};

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{contains, find};
    use crate::codec::{
        ByteLines, Codec, Decoded, Delimited, Fixed, LengthPrefixed, Lines, Varint,
    };

    thread_local! {
        static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn looked_at(count: usize) {
        LOOKED_AT.with(|total| total.set(total.get() + count));
    }

    /// At how many bytes the codecs have looked on this thread.
    pub(crate) fn looks() -> usize {
        LOOKED_AT.with(Cell::get)
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
                    Err(_) => return (frames, looks()),
                }
            }
        }
        (frames, looks())
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
        assert_few_looks(&ByteLines::default(), &line, 1);
        assert_few_looks(&ByteLines::default(), &b"ab\n".repeat(5_000), 5_000);
    }

    /// Bytes without a zero, of many values, and at `at` a zero: the first, if there are more.
    fn bytes_with_a_zero(len: usize, at: usize, more: bool) -> Vec<u8> {
        let bytes = (1..=255_u8).cycle().zip(0..len);
        bytes
            .map(|(byte, place)| if place == at || (more && place > at) { 0 } else { byte })
            .collect()
    }

    #[test]
    fn a_byte_is_found_wherever_it_is_first() {
        for len in 0..200 {
            for at in 0..=len {
                for more in [false, true] {
                    let bytes = bytes_with_a_zero(len, at, more);
                    let expected = (at < len).then_some(at);
                    assert_eq!(find(0, &bytes, 0), expected, "{at} of {len}");
                    assert_eq!(find(0, &bytes, at), expected, "from {at} of {len}");
                    assert_eq!(contains(0, &bytes), at < len, "{at} of {len}");
                }
            }
        }
    }

    #[test]
    fn a_byte_next_to_the_one_looked_for_is_not_taken_for_it() {
        for byte in [0, 1, b'\n', 0x7F, 0x80, 0xFF] {
            for other in [byte ^ 1, byte.wrapping_add(1), byte ^ 0x80] {
                let bytes = [&[other; 40][..], &[byte, other]].concat();
                assert_eq!(find(byte, &bytes, 0), Some(40));
                assert_eq!(find(byte, &bytes[9..], 0), Some(31));
                assert_eq!(find(byte, &bytes[..40], 0), None);
                assert!(contains(byte, &bytes) && !contains(byte, &bytes[..40]));
            }
        }
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
        assert_eq!(looks(), 5_050);
    }
}
