//! The frames of RFC 6455, as a server's handler sees and sends them, and what can be wrong with
//! them.

use super::text::TextPart;

/// The longest payload of a control frame (section 5.5).
pub(crate) const MAX_CONTROL_LEN: usize = 125;

/// Why a connection is closed (section 7.4.1): the codes that this server sends by itself.
pub(crate) mod code {
    /// The server goes down.
    pub(crate) const GOING_AWAY: u16 = 1001;
    /// The peer broke a rule of the protocol.
    pub(crate) const PROTOCOL_ERROR: u16 = 1002;
    /// A kind of data that has no meaning here.
    pub(crate) const UNSUPPORTED: u16 = 1003;
    /// Text that is no UTF-8.
    pub(crate) const NOT_UTF8: u16 = 1007;
    /// The peer broke a rule of this server.
    pub(crate) const POLICY: u16 = 1008;
    /// A frame or a message above the limit.
    pub(crate) const TOO_BIG: u16 = 1009;
    /// There is no room now (IANA's registry of close codes).
    pub(crate) const TRY_AGAIN: u16 = 1013;
}

/// A frame of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Frame<'a> {
    /// A whole message of text.
    Text(&'a str),
    /// A whole message of bytes.
    Binary(&'a [u8]),
    /// A part of a message: one of its fragments.
    Part(Part<'a>),
    /// Is to be answered with a pong that has the same payload.
    Ping(&'a [u8]),
    /// The answer to a ping, or a sign of life.
    Pong(&'a [u8]),
    /// The last frame: is to be answered with another.
    Close(Close<'a>),
    /// No frame that may be: the connection is to be closed, and nothing behind it is read.
    Refused(Refusal),
}

/// A fragment of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part<'a> {
    /// What it brings, behind the fragments before it.
    pub(crate) piece: Piece<'a>,
    /// Whether the message is whole now.
    pub(crate) is_last: bool,
}

/// What a fragment brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece<'a> {
    Text(TextPart<'a>),
    Binary(&'a [u8]),
}

/// What a close frame says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Close<'a> {
    /// Why, as a number; none if it has no payload.
    pub(crate) code: Option<u16>,
    /// Why, in words.
    pub(crate) reason: &'a str,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// The code to close with.
    pub(crate) code: u16,
    /// The reason to close with.
    pub(crate) why: &'static str,
}

/// A frame of the server: a whole message, without a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(Close<'a>),
}

impl<'a> Close<'a> {
    /// Reads the payload of a close frame (section 5.5.1).
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, Refusal> {
        let (code, reason) = match payload {
            [] => return Ok(Self { code: None, reason: "" }),
            [_] => return Err(Refusal::HALF_A_CODE),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !may_be_sent(code) {
            return Err(Refusal::NO_SUCH_CODE);
        }
        let reason = str::from_utf8(reason).map_err(|_| Refusal::NOT_UTF8)?;
        Ok(Self { code: Some(code), reason })
    }
}

impl From<Refusal> for Close<'static> {
    fn from(refusal: Refusal) -> Self {
        Self { code: Some(refusal.code), reason: refusal.why }
    }
}

/// Whether a close frame may have this code (section 7.4): those that are defined for it, with the
/// three that IANA has registered since, and those for libraries, frameworks and applications.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

impl Refusal {
    pub(crate) const RESERVED_BITS: Self =
        broken("a reserved bit is set, and no extension is used");
    pub(crate) const RESERVED_OPCODE: Self = broken("the opcode is reserved");
    pub(crate) const UNMASKED: Self = broken("a client's frame must be masked");
    pub(crate) const CONTROL_IN_FRAGMENTS: Self = broken("a control frame must be in one piece");
    pub(crate) const CONTROL_TOO_LONG: Self = broken("a control frame has 125 bytes at most");
    pub(crate) const NOT_SHORTEST: Self = broken("the length is not in its shortest form");
    pub(crate) const LENGTH_HIGHEST_BIT: Self = broken("the highest bit of the length is set");
    pub(crate) const NOTHING_TO_CONTINUE: Self = broken("there is no message to be continued");
    pub(crate) const INTERRUPTED: Self = broken("the message before has not ended");
    pub(crate) const HALF_A_CODE: Self = broken("a close frame of one byte");
    pub(crate) const NO_SUCH_CODE: Self = broken("a close frame must not have this code");
    pub(crate) const NOT_UTF8: Self = Self { code: code::NOT_UTF8, why: "text that is not UTF-8" };
    pub(crate) const FRAME_TOO_LONG: Self =
        Self { code: code::TOO_BIG, why: "the frame is too long" };
    pub(crate) const MESSAGE_TOO_LONG: Self =
        Self { code: code::TOO_BIG, why: "the message is too long" };
}

const fn broken(why: &'static str) -> Refusal {
    Refusal { code: code::PROTOCOL_ERROR, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_has_a_code_and_a_reason_or_neither() {
        assert_eq!(Close::read(b""), Ok(Close { code: None, reason: "" }));
        assert_eq!(Close::read(b"\x03"), Err(Refusal::HALF_A_CODE));
        assert_eq!(Close::read(b"\x03\xe8"), Ok(Close { code: Some(1000), reason: "" }));
        assert_eq!(Close::read(b"\x03\xe8bye"), Ok(Close { code: Some(1000), reason: "bye" }));
        assert_eq!(Close::read(b"\x03\xe8\xff"), Err(Refusal::NOT_UTF8));
    }

    #[test]
    fn codes_that_are_never_sent_are_refused() {
        let sent = |code: &u16| Close::read(&code.to_be_bytes()).is_ok();
        let allowed: Vec<u16> = (0..=u16::MAX).filter(sent).collect();
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(allowed, expected);
    }
}
