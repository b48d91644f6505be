//! What may stand where, byte by byte.

/// Where the first control character is from `from` on: a byte below the space, or DEL. Lines are
/// long and their ends few, so eight bytes are looked at together.
#[inline(always)]
pub(super) fn control(input: &[u8], from: usize) -> Option<usize> {
    let (blocks, tail) = input.get(from..)?.as_chunks::<8>();
    let mut at = from;
    for block in blocks {
        let found = controls(u64::from_le_bytes(*block));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Some(at + tail.iter().position(u8::is_ascii_control)?)
}

/// The highest bit of each byte that is a control character, of which the lowest is right: a
/// borrow may set others above it.
#[inline]
const fn controls(block: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let below_space = block.wrapping_sub(ONES * 0x20) & !block;
    let without_del = block ^ (ONES * 0x7F);
    let is_del = without_del.wrapping_sub(ONES) & !without_del;
    (below_space | is_del) & HIGHEST
}

/// Which bytes a word is made of, such as the name of a field (RFC 9110, section 5.6.2).
pub(super) static IN_TOKEN: [bool; 256] =
    table(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/// Which bytes a host and its port are made of (RFC 3986, section 3.2).
pub(super) static IN_HOST: [bool; 256] =
    table(b"-._~%!$&'()*+,;=:[]0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/// Which bytes a path is made of, and a query: whatever can be seen, and what lies beyond ASCII,
/// which is sent by some who ought to write it otherwise; but for `?` and `#`.
pub(super) static IN_PATH: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    loop {
        table[byte as usize] = !matches!(byte, b'?' | b'#' | 0x7F);
        if byte == 255 {
            break table;
        }
        byte += 1;
    }
};

const fn table(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < members.len() {
        table[members[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether the byte is in the table.
#[inline(always)]
pub(super) fn is_in(table: &[bool; 256], byte: u8) -> bool {
    table[usize::from(byte)]
}

/// Whether all bytes are in the table. All of them are looked up, since few are not.
#[inline(always)]
pub(super) fn are_all_in(table: &[bool; 256], bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & is_in(table, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_found_wherever_it_is() {
        for len in 0..40 {
            for fill in [b' ', b'~', 0x80, 0xFF] {
                let mut input = vec![fill; len];
                assert_eq!(control(&input, 0), None);
                for (at, control_character) in
                    (0..len).zip([0, 9, b'\n', b'\r', 31, 127].iter().cycle())
                {
                    input[at] = *control_character;
                    for from in 0..=at {
                        assert_eq!(control(&input, from), Some(at), "{input:?} from {from}");
                    }
                    assert_eq!(control(&input, at + 1), None);
                    input[at] = fill;
                }
            }
        }
        assert_eq!(control(b"a", 2), None);
    }

    #[test]
    fn each_byte_is_told_from_every_other() {
        for byte in 0..=u8::MAX {
            let found = control(&[b'a', byte, 1, 1, 1, 1, 1, 1], 0);
            assert_eq!(found, Some(if byte.is_ascii_control() { 1 } else { 2 }), "{byte}");
        }
    }
}
