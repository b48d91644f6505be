//! What the arguments of many commands have in common: numbers with limits, and keys behind their
//! number.

use super::arguments::Arguments;
use super::numbers::{parse_double, parse_integer};
use super::refusal::Refusal;

const NOT_POSITIVE: Refusal = Refusal::Other("ERR value is out of range, must be positive");

pub(crate) fn integer(word: &[u8]) -> Result<i64, Refusal> {
    parse_integer(word).ok_or(Refusal::NotAnInteger)
}

pub(crate) fn double(word: &[u8]) -> Result<f64, Refusal> {
    parse_double(word).ok_or(Refusal::NotAFloat)
}

/// How many are wanted: zero or more.
pub(crate) fn count(word: &[u8]) -> Result<usize, Refusal> {
    least(word, 0, NOT_POSITIVE)
}

/// A number that is at least `least`; otherwise, or if it is none, what is wrong with it.
pub(crate) fn least(word: &[u8], least: i64, refusal: Refusal) -> Result<usize, Refusal> {
    let number = parse_integer(word).filter(|number| *number >= least).ok_or(refusal)?;
    usize::try_from(number).map_err(|_| refusal)
}

/// Keys behind their number, and what follows them; `too_few` is what is said if that is more than
/// there are words.
pub(crate) fn numbered_keys(
    mut arguments: Arguments<'_>,
    too_few: Refusal,
) -> Result<(Arguments<'_>, Arguments<'_>), Refusal> {
    let refusal = Refusal::Other("ERR numkeys should be greater than 0");
    let count = least(arguments.word(), 1, refusal)?;
    arguments.split_at(count).ok_or(too_few)
}

/// How many are popped: one, or as many as the option `COUNT` says.
pub(crate) fn pop_count(mut words: Arguments<'_>) -> Result<usize, Refusal> {
    let Some(option) = words.next() else { return Ok(1) };
    let value = words.next().ok_or(Refusal::Syntax)?;
    if !option.eq_ignore_ascii_case(b"count") {
        return Err(Refusal::Syntax);
    }
    let count = least(value, 1, Refusal::Other("ERR count should be greater than 0"))?;
    if words.is_empty() { Ok(count) } else { Err(Refusal::Syntax) }
}

/// How many are counted: all, or no more than the option `LIMIT` says, of which zero is all as
/// well.
pub(crate) fn limit(mut words: Arguments<'_>) -> Result<usize, Refusal> {
    let mut limit = 0;
    while let Some(option) = words.next() {
        let value = words.next().ok_or(Refusal::Syntax)?;
        if !option.eq_ignore_ascii_case(b"limit") {
            return Err(Refusal::Syntax);
        }
        limit = least(value, 0, Refusal::Other("ERR LIMIT can't be negative"))?;
    }
    Ok(if limit == 0 { usize::MAX } else { limit })
}
