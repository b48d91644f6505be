//! The promises about connections.

use std::io::{ErrorKind, IoSlice};

use windlass::network::{Progress, Readiness, Token, Transfer};

use crate::trial::{FIRST, SECOND, Trial, promises};
use crate::worlds::End;

promises! {
    a_read_after_blocked_gets_an_event
    a_short_read_is_owed_an_event
    a_write_after_blocked_gets_an_event
    a_short_write_is_owed_an_event
    bytes_arrive_in_order_both_ways
    parts_are_written_in_order
    many_parts_are_written_as_far_as_they_fit
    the_end_comes_after_all_bytes_and_is_said_again
    the_end_is_announced_as_a_hangup
    after_the_peers_end_it_can_still_be_written_to
    after_our_end_it_can_still_be_read_from
    nothing_is_written_after_our_end
    a_reset_is_never_data
    a_reset_breaks_only_its_own_connection
    an_abort_resets_the_peer
    a_close_finishes_after_all_bytes
    a_close_with_bytes_unread_resets_the_peer
    a_closed_connection_is_not_found
    an_older_tenant_of_a_slot_is_not_found
    a_slot_can_have_a_new_tenant
}

fn a_read_after_blocked_gets_an_event(trial: &mut Trial) {
    let peer = trial.first_peer();
    for _ in 0..3 {
        assert_eq!(trial.read(FIRST, 16), None);
        trial.forget();
        trial.world.send(peer, b"ping");
        trial.wait(FIRST, Readiness::READABLE);
        assert_eq!(trial.read(FIRST, 4).unwrap(), b"ping");
    }
}

fn a_short_read_is_owed_an_event(trial: &mut Trial) {
    let peer = trial.first_peer();
    for _ in 0..3 {
        trial.world.send(peer, b"ping");
        trial.wait(FIRST, Readiness::READABLE);
        assert_eq!(trial.read(FIRST, 16).unwrap(), b"ping");
        trial.forget();
    }
}

fn a_write_after_blocked_gets_an_event(trial: &mut Trial) {
    let peer = trial.first_peer();
    for _ in 0..3 {
        trial.world.stall(peer);
        trial.fill(FIRST);
        // What is on its way to the peer may still make room, once.
        trial.until("a pipe that stays full", |trial| {
            trial.forget();
            trial.fill(FIRST) == 0
        });
        trial.world.resume(peer);
        trial.wait(FIRST, Readiness::WRITABLE);
        let progress = trial.network().write(FIRST, b".").progress().unwrap();
        assert_eq!(progress, Progress::Done(1));
    }
}

fn a_short_write_is_owed_an_event(trial: &mut Trial) {
    let peer = trial.first_peer();
    let much = vec![b'.'; 4 << 20];
    let mut total = 0;
    for _ in 0..3 {
        trial.world.stall(peer);
        trial.forget();
        let Progress::Done(len) = trial.network().write(FIRST, &much).progress().unwrap() else {
            panic!("an event said that there is room");
        };
        assert!(len < much.len(), "the pipe is longer than was asked for");
        total += len;
        trial.world.resume(peer);
        trial.wait(FIRST, Readiness::WRITABLE);
        trial.until("all bytes", |trial| trial.world.received(peer).len() == total);
    }
}

fn bytes_arrive_in_order_both_ways(trial: &mut Trial) {
    let peer = trial.first_peer();
    let sent: Vec<u8> = (0..251).cycle().take(200_000).collect();
    trial.world.send(peer, &sent);
    let mut echoed = 0;
    let mut read = Vec::new();
    trial.until("an echo of everything", |trial| {
        read.extend(trial.read(FIRST, 3000).unwrap_or_default());
        if echoed < read.len()
            && let Progress::Done(len) =
                trial.network().write(FIRST, &read[echoed..]).progress().unwrap()
        {
            echoed += len;
        }
        trial.world.received(peer).len() == sent.len()
    });
    assert!(read == sent);
    assert!(trial.world.received(peer) == sent);
}

fn parts_are_written_in_order(trial: &mut Trial) {
    let peer = trial.first_peer();
    let parts = [&b"one "[..], b"two ", b"three"].map(IoSlice::new);
    let progress = trial.network().write_vectored(FIRST, &parts).progress().unwrap();
    assert_eq!(progress, Progress::Done(13));
    trial.until("all parts", |trial| trial.world.received(peer) == b"one two three");
}

fn many_parts_are_written_as_far_as_they_fit(trial: &mut Trial) {
    let peer = trial.first_peer();
    let sent: Vec<u8> = (0..251).cycle().take(1 << 20).collect();
    let parts: Vec<_> = sent.chunks(1024).map(IoSlice::new).collect();
    trial.world.stall(peer);
    let Progress::Done(len) = trial.network().write_vectored(FIRST, &parts).progress().unwrap()
    else {
        panic!("there is room at first");
    };
    assert!(len < sent.len());
    trial.until("a pipe that stays full", |trial| {
        trial.forget();
        trial.fill(FIRST) == 0
    });
    assert_eq!(
        trial.network().write_vectored(FIRST, &parts).progress().unwrap(),
        Progress::Blocked
    );
    trial.world.resume(peer);
    trial.wait(FIRST, Readiness::WRITABLE);
    trial.until("all that fitted", |trial| trial.world.received(peer).len() >= len);
    assert!(trial.world.received(peer)[..len] == sent[..len]);
}

fn the_end_comes_after_all_bytes_and_is_said_again(trial: &mut Trial) {
    let peer = trial.first_peer();
    trial.world.send(peer, &[b'x'; 20_000]);
    trial.world.finish(peer);
    let mut len = 0;
    trial.until("the end", |trial| {
        let piece = trial.read(FIRST, 777);
        len += piece.as_ref().map_or(0, Vec::len);
        piece.is_some_and(|piece| piece.is_empty())
    });
    assert_eq!(len, 20_000);
    for _ in 0..3 {
        assert_eq!(trial.read(FIRST, 16).unwrap(), b"");
    }
}

fn the_end_is_announced_as_a_hangup(trial: &mut Trial) {
    let peer = trial.first_peer();
    assert_eq!(trial.read(FIRST, 16), None);
    trial.forget();
    trial.world.finish(peer);
    trial.wait(FIRST, Readiness::READABLE.with(Readiness::HANGUP));
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"");
}

fn after_the_peers_end_it_can_still_be_written_to(trial: &mut Trial) {
    let peer = trial.first_peer();
    trial.world.finish(peer);
    trial.wait(FIRST, Readiness::HANGUP);
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"");
    for count in 1..4 {
        assert_eq!(trial.network().write(FIRST, b"more").progress().unwrap(), Progress::Done(4));
        trial.until("more", |trial| trial.world.received(peer).len() == count * 4);
    }
    trial.network().close(FIRST);
    assert_eq!(trial.end(peer), End::Finished);
}

fn after_our_end_it_can_still_be_read_from(trial: &mut Trial) {
    let peer = trial.first_peer();
    assert_eq!(trial.network().write(FIRST, b"last words").progress().unwrap(), Progress::Done(10));
    trial.network().shutdown_write(FIRST).unwrap();
    assert_eq!(trial.end(peer), End::Finished);
    assert_eq!(trial.world.received(peer), b"last words");
    trial.world.send(peer, b"and mine");
    assert_eq!(trial.read_all(FIRST, 8), b"and mine");
    trial.network().shutdown_write(FIRST).unwrap();
}

fn nothing_is_written_after_our_end(trial: &mut Trial) {
    trial.first_peer();
    trial.network().shutdown_write(FIRST).unwrap();
    trial.network().write(FIRST, b"too late").progress().unwrap_err();
    trial.network().write_vectored(FIRST, &[IoSlice::new(b"too late")]).progress().unwrap_err();
}

fn a_reset_is_never_data(trial: &mut Trial) {
    let peer = trial.first_peer();
    assert_eq!(trial.read(FIRST, 16), None);
    trial.forget();
    trial.world.reset(peer);
    trial.wait(FIRST, Readiness::READABLE.with(Readiness::HANGUP));
    let mut buffer = [0; 16];
    let answer = trial.network().read(FIRST, &mut buffer);
    assert!(matches!(answer, Transfer::Failed(_) | Transfer::Done(0)), "{answer:?}");
    // A signal is not raised either.
    trial.network().write(FIRST, b"anybody there?").progress().unwrap_err();
    trial.network().write_vectored(FIRST, &[IoSlice::new(b"nobody?")]).progress().unwrap_err();
    let _ = trial.network().shutdown_write(FIRST);
    trial.network().close(FIRST);
}

fn a_reset_breaks_only_its_own_connection(trial: &mut Trial) {
    let address = trial.listen();
    let broken = trial.connected(address, FIRST);
    let whole = trial.connected(address, SECOND);
    trial.world.reset(broken);
    trial.wait(FIRST, Readiness::HANGUP);
    trial.network().close(FIRST);
    trial.world.send(whole, b"ping");
    assert_eq!(trial.read_all(SECOND, 4), b"ping");
    assert_eq!(trial.network().write(SECOND, b"pong").progress().unwrap(), Progress::Done(4));
    trial.until("an answer", |trial| trial.world.received(whole) == b"pong");
}

fn an_abort_resets_the_peer(trial: &mut Trial) {
    let peer = trial.first_peer();
    trial.network().abort(FIRST);
    assert_eq!(trial.end(peer), End::Reset);
}

fn a_close_finishes_after_all_bytes(trial: &mut Trial) {
    let peer = trial.first_peer();
    trial.world.stall(peer);
    let len = trial.fill(FIRST);
    trial.network().close(FIRST);
    trial.world.resume(peer);
    assert_eq!(trial.end(peer), End::Finished);
    assert_eq!(trial.world.received(peer).len(), len);
}

fn a_close_with_bytes_unread_resets_the_peer(trial: &mut Trial) {
    let peer = trial.first_peer();
    trial.world.send(peer, b"unread");
    trial.wait(FIRST, Readiness::READABLE);
    trial.network().close(FIRST);
    assert_eq!(trial.end(peer), End::Reset);
}

/// Asserts that every call for this connection says that there is none.
fn assert_not_found(trial: &mut Trial, connection: Token) {
    let network = trial.network();
    let mut buffer = [0; 16];
    let parts = [IoSlice::new(b"part")];
    for error in [
        network.read(connection, &mut buffer).progress().unwrap_err(),
        network.write(connection, b"bytes").progress().unwrap_err(),
        network.write_vectored(connection, &parts).progress().unwrap_err(),
        network.shutdown_write(connection).unwrap_err(),
        network.local_addr(connection).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    network.close(connection);
    network.abort(connection);
}

fn a_closed_connection_is_not_found(trial: &mut Trial) {
    let address = trial.listen();
    for token in [FIRST, Token::connection(9, 9, 9), Token::endpoint(9), Token::SIGNALS] {
        assert_not_found(trial, token);
    }
    trial.connected(address, FIRST);
    trial.network().close(FIRST);
    assert_not_found(trial, FIRST);
    trial.connected(address, SECOND);
    trial.network().abort(SECOND);
    assert_not_found(trial, SECOND);
}

fn an_older_tenant_of_a_slot_is_not_found(trial: &mut Trial) {
    let peer = trial.first_peer();
    for other in [6, 8, 0, u32::MAX] {
        assert_not_found(trial, Token::connection(0, 0, other));
    }
    assert_not_found(trial, Token::connection(1, 0, 7));
    trial.world.send(peer, b"unharmed");
    assert_eq!(trial.read_all(FIRST, 8), b"unharmed");
}

fn a_slot_can_have_a_new_tenant(trial: &mut Trial) {
    let address = trial.listen();
    trial.connected(address, FIRST);
    trial.network().close(FIRST);
    let new = Token::connection(0, 0, 8);
    let peer = trial.connected(address, new);
    assert_not_found(trial, FIRST);
    trial.world.send(peer, b"mine");
    assert_eq!(trial.read_all(new, 4), b"mine");
    assert_eq!(trial.world.end(peer), None);
}
