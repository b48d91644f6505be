//! The promises about UDP.

use std::io::ErrorKind;
use std::net::SocketAddr;

use windlass::SocketOptions;
use windlass::network::{Incoming, Outgoing, Progress, Readiness, Token};

use crate::trial::{SOCKET, Trial, promises};

promises! {
    port_zero_becomes_a_port_of_datagrams
    an_address_in_use_cannot_be_bound_by_datagrams
    a_receive_after_blocked_gets_an_event
    a_receive_that_leaves_room_is_owed_an_event
    a_full_batch_is_followed_by_the_rest
    datagrams_of_any_size_arrive_whole
    a_datagram_too_long_shows_as_truncated
    datagrams_are_sent_in_order_and_removed
    many_datagrams_to_many_arrive_each_as_it_was_sent
    bursts_are_received_as_they_were_sent_also_joined_ones
    a_datagram_that_cannot_be_sent_stays_in_front
    a_refusal_does_not_stop_the_socket
    a_closed_socket_is_not_found
}

/// A UDP socket with nothing left to tell, and a peer.
fn bound(trial: &mut Trial) -> (SocketAddr, SocketAddr) {
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let address = trial.network().bind(SOCKET, anywhere, &SocketOptions::default()).unwrap();
    trial.forget();
    (address, trial.world.open_datagrams())
}

fn payloads(batch: &Incoming) -> Vec<&[u8]> {
    batch.iter().map(|datagram| datagram.payload).collect()
}

/// Waits until this many datagrams have arrived at a peer.
fn arrived(trial: &mut Trial, peer: SocketAddr, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut taken = Vec::new();
    trial.until("the datagrams", |trial| {
        taken.extend(trial.world.take_datagrams(peer));
        taken.len() >= count
    });
    taken
}

fn port_zero_becomes_a_port_of_datagrams(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    assert_ne!(address.port(), 0);
    trial.world.send_datagram(peer, address, b"ping");
    let mut batch = Incoming::new(1, 16);
    trial.receive(&mut batch);
    let first = batch.iter().next().unwrap();
    assert_eq!((first.sender, first.payload, first.is_truncated), (peer, &b"ping"[..], false));
}

fn an_address_in_use_cannot_be_bound_by_datagrams(trial: &mut Trial) {
    let (address, _) = bound(trial);
    let again = trial.network().bind(Token::endpoint(3), address, &SocketOptions::default());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
}

fn a_receive_after_blocked_gets_an_event(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    let mut batch = Incoming::new(1, 16);
    for _ in 0..3 {
        assert_eq!(trial.network().receive(SOCKET, &mut batch).unwrap(), Progress::Blocked);
        assert!(batch.is_empty());
        trial.forget();
        trial.world.send_datagram(peer, address, b"ping");
        trial.wait(SOCKET, Readiness::READABLE);
        assert_eq!(trial.network().receive(SOCKET, &mut batch).unwrap(), Progress::Done(()));
        assert_eq!(payloads(&batch), [b"ping"]);
    }
}

fn a_receive_that_leaves_room_is_owed_an_event(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    let mut batch = Incoming::new(4, 16);
    for _ in 0..3 {
        trial.world.send_datagram(peer, address, b"ping");
        trial.wait(SOCKET, Readiness::READABLE);
        assert_eq!(trial.network().receive(SOCKET, &mut batch).unwrap(), Progress::Done(()));
        assert_eq!(payloads(&batch), [b"ping"]);
        trial.forget();
    }
}

fn a_full_batch_is_followed_by_the_rest(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    for payload in [b"a", b"b", b"c"] {
        trial.world.send_datagram(peer, address, payload);
    }
    let mut batch = Incoming::new(2, 16);
    trial.receive(&mut batch);
    assert_eq!(payloads(&batch), [b"a", b"b"]);
    trial.receive(&mut batch);
    assert_eq!(payloads(&batch), [b"c"], "the batch is cleared first");
    assert_eq!(trial.network().receive(SOCKET, &mut batch).unwrap(), Progress::Blocked);
}

fn datagrams_of_any_size_arrive_whole(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    let mut batch = Incoming::new(1, 65_507);
    for len in [0, 1, 60_000, 65_507] {
        let payload = vec![b'x'; len];
        trial.world.send_datagram(peer, address, &payload);
        trial.receive(&mut batch);
        let datagram = batch.iter().next().unwrap();
        assert!(datagram.payload == payload && !datagram.is_truncated, "{len} bytes in");

        let mut outgoing = Outgoing::new();
        outgoing.push(peer, &payload);
        assert_eq!(trial.network().send(SOCKET, &mut outgoing).unwrap(), Progress::Done(()));
        assert!(arrived(trial, peer, 1) == [(address, payload)], "{len} bytes out");
    }
}

fn a_datagram_too_long_shows_as_truncated(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    let mut batch = Incoming::new(1, 10);
    for (len, is_truncated) in [(10, false), (11, true), (1000, true)] {
        trial.world.send_datagram(peer, address, &vec![b'x'; len]);
        trial.receive(&mut batch);
        let datagram = batch.iter().next().unwrap();
        assert_eq!((datagram.payload, datagram.is_truncated), (&[b'x'; 10][..], is_truncated));
    }
}

fn datagrams_are_sent_in_order_and_removed(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    let mut batch = Outgoing::new();
    for payload in [&b"one"[..], b"", b"three"] {
        batch.push(peer, payload);
    }
    assert_eq!(trial.network().send(SOCKET, &mut batch).unwrap(), Progress::Done(()));
    assert!(batch.is_empty());
    let expected = [b"one".to_vec(), Vec::new(), b"three".to_vec()].map(|sent| (address, sent));
    assert_eq!(arrived(trial, peer, 3), expected);
}

/// Datagrams of all kinds of lengths, many of them equal, each unlike all others.
fn assorted(count: usize) -> Vec<Vec<u8>> {
    let lens = [64, 64, 64, 64, 63, 64, 0, 0, 1, 1, 1452, 1452, 1453, 1453, 1000, 1000, 1000, 999];
    let lens = lens.into_iter().cycle().take(count).enumerate();
    lens.map(|(number, len)| {
        let mut payload = vec![number.to_le_bytes()[0]; len];
        payload.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, digit)| *byte = digit);
        payload
    })
    .collect()
}

fn many_datagrams_to_many_arrive_each_as_it_was_sent(trial: &mut Trial) {
    let (address, first) = bound(trial);
    let peers = [first, trial.world.open_datagrams(), trial.world.open_datagrams()];
    for (spread, count) in [(1, 100), (3, 100), (50, 60), (50, 100)] {
        let payloads = assorted(count);
        let mut batch = Outgoing::new();
        let mut expected = [const { Vec::new() }; 3];
        for (number, payload) in payloads.iter().enumerate() {
            let to = number / spread % 3;
            batch.push(peers[to], payload);
            expected[to].push((address, payload.clone()));
        }
        trial.until("a send", |trial| {
            trial.network().send(SOCKET, &mut batch).unwrap();
            batch.is_empty()
        });
        for (peer, expected) in peers.into_iter().zip(expected) {
            assert!(arrived(trial, peer, expected.len()) == expected, "{spread} to each in turn");
        }
    }
}

fn bursts_are_received_as_they_were_sent_also_joined_ones(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    let other = trial.world.open_datagrams();
    let mut batch = Incoming::new(64, 1000);
    // The first ones are alike: a network may take them as a reason to join from then on.
    for (round, len) in (0..10).zip([100, 100, 100, 100, 100, 100, 1, 1000, 20, 1400]) {
        let bytes_len = if round < 6 { 64 * len } else { 40 * len + len.min(7) };
        let bytes: Vec<u8> = (0..=249).cycle().take(bytes_len).collect();
        let mut expected: Vec<_> = bytes.chunks(len).map(|payload| (peer, payload)).collect();
        trial.world.send_joined(peer, address, &bytes, len);
        if round >= 6 {
            trial.world.send_joined(peer, address, &bytes, len);
            expected.extend(expected.clone());
            trial.world.send_datagram(other, address, b"");
            trial.world.send_datagram(other, address, b"between");
            expected.extend([(other, &b""[..]), (other, b"between")]);
        }
        let mut received = Vec::new();
        while received.len() < expected.len() {
            trial.receive(&mut batch);
            assert_eq!(batch.iter().count(), batch.len());
            received.extend(batch.iter().map(|datagram| {
                (datagram.sender, datagram.payload.to_vec(), datagram.is_truncated)
            }));
        }
        let expected = expected.into_iter().map(|(sender, payload)| {
            (sender, payload[..payload.len().min(1000)].to_vec(), payload.len() > 1000)
        });
        assert!(received.into_iter().eq(expected), "in round {round}");
    }
}

fn a_datagram_that_cannot_be_sent_stays_in_front(trial: &mut Trial) {
    let (_, peer) = bound(trial);
    let mut batch = Outgoing::new();
    batch.push(peer, b"before");
    batch.push(peer, &[0; 65_508]);
    batch.push(peer, b"behind");
    trial.network().send(SOCKET, &mut batch).unwrap_err();
    assert_eq!((batch.len(), batch.front().unwrap().1.len()), (2, 65_508));
    batch.pop();
    assert_eq!(trial.network().send(SOCKET, &mut batch).unwrap(), Progress::Done(()));
    let payloads: Vec<_> = arrived(trial, peer, 2).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(payloads, [b"before", b"behind"]);
}

fn a_refusal_does_not_stop_the_socket(trial: &mut Trial) {
    let (address, peer) = bound(trial);
    let dead = trial.world.closed_datagrams();
    let mut incoming = Incoming::new(4, 16);
    for _ in 0..3 {
        let mut batch = Outgoing::new();
        batch.push(dead, b"anybody there?");
        batch.push(peer, b"ping");
        // A network may tell of the refusal in any later call, once.
        trial.until("a send", |trial| {
            let answer = trial.network().send(SOCKET, &mut batch);
            assert!(answer.is_ok() || is_refusal(&answer), "{answer:?}");
            batch.is_empty()
        });
        assert_eq!(arrived(trial, peer, 1), [(address, b"ping".to_vec())]);
        trial.world.send_datagram(peer, address, b"pong");
        trial.until("an answer", |trial| {
            let answer = trial.network().receive(SOCKET, &mut incoming);
            assert!(answer.is_ok() || is_refusal(&answer), "{answer:?}");
            answer.is_ok_and(|progress| progress == Progress::Done(()))
        });
        assert_eq!(payloads(&incoming), [b"pong"]);
    }
}

fn is_refusal<T>(answer: &std::io::Result<T>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn a_closed_socket_is_not_found(trial: &mut Trial) {
    let (address, _) = bound(trial);
    let (mut incoming, mut outgoing) = (Incoming::new(1, 16), Outgoing::new());
    trial.network().close(SOCKET);
    let error = trial.network().receive(SOCKET, &mut incoming).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    outgoing.push(address, b"nobody");
    let error = trial.network().send(SOCKET, &mut outgoing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    trial.network().close(SOCKET);
    trial.network().bind(Token::endpoint(3), address, &SocketOptions::default()).unwrap();
}
