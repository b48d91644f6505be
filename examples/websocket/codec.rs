//! WebSocket frames from bytes and back (RFC 6455, section 5), on the server's side.
//!
//! A frame that breaks a rule, or a limit, is a frame too: [`Refused`](Frame::Refused), which says
//! with what code the connection has to be closed. So is text that is no UTF-8, as soon as the byte
//! has come that makes it so, be it in the middle of a frame.

use windlass::{Codec, Decoded, FrameError, FrameFault, Output};

use super::frames::{Close, Frame, MAX_CONTROL_LEN, Message, Part, Piece, Refusal};
use super::header::{self, Header, MAX_HEADER_LEN, NoHeader, Opcode};
use super::mask::{turned, unmask};
use super::text::Tail;

/// The first byte of a message of text that is in one frame, and of one of bytes.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
/// How long the header of a frame of up to 125 bytes is.
const SHORT_HEADER_LEN: usize = 6;
/// An unfinished frame of text is looked at with each byte that comes, as long as it is no longer.
const WATCHED_LEN: usize = 4096;
/// So many masked bytes are looked at at a time.
const LOOK_LEN: usize = 256;

/// How long frames and messages may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// The longest payload of a frame: what the engine may have to keep of one peer.
    pub(crate) max_frame: usize,
    /// The longest message, all its fragments together. What is sent is only bounded by the write
    /// limit: it is for the client to say what is too long.
    pub(crate) max_message: usize,
}

/// Reads and writes frames.
#[derive(Clone, Debug)]
pub(crate) struct WebSocket {
    limits: Limits,
    /// The message of which fragments have come, but not the last.
    message: Option<Begun>,
    /// How far the text of an unfinished frame was looked at.
    looked: Option<Looked>,
}

/// What has come of a message.
#[derive(Clone, Copy, Debug)]
struct Begun {
    kind: Kind,
    len: usize,
    tail: Tail,
}

/// The kind of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Binary,
}

/// So many bytes of a payload, and what is left over at their end.
#[derive(Clone, Copy, Debug)]
struct Looked {
    len: usize,
    tail: Tail,
}

impl Codec for WebSocket {
    type Frame<'a> = Frame<'a>;
    type Message<'a> = Message<'a>;

    #[inline(always)]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<Frame<'a>>, FrameError> {
        let input_len = input.len();
        // Nearly every frame is a whole message, and short. No limit is below that.
        let short_len = match *input {
            [TEXT | BINARY, second @ 0x80..0xfe, ..] if self.is_between_frames() => {
                SHORT_HEADER_LEN + usize::from(second & 0x7f)
            }
            _ => usize::MAX,
        };
        let decoded = match short_len <= input_len {
            true => short_message(&mut input[..short_len]),
            false => self.decode_any(input),
        };
        Ok(decoded.unwrap_or_else(|refusal| Decoded::Frame {
            frame: Frame::Refused(refusal),
            consumed: input_len,
        }))
    }

    /// A frame that has begun is none, but what is wrong with it is told, if it was not looked at
    /// yet.
    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        let len = input.len();
        if len == 0 {
            return Ok(None);
        }
        match self.decode(input)? {
            Decoded::Frame { frame, .. } => Ok(Some(frame)),
            Decoded::Incomplete { .. } => Err(FrameError::new(FrameFault::Truncated, len)),
        }
    }

    #[inline]
    fn encode(&mut self, message: Message<'_>, output: &mut Output) -> Result<(), FrameError> {
        match message {
            Message::Text(text) => put(0x1, text.as_bytes(), output),
            Message::Binary(bytes) => put(0x2, bytes, output),
            Message::Close(close) => return put_close(close, output),
            Message::Ping(bytes) => return put_control(0x9, bytes, output),
            Message::Pong(bytes) => return put_control(0xa, bytes, output),
        }
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        MAX_HEADER_LEN + self.limits.max_frame.max(MAX_CONTROL_LEN)
    }
}

impl Limits {
    /// The least that a limit can be: what the shortest form of a length allows.
    pub(crate) const LEAST: usize = 125;
}

impl WebSocket {
    /// A codec that keeps to these limits.
    ///
    /// # Panics
    ///
    /// If a frame of the shortest form could be above one of them.
    pub(crate) const fn new(limits: Limits) -> Self {
        assert!(limits.max_frame >= Limits::LEAST && limits.max_message >= Limits::LEAST);
        Self { limits, message: None, looked: None }
    }

    /// Whether no message has begun, and nothing of the next frame was looked at.
    #[inline]
    const fn is_between_frames(&self) -> bool {
        self.message.is_none() && self.looked.is_none()
    }

    /// The frame that `input` begins with, whatever it is.
    #[inline(never)]
    fn decode_any<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<Frame<'a>>, Refusal> {
        let header = match self.header(input) {
            Ok(header) => header,
            Err(NoHeader::Needs(need)) => return Ok(Decoded::Incomplete { need }),
            Err(NoHeader::Refused(refusal)) => return Err(refusal),
        };
        let consumed = header.len + header.payload_len;
        if input.len() < consumed {
            let need = self.look(header, input)?;
            return Ok(Decoded::Incomplete { need });
        }
        self.looked = None;
        let payload = &mut input[header.len..consumed];
        unmask(payload, header.mask);
        Ok(Decoded::Frame { frame: self.frame(header, payload)?, consumed })
    }

    /// Reads the header, and sees whether such a frame may come now.
    fn header(&self, input: &[u8]) -> Result<Header, NoHeader> {
        let header = Header::read(input)?;
        let before = match (header.opcode, &self.message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(header),
            (Opcode::Text | Opcode::Binary, None) => 0,
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Refusal::INTERRUPTED.into()),
            (Opcode::Continuation, Some(begun)) => begun.len,
            (Opcode::Continuation, None) => return Err(Refusal::NOTHING_TO_CONTINUE.into()),
        };
        if header.payload_len > self.limits.max_frame {
            return Err(Refusal::FRAME_TOO_LONG.into());
        }
        if header.payload_len > self.limits.max_message - before {
            return Err(Refusal::MESSAGE_TOO_LONG.into());
        }
        Ok(header)
    }

    /// The frame of which this is the payload, without its mask.
    fn frame<'a>(&mut self, header: Header, payload: &'a [u8]) -> Result<Frame<'a>, Refusal> {
        match header.opcode {
            Opcode::Text if header.is_last => text(payload),
            Opcode::Binary if header.is_last => Ok(Frame::Binary(payload)),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => self.part(header, payload),
            Opcode::Close => Close::read(payload).map(Frame::Close),
            Opcode::Ping => Ok(Frame::Ping(payload)),
            Opcode::Pong => Ok(Frame::Pong(payload)),
        }
    }

    fn part<'a>(&mut self, header: Header, payload: &'a [u8]) -> Result<Frame<'a>, Refusal> {
        let Begun { kind, len, mut tail } = self.begun(header.opcode);
        let piece = match kind {
            Kind::Text => Piece::Text(tail.read(payload).map_err(|_| Refusal::NOT_UTF8)?),
            Kind::Binary => Piece::Binary(payload),
        };
        let is_last = header.is_last;
        if is_last && !tail.is_empty() {
            return Err(Refusal::NOT_UTF8);
        }
        self.message = (!is_last).then_some(Begun { kind, len: len + payload.len(), tail });
        Ok(Frame::Part(Part { piece, is_last }))
    }

    /// The message that a frame of data belongs to, as it is before it.
    fn begun(&self, opcode: Opcode) -> Begun {
        let kind = if opcode == Opcode::Binary { Kind::Binary } else { Kind::Text };
        self.message.unwrap_or(Begun { kind, len: 0, tail: Tail::default() })
    }

    /// Looks at what has come of a payload that is not all there, if it is text. Says how many
    /// bytes of input there must be before it is worth looking again.
    #[cold]
    fn look(&mut self, header: Header, input: &[u8]) -> Result<usize, Refusal> {
        let whole_len = header.len + header.payload_len;
        let begun = self.begun(header.opcode);
        if header.opcode.is_control() || begun.kind == Kind::Binary {
            return Ok(whole_len);
        }
        let mut looked = self.looked.unwrap_or(Looked { len: 0, tail: begun.tail });
        looked.go_on(header.mask, &input[header.len..])?;
        self.looked = Some(looked);
        // A long text is looked at less often: whenever there is half as much again.
        let more = if input.len() < WATCHED_LEN { 1 } else { input.len() / 2 };
        Ok(whole_len.min(input.len() + more))
    }
}

impl Looked {
    /// Looks at what has come of a payload, from where it was not looked at before. Nothing is
    /// unmasked in place yet, since these bytes will be shown again.
    fn go_on(&mut self, mask: [u8; 4], masked: &[u8]) -> Result<(), Refusal> {
        for masked in masked[self.len..].chunks(LOOK_LEN) {
            let mut plain = [0; LOOK_LEN];
            let plain = &mut plain[..masked.len()];
            plain.copy_from_slice(masked);
            unmask(plain, turned(mask, self.len));
            self.tail.read(plain).map_err(|_| Refusal::NOT_UTF8)?;
            self.len += masked.len();
        }
        Ok(())
    }
}

/// The message in a short frame.
#[inline(always)]
fn short_message(frame: &mut [u8]) -> Result<Decoded<Frame<'_>>, Refusal> {
    let consumed = frame.len();
    let (header, payload) = frame.split_first_chunk_mut().expect("there is a header before it");
    let [first, _, mask @ ..]: [u8; SHORT_HEADER_LEN] = *header;
    unmask(payload, mask);
    let frame = if first == TEXT { text(payload)? } else { Frame::Binary(payload) };
    Ok(Decoded::Frame { frame, consumed })
}

#[inline]
fn text(payload: &[u8]) -> Result<Frame<'_>, Refusal> {
    str::from_utf8(payload).map(Frame::Text).map_err(|_| Refusal::NOT_UTF8)
}

#[inline(always)]
fn put(opcode: u8, payload: &[u8], output: &mut Output) {
    match u8::try_from(payload.len()) {
        Ok(len @ 0..126) => output.put_pair(&[0x80 | opcode, len], payload),
        _ => output.put_pair(header::write(opcode, payload.len(), &mut [0; 10]), payload),
    }
}

fn put_control(opcode: u8, payload: &[u8], output: &mut Output) -> Result<(), FrameError> {
    if payload.len() > MAX_CONTROL_LEN {
        let limit = MAX_CONTROL_LEN;
        return Err(FrameError::new(FrameFault::TooLong { limit }, limit));
    }
    put(opcode, payload, output);
    Ok(())
}

fn put_close(close: Close<'_>, output: &mut Output) -> Result<(), FrameError> {
    let code = close.code.map(u16::to_be_bytes);
    let payload = [code.as_ref().map_or(&[][..], |code| code), close.reason.as_bytes()].concat();
    match Close::read(&payload) {
        Ok(read) if read == close => put_control(0x8, &payload, output),
        _ => Err(FrameError::new(FrameFault::Malformed("a close that must not be sent"), 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::TextPart;
    use super::*;

    const LIMITS: Limits = Limits { max_frame: 200, max_message: 300 };
    const LONG: Limits = Limits { max_frame: 100_000, max_message: 100_000 };
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// A client's frame with a payload, whose length is in the shortest form.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut room = [0; 10];
        let mut bytes = header::write(0, payload.len(), &mut room).to_vec();
        bytes[0] = first;
        bytes[1] |= 0x80;
        bytes.extend_from_slice(&MASK);
        let header_len = bytes.len();
        bytes.extend_from_slice(payload);
        unmask(&mut bytes[header_len..], MASK);
        bytes
    }

    /// The frames in a stream, as they are shown, and what is left over.
    fn read(limits: Limits, stream: &[u8]) -> (Vec<String>, usize) {
        let (mut codec, mut input, mut frames) = (WebSocket::new(limits), stream.to_vec(), vec![]);
        while !input.is_empty() {
            match codec.decode(&mut input).expect("what is wrong is a frame, too") {
                Decoded::Frame { frame, consumed } => {
                    frames.push(format!("{frame:?}"));
                    input.drain(..consumed);
                }
                Decoded::Incomplete { need } => {
                    assert!(need > input.len() && need <= codec.max_frame_len());
                    break;
                }
            }
        }
        (frames, input.len())
    }

    #[track_caller]
    fn assert_last(stream: &[Vec<u8>], expected: Frame<'_>) {
        let (frames, left) = read(LIMITS, &stream.concat());
        assert_eq!((frames.last(), left), (Some(&format!("{expected:?}")), 0));
    }

    fn part(piece: Piece<'_>, is_last: bool) -> Frame<'_> {
        Frame::Part(Part { piece, is_last })
    }

    #[test]
    fn frames_have_their_types_and_no_mask() {
        assert_last(&[frame(0x81, b"Hello")], Frame::Text("Hello"));
        assert_last(&[frame(0x81, "Grüße".as_bytes())], Frame::Text("Grüße"));
        assert_last(&[frame(0x82, b"\xff\0")], Frame::Binary(b"\xff\0"));
        assert_last(&[frame(0x89, b"ping")], Frame::Ping(b"ping"));
        assert_last(&[frame(0x8a, b"")], Frame::Pong(b""));
        let close = Close { code: Some(1000), reason: "bye" };
        assert_last(&[frame(0x88, b"\x03\xe8bye")], Frame::Close(close));
    }

    #[test]
    fn a_message_may_come_in_fragments_and_pings_between_them() {
        let stream = [
            frame(0x01, b"a\xe2"),
            frame(0x89, b"?"),
            frame(0x00, b""),
            frame(0x00, b"\x82"),
            frame(0x80, b"\xacz"),
            frame(0x02, b"\xff"),
            frame(0x80, b"\xfe"),
            frame(0x81, b"whole"),
        ];
        let text = |before, text, is_last| part(Piece::Text(TextPart { before, text }), is_last);
        let expected = [
            text(None, "a", false),
            Frame::Ping(b"?"),
            text(None, "", false),
            text(None, "", false),
            text(Some('€'), "z", true),
            part(Piece::Binary(b"\xff"), false),
            part(Piece::Binary(b"\xfe"), true),
            Frame::Text("whole"),
        ];
        let expected = expected.map(|frame| format!("{frame:?}")).to_vec();
        assert_eq!(read(LIMITS, &stream.concat()), (expected, 0));
    }

    #[test]
    fn fragments_in_the_wrong_place_are_refused() {
        let refused = Frame::Refused;
        assert_last(&[frame(0x80, b"")], refused(Refusal::NOTHING_TO_CONTINUE));
        let begun = || frame(0x01, b"");
        assert_last(&[begun(), frame(0x81, b"")], refused(Refusal::INTERRUPTED));
        assert_last(&[begun(), frame(0x02, b"")], refused(Refusal::INTERRUPTED));
        let ended = [begun(), frame(0x80, b""), frame(0x80, b"")];
        assert_last(&ended, refused(Refusal::NOTHING_TO_CONTINUE));
    }

    #[test]
    fn nothing_is_read_behind_what_is_refused() {
        let stream = [frame(0x83, b""), frame(0x81, b"a")];
        assert_last(&stream, Frame::Refused(Refusal::RESERVED_OPCODE));
    }

    #[test]
    fn a_frame_or_a_message_above_the_limit_is_refused_by_its_header() {
        let refused = Frame::Refused;
        let header = |first, len| frame(first, &vec![0; len])[..8].to_vec();
        assert_last(&[frame(0x81, &[b'a'; 200])], Frame::Text(&"a".repeat(200)));
        assert_last(&[header(0x81, 201)], refused(Refusal::FRAME_TOO_LONG));
        let longest = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffMASK".to_vec();
        assert_last(&[longest], refused(Refusal::FRAME_TOO_LONG));
        let parts = [frame(0x02, &[1; 200]), frame(0x80, &[2; 100])];
        assert_last(&parts, part(Piece::Binary(&[2; 100]), true));
        let parts = [frame(0x02, &[1; 200]), header(0x00, 126)];
        assert_last(&parts, refused(Refusal::MESSAGE_TOO_LONG));
        let parts = [frame(0x02, &[1; 200]), frame(0x00, &[1; 100]), frame(0x80, &[1])];
        assert_last(&parts, refused(Refusal::MESSAGE_TOO_LONG));
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_with_its_first_wrong_byte() {
        let refused = [format!("{:?}", Frame::Refused(Refusal::NOT_UTF8))];
        for before in [0, 1, 300, 3999] {
            let payload =
                ["a".repeat(before).as_bytes(), b"\xf4\x90\x80\x80", &[b'b'; 300]].concat();
            let (stream, header_len) =
                (frame(0x81, &payload), frame(0x81, &payload).len() - payload.len());
            let wrong = header_len + before + 1;
            assert_eq!(read(LONG, &stream[..wrong]).0, [""; 0], "{before}");
            for end in [wrong + 1, wrong + 2, stream.len() - 1, stream.len()] {
                assert_eq!(read(LONG, &stream[..end]), (refused.to_vec(), 0), "{before}, {end}");
            }
        }
        assert_last(&[frame(0x81, b"a\xe2\x82")], Frame::Refused(Refusal::NOT_UTF8));
        let parts = [frame(0x01, b"a\xe2\x82"), frame(0x80, b"")];
        assert_last(&parts, Frame::Refused(Refusal::NOT_UTF8));
    }

    #[test]
    fn each_byte_of_an_unfinished_text_is_looked_at_once() {
        let payload = "é".repeat(25_000);
        let stream = frame(0x81, payload.as_bytes());
        let mut codec = WebSocket::new(LONG);
        let (mut asked, mut len) = (0, 1);
        while len < stream.len() {
            let mut input = stream[..len].to_vec();
            let Ok(Decoded::Incomplete { need }) = codec.decode(&mut input) else {
                panic!("{len} bytes are no frame");
            };
            assert_eq!(input, stream[..len], "nothing is changed that will be shown again");
            if len > 14 {
                assert_eq!(codec.looked.map(|looked| looked.len), Some(len - 8), "at {len}");
            }
            (asked, len) = (asked + 1, need);
        }
        assert_eq!(len, stream.len());
        assert!(asked < WATCHED_LEN + 20, "asked {asked} times");
    }

    #[test]
    fn the_end_of_a_stream_is_looked_at_before_it_is_one() {
        let mut codec = WebSocket::new(LONG);
        assert_eq!(codec.decode_end(&mut []), Ok(None));
        let payload = [&[b'a'; 5000], b"\xff".as_slice(), &[b'a'; 5000]].concat();
        let mut stream = frame(0x81, &payload);
        let whole = codec.decode(&mut stream[..5000]);
        assert!(matches!(whole, Ok(Decoded::Incomplete { need }) if need > 5100), "{whole:?}");
        let refused = Frame::Refused(Refusal::NOT_UTF8);
        assert_eq!(codec.decode_end(&mut stream[..5100]), Ok(Some(refused)));
        let truncated = FrameError::new(FrameFault::Truncated, 4000);
        assert_eq!(WebSocket::new(LONG).decode_end(&mut stream[..4000]), Err(truncated));
    }

    #[test]
    fn what_is_sent_is_a_frame_without_a_mask() {
        let mut codec = WebSocket::new(LIMITS);
        let mut sent = |message| {
            let mut output = Output::new();
            codec.encode(message, &mut output).map(|()| output.to_vec())
        };
        assert_eq!(sent(Message::Text("Hello")), Ok(b"\x81\x05Hello".to_vec()));
        assert_eq!(sent(Message::Binary(b"\xff")), Ok(b"\x82\x01\xff".to_vec()));
        assert_eq!(sent(Message::Ping(b"")), Ok(b"\x89\0".to_vec()));
        assert_eq!(sent(Message::Pong(b"abc")), Ok(b"\x8a\x03abc".to_vec()));
        let close = |code, reason| Message::Close(Close { code, reason });
        assert_eq!(sent(close(None, "")), Ok(b"\x88\0".to_vec()));
        assert_eq!(sent(close(Some(1001), "bye")), Ok(b"\x88\x05\x03\xe9bye".to_vec()));
        for refused in [
            Message::Ping(&[0; 126]),
            close(Some(1005), ""),
            close(None, "why"),
            close(Some(1000), &"a".repeat(124)),
        ] {
            assert!(sent(refused).is_err(), "{refused:?}");
        }
    }
}
