//! One call of the loop among all, made to answer as a test wants: for trying every answer at every
//! call.

use std::io;

use super::SimNetwork;
use super::calls::Call;
use super::edges::Queued;
use super::faults::{AcceptFailure, ConnectFailure};
use super::schedule::Action;
use crate::network::{Event, Progress};

/// What a call of the loop answers that is [forced](SimNetwork::force) to. A call that cannot
/// answer like this, or to which it makes no difference, answers as it would have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Forced {
    /// An error of this kind. A connection is broken by it.
    Fails(io::ErrorKind),
    /// `Blocked`, and an event follows; of a poll, that it was interrupted; of a
    /// [`refuse`](crate::network::Network::refuse), that nothing of the farewell is taken.
    Blocked,
    /// So many bytes are moved, or so many datagrams, but one at least, and no more than without
    /// this; an event follows if one is owed. A poll gives so many events at most, and the rest
    /// comes with the next. The [limit](crate::network::Network::socket_limit) of sockets is so
    /// many from then on.
    Short(usize),
    /// Nobody is accepted.
    NotAccepted(AcceptFailure),
    /// A connection is not begun; or, where the loop asks what has become of one, it has failed.
    NotConnected(ConnectFailure),
}

/// A call that the loop has made, as the [record](SimNetwork::record_calls) has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// Which call.
    pub call: Call,
    /// How many bytes it moved, how many datagrams, how many events it gave, or how many sockets it
    /// asked for.
    pub moved_len: usize,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
struct Forcing {
    /// The number of the first call that it is for.
    first: u64,
    /// Which calls it is for from then on; none: only the first.
    sticky: Option<Call>,
    answer: Forced,
}

/// All that is to happen at one call or the other.
#[derive(Default)]
pub(super) struct Forcings {
    calls_made: u64,
    forcing: Option<Forcing>,
    /// What the call that is under way is to answer.
    now: Option<Forced>,
    /// What is done before the call of this number.
    action: Option<(u64, Action)>,
    record: Option<Vec<Recorded>>,
}

impl SimNetwork {
    /// How many calls the loop has made: the number that the next one has. (A call of
    /// [`local_addr`](crate::network::Network::local_addr) is none.)
    pub const fn calls_made(&self) -> u64 {
        self.forcings.calls_made
    }

    /// The call of this number answers like this; one that was made already is not made again.
    /// Where there was such a wish, or one of [`force_from`](Self::force_from), this takes its
    /// place.
    pub const fn force(&mut self, number: u64, answer: Forced) {
        self.forcings.forcing = Some(Forcing { first: number, sticky: None, answer });
    }

    /// From the call of this number on, all that are the same `call` answer like this, until
    /// [`force_nothing`](Self::force_nothing), or another wish takes the place of this.
    pub const fn force_from(&mut self, number: u64, call: Call, answer: Forced) {
        self.forcings.forcing = Some(Forcing { first: number, sticky: Some(call), answer });
    }

    /// No call is forced to anything any more.
    pub const fn force_nothing(&mut self) {
        self.forcings.forcing = None;
    }

    /// Does `action` right before the call of this number: between what the loop has done and what
    /// it does next. Never, if that was made already. Where there was such a wish, this takes its
    /// place.
    pub fn at_call(&mut self, number: u64, action: impl FnOnce(&mut Self) + 'static) {
        self.forcings.action = Some((number, Box::new(action)));
    }

    /// Keeps a record of the loop's calls from the next one on, the earlier record given up.
    pub fn record_calls(&mut self) {
        self.forcings.record = Some(Vec::new());
    }

    /// The record of the loop's calls, if one is kept.
    pub fn recorded_calls(&self) -> &[Recorded] {
        self.forcings.record.as_deref().unwrap_or_default()
    }

    /// In which order a poll gives its events, from now on.
    pub fn set_event_order(&mut self, order: impl FnMut(&mut [Event]) + 'static) {
        self.event_order = Some(Box::new(order));
    }

    /// A poll gives this event, true or not: an event is a hint, and may be late or false, also for
    /// a socket that is closed or never was.
    pub fn add_event(&mut self, event: Event) {
        self.events.push_back(Queued::Unfounded(event));
    }

    /// A call of the loop begins: which, and what it is to answer.
    pub(super) fn begin_forced(&mut self, call: Call) {
        let number = self.forcings.calls_made;
        self.forcings.calls_made += 1;
        if let Some(record) = &mut self.forcings.record {
            record.push(Recorded { call, moved_len: 0 });
        }
        if let Some((_, action)) = self.forcings.action.take_if(|(at, _)| *at == number) {
            action(self);
        }
        self.forcings.now = self.forcings.forcing.and_then(|forcing| {
            let is_meant = match forcing.sticky {
                None => number == forcing.first,
                Some(sticky) => number >= forcing.first && sticky == call,
            };
            is_meant.then_some(forcing.answer)
        });
    }

    /// The call has moved so much.
    pub(super) fn record_moved(&mut self, len: usize) {
        if let Some(last) = self.forcings.record.as_mut().and_then(|record| record.last_mut()) {
            last.moved_len = len;
        }
    }

    /// The same of a call that answers how many bytes it has moved.
    pub(super) fn record_transfer(&mut self, result: &io::Result<Progress<usize>>) {
        if let Ok(Progress::Done(len)) = result {
            self.record_moved(*len);
        }
    }

    /// The kind of error with which the call that is under way is to fail.
    pub(super) const fn forced_error(&self) -> Option<io::ErrorKind> {
        match self.forcings.now {
            Some(Forced::Fails(kind)) => Some(kind),
            _ => None,
        }
    }

    /// Fails if the call that is under way is to.
    pub(super) fn check_forced(&self) -> io::Result<()> {
        match self.forced_error() {
            Some(kind) => Err(io::Error::new(kind, format!("{kind} (simulated)"))),
            None => Ok(()),
        }
    }

    /// Whether the call that is under way is to answer `Blocked`, by order or by chance.
    pub(super) fn is_blocked_now(&mut self, rate: u16) -> bool {
        self.is_forced_to_block() || self.random.chance(rate)
    }

    /// The same, by order alone.
    pub(super) const fn is_forced_to_block(&self) -> bool {
        matches!(self.forcings.now, Some(Forced::Blocked))
    }

    /// How many of `len` the call that is under way is to move, if that is forced.
    pub(super) fn forced_len(&self, len: usize) -> Option<usize> {
        match self.forcings.now {
            Some(Forced::Short(most)) => Some(most.max(1).min(len)),
            _ => None,
        }
    }

    pub(super) const fn forced_accept_failure(&self) -> Option<AcceptFailure> {
        match self.forcings.now {
            Some(Forced::NotAccepted(failure)) => Some(failure),
            _ => None,
        }
    }

    pub(super) const fn forced_connect_failure(&self) -> Option<ConnectFailure> {
        match self.forcings.now {
            Some(Forced::NotConnected(failure)) => Some(failure),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::super::harness::{H, LISTENER, R, SOCKET, W, World};
    use super::super::{PeerState, SimPeer};
    use super::*;
    use crate::batch::{Incoming, Outgoing};
    use crate::config::SocketOptions;
    use crate::network::{AcceptError, ConnectError, Network, Readiness};
    use crate::token::Token;

    const FIRST: Token = Token::connection(1, 0, 0);

    /// The next call answers like this.
    fn force(world: &mut World, answer: Forced) {
        let next = world.net.calls_made();
        world.net.force(next, answer);
    }

    /// A connection with this to be read, and the loop knows.
    fn pair_with(world: &mut World, bytes: &[u8]) -> (SimPeer, Token) {
        let (peer, token) = world.pair();
        world.net.send_from(peer, bytes);
        assert_eq!(world.poll(), [(token, R)]);
        (peer, token)
    }

    /// Begins to connect to somebody who serves; an event says that it is done.
    fn dial(world: &mut World) -> Result<(), ConnectError> {
        let to = "192.0.2.9:80".parse().unwrap();
        world.net.serve(to);
        Network::connect(&mut world.net, FIRST, to, &SocketOptions::default())?;
        assert_eq!(world.poll(), [(FIRST, W)]);
        Ok(())
    }

    /// A UDP socket that can send, and has so many datagrams to receive.
    fn with_datagrams(count: u8) -> World {
        let mut world = World::new();
        let (at, from) = ("127.0.0.1:7001".parse().unwrap(), "192.0.2.9:9".parse().unwrap());
        world.net.bind(SOCKET, at, &SocketOptions::default()).unwrap();
        (0..count).for_each(|number| world.net.send_datagram(from, at, &[number]));
        world.poll();
        world
    }

    fn outgoing(count: u8) -> Outgoing {
        let mut batch = Outgoing::new();
        (0..count).for_each(|number| batch.push("192.0.2.9:9".parse().unwrap(), &[number]));
        batch
    }

    #[test]
    fn the_call_of_this_number_fails_and_no_other() {
        let mut world = World::new();
        let [(broken, first), (_, second)] = [world.pair(), world.pair()];
        let next = world.net.calls_made();
        world.net.force(next + 1, Forced::Fails(ErrorKind::TimedOut));
        assert_eq!(world.read(second, 9), None);
        let error = world.net.read(first, &mut [0; 9]).progress().unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::TimedOut, "timed out (simulated)".to_owned())
        );
        assert_eq!(world.net.state(broken), PeerState::Broken);
        assert_eq!(world.net.write(second, b"ab").progress().unwrap(), Progress::Done(2));
        assert_eq!(world.net.calls_made(), next + 3);
    }

    #[test]
    fn all_later_calls_of_the_same_kind_answer_alike_until_they_need_not() {
        let mut world = World::new();
        let (_, token) = pair_with(&mut world, b"abc");
        let next = world.net.calls_made();
        world.net.force_from(next + 1, Call::Read, Forced::Short(1));
        assert_eq!(world.read(token, 1).unwrap(), b"a", "this is the one before");
        assert_eq!(world.net.write(token, b"ab").progress().unwrap(), Progress::Done(2));
        assert_eq!(world.read(token, 9).unwrap(), b"b");
        world.net.send_from(world.net.peers().next().unwrap(), b"def");
        assert_eq!(world.read(token, 9).unwrap(), b"c");
        world.net.force_nothing();
        assert_eq!(world.read(token, 9).unwrap(), b"def");
    }

    #[test]
    fn whatever_is_blocked_is_owed_an_event() {
        let mut world = World::new();
        let (_, token) = pair_with(&mut world, b"abc");
        force(&mut world, Forced::Blocked);
        assert_eq!(world.read(token, 9), None);
        assert_eq!(world.poll(), [(token, R)]);
        force(&mut world, Forced::Blocked);
        assert_eq!(world.net.write(token, b"ab").progress().unwrap(), Progress::Blocked);
        assert_eq!(world.poll(), [(token, W)]);
        world.connect();
        world.poll();
        force(&mut world, Forced::Blocked);
        assert!(matches!(world.net.accept(LISTENER), Ok(Progress::Blocked)));
        assert_eq!(world.poll(), [(LISTENER, R)]);
        dial(&mut world).unwrap();
        force(&mut world, Forced::Blocked);
        assert_eq!(world.net.connected(FIRST).unwrap(), Progress::Blocked);
        assert_eq!(world.poll(), [(FIRST, W)]);
    }

    #[test]
    fn datagrams_that_are_blocked_are_owed_an_event() {
        let mut world = with_datagrams(1);
        force(&mut world, Forced::Blocked);
        let mut batch = Incoming::new(8, 16);
        assert_eq!(world.net.receive(SOCKET, &mut batch).unwrap(), Progress::Blocked);
        assert_eq!(world.poll(), [(SOCKET, R)]);
        force(&mut world, Forced::Blocked);
        assert_eq!(world.net.send(SOCKET, &mut outgoing(2)).unwrap(), Progress::Blocked);
        assert_eq!(world.poll(), [(SOCKET, W)]);
    }

    #[test]
    fn no_more_is_moved_than_is_said_and_one_at_least() {
        for (most, moved) in [(0, 1), (1, 1), (2, 2), (3, 3), (9, 3)] {
            let mut world = World::new();
            let (peer, token) = pair_with(&mut world, b"abc");
            force(&mut world, Forced::Short(most));
            assert_eq!(world.read(token, 9).unwrap(), &b"abc"[..moved]);
            let owed: &[_] = if moved < 3 { &[(token, R)] } else { &[] };
            assert_eq!(world.poll(), owed);
            force(&mut world, Forced::Short(most));
            assert_eq!(world.net.write(token, b"def").progress().unwrap(), Progress::Done(moved));
            assert_eq!(world.net.received(peer), &b"def"[..moved]);
            let mut world = with_datagrams(3);
            let (mut incoming, mut batch) = (Incoming::new(8, 16), outgoing(3));
            force(&mut world, Forced::Short(most));
            world.net.receive(SOCKET, &mut incoming).unwrap();
            force(&mut world, Forced::Short(most));
            world.net.send(SOCKET, &mut batch).unwrap();
            assert_eq!((incoming.iter().count(), batch.len()), (moved, 3 - moved));
        }
    }

    #[test]
    fn an_accept_fails_as_is_said_and_costs_a_peer_if_it_does() {
        use AcceptFailure as A;
        for failure in [A::Emfile, A::Enobufs, A::ConnAborted, A::Perm, A::Broken] {
            let mut world = World::new();
            force(&mut world, Forced::NotAccepted(failure));
            let error = world.net.accept(LISTENER);
            let expected = if failure.costs_a_peer() { None } else { Some(failure) };
            let kind = |error: AcceptError| match error {
                AcceptError::PeerGone(_) => "gone",
                AcceptError::Exhausted(_) => "exhausted",
                AcceptError::Broken(_) => "broken",
            };
            let failed = |failure: A| kind(failure.error());
            assert_eq!(error.err().map(kind), expected.map(failed), "{failure:?}: nobody waits");
            if failure == A::Broken {
                continue;
            }
            let peer = world.connect();
            force(&mut world, Forced::NotAccepted(failure));
            assert_eq!(world.net.accept(LISTENER).err().map(kind), Some(failed(failure)));
            let is_lost = world.net.state(peer) == PeerState::Broken;
            assert_eq!(is_lost, failure.costs_a_peer());
        }
    }

    #[test]
    fn a_connection_is_not_begun_or_turns_out_to_have_failed() {
        let mut world = World::new();
        force(&mut world, Forced::NotConnected(ConnectFailure::Emfile));
        assert!(matches!(dial(&mut world), Err(ConnectError::NoResources(_))));
        assert_eq!(world.net.open_sockets(), 1);
        dial(&mut world).unwrap();
        force(&mut world, Forced::NotConnected(ConnectFailure::Refused));
        assert!(matches!(world.net.connected(FIRST), Err(ConnectError::Refused(_))));
        assert!(matches!(world.net.connected(FIRST), Err(ConnectError::Refused(_))), "for good");
        let peer = world.net.accepted("192.0.2.9:80".parse().unwrap()).unwrap();
        assert_eq!(world.net.state(peer), PeerState::Broken);
    }

    #[test]
    fn a_connection_that_broke_before_it_was_known_is_told_as_it_is() {
        let mut world = World::new();
        dial(&mut world).unwrap();
        force(&mut world, Forced::Fails(ErrorKind::ConnectionReset));
        let error = world.net.connected(FIRST).unwrap_err();
        assert!(matches!(&error, ConnectError::Other(error)
            if error.kind() == ErrorKind::ConnectionReset));
    }

    #[test]
    fn whatever_can_fail_fails_with_the_error_that_is_said() {
        let mut world = World::new();
        let error = |world: &mut World, call: &mut dyn FnMut(&mut SimNetwork) -> io::Result<()>| {
            force(world, Forced::Fails(ErrorKind::OutOfMemory));
            assert_eq!(call(&mut world.net).unwrap_err().kind(), ErrorKind::OutOfMemory);
        };
        let (at, options) = ("127.0.0.1:0".parse().unwrap(), SocketOptions::default());
        error(&mut world, &mut |net| net.listen(SOCKET, at, &options).map(drop));
        error(&mut world, &mut |net| net.bind(SOCKET, at, &options).map(drop));
        error(&mut world, &mut |net| net.waker().map(drop));
        error(&mut world, &mut |net| net.watch_signals(&[2]));
        error(&mut world, &mut |net| net.poll(&mut Vec::new(), None));
        assert_eq!(world.net.open_sockets(), 1, "nothing was opened");
        let (peer, token) = world.pair();
        error(&mut world, &mut |net| net.shutdown_write(token));
        assert_eq!(world.net.state(peer), PeerState::Broken);
        let peer = world.connect();
        assert!(matches!(world.net.accept(LISTENER), Ok(Progress::Done(_))));
        error(&mut world, &mut |net| net.adopt(FIRST));
        assert_eq!(world.net.state(peer), PeerState::Finished, "it was closed");
        let mut world = with_datagrams(1);
        error(&mut world, &mut |net| net.receive(SOCKET, &mut Incoming::new(1, 1)).map(drop));
        let mut batch = outgoing(1);
        error(&mut world, &mut |net| net.send(SOCKET, &mut batch).map(drop));
        assert_eq!(batch.len(), 1, "it stays at the front");
    }

    #[test]
    fn a_poll_is_interrupted_or_gives_its_events_in_portions() {
        let mut world = World::new();
        force(&mut world, Forced::Blocked);
        assert_eq!(world.poll_for(Duration::from_secs(1)), []);
        let passed = world.net.clock().as_nanos();
        assert!((1..1_000_000_000).contains(&passed), "{passed}");
        let [(one, first), (other, second)] = [world.pair(), world.pair()];
        world.net.send_from(one, b"ab");
        world.net.send_from(other, b"cd");
        force(&mut world, Forced::Short(1));
        assert_eq!(world.poll(), [(first, R)]);
        assert_eq!(world.poll(), [(second, R)]);
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn a_farewell_is_taken_as_far_as_is_said() {
        for (answer, farewell) in [(Forced::Blocked, ""), (Forced::Short(2), "no")] {
            let mut world = World::new();
            let peer = world.connect();
            assert!(matches!(world.net.accept(LISTENER), Ok(Progress::Done(_))));
            force(&mut world, answer);
            world.net.refuse(b"no room");
            assert_eq!(world.net.received(peer), farewell.as_bytes());
            assert_eq!(world.net.state(peer), PeerState::Finished);
        }
    }

    #[test]
    fn the_limit_of_sockets_is_as_is_said_from_then_on() {
        let mut world = World::new();
        force(&mut world, Forced::Short(1));
        assert_eq!(Network::socket_limit(&mut world.net, 50), Some(1));
        assert_eq!(Network::socket_limit(&mut world.net, 50), Some(1));
        world.connect();
        assert!(matches!(world.net.accept(LISTENER), Err(AcceptError::Exhausted(_))));
    }

    #[test]
    fn an_action_comes_right_before_its_call_and_may_ask_for_another() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        let next = world.net.calls_made();
        world.net.at_call(next + 1, move |net| {
            net.send_from(peer, b"ab");
            net.at_call(next + 2, move |net| net.send_from(peer, b"cd"));
        });
        assert_eq!(world.read(token, 9), None);
        assert_eq!(world.read(token, 9).unwrap(), b"ab");
        assert_eq!(world.read(token, 9).unwrap(), b"cd");
        assert_eq!(world.read(token, 9), None);
    }

    #[test]
    fn what_is_recorded_says_which_calls_there_were_and_how_much_they_moved() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        assert_eq!(world.net.recorded_calls(), [], "nobody has asked for it");
        world.net.record_calls();
        world.net.send_from(peer, b"abc");
        world.poll();
        world.read(token, 9);
        world.read(token, 9);
        world.net.write(token, b"defg").progress().unwrap();
        Network::socket_limit(&mut world.net, 50);
        let recorded = |call, moved_len| Recorded { call, moved_len };
        assert_eq!(
            world.net.recorded_calls(),
            [
                recorded(Call::Poll, 1),
                recorded(Call::Read, 3),
                recorded(Call::Read, 0),
                recorded(Call::Write, 4),
                recorded(Call::SocketLimit, 50),
            ]
        );
        world.net.record_calls();
        assert_eq!(world.net.recorded_calls(), []);
    }

    #[test]
    fn events_come_in_the_order_that_is_wanted() {
        let mut world = World::new();
        let [(one, first), (other, second)] = [world.pair(), world.pair()];
        world.net.set_event_order(<[Event]>::reverse);
        world.net.send_from(one, b"ab");
        world.net.send_from(other, b"cd");
        assert_eq!(world.poll(), [(second, R), (first, R)]);
    }

    #[test]
    fn an_event_that_is_added_comes_also_for_a_socket_that_is_closed() {
        let mut world = World::new();
        let (_, token) = world.pair();
        world.net.close(token);
        let readiness = R.with(H);
        world.net.add_event(Event { token, readiness });
        world.net.add_event(Event { token: FIRST, readiness: Readiness::WRITABLE });
        assert_eq!(world.poll(), [(token, readiness), (FIRST, W)]);
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn an_answer_that_a_call_cannot_give_changes_nothing() {
        let mut world = World::new();
        let (_, token) = pair_with(&mut world, b"abc");
        force(&mut world, Forced::NotAccepted(AcceptFailure::Emfile));
        assert_eq!(world.read(token, 2).unwrap(), b"ab");
        force(&mut world, Forced::Fails(ErrorKind::TimedOut));
        world.net.now();
        force(&mut world, Forced::Fails(ErrorKind::TimedOut));
        world.net.close(token);
        assert_eq!(world.net.open_sockets(), 1);
    }
}
