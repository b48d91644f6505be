//! What of a file is to be sent: all of it, a range, or nothing, if the client has it already
//! (RFC 9110, sections 13 and 14).

use std::time::{SystemTime, UNIX_EPOCH};

use super::http1::{self, Method, Request};

/// What tells a state of a file from every other.
pub(crate) struct Version {
    pub(crate) tag: String,
    pub(crate) date: String,
}

impl Version {
    /// The file is so long, and was last changed at this time.
    pub(crate) fn of(len: u64, modified: SystemTime) -> Self {
        let nanos = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let date = http1::date(modified);
        Self {
            tag: format!("\"{nanos:x}-{len:x}\""),
            date: String::from_utf8_lossy(&date).into_owned(),
        }
    }

    /// Whether this is the state that the client has.
    fn is_known_to(&self, request: &Request<'_>) -> bool {
        let mut tags = request.fields("if-none-match").peekable();
        if tags.peek().is_none() {
            // A date is only compared with one of this server's: a clock may have been set back.
            return request.field("if-modified-since") == Some(self.date.as_bytes());
        }
        let mut tags =
            tags.flat_map(|list| list.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes())
    }
}

/// What is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Whole,
    /// From this byte to that one, both included.
    Range {
        from: u64,
        to: u64,
    },
    /// What the client has is still the same.
    Unchanged,
    /// A range of which there is nothing.
    Beyond,
}

/// What of a file of this version and length a request is for.
pub(crate) fn part(request: &Request<'_>, version: &Version, len: u64) -> Part {
    if version.is_known_to(request) {
        return Part::Unchanged;
    }
    // Whoever has a part of another version is sent all of this one. A date is not good enough: it
    // does not tell two versions of one second apart (RFC 9110, section 8.8.2.2).
    let is_same = request.field("if-range").is_none_or(|given| given == version.tag.as_bytes());
    match request.field("range") {
        Some(wanted) if is_same && request.method == Method::Get => range(wanted, len),
        _ => Part::Whole,
    }
}

/// What a `Range` says of a file of this length. One that is not understood, or is for several
/// ranges, may be left out of account, and is.
fn range(wanted: &[u8], len: u64) -> Part {
    let wanted = str::from_utf8(wanted).ok().and_then(|wanted| wanted.split_once('='));
    let wanted = wanted.filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
    let Some((from, to)) = wanted.and_then(|(_, range)| range.split_once('-')) else {
        return Part::Whole;
    };
    match (bound(from), bound(to)) {
        (Some(Some(from)), Some(to)) => match to.unwrap_or(u64::MAX) {
            to if to < from => Part::Whole,
            to if from < len => Part::Range { from, to: to.min(len - 1) },
            _ => Part::Beyond,
        },
        // The last so many bytes.
        (Some(None), Some(Some(0))) => Part::Beyond,
        (Some(None), Some(Some(last))) if len > 0 => {
            Part::Range { from: len.saturating_sub(last), to: len - 1 }
        }
        _ => Part::Whole,
    }
}

/// A bound of a range, which may be left out; `None` if it is something else. What is too large
/// for the type lies beyond any file.
fn bound(text: &str) -> Option<Option<u64>> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true if text.is_empty() => Some(None),
        true => Some(Some(text.parse().unwrap_or(u64::MAX))),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_there_is() {
        let bytes = |from, to| Part::Range { from, to };
        for (wanted, len, expected) in [
            ("bytes=0-0", 10, bytes(0, 0)),
            ("bytes=2-5", 10, bytes(2, 5)),
            ("Bytes=2-", 10, bytes(2, 9)),
            ("bytes=9-99999999999999999999", 10, bytes(9, 9)),
            ("bytes=-3", 10, bytes(7, 9)),
            ("bytes=-30", 10, bytes(0, 9)),
            ("bytes=10-", 10, Part::Beyond),
            ("bytes=99999999999999999999-", 10, Part::Beyond),
            ("bytes=0-", 0, Part::Beyond),
            ("bytes=-0", 10, Part::Beyond),
            ("bytes=-1", 0, Part::Whole),
            ("bytes=5-2", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=", 10, Part::Whole),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("bytes=1 -2", 10, Part::Whole),
            ("lines=1-2", 10, Part::Whole),
            ("1-2", 10, Part::Whole),
        ] {
            assert_eq!(range(wanted.as_bytes(), len), expected, "{wanted} of {len}");
        }
    }
}
