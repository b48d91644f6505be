//! A panic in a callback costs its own connection, and nobody else anything.

use std::cell::Cell;
use std::marker::PhantomData;

use bytes::Bytes;
use windlass::network::{PeerState, SimNetwork};
use windlass::{Codec, Config, Decoded, Error, FrameError, Handler, Lines, Output, Session};

use super::callbacks::{At, echo_with_timer};
use crate::fixture::{Call, World, address, at_most, echo, millis, panic_quietly, secs};

#[test]
fn a_panic_in_any_callback_ends_its_connection_only() {
    for at in At::ALL {
        let mut world = World::new(at_most(10), move |session, call| {
            // The neighbour comes first.
            if at.is(&call) && session.peer().port() != 32_768 {
                let _ = session.send("half of an ans");
                panic_quietly();
            }
            echo_with_timer(session, call)
        });
        let neighbour = world.join();
        let (peer, before) = at.provoke(&mut world);
        world.run_for(secs(2));
        assert_eq!(world.received(peer), before, "{at:?}: earlier answers, and no half one");
        assert_eq!(world.network.state(peer), PeerState::Finished, "{at:?}");
        let reason = if at == At::Close { "peer finished" } else { "handler panicked" };
        assert_eq!(world.reason(peer), Some(reason), "{at:?}");
        assert_eq!(world.reactor.metrics().panics, 1, "{at:?}");
        if at != At::Drain {
            world.network.send_from(neighbour, b"are you there\n");
            world.settle();
            assert_eq!(world.received(neighbour), "are you there\n", "{at:?}");
            assert_eq!(world.open_len(), 1, "{at:?}");
        }
    }
}

#[test]
fn earlier_answers_of_the_same_event_arrive_however_they_were_sent() {
    for (high_watermark, low_watermark) in [(64 * 1024, 16 * 1024), (100, 10)] {
        let config = Config { high_watermark, low_watermark, ..at_most(10) };
        let mut world = World::new(config, |session, call| match call {
            Call::Frame("shared") => session.send_encoded(Bytes::from(vec![b's'; 5000])),
            Call::Frame("panic") => {
                session.send("half")?;
                session.send_encoded(Bytes::from(vec![b'h'; 5000]))?;
                session.send("half")?;
                panic_quietly();
            }
            call => echo(session, call),
        });
        let peer = world.connect_with(b"a\nshared\nb\nshared\npanic\nc\n");
        world.settle();
        let shared = "s".repeat(5000);
        assert!(world.received(peer) == format!("a\n{shared}b\n{shared}"), "{high_watermark}");
        assert_eq!(world.network.state(peer), PeerState::Finished);
        assert_eq!(world.frames(peer).len(), 5);
    }
}

#[test]
fn earlier_answers_reach_a_slow_reader_after_a_panic() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("panic") => {
            session.send("half")?;
            panic_quietly();
        }
        call => echo(session, call),
    });
    world.network.set_pipe_len(300);
    let peer = world.connect();
    world.network.read_slowly(peer, 100, millis(5));
    let lines = "a line of some length\n".repeat(100);
    world.network.send_from(peer, format!("{lines}panic\nlost\n").as_bytes());
    world.run_for(secs(5));
    assert_eq!(world.received(peer), lines);
    assert_eq!(world.reason(peer), Some("handler panicked"));
}

#[test]
fn the_last_line_of_a_stream_may_panic_like_any_other() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("panic") => panic_quietly(),
        call => echo(session, call),
    });
    let peer = world.connect_with(b"a\npanic");
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.received(peer), "a\n");
    assert_eq!(world.reason(peer), Some("handler panicked"));
}

#[test]
fn everyone_may_panic_and_the_loop_goes_on() {
    let mut world = World::new(at_most(10), |_, call| match call {
        Call::Frame(_) | Call::Close(_) => panic_quietly(),
        _ => Ok(()),
    });
    for round in 1..=20 {
        for _ in 0..10 {
            let peer = world.connect_with(b"a\n");
            world.network.finish(peer);
        }
        world.settle();
        assert_eq!(world.open_len(), 0);
        assert_eq!(world.reactor.metrics().panics, 20 * round);
    }
}

/// Lines, of which those panic that say so: when they are decoded or encoded, or at the end after
/// them.
#[derive(Clone, Default)]
struct Fragile {
    lines: Lines,
    is_doomed: bool,
}

impl Codec for Fragile {
    type Frame<'a> = &'a str;
    type Message<'a> = &'a str;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a str>, FrameError> {
        if input.starts_with(b"panic in decode\n") {
            panic_quietly();
        }
        self.is_doomed = input.starts_with(b"panic at the end\n");
        self.lines.decode(input)
    }

    fn decode_end<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<&'a str>, FrameError> {
        if self.is_doomed || input == b"panic in the end" {
            panic_quietly();
        }
        self.lines.decode_end(input)
    }

    fn encode(&mut self, message: &str, output: &mut Output) -> Result<(), FrameError> {
        self.lines.encode(message, output)?;
        if message == "panic in encode" {
            panic_quietly();
        }
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        self.lines.max_frame_len()
    }
}

/// Echo by any codec of text, with a state that may panic.
struct Echo<C, S>(PhantomData<(C, S)>);

impl<C, S> Handler for Echo<C, S>
where
    C: for<'a> Codec<Frame<'a> = &'a str, Message<'a> = &'a str> + Clone + 'static,
    S: Default + 'static,
{
    type Codec = C;
    type State = S;

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        session.send(line)
    }
}

fn world_of<H: Handler<Codec: Default>>(handler: H) -> World {
    World::of(SimNetwork::new(1), at_most(10), None, |server| server.tcp(address(0), handler))
}

#[test]
fn a_panic_in_a_codec_ends_its_connection_only_and_takes_no_answer_back() {
    for (bytes, answers) in [
        ("a\nb\npanic in decode\n", "a\nb\n"),
        ("a\nb\npanic in encode\n", "a\nb\n"),
        ("a\nb\npanic in the end", "a\nb\n"),
        ("a\npanic at the end\n", "a\npanic at the end\n"),
    ] {
        let mut world = world_of(Echo::<Fragile, ()>(PhantomData));
        let (peer, neighbour) = (world.connect_with(bytes.as_bytes()), world.connect_with(b"c\n"));
        world.network.finish(peer);
        world.settle();
        assert_eq!(world.received(peer), answers, "{bytes:?}");
        assert_eq!(world.received(neighbour), "c\n");
        assert_eq!((world.open_len(), world.reactor.metrics().panics), (1, 1));
    }
}

/// A state that panics when it is dropped.
#[derive(Default)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        // Not in a test that has failed already.
        if !std::thread::panicking() {
            panic_quietly();
        }
    }
}

#[test]
fn a_state_that_panics_when_it_is_dropped_ends_with_its_connection() {
    let mut world = world_of(Echo::<Lines, Bomb>(PhantomData));
    let peers = [(); 3].map(|()| world.connect_with(b"a\n"));
    world.settle();
    peers.iter().for_each(|peer| world.network.finish(*peer));
    let late = world.connect_with(b"b\n");
    world.settle();
    assert!(peers.iter().all(|peer| world.network.state(*peer) == PeerState::Finished));
    assert_eq!(world.received(late), "b\n");
    assert_eq!((world.open_len(), world.reactor.metrics().panics), (1, 3));
    world.reactor.stop();
    world.run_to_the_end(secs(1));
}

thread_local! {
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// A state that panics when it is made for the second time.
struct Second;

impl Default for Second {
    fn default() -> Self {
        if MADE.replace(MADE.get() + 1) == 1 {
            panic_quietly();
        }
        Self
    }
}

#[test]
fn a_state_that_panics_when_it_is_made_costs_its_peer_only() {
    let mut world = world_of(Echo::<Lines, Second>(PhantomData));
    let peers = [(); 3].map(|()| world.connect_with(b"a\n"));
    world.settle();
    assert_eq!(peers.map(|peer| world.received(peer)), ["a\n", "", "a\n"]);
    assert_ne!(world.network.state(peers[1]), PeerState::Open);
    let metrics = world.reactor.metrics();
    assert_eq!((world.open_len(), metrics.panics, metrics.accept_errors), (2, 1, 1));
}
