//! Requests that ask for something and say nothing that matters besides: nearly all there are.
//!
//! They are read here in one go, with half the instructions. All others, and what is wrong or has
//! not come whole, are left to [`Reading`](super::head::Reading), which reads plain requests just
//! as they are read here: which of the two it is depends on how the bytes were cut.

use super::Limits;
use super::bytes::{IN_HOST, IN_PATH, IN_TOKEN, are_all_in, control, is_in};
use super::head::{Length, MAX_FIELDS, MAX_LINE_LEN, Method, Request, Version};
use super::picked::is;

/// The request at the beginning of `input`, and how long its head is, if it is plain: to get a path
/// in HTTP/1.1, of one host, with no field that says how it is to be read.
#[inline(always)]
pub(super) fn read(input: &[u8], limits: Limits) -> Option<(Request<'_>, usize)> {
    let (path, fields_at) = path(input)?;
    let mut line = &input[fields_at..];
    let (mut has_host, mut fields) = (false, 0);
    while !line.starts_with(b"\r\n") {
        let name_len = span(&IN_TOKEN, line);
        let (name, value) = line.split_at(name_len);
        let value_len = match name_len {
            0 => return None,
            4 if is(name, b"host") && !has_host => {
                has_host = true;
                host_len(value)
            }
            4 if is(name, b"host") => return None,
            6 if is(name, b"expect") => return None,
            10 if is(name, b"connection") => keep_alive_len(value)?,
            14 if is(name, b"content-length") => return None,
            17 if is(name, b"transfer-encoding") => return None,
            _ => control(value, 0)?,
        };
        let (value, rest) = value.split_at(value_len);
        line = rest.strip_prefix(b"\r\n")?;
        fields += 1;
        if fields > MAX_FIELDS || !value.starts_with(b":") {
            return None;
        }
    }
    let fields = &input[fields_at..input.len() - line.len()];
    let len = fields_at + fields.len() + 2;
    (has_host && len <= limits.head_len).then_some((get(path, fields), len))
}

/// The path, and where the first line ends.
#[inline(always)]
fn path(input: &[u8]) -> Option<(&[u8], usize)> {
    let rest = input.strip_prefix(b"GET ").filter(|rest| rest.first() == Some(&b'/'))?;
    let len = span(&IN_PATH, rest);
    let (path, rest) = rest.split_at(len);
    let end = b" HTTP/1.1\r\n";
    let line_len = b"GET ".len() + len + end.len();
    (rest.starts_with(end) && line_len <= MAX_LINE_LEN).then_some((path, line_len))
}

/// How long a host is, with the colon and perhaps a space before it.
#[inline(always)]
fn host_len(value: &[u8]) -> usize {
    let from = if value.starts_with(b": ") { 2 } else { 1.min(value.len()) };
    let host = &value[from..];
    // Several bytes at a time, as long as all are good.
    let (blocks, _) = host.as_chunks::<4>();
    let good = blocks.iter().take_while(|block| are_all_in(&IN_HOST, *block)).count() * 4;
    from + good + span(&IN_HOST, &host[good..])
}

/// How long it is to say of a connection that it stays, as browsers do, and as it does anyway.
#[inline(always)]
fn keep_alive_len(value: &[u8]) -> Option<usize> {
    const STAYS: &[u8; 12] = b": keep-alive";
    let said = value.first_chunk::<12>()?;
    said.eq_ignore_ascii_case(STAYS).then_some(STAYS.len())
}

/// How many bytes there are from the first on that are in the table.
#[inline(always)]
fn span(table: &[bool; 256], bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_in(table, **byte)).count()
}

#[inline(always)]
const fn get<'a>(path: &'a [u8], fields: &'a [u8]) -> Request<'a> {
    Request {
        method: Method::Get,
        version: Version::Http11,
        length: Length::None,
        keep_alive: true,
        expects_continue: false,
        is_plain: true,
        path,
        query: None,
        fields,
    }
}
