//! Why a command is not done, in the words that clients know.

use std::borrow::Cow;

use super::arguments::Arguments;

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
    /// The last word is an option of other commands.
    UnsupportedOption,
    /// The command, or `command|subcommand`, has too few arguments or too many.
    WrongArity(&'static str),
    /// This command has no such subcommand.
    UnknownSubcommand(&'static str),
    /// An option of `HELLO` that is none, after which so many words follow.
    HelloOption(usize),
    /// Anything else, in full.
    Other(&'static str),
}

/// There is no memory left for what takes more.
pub(crate) const FULL: Refusal =
    Refusal::Other("OOM command not allowed when used memory > 'maxmemory'.");

impl Refusal {
    /// Whether a command is refused for this before it becomes part of a transaction.
    pub(crate) fn is_early(self) -> bool {
        match self {
            Self::UnknownSubcommand(_) => true,
            Self::WrongArity(name) => name.contains('|'),
            _ => false,
        }
    }

    /// The whole text of the error, for the command with these words.
    pub(crate) fn text(self, mut words: Arguments<'_>) -> Cow<'static, str> {
        let made = match self {
            Self::BadExpiry(name) => format!("ERR invalid expire time in '{name}' command"),
            Self::WrongArity(name) => format!("ERR wrong number of arguments for '{name}' command"),
            Self::UnknownSubcommand(name) => {
                let subcommand = shown(words.nth(1).unwrap_or_default());
                format!("ERR unknown subcommand '{subcommand}'. Try {name} HELP.")
            }
            Self::UnsupportedOption => {
                format!("ERR Unsupported option {}", shown(words.last().unwrap_or_default()))
            }
            Self::HelloOption(behind) => {
                let at = words.len().saturating_sub(behind + 1);
                let option = shown(words.nth(at).unwrap_or_default());
                format!("ERR Syntax error in HELLO option '{option}'")
            }
            _ => return Cow::Borrowed(self.fixed()),
        };
        Cow::Owned(made)
    }

    /// The text that is always the same.
    const fn fixed(self) -> &'static str {
        match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::NoSuchKey => "ERR no such key",
            Self::OutOfRange => "ERR index out of range",
            Self::Other(text) => text,
            _ => "ERR syntax error",
        }
    }
}

/// The most bytes of a word that an error repeats.
const MAX_SHOWN_LEN: usize = 128;

/// A word of the request as an error repeats it.
pub(crate) fn shown(word: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&word[..word.len().min(MAX_SHOWN_LEN)])
}
