//! HTTP/1.1 as a codec (RFC 9112): requests come in as typed frames that borrow, and answers go
//! out.
//!
//! A request is a [`Frame::Request`], and its body, if it has one, any number of [`Frame::Body`]
//! as it comes, of which one is the last. What cannot be served is a [`Frame::Refused`]: it is
//! answered, and the connection closed, since nobody knows where the next request begins.
//!
//! Everything has an end: the head of a request, its first line, its fields, what surrounds the
//! chunks of a body, and the body. Where two readers of a request could differ about where it
//! ends, it is refused: lines end with CR LF, and a bare LF, which RFC 9112, section 2.2, lets a
//! server take, is not taken; no field is folded, and there is one length and no more.

mod answer;
mod body;
mod bytes;
mod date;
mod head;
mod line;
mod lines;
mod picked;
mod plain;

pub(crate) use answer::{Answer, Head, Persistence, Size, Status};
use body::{Chunks, Piece};
pub(crate) use date::{Clock, Date, date};
use head::Reading;
pub(crate) use head::{Length, Method, Request, Version};
use windlass::{Codec, Decoded, FrameError, FrameFault, Output};

/// What comes from a client.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    /// The head of a request. If it announces a body that is not empty, that comes next.
    Request(Request<'a>),
    /// A piece of the request's body, which may be empty.
    Body { bytes: &'a [u8], is_last: bool },
    /// What is no request, or one that is not served: nothing can come after it.
    Refused(Refused),
}

/// Why a request is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) status: Status,
    /// For the person who reads the answer.
    pub(crate) why: &'static str,
}

impl Refused {
    /// A request that does not follow the rules.
    const fn bad(why: &'static str) -> Self {
        Self { status: Status::BadRequest, why }
    }
}

/// The codec: where the client is in what it says.
#[derive(Clone, Debug)]
pub(crate) struct Http1 {
    limits: Limits,
    phase: Phase,
}

/// How much a client may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// The longest head of a request, in bytes.
    pub(crate) head_len: usize,
    /// The longest body, in bytes.
    pub(crate) body_len: u64,
}

impl Default for Limits {
    /// 16 KiB of head, which is twice what browsers and the common servers get along with, and
    /// 1 GiB of body, none of which is kept.
    fn default() -> Self {
        Self { head_len: 16 << 10, body_len: 1 << 30 }
    }
}

/// What comes next.
#[derive(Clone, Debug)]
enum Phase {
    /// A request.
    Head(Reading),
    /// So many bytes of a body, at least one.
    Sized(u64),
    /// A body in chunks.
    Chunked(Chunks),
    /// Nothing that could be understood.
    Over,
}

impl Http1 {
    /// # Panics
    ///
    /// If a first line of the greatest length and the empty lines before it are no head.
    pub(crate) fn new(limits: Limits) -> Self {
        assert!(limits.head_len >= 2 * head::MAX_LINE_LEN, "there is too little room for a head");
        Self { limits, phase: Phase::Head(Reading::default()) }
    }

    /// Whether a request has begun to come, and has not ended.
    pub(crate) fn is_amid_request(&self) -> bool {
        !matches!(&self.phase, Phase::Head(reading) if reading.is_fresh())
    }

    /// Whatever comes: the head of a request, or a piece of its body.
    #[inline(never)]
    fn decode_any<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<Frame<'a>>, FrameError> {
        let found = match &mut self.phase {
            Phase::Head(reading) => match reading.read(input, self.limits) {
                Ok(Some((request, consumed))) => {
                    self.begin_body(request.length);
                    return Ok(Decoded::Frame { frame: Frame::Request(request), consumed });
                }
                Ok(None) => Ok(None),
                Err(refused) => Err(refused),
            },
            Phase::Sized(left) => Ok(Some(body::sized(left, input))),
            Phase::Chunked(chunks) => chunks.read(input),
            Phase::Over => return Err(FrameError::new(NOTHING_FOLLOWS, 0)),
        };
        Ok(match found {
            Ok(Some(Piece { bytes, is_last, consumed })) => {
                if is_last {
                    self.phase = Phase::Head(Reading::default());
                }
                Decoded::Frame { frame: Frame::Body { bytes, is_last }, consumed }
            }
            Ok(None) => Decoded::Incomplete { need: input.len() + 1 },
            Err(refused) => self.refuse(refused, input.len()),
        })
    }

    fn begin_body(&mut self, length: Length) {
        match length {
            Length::None | Length::Known(0) => {}
            Length::Known(len) => self.phase = Phase::Sized(len),
            Length::Chunked => self.phase = Phase::Chunked(Chunks::new(self.limits.body_len)),
        }
    }

    /// Of what cannot be understood, nothing is left to be read.
    #[cold]
    fn refuse<'a>(&mut self, refused: Refused, consumed: usize) -> Decoded<Frame<'a>> {
        self.phase = Phase::Over;
        Decoded::Frame { frame: Frame::Refused(refused), consumed }
    }
}

impl Default for Http1 {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Codec for Http1 {
    type Frame<'a> = Frame<'a>;
    type Message<'a> = Answer<'a>;

    #[inline(always)]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<Frame<'a>>, FrameError> {
        let input: &'a [u8] = input;
        // Nearly every request is a plain one, and arrives whole.
        if let Phase::Head(reading) = &self.phase
            && reading.is_fresh()
            && let Some((request, consumed)) = plain::read(input, self.limits)
        {
            return Ok(Decoded::Frame { frame: Frame::Request(request), consumed });
        }
        self.decode_any(input)
    }

    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        match self.phase {
            // Empty lines before a request that never comes are none.
            Phase::Head(_) if input.iter().all(|byte| b"\r\n".contains(byte)) => Ok(None),
            Phase::Over => Ok(None),
            _ => {
                self.phase = Phase::Over;
                let refused = Refused::bad("the connection ended inside the request");
                Ok(Some(Frame::Refused(refused)))
            }
        }
    }

    #[inline(always)]
    fn encode(&mut self, answer: Answer<'_>, output: &mut Output) -> Result<(), FrameError> {
        answer.put(output)
    }

    fn max_frame_len(&self) -> usize {
        self.limits.head_len.max(body::MAX_UNFINISHED_LEN)
    }
}

const NOTHING_FOLLOWS: FrameFault =
    FrameFault::Malformed("nothing can follow a request that was refused");
