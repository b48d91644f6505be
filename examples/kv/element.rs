//! What lists, hashes and sets hold: bytes, of which a few are kept in place.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The most bytes that need no memory of their own: what is left of three words by a tag and a
/// length. Most members and fields of everyday use are no longer.
const MAX_SHORT_LEN: usize = 22;

/// What an allocation of shared bytes holds besides them: two counts.
const COUNTS_LEN: usize = 16;

/// Bytes that never change. A copy of them costs nothing worth mentioning: short ones are copied
/// with the element, long ones are shared.
#[derive(Clone, Debug)]
pub(crate) struct Element(Form);

#[derive(Clone, Debug)]
enum Form {
    Short { len: u8, bytes: [u8; MAX_SHORT_LEN] },
    Long(Arc<[u8]>),
}

impl Element {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Form::Short { len, bytes } => &bytes[..usize::from(*len)],
            Form::Long(bytes) => bytes,
        }
    }

    /// The bytes if they are kept in place, with zeros behind them, and how many they are.
    #[inline]
    pub(crate) const fn short(&self) -> Option<(&[u8; MAX_SHORT_LEN], u8)> {
        match &self.0 {
            Form::Short { len, bytes } => Some((bytes, *len)),
            Form::Long(_) => None,
        }
    }

    /// How many bytes it takes besides itself.
    pub(crate) fn heap_len(&self) -> usize {
        match &self.0 {
            Form::Short { .. } => 0,
            Form::Long(bytes) => bytes.len() + COUNTS_LEN,
        }
    }
}

impl From<&[u8]> for Element {
    fn from(slice: &[u8]) -> Self {
        match u8::try_from(slice.len()) {
            Ok(len) if slice.len() <= MAX_SHORT_LEN => {
                let mut bytes = [0; MAX_SHORT_LEN];
                bytes[..slice.len()].copy_from_slice(slice);
                Self(Form::Short { len, bytes })
            }
            _ => Self(Form::Long(Arc::from(slice))),
        }
    }
}

impl AsRef<[u8]> for Element {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Element {}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Short { len, bytes }, Form::Short { len: other_len, bytes: other }) => {
                // What is not taken is zero: as far as all bytes are equal, the shorter is less.
                let by_bytes = words(bytes).cmp(&words(other));
                by_bytes.then_with(|| len.cmp(other_len))
            }
            _ => self.as_slice().cmp(other.as_slice()),
        }
    }
}

/// The bytes as numbers that have the same order: two comparisons instead of a call.
fn words(bytes: &[u8; MAX_SHORT_LEN]) -> (u128, u64) {
    let (mut first, mut last) = ([0; 16], [0; 8]);
    first.copy_from_slice(&bytes[..16]);
    last[..MAX_SHORT_LEN - 16].copy_from_slice(&bytes[16..]);
    (u128::from_be_bytes(first), u64::from_be_bytes(last))
}

impl Hash for Element {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl Borrow<[u8]> for Element {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_three_words() {
        assert_eq!(size_of::<Element>(), 24);
    }

    #[test]
    fn bytes_of_any_length_are_kept() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in [0, 1, 21, 22, 23, 255, 256] {
            let element = Element::from(&bytes[..len]);
            assert_eq!(element.as_slice(), &bytes[..len]);
            assert_eq!(element.clone(), element);
            let heap_len = if len <= MAX_SHORT_LEN { 0 } else { len + COUNTS_LEN };
            assert_eq!(element.heap_len(), heap_len, "{len} bytes");
        }
    }

    #[test]
    fn elements_are_ordered_as_their_bytes() {
        let long = Element::from(&[b'b'; 30][..]);
        assert!(Element::from(&b"a"[..]) < long && long < Element::from(&b"c"[..]));
        let texts = ["", "\0", "\0\0", "a", "a\0", "a\0b", "a\u{1}", "ab", "b", "\u{7f}", "\u{80}"];
        let many = ["aaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaab"];
        let texts: Vec<&str> =
            texts.into_iter().chain(many).chain(["aaaaaaaaaaaaaaaaaaaaaaac"]).collect();
        for (one, other) in texts.iter().flat_map(|one| texts.iter().map(move |other| (one, other)))
        {
            let elements = [one, other].map(|text| Element::from(text.as_bytes()));
            let (order, expected) =
                (elements[0].cmp(&elements[1]), one.as_bytes().cmp(other.as_bytes()));
            assert_eq!(order, expected, "{one:?} and {other:?}");
            assert_eq!(elements[0] == elements[1], one == other);
        }
    }
}
