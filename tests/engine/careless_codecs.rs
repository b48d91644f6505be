//! What codecs are asked, and that one that breaks its own rules costs a connection, not the loop.

use std::cell::Cell;
use std::rc::Rc;

use windlass::middleware::{ConnectionContext, Frame, Interest, Middleware, Verdict};
use windlass::network::{PeerState, SimNetwork};
use windlass::{Codec, Decoded, FrameError, Output};

use crate::fixture::{
    Call, Framing, Scripted, What, World, address, echo, pattern, secs, timeless,
};

/// Lines, for which no more bytes than have come are ever asked for.
#[derive(Clone, Default)]
struct Modest {
    /// How often it was asked for a frame.
    looks: Rc<Cell<usize>>,
}

impl Codec for Modest {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        self.looks.set(self.looks.get() + 1);
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return Ok(Decoded::Incomplete { need: 0 });
        };
        Ok(Decoded::Frame { frame: &mut input[..end], consumed: end + 1 })
    }

    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        output.put_pair(message, b"\n");
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        64
    }
}

impl Framing for Modest {
    type Text = [u8];

    fn message<'a>(frame: &'a &mut [u8]) -> &'a [u8] {
        frame
    }

    fn of_bytes(bytes: &[u8]) -> &[u8] {
        bytes
    }
}

/// Frames of a thousand bytes, for which it asks, and one of what is left at the end, if only of
/// nothing.
#[derive(Clone, Default)]
struct Thousands {
    /// How often it was asked for a frame.
    looks: Rc<Cell<usize>>,
}

impl Codec for Thousands {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        self.looks.set(self.looks.get() + 1);
        Ok(match input.get_mut(..1000) {
            Some(frame) => Decoded::Frame { frame, consumed: 1000 },
            None => Decoded::Incomplete { need: 1000 },
        })
    }

    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<&'a mut [u8]>, FrameError> {
        Ok(Some(input))
    }

    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        output.put(message);
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        1000
    }
}

impl Framing for Thousands {
    type Text = [u8];

    fn message<'a>(frame: &'a &mut [u8]) -> &'a [u8] {
        frame
    }

    fn of_bytes(bytes: &[u8]) -> &[u8] {
        bytes
    }
}

/// Frames of two bytes, but for one that begins with `0`, which takes none, and one that begins
/// with `9`, which takes one more than there are.
#[derive(Clone)]
struct Pairs;

impl Codec for Pairs {
    type Frame<'a> = &'a [u8];
    type Message<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        let len = input.len();
        Ok(match (input[0], len) {
            (b'0', _) => Decoded::Frame { frame: &input[..0], consumed: 0 },
            (b'9', _) => Decoded::Frame { frame: &input[..1], consumed: len + 1 },
            (_, 1) => Decoded::Incomplete { need: 2 },
            _ => Decoded::Frame { frame: &input[..2], consumed: 2 },
        })
    }

    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        output.put(message);
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        2
    }
}

impl Framing for Pairs {
    type Text = [u8];

    fn message<'a>(frame: &'a &[u8]) -> &'a [u8] {
        frame
    }

    fn of_bytes(bytes: &[u8]) -> &[u8] {
        bytes
    }
}

/// Looks at every frame, and lets it through.
struct Looking;

impl Middleware for Looking {
    fn interest(&self) -> Interest {
        Interest::Bytes
    }

    fn on_frame(&mut self, _: &mut ConnectionContext<'_>, _: Frame<'_>) -> Verdict {
        Verdict::Continue
    }
}

#[test]
fn a_codec_is_not_asked_again_before_what_it_needs_has_come() {
    let codec = Thousands::default();
    let looks = Rc::clone(&codec.looks);
    let mut world = World::on(SimNetwork::new(1), timeless(), codec, Scripted::new(echo));
    let peer = world.join();
    for frames in 1..5 {
        let sent = pattern(1000);
        for piece in sent.chunks(125) {
            world.network.send_from(peer, piece);
            world.settle();
        }
        assert_eq!(looks.get(), 2 * frames, "at its first piece and at its last");
        assert_eq!(world.network.received(peer), sent.repeat(frames));
    }
}

#[test]
fn a_codec_that_asks_for_no_more_bytes_is_asked_again_when_they_come() {
    let codec = Modest::default();
    let looks = Rc::clone(&codec.looks);
    let mut world = World::on(SimNetwork::new(1), timeless(), codec, Scripted::new(echo));
    let peer = world.join();
    for (asked, byte) in (1..).zip(b"unfinished") {
        world.network.send_from(peer, &[*byte]);
        world.settle();
        assert_eq!(looks.get(), asked, "times, as often as bytes came");
    }
    world.network.send_from(peer, b"\n");
    world.settle();
    assert_eq!(world.received(peer), "unfinished\n");
}

#[test]
fn the_last_frame_is_run_once_though_it_pauses_its_connection() {
    for last in ["", "what is left"] {
        let mut world = World::with_codec(timeless(), Thousands::default(), |session, call| {
            match call {
                Call::Frame(_) => {
                    session.pause();
                    session.set_timer(1, secs(1));
                }
                Call::Timer(_) => session.resume(),
                Call::End => session.close(),
                _ => {}
            }
            Ok(())
        });
        let peer = world.join();
        world.network.send_from(peer, last.as_bytes());
        world.network.finish(peer);
        world.run_for(secs(5));
        assert_eq!(world.frames(peer), [last]);
        assert_eq!(world.reason(peer), Some("peer finished"));
    }
}

fn assert_ends_its_connection_only(world: &mut World, pieces: &[&[u8]]) {
    let (peer, neighbour) = (world.connect(), world.connect());
    for piece in pieces {
        world.network.send_from(peer, piece);
        world.settle();
    }
    assert!(world.network.received(peer).starts_with(b"abcd"), "{pieces:?}");
    assert_eq!(world.network.state(peer), PeerState::Finished, "{pieces:?}");
    world.run_for(secs(2));
    assert_eq!(world.open_len(), 1, "{pieces:?}");
    let closed = world.reactor.metrics().closed;
    let reasons: Vec<_> = closed.iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(reasons, [("malformed frame", 1)], "{pieces:?}");
    assert_eq!(world.reactor.metrics().frames, 3, "the impossible one ends it: {pieces:?}");
    world.network.send_from(neighbour, b"ok");
    world.settle();
    assert_eq!(world.network.received(neighbour), b"ok");
}

#[test]
fn a_frame_of_an_impossible_length_ends_its_connection_only() {
    let at_once: [&[&[u8]]; 4] = [&[b"abcd0"], &[b"abcd0efgh"], &[b"abcd9"], &[b"abcd9efgh"]];
    // Behind a beginning that was kept.
    let in_pieces: [&[&[u8]]; 4] =
        [&[b"abc", b"d0"], &[b"abc", b"d0e"], &[b"abc", b"d9"], &[b"abcd", b"9"]];
    for pieces in at_once.into_iter().chain(in_pieces) {
        for is_watched in [false, true] {
            let net = SimNetwork::new(1);
            let mut world = World::of(net, timeless(), None, |server| {
                let server = if is_watched { server.middleware(Looking) } else { server };
                server.tcp_with(address(0), Pairs, Scripted::new(echo))
            });
            assert_ends_its_connection_only(&mut world, pieces);
        }
    }
}

#[test]
fn whose_handler_has_closed_at_a_frame_has_no_farewell_for_its_impossible_length() {
    let mut world = World::with_codec(timeless(), Pairs, |session, call| {
        if let Call::Frame(_) = call {
            session.close();
        }
        Ok(())
    });
    let peer = world.connect_with(b"0");
    world.settle();
    world.network.finish(peer);
    world.settle();
    let expected = [What::Opened, What::Frame("".into()), What::Closed("closed")];
    assert_eq!(world.seen(peer), expected);
}
