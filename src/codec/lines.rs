//! Lines of text.

use std::str::Utf8Error;

use crate::codec::{ByteLines, Codec, Decoded, scan};
use crate::error::{FrameError, FrameFault};
use crate::output::Output;

/// Lines of UTF-8 text, each ended by LF or CR LF.
///
/// A frame is the line without its end. Only one CR before the LF belongs to the end; any other is
/// part of the line. What comes after the last LF of a stream is a line too, unless it is empty.
///
/// A message must not contain an LF nor end in a CR: it would not arrive as it was sent.
///
/// ```
/// use windlass::{Codec, Decoded, Lines};
///
/// let mut lines = Lines::default().max_len(1024);
/// let mut arrived = *b"hello\r\nwor";
/// let decoded = lines.decode(&mut arrived);
/// assert_eq!(decoded, Ok(Decoded::Frame { frame: "hello", consumed: 7 }));
/// let decoded = lines.decode(&mut arrived[7..]);
/// assert_eq!(decoded, Ok(Decoded::Incomplete { need: 4 }));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Lines {
    lines: ByteLines,
}

impl Lines {
    /// Lets through lines of at most `bytes` bytes, their end not counted. Without it they have at
    /// most 64 KiB.
    ///
    /// # Panics
    ///
    /// If that is zero, or 2 GiB and more.
    #[must_use]
    pub const fn max_len(self, bytes: usize) -> Self {
        Self { lines: self.lines.max_len(bytes) }
    }

    /// Ends the lines that are sent with CR LF instead of LF. Both are always understood.
    #[must_use]
    pub const fn crlf(self) -> Self {
        Self { lines: self.lines.crlf() }
    }
}

/// `line` as text, if it is.
#[inline]
fn text(line: &[u8]) -> Result<&str, FrameError> {
    scan::looked_at(line.len());
    str::from_utf8(line).map_err(not_text)
}

#[cold]
fn not_text(error: Utf8Error) -> FrameError {
    FrameError::new(FrameFault::Malformed("the line is not UTF-8"), error.valid_up_to())
}

impl Codec for Lines {
    type Frame<'a> = &'a str;
    type Message<'a> = &'a str;

    #[inline(always)]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a str>, FrameError> {
        Ok(match self.lines.decode(input)? {
            Decoded::Frame { frame, consumed } => Decoded::Frame { frame: text(frame)?, consumed },
            Decoded::Incomplete { need } => Decoded::Incomplete { need },
        })
    }

    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<&'a str>, FrameError> {
        self.lines.decode_end(input)?.map(|line| text(line)).transpose()
    }

    #[inline]
    fn encode(&mut self, message: &str, output: &mut Output) -> Result<(), FrameError> {
        self.lines.encode(message.as_bytes(), output)
    }

    fn body<'a>(&self, wire: &'a [u8]) -> &'a [u8] {
        self.lines.body(wire)
    }

    fn max_frame_len(&self) -> usize {
        self.lines.max_frame_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::too_long;

    fn decode(lines: &Lines, input: &str) -> Result<Option<(String, usize)>, FrameError> {
        match lines.clone().decode(&mut input.as_bytes().to_vec())? {
            Decoded::Frame { frame, consumed } => Ok(Some((frame.to_owned(), consumed))),
            Decoded::Incomplete { need } => {
                assert_eq!(need, input.len() + 1);
                Ok(None)
            }
        }
    }

    fn encode(lines: &Lines, message: &str) -> Result<Vec<u8>, FrameError> {
        let mut output = Output::new();
        let result = lines.clone().encode(message, &mut output);
        assert!(result.is_ok() || output.is_empty(), "refused, yet put");
        result.map(|()| output.to_vec())
    }

    #[test]
    fn a_line_ends_with_lf_or_crlf_and_only_one_cr_is_stripped() {
        let lines = Lines::default();
        for (input, line, consumed) in [
            ("a\nb", "a", 2),
            ("a\r\nb", "a", 3),
            ("a\r\r\n", "a\r", 4),
            ("a\rb\n", "a\rb", 4),
            ("\n", "", 1),
            ("\r\n", "", 2),
        ] {
            assert_eq!(decode(&lines, input), Ok(Some((line.to_owned(), consumed))), "{input:?}");
        }
    }

    #[test]
    fn the_longest_line_passes_with_either_end_and_one_byte_more_does_not() {
        let lines = Lines::default().max_len(4);
        for input in ["abcd\n", "abcd\r\n"] {
            assert_eq!(decode(&lines, input), Ok(Some(("abcd".to_owned(), input.len()))));
        }
        for input in ["abcd", "abcd\r"] {
            assert_eq!(decode(&lines, input), Ok(None), "{input:?}");
        }
        for input in ["abcde", "abcd\rx", "abcd\r\r", "abcde\n", "abcd\r\r\n", "abcdefghijkl\n"] {
            assert_eq!(decode(&lines, input), Err(too_long(4)), "{input:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_offset() {
        let mut input = b"ab\xC3\xA9\xFFc\n".to_vec();
        let error = Lines::default().decode(&mut input).unwrap_err();
        assert_eq!(error.to_string(), "byte 4: the line is not UTF-8");
    }

    #[test]
    fn the_rest_of_the_stream_is_a_line_and_a_cr_alone_belongs_to_it() {
        let mut lines = Lines::default().max_len(4);
        assert_eq!(lines.decode_end(&mut []), Ok(None));
        assert_eq!(lines.decode_end(&mut b"abc\r".to_vec()), Ok(Some("abc\r")));
        assert_eq!(lines.decode_end(&mut b"abcd\r".to_vec()), Err(too_long(4)));
        assert!(lines.decode_end(&mut [b'a', 0xC3]).is_err());
    }

    #[test]
    fn a_message_is_sent_as_one_line() {
        assert_eq!(encode(&Lines::default(), "a\rb").unwrap(), b"a\rb\n");
        assert_eq!(encode(&Lines::default().crlf(), "").unwrap(), b"\r\n");
    }

    #[test]
    fn a_message_that_would_not_arrive_as_it_was_sent_is_refused() {
        let lines = Lines::default().max_len(4);
        for (message, expected) in [
            ("ab\nc", "byte 2: the line contains an LF"),
            ("abc\r", "byte 3: the line ends in a CR"),
            ("abcde", "byte 4: the frame is longer than the 4 bytes allowed"),
        ] {
            assert_eq!(encode(&lines, message).unwrap_err().to_string(), expected);
            assert!(encode(&lines.clone().crlf(), message).is_err());
        }
    }

    #[test]
    fn lines_take_little_room_in_a_connection() {
        assert!(size_of::<Lines>() <= 12);
    }

    #[test]
    #[should_panic(expected = "zero bytes")]
    fn a_maximum_of_zero_is_refused() {
        let _ = Lines::default().max_len(0);
    }

    #[test]
    #[should_panic(expected = "2 GiB")]
    fn a_maximum_that_cannot_be_stored_is_refused() {
        let _ = Lines::default().max_len(1 << 31);
    }
}
