//! What the loop counts, against what is known to have happened.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use log::{LevelFilter, Log, Metadata, Record};
use windlass::middleware::{
    Arrival, ConnectionContext, Frame, Interest, Middleware, Refusal, Verdict,
};
use windlass::network::{AcceptFailure, SimNetwork, SimPeer};
use windlass::{
    AtLimit, CloseReason, Config, Error, Handler, Lines, Metrics, Scope, Server, Session, Work,
};

use crate::fixture::{Call, Scripted, World, address, at_most, echo, millis, panic_quietly, secs};

/// The reasons for which connections closed, and how many did.
fn closes(metrics: &Metrics) -> Vec<(&'static str, u64)> {
    metrics.closed.iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn every_peer_that_comes_has_one_verdict() {
    let at_limit = AtLimit::Refuse(Bytes::new());
    let mut world = World::new(Config { at_limit, ..at_most(3) }, echo);
    world.network.fail_accept(AcceptFailure::ConnAborted, 2);
    let _peers: Vec<SimPeer> = (0..10).map(|_| world.connect()).collect();
    world.settle();
    world.network.fail_accept(AcceptFailure::Emfile, 1);
    world.connect();
    world.run_for(secs(1));
    let metrics = world.reactor.metrics();
    assert_eq!((metrics.accepted, metrics.gone), (3, 2));
    assert_eq!((metrics.refused, metrics.accept_errors), (6, 1));
}

#[test]
fn every_close_is_counted_under_its_reason() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("close") => {
            session.close();
            Ok(())
        }
        Call::Frame("abort") => {
            session.abort();
            Ok(())
        }
        call => echo(session, call),
    });
    for bytes in [b"close\n".as_slice(), b"abort\n", b"close\n", b"", b"hello\n", b"close\n"] {
        let peer = world.connect_with(bytes);
        world.settle();
        world.network.finish(peer);
    }
    world.settle();
    let expected = [("peer finished", 2), ("closed", 3), ("aborted", 1)];
    assert_eq!(closes(&world.reactor.metrics()), expected);
    assert_eq!(world.reactor.metrics().frames, 5);
    world.join();
    world.reactor.stop();
    world.run_to_the_end(secs(1));
    let metrics = world.reactor.metrics();
    assert_eq!(metrics.closed.of(&CloseReason::Stopped), 1);
    assert_eq!((metrics.closed.total(), metrics.accepted), (7, 7));
}

#[test]
fn a_frame_is_counted_though_its_handler_panics_or_the_end_completes_it() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("panic") => panic_quietly(),
        call => echo(session, call),
    });
    let peer = world.connect_with(b"a\nb\npanic\nnever run\n");
    let last = world.connect_with(b"c\nwithout its line end");
    world.network.finish(last);
    world.run_for(secs(2));
    assert_eq!(world.reason(peer), Some("handler panicked"));
    assert_eq!(world.reactor.metrics().frames, 5);
}

struct Silent;

impl Handler for Silent {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// Refuses frames, or keeps them from the handler, by their length.
struct ByLen;

impl Middleware for ByLen {
    fn interest(&self) -> Interest {
        Interest::Lengths
    }

    fn on_frame(&mut self, _: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        match frame.wire_len {
            2 => Verdict::Consume,
            3 => Verdict::Refuse(Refusal::new("a length that is not liked")),
            _ => Verdict::Continue,
        }
    }
}

#[test]
fn frames_that_layers_keep_or_refuse_are_counted() {
    let mut network = SimNetwork::new(1);
    let server = Server::with_config(at_most(10)).middleware(ByLen).tcp(address(0), Silent);
    let mut reactor = server.build_on(&mut network).unwrap();
    let peer = network.connect_to(address(0));
    network.send_from(peer, b"a\nb\nhello\ncc\nnever run\n");
    while reactor.metrics().closed.total() == 0 {
        reactor.turn(&mut network, None).unwrap();
    }
    let metrics = reactor.metrics();
    assert_eq!((metrics.frames, metrics.frames_consumed, metrics.frames_refused), (4, 2, 1));
    assert_eq!(closes(&metrics), [("refused", 1)]);
}

#[test]
fn timers_are_counted_when_they_are_set_and_when_they_fire() {
    let config = Config { idle_timeout: None, first_frame_timeout: None, ..at_most(10) };
    let mut world = World::new(config, |session, call| {
        if let Call::Frame(line) = call {
            session.set_timer(1, Duration::from_millis(line.parse().unwrap_or(0)));
        }
        Ok(())
    });
    let peers = [world.connect_with(b"10\n"), world.connect_with(b"20\n")];
    world.settle();
    let before = world.reactor.metrics();
    world.run_for(millis(15));
    let after = world.reactor.metrics();
    assert_eq!(before.timers_armed - after.timers_armed, 1);
    assert_eq!(after.timers_fired - before.timers_fired, 1);
    peers.iter().for_each(|peer| world.network.reset(*peer));
    world.settle();
    let end = world.reactor.metrics();
    assert_eq!((end.timers_armed, end.timers_fired - after.timers_fired), (0, 0));
}

#[test]
fn gauges_say_how_things_stand_now() {
    let mut world = World::new(at_most(7), echo);
    let peer = world.connect_with(b"an unfinished line");
    world.join();
    let metrics = world.reactor.metrics();
    assert_eq!((metrics.connections, metrics.max_connections), (2, 7));
    assert!(metrics.buffered_bytes >= 18, "{metrics:?}");
    assert_eq!(metrics.buffered_bytes, world.reactor.held_len() as u64);
    world.network.send_from(peer, b"\n");
    world.settle();
    assert_eq!(world.reactor.metrics().buffered_bytes, 0);
}

struct Other;

impl Handler for Other {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_callback_is_told_of_the_whole_loop() {
    let mut network = SimNetwork::new(1);
    let server = Server::with_config(at_most(7)).tcp(address(0), Silent);
    let mut reactor = server.tcp(address(1), Other).build_on(&mut network).unwrap();
    for index in [0, 1, 1] {
        let peer = network.connect_to(address(index));
        network.send_from(peer, b"an unfinished line");
    }
    while reactor.metrics().buffered_bytes < 3 * 18 {
        reactor.turn(&mut network, None).unwrap();
    }
    let told = Rc::new(RefCell::new(Metrics::default()));
    let teller = Rc::clone(&told);
    let tell = move |_: &mut Silent, scope: &mut Scope<'_, Silent>| {
        *teller.borrow_mut() = scope.metrics();
        Ok(())
    };
    reactor.commands().defer(tell).unwrap();
    reactor.turn(&mut network, None).unwrap();
    let (told, asked) = (told.take(), reactor.metrics());
    assert_eq!((told.connections, told.max_connections), (3, 7));
    assert_eq!((told.accepted, told.buffered_bytes), (3, asked.buffered_bytes));
}

/// Whatever calls the application is measured, so that it is known who holds the loop up, and how
/// late it is.
#[test]
fn what_is_done_at_the_door_and_for_a_drain_is_measured() {
    struct Nobody;

    impl Middleware for Nobody {
        fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
            match arrival.listener == address(1) {
                true => Verdict::Refuse(Refusal::new("nobody comes in here")),
                false => Verdict::Continue,
            }
        }
    }

    let at_limit = AtLimit::Refuse(Bytes::new());
    let config = Config { at_limit, ..at_most(2) };
    let mut world = World::of(SimNetwork::new(1), config, None, |server: Server| {
        let handler = Scripted::<Lines>::new(echo);
        let server = server.middleware(Nobody).tcp(address(0), handler.clone());
        server.tcp(address(1), handler)
    });
    let measured = |world: &World| world.reactor.metrics().event_time.count();
    type Step = fn(&mut World);
    let steps: [(&str, Step); 3] = [
        ("a layer refuses", |world| _ = world.network.connect_to(address(1))),
        ("two are let in", |world| _ = [world.connect(), world.connect()]),
        ("there is no room", |world| _ = world.connect()),
    ];
    for (what, step) in steps {
        let before = (measured(&world), world.reactor.metrics());
        step(&mut world);
        world.settle();
        let metrics = world.reactor.metrics();
        let come =
            |metrics: &Metrics| metrics.accepted + metrics.refused + metrics.refused_by_layers;
        // Each listener has an event besides.
        let least = before.0 + come(&metrics) - come(&before.1) + 1;
        assert!(measured(&world) >= least, "{what}: {} of {least}", measured(&world));
    }
    let before = measured(&world);
    world.reactor.drain();
    world.turn_at_once();
    assert_eq!(measured(&world), before + 2, "each was told of the drain");
}

thread_local! {
    /// What was said of stalls by this thread, which is to say, by this test.
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what the loop says of stalls.
struct Keep;

impl Log for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "windlass::reactor::timing"
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNINGS.with_borrow_mut(|warnings| warnings.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// What is said of stalls while a peer is answered, if each call to the network takes so long.
fn warnings(stall_warning: Option<Duration>, call_cost: Duration) -> (Vec<String>, World, SimPeer) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Keep).expect("there is no other");
        log::set_max_level(LevelFilter::Warn);
    });
    let mut world = World::new(Config { stall_warning, ..at_most(2) }, echo);
    let _quick = world.join();
    let peer = world.join();
    WARNINGS.take();
    answer_slowly(&mut world, peer, call_cost);
    (WARNINGS.take(), world, peer)
}

fn answer_slowly(world: &mut World, peer: SimPeer, call_cost: Duration) {
    world.network.set_call_cost(call_cost);
    world.network.send_from(peer, b"slow\n");
    world.turn_at_once();
    world.network.set_call_cost(Duration::ZERO);
}

#[test]
fn what_holds_the_loop_up_longest_is_known_with_its_connection() {
    let (_, world, peer) = warnings(None, millis(30));
    let stall = world.reactor.metrics().longest_stall.expect("something was measured");
    assert_eq!((stall.work, stall.peer), (Work::Event, Some(world.network.address(peer))));
    assert_eq!(Some(stall.token), world.network.token(peer));
    // A read, a write, and the look at the clock.
    assert_eq!((stall.took, stall.at), (millis(90), world.network.clock()));
    assert_eq!(world.reactor.metrics().event_time.max(), stall.took);
}

#[test]
fn of_several_served_at_a_time_each_is_measured_and_the_longest_named() {
    let mut world = World::new(Config { read_buffer_len: 16, ..at_most(3) }, echo);
    let peers = world.join_many(3);
    let before = world.reactor.metrics().event_time.count();
    for (peer, lines) in peers.iter().zip([1, 40, 1]) {
        world.network.send_from(*peer, "abc\n".repeat(lines).as_bytes());
    }
    world.network.set_call_cost(millis(30));
    world.turn_at_once();
    let metrics = world.reactor.metrics();
    assert_eq!(metrics.event_time.count(), before + 3);
    let stall = metrics.longest_stall.expect("something was measured");
    assert_eq!(Some(stall.token), world.network.token(peers[1]));
}

#[test]
fn a_stall_is_warned_of_from_the_time_set_on_and_names_the_connection() {
    let (said, mut world, peer) = warnings(Some(millis(90)), millis(30));
    assert_eq!(said.len(), 1, "{said:?}");
    answer_slowly(&mut world, peer, millis(30));
    assert_eq!(WARNINGS.take().len(), 1, "also of one that is not longer than the last");
    let token = world.network.token(peer).expect("it is open");
    let whose = format!("connection {token:?} of {}", world.network.address(peer));
    assert!(said[0].contains(&whose), "{said:?}");
    assert_eq!(warnings(Some(millis(91)), millis(30)).0, [""; 0]);
    assert_eq!(warnings(None, millis(30)).0, [""; 0]);
}

#[test]
fn every_turn_is_measured_and_takes_as_long_as_all_that_is_done_in_it() {
    let (_, world, _) = warnings(None, millis(30));
    let metrics = world.reactor.metrics();
    assert_eq!(metrics.turn_time.count(), metrics.turns);
    assert_eq!(metrics.turn_time.max(), metrics.event_time.max());
}
