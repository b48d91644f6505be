//! Answers: what a server sends, and how that is written.

use windlass::{FrameError, FrameFault, Output};

use super::date::Date;
use super::head::Version;

/// What is sent, of which one or several make an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer<'a> {
    /// A whole answer, or its beginning, that was written before.
    Ready(&'a [u8]),
    /// The body that was announced may come.
    Continue,
    /// The head of an answer.
    Head(Head<'a>),
    /// A piece of a body of known size.
    Piece(&'a [u8]),
    /// A piece of a body in chunks. An empty one is nothing: it would be the end.
    Chunk(&'a [u8]),
    /// The end of a body in chunks.
    End,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) status: Status,
    pub(crate) date: &'a Date,
    pub(crate) size: Size,
    pub(crate) persistence: Persistence,
    /// Further fields: names and values.
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

/// How the client knows where the body of an answer ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    /// There is none, and by its status there cannot be.
    None,
    /// After so many bytes.
    Known(u64),
    /// Where the last chunk says so.
    Chunked,
    /// Where the connection ends.
    UntilClose,
}

/// What the client is told of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Persistence {
    /// Nothing: it stays, as is the rule.
    Stays,
    /// That it stays, to a client for which that is no rule.
    SaysStays,
    /// That this is its last answer.
    Closes,
}

impl Persistence {
    /// What a client of this version is told.
    pub(crate) const fn of(version: Version, keep_alive: bool) -> Self {
        match (keep_alive, version) {
            (false, _) => Self::Closes,
            (true, Version::Http10) => Self::SaysStays,
            (true, Version::Http11) => Self::Stays,
        }
    }
}

/// How a request was understood (RFC 9110, section 15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    SwitchingProtocols,
    Ok,
    NoContent,
    PartialContent,
    NotModified,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    LengthRequired,
    ContentTooLarge,
    UriTooLong,
    RangeNotSatisfiable,
    ExpectationFailed,
    UpgradeRequired,
    FieldsTooLarge,
    NotImplemented,
    ServiceUnavailable,
    VersionNotSupported,
}

impl Status {
    /// The number and its name.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::SwitchingProtocols => "101 Switching Protocols",
            Self::Ok => "200 OK",
            Self::NoContent => "204 No Content",
            Self::PartialContent => "206 Partial Content",
            Self::NotModified => "304 Not Modified",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::LengthRequired => "411 Length Required",
            Self::ContentTooLarge => "413 Content Too Large",
            Self::UriTooLong => "414 URI Too Long",
            Self::RangeNotSatisfiable => "416 Range Not Satisfiable",
            Self::ExpectationFailed => "417 Expectation Failed",
            Self::UpgradeRequired => "426 Upgrade Required",
            Self::FieldsTooLarge => "431 Request Header Fields Too Large",
            Self::NotImplemented => "501 Not Implemented",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

impl Answer<'_> {
    /// Writes the answer.
    ///
    /// # Errors
    ///
    /// A field that would be read as something else than one field. Nothing is put then.
    #[inline(always)]
    pub(super) fn put(self, output: &mut Output) -> Result<(), FrameError> {
        match self {
            Answer::Ready(bytes) => {
                output.put(bytes);
                Ok(())
            }
            answer => answer.put_other(output),
        }
    }

    #[inline(never)]
    fn put_other(self, output: &mut Output) -> Result<(), FrameError> {
        match self {
            Answer::Ready(bytes) | Answer::Piece(bytes) => output.put(bytes),
            Answer::Head(head) => return head.put(output),
            Answer::Continue => output.put(b"HTTP/1.1 100 Continue\r\n\r\n"),
            Answer::Chunk(bytes) => put_chunk(bytes, output),
            Answer::End => output.put(b"0\r\n\r\n"),
        }
        Ok(())
    }
}

impl Head<'_> {
    /// Where in what is written the date begins.
    pub(crate) const fn date_at(status: Status) -> usize {
        "HTTP/1.1 \r\nDate: ".len() + status.text().len()
    }

    fn put(self, output: &mut Output) -> Result<(), FrameError> {
        let is_wrong = |text: &str| text.contains(['\r', '\n', '\0']);
        if let Some(at) = self.fields.iter().position(|(_, value)| is_wrong(value)) {
            let fault = FrameFault::Malformed("a field's value has the end of a line in it");
            return Err(FrameError::new(fault, at));
        }
        output.put_pair(b"HTTP/1.1 ", self.status.text().as_bytes());
        output.put_pair(b"\r\nDate: ", self.date);
        match self.size {
            Size::None | Size::UntilClose => {}
            Size::Known(len) => {
                output.put(b"\r\nContent-Length: ");
                put_number(len, 10, output);
            }
            Size::Chunked => output.put(b"\r\nTransfer-Encoding: chunked"),
        }
        match self.persistence {
            Persistence::Stays => {}
            Persistence::SaysStays => output.put(b"\r\nConnection: keep-alive"),
            Persistence::Closes => output.put(b"\r\nConnection: close"),
        }
        for (name, value) in self.fields {
            output.put_pair(b"\r\n", name.as_bytes());
            output.put_pair(b": ", value.as_bytes());
        }
        output.put(b"\r\n\r\n");
        Ok(())
    }
}

fn put_chunk(bytes: &[u8], output: &mut Output) {
    if !bytes.is_empty() {
        put_number(bytes.len() as u64, 16, output);
        output.put_pair(b"\r\n", bytes);
        output.put(b"\r\n");
    }
}

/// Writes a number with digits of this base, 16 at most.
fn put_number(mut number: u64, base: u64, output: &mut Output) {
    // Of base 10, the greatest number has twenty digits.
    let mut digits = [0; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        let digit = usize::try_from(number % base).expect("it is below the base");
        digits[from] = b"0123456789abcdef"[digit];
        number /= base;
        if number == 0 {
            return output.put(&digits[from..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answers: &[Answer<'_>]) -> Result<String, FrameError> {
        let mut output = Output::new();
        answers.iter().try_for_each(|answer| answer.put(&mut output))?;
        Ok(String::from_utf8(output.to_vec()).unwrap())
    }

    fn head<'a>(fields: &'a [(&'a str, &'a str)]) -> Head<'a> {
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        Head {
            status: Status::Ok,
            date,
            size: Size::Known(0),
            persistence: Persistence::Stays,
            fields,
        }
    }

    #[test]
    fn a_head_is_written_line_by_line() {
        let mut head = head(&[("ETag", "\"a\""), ("Allow", "GET")]);
        head.size = Size::Known(12_345_678_901_234_567_890);
        let text = written(&[Answer::Head(head)]).unwrap();
        let date_at = Head::date_at(Status::Ok);
        assert_eq!(&text.as_bytes()[date_at..date_at + 29], head.date);
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Length: 12345678901234567890\r\nETag: \"a\"\r\nAllow: GET\r\n\r\n"
        );
        head.size = Size::Chunked;
        head.persistence = Persistence::Closes;
        head.fields = &[];
        let text = written(&[Answer::Head(head)]).unwrap();
        assert!(text.ends_with("\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"));
    }

    #[test]
    fn chunks_are_as_long_as_they_say_and_an_empty_one_is_not_the_end() {
        let chunk = [b'x'; 0x1A2];
        let text =
            written(&[Answer::Chunk(b""), Answer::Chunk(b"a"), Answer::Chunk(&chunk), Answer::End]);
        let xs = "x".repeat(0x1A2);
        assert_eq!(text.unwrap(), format!("1\r\na\r\n1a2\r\n{xs}\r\n0\r\n\r\n"));
    }

    #[test]
    fn a_field_with_the_end_of_a_line_in_it_is_not_written() {
        for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0"] {
            let fields = [("Allow", "GET"), ("Location", value)];
            let error = written(&[Answer::Head(head(&fields))]).unwrap_err();
            assert_eq!(error.at, 1, "{value:?}");
        }
    }

    #[test]
    fn a_client_is_told_what_it_would_not_expect_of_the_connection() {
        assert_eq!(Persistence::of(Version::Http11, true), Persistence::Stays);
        assert_eq!(Persistence::of(Version::Http11, false), Persistence::Closes);
        assert_eq!(Persistence::of(Version::Http10, true), Persistence::SaysStays);
        assert_eq!(Persistence::of(Version::Http10, false), Persistence::Closes);
    }
}
