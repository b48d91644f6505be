//! Lines that end with CR LF, one after the other, and the fields they may be (RFC 9112, sections
//! 2.2 and 5).

use super::Refused;
use super::bytes::{IN_TOKEN, control, is_in};

/// Where in its lines a reader is. No byte is looked at twice, however the lines arrive.
#[derive(Clone, Default, Debug)]
pub(super) struct Lines {
    /// Where the line begins that is next.
    at: usize,
    /// How far it was searched for its end.
    searched: usize,
}

impl Lines {
    /// Whether nothing was read.
    #[inline(always)]
    pub(super) const fn are_fresh(&self) -> bool {
        self.searched == 0
    }

    /// How much of the input has become lines.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The next line, without its end, if that is there. It has no control character in it but
    /// tabs.
    pub(super) fn next<'a>(&mut self, input: &'a [u8]) -> Result<Option<&'a [u8]>, Refused> {
        while let Some(at) = control(input, self.searched) {
            self.searched = at;
            match input[at..] {
                [b'\r', b'\n', ..] => {
                    let line = &input[self.at..at];
                    self.at = at + 2;
                    self.searched = self.at;
                    return Ok(Some(line));
                }
                [b'\r'] => return Ok(None),
                [b'\r', ..] => return Err(BARE_CR),
                [b'\n', ..] => return Err(BARE_LF),
                [b'\t', ..] => self.searched = at + 1,
                _ => return Err(CONTROL),
            }
        }
        self.searched = input.len();
        Ok(None)
    }
}

/// The name and the value in a line: the name is a word, and the colon right behind it.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refused> {
    let end = line.iter().position(|byte| !is_in(&IN_TOKEN, *byte)).unwrap_or(0);
    match line.split_at(end) {
        (name, [b':', value @ ..]) if !name.is_empty() => Ok((name, value.trim_ascii())),
        _ => Err(malformed(line)),
    }
}

/// What is wrong with a line that is no field.
fn malformed(line: &[u8]) -> Refused {
    Refused::bad(match line {
        [b' ' | b'\t', ..] => "a field is folded, or begins with a space",
        _ if line.contains(&b':') => "a field's name is malformed, or has a space behind it",
        _ => "a field has no colon",
    })
}

const BARE_LF: Refused = Refused::bad("a line ends with LF and not with CR LF");
const BARE_CR: Refused = Refused::bad("there is a CR that ends no line");
const CONTROL: Refused = Refused::bad("there is a control character");
