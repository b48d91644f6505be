//! What is not on the short way of connections with nothing special about them is dealt with as if
//! there were no short way.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use windlass::middleware::{ConnectionContext, Frame, Interest, Middleware, Verdict};
use windlass::network::SimNetwork;
use windlass::{Config, Error, Handler, Lines, NotConnected, Raw, Scope, Session};

use super::fixture::{
    Call, KIB, MIB, Scripted, World, address, echo, ignore, panic_quietly, pattern, secs, timeless,
};

#[test]
fn a_read_budget_that_is_no_multiple_of_the_buffer_is_kept_to() {
    // The buffer is shorter than the budget, and longer.
    for read_buffer_len in [4 * KIB, 60 * KIB] {
        let config = Config { read_buffer_len, read_budget: 6 * KIB, ..timeless() };
        let mut net = SimNetwork::new(1);
        net.set_pipe_len(MIB);
        let mut world = World::on(net, config, Raw, Scripted::new(ignore).without_frames());
        let peer = world.join();
        world.network.send_from(peer, &pattern(60 * KIB));
        for turn in 1..=5 {
            let before = world.network.unread_len(peer) + world.network.unsent_len(peer);
            world.turn_at_once();
            let now = world.network.unread_len(peer) + world.network.unsent_len(peer);
            assert_eq!(before - now, 6 * KIB, "turn {turn} with {read_buffer_len} bytes of room");
        }
    }
}

#[test]
fn a_last_frame_is_counted_though_its_handler_panics() {
    let mut world = World::new(timeless(), |session, call| match call {
        Call::Frame("panic") => panic_quietly(),
        call => echo(session, call),
    });
    let peer = world.connect_with(b"a\npanic");
    world.network.finish(peer);
    world.run_for(secs(2));
    assert_eq!(world.reason(peer), Some("handler panicked"));
    assert_eq!(world.reactor.metrics().frames, 2);
}

/// Answers each frame itself, with a kilobyte, and uses it up.
struct Answering;

impl Middleware for Answering {
    fn interest(&self) -> Interest {
        Interest::Lengths
    }

    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, _: Frame<'_>) -> Verdict {
        connection.send(Bytes::from(vec![b'a'; KIB]));
        Verdict::Consume
    }
}

/// A stalled peer that has sent a thousand lines, each of which has an answer of a kilobyte.
fn assert_is_held_back(world: &mut World) {
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, &b"ask\n".repeat(1000));
    world.settle();
    let metrics = world.reactor.metrics();
    assert_eq!((metrics.closed.total(), metrics.held_back), (0, 1), "it is held back, not closed");
    assert!(metrics.buffered_bytes < 64 * KIB as u64, "{} bytes held", metrics.buffered_bytes);
    world.network.resume(peer);
    world.settle();
    assert_eq!(world.network.received(peer).len(), 1000 * KIB);
}

fn narrow() -> Config {
    Config { high_watermark: 8 * KIB, low_watermark: 2 * KIB, write_limit: 128 * KIB, ..timeless() }
}

#[test]
fn a_peer_that_a_layer_answers_is_held_back_by_its_output() {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(4 * KIB);
    let mut world = World::of(net, narrow(), None, |server| {
        server.middleware(Answering).tcp(address(0), Scripted::<Lines>::new(ignore))
    });
    assert_is_held_back(&mut world);
}

#[test]
fn a_peer_answered_by_way_of_its_context_is_held_back_by_its_output() {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(4 * KIB);
    let handler = Scripted::<Lines>::on_frames(|session, _| {
        session.context().send(Bytes::from(vec![b'a'; KIB]));
        Ok(())
    });
    let mut world = World::on(net, narrow(), Lines::default(), handler);
    assert_is_held_back(&mut world);
}

/// Has two of three kilobytes waiting for a connection when that is made, and then sends two more.
struct Caller(Rc<RefCell<Vec<bool>>>);

impl Handler for Caller {
    type Codec = Lines;
    type State = ();

    fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
        let begun = scope.connect("198.51.100.1:80".parse().expect("an address"), ());
        let id = begun.map_err(|NotConnected { .. }| Error::new("not begun"))?;
        scope.commands().send(id, Bytes::from(vec![b'a'; 2 * KIB]))
    }

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        assert_eq!(session.queued_len(), 2 * KIB);
        let sent = session.send(&"b".repeat(2 * KIB));
        self.0.borrow_mut().push(sent.is_ok());
        sent
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn what_waited_for_the_connect_counts_towards_the_write_limit_of_the_opening() {
    let config = Config {
        high_watermark: 3 * KIB,
        low_watermark: KIB,
        write_limit: 3 * KIB,
        max_outbound: 1,
        ..timeless()
    };
    let mut net = SimNetwork::new(1);
    net.serve("198.51.100.1:80".parse().expect("an address"));
    net.delay_connects("198.51.100.1:80".parse().expect("an address"), secs(1));
    let sent = Rc::default();
    let caller = Caller(Rc::clone(&sent));
    let mut world = World::of(net, config, None, |server| server.tcp(address(0), caller));
    world.run_for(secs(2));
    assert_eq!(*sent.borrow(), [false], "more than the write limit would wait");
}

/// Writes down what was read when a frame is run.
struct Reader(Rc<RefCell<Vec<u64>>>);

impl Handler for Reader {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        self.0.borrow_mut().push(session.context().bytes_received());
        Ok(())
    }
}

#[test]
fn what_is_read_is_counted_at_the_same_time_whatever_waits() {
    let seen = Rc::default();
    let reader = Reader(Rc::clone(&seen));
    let net = SimNetwork::new(1);
    let mut world = World::of(net, timeless(), None, |server| server.tcp(address(0), reader));
    let peer = world.join();
    // A frame at once, and one in two pieces.
    for bytes in [b"abc\n".as_slice(), b"ab", b"c\n"] {
        world.network.send_from(peer, bytes);
        world.settle();
    }
    let seen = seen.borrow();
    assert!(*seen == [4, 8] || *seen == [0, 6], "{seen:?}");
}

#[test]
fn answers_that_end_at_the_watermark_do_not_end_the_turn() {
    let config = Config {
        high_watermark: 4 * KIB,
        low_watermark: KIB,
        read_buffer_len: 4 * KIB,
        read_budget: 64 * KIB,
        ..timeless()
    };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let mut world = World::on(net, config, Raw, Scripted::new(echo).without_frames());
    let peer = world.join();
    world.network.send_from(peer, &pattern(64 * KIB));
    world.turn_at_once();
    assert_eq!(world.network.unread_len(peer), 0, "the read budget allows all of it");
}

#[test]
fn the_end_is_told_in_the_turn_of_a_last_answer_that_fills_the_room() {
    let config = Config { high_watermark: 4 * KIB, low_watermark: KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(MIB);
    let handler = Scripted::<Lines>::on_frames(|session, _| session.send(&"a".repeat(5 * KIB)));
    let mut world = World::on(net, config, Lines::default(), handler);
    let peer = world.join();
    world.network.send_from(peer, b"last");
    world.network.finish(peer);
    world.turn_at_once();
    assert!(world.seen(peer).contains(&super::fixture::What::Ended), "{:?}", world.seen(peer));
}

#[test]
fn what_waits_counts_towards_the_write_limit_of_a_timer() {
    let config =
        Config { high_watermark: 4 * KIB, low_watermark: KIB, write_limit: 8 * KIB, ..timeless() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let answers = Rc::<RefCell<Vec<bool>>>::default();
    let noted = Rc::clone(&answers);
    let handler = Scripted::<Lines>::new(move |session, call| match call {
        Call::Frame(_) => {
            session.set_timer(1, secs(1));
            session.send(&"a".repeat(6 * KIB))
        }
        Call::Timer(_) => {
            let sent = session.send(&"b".repeat(3 * KIB));
            noted.borrow_mut().push(sent.is_ok());
            Ok(())
        }
        _ => Ok(()),
    });
    let mut world = World::on(net, config, Lines::default(), handler);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"ask\n");
    world.run_for(secs(2));
    assert_eq!(*answers.borrow(), [false], "more than the write limit would wait");
    assert_eq!(world.reason(peer), Some("write limit"));
}
