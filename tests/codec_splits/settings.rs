//! `LengthPrefixed` with any settings, read and written the plain way, in numbers too wide to wrap.

use windlass::{Endian, FrameError, LengthPrefixed};

use super::feed::Outcome;
use super::readers::{self, malformed, too_long, truncated};

/// All that can be set.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) width: usize,
    pub(crate) offset: usize,
    pub(crate) endian: Endian,
    pub(crate) adjustment: i32,
    pub(crate) includes_header: bool,
    pub(crate) keeps_header: bool,
    pub(crate) max_len: usize,
}

impl Settings {
    pub(crate) fn codec(&self) -> LengthPrefixed {
        let mut codec = LengthPrefixed::default()
            .width(self.width)
            .offset(self.offset)
            .endian(self.endian)
            .adjustment(self.adjustment)
            .max_len(self.max_len);
        if self.includes_header {
            codec = codec.includes_header();
        }
        if self.keeps_header {
            codec = codec.keep_header();
        }
        codec
    }

    pub(crate) fn header_len(&self) -> usize {
        self.offset + self.width
    }

    /// What a length says more than the payload has, in bytes.
    pub(crate) fn surplus(&self) -> i128 {
        let header_len = if self.includes_header { self.header_len() } else { 0 };
        header_len as i128 - i128::from(self.adjustment)
    }

    pub(crate) fn write_length(&self, length: i128) -> Vec<u8> {
        let mut bytes = length.to_le_bytes()[..self.width].to_vec();
        if self.endian == Endian::Big {
            bytes.reverse();
        }
        bytes
    }

    fn read_length(&self, bytes: &[u8]) -> i128 {
        let add = |length: i128, byte: &u8| length * 256 + i128::from(*byte);
        match self.endian {
            Endian::Big => bytes.iter().fold(0, add),
            Endian::Little => bytes.iter().rev().fold(0, add),
        }
    }

    pub(crate) fn decode(&self, stream: &[u8]) -> Outcome {
        readers::read(stream, |rest| {
            let len = self.next(rest)?;
            let stripped = if self.keeps_header { 0 } else { self.header_len() };
            Ok((rest[stripped..len].to_vec(), len))
        })
    }

    /// The length of the frame, with its header, at the beginning of `stream`.
    pub(crate) fn next(&self, stream: &[u8]) -> Result<usize, FrameError> {
        let header = stream.get(..self.header_len()).ok_or(truncated(stream))?;
        let payload_len = self.read_length(&header[self.offset..]) - self.surplus();
        if payload_len < 0 {
            let what = "the length is less than it counts at least";
            return Err(malformed(what, self.offset));
        }
        if payload_len > self.max_len as i128 {
            return Err(too_long(self.max_len, self.offset));
        }
        let frame_len = self.header_len() + usize::try_from(payload_len).expect("it is allowed");
        if stream.len() < frame_len { Err(truncated(stream)) } else { Ok(frame_len) }
    }

    /// The bytes that `message` is sent as, if it may be sent.
    pub(crate) fn encode(&self, message: &[u8]) -> Option<Vec<u8>> {
        if self.keeps_header {
            return (self.next(message).ok()? == message.len()).then(|| message.to_vec());
        }
        let length = message.len() as i128 + self.surplus();
        let can_be_written = (0..1_i128 << (8 * self.width)).contains(&length);
        if !can_be_written || message.len() > self.max_len {
            return None;
        }
        Some([&vec![0; self.offset][..], &self.write_length(length), message].concat())
    }
}
