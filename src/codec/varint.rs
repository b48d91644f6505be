//! Frames behind a length of variable size.

use crate::codec::{Codec, Decoded, checked_len, scan, too_long};
use crate::error::{FrameError, FrameFault};
use crate::output::Output;

/// The bytes of the longest length: 64 bits, seven to a byte.
const LONGEST_HEADER_LEN: usize = 10;

/// Set in each byte of a length but its last.
const MORE: u8 = 0x80;

/// Frames behind their length in LEB128, the way protocol buffers are delimited: seven bits to a
/// byte, the lowest first, the top bit set in each byte but the last.
///
/// The length is that of the payload, which is what a frame is and may be empty. A length that does
/// not fit 64 bits is refused, and so is one that is longer than it need be (`80 00` for zero): no
/// encoder needs to write such a length, and two spellings of one frame help only those who want
/// to slip something past a filter.
///
/// ```
/// use windlass::{Codec, Decoded, Varint};
///
/// let mut codec = Varint::default();
/// let mut arrived = *b"\x05hello and more";
/// let Ok(Decoded::Frame { frame, consumed }) = codec.decode(&mut arrived) else { panic!() };
/// assert_eq!((&*frame, consumed), (&b"hello"[..], 6));
/// ```
#[derive(Clone, Debug)]
pub struct Varint {
    max_len: u32,
    /// How many bytes of an unfinished frame are known to be of its length and not the last.
    scanned: u8,
}

impl Default for Varint {
    /// Payloads of at most 1 MiB.
    fn default() -> Self {
        Self { max_len: 1024 * 1024, scanned: 0 }
    }
}

impl Varint {
    /// Lets through payloads of at most `bytes` bytes, their length not counted.
    ///
    /// # Panics
    ///
    /// If that is zero, or 2 GiB and more.
    #[must_use]
    pub const fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = checked_len(bytes);
        self
    }

    /// How many bytes the length takes, if all of them are in `input`.
    #[inline]
    fn header_len(&mut self, input: &[u8]) -> Result<Option<usize>, FrameError> {
        let header = &input[..input.len().min(LONGEST_HEADER_LEN)];
        let from = usize::from(self.scanned);
        let found = header[from..].iter().position(|byte| byte & MORE == 0);
        scan::looked_at(found.map_or(header.len(), |at| from + at + 1) - from);
        match found {
            Some(at) => Ok(Some(from + at + 1)),
            None if header.len() == LONGEST_HEADER_LEN => Err(too_large()),
            None => {
                #[expect(clippy::cast_possible_truncation, reason = "less than ten")]
                let scanned = header.len() as u8;
                self.scanned = scanned;
                Ok(None)
            }
        }
    }
}

/// The length that `header`, all of its bytes, says.
#[inline]
fn length(header: &[u8]) -> Result<u64, FrameError> {
    scan::looked_at(header.len());
    let last_at = header.len() - 1;
    if last_at > 0 && header[last_at] == 0 {
        let fault = FrameFault::Malformed("the length is longer than it need be");
        return Err(FrameError::new(fault, last_at));
    }
    // The tenth byte has the sixty-fourth bit, and no other.
    if header.len() == LONGEST_HEADER_LEN && header[last_at] > 1 {
        return Err(too_large());
    }
    Ok(header.iter().rev().fold(0, |length, byte| length << 7 | u64::from(byte & !MORE)))
}

#[cold]
const fn too_large() -> FrameError {
    let fault = FrameFault::Malformed("the length does not fit 64 bits");
    FrameError::new(fault, LONGEST_HEADER_LEN - 1)
}

impl Codec for Varint {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        let Some(header_len) = self.header_len(input)? else {
            return Ok(Decoded::Incomplete { need: input.len() + 1 });
        };
        let limit = self.max_len as usize;
        let payload_len = match usize::try_from(length(&input[..header_len])?) {
            Ok(payload_len) if payload_len <= limit => payload_len,
            _ => return Err(FrameError::new(FrameFault::TooLong { limit }, 0)),
        };
        let frame_len = header_len + payload_len;
        match input.get_mut(header_len..frame_len) {
            Some(frame) => {
                self.scanned = 0;
                Ok(Decoded::Frame { frame, consumed: frame_len })
            }
            None => Ok(Decoded::Incomplete { need: frame_len }),
        }
    }

    #[inline]
    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        if message.len() > self.max_len as usize {
            return Err(too_long(self.max_len as usize));
        }
        let mut length = message.len();
        while length >= usize::from(MORE) {
            output.put(&[length.to_le_bytes()[0] | MORE]);
            length >>= 7;
        }
        output.put_pair(&[length.to_le_bytes()[0]], message);
        Ok(())
    }

    fn body<'a>(&self, wire: &'a [u8]) -> &'a [u8] {
        let header_len = wire.iter().position(|byte| byte & MORE == 0).map_or(0, |last| last + 1);
        &wire[header_len..]
    }

    fn max_frame_len(&self) -> usize {
        let header_len = self.max_len.ilog2() / 7 + 1;
        (header_len as usize + self.max_len as usize).max(LONGEST_HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(codec: &Varint, input: &[u8]) -> Result<Option<usize>, FrameError> {
        match codec.clone().decode(&mut input.to_vec())? {
            Decoded::Frame { frame, consumed } => {
                assert_eq!(frame, &input[consumed - frame.len()..consumed]);
                Ok(Some(frame.len()))
            }
            Decoded::Incomplete { need } => {
                assert!(need > input.len());
                Ok(None)
            }
        }
    }

    #[test]
    fn every_length_arrives_as_it_was_sent_in_as_few_bytes_as_it_takes() {
        let mut codec = Varint::default().max_len(3_000_000);
        let lens = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 3_000_000];
        for (len, header_len) in lens.into_iter().zip([1, 1, 1, 2, 2, 3, 3, 4, 4]) {
            let mut output = Output::new();
            codec.encode(&vec![7; len], &mut output).unwrap();
            assert_eq!(output.len(), header_len + len);
            assert_eq!(decode(&codec, &output.to_vec()), Ok(Some(len)));
            assert!(output.len() <= codec.max_frame_len());
        }
    }

    #[test]
    fn what_is_needed_is_the_whole_frame_once_the_length_is_known() {
        let mut codec = Varint::default();
        assert_eq!(codec.decode(&mut [0x80]), Ok(Decoded::Incomplete { need: 2 }));
        assert_eq!(codec.decode(&mut [0x80, 0x02]), Ok(Decoded::Incomplete { need: 258 }));
    }

    #[test]
    fn a_length_above_the_maximum_is_refused_as_soon_as_it_is_known() {
        let codec = Varint::default().max_len(200);
        assert_eq!(decode(&codec, &[0xC8, 0x01]), Ok(None));
        let error = FrameError::new(FrameFault::TooLong { limit: 200 }, 0);
        assert_eq!(decode(&codec, &[0xC9, 0x01]), Err(error));
        let greatest = [&[0xFF; 9][..], &[0x01]].concat();
        assert_eq!(decode(&codec, &greatest), Err(error));
    }

    #[test]
    fn a_length_that_does_not_fit_is_refused() {
        let error = "byte 9: the length does not fit 64 bits";
        for tenth in [0x02, 0x7F, 0x80, 0x81, 0xFF] {
            let input = [&[0x80; 9][..], &[tenth]].concat();
            assert_eq!(decode(&Varint::default(), &input).unwrap_err().to_string(), error);
            assert_eq!(decode(&Varint::default(), &input[..9]), Ok(None));
        }
    }

    #[test]
    fn a_length_longer_than_it_need_be_is_refused() {
        for (input, at) in [(&[0x80, 0x00][..], 1), (&[0xFF, 0x80, 0x00], 2)] {
            let error = decode(&Varint::default(), input).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("byte {at}: the length is longer than it need be")
            );
        }
        let tenth = [&[0x80; 9][..], &[0x00]].concat();
        assert_eq!(decode(&Varint::default(), &tenth).unwrap_err().at, 9);
    }

    #[test]
    fn a_message_too_long_is_refused() {
        let mut output = Output::new();
        let error = Varint::default().max_len(3).encode(&[7; 4], &mut output);
        assert_eq!((error, output.len()), (Err(too_long(3)), 0));
    }

    #[test]
    fn an_unfinished_length_is_within_the_memory_accounted_for() {
        assert_eq!(Varint::default().max_len(1).max_frame_len(), 10);
        assert_eq!(Varint::default().max_len(127).max_frame_len(), 128);
        assert_eq!(Varint::default().max_len(128).max_frame_len(), 130);
    }
}
