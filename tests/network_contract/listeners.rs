//! The promises about listeners, and the peers they let in.

use std::io::ErrorKind;
use std::net::SocketAddr;

use windlass::SocketOptions;
use windlass::network::{AcceptError, Progress, Readiness, Token};

use crate::trial::{FIRST, LISTENER, SECOND, Trial, broken_kind, promises, short_pipes};
use crate::worlds::End;

promises! {
    port_zero_becomes_a_port
    an_address_in_use_cannot_be_bound
    an_accept_after_blocked_gets_an_event
    one_event_announces_all_who_wait
    a_peer_has_the_address_it_connected_from
    a_connection_has_the_address_it_was_made_to
    a_new_connection_can_be_used_at_once
    whoever_was_reset_in_the_queue_has_gone_or_is_found_broken
    what_came_before_the_adoption_is_announced
    a_peer_still_in_the_hand_is_closed_by_the_next_accept
    nobody_in_the_hand_cannot_be_adopted
    a_refused_peer_gets_the_farewell
    a_refused_peer_that_has_sent_something_gets_the_farewell
    a_peer_can_be_refused_without_a_word
    a_peer_refused_without_a_word_that_has_sent_something_is_reset
    whoever_comes_after_a_listener_has_closed_is_refused
    a_closed_listener_accepts_nobody
    an_address_is_free_again_after_closing
    the_limit_of_sockets_is_no_lower_than_what_is_open
}

fn port_zero_becomes_a_port(trial: &mut Trial) {
    let address = trial.listen();
    assert_ne!(address.port(), 0);
    trial.world.connect(address);
    trial.accepted();
}

fn an_address_in_use_cannot_be_bound(trial: &mut Trial) {
    let address = trial.listen();
    let again = trial.network().listen(Token::endpoint(3), address, &SocketOptions::default());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
}

fn an_accept_after_blocked_gets_an_event(trial: &mut Trial) {
    let address = trial.listen();
    for connection in [FIRST, SECOND] {
        assert_eq!(trial.network().accept(LISTENER).unwrap(), Progress::Blocked);
        trial.forget();
        let peer = trial.world.connect(address);
        trial.wait(LISTENER, Readiness::READABLE);
        let accepted = trial.network().accept(LISTENER).unwrap();
        assert_eq!(accepted, Progress::Done(trial.world.address(peer)));
        trial.network().adopt(connection).unwrap();
    }
}

fn one_event_announces_all_who_wait(trial: &mut Trial) {
    let address = trial.listen();
    let peers = [(); 3].map(|()| trial.world.connect(address));
    trial.wait(LISTENER, Readiness::READABLE);
    for peer in peers {
        let accepted = trial.network().accept(LISTENER).unwrap();
        assert_eq!(accepted, Progress::Done(trial.world.address(peer)));
    }
    assert_eq!(trial.network().accept(LISTENER).unwrap(), Progress::Blocked);
}

fn a_peer_has_the_address_it_connected_from(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.world.connect(address);
    assert_eq!(trial.accepted(), trial.world.address(peer));
}

fn a_connection_has_the_address_it_was_made_to(trial: &mut Trial) {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let mut address = trial.network().listen(LISTENER, everywhere, &short_pipes()).unwrap();
    assert!(address.ip().is_unspecified());
    address.set_ip("127.0.0.1".parse().unwrap());
    trial.connected(address, FIRST);
    assert_eq!(trial.network().local_addr(FIRST).unwrap(), address);
}

fn a_new_connection_can_be_used_at_once(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.world.connect(address);
    trial.world.send(peer, b"early");
    trial.accepted();
    trial.network().adopt(FIRST).unwrap();
    assert_eq!(trial.network().write(FIRST, b"also").progress().unwrap(), Progress::Done(4));
    assert_eq!(trial.read_all(FIRST, 5), b"early");
    trial.until("an answer", |trial| trial.world.received(peer) == b"also");
}

fn whoever_was_reset_in_the_queue_has_gone_or_is_found_broken(trial: &mut Trial) {
    let address = trial.listen();
    let (gone, whole) = (trial.world.connect(address), trial.world.connect(address));
    trial.world.reset(gone);
    trial.until("somebody to accept", |trial| {
        match trial.network().accept(LISTENER) {
            Err(AcceptError::PeerGone(_)) => {}
            Ok(Progress::Blocked) => return false,
            Ok(Progress::Done(peer)) => {
                assert_eq!(peer, trial.world.address(gone), "it cannot be asked for later");
                trial.network().adopt(FIRST).unwrap();
                // Nothing of this may panic, whatever is left of it.
                let _ = trial.network().local_addr(FIRST);
                trial.wait(FIRST, Readiness::HANGUP);
                trial.network().read(FIRST, &mut [0; 16]).progress().unwrap_err();
                trial.network().close(FIRST);
            }
            Err(error) => panic!("{error:?}"),
        }
        true
    });
    assert_eq!(trial.accepted(), trial.world.address(whole));
}

fn what_came_before_the_adoption_is_announced(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.world.connect(address);
    trial.world.send(peer, b"early");
    trial.world.finish(peer);
    trial.accepted();
    trial.network().adopt(FIRST).unwrap();
    trial.wait(FIRST, Readiness::READABLE);
    assert_eq!(trial.read_all(FIRST, 5), b"early");
}

fn a_peer_still_in_the_hand_is_closed_by_the_next_accept(trial: &mut Trial) {
    let address = trial.listen();
    let forgotten = trial.world.connect(address);
    trial.accepted();
    let peer = trial.connected(address, FIRST);
    assert_eq!(trial.end(forgotten), End::Finished);
    assert_eq!(trial.world.end(peer), None);

    let forgotten = trial.world.connect(address);
    trial.accepted();
    assert_eq!(trial.network().accept(LISTENER).unwrap(), Progress::Blocked);
    assert_eq!(trial.end(forgotten), End::Finished, "also if there is nobody next");
}

fn nobody_in_the_hand_cannot_be_adopted(trial: &mut Trial) {
    let address = trial.listen();
    assert_eq!(trial.network().adopt(FIRST).unwrap_err().kind(), ErrorKind::NotFound);
    trial.connected(address, FIRST);
    assert_eq!(trial.network().adopt(SECOND).unwrap_err().kind(), ErrorKind::NotFound);
    trial.network().refuse(b"nobody");
}

fn a_refused_peer_gets_the_farewell(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.world.connect(address);
    trial.accepted();
    trial.network().refuse(b"full");
    assert_eq!(trial.end(peer), End::Finished);
    assert_eq!(trial.world.received(peer), b"full");
    assert_eq!(trial.network().adopt(FIRST).unwrap_err().kind(), ErrorKind::NotFound);
}

fn a_refused_peer_that_has_sent_something_gets_the_farewell(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.world.connect(address);
    trial.world.send(peer, b"let me in");
    trial.accepted();
    trial.network().refuse(b"full");
    assert_eq!(trial.end(peer), End::Finished);
    assert_eq!(trial.world.received(peer), b"full");
}

fn a_peer_refused_without_a_word_that_has_sent_something_is_reset(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.world.connect(address);
    trial.world.send(peer, b"let me in");
    trial.accepted();
    trial.network().refuse(b"");
    assert_eq!(trial.end(peer), End::Reset);
}

fn a_peer_can_be_refused_without_a_word(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.world.connect(address);
    trial.accepted();
    trial.network().refuse(b"");
    assert_eq!(trial.end(peer), End::Finished);
    assert_eq!(trial.world.received(peer), b"");
}

fn whoever_comes_after_a_listener_has_closed_is_refused(trial: &mut Trial) {
    let address = trial.listen();
    let peer = trial.connected(address, FIRST);
    trial.network().close(LISTENER);
    let late = trial.world.connect(address);
    assert_eq!(trial.end(late), End::Refused);
    trial.world.send(peer, b"still here");
    assert_eq!(trial.read_all(FIRST, 10), b"still here");
}

fn a_closed_listener_accepts_nobody(trial: &mut Trial) {
    let address = trial.listen();
    trial.world.connect(address);
    trial.wait(LISTENER, Readiness::READABLE);
    trial.network().close(LISTENER);
    assert_eq!(broken_kind(trial.network().accept(LISTENER)), ErrorKind::NotFound);
    assert_eq!(broken_kind(trial.network().accept(Token::SIGNALS)), ErrorKind::NotFound);
    trial.network().close(LISTENER);
}

fn an_address_is_free_again_after_closing(trial: &mut Trial) {
    let address: SocketAddr = trial.listen();
    let peer = trial.connected(address, FIRST);
    trial.network().close(FIRST);
    assert_eq!(trial.end(peer), End::Finished);
    trial.network().close(LISTENER);
    trial.network().listen(Token::endpoint(3), address, &SocketOptions::default()).unwrap();
}

fn the_limit_of_sockets_is_no_lower_than_what_is_open(trial: &mut Trial) {
    let address = trial.listen();
    trial.connected(address, FIRST);
    let limit = trial.network().socket_limit(0);
    assert!(limit.is_none_or(|limit| limit >= 2), "{limit:?}");
    assert!(trial.network().socket_limit(100).is_none_or(|limit| limit >= 100));
}
