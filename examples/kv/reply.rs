//! What is answered, and its bytes in both versions of the protocol.

use windlass::Output;

use super::numbers::{format_double, format_integer};

/// Which version of the protocol a connection speaks: the second, until it asks for the third with
/// `HELLO`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Version {
    #[default]
    Resp2,
    Resp3,
}

/// An answer, or a piece of one: of arrays, maps and sets only the head, followed by their
/// elements.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Reply<'a> {
    Ok,
    Pong,
    Simple(&'a str),
    /// The text begins with a word in capitals, such as `ERR`.
    Error(&'a str),
    Integer(i64),
    Bulk(&'a [u8]),
    /// Text for people: with its kind where that can be said.
    Text(&'a str),
    /// In the second version a number is a bulk string.
    Double(f64),
    Null,
    /// No array, where there could have been one.
    NullArray,
    Array(usize),
    /// So many pairs follow: in the second version an array of twice as many.
    Map(usize),
    Set(usize),
    /// What was not asked for: in the second version an array.
    Push(usize),
    /// Answers as bytes, which are the same in both versions.
    Encoded(&'a [u8]),
}

/// Where a command puts its answer.
pub(crate) trait Replies {
    fn put(&mut self, reply: Reply<'_>);

    /// Which version the connection speaks, for the few answers whose form depends on it.
    fn version(&mut self) -> Version;

    fn ok(&mut self) {
        self.put(Reply::Ok);
    }

    fn integer(&mut self, value: i64) {
        self.put(Reply::Integer(value));
    }

    /// A length, or how many of something there are.
    fn count(&mut self, count: usize) {
        self.put(Reply::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
    }

    fn bulk(&mut self, bytes: &[u8]) {
        self.put(Reply::Bulk(bytes));
    }

    /// The bytes, or that there are none.
    fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        self.put(bytes.map_or(Reply::Null, Reply::Bulk));
    }

    fn array(&mut self, len: usize) {
        self.put(Reply::Array(len));
    }
}

impl Reply<'_> {
    /// Puts the bytes of the answer into `output`.
    #[inline]
    pub(crate) fn encode(self, version: Version, output: &mut Output) {
        match self {
            Self::Ok => output.put(b"+OK\r\n"),
            Self::Pong => output.put(b"+PONG\r\n"),
            Self::Bulk(bytes) => bulk(bytes, output),
            Self::Integer(value) => header(b':', value, output),
            _ => self.encode_other(version, output),
        }
    }

    #[inline(never)]
    fn encode_other(self, version: Version, output: &mut Output) {
        let is_third = version == Version::Resp3;
        match self {
            Self::Encoded(bytes) => output.put(bytes),
            Self::Simple(text) => line(b'+', text, output),
            Self::Error(text) => line(b'-', text, output),
            Self::Text(text) if is_third => {
                header(b'=', text.len() + "txt:".len(), output);
                output.put_pair(b"txt:", text.as_bytes());
                output.put(b"\r\n");
            }
            Self::Text(text) => bulk(text.as_bytes(), output),
            Self::Double(value) => double(value, is_third, output),
            Self::Null | Self::NullArray if is_third => output.put(b"_\r\n"),
            Self::Null => output.put(b"$-1\r\n"),
            Self::NullArray => output.put(b"*-1\r\n"),
            Self::Map(pairs) if is_third => header(b'%', pairs, output),
            Self::Map(pairs) => header(b'*', pairs * 2, output),
            Self::Set(len) if is_third => header(b'~', len, output),
            Self::Push(len) if is_third => header(b'>', len, output),
            Self::Array(len) | Self::Set(len) | Self::Push(len) => header(b'*', len, output),
            Self::Ok | Self::Pong | Self::Bulk(_) | Self::Integer(_) => {
                self.encode(version, output);
            }
        }
    }
}

/// The bytes of `text` after their kind, on a line of its own: what would end it is a blank.
fn line(kind: u8, text: &str, output: &mut Output) {
    output.put(&[kind]);
    for (index, piece) in text.split(['\r', '\n']).enumerate() {
        output.put_pair(if index == 0 { b"" } else { b" " }, piece.as_bytes());
    }
    output.put(b"\r\n");
}

fn double(value: f64, is_third: bool, output: &mut Output) {
    let mut room = [0; 32];
    let text = format_double(value, &mut room);
    if is_third {
        output.put_pair(b",", text);
        output.put(b"\r\n");
    } else {
        bulk(text, output);
    }
}

#[inline]
fn bulk(bytes: &[u8], output: &mut Output) {
    header(b'$', bytes.len(), output);
    output.put_pair(bytes, b"\r\n");
}

/// A number after its kind: most have one digit or two.
#[inline(always)]
fn header(kind: u8, value: impl TryInto<i64>, output: &mut Output) {
    // A length in memory is never that large.
    let value = value.try_into().unwrap_or(i64::MAX);
    match u8::try_from(value) {
        Ok(digit @ 0..=9) => output.put(&[kind, b'0' | digit, b'\r', b'\n']),
        Ok(two @ 10..=99) => {
            output.put(&[kind, b'0' | (two / 10), b'0' | (two % 10), b'\r', b'\n']);
        }
        _ => long_header(kind, value, output),
    }
}

#[inline(never)]
fn long_header(kind: u8, value: i64, output: &mut Output) {
    let mut room = [0; 20];
    output.put_pair(&[kind], format_integer(value, &mut room));
    output.put(b"\r\n");
}
