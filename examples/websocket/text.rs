//! UTF-8 that comes in parts, whose edges may be anywhere.

/// The beginning of a character whose other bytes are still to come: none, or one to three bytes
/// that can still become one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tail {
    bytes: [u8; 4],
    len: usize,
}

/// What a part of a text comes to, behind the parts before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TextPart<'a> {
    /// A character that began in the parts before, and ends in this one.
    pub(crate) before: Option<char>,
    /// All characters that are whole in this part.
    pub(crate) text: &'a str,
}

/// Bytes that are no UTF-8, whatever follows on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotUtf8;

impl Tail {
    /// Whether no character has begun.
    pub(crate) const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Reads the next part, and becomes what is left over at its end.
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> Result<TextPart<'a>, NotUtf8> {
        let (before, rest) = self.complete(bytes)?;
        let text = match str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return Err(NotUtf8),
            Err(error) => {
                let (whole, begun) = rest.split_at(error.valid_up_to());
                self.bytes[..begun.len()].copy_from_slice(begun);
                self.len = begun.len();
                str::from_utf8(whole).map_err(|_| NotUtf8)?
            }
        };
        Ok(TextPart { before, text })
    }

    /// Completes the character that has begun, as far as `bytes` go. Gives back what is behind it.
    fn complete<'a>(&mut self, bytes: &'a [u8]) -> Result<(Option<char>, &'a [u8]), NotUtf8> {
        if self.is_empty() {
            return Ok((None, bytes));
        }
        for (at, byte) in bytes.iter().enumerate() {
            self.bytes[self.len] = *byte;
            self.len += 1;
            match str::from_utf8(&self.bytes[..self.len]) {
                Ok(character) => {
                    self.len = 0;
                    return Ok((character.chars().next(), &bytes[at + 1..]));
                }
                // Four bytes are whole or wrong: there is never a fifth to be put.
                Err(error) if error.error_len().is_some() => return Err(NotUtf8),
                Err(_) => {}
            }
        }
        Ok((None, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the parts come to, and whether the text may end behind them.
    fn join(parts: &[&[u8]]) -> Result<(String, bool), NotUtf8> {
        let (mut tail, mut joined) = (Tail::default(), String::new());
        for part in parts {
            let TextPart { before, text } = tail.read(part)?;
            joined.extend(before);
            joined.push_str(text);
        }
        Ok((joined, tail.is_empty()))
    }

    #[test]
    fn a_text_in_any_parts_comes_to_the_same() {
        let text = "aé€\u{10348}z\u{10ffff}";
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(join(&parts), Ok((text.to_owned(), true)), "cut at {first}, {second}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(join(&single), Ok((text.to_owned(), true)));
    }

    #[test]
    fn a_character_that_is_not_finished_is_noticed() {
        assert_eq!(join(&[b"a\xe2\x82"]), Ok(("a".to_owned(), false)));
        assert_eq!(join(&[b"a\xf0", b"\x90", b"\x8d"]), Ok(("a".to_owned(), false)));
    }

    #[test]
    fn bytes_that_can_become_no_character_are_refused_at_once() {
        // A byte that never occurs, one out of place, an overlong form, a surrogate, one too high.
        for (begun, next) in [
            (b"a".as_slice(), b'\xff'),
            (b"a", b'\x80'),
            (b"\xe0", b'\x9f'),
            (b"\xed", b'\xa0'),
            (b"\xf4", b'\x90'),
            (b"\xe2\x82", b'a'),
            (b"\xf0\x90\x8d", b'\xc2'),
        ] {
            assert!(join(&[begun]).is_ok(), "{begun:?} may go on");
            assert_eq!(join(&[begun, &[next]]), Err(NotUtf8), "{begun:?}, {next}");
            assert_eq!(join(&[&[begun, &[next]].concat()]), Err(NotUtf8), "{begun:?}, {next}");
        }
    }
}
