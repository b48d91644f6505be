//! The head of a request: line by line, checked, and what a server acts on picked out of it.
//!
//! Each line is judged when it has ended, and looked at no more than once, however it arrives, but
//! for the first, which is looked at again when all are there.

use super::line::Line;
use super::lines::Lines;
use super::picked::Picked;
use super::{Limits, Refused, Status};

/// The longest first line, in bytes: RFC 9112, section 3, asks for 8,000 at least.
pub(super) const MAX_LINE_LEN: usize = 8 << 10;
/// The most fields of a head: browsers send about twenty.
pub(super) const MAX_FIELDS: u32 = 64;
/// The most bytes of empty lines before a request: RFC 9112, section 2.2, asks for one line.
const MAX_EMPTY_LEN: usize = 8;

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
    /// Whether it asks for something and says nothing that matters besides: a GET in HTTP/1.1 that
    /// has no body, no query and no expectation, on a connection that stays.
    pub(crate) is_plain: bool,
    /// What is asked for, as it was sent: it begins with `/`, or is `*`.
    pub(crate) path: &'a [u8],
    /// What came after the `?`.
    pub(crate) query: Option<&'a [u8]>,
    /// The lines of the fields, checked.
    pub(super) fields: &'a [u8],
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

/// How far the head of a request has been read.
#[derive(Clone, Default, Debug)]
pub(super) struct Reading {
    /// Where the first line begins, behind empty ones.
    start: usize,
    /// Where the fields begin; zero, if the first line has not ended.
    fields_at: usize,
    lines: Lines,
    fields: u32,
    picked: Picked,
}

impl Reading {
    /// Whether nothing was read.
    #[inline(always)]
    pub(super) const fn is_fresh(&self) -> bool {
        self.lines.are_fresh()
    }

    /// The request at the beginning of `input`, and how long its head is, if that is all there. If
    /// it is not, this knows how far it was read.
    pub(super) fn read<'a>(
        &mut self,
        input: &'a [u8],
        limits: Limits,
    ) -> Result<Option<(Request<'a>, usize)>, Refused> {
        let input = &input[..input.len().min(limits.head_len)];
        if self.fields_at == 0 {
            let Some(line) = self.first_line(input)? else { return Ok(None) };
            Line::read(line)?;
            self.fields_at = self.lines.at();
        }
        loop {
            match self.lines.next(input)? {
                Some([]) => break,
                Some(line) => self.picked.read(line)?,
                None if input.len() < limits.head_len => return Ok(None),
                None => return Err(HEAD_TOO_LONG),
            }
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err(TOO_MANY_FIELDS);
            }
        }
        let Self { start, fields_at, lines, picked, .. } = std::mem::take(self);
        let line = Line::read(&input[start..fields_at - 2])?;
        let len = lines.at();
        Ok(Some((picked.request(line, &input[fields_at..len - 2], limits)?, len)))
    }

    /// The first line that is not empty, if it has ended.
    fn first_line<'a>(&mut self, input: &'a [u8]) -> Result<Option<&'a [u8]>, Refused> {
        loop {
            let most = self.start + MAX_LINE_LEN + "\r\n".len();
            match self.lines.next(&input[..input.len().min(most)])? {
                Some([]) if self.lines.at() > MAX_EMPTY_LEN => return Err(TOO_MANY_EMPTY),
                Some([]) => self.start = self.lines.at(),
                None if input.len() >= most => return Err(LINE_TOO_LONG),
                line => return Ok(line),
            }
        }
    }
}

const LINE_TOO_LONG: Refused =
    Refused { status: Status::UriTooLong, why: "the first line is too long" };
const TOO_MANY_EMPTY: Refused = Refused::bad("there are too many empty lines before the request");
const HEAD_TOO_LONG: Refused =
    Refused { status: Status::FieldsTooLarge, why: "the fields are too long" };
const TOO_MANY_FIELDS: Refused =
    Refused { status: Status::FieldsTooLarge, why: "there are too many fields" };
