//! What codecs are asked, and that one that breaks its own rules costs a connection, not the loop.

use std::cell::Cell;
use std::rc::Rc;

use windlass::network::{PeerState, SimNetwork};
use windlass::{Codec, Decoded, FrameError, Output};

use crate::fixture::{Call, Framing, Scripted, World, echo, pattern, secs, timeless};

/// Lines, some of which are said to be of a length that they cannot have; and more bytes than have
/// come are never asked for.
#[derive(Clone, Default)]
struct Careless {
    /// How often it was asked for a frame.
    looks: Rc<Cell<usize>>,
}

impl Codec for Careless {
    type Frame<'a> = &'a mut [u8];
    type Message = [u8];

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        self.looks.set(self.looks.get() + 1);
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return Ok(Decoded::Incomplete { need: 0 });
        };
        let consumed = match &input[..end] {
            b"nothing" => 0,
            b"too much" => input.len() + 1,
            _ => end + 1,
        };
        Ok(Decoded::Frame { frame: &mut input[..end], consumed })
    }

    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        output.put_pair(message, b"\n");
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        64
    }
}

impl Framing for Careless {
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
    type Message = [u8];

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
    fn message<'a>(frame: &'a &mut [u8]) -> &'a [u8] {
        frame
    }

    fn of_bytes(bytes: &[u8]) -> &[u8] {
        bytes
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
fn a_frame_of_impossible_length_ends_its_connection_and_no_other() {
    // What has come before the rest of it is kept, and decoded elsewhere.
    for first in ["", "o"] {
        for lie in ["nothing", "too much"] {
            let mut world = World::with_codec(timeless(), Careless::default(), echo);
            let (peer, honest) = (world.join(), world.join());
            world.network.send_from(peer, first.as_bytes());
            world.settle();
            let rest = format!("ok\n{lie}\nnever\n");
            world.network.send_from(peer, &rest.as_bytes()[first.len()..]);
            world.run_for(secs(2));
            assert_eq!(world.frames(peer), ["ok", lie]);
            assert_eq!(world.reason(peer), Some("malformed frame"));
            assert_ne!(world.network.state(peer), PeerState::Open);
            world.network.send_from(honest, b"still there?\n");
            world.settle();
            assert_eq!(world.received(honest), "still there?\n");
            assert_eq!(world.reactor.held_len(), 0);
        }
    }
}

#[test]
fn a_codec_that_asks_for_no_more_bytes_is_asked_again_when_they_come() {
    let codec = Careless::default();
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
