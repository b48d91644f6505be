//! Requests that ask for something and say nothing that matters besides: nearly all there are.
//!
//! They are read here in one go. What is not plain, wrong or not all there is left to
//! [`Reading`](super::head::Reading), which reads all there is, and plain requests just as this.

use super::Limits;
use super::bytes::{IN_HOST, IN_PATH, IN_TOKEN, control, is_in};
use super::head::{Length, MAX_FIELDS, MAX_LINE_LEN, Method, Request, Version};
use super::picked::is;

/// The request at the beginning of `input`, and how long its head is, if it is plain: to get a path
/// in HTTP/1.1, of one host, with no field that says how it is to be read.
#[inline(always)]
pub(super) fn read(input: &[u8], limits: Limits) -> Option<(Request<'_>, usize)> {
    let (path, fields_at) = path(input)?;
    let (mut at, mut has_host) = (fields_at, false);
    for _ in 0..=MAX_FIELDS {
        let line = &input[at..];
        if line.starts_with(b"\r\n") {
            let is_plain = has_host && at + 2 <= limits.head_len;
            let fields = &input[fields_at..at];
            return is_plain.then_some((get(path, fields), at + 2));
        }
        let name_len = line.iter().position(|byte| !is_in(&IN_TOKEN, *byte))?;
        let (name, value) = line.split_at(name_len);
        if value[0] != b':' {
            return None;
        }
        let value_len = match name_len {
            4 if is(name, b"host") => {
                let is_second = std::mem::replace(&mut has_host, true);
                host_len(value).filter(|_| !is_second)?
            }
            0 => return None,
            6 if is(name, b"expect") => return None,
            10 if is(name, b"connection") => return None,
            14 if is(name, b"content-length") => return None,
            17 if is(name, b"transfer-encoding") => return None,
            _ => control(value, 1)?,
        };
        if !value[value_len..].starts_with(b"\r\n") {
            return None;
        }
        at += name_len + value_len + 2;
    }
    None
}

/// The path, and where the first line ends.
#[inline(always)]
fn path(input: &[u8]) -> Option<(&[u8], usize)> {
    let rest = input.strip_prefix(b"GET ").filter(|rest| rest.first() == Some(&b'/'))?;
    let len = rest.iter().position(|byte| !is_in(&IN_PATH, *byte))?;
    let (path, rest) = rest.split_at(len);
    let end = b" HTTP/1.1\r\n";
    let line_len = b"GET ".len() + len + end.len();
    (rest.starts_with(end) && line_len <= MAX_LINE_LEN).then_some((path, line_len))
}

/// How long a host is, with the colon and perhaps a space before it.
#[inline(always)]
fn host_len(value: &[u8]) -> Option<usize> {
    let from = if value.get(1) == Some(&b' ') { 2 } else { 1 };
    let len = value[from..].iter().position(|byte| !is_in(&IN_HOST, *byte))?;
    Some(from + len)
}

#[inline(always)]
const fn get<'a>(path: &'a [u8], fields: &'a [u8]) -> Request<'a> {
    Request {
        method: Method::Get,
        version: Version::Http11,
        length: Length::None,
        keep_alive: true,
        expects_continue: false,
        path,
        query: None,
        fields,
    }
}
