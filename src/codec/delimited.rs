//! Frames that a delimiter ends.

use std::sync::Arc;

use crate::codec::pattern::{Pattern, Search};
use crate::codec::{Codec, Decoded, checked_len, too_long};
use crate::error::{FrameError, FrameFault};
use crate::output::Output;

/// Frames of any bytes, each ended by a delimiter: any byte string that is not empty.
///
/// A frame is what stands before the first delimiter, and may be empty. A stream that ends without
/// a delimiter after its last byte was truncated.
///
/// A message must not contain the delimiter, nor end so that an earlier one comes about when the
/// delimiter follows it: it would not arrive as it was sent.
///
/// ```
/// use windlass::{Codec, Decoded, Delimited};
///
/// let mut codec = Delimited::new(b"--").max_len(1024);
/// let mut arrived = *b"a-b--c";
/// let Ok(Decoded::Frame { frame, consumed }) = codec.decode(&mut arrived) else { panic!() };
/// assert_eq!((&*frame, consumed), (&b"a-b"[..], 5));
/// ```
#[derive(Clone, Debug)]
pub struct Delimited {
    /// One for all the connections of a listener.
    delimiter: Arc<Pattern>,
    max_len: u32,
    search: Search,
}

impl Default for Delimited {
    /// Frames of at most 64 KiB, each ended by a zero byte.
    fn default() -> Self {
        Self::new(b"\0")
    }
}

impl Delimited {
    /// Frames of at most 64 KiB, each ended by `delimiter`.
    ///
    /// # Panics
    ///
    /// If the delimiter is empty or longer than 64 KiB.
    pub fn new(delimiter: &[u8]) -> Self {
        assert!(!delimiter.is_empty(), "a delimiter of no bytes ends nothing");
        assert!(delimiter.len() <= 64 * 1024, "a delimiter of more than 64 KiB is not supported");
        Self {
            delimiter: Arc::new(Pattern::new(delimiter)),
            max_len: 64 * 1024,
            search: Search::default(),
        }
    }

    /// Lets through frames of at most `bytes` bytes, the delimiter not counted.
    ///
    /// # Panics
    ///
    /// If that is zero, or 2 GiB and more.
    #[must_use]
    pub const fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = checked_len(bytes);
        self
    }

    /// Whether the first delimiter after `message` is the one put there.
    #[inline(never)]
    fn check(&self, message: &[u8]) -> Result<(), FrameError> {
        let delimiter_len = self.delimiter.bytes().len();
        let mut search = Search::default();
        if let Some(end) = self.delimiter.find(message, &mut search) {
            let fault = FrameFault::Malformed("the message contains the delimiter");
            return Err(FrameError::new(fault, end - delimiter_len));
        }
        match self.delimiter.find_in_itself(search) {
            Some(end) if end < delimiter_len => {
                let fault = FrameFault::Malformed("the message ends in a part of the delimiter");
                Err(FrameError::new(fault, message.len() + end - delimiter_len))
            }
            _ => Ok(()),
        }
    }
}

impl Codec for Delimited {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        let seen = &input[..input.len().min(self.max_frame_len())];
        if let Some(end) = self.delimiter.find(seen, &mut self.search) {
            let frame = &mut input[..end - self.delimiter.bytes().len()];
            return Ok(Decoded::Frame { frame, consumed: end });
        }
        if self.search.earliest_start() > self.max_len as usize {
            return Err(too_long(self.max_len as usize));
        }
        // A delimiter may be further away, but that the frame is too long may show with any byte.
        Ok(Decoded::Incomplete { need: input.len() + 1 })
    }

    #[inline]
    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        if message.len() > self.max_len as usize {
            return Err(too_long(self.max_len as usize));
        }
        if !self.delimiter.is_far_from(message) {
            self.check(message)?;
        }
        output.put_pair(message, self.delimiter.bytes());
        Ok(())
    }

    fn body<'a>(&self, wire: &'a [u8]) -> &'a [u8] {
        wire.strip_suffix(self.delimiter.bytes()).unwrap_or(wire)
    }

    fn max_frame_len(&self) -> usize {
        self.max_len as usize + self.delimiter.bytes().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(codec: &Delimited, input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, FrameError> {
        match codec.clone().decode(&mut input.to_vec())? {
            Decoded::Frame { frame, consumed } => Ok(Some((frame.to_vec(), consumed))),
            Decoded::Incomplete { need } => {
                assert_eq!(need, input.len() + 1);
                Ok(None)
            }
        }
    }

    fn encode(codec: &Delimited, message: &[u8]) -> Result<Vec<u8>, FrameError> {
        let mut output = Output::new();
        let result = codec.clone().encode(message, &mut output);
        assert!(result.is_ok() || output.is_empty(), "refused, yet put");
        result.map(|()| output.to_vec())
    }

    #[test]
    fn a_frame_ends_at_the_first_delimiter_though_beginnings_of_it_overlap() {
        let codec = Delimited::new(b"aab");
        assert_eq!(decode(&codec, b"aaabx"), Ok(Some((b"a".to_vec(), 4))));
        assert_eq!(decode(&codec, b"aab"), Ok(Some((vec![], 3))));
        assert_eq!(decode(&codec, b"aacaab"), Ok(Some((b"aac".to_vec(), 6))));
        assert_eq!(decode(&codec, b"aaaa"), Ok(None));
    }

    #[test]
    fn the_longest_frame_passes_and_one_byte_more_is_refused_as_soon_as_it_shows() {
        let codec = Delimited::new(b"--").max_len(4);
        assert_eq!(decode(&codec, b"abcd--"), Ok(Some((b"abcd".to_vec(), 6))));
        assert_eq!(decode(&codec, b"abcd-"), Ok(None));
        for input in [&b"abcde"[..], b"abcd-x", b"abcde-", b"abcde--", b"abcdefghijk--"] {
            assert_eq!(decode(&codec, input), Err(too_long(4)), "{input:?}");
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_was_truncated() {
        let mut codec = Delimited::new(b"--");
        assert_eq!(codec.decode_end(&mut []), Ok(None));
        let error = codec.decode_end(&mut b"ab-".to_vec()).unwrap_err();
        assert_eq!(error, FrameError::new(FrameFault::Truncated, 3));
    }

    #[test]
    fn exactly_the_messages_that_arrive_as_they_were_sent_are_taken() {
        let words = |max_len: u32| {
            (1..=max_len).flat_map(|len| {
                (0..1_u32 << len).map(move |word| {
                    (0..len).map(|bit| b'a' + (word >> bit & 1) as u8).collect::<Vec<u8>>()
                })
            })
        };
        for delimiter in words(4) {
            let codec = Delimited::new(&delimiter).max_len(6);
            for message in words(7).chain([vec![]]) {
                let sent = [&message[..], &delimiter].concat();
                let arrives = decode(&codec, &sent) == Ok(Some((message.clone(), sent.len())));
                let encoded = encode(&codec, &message);
                assert_eq!(encoded.is_ok(), arrives, "{message:?} before {delimiter:?}");
                assert!(encoded.is_err() || encoded == Ok(sent));
            }
        }
    }

    #[test]
    fn a_refused_message_is_told_where_the_false_delimiter_begins() {
        for (delimiter, message, expected) in [
            (&b"--"[..], &b"ab--c"[..], "byte 2: the message contains the delimiter"),
            (b"--", b"abcd--e", "byte 4: the message contains the delimiter"),
            (b"--", b"ab-", "byte 2: the message ends in a part of the delimiter"),
            (b"abab", b"xab", "byte 1: the message ends in a part of the delimiter"),
        ] {
            let error = encode(&Delimited::new(delimiter), message).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn the_delimiter_is_not_copied_for_each_connection() {
        let codec = Delimited::new(b"\r\n.\r\n");
        assert!(Arc::ptr_eq(&codec.delimiter, &codec.clone().delimiter));
        assert!(size_of::<Delimited>() <= 24);
    }

    #[test]
    #[should_panic(expected = "no bytes")]
    fn an_empty_delimiter_is_refused() {
        let _ = Delimited::new(b"");
    }
}
