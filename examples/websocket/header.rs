//! What stands before the payload of a frame (RFC 6455, section 5.2).

use super::frames::{MAX_CONTROL_LEN, Refusal};

/// The longest header there is: two bytes, a length in eight, and the mask.
pub(crate) const MAX_HEADER_LEN: usize = 14;

/// The header of a client's frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) is_last: bool,
    pub(crate) mask: [u8; 4],
    /// How many bytes it takes.
    pub(crate) len: usize,
    pub(crate) payload_len: usize,
}

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// Why there is no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoHeader {
    /// So many bytes are needed for it.
    Needs(usize),
    /// It breaks a rule.
    Refused(Refusal),
}

impl From<Refusal> for NoHeader {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Header {
    /// Reads the header at the beginning of `input`.
    #[inline]
    pub(crate) fn read(input: &[u8]) -> Result<Self, NoHeader> {
        let [first, second, behind @ ..] = input else { return Err(NoHeader::Needs(2)) };
        let opcode = Opcode::read(*first)?;
        let is_last = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(Refusal::UNMASKED.into());
        }
        let short_len = usize::from(second & 0x7f);
        if opcode.is_control() {
            if !is_last {
                return Err(Refusal::CONTROL_IN_FRAGMENTS.into());
            }
            if short_len > MAX_CONTROL_LEN {
                return Err(Refusal::CONTROL_TOO_LONG.into());
            }
        }
        let (payload_len, behind) = match short_len {
            126 => medium_len(behind)?,
            127 => long_len(behind)?,
            _ => (short_len, behind),
        };
        let len = input.len() - behind.len() + 4;
        let Some(mask) = behind.first_chunk() else { return Err(NoHeader::Needs(len)) };
        Ok(Self { opcode, is_last, mask: *mask, len, payload_len })
    }
}

impl Opcode {
    /// The opcode in the first byte of a frame, in which no bit may be set that is reserved.
    #[inline]
    const fn read(first: u8) -> Result<Self, Refusal> {
        match first & 0x7f {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            0x3..=0x7 | 0xb..=0xf => Err(Refusal::RESERVED_OPCODE),
            _ => Err(Refusal::RESERVED_BITS),
        }
    }

    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A length in two bytes, and what stands behind it.
fn medium_len(bytes: &[u8]) -> Result<(usize, &[u8]), NoHeader> {
    let Some((len, behind)) = bytes.split_first_chunk() else { return Err(NoHeader::Needs(4)) };
    match u16::from_be_bytes(*len) {
        0..126 => Err(Refusal::NOT_SHORTEST.into()),
        len => Ok((len.into(), behind)),
    }
}

/// A length in eight bytes, and what stands behind it.
fn long_len(bytes: &[u8]) -> Result<(usize, &[u8]), NoHeader> {
    let Some((len, behind)) = bytes.split_first_chunk() else { return Err(NoHeader::Needs(10)) };
    match u64::from_be_bytes(*len) {
        0..=0xffff => Err(Refusal::NOT_SHORTEST.into()),
        len if len >> 63 != 0 => Err(Refusal::LENGTH_HIGHEST_BIT.into()),
        // What this machine cannot even count is above every limit.
        len => Ok((usize::try_from(len).unwrap_or(usize::MAX), behind)),
    }
}

/// What stands before the payload of a server's frame: a whole message, without a mask. `room` is
/// room for it.
pub(crate) fn write(opcode: u8, payload_len: usize, room: &mut [u8; 10]) -> &[u8] {
    room[0] = 0x80 | opcode;
    if let Ok(len @ 0..126) = u8::try_from(payload_len) {
        room[1] = len;
        &room[..2]
    } else if let Ok(len) = u16::try_from(payload_len) {
        room[1] = 126;
        room[2..4].copy_from_slice(&len.to_be_bytes());
        &room[..4]
    } else {
        room[1] = 127;
        room[2..].copy_from_slice(&(payload_len as u64).to_be_bytes());
        &room[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refusal: Refusal) -> Result<Header, NoHeader> {
        Err(NoHeader::Refused(refusal))
    }

    #[test]
    fn a_length_has_one_of_three_forms() {
        for (header, payload_len) in [
            (b"\x82\x80MASK".as_slice(), 0),
            (b"\x82\xfdMASK", 125),
            (b"\x82\xfe\0\x7eMASK", 126),
            (b"\x82\xfe\xff\xffMASK", 65_535),
            (b"\x82\xff\0\0\0\0\0\x01\0\0MASK", 65_536),
            (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffMASK", usize::MAX / 2),
        ] {
            let len = header.len();
            let expected =
                Header { opcode: Opcode::Binary, is_last: true, mask: *b"MASK", len, payload_len };
            assert_eq!(Header::read(header), Ok(expected));
            for cut in 0..len {
                let Err(NoHeader::Needs(needed)) = Header::read(&header[..cut]) else {
                    panic!("{cut} bytes are no header");
                };
                assert!((cut + 1..=len).contains(&needed), "{needed} after {cut} of {len}");
            }
        }
    }

    #[test]
    fn a_length_that_could_be_shorter_is_refused() {
        assert_eq!(Header::read(b"\x82\xfe\0\x7dMASK"), refused(Refusal::NOT_SHORTEST));
        let long = b"\x82\xff\0\0\0\0\0\0\xff\xffMASK";
        assert_eq!(Header::read(long), refused(Refusal::NOT_SHORTEST));
        let negative = b"\x82\xff\x80\0\0\0\0\0\0\0MASK";
        assert_eq!(Header::read(negative), refused(Refusal::LENGTH_HIGHEST_BIT));
    }

    #[test]
    fn what_is_reserved_or_unmasked_is_refused() {
        for first in 0..=u8::MAX {
            let expected = match first & 0x7f {
                0x0..=0x2 => None,
                0x8..=0xa if first >= 0x80 => None,
                0x8..=0xa => Some(Refusal::CONTROL_IN_FRAGMENTS),
                0x3..=0xf => Some(Refusal::RESERVED_OPCODE),
                _ => Some(Refusal::RESERVED_BITS),
            };
            let header = Header::read(&[first, 0x80, 0, 0, 0, 0]);
            assert_eq!(header.err(), expected.map(NoHeader::Refused), "{first:#x}");
        }
        assert_eq!(Header::read(b"\x81\x01a"), refused(Refusal::UNMASKED));
        assert_eq!(Header::read(b"\x89\xfe\0\x7eMASK"), refused(Refusal::CONTROL_TOO_LONG));
    }

    #[test]
    fn what_is_written_is_the_shortest_form() {
        for (len, expected) in [
            (0, b"\x81\0".as_slice()),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\0\x7e"),
            (65_535, b"\x81\x7e\xff\xff"),
            (65_536, b"\x81\x7f\0\0\0\0\0\x01\0\0"),
        ] {
            assert_eq!(write(0x1, len, &mut [0; 10]), expected);
        }
    }
}
