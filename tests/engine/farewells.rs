//! What a handler may say before the loop closes a connection of its own accord.

use windlass::network::{PeerState, SimNetwork, SimPeer};
use windlass::{CloseReason, Config, Error, Handler, Lines, Session};

use crate::fixture::{World, address, panic_quietly, secs, timeless};

/// Echo that says goodbye, and in which way.
struct Polite(Manner);

#[derive(Clone, Copy)]
enum Manner {
    Says,
    Closes,
    Fails,
    Panics,
    Aborts,
    /// More than may wait for a peer.
    SaysTooMuch,
    /// That there is more to say when there is room.
    WantsToGoOn,
}

impl Handler for Polite {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        session.send(line)
    }

    fn on_farewell(
        &mut self,
        session: &mut Session<'_, Self>,
        reason: &CloseReason,
    ) -> Result<(), Error> {
        session.send(reason.label())?;
        match self.0 {
            Manner::Says => Ok(()),
            Manner::Closes => {
                session.close();
                Ok(())
            }
            Manner::Fails => Err(Error::new("no more")),
            Manner::Panics => panic_quietly(),
            Manner::Aborts => {
                session.abort();
                Ok(())
            }
            Manner::SaysTooMuch => {
                let too_much = vec![b'x'; Config::default().write_limit];
                session.send_encoded(too_much.into())
            }
            Manner::WantsToGoOn => {
                session.want_writable();
                Ok(())
            }
        }
    }

    fn on_writable(&mut self, _: &mut Session<'_, Self>) -> Result<(), Error> {
        unreachable!("it is closing")
    }
}

fn world(config: Config, manner: Manner) -> World {
    World::of(SimNetwork::new(1), config, None, |server| {
        server.tcp_with(address(0), Lines::default().max_len(20), Polite(manner))
    })
}

/// Asserts that a peer that sends this, and nothing more, hears this before it sees the end, which
/// is counted for this reason.
fn assert_farewell(config: Config, manner: Manner, sent: &[u8], heard: &str, reason: &str) {
    let mut world = world(config, manner);
    let peer = world.connect_with(sent);
    world.run_for(secs(60));
    assert_eq!(world.received(peer), heard);
    assert_closed(&world, peer, PeerState::Finished, reason);
}

/// Asserts that the only peer there was is in this state, and was closed for this reason.
fn assert_closed(world: &World, peer: SimPeer, state: PeerState, reason: &str) {
    assert_eq!(world.network.state(peer), state);
    let closed = world.reactor.metrics().closed;
    let of_reason = closed.iter().find(|(label, _)| *label == reason);
    assert_eq!(of_reason.map(|(_, count)| count), Some(1), "{closed:?}");
    assert_eq!(closed.total(), 1);
}

#[test]
fn who_sends_no_frame_is_told_so_behind_the_answers() {
    let heard = "one\nmalformed frame\n";
    assert_farewell(timeless(), Manner::Says, b"one\n\xff\ntwo\n", heard, "malformed frame");
    let too_long = b"one\n123456789012345678901";
    assert_farewell(timeless(), Manner::Says, too_long, heard, "malformed frame");
}

#[test]
fn who_is_too_slow_is_told_so() {
    let frame = Config { frame_timeout: Some(secs(3)), ..timeless() };
    let heard = "one\nframe timeout\n";
    assert_farewell(frame, Manner::Says, b"one\ntw", heard, "frame timeout");
    let first = Config { first_frame_timeout: Some(secs(3)), ..timeless() };
    let heard = "first frame timeout\n";
    assert_farewell(first, Manner::Says, b"", heard, "first frame timeout");
    let idle = Config { idle_timeout: Some(secs(3)), ..timeless() };
    let heard = "one\nidle timeout\n";
    assert_farewell(idle, Manner::Says, b"one\n", heard, "idle timeout");
    let lifetime = Config { lifetime: Some(secs(3)), ..timeless() };
    let heard = "one\nlifetime over\n";
    assert_farewell(lifetime, Manner::Says, b"one\n", heard, "lifetime over");
}

#[test]
fn a_stream_that_ends_inside_a_frame_is_answered_before_the_end() {
    use windlass::LengthPrefixed;

    struct Whole;
    impl Handler for Whole {
        type Codec = LengthPrefixed;
        type State = ();

        fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &mut [u8]) -> Result<(), Error> {
            Ok(())
        }

        fn on_farewell(
            &mut self,
            session: &mut Session<'_, Self>,
            _: &CloseReason,
        ) -> Result<(), Error> {
            session.send(b"half")
        }
    }

    let mut world =
        World::of(SimNetwork::new(1), timeless(), None, |server| server.tcp(address(0), Whole));
    let peer = world.connect_with(b"\0\0\0\x05hal");
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.received(peer), "\0\0\0\x04half");
}

#[test]
fn a_handler_may_close_or_fail_while_it_says_goodbye() {
    let sent = b"one\n\xff\n";
    let heard = "one\nmalformed frame\n";
    assert_farewell(timeless(), Manner::Closes, sent, heard, "closed");
    assert_farewell(timeless(), Manner::Fails, sent, heard, "handler failed");
    assert_farewell(timeless(), Manner::Panics, sent, "one\n", "handler panicked");
}

#[test]
fn a_handler_that_breaks_off_or_says_too_much_resets_its_peer() {
    for (manner, reason) in [(Manner::Aborts, "aborted"), (Manner::SaysTooMuch, "write limit")] {
        let mut world = world(timeless(), manner);
        let peer = world.connect_with(b"one\n\xff\n");
        world.run_for(secs(60));
        assert_closed(&world, peer, PeerState::Reset, reason);
    }
}

#[test]
fn a_farewell_is_the_last_word_though_more_is_wanted() {
    let heard = "one\nmalformed frame\n";
    let sent = b"one\n\xff\n";
    assert_farewell(timeless(), Manner::WantsToGoOn, sent, heard, "malformed frame");
}

#[test]
fn a_farewell_waits_for_a_peer_that_is_slow_and_not_for_ever() {
    let timeouts =
        Config { frame_timeout: Some(secs(3)), write_timeout: Some(secs(5)), ..timeless() };
    for is_back_in_time in [true, false] {
        let mut world = world(timeouts.clone(), Manner::Says);
        world.network.set_pipe_len(100);
        let peer = world.connect();
        world.network.stall(peer);
        world.network.send_from(peer, &[&b"one\n".repeat(50), b"tw".as_slice()].concat());
        world.run_for(secs(4));
        assert_eq!((world.network.state(peer), world.open_len()), (PeerState::Open, 1));
        if is_back_in_time {
            world.network.resume(peer);
        }
        world.run_for(secs(60));
        if is_back_in_time {
            let heard = "one\n".repeat(50) + "frame timeout\n";
            assert_eq!(world.received(peer), heard);
            assert_closed(&world, peer, PeerState::Finished, "frame timeout");
        } else {
            assert_closed(&world, peer, PeerState::Reset, "write timeout");
        }
    }
}

#[test]
fn whom_a_layer_keeps_from_the_handler_is_told_nothing_by_it() {
    use windlass::middleware::{Authenticate, Login};

    let config = Config { first_frame_timeout: Some(secs(3)), ..timeless() };
    let mut world = World::of(SimNetwork::new(1), config, None, |server| {
        let layer = Authenticate::new(|_, _| Login::Rejected).deadline(secs(30));
        server.middleware(layer).tcp(address(0), Polite(Manner::Says))
    });
    let peer = world.connect();
    world.run_for(secs(60));
    assert_eq!(world.received(peer), "");
    assert_eq!(world.open_len(), 0);
}
