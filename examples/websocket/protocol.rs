//! What a connection speaks: HTTP until a request has opened a socket on it, then WebSocket.

use windlass::{Codec, Decoded, FrameError, FrameFault, Output};

use super::codec::{Limits, WebSocket};
use super::frames;
use super::http1::{self, Http1};

/// The codec of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Protocol {
    /// It speaks HTTP, and may become a socket with these limits.
    Http(Http1, Limits),
    WebSocket(WebSocket),
}

/// What comes from a client.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    Http(http1::Frame<'a>),
    WebSocket(frames::Frame<'a>),
}

/// What goes to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    Http(http1::Answer<'a>),
    WebSocket(frames::Message<'a>),
}

impl Codec for Protocol {
    type Frame<'a> = Frame<'a>;
    type Message<'a> = Message<'a>;

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<Frame<'a>>, FrameError> {
        match self {
            Self::WebSocket(codec) => Ok(as_one_of(codec.decode(input)?, Frame::WebSocket)),
            Self::Http(codec, _) => Ok(as_one_of(codec.decode(input)?, Frame::Http)),
        }
    }

    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        match self {
            Self::WebSocket(codec) => Ok(codec.decode_end(input)?.map(Frame::WebSocket)),
            Self::Http(codec, _) => Ok(codec.decode_end(input)?.map(Frame::Http)),
        }
    }

    #[inline]
    fn encode(&mut self, message: Message<'_>, output: &mut Output) -> Result<(), FrameError> {
        match (self, message) {
            (Self::WebSocket(codec), Message::WebSocket(message)) => codec.encode(message, output),
            (Self::Http(codec, _), Message::Http(answer)) => codec.encode(answer, output),
            _ => Err(FrameError::new(NOT_SPOKEN, 0)),
        }
    }

    fn max_frame_len(&self) -> usize {
        match self {
            Self::WebSocket(codec) => codec.max_frame_len(),
            // What it may become counts, too: memory is planned for when it is still this.
            Self::Http(codec, limits) => {
                codec.max_frame_len().max(WebSocket::new(*limits).max_frame_len())
            }
        }
    }
}

impl Protocol {
    /// From here on, the connection is a socket.
    pub(crate) fn open_socket(&mut self) {
        if let Self::Http(_, limits) = self {
            *self = Self::WebSocket(WebSocket::new(*limits));
        }
    }
}

const NOT_SPOKEN: FrameFault = FrameFault::Malformed("a message of the other protocol");

/// Makes the frame of a part that of the whole.
#[inline]
fn as_one_of<A, B>(decoded: Decoded<A>, wrap: impl FnOnce(A) -> B) -> Decoded<B> {
    match decoded {
        Decoded::Frame { frame, consumed } => Decoded::Frame { frame: wrap(frame), consumed },
        Decoded::Incomplete { need } => Decoded::Incomplete { need },
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::Message as Sent;
    use super::*;

    const LIMITS: Limits = Limits { max_frame: 1 << 20, max_message: 1 << 20 };

    #[test]
    fn memory_is_planned_for_what_a_connection_may_become() {
        let mut protocol = Protocol::Http(Http1::default(), LIMITS);
        let before = protocol.max_frame_len();
        protocol.open_socket();
        assert_eq!(protocol.max_frame_len(), before);
        assert!(before > LIMITS.max_frame);
    }

    #[test]
    fn messages_of_the_other_protocol_are_refused() {
        let mut protocol = Protocol::Http(Http1::default(), LIMITS);
        let text = Message::WebSocket(Sent::Text("a"));
        let page = Message::Http(http1::Answer::Piece(b"a"));
        let mut output = Output::new();
        assert!(protocol.encode(text, &mut output).is_err());
        protocol.open_socket();
        assert!(protocol.encode(page, &mut output).is_err());
        assert!(output.is_empty());
        assert!(protocol.encode(text, &mut output).is_ok());
    }
}
