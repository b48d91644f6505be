//! Why a command is not done, in the words that clients know.

use std::borrow::Cow;

/// Why a command is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    WrongType,
    NotAnInteger,
    NotAFloat,
    Syntax,
    NoSuchKey,
    OutOfRange,
    /// Its command has a time of expiry that is none.
    BadExpiry(&'static str),
    /// The command, or `command|subcommand`, has too few arguments or too many.
    WrongArity(&'static str),
    /// Anything else, in full.
    Other(&'static str),
}

impl Refusal {
    /// The whole text of the error.
    pub(crate) fn text(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::Syntax => "ERR syntax error",
            Self::NoSuchKey => "ERR no such key",
            Self::OutOfRange => "ERR index out of range",
            Self::Other(text) => text,
            Self::BadExpiry(name) => {
                return Cow::Owned(format!("ERR invalid expire time in '{name}' command"));
            }
            Self::WrongArity(name) => {
                return Cow::Owned(format!("ERR wrong number of arguments for '{name}' command"));
            }
        })
    }
}
