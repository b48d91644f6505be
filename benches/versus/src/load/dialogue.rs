//! The load's half of the talk with who measures: it says how far it is, and waits to go on.

use std::fmt::Display;
use std::io::{self, BufRead as _, Write as _};

use crate::trouble::{Trouble, Trying as _};

/// Says how far the load is, and waits for a line.
///
/// # Errors
/// If nobody is there any more.
pub(super) fn pause(stage: impl Display) -> Result<(), Trouble> {
    let mut output = io::stdout().lock();
    writeln!(output, "{stage}").and_then(|()| output.flush()).trying("cannot report")?;
    let mut line = String::new();
    let len = io::stdin().lock().read_line(&mut line).trying("cannot wait for a line")?;
    if len == 0 {
        return Err(Trouble::new("nobody waits for the load any more"));
    }
    Ok(())
}
