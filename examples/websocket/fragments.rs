//! A message that comes in fragments, as far as it has come.

use super::frames::Piece;

/// What has come of a message; nothing, most of the time.
#[derive(PartialEq, Eq, Default, Debug)]
pub(crate) enum Fragments {
    #[default]
    None,
    Text(String),
    Binary(Vec<u8>),
}

/// The least room that is made.
const LEAST_LEN: usize = 64;

impl Fragments {
    /// How many bytes of memory this holds.
    pub(crate) fn held_len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Text(text) => text.capacity(),
            Self::Binary(bytes) => bytes.capacity(),
        }
    }

    /// Puts a piece of a message behind those before it, which are of the same kind. No more than
    /// `most` bytes of memory are held for that; otherwise says no, and has put nothing.
    #[must_use]
    pub(crate) fn put(&mut self, piece: Piece<'_>, most: usize) -> bool {
        if let Self::None = self {
            *self = match piece {
                Piece::Text(_) => Self::Text(String::new()),
                Piece::Binary(_) => Self::Binary(Vec::new()),
            };
        }
        match (self, piece) {
            (Self::Text(text), Piece::Text(part)) => {
                let len = part.before.map_or(0, char::len_utf8) + part.text.len();
                let Some(more) = growth(text.capacity(), text.len(), len, most) else {
                    return false;
                };
                text.reserve_exact(more);
                text.extend(part.before);
                text.push_str(part.text);
                true
            }
            (Self::Binary(bytes), Piece::Binary(part)) => {
                let Some(more) = growth(bytes.capacity(), bytes.len(), part.len(), most) else {
                    return false;
                };
                bytes.reserve_exact(more);
                bytes.extend_from_slice(part);
                true
            }
            // The codec lets no message change its kind.
            _ => false,
        }
    }
}

/// For how many bytes on top of `len` there is to be room, so that `added` more can be put: twice
/// as many as before, so that little is moved, but no more than `most` in all.
fn growth(capacity: usize, len: usize, added: usize, most: usize) -> Option<usize> {
    let needed = len + added;
    let wanted = match needed <= capacity {
        true => capacity,
        false => needed.max(2 * capacity).max(LEAST_LEN).min(most.max(needed)),
    };
    (wanted <= most).then_some(wanted - len)
}

#[cfg(test)]
mod tests {
    use super::super::text::TextPart;
    use super::*;

    fn text(before: Option<char>, text: &str) -> Piece<'_> {
        Piece::Text(TextPart { before, text })
    }

    #[test]
    fn pieces_come_together_in_their_order() {
        let mut fragments = Fragments::default();
        assert!(fragments.put(text(None, "a"), 100));
        assert!(fragments.put(text(Some('€'), "z"), 100));
        assert_eq!(fragments, Fragments::Text("a€z".to_owned()));
        let mut fragments = Fragments::default();
        assert!(fragments.put(Piece::Binary(b"\xff"), 100));
        assert!(fragments.put(Piece::Binary(b"\xfe"), 100));
        assert_eq!(fragments, Fragments::Binary(b"\xff\xfe".to_vec()));
    }

    #[test]
    fn no_more_is_held_than_is_allowed() {
        let mut fragments = Fragments::default();
        for len in 1..=1000 {
            assert!(fragments.put(Piece::Binary(b"."), 1000), "{len} bytes");
            assert!((len..=1000).contains(&fragments.held_len()), "{len} bytes");
        }
        assert!(!fragments.put(Piece::Binary(b"."), 1000));
        assert_eq!(fragments, Fragments::Binary(vec![b'.'; 1000]), "nothing was put");
        assert!(!Fragments::default().put(text(None, "ab"), 1));
    }
}
