//! Finding the head of a request that does not arrive at once, without looking at it again and
//! again.
//!
//! The answer to the same bytes is the same however they arrive, and as early: the first byte is
//! judged at once, the first line when it has ended, and the fields when all have.

use memchr::{memchr, memchr_iter};

use super::head::{
    HEAD_TOO_LONG, LINE_TOO_LONG, MAX_EMPTY_LEN, MAX_LINE_LEN, Request, TOO_MANY_EMPTY, parse,
    refusal,
};
use super::{Limits, Refused};

/// How far a head has been looked at that has not arrived whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// So many bytes were searched for the end of a line.
    searched: u32,
    /// Where the first line ended, which is known to be good then; before, zero.
    line_end: u32,
}

impl Progress {
    pub(crate) const NONE: Self = Self { searched: 0, line_end: 0 };
}

/// The request at the beginning of `input`, and how long its head is, if that is all there.
#[inline]
pub(crate) fn read<'a>(
    progress: &mut Progress,
    input: &'a [u8],
    limits: Limits,
) -> Result<Option<(Request<'a>, usize)>, Refused> {
    // Nearly every head arrives whole.
    if progress.searched == 0
        && let Ok(found) = parse(input, limits)
    {
        return found.map(Some);
    }
    let Some(end) = search(progress, input, limits)? else { return Ok(None) };
    *progress = Progress::NONE;
    parse(&input[..end], limits).unwrap_or_else(|error| Err(refusal(error, input))).map(Some)
}

/// Where the head ends, which has not arrived whole, or is wrong somewhere.
#[cold]
fn search(progress: &mut Progress, input: &[u8], limits: Limits) -> Result<Option<usize>, Refused> {
    let searched = progress.searched as usize;
    progress.searched = u32::try_from(input.len()).unwrap_or(u32::MAX);
    if progress.line_end == 0 {
        let Some(end) = line_end(input, searched)? else { return Ok(None) };
        // It cannot be whole: nothing comes after it.
        if let Err(Some(error)) = parse(&input[..end], limits) {
            return Err(refusal(Some(error), input));
        }
        progress.line_end = u32::try_from(end).unwrap_or(u32::MAX);
    }
    // The end of the line before may be what the head's end begins with.
    let from = (progress.line_end as usize - 1).max(searched.saturating_sub(2));
    match head_end(input, from) {
        Some(end) if end <= limits.head_len as usize => Ok(Some(end)),
        None if input.len() < limits.head_len as usize => Ok(None),
        _ => Err(HEAD_TOO_LONG),
    }
}

/// Where the line ends that is the first but for empty ones; the first `searched` bytes have no end
/// of it.
fn line_end(input: &[u8], searched: usize) -> Result<Option<usize>, Refused> {
    let start = input.iter().take(MAX_EMPTY_LEN + 1).position(|byte| !b"\r\n".contains(byte));
    let Some(start) = start else {
        return if input.len() > MAX_EMPTY_LEN { Err(TOO_MANY_EMPTY) } else { Ok(None) };
    };
    if !is_token(input[start]) {
        // Perhaps TLS: no line's end may ever come.
        return Err(Refused::bad("this is no HTTP"));
    }
    let from = searched.max(start);
    let end = memchr(b'\n', &input[from..]).map(|at| from + at);
    match end.unwrap_or(input.len()) - start {
        ..=MAX_LINE_LEN => Ok(end.map(|end| end + 1)),
        _ => Err(LINE_TOO_LONG),
    }
}

/// Where the first empty line ends after the end of a line at `from` or later.
fn head_end(input: &[u8], from: usize) -> Option<usize> {
    let rest = &input[from..];
    memchr_iter(b'\n', rest).find_map(|at| match rest[at + 1..] {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// Whether a word can have this in it (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
