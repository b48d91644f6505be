//! What a key can hold.

use super::hashes::Hash;
use super::list::List;
use super::numbers::parse_integer;
use super::sets::Set;
use super::sorted_set::SortedSet;
use super::text::Text;

/// What a key holds. Anything but text is behind a pointer: most values are text, and each takes as
/// much room as the largest.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(Text),
    List(Box<List>),
    Hash(Box<Hash>),
    Set(Box<Set>),
    SortedSet(Box<SortedSet>),
}

/// A type of value: what the store has to know of it.
pub(crate) trait Kind: Default + Sized {
    /// The value as this type, if it is of this type.
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;

    /// Whether nothing is in it: the key is then removed. Text may be empty and stay.
    fn is_gone(&self) -> bool;

    /// How many bytes of memory it takes, itself included where it is behind a pointer. Cheap: it
    /// is asked before and after every change.
    fn held_bytes(&self) -> usize;
}

impl Value {
    /// The name of its type, as `TYPE` says it.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
        }
    }

    /// How it is kept, as `OBJECT ENCODING` says it: for text in the words that fit its bytes best.
    pub(crate) fn encoding(&self) -> &'static str {
        const MAX_EMBEDDED_LEN: usize = 44;
        match self {
            Self::Text(text) if parse_integer(text.as_slice()).is_some() => "int",
            Self::Text(text) if text.as_slice().len() <= MAX_EMBEDDED_LEN => "embstr",
            Self::Text(_) => "raw",
            Self::List(list) => list.encoding(),
            Self::Hash(hash) => hash.encoding(),
            Self::Set(set) => set.encoding(),
            Self::SortedSet(set) => set.encoding(),
        }
    }

    #[inline]
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.held_bytes(),
            Self::List(list) => list.held_bytes(),
            Self::Hash(hash) => hash.held_bytes(),
            Self::Set(set) => set.held_bytes(),
            Self::SortedSet(set) => set.held_bytes(),
        }
    }
}

/// `Kind` for the type that a variant of [`Value`] holds behind a pointer. The type has `is_empty`
/// and `heap_len` of its own.
macro_rules! kind {
    ($type:ident) => {
        impl super::value::Kind for $type {
            fn of(value: &super::value::Value) -> Option<&Self> {
                match value {
                    super::value::Value::$type(it) => Some(it),
                    _ => None,
                }
            }

            fn of_mut(value: &mut super::value::Value) -> Option<&mut Self> {
                match value {
                    super::value::Value::$type(it) => Some(it),
                    _ => None,
                }
            }

            fn into_value(self) -> super::value::Value {
                super::value::Value::$type(Box::new(self))
            }

            fn is_gone(&self) -> bool {
                self.is_empty()
            }

            fn held_bytes(&self) -> usize {
                size_of::<Self>() + self.heap_len()
            }
        }
    };
}
pub(crate) use kind;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 24);
    }
}
