//! Why something could not be measured, as a sentence for whoever asked.

use std::error::Error;
use std::fmt::{self, Display};

/// What stood in the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trouble(String);

impl Trouble {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Trouble {}

/// Says what was tried when it failed.
pub(crate) trait Trying<T> {
    /// `what` is what could not be done, such as "cannot start the server".
    fn trying(self, what: impl Display) -> Result<T, Trouble>;
}

impl<T, E: Display> Trying<T> for Result<T, E> {
    fn trying(self, what: impl Display) -> Result<T, Trouble> {
        self.map_err(|error| Trouble(format!("{what}: {error}")))
    }
}
