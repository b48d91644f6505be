//! What the server and its peers speak, and what the server does with a frame besides sending it
//! back.

use windlass::network::SimNetwork;
use windlass::{
    ByteLines, Config, Delimited, Error, Fixed, LengthPrefixed, Lines, Raw, Server, Session, Varint,
};

use super::super::choices::Choices;
use super::super::feed::{Asking, Bytewise, Outcome, feed};
use super::super::fixture::{
    Call, Framing, Journal, Scripted, World, address, echo, ignore, millis, panic_quietly,
};

/// No frame is longer, in bytes on the wire.
pub(super) const MAX_FRAME_LEN: usize = 400;
/// The longest payload, where it can be set.
const MAX_LEN: usize = 300;
const FIXED_LEN: usize = 5;

/// The timers of the script.
const RESUME: u32 = 0;
const REST: u32 = 1;

#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    Raw,
    Lines,
    ByteLines,
    Delimited,
    Fixed,
    LengthPrefixed,
    Varint,
}

/// How the answer to a frame goes on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    /// The connection ends after the answer.
    Close,
    /// The connection ends without it.
    Break,
}

/// What comes of a frame, by its first byte.
fn then(frame: &[u8]) -> Then {
    match frame.first() {
        Some(b'q') => Then::Close,
        Some(b'x' | b'!' | b'e') => Then::Break,
        _ => Then::GoOn,
    }
}

impl Protocol {
    pub(super) fn any(choices: &mut Choices<'_>) -> Self {
        choices.pick(&[
            Self::Raw,
            Self::Lines,
            Self::ByteLines,
            Self::Delimited,
            Self::Fixed,
            Self::LengthPrefixed,
            Self::Varint,
        ])
    }

    /// A world with a server that speaks this.
    pub(super) fn world(
        self,
        network: SimNetwork,
        config: Config,
        more: impl FnOnce(Server) -> Server,
    ) -> World {
        match self {
            Self::Raw => world(network, config, Raw, Scripted::new(echo), more),
            Self::Lines => {
                world(network, config, Lines::default().max_len(MAX_LEN), scripted(), more)
            }
            Self::ByteLines => {
                world(network, config, ByteLines::default().max_len(MAX_LEN), scripted(), more)
            }
            Self::Delimited => world(network, config, delimited(), scripted(), more),
            Self::Fixed => world(network, config, Fixed::new(FIXED_LEN), scripted(), more),
            Self::LengthPrefixed => world(network, config, length_prefixed(), scripted(), more),
            Self::Varint => {
                world(network, config, Varint::default().max_len(MAX_LEN), scripted(), more)
            }
        }
    }

    /// What whoever sends this, and then no more, is owed, and whether nothing is wrong with it.
    pub(super) fn answers(self, sent: &[u8]) -> (Vec<u8>, bool) {
        match self {
            Self::Raw => (sent.to_vec(), true),
            Self::Lines => answers(&Lines::default().max_len(MAX_LEN), sent),
            Self::ByteLines => answers(&ByteLines::default().max_len(MAX_LEN), sent),
            Self::Delimited => answers(&delimited(), sent),
            Self::Fixed => answers(&Fixed::new(FIXED_LEN), sent),
            Self::LengthPrefixed => answers(&length_prefixed(), sent),
            Self::Varint => answers(&Varint::default().max_len(MAX_LEN), sent),
        }
    }

    /// How a message is put on the wire; nearly, if it may not be.
    pub(super) fn wire(self, message: &[u8]) -> Vec<u8> {
        let len = u8::try_from(message.len() % 128).expect("less than 128");
        match self {
            Self::Raw | Self::Fixed => message.to_vec(),
            Self::Lines | Self::ByteLines => [message, b"\n"].concat(),
            Self::Delimited => [message, b"--"].concat(),
            Self::LengthPrefixed => [&[0, len], message].concat(),
            Self::Varint => [&[len], message].concat(),
        }
    }
}

fn delimited() -> Delimited {
    Delimited::new(b"--").max_len(MAX_LEN)
}

fn length_prefixed() -> LengthPrefixed {
    LengthPrefixed::default().width(2).max_len(MAX_LEN)
}

fn world<C: Framing>(
    network: SimNetwork,
    config: Config,
    codec: C,
    handler: Scripted<C>,
    more: impl FnOnce(Server) -> Server,
) -> World {
    let journal = Journal::default();
    let handler = handler.without_frames().written_in(&journal);
    let listen = |server: Server| more(server.tcp_with(address(0), codec, handler));
    World::of(network, config, Some(journal), listen)
}

fn answers<C: Bytewise + Framing>(codec: &C, sent: &[u8]) -> (Vec<u8>, bool) {
    let Outcome { frames, end } = feed(codec, sent, &[], Asking::WhenNeeded);
    let mut output = windlass::Output::new();
    let mut codec = codec.clone();
    for frame in frames {
        let then = then(&frame);
        let is_sent = then != Then::Break && codec.encode(C::of_bytes(&frame), &mut output).is_ok();
        if !is_sent || then == Then::Close {
            return (output.to_vec(), false);
        }
    }
    (output.to_vec(), end.is_ok())
}

/// A handler that sends each frame back, and does something besides.
fn scripted<C: Framing>() -> Scripted<C> {
    Scripted::new(|session: &mut Session<'_, Scripted<C>>, call| match call {
        Call::Frame(frame) => answer(session, frame),
        Call::Timer(RESUME) => {
            session.resume();
            Ok(())
        }
        Call::Timer(_) => {
            session.set_busy(false);
            Ok(())
        }
        call => ignore(session, call),
    })
}

fn answer<C: Framing>(
    session: &mut Session<'_, Scripted<C>>,
    frame: &C::Text,
) -> Result<(), Error> {
    match frame.as_ref().first() {
        Some(b'x') => {
            session.abort();
            return Ok(());
        }
        Some(b'!') => panic_quietly(),
        Some(b'e') => return Err(Error::new("a frame that is an error")),
        Some(b'q') => session.close(),
        Some(b'p') => {
            session.pause();
            session.set_timer(RESUME, millis(3));
        }
        Some(b'b') => {
            session.set_busy(true);
            session.set_timer(REST, millis(3));
        }
        _ => {}
    }
    session.send(frame)
}
