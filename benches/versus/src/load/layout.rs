//! What a message looks like: no two of a run are the same, so that a lost, doubled, swapped or
//! foreign one is noticed.

use crate::workload::Protocol;

/// A stamp is repeated so often in a long message, so that parts of two cannot be swapped.
const STAMP_EVERY: usize = 4_096;
/// The lower bits of a stamp are the message's number, the upper ones its connection's.
const NUMBER_BITS: u32 = 40;

/// How the bytes of a message lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    protocol: Protocol,
    header_len: usize,
    message_len: usize,
}

impl Layout {
    pub(super) fn new(protocol: Protocol, message_len: u32) -> Self {
        let header_len = if protocol == Protocol::Length { 4 } else { 0 };
        Self { protocol, header_len, message_len: message_len as usize }
    }

    /// How many bytes a message has on the wire.
    pub(super) fn wire_len(&self) -> usize {
        self.header_len + self.message_len + usize::from(self.protocol == Protocol::Line)
    }

    /// Slots for so many messages, all filled but for their stamps.
    pub(super) fn slots(&self, connection: u32, count: u32) -> Box<[u8]> {
        let mut slots = vec![0; self.wire_len() * count as usize].into_boxed_slice();
        let mut noise = Noise(u64::from(connection) + 1);
        for slot in slots.chunks_exact_mut(self.wire_len()) {
            self.fill(slot, &mut noise);
        }
        slots
    }

    fn fill(&self, slot: &mut [u8], noise: &mut Noise) {
        let (header, rest) = slot.split_at_mut(self.header_len);
        if let Ok(len) = u32::try_from(self.message_len).map(u32::to_be_bytes) {
            header.copy_from_slice(&len[..self.header_len]);
        }
        let (message, end) = rest.split_at_mut(self.message_len);
        for byte in message {
            *byte = noise.byte();
            if self.protocol == Protocol::Line {
                *byte = b'!' + *byte % (b'~' - b'!' + 1);
            }
        }
        end.fill(b'\n');
    }

    /// Makes a slot the message of this number. What a short message has no room for is left out.
    pub(super) fn stamp(&self, slot: &mut [u8], connection: u32, number: u64) {
        let stamp = stamp_of(connection, number);
        let message = &mut slot[self.header_len..self.header_len + self.message_len];
        if self.protocol == Protocol::Line {
            let letters = letters(stamp);
            for part in message.chunks_mut(STAMP_EVERY) {
                let len = part.len().min(letters.len());
                part[..len].copy_from_slice(&letters[..len]);
            }
        } else {
            let bytes = stamp.to_le_bytes();
            for part in message.chunks_mut(STAMP_EVERY) {
                if let Some(whole) = part.first_chunk_mut() {
                    *whole = bytes;
                } else {
                    part.copy_from_slice(&bytes[..part.len()]);
                }
            }
        }
    }
}

/// What tells a message of a connection from all others.
fn stamp_of(connection: u32, number: u64) -> u64 {
    u64::from(connection) << NUMBER_BITS | number & ((1 << NUMBER_BITS) - 1)
}

/// Which connection and number a stamped message has, if it is long enough to say.
pub(super) fn stamped(message: &[u8]) -> Option<(u64, u64)> {
    let stamp = u64::from_le_bytes(*message.first_chunk()?);
    Some((stamp >> NUMBER_BITS, stamp & ((1 << NUMBER_BITS) - 1)))
}

/// Sixteen letters from `A` to `P`, the least part of the stamp first.
fn letters(stamp: u64) -> [u8; 16] {
    let mut letters = [0; 16];
    letters[..8].copy_from_slice(&spread(stamp & 0xffff_ffff).to_le_bytes());
    letters[8..].copy_from_slice(&spread(stamp >> 32).to_le_bytes());
    letters
}

/// A letter in a byte each for eight times four bits, all at once: a load that counted letter by
/// letter would be slower than the servers it measures.
fn spread(bits: u64) -> u64 {
    let bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    let bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    let bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits + u64::from_le_bytes([b'A'; 8])
}

/// Bytes without a pattern, the same in every run (xorshift).
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn message(layout: Layout, connection: u32, number: u64) -> Vec<u8> {
        let mut slot = layout.slots(connection, 1);
        layout.stamp(&mut slot, connection, number);
        slot.into_vec()
    }

    #[test]
    fn messages_differ_by_connection_and_number() {
        for protocol in [Protocol::Raw, Protocol::Length, Protocol::Line, Protocol::Datagram] {
            let layout = Layout::new(protocol, 64);
            let mut seen = HashSet::new();
            for connection in [0, 1, 255, 256, 9_999] {
                for number in [0, 1, 15, 16, 255, 256, 65_536, 1 << 33] {
                    assert!(seen.insert(message(layout, connection, number)), "{protocol:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_has_no_line_feed_before_its_end() {
        for len in [1, 15, 16, 64, 10_000] {
            let line = message(Layout::new(Protocol::Line, len), 700, 0x1234_5678_90ab);
            assert_eq!(line.len(), len as usize + 1);
            assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(len as usize));
            assert!(line[..len as usize].iter().all(u8::is_ascii_graphic));
        }
    }

    #[test]
    fn a_frame_begins_with_its_length() {
        let frame = message(Layout::new(Protocol::Length, 300), 1, 2);
        assert_eq!(frame.len(), 304);
        assert_eq!(frame[..4], [0, 0, 1, 44]);
    }

    #[test]
    fn every_page_of_a_long_message_tells_its_number() {
        let layout = Layout::new(Protocol::Raw, 3 * 4_096 + 3);
        let (one, two) = (message(layout, 5, 1), message(layout, 5, 2));
        for at in [0, 4_096, 8_192, 12_288] {
            assert_ne!(one[at..], two[at..][..one.len() - at]);
            assert_ne!(one[at], two[at]);
        }
    }

    #[test]
    fn letters_are_the_hexadecimal_digits_moved_up() {
        let expected: Vec<u8> = (0..16).map(|digit| b'A' + digit).collect();
        assert_eq!(letters(0xfedc_ba98_7654_3210).to_vec(), expected);
    }

    #[test]
    fn a_stamp_says_whose_it_is() {
        let datagram = message(Layout::new(Protocol::Datagram, 16), 63, 77);
        assert_eq!(stamped(&datagram), Some((63, 77)));
        assert_eq!(stamped(&datagram[..7]), None);
    }
}
