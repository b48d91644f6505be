//! Who can be tied, and what happens if not both can.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::middleware::{ConnectionContext, Interest, Middleware, Verdict};
use windlass::network::{ConnectFailure, PeerState, SimNetwork, SimPeer};
use windlass::{Config, ConnectionId, Lines, Listener};

use super::pairs::{Pairs, UPSTREAM};
use crate::fixture::{KIB, MIB, Scripted, World, address, ignore, pattern, secs, timeless};

#[test]
fn a_connection_cannot_be_tied_to_itself_or_to_nobody() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.strangers();
    let [id, gone] = [one, other].map(|peer| pairs.id(peer));
    pairs.world.network.reset(other);
    pairs.world.settle();
    let mut commands = pairs.world.reactor.commands();
    let itself = commands.tie(id, id).unwrap_err().to_string();
    assert!(itself.contains("to itself"), "{itself}");
    assert!(commands.tie(id, gone).unwrap_err().to_string().contains("has closed"));
    assert!(commands.tie(gone, id).unwrap_err().to_string().contains("has closed"));
    pairs.world.settle();
    assert_eq!(pairs.world.open_len(), 1);
}

#[test]
fn who_is_to_be_tied_to_one_that_has_just_closed_is_closed() {
    for (first, closes) in [(0, true), (1, true), (0, false), (1, false)] {
        let mut pairs = Pairs::new();
        let peers = pairs.strangers();
        let [left, gone] = [peers[first], peers[1 - first]];
        let id = pairs.id(gone);
        let mut commands = pairs.world.reactor.commands();
        match closes {
            true => commands.close(id).unwrap(),
            false => commands.abort(id).unwrap(),
        }
        pairs.tie(peers);
        pairs.world.run_for(secs(2));
        assert_eq!(pairs.world.reason(left), Some("partner gone"));
        assert_eq!(pairs.world.network.state(left), PeerState::Finished);
        pairs.finish();
    }
}

/// Keeps a connection from its handler, for ever.
struct Doorkeeper(Rc<RefCell<Option<ConnectionId>>>);

impl Middleware for Doorkeeper {
    fn name(&self) -> &'static str {
        "doorkeeper"
    }

    fn interest(&self) -> Interest {
        Interest::Lengths
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        connection.withhold();
        *self.0.borrow_mut() = Some(connection.id());
        Verdict::Continue
    }
}

#[test]
fn who_was_not_let_in_by_layers_cannot_be_tied() {
    for is_first in [true, false] {
        let (waiting, let_in) = (Rc::default(), Rc::default());
        let layer = Doorkeeper(Rc::clone(&waiting));
        let noted = Rc::<RefCell<Option<ConnectionId>>>::clone(&let_in);
        let handler = Scripted::<Lines>::new(move |session, call| {
            *noted.borrow_mut() = Some(session.id());
            ignore(session, call)
        });
        let mut world = World::of(SimNetwork::new(1), timeless(), None, |server| {
            let guarded = Listener::tcp(address(0), handler.clone()).middleware(layer);
            server.listen(guarded).tcp(address(1), handler)
        });
        let [stranger, other] = [0, 1].map(|at| world.network.connect_to(address(at)));
        world.settle();
        let ids = [waiting, let_in].map(|id| id.borrow().expect("it has come"));
        let [one, another] = if is_first { ids } else { [ids[1], ids[0]] };
        world.reactor.commands().tie(one, another).unwrap();
        world.network.send_from(stranger, b"let me in");
        world.settle();
        assert_eq!(world.received(other), "");
        assert_eq!(world.network.state(other), PeerState::Finished);
        assert_eq!(world.network.state(stranger), PeerState::Open);
    }
}

#[test]
fn a_pair_cannot_be_torn_apart_by_tying_one_of_it() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.pair();
    let third = pairs.world.join();
    for tie in [[one, third], [third, one], [other, third], [one, other], [other, one]] {
        pairs.tie(tie);
    }
    pairs.world.settle();
    pairs.world.network.send_from(one, b"to the other");
    pairs.world.network.send_from(third, b"a frame\n");
    pairs.world.settle();
    assert_eq!(pairs.world.received(other), "to the other");
    assert_eq!(pairs.world.frames(third).len(), 1, "the third is as it was");
}

#[test]
fn two_of_one_listener_can_be_tied() {
    let mut pairs = Pairs::new();
    let peers = [(); 2].map(|()| pairs.world.join());
    pairs.tie(peers);
    pairs.world.network.send_from(peers[0], b"ping");
    pairs.world.network.send_from(peers[1], b"pong");
    pairs.world.settle();
    assert_eq!(peers.map(|peer| pairs.world.received(peer)), ["pong", "ping"]);
}

#[test]
fn frames_run_before_the_tie_are_answered_before_what_is_passed_on() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.strangers();
    let id = pairs.id(one);
    pairs.world.reactor.commands().send(id, "answer ").unwrap();
    pairs.tie([one, other]);
    pairs.world.network.send_from(other, b"\0\0");
    pairs.world.settle();
    assert_eq!(pairs.world.received(one), "answer \0\0");
}

#[test]
fn a_callback_that_panics_after_asking_for_a_tie_costs_both() {
    let mut pairs = Pairs::new();
    let peers = pairs.strangers();
    let address = pairs.world.network.address(peers[1]);
    pairs.world.network.send_from(peers[0], format!("tie-and-panic {address}\n").as_bytes());
    pairs.world.run_for(secs(2));
    assert_eq!(pairs.reasons(peers), [Some("handler panicked"), Some("partner gone")]);
}

/// A peer whose connection is tied to one that is being made to the upstream.
fn tied_to_upstream(pairs: &mut Pairs) -> SimPeer {
    let peer = pairs.world.join();
    pairs.tie_to_upstream(peer);
    pairs.world.settle();
    peer
}

#[test]
fn bytes_for_a_connection_that_is_being_made_wait() {
    let config = Config { high_watermark: 8 * KIB, low_watermark: 2 * KIB, ..timeless() };
    let mut network = SimNetwork::new(1);
    network.set_pipe_len(4 * KIB);
    network.delay_connects(SocketAddr::from(UPSTREAM), secs(5));
    let mut pairs = Pairs::on(network, config);
    let peer = tied_to_upstream(&mut pairs);
    pairs.world.network.send_from(peer, &pattern(MIB));
    pairs.world.network.finish(peer);
    pairs.world.run_for(secs(4));
    let left = pairs.world.network.unread_len(peer) + pairs.world.network.unsent_len(peer);
    assert!((1..=8 * KIB).contains(&(MIB - left)), "{} bytes were read", MIB - left);
    assert!(pairs.world.reactor.held_len() <= 2 * 8 * KIB);
    pairs.world.run_for(secs(2));
    let upstream = pairs.world.network.accepted(SocketAddr::from(UPSTREAM)).expect("it is made");
    assert!(pairs.world.network.received(upstream) == pattern(MIB));
    assert_eq!(pairs.world.network.state(upstream), PeerState::Finished);
    pairs.world.network.send_from(upstream, b"thank you");
    pairs.world.network.finish(upstream);
    pairs.world.settle();
    assert_eq!(pairs.world.received(peer), "thank you");
    assert_eq!(pairs.reasons([peer, upstream]), [Some("peer finished"); 2]);
    pairs.finish();
}

#[test]
fn if_a_connection_cannot_be_made_the_other_is_closed() {
    // At once, it comes before they are tied.
    for wait in [0, 5] {
        let mut pairs = Pairs::new();
        let upstream = SocketAddr::from(UPSTREAM);
        pairs.world.network.refuse_connects(upstream, ConnectFailure::Refused);
        pairs.world.network.delay_connects(upstream, secs(wait));
        let peer = tied_to_upstream(&mut pairs);
        if wait > 0 {
            pairs.world.network.send_from(peer, b"anybody?");
        }
        pairs.world.run_for(secs(wait + 2));
        assert_eq!(pairs.world.reason(peer), Some("partner gone"));
        assert_eq!(pairs.world.network.state(peer), PeerState::Finished);
        pairs.finish();
    }
}

#[test]
fn an_end_without_bytes_before_it_waits_for_the_connection_too() {
    let mut network = SimNetwork::new(1);
    network.delay_connects(SocketAddr::from(UPSTREAM), secs(5));
    let mut pairs = Pairs::on(network, timeless());
    let peer = tied_to_upstream(&mut pairs);
    pairs.world.network.finish(peer);
    pairs.world.run_for(secs(6));
    let upstream = pairs.world.network.accepted(SocketAddr::from(UPSTREAM)).expect("it is made");
    assert_eq!(pairs.world.network.state(upstream), PeerState::Finished);
    pairs.world.network.send_from(upstream, b"all the same");
    pairs.world.network.finish(upstream);
    pairs.world.settle();
    assert_eq!(pairs.world.received(peer), "all the same");
    pairs.finish();
}

#[test]
fn a_connection_that_is_being_made_is_given_up_when_the_other_goes() {
    let mut network = SimNetwork::new(1);
    network.delay_connects(SocketAddr::from(UPSTREAM), secs(5));
    let mut pairs = Pairs::on(network, timeless());
    let peer = tied_to_upstream(&mut pairs);
    pairs.world.settle();
    assert_eq!(pairs.world.open_len(), 2);
    pairs.world.network.reset(peer);
    pairs.world.settle();
    assert_eq!(pairs.world.open_len(), 0);
    pairs.finish();
}

/// Has a connection to the upstream made, and its tie to this peer asked for, and has the upstream
/// act in the very poll that finds it reached: before the tie is done.
fn tie_to_hasty_upstream(
    pairs: &mut Pairs,
    peer: SimPeer,
    act: impl FnOnce(&mut SimNetwork, SimPeer) + 'static,
) -> SimPeer {
    pairs.tie_to_upstream(peer);
    hasten_upstream(pairs, act)
}

/// The same, of a tie that was asked for right before.
fn hasten_upstream(
    pairs: &mut Pairs,
    act: impl FnOnce(&mut SimNetwork, SimPeer) + 'static,
) -> SimPeer {
    pairs.world.turn_at_once();
    let now = pairs.world.network.clock();
    let reached = Rc::new(Cell::new(None));
    let reached_there = Rc::clone(&reached);
    pairs.world.network.at(now, move |network| {
        let peer = network.accepted(SocketAddr::from(UPSTREAM)).expect("it was just reached");
        act(network, peer);
        reached_there.set(Some(peer));
    });
    pairs.world.settle();
    reached.get().expect("that moment has come")
}

fn say(network: &mut SimNetwork, upstream: SimPeer) {
    network.send_from(upstream, b"a line\n");
}

#[test]
fn what_comes_before_a_tie_that_was_asked_for_in_time_is_passed_on() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.strangers();
    let upstream = tie_to_hasty_upstream(&mut pairs, one, say);
    assert_eq!(pairs.world.network.received(one), b"a line\n");
    assert_eq!(pairs.world.frames(upstream).len(), 0);
    for peer in [one, other, upstream] {
        pairs.world.network.finish(peer);
    }
    pairs.finish();
}

#[test]
fn what_comes_before_a_tie_that_cannot_be_is_run() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.pair();
    let upstream = tie_to_hasty_upstream(&mut pairs, one, say);
    assert_eq!(pairs.world.network.received(one), b"");
    assert_eq!(pairs.world.frames(upstream).len(), 1);
    for peer in [one, other, upstream] {
        pairs.world.network.finish(peer);
    }
    pairs.finish();
}

#[test]
fn an_end_that_comes_before_a_tie_that_was_asked_for_in_time_is_passed_on() {
    let mut pairs = Pairs::new();
    let [one, other] = pairs.strangers();
    let upstream = tie_to_hasty_upstream(&mut pairs, one, |network, upstream| {
        say(network, upstream);
        network.finish(upstream);
    });
    assert_eq!(pairs.world.network.received(one), b"a line\n");
    assert_eq!(pairs.world.network.state(one), PeerState::Finished, "half of it has ended");
    pairs.world.network.send_from(one, b"an answer\n");
    pairs.world.settle();
    assert_eq!(pairs.world.network.received(upstream), b"an answer\n", "the other half has not");
    for peer in [one, other] {
        pairs.world.network.finish(peer);
    }
    pairs.finish();
}

#[test]
fn what_comes_before_a_tie_waits_for_however_many_commands_are_before_it() {
    let mut pairs = Pairs::with(Config { command_budget: 1, ..timeless() });
    let [one, other] = pairs.strangers();
    let id = pairs.id(other);
    pairs.tie_to_upstream(one);
    for _ in 0..20 {
        pairs.world.reactor.commands().close(id).expect("it is still open");
    }
    let upstream = hasten_upstream(&mut pairs, say);
    assert_eq!(pairs.world.network.received(one), b"a line\n");
    assert_eq!(pairs.world.frames(upstream).len(), 0);
    for peer in [one, upstream] {
        pairs.world.network.finish(peer);
    }
    pairs.finish();
}
