//! The value of a string: bytes that are replaced, appended to and written into.

use super::value::{Kind, Value};

/// The most bytes that need no memory of their own: what is left of three words by the one that
/// says which form it is.
const MAX_SHORT_LEN: usize = 15;

/// Bytes that change. Few of them, as of a counter, are kept in place.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Short { len: u8, bytes: [u8; MAX_SHORT_LEN] },
    Long(Vec<u8>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Short { len: 0, bytes: [0; MAX_SHORT_LEN] }
    }
}

impl Text {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }

    /// Puts `new` in the place of what it was, and into the same memory if that fits.
    #[inline]
    pub(crate) fn set(&mut self, new: &[u8]) {
        match self {
            Self::Long(bytes) if new.len() <= bytes.capacity() && !is_waste(new, bytes) => {
                bytes.clear();
                bytes.extend_from_slice(new);
            }
            _ => *self = Self::from(new),
        }
    }

    /// Puts `more` behind it.
    pub(crate) fn append(&mut self, more: &[u8]) {
        let (old_len, len) = (self.as_slice().len(), self.as_slice().len() + more.len());
        self.resize(len);
        self.as_mut_slice()[old_len..].copy_from_slice(more);
    }

    /// Makes it `len` bytes long; what is new is zero.
    pub(crate) fn resize(&mut self, len: usize) {
        match self {
            Self::Long(bytes) => bytes.resize(len, 0),
            Self::Short { len: short, bytes } => match u8::try_from(len) {
                Ok(new) if len <= MAX_SHORT_LEN => {
                    bytes[usize::from(*short).min(len)..].fill(0);
                    *short = new;
                }
                _ => {
                    let mut long = Vec::with_capacity(len);
                    long.extend_from_slice(self.as_slice());
                    long.resize(len, 0);
                    *self = Self::Long(long);
                }
            },
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        match self {
            Self::Short { len, bytes } => &mut bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }

    /// How many bytes of memory it takes besides itself.
    #[inline]
    pub(crate) const fn heap_len(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => bytes.capacity(),
        }
    }
}

/// Whether most of what was large before would lie idle, or what fits in place would not be there.
const fn is_waste(new: &[u8], old: &Vec<u8>) -> bool {
    new.len() <= MAX_SHORT_LEN || new.len() < old.capacity() / 2
}

impl Kind for Text {
    #[inline]
    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    #[inline]
    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Text(self)
    }

    fn is_gone(&self) -> bool {
        false
    }

    fn held_bytes(&self) -> usize {
        self.heap_len()
    }
}

impl From<&[u8]> for Text {
    #[inline]
    fn from(new: &[u8]) -> Self {
        match u8::try_from(new.len()) {
            Ok(len) if new.len() <= MAX_SHORT_LEN => {
                let mut bytes = [0; MAX_SHORT_LEN];
                bytes[..new.len()].copy_from_slice(new);
                Self::Short { len, bytes }
            }
            _ => Self::Long(new.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_three_words() {
        assert_eq!(size_of::<Text>(), 24);
    }

    #[test]
    fn a_text_becomes_what_it_is_set_to() {
        let mut text = Text::default();
        for len in [0, 15, 16, 100, 60, 49, 3, 200, 16] {
            let new: Vec<u8> = (0..=255).take(len).collect();
            text.set(&new);
            assert_eq!(text.as_slice(), new);
            assert!(text.heap_len() <= len * 2, "{len} bytes take {}", text.heap_len());
        }
    }

    #[test]
    fn what_is_replaced_by_as_much_keeps_its_memory() {
        let mut text = Text::from(&[1; 64][..]);
        let before = text.as_slice().as_ptr();
        text.set(&[2; 64]);
        assert_eq!((text.as_slice().as_ptr(), text.as_slice()), (before, &[2; 64][..]));
    }

    #[test]
    fn a_text_grows_and_shrinks_with_zeros_where_nothing_was() {
        let mut text = Text::from(&b"abc"[..]);
        text.append(b"defghijklmno");
        assert_eq!(text.as_slice(), b"abcdefghijklmno");
        text.append(b"p");
        assert_eq!(text.as_slice(), b"abcdefghijklmnop");
        let mut text = Text::from(&b"abc"[..]);
        text.resize(1);
        text.resize(4);
        assert_eq!(text.as_slice(), b"a\0\0\0");
        text.resize(16);
        assert_eq!(text.as_slice(), b"a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        text.as_mut_slice()[15] = b'z';
        assert_eq!(text.as_slice()[15], b'z');
    }
}
