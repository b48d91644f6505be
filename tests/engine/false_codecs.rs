//! What a codec that breaks its own rules costs: its connection, and nothing else.

use windlass::middleware::{ConnectionContext, Frame, Interest, Middleware, Verdict};
use windlass::network::{PeerState, SimNetwork};
use windlass::{Codec, Decoded, FrameError, Output};

use crate::fixture::{Framing, Scripted, World, address, echo, secs, timeless};

/// Frames of two bytes, but for one that begins with `0`, which takes none, and one that begins
/// with `9`, which takes one more than there are.
#[derive(Clone)]
struct Pairs;

impl Codec for Pairs {
    type Frame<'a> = &'a [u8];
    type Message = [u8];

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
