//! Lines of any bytes.

use crate::codec::{Codec, Decoded, checked_len, scan, stored_len, too_long};
use crate::error::{FrameError, FrameFault};
use crate::output::Output;

/// Lines of any bytes, each ended by LF or CR LF: as [`Lines`](crate::Lines), for whoever does not
/// need text. That a line is UTF-8 takes longer to check than all else about it.
///
/// A frame is the line without its end. Only one CR before the LF belongs to the end; any other is
/// part of the line. What comes after the last LF of a stream is a line too, unless it is empty.
///
/// A message must not contain an LF nor end in a CR: it would not arrive as it was sent.
///
/// ```
/// use windlass::{ByteLines, Codec, Decoded};
///
/// let mut lines = ByteLines::default().max_len(1024);
/// let mut arrived = *b"caf\xE9\r\nwor";
/// let Ok(Decoded::Frame { frame, consumed }) = lines.decode(&mut arrived) else { panic!() };
/// assert_eq!((&*frame, consumed), (&b"caf\xE9"[..], 6));
/// ```
#[derive(Clone, Debug)]
pub struct ByteLines {
    max_len: u32,
    /// How many bytes of an unfinished line were searched.
    scanned: u32,
    crlf: bool,
}

impl Default for ByteLines {
    /// Lines of at most 64 KiB, sent with LF.
    fn default() -> Self {
        Self { max_len: 64 * 1024, scanned: 0, crlf: false }
    }
}

impl ByteLines {
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

    /// There is no LF in `seen`, the beginning of a line: says how many bytes are needed.
    #[inline(never)]
    fn unfinished(&mut self, seen: &[u8]) -> Result<usize, FrameError> {
        let max_len = self.max_len as usize;
        // The one byte that may be too many is a CR which an LF may still follow.
        let may_end = seen.len() == max_len + 1 && ends_in_cr(seen);
        if seen.len() > max_len && !may_end && !planted!(LineWithoutEnd) {
            return Err(too_long(max_len));
        }
        self.scanned = stored_len(seen.len());
        planted!(ScanFromTheStart, self.scanned = 0);
        Ok(seen.len() + 1)
    }

    /// Whether a line may have so many bytes.
    #[inline]
    const fn check_len(&self, len: usize) -> Result<(), FrameError> {
        if len > self.max_len as usize { Err(too_long(self.max_len as usize)) } else { Ok(()) }
    }
}

#[inline]
fn ends_in_cr(line: &[u8]) -> bool {
    scan::looked_at(usize::from(!line.is_empty()));
    line.ends_with(b"\r")
}

/// Why `message` is no line.
#[cold]
fn refusal(message: &[u8]) -> FrameError {
    match message.iter().position(|byte| *byte == b'\n') {
        Some(at) => FrameError::new(FrameFault::Malformed("the line contains an LF"), at),
        None => {
            let fault = FrameFault::Malformed("the line ends in a CR");
            FrameError::new(fault, message.len() - 1)
        }
    }
}

impl Codec for ByteLines {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    #[inline(always)]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        let seen = &input[..input.len().min(self.max_frame_len())];
        let Some(lf) = scan::find(b'\n', seen, self.scanned as usize) else {
            return Ok(Decoded::Incomplete { need: self.unfinished(seen)? });
        };
        self.scanned = 0;
        let line_len = lf - usize::from(ends_in_cr(&seen[..lf]));
        self.check_len(line_len)?;
        Ok(Decoded::Frame { frame: &mut input[..line_len], consumed: lf + 1 })
    }

    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<&'a mut [u8]>, FrameError> {
        self.check_len(input.len())?;
        Ok(if input.is_empty() { None } else { Some(input) })
    }

    #[inline]
    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        self.check_len(message.len())?;
        if scan::contains(b'\n', message) || message.ends_with(b"\r") {
            return Err(refusal(message));
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

    fn decode(lines: &ByteLines, input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, FrameError> {
        match lines.clone().decode(&mut input.to_vec())? {
            Decoded::Frame { frame, consumed } => Ok(Some((frame.to_vec(), consumed))),
            Decoded::Incomplete { need } => {
                assert_eq!(need, input.len() + 1);
                Ok(None)
            }
        }
    }

    #[test]
    fn a_line_may_be_any_bytes_of_any_length_up_to_the_maximum() {
        let lines = ByteLines::default().max_len(200);
        for len in 0..=200 {
            let line = vec![0xFF; len];
            for end in [&b"\n"[..], b"\r\n"] {
                for behind in [&b""[..], b"\n", b"\r\n\n", &[b'\n'; 200]] {
                    let input = [&line, end, behind].concat();
                    assert_eq!(decode(&lines, &input), Ok(Some((line.clone(), len + end.len()))));
                }
            }
        }
        assert_eq!(decode(&lines, &[0xFF; 201]), Err(too_long(200)));
    }

    #[test]
    fn the_end_of_the_stream_ends_a_line() {
        let mut lines = ByteLines::default().max_len(4);
        assert_eq!(lines.decode_end(&mut []), Ok(None));
        assert_eq!(lines.decode_end(&mut [0xFF, b'\r']), Ok(Some(&mut [0xFF, b'\r'][..])));
        assert_eq!(lines.decode_end(&mut [0xFF; 5]), Err(too_long(4)));
    }

    #[test]
    fn an_end_of_a_line_within_a_message_is_refused_wherever_it_is() {
        for len in 1..=200 {
            for at in 0..len {
                let mut message = vec![0xFF; len];
                message[at] = b'\n';
                let mut output = Output::new();
                let error = ByteLines::default().encode(&message, &mut output).unwrap_err();
                assert_eq!(error.to_string(), format!("byte {at}: the line contains an LF"));
                assert!(output.is_empty());
            }
        }
    }
}
