//! Frames behind a length of fixed size.

use crate::codec::{Codec, Decoded, checked_len, scan, too_long};
use crate::error::{FrameError, FrameFault};
use crate::output::Output;

/// No length is above this, so that adding to it cannot wrap. It is beyond every maximum.
const GREATEST_LENGTH: u64 = 1 << 62;

/// The length of a header that is only a length of four bytes.
const PLAIN_HEADER_LEN: u16 = 4;

/// The order of a length's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Endian {
    /// The highest byte first, as in most network protocols.
    #[default]
    Big,
    /// The lowest byte first.
    Little,
}

/// Frames behind a length of 1, 2, 3, 4 or 8 bytes.
///
/// A frame on the wire is a header and a payload. The header is [`offset`](Self::offset) bytes of
/// any kind and the length; the payload is all that follows. Unless it is told otherwise the codec
/// expects a length of four bytes, the highest first, at the beginning, which counts the payload,
/// and strips the header.
///
/// The payload may be empty. In a header that is stripped the encoder writes zeros before the
/// length. With a header that is kept, a message brings its own, and is refused if its length does
/// not agree.
///
/// ```
/// use windlass::{Codec, Decoded, Endian, LengthPrefixed};
///
/// // A type byte, then two bytes that count the whole frame.
/// let mut codec = LengthPrefixed::default()
///     .offset(1)
///     .width(2)
///     .endian(Endian::Little)
///     .includes_header()
///     .keep_header()
///     .max_len(1024);
/// let mut arrived = *b"T\x05\x00abT";
/// let Ok(Decoded::Frame { frame, consumed }) = codec.decode(&mut arrived) else { panic!() };
/// assert_eq!((&*frame, consumed), (&b"T\x05\x00ab"[..], 5));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LengthPrefixed {
    /// Payloads shorter than this are taken the short way: none, unless the settings that tell how
    /// a header looks and what it means are the default ones.
    plain_end: u32,
    max_len: u32,
    adjustment: i32,
    /// What is added to the length read to make it the payload's.
    to_payload: i32,
    header_len: u16,
    /// Where the frame that the handler sees begins.
    frame_start: u16,
    width: u8,
    endian: Endian,
    includes_header: bool,
    keeps_header: bool,
}

impl Default for LengthPrefixed {
    /// A length of four bytes, the highest first, for payloads of at most 1 MiB.
    fn default() -> Self {
        let settings = Self {
            plain_end: 0,
            max_len: 1024 * 1024,
            adjustment: 0,
            to_payload: 0,
            header_len: PLAIN_HEADER_LEN,
            frame_start: 0,
            width: 4,
            endian: Endian::Big,
            includes_header: false,
            keeps_header: false,
        };
        settings.settled()
    }
}

impl LengthPrefixed {
    /// Lets through payloads of at most `bytes` bytes, the header not counted.
    ///
    /// # Panics
    ///
    /// If that is zero, or 2 GiB and more.
    #[must_use]
    pub const fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = checked_len(bytes);
        self.settled()
    }

    /// The length has `bytes` bytes: 1, 2, 3, 4 or 8.
    ///
    /// # Panics
    ///
    /// If it is another number.
    #[must_use]
    pub const fn width(self, bytes: usize) -> Self {
        let width = match bytes {
            1 => 1,
            2 => 2,
            3 => 3,
            4 => 4,
            8 => 8,
            _ => panic!("a length has 1, 2, 3, 4 or 8 bytes"),
        };
        self.with_header(self.offset_len(), width)
    }

    /// The order of the length's bytes.
    #[must_use]
    pub const fn endian(mut self, endian: Endian) -> Self {
        self.endian = endian;
        self.settled()
    }

    /// In each frame `bytes` bytes come before the length.
    ///
    /// # Panics
    ///
    /// If there are more than 32 KiB of them.
    #[must_use]
    pub const fn offset(self, bytes: usize) -> Self {
        assert!(bytes <= 32 * 1024, "an offset of more than 32 KiB is not supported");
        #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
        let offset = bytes as u16;
        self.with_header(offset, self.width)
    }

    /// `bytes`, which may be negative, are added to the length read; the sum is the length meant.
    /// The encoder subtracts them again.
    ///
    /// A protocol whose length counts three bytes of every frame that are not in the payload wants
    /// -3. A length that comes out negative is refused.
    ///
    /// # Panics
    ///
    /// If it is more than 1 GiB either way.
    #[must_use]
    pub const fn adjustment(mut self, bytes: i32) -> Self {
        let allowed = bytes.unsigned_abs() <= 1 << 30;
        assert!(allowed, "an adjustment of more than 1 GiB is not supported");
        self.adjustment = bytes;
        self.settled()
    }

    /// The length counts the whole frame, and not only the payload.
    #[must_use]
    pub const fn includes_header(mut self) -> Self {
        self.includes_header = true;
        self.settled()
    }

    /// The frame that the handler sees is the whole frame, and not only the payload; and so is the
    /// message that it sends.
    #[must_use]
    pub const fn keep_header(mut self) -> Self {
        self.keeps_header = true;
        self.settled()
    }

    const fn with_header(mut self, offset: u16, width: u8) -> Self {
        self.header_len = offset + width as u16;
        self.width = width;
        self.settled()
    }

    /// With all that follows from the settings.
    const fn settled(mut self) -> Self {
        self.frame_start = if self.keeps_header { 0 } else { self.header_len };
        let counted_len = if self.includes_header { self.header_len as i32 } else { 0 };
        self.to_payload = self.adjustment - counted_len;
        let is_plain = self.width == 4
            && matches!(self.endian, Endian::Big)
            && self.to_payload == 0
            && self.frame_start == PLAIN_HEADER_LEN;
        self.plain_end = if is_plain { self.max_len + 1 } else { 0 };
        self
    }

    const fn offset_len(&self) -> u16 {
        self.header_len - self.width as u16
    }

    /// The greatest length that can be written.
    const fn greatest_length(&self) -> u64 {
        if self.width == 8 { GREATEST_LENGTH } else { (1 << (8 * self.width)) - 1 }
    }

    /// The length in `header`, which it ends.
    fn length(&self, header: &[u8]) -> u64 {
        scan::looked_at(usize::from(self.width));
        match (self.width, self.endian) {
            (1, _) => tail::<1>(header)[0].into(),
            (2, Endian::Big) => u16::from_be_bytes(tail(header)).into(),
            (2, Endian::Little) => u16::from_le_bytes(tail(header)).into(),
            (3, endian) => {
                let [first, middle, last] = tail(header);
                let (high, low) = if endian == Endian::Big { (first, last) } else { (last, first) };
                u32::from_be_bytes([0, high, middle, low]).into()
            }
            (4, Endian::Big) => u32::from_be_bytes(tail(header)).into(),
            (4, Endian::Little) => u32::from_le_bytes(tail(header)).into(),
            (_, Endian::Big) => u64::from_be_bytes(tail(header)).min(GREATEST_LENGTH),
            (_, Endian::Little) => u64::from_le_bytes(tail(header)).min(GREATEST_LENGTH),
        }
    }

    /// The payload's length that `header` says, if it is allowed.
    fn payload_len(&self, header: &[u8]) -> Result<usize, FrameError> {
        // A negative sum comes out beyond every maximum, so that one comparison finds both faults.
        let payload_len = self.length(header).wrapping_add_signed(self.to_payload.into());
        if payload_len > u64::from(self.max_len) && !planted!(LengthUnchecked) {
            return Err(self.refusal(payload_len));
        }
        #[expect(clippy::cast_possible_truncation, reason = "no more than 32 bits, as compared")]
        let payload_len = payload_len as u32;
        Ok(payload_len as usize)
    }

    #[cold]
    fn refusal(&self, payload_len: u64) -> FrameError {
        let fault = if payload_len > u64::MAX / 2 {
            FrameFault::Malformed("the length is less than it counts at least")
        } else {
            FrameFault::TooLong { limit: self.max_len as usize }
        };
        FrameError::new(fault, self.offset_len().into())
    }

    /// The length to write before a payload of `payload_len` bytes.
    fn length_for(&self, payload_len: usize) -> Result<u64, FrameError> {
        if payload_len > self.max_len as usize {
            return Err(too_long(self.max_len as usize));
        }
        let length = (payload_len as u64).wrapping_add_signed(-i64::from(self.to_payload));
        if length > self.greatest_length() {
            return Err(self.unwritable(payload_len));
        }
        Ok(length)
    }

    #[cold]
    fn unwritable(&self, payload_len: usize) -> FrameError {
        let longest = self.longest_payload_len();
        if payload_len > longest {
            return too_long(longest);
        }
        let fault = FrameFault::Malformed("no length can be written for a message so short");
        FrameError::new(fault, payload_len)
    }

    /// The longest payload that both the maximum and the width of the length allow.
    fn longest_payload_len(&self) -> usize {
        let longest = self.greatest_length().saturating_add_signed(self.to_payload.into());
        usize::try_from(longest).unwrap_or(usize::MAX).min(self.max_len as usize)
    }

    /// The length of the frame that `input` begins with, as far as that is known: it is no less
    /// than that of the header.
    #[inline(never)]
    fn frame_len(&self, input: &[u8]) -> Result<usize, FrameError> {
        let header_len = usize::from(self.header_len);
        match input.get(..header_len) {
            Some(header) => Ok(header_len + self.payload_len(header)?),
            None => Ok(header_len),
        }
    }

    /// [`encode`](Codec::encode), whatever the settings.
    #[inline(never)]
    fn encode_any(&self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        if self.keeps_header {
            self.check_whole(message)?;
        } else {
            let length = self.length_for(message.len())?;
            put_zeros(self.offset_len().into(), output);
            let width = usize::from(self.width);
            match self.endian {
                Endian::Big => output.put(&length.to_be_bytes()[8 - width..]),
                Endian::Little => output.put(&length.to_le_bytes()[..width]),
            }
        }
        output.put(message);
        Ok(())
    }

    /// Whether `message`, which has its header already, is a frame.
    fn check_whole(&self, message: &[u8]) -> Result<(), FrameError> {
        let Some((header, payload)) = message.split_at_checked(self.header_len.into()) else {
            let fault = FrameFault::Malformed("the message is shorter than its header");
            return Err(FrameError::new(fault, message.len()));
        };
        if self.payload_len(header)? != payload.len() {
            let fault = FrameFault::Malformed("the length in the message is not the message's");
            return Err(FrameError::new(fault, self.offset_len().into()));
        }
        Ok(())
    }
}

/// The last bytes of `header`.
fn tail<const N: usize>(header: &[u8]) -> [u8; N] {
    *header.last_chunk().expect("a header ends in the whole length")
}

/// Puts `count` zeros.
fn put_zeros(mut count: usize, output: &mut Output) {
    const ZEROS: [u8; 64] = [0; 64];
    while count > 0 {
        let part_len = count.min(ZEROS.len());
        output.put(&ZEROS[..part_len]);
        count -= part_len;
    }
}

impl Codec for LengthPrefixed {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    #[inline(always)]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        // The short way, for what most frames of most protocols are. What it does not take it
        // leaves to the long way, which alone knows what an error is.
        if let Some(&header) = input.first_chunk() {
            let payload_len = u32::from_be_bytes(header);
            let frame_len = header.len() + payload_len as usize;
            if payload_len < self.plain_end && frame_len <= input.len() {
                scan::looked_at(header.len());
                let frame = &mut input[header.len()..frame_len];
                return Ok(Decoded::Frame { frame, consumed: frame_len });
            }
        }
        let frame_len = self.frame_len(input)?;
        Ok(match input.get_mut(self.frame_start.into()..frame_len) {
            Some(frame) => Decoded::Frame { frame, consumed: frame_len },
            None => Decoded::Incomplete { need: frame_len },
        })
    }

    #[inline]
    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        if message.len() < self.plain_end as usize {
            #[expect(clippy::cast_possible_truncation, reason = "it is below a number of 32 bits")]
            let length = message.len() as u32;
            output.put_pair(&length.to_be_bytes(), message);
            Ok(())
        } else {
            self.encode_any(message, output)
        }
    }

    fn body<'a>(&self, wire: &'a [u8]) -> &'a [u8] {
        wire.get(self.frame_start.into()..).unwrap_or_default()
    }

    fn max_frame_len(&self) -> usize {
        usize::from(self.header_len) + self.longest_payload_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(codec: LengthPrefixed, input: &[u8]) -> Result<Decoded<Vec<u8>>, FrameError> {
        let mut codec = codec;
        Ok(match codec.decode(&mut input.to_vec())? {
            Decoded::Frame { frame, consumed } => {
                Decoded::Frame { frame: frame.to_vec(), consumed }
            }
            Decoded::Incomplete { need } => Decoded::Incomplete { need },
        })
    }

    fn encode(mut codec: LengthPrefixed, message: &[u8]) -> Result<Vec<u8>, FrameError> {
        let mut output = Output::new();
        let result = codec.encode(message, &mut output);
        assert!(result.is_ok() || output.is_empty(), "refused, yet put");
        result.map(|()| output.to_vec())
    }

    fn frame(frame: &[u8], consumed: usize) -> Result<Decoded<Vec<u8>>, FrameError> {
        Ok(Decoded::Frame { frame: frame.to_vec(), consumed })
    }

    #[test]
    fn the_default_is_four_bytes_highest_first_that_count_the_payload() {
        let codec = LengthPrefixed::default();
        assert_eq!(decode(codec, b"\0\0\0\x02abc"), frame(b"ab", 6));
        assert_eq!(decode(codec, b"\0\0\0\0"), frame(b"", 4));
        assert_eq!(encode(codec, b"ab").unwrap(), b"\0\0\0\x02ab");
    }

    #[test]
    fn a_length_is_read_and_written_in_every_width_and_order() {
        let payload = [7; 0x0102];
        for width in [1, 2, 3, 4, 8] {
            for endian in [Endian::Big, Endian::Little] {
                let codec = LengthPrefixed::default().width(width).endian(endian);
                let payload = if width == 1 { &payload[..0x12] } else { &payload[..] };
                let mut header = vec![0; width];
                header[width - 1] = payload.len().to_le_bytes()[0];
                if width > 1 {
                    header[width - 2] = 1;
                }
                if endian == Endian::Little {
                    header.reverse();
                }
                let sent = [&header, payload].concat();
                assert_eq!(decode(codec, &sent), frame(payload, sent.len()), "{codec:?}");
                assert_eq!(encode(codec, payload), Ok(sent), "{codec:?}");
            }
        }
    }

    #[test]
    fn what_is_needed_is_the_header_and_then_the_whole_frame() {
        let codec = LengthPrefixed::default().offset(2).width(2);
        for input in [&b"x"[..], b"xy\0"] {
            assert_eq!(decode(codec, input), Ok(Decoded::Incomplete { need: 4 }));
        }
        for input in [&b"xy\0\x05"[..], b"xy\0\x05abcd"] {
            assert_eq!(decode(codec, input), Ok(Decoded::Incomplete { need: 9 }));
        }
        let default = LengthPrefixed::default();
        assert_eq!(decode(default, b"\0"), Ok(Decoded::Incomplete { need: 4 }));
        assert_eq!(decode(default, b"\0\0\0\x02a"), Ok(Decoded::Incomplete { need: 6 }));
    }

    #[test]
    fn a_length_above_the_maximum_is_refused_with_the_header() {
        let codec = LengthPrefixed::default().max_len(3);
        assert_eq!(decode(codec, b"\0\0\0\x03abc"), frame(b"abc", 7));
        let error = decode(codec, b"\0\0\0\x04").unwrap_err();
        assert_eq!(error, FrameError::new(FrameFault::TooLong { limit: 3 }, 0));
        let error = decode(codec.offset(5), b"\0\0\0\0\0\0\0\0\x04").unwrap_err();
        assert_eq!(error, FrameError::new(FrameFault::TooLong { limit: 3 }, 5));
    }

    #[test]
    fn no_length_however_great_or_small_wraps_around() {
        let codec = LengthPrefixed::default().width(8);
        for adjustment in [1 << 30, 5, 0, -5, -(1 << 30)] {
            for length in [u64::MAX, u64::MAX - 4, 1 << 63, (1 << 63) - 1, 1 << 62, 1 << 32] {
                let codec = codec.adjustment(adjustment).includes_header().max_len(1 << 20);
                let error = decode(codec, &length.to_be_bytes()).unwrap_err();
                assert_eq!(error.fault, FrameFault::TooLong { limit: 1 << 20 }, "{length}");
            }
        }
        let error = decode(codec.adjustment(-5), &4_u64.to_be_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "byte 0: the length is less than it counts at least");
    }

    #[test]
    fn the_length_may_count_the_header_and_more() {
        let whole = LengthPrefixed::default().width(2).includes_header();
        assert_eq!(decode(whole, b"\0\x04ab"), frame(b"ab", 4));
        assert_eq!(encode(whole, b"ab").unwrap(), b"\0\x04ab");
        assert!(decode(whole, b"\0\x01").is_err());

        let more = LengthPrefixed::default().width(2).adjustment(-3);
        assert_eq!(decode(more, b"\0\x05ab"), frame(b"ab", 4));
        assert_eq!(encode(more, b"ab").unwrap(), b"\0\x05ab");

        let less = LengthPrefixed::default().width(2).adjustment(3);
        assert_eq!(decode(less, b"\0\0abc"), frame(b"abc", 5));
        assert_eq!(encode(less, b"abc").unwrap(), b"\0\0abc");
        let error = encode(less, b"ab").unwrap_err();
        assert_eq!(error.to_string(), "byte 2: no length can be written for a message so short");
    }

    #[test]
    fn a_header_that_is_stripped_is_written_with_zeros() {
        let codec = LengthPrefixed::default().offset(100).width(1);
        let sent = [&[0; 100][..], b"\x02ab"].concat();
        assert_eq!(encode(codec, b"ab"), Ok(sent));
    }

    #[test]
    fn a_header_that_is_kept_must_agree_with_the_message() {
        let codec = LengthPrefixed::default().offset(1).width(1).keep_header().max_len(3);
        assert_eq!(decode(codec, b"T\x02abT"), frame(b"T\x02ab", 4));
        assert_eq!(encode(codec, b"T\x02ab").unwrap(), b"T\x02ab");
        for (message, expected) in [
            (&b"T"[..], "byte 1: the message is shorter than its header"),
            (b"T\x02a", "byte 1: the length in the message is not the message's"),
            (b"T\x02abc", "byte 1: the length in the message is not the message's"),
            (b"T\x04abcd", "byte 1: the frame is longer than the 3 bytes allowed"),
        ] {
            assert_eq!(encode(codec, message).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_message_is_bounded_by_the_maximum_and_by_what_the_width_can_say() {
        let codec = LengthPrefixed::default();
        assert_eq!(encode(codec.max_len(3), b"abcd"), Err(too_long(3)));
        assert!(encode(codec.width(1), &[7; 255]).is_ok());
        assert_eq!(encode(codec.width(1), &[7; 256]), Err(too_long(255)));
        assert_eq!(encode(codec.width(1).includes_header(), &[7; 255]), Err(too_long(254)));
    }

    #[test]
    fn the_memory_accounted_for_is_what_the_longest_frame_takes() {
        let codec = LengthPrefixed::default();
        assert_eq!(codec.max_frame_len(), 4 + 1024 * 1024);
        assert_eq!(codec.width(1).max_frame_len(), 1 + 255);
        assert_eq!(codec.width(2).offset(10).max_len(9).max_frame_len(), 12 + 9);
        assert_eq!(codec.width(1).includes_header().max_frame_len(), 255);
        assert_eq!(codec.width(1).adjustment(-1000).max_frame_len(), 1);
    }

    #[test]
    fn settings_mean_the_same_in_any_order() {
        let one = LengthPrefixed::default().max_len(9).offset(3).width(2).includes_header();
        let other = LengthPrefixed::default().includes_header().width(2).offset(3).max_len(9);
        assert_eq!(one.keep_header().adjustment(4), other.adjustment(4).keep_header());
    }

    #[test]
    fn a_codec_takes_little_room_in_a_connection() {
        assert!(size_of::<LengthPrefixed>() <= 24);
    }

    #[test]
    #[should_panic(expected = "1, 2, 3, 4 or 8 bytes")]
    fn a_width_of_five_is_refused() {
        let _ = LengthPrefixed::default().width(5);
    }

    #[test]
    #[should_panic(expected = "32 KiB")]
    fn an_offset_that_cannot_be_stored_is_refused() {
        let _ = LengthPrefixed::default().offset(32 * 1024 + 1);
    }

    #[test]
    #[should_panic(expected = "1 GiB")]
    fn an_adjustment_that_could_wrap_is_refused() {
        let _ = LengthPrefixed::default().adjustment(i32::MIN);
    }

    #[test]
    fn what_goes_before_the_length_is_no_part_of_it() {
        let codec = LengthPrefixed::default().offset(3).width(1);
        let sent = [&[0, 0, 1, 2][..], &[b'x'; 300]].concat();
        assert_eq!(decode(codec, &sent), frame(b"xx", 6));
        assert_eq!(encode(codec, &[b'x'; 256]), Err(too_long(255)));
    }

    #[test]
    fn a_message_shorter_than_the_least_length_is_not_called_too_long() {
        // Each frame is ten bytes longer than its length says, and none may have more than five.
        let codec = LengthPrefixed::default().adjustment(10).max_len(5);
        for len in [0, 5] {
            let fault = FrameFault::Malformed("no length can be written for a message so short");
            assert_eq!(encode(codec, &vec![0; len]), Err(FrameError::new(fault, len)));
        }
    }
}
