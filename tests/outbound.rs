//! Connections that the loop makes to others, on the simulated network.

mod fixture;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use fixture::{World, address, at_most, for_each_seed, millis, panic_quietly, secs, timeless};
use windlass::network::{ConnectError, ConnectFailure, Faults, PeerState, SimNetwork, SimPeer};
use windlass::{
    AtLimit, CloseReason, Codec, Config, ConnectionId, Decoded, Error, FrameError, Handler, Lines,
    NotConnected, Output, Scope, Session,
};

/// Where the served peers are, and one where nobody is.
const UPSTREAM: &str = "198.51.100.1:80";
const NOWHERE: &str = "198.51.100.9:80";

fn upstream() -> SocketAddr {
    UPSTREAM.parse().expect("an address")
}

fn nowhere() -> SocketAddr {
    NOWHERE.parse().expect("an address")
}

/// What a caller was called for, in words.
type Notes = Rc<RefCell<Vec<String>>>;

/// Connects wherever its first lines say, and writes down what becomes of that.
#[derive(Clone, Default)]
struct Caller {
    notes: Notes,
    /// Called first, at the start of the loop.
    first: Vec<SocketAddr>,
    /// Sent on each connection once it is made.
    greeting: &'static str,
    /// How often a failed connect is tried again.
    tries: usize,
}

impl Caller {
    fn to(first: &[SocketAddr]) -> Self {
        Self { first: first.to_vec(), ..Self::default() }
    }

    fn note(&self, text: impl Into<String>) {
        self.notes.borrow_mut().push(text.into());
    }
}

impl Handler for Caller {
    type Codec = Lines;
    type State = usize;

    fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
        for (number, at) in self.first.clone().into_iter().enumerate() {
            if let Err(NotConnected { error, .. }) = scope.connect(at, number) {
                self.note(format!("{number} not begun: {error}"));
            }
        }
        Ok(())
    }

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.note(format!("{} open", session.state()));
        if self.greeting.is_empty() { Ok(()) } else { session.send(self.greeting) }
    }

    fn on_connect_failed(
        &mut self,
        scope: &mut Scope<'_, Self>,
        at: SocketAddr,
        state: usize,
        error: &ConnectError,
    ) -> Result<(), Error> {
        let kind = format!("{error:?}");
        self.note(format!("{state} failed: {}", kind.split('(').next().unwrap_or_default()));
        if self.tries > 0 {
            self.tries -= 1;
            scope.commands().connect::<Self>(at, state)?;
        }
        Ok(())
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        let number = *session.state();
        self.note(format!("{number} got {line}"));
        match line.split_once(' ') {
            Some(("call", at)) => {
                let at = at.parse().map_err(|_| Error::new("not an address"))?;
                session.commands().connect::<Self>(at, 7)
            }
            _ if line == "close" => {
                session.close();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        self.note(format!("{} closed: {}", session.state(), reason.label()));
    }
}

/// A world with a caller that also listens, and a served upstream.
fn world(config: Config, caller: Caller) -> (World, Notes) {
    world_on(SimNetwork::new(1), config, caller)
}

fn world_on(mut network: SimNetwork, config: Config, caller: Caller) -> (World, Notes) {
    network.serve(upstream());
    let notes = Rc::clone(&caller.notes);
    let world = World::of(network, config, None, |server| server.tcp(address(0), caller));
    (world, notes)
}

fn calling(count: usize) -> Config {
    Config { max_outbound: count, ..timeless() }
}

fn told(notes: &Notes) -> Vec<String> {
    notes.borrow().clone()
}

/// The next of the peers that the loop has reached.
fn reached(world: &mut World) -> SimPeer {
    world.settle();
    world.network.accepted(upstream()).expect("the loop has connected")
}

#[test]
fn a_connection_that_was_made_is_like_one_that_was_accepted() {
    let (mut world, notes) =
        world(calling(1), Caller { greeting: "hi", ..Caller::to(&[upstream()]) });
    let peer = reached(&mut world);
    assert_eq!(world.received(peer), "hi\n");
    world.network.send_from(peer, b"wel");
    world.settle();
    world.network.send_from(peer, b"come\n");
    world.settle();
    world.network.finish(peer);
    world.settle();
    assert_eq!(told(&notes), ["0 open", "0 got welcome", "0 closed: peer finished"]);
    assert_eq!(world.network.state(peer), PeerState::Finished);
    let metrics = world.reactor.metrics();
    assert_eq!((metrics.connects_begun, metrics.connects_succeeded), (1, 1));
    assert_eq!((metrics.connects_failed, metrics.closed.total()), (0, 1));
    assert_eq!(world.reactor.outbound_len(), 0);
}

#[test]
fn what_was_there_before_the_loop_looked_is_read() {
    let (mut world, notes) = world(calling(1), Caller::to(&[upstream()]));
    world.turn_at_once();
    let at = world.network.clock();
    world.network.at(at, |network| {
        if let Some(peer) = network.accepted(upstream()) {
            network.send_from(peer, b"first\n");
            network.finish(peer);
        }
    });
    world.run_for(secs(1));
    assert_eq!(told(&notes)[..2], ["0 open", "0 got first"]);
    assert_eq!(told(&notes).last().unwrap(), "0 closed: peer finished");
}

#[test]
fn failures_are_told_apart_and_give_the_state_back() {
    for (failure, told_as) in [
        (ConnectFailure::Refused, "Refused"),
        (ConnectFailure::Unreachable, "Unreachable"),
        (ConnectFailure::TimedOut, "TimedOut"),
        (ConnectFailure::SelfConnected, "SelfConnected"),
    ] {
        let mut network = SimNetwork::new(1);
        network.refuse_connects(nowhere(), failure);
        let (mut world, notes) = world_on(network, calling(1), Caller::to(&[nowhere()]));
        world.run_for(secs(1));
        assert_eq!(told(&notes), [format!("0 failed: {told_as}")]);
        assert_eq!(world.reactor.metrics().connects_failed, 1);
        assert_eq!(world.reactor.connections_len(), 0);
    }
}

#[test]
fn a_connect_that_fails_at_once_gives_the_state_back_at_once() {
    let mut network = SimNetwork::new(1);
    network.fail_connect(ConnectFailure::Emfile, 1);
    let (mut world, notes) = world_on(network, calling(2), Caller::to(&[upstream(), upstream()]));
    world.settle();
    let told = told(&notes);
    assert!(told[0].starts_with("0 not begun: something has run out here"), "{told:?}");
    assert_eq!(told[1..], ["1 open"], "the next one is not hurt");
}

#[test]
fn who_does_not_answer_is_given_up_at_the_deadline() {
    let mut network = SimNetwork::new(1);
    network.ignore_connects(nowhere());
    let config = Config { connect_timeout: millis(700), ..calling(1) };
    let (mut world, notes) = world_on(network, config, Caller::to(&[nowhere()]));
    world.run_for(millis(699));
    assert_eq!(told(&notes), [""; 0]);
    assert_eq!(world.reactor.connections_len(), 1);
    world.run_for(millis(2));
    assert_eq!(told(&notes), ["0 failed: TimedOut"]);
    assert_eq!(world.reactor.connections_len(), 0);
}

#[test]
fn who_accepts_and_says_nothing_is_closed_when_it_has_been_idle() {
    let config = Config { idle_timeout: Some(secs(5)), ..calling(1) };
    let (mut world, notes) = world(config, Caller { greeting: "hi", ..Caller::to(&[upstream()]) });
    let peer = reached(&mut world);
    world.run_for(millis(4999));
    assert_eq!(world.received(peer), "hi\n");
    assert_eq!(told(&notes), ["0 open"]);
    world.run_for(millis(2));
    assert_eq!(world.network.state(peer), PeerState::Finished);
    world.run_for(secs(2));
    assert_eq!(told(&notes), ["0 open", "0 closed: idle timeout"]);
}

#[test]
fn a_late_answer_within_the_deadline_is_in_time() {
    let mut network = SimNetwork::new(1);
    network.delay_connects(upstream(), millis(600));
    let config =
        Config { connect_timeout: millis(700), first_frame_timeout: Some(millis(1)), ..calling(1) };
    let (mut world, notes) = world_on(network, config, Caller::to(&[upstream()]));
    world.run_for(secs(5));
    assert_eq!(told(&notes), ["0 open"], "nor is a first frame owed");
}

#[test]
fn no_more_are_made_than_may_be_and_accepting_goes_on() {
    let config = Config { max_outbound: 2, ..at_most(1) };
    let (mut world, notes) = world(config, Caller::to(&[upstream(); 3]));
    world.settle();
    let text = told(&notes);
    assert!(text[0].contains("max_outbound is 2"), "{text:?}");
    assert_eq!(world.reactor.outbound_len(), 2);
    let peer = world.connect();
    world.settle();
    assert_eq!(world.network.state(peer), PeerState::Open);
    assert_eq!(world.reactor.connections_len(), 3);
    let late = world.connect();
    world.settle();
    assert_eq!(world.network.token(late), None, "the limit is for those that come");
    let called = reached(&mut world);
    world.network.finish(called);
    world.settle();
    world.network.send_from(peer, format!("call {UPSTREAM}\n").as_bytes());
    world.settle();
    assert_eq!(told(&notes).last().unwrap(), "7 open", "a place was free again");
}

#[test]
fn a_handler_can_try_again_from_within() {
    let mut network = SimNetwork::new(1);
    network.refuse_connects(nowhere(), ConnectFailure::Refused);
    let caller = Caller { tries: 3, ..Caller::to(&[nowhere()]) };
    let (mut world, notes) = world_on(network, calling(1), caller);
    world.run_for(secs(1));
    assert_eq!(told(&notes), ["0 failed: Refused"; 4]);
    assert_eq!(world.reactor.metrics().connects_begun, 4);
}

/// The name of the only connection there is.
fn only(scope: &Scope<'_, Caller>) -> ConnectionId {
    let mut ids = Vec::new();
    scope.for_each_connection(|connection| ids.push(connection.id));
    ids[0]
}

#[test]
fn what_is_sent_before_it_is_made_arrives_first() {
    let mut network = SimNetwork::new(1);
    network.delay_connects(upstream(), millis(5));
    let caller = Caller { greeting: "second", ..Caller::to(&[upstream()]) };
    let (mut world, _) = world_on(network, calling(1), caller);
    world.turn_at_once();
    world
        .reactor
        .commands()
        .defer::<Caller>(|_, scope| {
            let id = only(scope);
            scope.commands().send(id, "first\n")
        })
        .unwrap();
    world.run_for(millis(4));
    assert_eq!(world.network.accepted(upstream()), None);
    world.run_for(millis(4));
    let peer = reached(&mut world);
    assert_eq!(world.received(peer), "first\nsecond\n");
}

#[test]
fn one_that_is_being_made_is_counted_for_whoever_asks() {
    let mut network = SimNetwork::new(1);
    network.ignore_connects(nowhere());
    let (mut world, _) = world_on(network, calling(1), Caller::to(&[nowhere()]));
    let counted = Rc::new(RefCell::new(0));
    let told = Rc::clone(&counted);
    world
        .reactor
        .commands()
        .defer::<Caller>(move |_, scope| {
            *told.borrow_mut() = scope.metrics().connections;
            Ok(())
        })
        .unwrap();
    world.turn_at_once();
    assert_eq!((*counted.borrow(), world.reactor.metrics().connections), (1, 1));
}

#[test]
fn one_that_is_closed_before_it_is_made_has_failed() {
    let mut network = SimNetwork::new(1);
    network.ignore_connects(nowhere());
    let (mut world, notes) = world_on(network, calling(1), Caller::to(&[nowhere()]));
    world.turn_at_once();
    world
        .reactor
        .commands()
        .defer::<Caller>(|_, scope| {
            let id = only(scope);
            scope.commands().close(id)
        })
        .unwrap();
    world.run_for(millis(1));
    assert_eq!(told(&notes), ["0 failed: Other"]);
    assert_eq!(world.reactor.connections_len(), 0);
}

#[test]
fn a_drain_keeps_those_that_were_made_until_nobody_is_left() {
    let (mut world, notes) = world(calling(1), Caller::to(&[upstream()]));
    let called = reached(&mut world);
    let peer = world.connect();
    world.settle();
    world.network.stall(peer);
    world.network.send_from(peer, b"unfinished");
    world.settle();
    world.reactor.drain();
    world.run_for(millis(100));
    assert_eq!(world.network.state(called), PeerState::Open, "somebody may need it");
    world.network.resume(peer);
    world.network.send_from(peer, b" no more\n");
    world.network.finish(peer);
    world.run_to_the_end(secs(5));
    assert_eq!(told(&notes).last().unwrap(), "0 closed: drained");
    assert!(world.report.as_ref().unwrap().is_clean());
}

#[test]
fn a_stop_gives_up_those_that_are_being_made() {
    let mut network = SimNetwork::new(1);
    network.ignore_connects(nowhere());
    let (mut world, notes) = world_on(network, calling(2), Caller::to(&[nowhere(), upstream()]));
    world.settle();
    world.reactor.stop();
    world.run_to_the_end(secs(1));
    let mut told = told(&notes);
    told.sort();
    assert_eq!(told, ["0 failed: Other", "1 closed: stopped", "1 open"]);
}

#[test]
fn whatever_the_network_does_each_call_has_one_outcome_and_leaves_nothing() {
    for_each_seed(200, |seed| {
        let mut network = SimNetwork::new(seed);
        network.set_faults(Faults::random(seed));
        network.refuse_connects(nowhere(), ConnectFailure::Refused);
        let first: Vec<_> =
            (0..10).map(|i| if i % 3 == 0 { nowhere() } else { upstream() }).collect();
        let config =
            Config { connect_timeout: secs(2), idle_timeout: Some(secs(9)), ..calling(10) };
        let (mut world, notes) =
            world_on(network, config, Caller { greeting: "hi", ..Caller::to(&first) });
        world.run_for(secs(60));
        assert_eq!(world.reactor.connections_len(), 0);
        for number in 0..10 {
            let of = |what: &str| {
                let start = format!("{number} {what}");
                notes.borrow().iter().filter(|note| note.starts_with(&start)).count()
            };
            assert_eq!(of("open") + of("failed") + of("not begun"), 1, "seed {seed}, {number}");
            assert_eq!(of("open"), of("closed"), "seed {seed}, {number}");
        }
    });
}

#[test]
fn a_deadline_before_the_one_of_the_connect_is_kept_once_it_is_made() {
    let config = Config { connect_timeout: secs(60), idle_timeout: Some(secs(1)), ..calling(1) };
    let (mut world, notes) = world(config, Caller::to(&[upstream()]));
    let called = reached(&mut world);
    world.run_for(millis(1001));
    assert_eq!(world.network.state(called), PeerState::Finished);
    world.run_for(secs(1));
    assert_eq!(told(&notes), ["0 open", "0 closed: idle timeout"]);
}

#[test]
fn a_drain_ends_though_a_handler_connects_again_whenever_it_is_closed() {
    /// Keeps one connection to the upstream.
    struct Keeper;

    impl Handler for Keeper {
        type Codec = Lines;
        type State = ();

        fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
            scope.commands().connect::<Self>(upstream(), ())
        }

        fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
            Ok(())
        }

        fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
            // It fails only if too much is asked for.
            let _ = session.commands().connect::<Self>(upstream(), ());
        }
    }

    let mut network = SimNetwork::new(1);
    network.serve(upstream());
    let mut world = World::of(network, calling(1), None, |server| server.tcp(address(0), Keeper));
    world.settle();
    let peer = world.network.accepted(upstream()).expect("it has connected");
    world.reactor.drain();
    world.run_for(millis(1));
    world.network.finish(peer);
    world.run_to_the_end(secs(2));
    assert_eq!(world.network.accepted(upstream()), None, "not again");
    assert!(world.report.as_ref().unwrap().is_clean());
}

#[test]
fn a_stop_ends_the_loop_though_a_handler_tries_again_for_ever() {
    let mut network = SimNetwork::new(1);
    network.ignore_connects(nowhere());
    let mut world = World::of(network, calling(1), None, |server| server.tcp(address(0), Stubborn));
    world.turn_at_once();
    assert_eq!(world.reactor.outbound_len(), 1);
    world.reactor.stop();
    world.run_to_the_end(millis(10));
}

/// Connects again whenever that fails.
struct Stubborn;

impl Handler for Stubborn {
    type Codec = Lines;
    type State = ();

    fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
        scope.connect(nowhere(), ()).map(|_| ()).map_err(|failed| Error::new(failed.to_string()))
    }

    fn on_connect_failed(
        &mut self,
        scope: &mut Scope<'_, Self>,
        _: SocketAddr,
        (): (),
        _: &ConnectError,
    ) -> Result<(), Error> {
        self.on_start(scope)
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// Each of its connections is owed something; the first that goes has the others broken off.
#[derive(Default)]
struct Tied {
    has_begun: bool,
}

impl Handler for Tied {
    type Codec = Lines;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        session.set_busy(true);
        Ok(())
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let own = session.id();
        let abort_others = move |_: &mut Self, scope: &mut Scope<'_, Self>| {
            for other in scope.ids().into_iter().filter(|id| *id != own) {
                scope.with(other, |session| {
                    session.abort();
                });
            }
            Ok(())
        };
        session.commands().defer::<Self>(abort_others).expect("there is room");
    }
}

#[test]
fn a_drain_is_over_at_once_when_a_close_has_the_last_connection_broken_off() {
    let network = SimNetwork::new(1);
    let mut world =
        World::of(network, timeless(), None, |server| server.tcp(address(0), Tied::default()));
    let peers = [world.join(), world.join()];
    world.reactor.drain();
    world.run_for(millis(100));
    world.network.finish(peers[0]);
    let report = world.run_to_the_end(secs(1));
    assert!(report.took < millis(200), "{report}");
}

/// Lines by a codec that may panic when it is cloned, or whose clones do when they are dropped.
struct Fragile {
    lines: Lines,
    when_cloned: bool,
    is_clone: bool,
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        if self.when_cloned {
            panic_quietly();
        }
        Self { lines: self.lines.clone(), is_clone: true, ..*self }
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if self.is_clone {
            panic_quietly();
        }
    }
}

impl Codec for Fragile {
    type Frame<'a> = &'a str;
    type Message<'a> = &'a str;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a str>, FrameError> {
        self.lines.decode(input)
    }

    fn encode(&mut self, message: &str, output: &mut Output) -> Result<(), FrameError> {
        self.lines.encode(message, output)
    }

    fn max_frame_len(&self) -> usize {
        self.lines.max_frame_len()
    }
}

struct Careless;

impl Handler for Careless {
    type Codec = Fragile;
    type State = ();

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// A loop whose codec panics, which is asked to connect where nobody is.
fn connecting_carelessly(when_cloned: bool) -> World {
    let mut network = SimNetwork::new(1);
    network.refuse_connects(nowhere(), ConnectFailure::Refused);
    let codec = Fragile { lines: Lines::default(), when_cloned, is_clone: false };
    let mut world =
        World::of(network, calling(1), None, |server| server.tcp_with(address(0), codec, Careless));
    world.reactor.commands().connect::<Careless>(nowhere(), ()).expect("there is room");
    world
}

#[test]
fn a_codec_that_panics_when_it_is_cloned_leaves_no_socket() {
    let mut world = connecting_carelessly(true);
    world.settle();
    assert_eq!(world.reactor.metrics().panics, 1);
    assert_eq!(world.reactor.outbound_len(), 0);
}

#[test]
fn a_codec_that_panics_when_its_connection_was_not_made_leaves_no_socket() {
    let mut world = connecting_carelessly(false);
    world.run_for(secs(1));
    assert_eq!(world.reactor.metrics().panics, 1);
    assert_eq!((world.reactor.outbound_len(), world.reactor.connections_len()), (0, 0));
}

#[test]
fn one_that_was_made_is_not_closed_for_a_newcomer_however_long_it_is_idle() {
    let config = Config { at_limit: AtLimit::EvictIdle, max_connections: Some(1), ..calling(1) };
    let (mut world, _notes) = world(config, Caller::to(&[upstream()]));
    let made = reached(&mut world);
    world.run_for(secs(10));
    let (old, newcomer) = (world.join(), world.join());
    assert_eq!(world.reactor.metrics().outbound_connections, 1);
    let states = [made, old, newcomer].map(|peer| world.network.state(peer));
    assert_eq!(states, [PeerState::Open, PeerState::Finished, PeerState::Open]);
}
