//! What has come: a command with its words, or why there is none.

use super::arguments::Arguments;
use super::command::{Command, Spec, find};
use super::refusal::Refusal;

/// What has come, as a handler is given it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request<'a> {
    /// `PING` as clients write it, known without being taken apart: it costs a third of what it
    /// costs on the way of all other commands, to which it adds less than a hundredth.
    Ping,
    /// A command with as many arguments as it must have.
    Command(Call<'a>),
    /// A command that there is not.
    Unknown { words: Arguments<'a> },
    /// A command with too few arguments, or too many.
    WrongArity { spec: &'static Spec, words: Arguments<'a> },
    /// An empty line, or an array of nothing, which has no answer.
    Nothing,
    /// Bytes that are no request. Nothing after them is read.
    Broken(Fault),
}

/// A command with as many arguments as it must have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) spec: &'static Spec,
    /// All words, its name included.
    pub(crate) words: Arguments<'a>,
    arguments: Arguments<'a>,
}

impl<'a> Call<'a> {
    /// The command with its arguments, each as what it is.
    ///
    /// # Errors
    ///
    /// Why there is none.
    #[inline]
    pub(crate) fn command(&self) -> Result<Command<'a>, Refusal> {
        (self.spec.parse)(self.arguments)
    }
}

/// Why bytes are no request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// What was expected, in the words that clients know.
    Expected(&'static str),
    /// An argument that does not begin with `$`, but with this.
    NoBulk(u8),
}

impl<'a> Request<'a> {
    /// What these words, of which there is one at least, ask for.
    #[inline]
    pub(crate) fn read(words: Arguments<'a>) -> Self {
        let mut arguments = words;
        let spec = find(arguments.word());
        Self::of(spec, words, arguments)
    }

    /// These words, of which the first was found to be the name of a command, or of none.
    #[inline]
    pub(crate) fn of(
        spec: Option<&'static Spec>,
        words: Arguments<'a>,
        arguments: Arguments<'a>,
    ) -> Self {
        let Some(spec) = spec else { return Self::Unknown { words } };
        if !spec.takes(words.len()) {
            return Self::WrongArity { spec, words };
        }
        Self::Command(Call { spec, words, arguments })
    }
}
