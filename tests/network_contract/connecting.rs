//! The promises about connections that the loop begins.

use std::io::ErrorKind;
use std::net::SocketAddr;

use windlass::network::{ConnectError, Progress, Readiness, Token};

use crate::trial::{FIRST, LISTENER, SECOND, Trial, promises, short_pipes};
use crate::worlds::{End, Peer};

promises! {
    the_outcome_of_connecting_is_an_event
    a_connection_can_be_used_once_it_is_known_to_be_one
    it_may_be_asked_too_early
    what_came_before_the_outcome_was_known_is_announced
    what_comes_after_the_outcome_is_announced
    where_nobody_listens_it_is_refused
    of_two_that_connect_one_can_fail
    half_of_it_can_be_closed_from_here
    half_of_it_can_be_closed_from_there
    an_end_before_the_outcome_was_known_is_found
    a_reset_is_found_by_whoever_connected
    a_server_sees_an_abort_as_a_reset
    a_full_pipe_gets_an_event_when_there_is_room
    one_that_is_given_up_is_not_found
    each_comes_from_a_port_of_its_own
    only_a_connection_can_be_begun
    the_loop_can_connect_to_itself
    the_loop_can_reset_its_own_connection
    the_loop_waits_for_room_in_its_own_connection
}

impl Trial {
    #[track_caller]
    fn begin(&mut self, connection: Token, address: SocketAddr) {
        self.network().connect(connection, address, &short_pipes()).unwrap();
    }

    /// Waits for the event that tells the outcome, and asks for it.
    #[track_caller]
    fn outcome(&mut self, connection: Token) -> Result<(), ConnectError> {
        let mut outcome = None;
        self.until("the outcome", |trial| {
            if !trial.has_noted(connection, Readiness::WRITABLE) {
                return false;
            }
            outcome = match trial.network().connected(connection) {
                Ok(Progress::Blocked) => None,
                Ok(Progress::Done(())) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
            outcome.is_some()
        });
        outcome.unwrap()
    }

    /// Whom the loop has reached at this address.
    #[track_caller]
    fn reached(&mut self, address: SocketAddr) -> Peer {
        let mut peer = None;
        self.until("somebody who was reached", |trial| {
            peer = trial.world.reached(address);
            peer.is_some()
        });
        peer.unwrap()
    }

    /// A connection to a server of the world, known to be one, and its other end.
    #[track_caller]
    fn server(&mut self, connection: Token) -> Peer {
        let address = self.world.serve();
        self.begin(connection, address);
        self.outcome(connection).unwrap();
        self.reached(address)
    }

    /// The two ends of a connection of the loop to itself.
    fn both_ends(&mut self) -> (Token, Token) {
        let address = self.listen();
        self.begin(FIRST, address);
        self.accepted();
        self.network().adopt(SECOND).unwrap();
        self.outcome(FIRST).unwrap();
        (FIRST, SECOND)
    }
}

fn the_outcome_of_connecting_is_an_event(trial: &mut Trial) {
    let address = trial.world.serve();
    trial.begin(FIRST, address);
    trial.wait(FIRST, Readiness::WRITABLE);
    assert_eq!(trial.network().connected(FIRST).unwrap(), Progress::Done(()));
}

fn a_connection_can_be_used_once_it_is_known_to_be_one(trial: &mut Trial) {
    let address = trial.world.serve();
    trial.begin(FIRST, address);
    trial.outcome(FIRST).unwrap();
    assert_eq!(trial.network().write(FIRST, b"ping").progress().unwrap(), Progress::Done(4));
    assert_eq!(trial.read(FIRST, 16), None);
    let peer = trial.reached(address);
    trial.until("a question", |trial| trial.world.received(peer) == b"ping");
    trial.world.send(peer, b"pong");
    assert_eq!(trial.read_all(FIRST, 4), b"pong");
    trial.network().close(FIRST);
    assert_eq!(trial.end(peer), End::Finished);
}

fn it_may_be_asked_too_early(trial: &mut Trial) {
    let address = trial.world.serve();
    trial.begin(FIRST, address);
    trial.until("a connection", |trial| {
        trial.network().connected(FIRST).unwrap() == Progress::Done(())
    });
    trial.reached(address);
}

fn what_came_before_the_outcome_was_known_is_announced(trial: &mut Trial) {
    let address = trial.world.serve();
    trial.begin(FIRST, address);
    let peer = trial.reached(address);
    trial.world.send(peer, b"welcome");
    trial.wait(FIRST, Readiness::READABLE);
    trial.outcome(FIRST).unwrap();
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"welcome");
}

fn what_comes_after_the_outcome_is_announced(trial: &mut Trial) {
    let peer = trial.server(FIRST);
    trial.forget();
    // It was never read, and so far there was nothing to announce.
    trial.world.send(peer, b"one");
    trial.wait(FIRST, Readiness::READABLE);
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"one");
    trial.world.send(peer, b"two");
    trial.wait(FIRST, Readiness::READABLE);
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"two");
}

fn where_nobody_listens_it_is_refused(trial: &mut Trial) {
    let address = trial.world.nobody();
    trial.begin(FIRST, address);
    let error = trial.outcome(FIRST).unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
    trial.network().close(FIRST);
}

fn of_two_that_connect_one_can_fail(trial: &mut Trial) {
    let (somebody, nobody) = (trial.world.serve(), trial.world.nobody());
    trial.begin(FIRST, nobody);
    trial.begin(SECOND, somebody);
    trial.outcome(SECOND).unwrap();
    trial.outcome(FIRST).unwrap_err();
    trial.network().close(FIRST);
    let peer = trial.reached(somebody);
    trial.world.send(peer, b"unharmed");
    assert_eq!(trial.read_all(SECOND, 8), b"unharmed");
}

fn half_of_it_can_be_closed_from_here(trial: &mut Trial) {
    let peer = trial.server(FIRST);
    assert_eq!(trial.network().write(FIRST, b"question").progress().unwrap(), Progress::Done(8));
    trial.network().shutdown_write(FIRST).unwrap();
    assert_eq!(trial.end(peer), End::Finished);
    assert_eq!(trial.world.received(peer), b"question");
    trial.world.send(peer, b"answer");
    assert_eq!(trial.read_all(FIRST, 6), b"answer");
}

fn half_of_it_can_be_closed_from_there(trial: &mut Trial) {
    let peer = trial.server(FIRST);
    trial.world.finish(peer);
    trial.wait(FIRST, Readiness::READABLE.with(Readiness::HANGUP));
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"");
    assert_eq!(trial.network().write(FIRST, b"still here").progress().unwrap(), Progress::Done(10));
    trial.until("more", |trial| trial.world.received(peer) == b"still here");
}

fn an_end_before_the_outcome_was_known_is_found(trial: &mut Trial) {
    let address = trial.world.serve();
    trial.begin(FIRST, address);
    let peer = trial.reached(address);
    trial.world.send(peer, b"go away");
    trial.world.finish(peer);
    trial.wait(FIRST, Readiness::READABLE.with(Readiness::HANGUP));
    trial.outcome(FIRST).unwrap();
    assert_eq!(trial.read_all(FIRST, 7), b"go away");
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"");
}

fn a_reset_is_found_by_whoever_connected(trial: &mut Trial) {
    let peer = trial.server(FIRST);
    assert_eq!(trial.read(FIRST, 16), None);
    trial.forget();
    trial.world.reset(peer);
    trial.wait(FIRST, Readiness::READABLE.with(Readiness::HANGUP));
    trial.network().write(FIRST, b"anybody there?").progress().unwrap_err();
    trial.network().close(FIRST);

    let address = trial.world.serve();
    trial.begin(SECOND, address);
    let peer = trial.reached(address);
    trial.world.reset(peer);
    trial.wait(SECOND, Readiness::HANGUP);
    let error = trial.network().connected(SECOND).unwrap_err();
    assert!(matches!(error, ConnectError::Other(_)), "before it was known: {error:?}");
}

fn a_server_sees_an_abort_as_a_reset(trial: &mut Trial) {
    let peer = trial.server(FIRST);
    trial.network().abort(FIRST);
    assert_eq!(trial.end(peer), End::Reset);
}

fn a_full_pipe_gets_an_event_when_there_is_room(trial: &mut Trial) {
    let peer = trial.server(FIRST);
    trial.world.stall(peer);
    trial.until("a pipe that stays full", |trial| {
        trial.forget();
        trial.fill(FIRST) == 0
    });
    trial.world.resume(peer);
    trial.wait(FIRST, Readiness::WRITABLE);
    assert_eq!(trial.network().write(FIRST, b".").progress().unwrap(), Progress::Done(1));
}

fn not_found(trial: &mut Trial, connection: Token) -> bool {
    match trial.network().connected(connection) {
        Err(ConnectError::Other(error)) => error.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

fn one_that_is_given_up_is_not_found(trial: &mut Trial) {
    let address = trial.world.serve();
    for other in [FIRST, LISTENER, Token::WAKE, Token::SIGNALS] {
        assert!(not_found(trial, other));
    }
    trial.begin(FIRST, address);
    trial.network().close(FIRST);
    assert!(not_found(trial, FIRST));
    trial.begin(SECOND, address);
    trial.network().abort(SECOND);
    assert!(not_found(trial, SECOND));
    let next = Token::connection(0, 0, 8);
    trial.begin(next, address);
    assert!(not_found(trial, FIRST), "the slot has another tenant");
    trial.outcome(next).unwrap();
}

fn each_comes_from_a_port_of_its_own(trial: &mut Trial) {
    let address = trial.world.serve();
    let tokens = [FIRST, SECOND];
    tokens.iter().for_each(|token| trial.begin(*token, address));
    let [first, second] = tokens.map(|token| trial.network().local_addr(token).unwrap());
    assert!(first.ip().is_loopback() && first.port() != 0, "{first}");
    assert_ne!(first, second);
    assert_ne!(first, address);
    trial.outcome(FIRST).unwrap();
    assert_eq!(trial.network().local_addr(FIRST).unwrap(), first);
}

fn only_a_connection_can_be_begun(trial: &mut Trial) {
    let address = trial.world.serve();
    for token in [LISTENER, Token::WAKE, Token::SIGNALS] {
        match trial.network().connect(token, address, &short_pipes()) {
            Err(ConnectError::Other(error)) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
            other => panic!("{other:?}"),
        }
    }
}

fn the_loop_can_connect_to_itself(trial: &mut Trial) {
    let address = trial.listen();
    trial.begin(FIRST, address);
    let here = trial.network().local_addr(FIRST).unwrap();
    assert_eq!(trial.accepted(), here);
    trial.network().adopt(SECOND).unwrap();
    assert_eq!(trial.network().local_addr(SECOND).unwrap(), address);
    trial.outcome(FIRST).unwrap();
    assert_eq!(trial.network().write(FIRST, b"ping").progress().unwrap(), Progress::Done(4));
    trial.wait(SECOND, Readiness::READABLE);
    assert_eq!(trial.read(SECOND, 16).unwrap(), b"ping");
    assert_eq!(trial.network().write(SECOND, b"pong").progress().unwrap(), Progress::Done(4));
    trial.network().shutdown_write(SECOND).unwrap();
    trial.wait(FIRST, Readiness::READABLE.with(Readiness::HANGUP));
    assert_eq!(trial.read_all(FIRST, 4), b"pong");
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"");
    assert_eq!(trial.network().write(FIRST, b"bye").progress().unwrap(), Progress::Done(3));
    trial.network().close(FIRST);
    assert_eq!(trial.read_all(SECOND, 3), b"bye");
    trial.until("the end", |trial| trial.read(SECOND, 16).is_some_and(|end| end.is_empty()));
}

fn the_loop_can_reset_its_own_connection(trial: &mut Trial) {
    let (here, there) = trial.both_ends();
    assert_eq!(trial.read(there, 16), None);
    trial.forget();
    trial.network().abort(here);
    trial.wait(there, Readiness::READABLE.with(Readiness::HANGUP));
    trial.network().write(there, b"anybody there?").progress().unwrap_err();
}

fn the_loop_waits_for_room_in_its_own_connection(trial: &mut Trial) {
    let (here, there) = trial.both_ends();
    let mut written = 0;
    trial.until("a pipe that stays full", |trial| {
        trial.forget();
        let len = trial.fill(here);
        written += len;
        len == 0
    });
    assert_eq!(trial.read_all(there, written).len(), written);
    trial.wait(here, Readiness::WRITABLE);
    assert_eq!(trial.network().write(here, b".").progress().unwrap(), Progress::Done(1));
    assert_eq!(trial.read_all(there, 1), b".");
}
