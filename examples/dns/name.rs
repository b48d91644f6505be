//! Names: as they stand in messages, which may be anything, and as they are compared.

use std::fmt;

/// The longest name, in bytes, with the length before each label and the root's zero behind the
/// last (RFC 1035, section 3.1). No more than 127 labels fit into it.
pub(crate) const MAX_NAME_LEN: usize = 255;
/// The longest label, in bytes. A greater length would be the beginning of a pointer.
pub(crate) const MAX_LABEL_LEN: usize = 63;
/// How many pointers are followed in one name: as many as there can be labels, since one that
/// leads to no label is of no use.
const MAX_POINTERS: usize = 127;
/// Pointers are two bytes that begin with two set bits (RFC 1035, section 4.1.4).
pub(crate) const POINTER: u16 = 0xc000;
/// Where names can begin: behind the header of a message.
const FIRST_NAME_AT: usize = 12;

/// A name that was read from a message, in small letters and without pointers: the form in which
/// names are compared and found (RFC 4343).
pub(crate) struct Name {
    bytes: [u8; MAX_NAME_LEN],
    len: usize,
}

impl Name {
    /// The root, until something is read.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MAX_NAME_LEN], len: 1 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Reads the name that begins at `start`, and says where it ends there; nothing if it is none.
    ///
    /// A pointer leads to before the labels it stands behind, and each further one to before that
    /// (RFC 9267, section 2): the way has an end, also because the name has a greatest length.
    pub(crate) fn read(&mut self, message: &[u8], start: usize) -> Option<usize> {
        self.len = 0;
        let mut from = start;
        let mut end = None;
        for _ in 0..=MAX_POINTERS {
            let at = labels_end(message, from)?;
            let first = *message.get(at)?;
            let labels = message.get(from..at + usize::from(first == 0))?;
            let name_end = self.len + labels.len();
            self.bytes.get_mut(self.len..name_end)?.copy_from_slice(labels);
            self.len = name_end;
            if first == 0 {
                // A length is below the letters: it is left as it is.
                self.bytes[..self.len].make_ascii_lowercase();
                return Some(end.unwrap_or(at + 1));
            }
            let pointer = u16::from_be_bytes([first, *message.get(at + 1)?]);
            let to = usize::from(pointer & !POINTER);
            if pointer < POINTER || to < FIRST_NAME_AT || to >= from {
                return None;
            }
            end.get_or_insert(at + 2);
            from = to;
        }
        None
    }
}

/// Where the labels that begin at `from` end: at the root's zero, at a pointer, or at a byte that
/// is neither. Nothing if the message ends before, or they are too many.
fn labels_end(message: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let len = usize::from(*message.get(at)?);
        if len == 0 || len > MAX_LABEL_LEN {
            return Some(at);
        }
        at += 1 + len;
        if at - from >= MAX_NAME_LEN {
            return None;
        }
    }
}

/// The name without its first label; nothing of the root.
pub(crate) fn parent(name: &[u8]) -> Option<&[u8]> {
    match *name.first()? {
        0 => None,
        len => name.get(1 + usize::from(len)..),
    }
}

/// Whether `name` is `top` or below it; both are in small letters.
pub(crate) fn is_within(name: &[u8], top: &[u8]) -> bool {
    let mut rest = Some(name);
    while let Some(suffix) = rest.filter(|suffix| suffix.len() >= top.len()) {
        if suffix.len() == top.len() {
            return suffix == top;
        }
        rest = parent(suffix);
    }
    false
}

/// A name as people write it, with escapes where they are needed.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if let [] | [0] = rest {
            return f.write_str(".");
        }
        while let Some(behind) = parent(rest) {
            for byte in &rest[1..rest.len() - behind.len()] {
                match byte {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(*byte))?;
                    }
                    b'!'..=b'~' => write!(f, "{}", char::from(*byte))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
            f.write_str(".")?;
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read at `at` of a message in which `names` follow on a header.
    fn read(names: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
        let message = [&[0; FIRST_NAME_AT][..], names].concat();
        let mut name = Name::new();
        let end = name.read(&message, at + FIRST_NAME_AT)?;
        Some((name.as_bytes().to_vec(), end - FIRST_NAME_AT))
    }

    fn long_name(last: u8) -> Vec<u8> {
        let label = |len: u8| [&[len][..], &vec![b'a'; len.into()]].concat();
        [label(63), label(63), label(63), label(last), vec![0]].concat()
    }

    #[test]
    fn a_name_is_read_in_small_letters_up_to_its_end() {
        assert_eq!(read(b"\x03wWw\x01E\0rest", 0), Some((b"\x03www\x01e\0".to_vec(), 7)));
        assert_eq!(read(b"\0", 0), Some((b"\0".to_vec(), 1)));
    }

    #[test]
    fn a_pointer_is_followed_and_the_name_ends_behind_it() {
        let names = b"\x01E\0\x03www\xc0\x0c\x01a\xc0\x0f";
        assert_eq!(read(names, 3), Some((b"\x03www\x01e\0".to_vec(), 9)));
        assert_eq!(read(names, 9), Some((b"\x01a\x03www\x01e\0".to_vec(), 13)));
    }

    #[test]
    fn a_pointer_leads_backwards_and_into_no_header() {
        for names in [
            &b"\xc0\x0c"[..],    // itself
            b"\x01a\xc0\x0c",    // its own labels
            b"\xc0\x0e\0",       // forward
            b"\xc0\x0b",         // the header
            b"\xc0\x00",         // its first byte
            b"\xc0\x0e\xc0\x0c", // forward, and back
            b"\xff\xff",         // beyond the end
            b"\xc0",             // half of one
            b"\x80\x0c",         // what nobody uses
            b"\x40\x0c\0",       // what nobody uses any more
            b"\x03ww",           // a label without an end
            b"\x03www",          // a name without an end
            b"",
        ] {
            assert_eq!(read(names, 0), None, "{}", names.escape_ascii());
        }
        assert_eq!(read(b"\x01a\xc0\x0c\xc0\x0e", 4), None, "a way round");
        // The same behind a name, where a pointer could lead to that.
        assert_eq!(read(b"\0\xc0\x0c", 1), Some((vec![0], 3)));
        assert_eq!((read(b"\0\x80\x0c", 1), read(b"\0\x40\x0c", 1)), (None, None));
    }

    #[test]
    fn a_name_of_255_bytes_is_one_and_of_256_is_none() {
        let (longest, longer) = (long_name(61), long_name(62));
        assert_eq!(longest.len(), MAX_NAME_LEN);
        assert_eq!(read(&longest, 0), Some((longest.clone(), MAX_NAME_LEN)));
        assert_eq!(read(&longer, 0), None);
        // In pieces, too.
        let one_more = [&longest[..], b"\x01b\xc0\x0c"].concat();
        assert_eq!(read(&one_more, longest.len()), None);
        let most_labels = [b"\x01a".repeat(127), vec![0]].concat();
        assert_eq!(read(&most_labels, 0), Some((most_labels.clone(), MAX_NAME_LEN)));
    }

    #[test]
    fn pointers_that_only_lead_to_pointers_have_an_end() {
        let chain = |len: usize| {
            let mut names = vec![0];
            for _ in 0..len {
                let to = FIRST_NAME_AT + names.len() - if names.len() == 1 { 1 } else { 2 };
                names.extend((POINTER | u16::try_from(to).unwrap()).to_be_bytes());
            }
            read(&names, names.len() - 2)
        };
        assert_eq!(chain(MAX_POINTERS).map(|(name, _)| name), Some(vec![0]));
        assert_eq!(chain(MAX_POINTERS + 1), None);
    }

    #[test]
    fn a_name_is_within_itself_and_all_above_it() {
        let name = b"\x03www\x01e\0";
        for (top, is_in) in [
            (&b"\x03www\x01e\0"[..], true),
            (b"\x01e\0", true),
            (b"\0", true),
            (b"\x01w\x01e\0", false),
            (b"\x03wwx\x01e\0", false),
            (b"\x02ww\x01e\0", false),
        ] {
            assert_eq!(is_within(name, top), is_in, "{}", Shown(top));
        }
        // A label that ends like the top is not below it.
        assert!(!is_within(b"\x04a\x01e\0", b"\x01e\0"));
    }

    #[test]
    fn a_name_is_shown_as_a_zone_file_has_it() {
        assert_eq!(Shown(b"\x03a.b\x02\0\xff\x01E\0").to_string(), "a\\.b.\\000\\255.E.");
        assert_eq!(Shown(b"\0").to_string(), ".");
    }
}
