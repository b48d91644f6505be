//! The example `http`'s codec: what arrives comes to the same however it is cut, is what other
//! readers make of it, and never makes it hold more than it says.

use std::mem::MaybeUninit;

use httparse::Status;
use windlass::{Codec, Decoded, Output};

use super::choices::Choices;
use super::fixture::pieces;
use super::http1::{
    self, Answer, Frame, Head, Http1, Limits, Method, Persistence, Refused, Request, Size, Version,
};

/// A limit that bodies here reach; that of heads is the least there is.
const LIMITS: Limits = Limits { head_len: 16 << 10, body_len: 300 };

/// What a stream comes to, piece by piece of a body joined.
#[derive(PartialEq, Eq, Debug, Default)]
struct Heard {
    said: Vec<Said>,
    /// How much of the stream was taken.
    consumed: usize,
}

#[derive(PartialEq, Eq, Debug)]
enum Said {
    Request { shown: String, head_len: usize },
    Body { bytes: Vec<u8>, is_whole: bool },
    Refused(Refused),
}

/// What the codec makes of these pieces, each added to what is left of those before.
fn hear(pieces: &[&[u8]]) -> Heard {
    let mut codec = Http1::new(LIMITS);
    let (mut heard, mut held, mut need) = (Heard::default(), Vec::new(), 0);
    for piece in pieces {
        held.extend_from_slice(piece);
        while !held.is_empty() && held.len() >= need {
            let before = held.len();
            let consumed = match codec.decode(&mut held).expect("nothing is asked after the end") {
                Decoded::Frame { frame, consumed } => {
                    let is_over = matches!(frame, Frame::Refused(_));
                    note(&mut heard, &frame, consumed);
                    if is_over {
                        return heard;
                    }
                    consumed
                }
                Decoded::Incomplete { need: more } => {
                    assert!(more > before && before < codec.max_frame_len(), "{before}, {more}");
                    need = more;
                    break;
                }
            };
            assert!((1..=before).contains(&consumed), "{consumed} of {before}");
            heard.consumed += consumed;
            held.drain(..consumed);
            need = 0;
        }
    }
    heard
}

fn note(heard: &mut Heard, frame: &Frame<'_>, consumed: usize) {
    match *frame {
        Frame::Request(ref request) => {
            heard.said.push(Said::Request { shown: format!("{request:?}"), head_len: consumed });
        }
        Frame::Body { bytes, is_last } => match heard.said.last_mut() {
            Some(Said::Body { bytes: all, is_whole }) if !*is_whole => {
                all.extend_from_slice(bytes);
                *is_whole = is_last;
            }
            _ => heard.said.push(Said::Body { bytes: bytes.to_vec(), is_whole: is_last }),
        },
        Frame::Refused(refused) => heard.said.push(Said::Refused(refused)),
    }
}

/// What is taken for the head of a request is what `httparse` takes for one, and the same one.
fn assert_as_others_read(stream: &[u8]) {
    let (mut codec, mut held) = (Http1::new(LIMITS), stream.to_vec());
    while !held.is_empty() {
        let copy = held.clone();
        let Ok(Decoded::Frame { frame, consumed }) = codec.decode(&mut held) else { return };
        match frame {
            Frame::Request(request) => assert_same_head(&request, &copy, consumed),
            Frame::Body { .. } => {}
            Frame::Refused(_) => return,
        }
        held.drain(..consumed);
    }
}

fn assert_same_head(request: &Request<'_>, stream: &[u8], len: usize) {
    let mut fields = [const { MaybeUninit::uninit() }; 64];
    let mut other = httparse::Request::new(&mut []);
    let parsed = other.parse_with_uninit_headers(stream, &mut fields);
    // It wants targets to be UTF-8, of which bytes beyond ASCII are not looked at here.
    let Ok(parsed) = parsed else { return assert!(!stream[..len].is_ascii(), "{request:?}") };
    assert_eq!(parsed, Status::Complete(len), "{request:?}");
    assert_eq!(other.version, Some(u8::from(request.version == Version::Http11)));
    let target = other.path.expect("it is complete").as_bytes();
    let mut asked = request.path.to_vec();
    request.query.iter().for_each(|query| asked.extend([b"?", *query].concat()));
    let is_short = request.path == b"/" && !target.starts_with(b"/");
    assert!(target.ends_with(&asked) || is_short, "{request:?}");
    let name = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Options => "OPTIONS",
        Method::Other => other.method.expect("it is complete"),
    };
    assert_eq!(other.method, Some(name));
    for field in &*other.headers {
        let small = field.name.to_ascii_lowercase();
        let same = other.headers.iter().filter(|other| other.name.eq_ignore_ascii_case(&small));
        let values: Vec<_> = same.map(|field| field.value).collect();
        assert_eq!(request.fields(&small).collect::<Vec<_>>(), values, "{small}");
    }
}

/// What a body in chunks comes to, for who has all of it: its bytes, and its length on the wire;
/// `None` if that is too much for here. It is right where the codec takes all of a body.
fn joined(mut chunks: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut all, whole) = (Vec::new(), chunks.len());
    loop {
        let line_len = chunks.windows(2).position(|end| end == b"\r\n")?;
        let digits = chunks.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = str::from_utf8(&chunks[..digits]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        chunks = &chunks[line_len + 2..];
        if size == 0 {
            let end = match chunks.starts_with(b"\r\n") {
                true => 2,
                false => chunks.windows(4).position(|end| end == b"\r\n\r\n")? + 4,
            };
            return Some((all, whole - chunks.len() + end));
        }
        all.extend_from_slice(chunks.get(..size)?);
        chunks = chunks.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// A body in chunks that is taken is what the plain reader makes of it, and ends where it says.
fn assert_joined(chunks: &[u8]) {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let heard = hear(&[&[HEAD, chunks].concat()]);
    if let Some(Said::Body { bytes, is_whole: true }) = heard.said.get(1) {
        let (all, len) = joined(chunks).expect("it is whole for the plain reader too");
        assert_eq!(*bytes, all);
        let alone = [HEAD, &chunks[..len]].concat();
        assert_eq!((hear(&[&alone]).consumed, hear(&[&alone]).said.len()), (alone.len(), 2));
    }
}

/// An answer with any field is read as it was meant, or not written.
fn assert_written(choices: &mut Choices<'_>) {
    let len = choices.below(20);
    let Ok(value) = str::from_utf8(choices.take(len)) else { return };
    let head = Head {
        status: choices.pick(&[http1::Status::Ok, http1::Status::NotModified]),
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        size: Size::Known(choices.number()),
        persistence: choices.pick(&[Persistence::Stays, Persistence::Closes]),
        fields: &[("Field", value)],
    };
    let mut output = Output::new();
    if Http1::new(LIMITS).encode(Answer::Head(head), &mut output).is_err() {
        return assert!(output.is_empty() && value.contains(['\r', '\n', '\0']));
    }
    let (mut fields, written) = ([httparse::EMPTY_HEADER; 8], output.to_vec());
    let mut answer = httparse::Response::new(&mut fields);
    let is_shown = !value.contains(|c: char| c.is_ascii_control() && c != '\t');
    match answer.parse(&written) {
        Ok(parsed) => assert_eq!(parsed, Status::Complete(written.len())),
        Err(error) => return assert!(!is_shown, "{value:?}: {error}"),
    }
    let last = answer.headers.last().expect("there are fields");
    assert_eq!((last.name, last.value), ("Field", value.trim_matches([' ', '\t']).as_bytes()));
}

pub(crate) fn http(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let mut cuts: Vec<_> = (0..choices.below(8)).map(|_| choices.below(65_536)).collect();
    if choices.chance(10) {
        assert_written(choices);
    }
    let is_chunks = choices.chance(30);
    let stream = choices.rest();
    if is_chunks {
        assert_joined(stream);
    }
    cuts.iter_mut().for_each(|cut| *cut %= stream.len() + 1);
    cuts.sort_unstable();
    let whole = hear(&[stream]);
    assert_eq!(hear(&pieces(stream, &cuts)), whole, "cut at {cuts:?}");
    assert_eq!(hear(&stream.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    assert_as_others_read(stream);
}
