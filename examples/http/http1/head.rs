//! The head of a request: checked, and what a server acts on picked out of it.
//!
//! `httparse` knows how the lines are written. What they mean, and what they must not mean, is
//! decided here.

use std::mem::MaybeUninit;

use httparse::Error;

use super::picked::Picked;
use super::{Limits, Refused, Status, target};

/// The longest first line, in bytes with its CR: RFC 9112, section 3, asks for 8,000 at least.
pub(super) const MAX_LINE_LEN: usize = 8 << 10;
/// The most fields of a head: browsers send about twenty.
const MAX_FIELDS: usize = 64;
/// The most bytes of empty lines before a request: RFC 9112, section 2.2, asks for one line.
pub(super) const MAX_EMPTY_LEN: usize = 8;

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// How long the body is.
    pub(crate) length: Length,
    /// Whether the client will send more requests.
    pub(crate) keep_alive: bool,
    /// Whether the client waits for a word before it sends the body.
    pub(crate) expects_continue: bool,
    /// What is asked for, as it was sent: it begins with `/`, or is `*`.
    pub(crate) path: &'a str,
    /// What came after the `?`.
    pub(crate) query: Option<&'a str>,
    /// The lines of the fields, checked.
    fields: &'a [u8],
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Options,
    /// A method that HTTP knows, and nothing here allows: DELETE, PATCH or TRACE.
    Other,
}

impl Method {
    #[inline]
    fn of(name: &str) -> Result<Self, Refused> {
        Ok(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "OPTIONS" => Self::Options,
            "DELETE" | "PATCH" | "TRACE" => Self::Other,
            _ => return Err(UNKNOWN_METHOD),
        })
    }
}

/// Of which versions there are two that are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// How the end of a request's body is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Length {
    /// Nothing is said of a body, so there is none.
    None,
    /// It has so many bytes.
    Known(u64),
    /// It comes in chunks, of which the last says so.
    Chunked,
}

impl Length {
    /// Whether a body follows.
    pub(crate) const fn has_body(self) -> bool {
        !matches!(self, Self::None | Self::Known(0))
    }
}

impl<'a> Request<'a> {
    /// The value of the field of this name, which is given in small letters, as it was sent; of
    /// several, the first.
    pub(crate) fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields(name).next()
    }

    /// The values of all fields of this name.
    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.split(|byte| *byte == b'\n').filter_map(move |line| {
            let (field, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?;
            field.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }
}

/// The request that `input` begins with. The error is what `httparse` says of it, or nothing, if
/// its head has not ended.
#[inline]
pub(super) fn parse<'a>(
    input: &'a [u8],
    limits: Limits,
) -> Result<Result<(Request<'a>, usize), Refused>, Option<Error>> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let httparse::Status::Complete(len) = parsed.parse_with_uninit_headers(input, &mut fields)?
    else {
        return Err(None);
    };
    Ok(understand(&parsed, &input[..len], limits).map(|request| (request, len)))
}

/// What a head means that is written as heads are.
#[inline]
fn understand<'a>(
    parsed: &httparse::Request<'_, 'a>,
    head: &'a [u8],
    limits: Limits,
) -> Result<Request<'a>, Refused> {
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refused::bad("the first line is malformed"));
    };
    let line_end = check_lines(head, method, target, limits)?;
    let mut picked = Picked::default();
    for field in &*parsed.headers {
        check_end(head, field.value)?;
        picked.look_at(field)?;
    }
    let method = Method::of(method)?;
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    picked.check_host(version)?;
    let (path, query) = target::split(method, target)?;
    Ok(Request {
        method,
        version,
        length: picked.length(version, limits.body_len)?,
        keep_alive: picked.keeps_alive(version),
        expects_continue: picked.expects_continue(version)?,
        path,
        query,
        fields: &head[line_end..head.len() - 2],
    })
}

/// Where the fields begin, if neither the first line nor the head is too long, and both end as they
/// ought to.
#[inline]
fn check_lines(head: &[u8], method: &str, target: &str, limits: Limits) -> Result<usize, Refused> {
    let start = offset(head, method.as_bytes());
    if start > 0 {
        check_empty_lines(&head[..start])?;
    }
    let end = offset(head, target.as_bytes()) + target.len() + " HTTP/1.1".len();
    if end - start >= MAX_LINE_LEN {
        return Err(LINE_TOO_LONG);
    }
    if head.len() > limits.head_len as usize {
        return Err(HEAD_TOO_LONG);
    }
    match head[end..] {
        [b'\r', b'\n', .., b'\r', b'\n'] => Ok(end + 2),
        _ => Err(BARE_LF),
    }
}

#[cold]
fn check_empty_lines(lines: &[u8]) -> Result<(), Refused> {
    match lines.chunks(2).all(|line| line == b"\r\n") {
        true if lines.len() <= MAX_EMPTY_LEN => Ok(()),
        true => Err(TOO_MANY_EMPTY),
        false => Err(BARE_LF),
    }
}

/// Where in `head` this part of it begins.
#[inline]
fn offset(head: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().wrapping_sub(head.as_ptr().addr())
}

/// The line ends with CR LF behind this value, which `httparse` has cut spaces off.
#[inline]
fn check_end(head: &[u8], value: &[u8]) -> Result<(), Refused> {
    let behind = &head[offset(head, value) + value.len()..];
    if behind[0] == b'\r' || behind.iter().find(|byte| !b" \t".contains(byte)) == Some(&b'\r') {
        Ok(())
    } else {
        Err(BARE_LF)
    }
}

pub(super) const TOO_MANY_EMPTY: Refused =
    Refused::bad("there are too many empty lines before the request");
pub(super) const LINE_TOO_LONG: Refused =
    Refused { status: Status::UriTooLong, why: "the first line is too long" };
pub(super) const HEAD_TOO_LONG: Refused =
    Refused { status: Status::FieldsTooLarge, why: "the fields are too long" };
const TOO_MANY_FIELDS: Refused =
    Refused { status: Status::FieldsTooLarge, why: "there are too many fields" };
const WRONG_VERSION: Refused =
    Refused { status: Status::VersionNotSupported, why: "this server speaks HTTP/1.1" };

const BARE_LF: Refused = Refused::bad("a line ends with LF and not with CR LF");

const UNKNOWN_METHOD: Refused =
    Refused { status: Status::NotImplemented, why: "the method is not known here" };

/// What is wrong with a head, of which `httparse` said this, or nothing.
#[cold]
pub(super) fn refusal(error: Option<Error>, input: &[u8]) -> Refused {
    match error {
        Some(Error::TooManyHeaders) => TOO_MANY_FIELDS,
        Some(Error::Version) if names_version(input) => WRONG_VERSION,
        Some(Error::HeaderName) => Refused::bad(
            "a field's name is malformed, has a space behind it, or the field is folded",
        ),
        Some(Error::HeaderValue) => Refused::bad("a field's value has a control character in it"),
        _ => Refused::bad("the first line is malformed"),
    }
}

/// Whether the first line ends with a version as versions are written (RFC 9112, section 2.3).
fn names_version(input: &[u8]) -> bool {
    let mut lines = input.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let version = line.last_chunk().map(|version: &[u8; 9]| version.as_slice());
    let digits = version.and_then(|version| version.strip_prefix(b" HTTP/"));
    matches!(digits, Some([b'0'..=b'9', b'.', b'0'..=b'9']))
}
