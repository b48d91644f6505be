//! The mask that clients put over their payload (RFC 6455, section 5.3), taken off in place.

/// Takes `mask` off `bytes`, or puts it on, which is the same. The first byte is under the first
/// of the mask, and so on, again and again.
#[inline]
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let once = u64::from(u32::from_ne_bytes(mask));
    let wide = once << 32 | once;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= mask;
    }
}

/// The mask as it lies over the payload from its byte `offset` on.
pub(crate) fn turned(mut mask: [u8; 4], offset: usize) -> [u8; 4] {
    mask.rotate_left(offset % 4);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_under_its_own_byte_of_the_mask() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        for len in 0..70 {
            let plain: Vec<u8> = (0..len).collect();
            let expected: Vec<u8> =
                plain.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            let mut masked = plain.clone();
            unmask(&mut masked, mask);
            assert_eq!(masked, expected, "{len} bytes");
            unmask(&mut masked, mask);
            assert_eq!(masked, plain, "{len} bytes, twice");
        }
    }

    #[test]
    fn a_payload_in_two_parts_comes_to_the_same() {
        let mask = [1, 2, 3, 4];
        let mut whole = *b"a payload of some bytes";
        unmask(&mut whole, mask);
        for cut in 0..whole.len() {
            let mut parts = *b"a payload of some bytes";
            let (first, second) = parts.split_at_mut(cut);
            unmask(first, mask);
            unmask(second, turned(mask, cut));
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }
}
