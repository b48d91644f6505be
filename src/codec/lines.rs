//! Lines of text.

use crate::codec::{Codec, Decoded, checked_len, scan, stored_len, too_long};
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
#[derive(Clone, Debug)]
pub struct Lines {
    max_len: u32,
    /// How many bytes of an unfinished line were searched.
    scanned: u32,
    crlf: bool,
}

impl Default for Lines {
    /// Lines of at most 64 KiB, sent with LF.
    fn default() -> Self {
        Self { max_len: 64 * 1024, scanned: 0, crlf: false }
    }
}

impl Lines {
    /// Lets through lines of at most `bytes` bytes, their end not counted.
    ///
    /// # Panics
    ///
    /// If that is zero, or 2 GiB and more.
    #[must_use]
    pub const fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = checked_len(bytes);
        self
    }

    /// Ends the lines that are sent with CR LF instead of LF. Both are always understood.
    #[must_use]
    pub const fn crlf(mut self) -> Self {
        self.crlf = true;
        self
    }

    /// There is no LF in `seen`, the beginning of a line.
    fn unfinished(&mut self, seen: &[u8]) -> Result<Decoded<&'static str>, FrameError> {
        let max_len = self.max_len as usize;
        // The one byte that may be too many is a CR which an LF may still follow.
        let may_end = seen.len() == max_len + 1 && ends_in_cr(seen);
        if seen.len() > max_len && !may_end {
            return Err(too_long(max_len));
        }
        self.scanned = stored_len(seen.len());
        Ok(Decoded::Incomplete { need: seen.len() + 1 })
    }

    /// `line`, without its end, if it may be one.
    #[inline]
    fn text<'a>(&self, line: &'a [u8]) -> Result<&'a str, FrameError> {
        if line.len() > self.max_len as usize {
            return Err(too_long(self.max_len as usize));
        }
        scan::looked_at(line.len());
        str::from_utf8(line).map_err(|error| {
            FrameError::new(FrameFault::Malformed("the line is not UTF-8"), error.valid_up_to())
        })
    }
}

fn ends_in_cr(line: &[u8]) -> bool {
    scan::looked_at(usize::from(!line.is_empty()));
    line.ends_with(b"\r")
}

impl Codec for Lines {
    type Frame<'a> = &'a str;
    type Message = str;

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a str>, FrameError> {
        let seen: &[u8] = &input[..input.len().min(self.max_frame_len())];
        let Some(lf) = scan::find(b'\n', seen, self.scanned as usize) else {
            return self.unfinished(seen);
        };
        self.scanned = 0;
        let line_len = lf - usize::from(ends_in_cr(&seen[..lf]));
        Ok(Decoded::Frame { frame: self.text(&seen[..line_len])?, consumed: lf + 1 })
    }

    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<&'a str>, FrameError> {
        if input.is_empty() { Ok(None) } else { self.text(input).map(Some) }
    }

    #[inline]
    fn encode(&mut self, message: &str, output: &mut Output) -> Result<(), FrameError> {
        let message = message.as_bytes();
        if message.len() > self.max_len as usize {
            return Err(too_long(self.max_len as usize));
        }
        if let Some(at) = memchr::memchr(b'\n', message) {
            return Err(FrameError::new(FrameFault::Malformed("the line contains an LF"), at));
        }
        if message.ends_with(b"\r") {
            let fault = FrameFault::Malformed("the line ends in a CR");
            return Err(FrameError::new(fault, message.len() - 1));
        }
        output.put_pair(message, if self.crlf { b"\r\n" } else { b"\n" });
        Ok(())
    }

    fn body<'a>(&self, wire: &'a [u8]) -> &'a [u8] {
        let Some(line) = wire.strip_suffix(b"\n") else { return wire };
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    fn max_frame_len(&self) -> usize {
        self.max_len as usize + b"\r\n".len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
