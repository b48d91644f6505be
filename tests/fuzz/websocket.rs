//! What comes to a WebSocket: whatever arrives, and however it is cut, comes to what a plain reader
//! makes of the whole of it.

use windlass::{Codec, Decoded, FrameError, FrameFault, Output};

use super::choices::Choices;

#[path = "../../examples/websocket/codec.rs"]
mod codec;
#[path = "../../examples/websocket/fragments.rs"]
#[allow(dead_code, reason = "nobody counts here what is held")]
mod fragments;
#[path = "../../examples/websocket/frames.rs"]
#[allow(dead_code, reason = "the codec does not need every code")]
mod frames;
#[path = "../../examples/websocket/header.rs"]
mod header;
#[path = "../../examples/websocket/mask.rs"]
mod mask;
#[path = "../../examples/websocket/text.rs"]
mod text;

use codec::{Limits, WebSocket};
use fragments::Fragments;
use frames::{Close, Frame, Message, Part, Refusal};

/// Frames and messages of the fuzzer can be longer than is allowed without being long.
const LIMITS: Limits = Limits { max_frame: 300, max_message: 500 };

/// What a stream comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Came {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    /// Nothing comes after it.
    Refused(Refusal),
}

/// A stream that is cut into pieces of lengths that it decides.
pub(crate) fn websocket(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let piece_len = 1 + choices.below(40);
    let is_framed = choices.chance(70);
    let stream = if is_framed { framed(choices) } else { choices.rest().to_vec() };
    let (plain, needs_more) = plain(&stream);
    let whole = read(&stream, usize::MAX);
    assert_eq!(read(&stream, 1), whole, "byte by byte");
    assert_eq!(read(&stream, piece_len), whole, "in pieces of {piece_len}");
    match (whole.last(), plain.last()) {
        // Text that is wrong is refused before its frame is whole, which the plain reader awaits.
        (Some(Came::Refused(refusal)), _) if needs_more && *refusal == Refusal::NOT_UTF8 => {
            assert_eq!(whole[..whole.len() - 1], plain);
        }
        _ => assert_eq!(whole, plain),
    }
    plain.iter().for_each(assert_sent);
}

/// A stream of frames that begin as frames do, made of what is chosen.
fn framed(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !choices.is_empty() && stream.len() < 4096 {
        let first = choices.pick(&[0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a, 0x83]);
        let len = choices.below(400);
        let mask = [0; 4].map(|_: u8| choices.byte());
        let begun = stream.len();
        stream.extend_from_slice(header::write(0, len, &mut [0; 10]));
        stream[begun] = first;
        stream[begun + 1] |= 0x80;
        stream.extend_from_slice(&mask);
        // What the fuzzer makes up is what is under the mask.
        let payload = choices.take(len).iter().zip(mask.iter().cycle());
        stream.extend(payload.map(|(byte, mask)| byte ^ mask));
    }
    stream
}

/// What the codec makes of a stream that comes in pieces of this length.
fn read(stream: &[u8], piece_len: usize) -> Vec<Came> {
    let mut codec = WebSocket::new(LIMITS);
    let (mut input, mut came, mut need) = (Vec::new(), Vec::new(), 1);
    let mut fragments = Fragments::default();
    for piece in stream.chunks(piece_len) {
        input.extend_from_slice(piece);
        while input.len() >= need {
            let input_len = input.len();
            let decoded = codec.decode(&mut input).expect("what is wrong is a frame, too");
            let consumed = match decoded {
                Decoded::Incomplete { need: more } => {
                    assert!((input_len + 1..=codec.max_frame_len()).contains(&more), "{more}");
                    need = more;
                    break;
                }
                Decoded::Frame { frame, consumed } => {
                    came.extend(take(&mut fragments, frame));
                    consumed
                }
            };
            assert!((1..=input_len).contains(&consumed));
            input.drain(..consumed);
            if let Some(Came::Refused(_)) = came.last() {
                return came;
            }
            need = 1;
        }
    }
    match codec.decode_end(&mut input) {
        Ok(last) => came.extend(last.and_then(|frame| take(&mut fragments, frame))),
        Err(error) => assert_eq!(error, FrameError::new(FrameFault::Truncated, input.len())),
    }
    came
}

/// What a frame comes to: nothing, if it is a part of a message that goes on.
fn take(fragments: &mut Fragments, frame: Frame<'_>) -> Option<Came> {
    Some(match frame {
        Frame::Text(text) => Came::Text(text.to_owned()),
        Frame::Binary(bytes) => Came::Binary(bytes.to_vec()),
        Frame::Part(Part { piece, is_last }) => {
            assert!(fragments.put(piece, LIMITS.max_message), "no longer than is allowed");
            if !is_last {
                return None;
            }
            match std::mem::take(fragments) {
                Fragments::Text(text) => Came::Text(text),
                Fragments::Binary(bytes) => Came::Binary(bytes),
                Fragments::None => panic!("a part is of some kind"),
            }
        }
        Frame::Ping(bytes) => Came::Ping(bytes.to_vec()),
        Frame::Pong(bytes) => Came::Pong(bytes.to_vec()),
        Frame::Close(Close { code, reason }) => Came::Close(code, reason.to_owned()),
        Frame::Refused(refusal) => Came::Refused(refusal),
    })
}

/// What a stream comes to by the letter of RFC 6455, and whether a frame at its end has begun.
fn plain(stream: &[u8]) -> (Vec<Came>, bool) {
    let (mut came, mut rest) = (Vec::new(), stream);
    let mut message: Option<(u8, Vec<u8>)> = None;
    loop {
        let Some((first, payload, behind)) = (match plain_frame(rest, message.as_ref()) {
            Ok(frame) => frame,
            Err(refusal) => {
                came.push(Came::Refused(refusal));
                return (came, false);
            }
        }) else {
            return (came, !rest.is_empty());
        };
        rest = behind;
        let next = match first & 0xf {
            0x8 => plain_close(&payload),
            0x9 => Ok(Came::Ping(payload)),
            0xa => Ok(Came::Pong(payload)),
            opcode => {
                let (kind, mut whole) = message.take().unwrap_or((opcode, Vec::new()));
                whole.extend(payload);
                let text = String::from_utf8(whole.clone());
                match text {
                    _ if kind == 0x2 && first & 0x80 != 0 => Ok(Came::Binary(whole)),
                    Ok(text) if kind == 0x1 && first & 0x80 != 0 => Ok(Came::Text(text)),
                    // What may still become a character is at the end.
                    Err(error)
                        if kind == 0x1
                            && (first & 0x80 != 0 || error.utf8_error().error_len().is_some()) =>
                    {
                        Err(Refusal::NOT_UTF8)
                    }
                    _ => {
                        message = Some((kind, whole));
                        continue;
                    }
                }
            }
        };
        let is_over = next.is_err();
        came.push(next.unwrap_or_else(Came::Refused));
        if is_over {
            return (came, false);
        }
    }
}

/// The first byte of a frame, its payload without the mask, and what is behind it.
type PlainFrame<'a> = (u8, Vec<u8>, &'a [u8]);

/// The frame at the beginning, if it is all there; what is wrong with its header as soon as that
/// can be known.
fn plain_frame<'a>(
    stream: &'a [u8],
    message: Option<&(u8, Vec<u8>)>,
) -> Result<Option<PlainFrame<'a>>, Refusal> {
    let [first, second, rest @ ..] = stream else { return Ok(None) };
    let (opcode, is_control) = (first & 0xf, first & 0x8 != 0);
    for (is_broken, refusal) in [
        (first & 0x70 != 0, Refusal::RESERVED_BITS),
        (!matches!(opcode, 0..=2 | 8..=10), Refusal::RESERVED_OPCODE),
        (second & 0x80 == 0, Refusal::UNMASKED),
        (is_control && first & 0x80 == 0, Refusal::CONTROL_IN_FRAGMENTS),
        (is_control && second & 0x7f > 125, Refusal::CONTROL_TOO_LONG),
    ] {
        if is_broken {
            return Err(refusal);
        }
    }
    let width = [0, 2, 8][usize::from(second & 0x7f).saturating_sub(125)];
    let Some((len, rest)) = rest.split_at_checked(width) else { return Ok(None) };
    let number = len.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let len = if width == 0 { u64::from(second & 0x7f) } else { number };
    let is_longer_than_needed = (width == 2 && len < 126) || (width == 8 && len < 65_536);
    if is_longer_than_needed {
        return Err(Refusal::NOT_SHORTEST);
    }
    if len >> 63 != 0 {
        return Err(Refusal::LENGTH_HIGHEST_BIT);
    }
    let Some((mask, rest)) = rest.split_at_checked(4) else { return Ok(None) };
    let before = message.map_or(0, |(_, before)| before.len()) as u64;
    for (is_broken, refusal) in [
        (opcode == 0 && message.is_none(), Refusal::NOTHING_TO_CONTINUE),
        (matches!(opcode, 1 | 2) && message.is_some(), Refusal::INTERRUPTED),
        (!is_control && len > LIMITS.max_frame as u64, Refusal::FRAME_TOO_LONG),
        (!is_control && before + len > LIMITS.max_message as u64, Refusal::MESSAGE_TOO_LONG),
    ] {
        if is_broken {
            return Err(refusal);
        }
    }
    let len = usize::try_from(len).expect("a limit is smaller");
    let Some((payload, behind)) = rest.split_at_checked(len) else { return Ok(None) };
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    Ok(Some((*first, payload.collect(), behind)))
}

fn plain_close(payload: &[u8]) -> Result<Came, Refusal> {
    let [high, low, reason @ ..] = payload else {
        return match payload.len() {
            0 => Ok(Came::Close(None, String::new())),
            _ => Err(Refusal::HALF_A_CODE),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Refusal::NO_SUCH_CODE);
    }
    let reason = String::from_utf8(reason.to_vec()).map_err(|_| Refusal::NOT_UTF8)?;
    Ok(Came::Close(Some(code), reason))
}

/// Sends what came, and asserts that it is a frame that comes to the same, but for the mask.
fn assert_sent(came: &Came) {
    let message = match came {
        Came::Text(text) => Message::Text(text),
        Came::Binary(bytes) => Message::Binary(bytes),
        Came::Ping(bytes) => Message::Ping(bytes),
        Came::Pong(bytes) => Message::Pong(bytes),
        Came::Close(code, reason) => Message::Close(Close { code: *code, reason }),
        Came::Refused(refusal) => Message::Close(Close::from(*refusal)),
    };
    let mut output = Output::new();
    let encoded = WebSocket::new(LIMITS).encode(message, &mut output);
    encoded.expect("what may come may be sent");
    let mut sent = output.to_vec();
    assert_eq!(sent[1] & 0x80, 0, "a server has no mask");
    // A mask of zeros changes nothing; in its place, it is a client's frame.
    let header_len = [2, 4, 10][usize::from(sent[1]).saturating_sub(125)];
    sent[1] |= 0x80;
    sent.splice(header_len..header_len, [0; 4]);
    let (mut again, needs_more) = plain(&sent);
    assert!(!needs_more);
    let expected = match came {
        Came::Refused(refusal) => Came::Close(Some(refusal.code), refusal.why.to_owned()),
        came => came.clone(),
    };
    // The longest message in fragments is longer than a frame may be.
    if again != [Came::Refused(Refusal::FRAME_TOO_LONG)] {
        assert_eq!(again.pop(), Some(expected));
    }
}
