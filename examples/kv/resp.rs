//! The codec: RESP2 and RESP3, as <https://redis.io/docs/latest/develop/reference/protocol-spec/>
//! describes them. Requests are arrays of bulk strings, or lines; they become typed commands here.

use memchr::memchr;
use windlass::{Codec, Decoded, FrameError, Output};

use super::arguments::Arguments;
use super::command::find_word;
use super::head::{Head, PING, is_ping, short_len};
use super::inline;
use super::reply::{Reply, Version};
use super::request::{Fault, Request};

/// What a request may come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// The longest argument, in bytes.
    pub(crate) max_value_len: usize,
    /// The longest request, in bytes, with all its lengths.
    pub(crate) max_request_len: usize,
}

/// The most arguments of a request. Redis takes two thousand times as many, of which no client
/// makes use.
const MAX_ARGUMENTS: u32 = 1024 * 1024;
/// The most arguments, and the longest one, before the password was given: as in Redis.
const MAX_STRANGERS_ARGUMENTS: u32 = 10;
const MAX_STRANGERS_VALUE_LEN: usize = 16 * 1024;
/// The longest length, with what is before and behind it: no number of 64 bits is longer.
const MAX_HEADER_LEN: usize = 24;

/// The framing of one connection, and the version it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Resp {
    limits: Limits,
    pub(crate) version: Version,
    /// Whether nobody knows yet who sends this: less is taken from those.
    pub(crate) is_stranger: bool,
    /// Of a request that is not whole: how far it was looked at.
    scan: Scan,
}

/// How far a request was looked at: so many of its arguments are whole.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// Where the next argument begins; zero if nothing is known yet. On a line, how many bytes have
    /// no line feed in them.
    at: u32,
    /// How many arguments there are, and how many of them were not seen yet.
    count: u32,
    left: u32,
    /// Where the first argument begins.
    start: u32,
}

impl Resp {
    pub(crate) const fn new(limits: Limits, is_stranger: bool) -> Self {
        let scan = Scan { at: 0, count: 0, left: 0, start: 0 };
        Self { limits, version: Version::Resp2, is_stranger, scan }
    }

    /// Looks for a request at the beginning of `input`; says where it ends, and what it is.
    #[inline]
    fn find<'a>(&mut self, input: &'a mut [u8]) -> Result<(Words<'a>, usize), Unfinished> {
        if input[0] != b'*' {
            return self.find_line(input);
        }
        let mut scan = self.scan;
        if scan.at == 0 {
            let (count, at) = self.head(input)?;
            let Some(count) = count else { return Ok((Words::None, at)) };
            scan = Scan { at: stored(at), count, left: count, start: stored(at) };
        }
        while scan.left > 0 {
            match self.bulk_end(input, scan.at as usize) {
                Ok(end) => (scan.at, scan.left) = (stored(end), scan.left - 1),
                Err(unfinished) => {
                    self.scan = scan;
                    return Err(unfinished);
                }
            }
        }
        self.scan.at = 0;
        let (start, end) = (scan.start as usize, scan.at as usize);
        Ok((Words::Some(Arguments::bulk(&input[start..end], scan.count)), end))
    }

    /// How many arguments follow, and where they begin. There are none in `*0` and `*-1`.
    #[inline]
    fn head(&self, input: &[u8]) -> Result<(Option<u32>, usize), Unfinished> {
        let (count, at) = match input {
            [_, digit @ b'1'..=b'9', b'\r', b'\n', ..] => (i64::from(digit & 15), 4),
            _ => number(input, 0, &TOO_BIG_COUNT, &BAD_COUNT)?,
        };
        match u32::try_from(count) {
            Ok(0) => Ok((None, at)),
            Ok(count) if count > MAX_STRANGERS_ARGUMENTS && self.is_stranger => {
                broken("unauthenticated multibulk length")
            }
            Ok(count) if count <= MAX_ARGUMENTS => Ok((Some(count), at)),
            Err(_) if count < 0 => Ok((None, at)),
            _ => Err(Unfinished::Broken(BAD_COUNT)),
        }
    }

    /// As [`decode`](Codec::decode), for whatever is no `PING`.
    #[inline(never)]
    fn decode_command<'a>(
        &mut self,
        input: &'a mut [u8],
    ) -> Result<Decoded<Request<'a>>, FrameError> {
        match self.scan.at {
            0 if let Some(head) = Head::read(input) => self.decode_rest(input, &head),
            _ => self.decode_any(input),
        }
    }

    /// The request with this head.
    #[inline]
    fn decode_rest<'a>(
        &mut self,
        input: &'a mut [u8],
        head: &Head,
    ) -> Result<Decoded<Request<'a>>, FrameError> {
        let start = 10 + head.name_len;
        let mut at = start;
        for left in (1..head.count).rev() {
            match self.bulk_end(input, at) {
                Ok(end) => at = end,
                Err(unfinished) => {
                    let count = head.count;
                    self.scan = Scan { at: stored(at), count, left, start: 4 };
                    return Ok(Self::unfinished(&unfinished, input.len()));
                }
            }
        }
        let words = Arguments::bulk(&input[4..at], head.count);
        let arguments = Arguments::bulk(&input[start..at], head.count - 1);
        let spec = find_word(head.name.into(), head.name_len);
        Ok(Decoded::Frame { frame: Request::of(spec, words, arguments), consumed: at })
    }

    /// As [`decode`](Codec::decode), for whatever does not begin as nearly all requests do, or is
    /// looked at again.
    #[inline(never)]
    fn decode_any<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<Request<'a>>, FrameError> {
        let len = input.len();
        Ok(match self.find(input) {
            Ok((Words::Some(words), consumed)) => {
                Decoded::Frame { frame: Request::read(words), consumed }
            }
            Ok((Words::None, consumed)) => Decoded::Frame { frame: Request::Nothing, consumed },
            Err(unfinished) => Self::unfinished(&unfinished, len),
        })
    }

    #[cold]
    fn unfinished<'a>(unfinished: &Unfinished, len: usize) -> Decoded<Request<'a>> {
        match unfinished {
            Unfinished::Short { need } => Decoded::Incomplete { need: *need },
            Unfinished::Broken(fault) => {
                Decoded::Frame { frame: Request::Broken(*fault), consumed: len }
            }
        }
    }

    /// Where the argument that begins at `at` ends.
    #[inline]
    fn bulk_end(&self, input: &[u8], at: usize) -> Result<usize, Unfinished> {
        if let Some((len, start)) = short_len(input, at) {
            let end = start + len + 2;
            let is_allowed = len <= self.limits.max_value_len && end <= self.limits.max_request_len;
            if is_allowed && input.get(start + len..end) == Some(b"\r\n") {
                return Ok(end);
            }
        }
        self.long_bulk_end(input, at)
    }

    #[inline(never)]
    fn long_bulk_end(&self, input: &[u8], at: usize) -> Result<usize, Unfinished> {
        let (len, start) = match input.get(at..).unwrap_or_default() {
            [] => return Err(Unfinished::Short { need: at + 1 }),
            [b'$', ..] => number(input, at, &TOO_BIG_LEN, &BAD_LEN)?,
            [other, ..] => return Err(Unfinished::Broken(Fault::NoBulk(*other))),
        };
        let limits = self.limits;
        let len = match usize::try_from(len) {
            Ok(len) if self.is_stranger && len > MAX_STRANGERS_VALUE_LEN => {
                return broken("unauthenticated bulk length");
            }
            Ok(len) if len <= limits.max_value_len => len,
            _ => return Err(Unfinished::Broken(BAD_LEN)),
        };
        let end = start + len + 2;
        if end > limits.max_request_len {
            return broken("too big request");
        }
        match input.get(start + len..end) {
            Some(b"\r\n") => Ok(end),
            Some(_) => broken("expected CRLF after a bulk string"),
            None => Err(Unfinished::Short { need: end }),
        }
    }

    #[inline(never)]
    fn find_line<'a>(&mut self, input: &'a mut [u8]) -> Result<(Words<'a>, usize), Unfinished> {
        let most = inline::MAX_LINE_LEN.min(self.limits.max_request_len);
        let seen = self.scan.at as usize;
        let Some(len) = memchr(b'\n', &input[seen..]).map(|len| seen + len + 1) else {
            if input.len() >= most {
                return broken("too big inline request");
            }
            self.scan.at = stored(input.len());
            return Err(Unfinished::Short { need: input.len() + 1 });
        };
        self.scan.at = 0;
        if len > most {
            return broken("too big inline request");
        }
        let line = &mut input[..len];
        let Ok(count) = inline::prepare(line) else {
            return broken("unbalanced quotes in request");
        };
        let words = Arguments::inline(line, count);
        Ok((if count == 0 { Words::None } else { Words::Some(words) }, len))
    }
}

/// The words of a request, if it has any.
enum Words<'a> {
    Some(Arguments<'a>),
    None,
}

/// Why there is no request yet.
enum Unfinished {
    Short { need: usize },
    Broken(Fault),
}

const BAD_COUNT: Fault = Fault::Expected("invalid multibulk length");
const TOO_BIG_COUNT: Fault = Fault::Expected("too big mbulk count string");
const BAD_LEN: Fault = Fault::Expected("invalid bulk length");
const TOO_BIG_LEN: Fault = Fault::Expected("too big bulk count string");

const fn broken<T>(what: &'static str) -> Result<T, Unfinished> {
    Err(Unfinished::Broken(Fault::Expected(what)))
}

/// A place in a request, which is not longer than 32 bits can tell.
#[inline]
fn stored(at: usize) -> u32 {
    u32::try_from(at).expect("a request is no longer than its limit, which has 32 bits")
}

/// The number on the line at `at`, after its first byte, and where the next line begins.
#[cold]
fn number(
    input: &[u8],
    at: usize,
    too_big: &Fault,
    bad: &Fault,
) -> Result<(i64, usize), Unfinished> {
    let line = &input[at..];
    let Some(len) = memchr(b'\r', &line[..line.len().min(MAX_HEADER_LEN)]) else {
        return Err(match line.len() {
            len if len >= MAX_HEADER_LEN => Unfinished::Broken(*too_big),
            _ => Unfinished::Short { need: input.len() + 1 },
        });
    };
    let value = super::numbers::parse_integer(&line[1..len]).ok_or(Unfinished::Broken(*bad))?;
    match line.get(len + 1) {
        Some(b'\n') => Ok((value, at + len + 2)),
        Some(_) => Err(Unfinished::Broken(*bad)),
        None => Err(Unfinished::Short { need: input.len() + 1 }),
    }
}

impl Codec for Resp {
    type Frame<'a> = Request<'a>;
    type Message<'a> = Reply<'a>;

    #[inline(always)]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<Request<'a>>, FrameError> {
        if is_ping(input) {
            self.scan.at = 0;
            return Ok(Decoded::Frame { frame: Request::Ping, consumed: PING.len() });
        }
        self.decode_command(input)
    }

    #[inline]
    fn encode(&mut self, reply: Reply<'_>, output: &mut Output) -> Result<(), FrameError> {
        reply.encode(self.version, output);
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        // How long a word is stands behind the limit at worst.
        self.limits.max_request_len + MAX_HEADER_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resp() -> Resp {
        Resp::new(Limits { max_value_len: 1000, max_request_len: 2000 }, false)
    }

    /// The words of the request at the beginning of the input, and how long it is.
    fn words(input: &str) -> (Vec<String>, usize) {
        let mut input = input.as_bytes().to_vec();
        match resp().decode(&mut input).unwrap() {
            Decoded::Frame { frame, consumed } => (words_of(frame), consumed),
            Decoded::Incomplete { need } => panic!("it needs {need}"),
        }
    }

    fn words_of(request: Request<'_>) -> Vec<String> {
        let words = match request {
            Request::Command(call) => call.words,
            Request::Unknown { words } | Request::WrongArity { words, .. } => words,
            Request::Ping => return vec!["(ping)".to_owned()],
            Request::Nothing => return vec![],
            Request::Broken(fault) => return vec![format!("{fault:?}")],
        };
        words.map(|word| word.escape_ascii().to_string()).collect()
    }

    fn need(input: &str) -> usize {
        match resp().decode(&mut input.as_bytes().to_vec()) {
            Ok(Decoded::Incomplete { need }) => need,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_its_words_in_either_form() {
        for (input, expected) in [
            ("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", &["GET", "a"][..]),
            ("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", &["GET", ""]),
            ("GET a\r\n", &["GET", "a"]),
            ("*1\r\n$4\r\nping\r\n", &["(ping)"]),
            ("*01\r\n", &["Expected(\"invalid multibulk length\")"]),
            ("*2\r\n$4\r\nping\r\n$12\r\nhello\r\nworld\r\n", &["ping", "hello\\r\\nworld"]),
            ("*1\r\n$11\r\nINCRBYFLOAT\r\n", &["INCRBYFLOAT"]),
            ("*1\r\n$0\r\n\r\n", &[""]),
            ("*0\r\n", &[]),
            ("\n", &[]),
        ] {
            let (found, consumed) = words(input);
            assert_eq!(found, expected, "{input:?}");
            assert_eq!(consumed, input.len(), "{input:?}");
            let (found, consumed) = words(&format!("{input}*1\r\n$4\r\nQUIT\r\n"));
            let is_broken = expected.iter().any(|word| word.starts_with("Expected"));
            assert_eq!((found, is_broken || consumed == input.len()), (owned(expected), true));
        }
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn many_words_are_found_again_where_they_were_left() {
        let mut resp = resp();
        let mut input = b"*12\r\n$4\r\nMGET\r\n".to_vec();
        for at in 0..11 {
            assert!(matches!(resp.decode(&mut input), Ok(Decoded::Incomplete { .. })));
            let whole = input.len();
            assert_eq!(resp.scan.at as usize, whole, "whole words are not looked at again");
            input.extend_from_slice(format!("$2\r\n{at:02}\r\n").as_bytes());
        }
        let Ok(Decoded::Frame { frame, consumed }) = resp.decode(&mut input) else { panic!() };
        assert_eq!((words_of(frame).len(), consumed, resp.scan.at), (12, 103, 0));
    }

    #[test]
    fn what_is_missing_of_a_long_word_is_known() {
        assert_eq!(need("*2\r\n$3\r\nGET\r\n$500\r\n"), 13 + 6 + 500 + 2);
        assert_eq!(need("*2\r\n$3\r\nGET\r\n$5"), 16);
        assert_eq!(need("*2\r\n$3\r\nGET\r\n"), 14);
        assert_eq!(need("*"), 2);
        assert_eq!(need("PING"), 5);
    }

    #[test]
    fn a_word_is_as_long_as_it_may_be_and_no_longer() {
        let word = "x".repeat(1000);
        assert_eq!(words(&format!("*2\r\n$4\r\nECHO\r\n$1000\r\n{word}\r\n")).0[1], word);
        let fault = "Expected(\"invalid bulk length\")";
        assert_eq!(words("*2\r\n$4\r\nECHO\r\n$1001\r\n").0, [fault]);
        let fault = "Expected(\"too big request\")";
        let two = format!("*3\r\n$4\r\nMGET\r\n$1000\r\n{word}\r\n$1000\r\n");
        assert_eq!(words(&two).0, [fault]);
    }

    #[test]
    fn what_is_like_ping_is_not_taken_for_it() {
        for (input, expected) in [
            ("*1\r\n$4\r\nPONG\r\n", "PONG"),
            ("*1\r\n$4\r\n0ING\r\n", "0ING"),
            ("*1\r\n$4\r\nP\r\n\0\r\n", "P\\r\\n\\x00"),
        ] {
            assert_eq!(words(input).0, [expected]);
        }
        assert_eq!(words("*1\r\n$4\r\nPiNg\r\n").0, ["(ping)"]);
    }

    #[test]
    fn both_versions_of_an_answer_are_as_documented() {
        for (reply, second, third) in [
            (Reply::Ok, "+OK\r\n", "+OK\r\n"),
            (Reply::Simple("QUEUED"), "+QUEUED\r\n", "+QUEUED\r\n"),
            (Reply::Error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
            (Reply::Integer(-12), ":-12\r\n", ":-12\r\n"),
            (Reply::Bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
            (Reply::Bulk(b"0123456789"), "$10\r\n0123456789\r\n", "$10\r\n0123456789\r\n"),
            (Reply::Text("a"), "$1\r\na\r\n", "=5\r\ntxt:a\r\n"),
            (Reply::Double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (Reply::Null, "$-1\r\n", "_\r\n"),
            (Reply::NullArray, "*-1\r\n", "_\r\n"),
            (Reply::Array(2), "*2\r\n", "*2\r\n"),
            (Reply::Map(2), "*4\r\n", "%2\r\n"),
            (Reply::Set(2), "*2\r\n", "~2\r\n"),
            (Reply::Push(2), "*2\r\n", ">2\r\n"),
        ] {
            for (version, expected) in [(Version::Resp2, second), (Version::Resp3, third)] {
                let mut resp = Resp { version, ..resp() };
                let mut output = Output::new();
                resp.encode(reply, &mut output).unwrap();
                assert_eq!(output.to_vec(), expected.as_bytes(), "{reply:?}");
            }
        }
    }
}
