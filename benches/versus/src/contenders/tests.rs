//! Every contender with every protocol, spoken to over real sockets: that each byte comes back.
//!
//! A server runs in a thread of its own until the tests end. No outcome depends on time; what is
//! waited for longer than a minute has failed.

mod real;

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{CONTENDERS, Contender};
use crate::workload::Protocol;

const TOO_LONG: Duration = Duration::from_secs(60);
/// More than the kernel keeps of what a peer does not read.
const FLOOD_LEN: usize = 24 * 1024 * 1024;

thread_local! {
    static TOLD: RefCell<Option<mpsc::Sender<SocketAddr>>> = const { RefCell::new(None) };
}

/// Tells a test of the address, if one has started this server.
pub(super) fn is_told(address: SocketAddr) -> bool {
    TOLD.with_borrow(|told| told.as_ref().is_some_and(|told| told.send(address).is_ok()))
}

fn start(contender: &'static Contender, protocol: Protocol) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        TOLD.set(Some(sender));
        let outcome = (contender.serve)(protocol).map_err(|error| error.to_string());
        panic!("{} ended: {outcome:?}", contender.name);
    });
    receiver.recv_timeout(TOO_LONG).expect("the server has started")
}

/// Every contender that speaks TCP, with each protocol.
fn for_each_stream(check: impl Fn(&Contender, Protocol, SocketAddr)) {
    for contender in CONTENDERS {
        for &protocol in contender.protocols {
            if Protocol::ECHOES.contains(&protocol) && !protocol.is_by_datagram() {
                eprintln!("{} {protocol:?}", contender.name);
                check(contender, protocol, start(contender, protocol));
            }
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(TOO_LONG)).unwrap();
    stream.set_write_timeout(Some(TOO_LONG)).unwrap();
    stream
}

/// A message with a payload of so many bytes, which differ from those of another seed.
fn message(protocol: Protocol, payload_len: usize, seed: usize) -> Vec<u8> {
    // Letters, since a codec for lines may want text; their number divides no power of two.
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvw";
    let letter = |at| LETTERS[(at / 7 + at + seed) % LETTERS.len()];
    let payload = (0..payload_len).map(letter);
    match protocol {
        Protocol::Line => payload.chain([b'\n']).collect(),
        Protocol::Length => {
            let header = u32::try_from(payload_len).unwrap().to_be_bytes();
            header.into_iter().chain(payload).collect()
        }
        _ => payload.collect(),
    }
}

/// Messages with payloads of so many bytes, one behind the other.
fn messages(protocol: Protocol, payload_lens: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let numbered = payload_lens.into_iter().enumerate();
    numbered.flat_map(|(number, len)| message(protocol, len, number)).collect()
}

#[track_caller]
fn assert_comes_back(stream: &mut TcpStream, expected: &[u8]) {
    let mut reply = vec![0; expected.len()];
    stream.read_exact(&mut reply).unwrap();
    let differs_at = reply.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(differs_at, None, "the first of {} bytes that differs", expected.len());
}

/// Writes all while the replies are read, as a client must that sends more than buffers take.
#[track_caller]
fn assert_echoes(stream: &mut TcpStream, bytes: &[u8]) {
    let mut writer = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(bytes).unwrap());
        assert_comes_back(stream, bytes);
    });
}

#[test]
fn no_two_contenders_share_a_name() {
    for (at, contender) in CONTENDERS.iter().enumerate() {
        assert!(CONTENDERS[..at].iter().all(|other| other.name != contender.name));
    }
}

#[test]
fn messages_come_back_however_they_are_cut() {
    for_each_stream(|_, protocol, address| {
        let mut stream = connect(address);
        let bytes = messages(protocol, [0, 1, 2, 64, 3, 300]);
        for piece_len in [1, 3, 70] {
            for piece in bytes.chunks(piece_len) {
                stream.write_all(piece).unwrap();
            }
            assert_comes_back(&mut stream, &bytes);
        }
    });
}

#[test]
fn a_frame_is_answered_before_the_next_is_whole() {
    for_each_stream(|_, protocol, address| {
        let mut stream = connect(address);
        let bytes = messages(protocol, [64, 64]);
        let first_len = bytes.len() / 2;
        for sent_of_second in [1, 4, 5, 40] {
            let (now, later) = bytes.split_at(first_len + sent_of_second);
            stream.write_all(now).unwrap();
            assert_comes_back(&mut stream, &bytes[..first_len]);
            stream.write_all(later).unwrap();
            assert_comes_back(&mut stream, &bytes[first_len..]);
        }
    });
}

#[test]
fn messages_in_flight_come_back_in_order() {
    for_each_stream(|_, protocol, address| {
        let bytes = messages(protocol, (0..20_000).map(|number| number % 259));
        assert_echoes(&mut connect(address), &bytes);
    });
}

#[test]
fn large_messages_come_back_whole() {
    for_each_stream(|_, protocol, address| {
        let large_len = if protocol == Protocol::Line { 60_000 } else { 1 << 20 };
        let lens = [16 * 1024, large_len, 5, large_len, large_len, large_len, 64];
        let mut stream = connect(address);
        for (number, len) in lens.into_iter().enumerate() {
            assert_echoes(&mut stream, &message(protocol, len, number));
        }
        assert_echoes(&mut stream, &messages(protocol, lens));
    });
}

#[test]
fn connections_at_once_are_kept_apart() {
    for_each_stream(|_, protocol, address| {
        let mut streams: Vec<_> = (0..100).map(|_| connect(address)).collect();
        for payload_len in [64, 1000] {
            let own = |number| message(protocol, payload_len, number);
            for half in 0..2 {
                for (number, stream) in streams.iter_mut().enumerate() {
                    let bytes = own(number);
                    let (first, second) = bytes.split_at(bytes.len() / 2);
                    stream.write_all(if half == 0 { first } else { second }).unwrap();
                }
            }
            for (number, stream) in streams.iter_mut().enumerate() {
                assert_comes_back(stream, &own(number));
            }
        }
    });
}

#[test]
fn a_peer_that_does_not_read_holds_up_nobody_else() {
    for_each_stream(|contender, protocol, address| {
        if contender.name == "message-io" {
            // It waits actively until the peer reads; its file says so.
            return;
        }
        let flood = messages(protocol, (0..FLOOD_LEN / 10_000).map(|_| 10_000));
        let mut deaf = connect(address);
        let mut writer = deaf.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| writer.write_all(&flood).unwrap());
            for _ in 0..20 {
                let mut other = connect(address);
                assert_echoes(&mut other, &message(protocol, 30_000, 1));
            }
            assert_comes_back(&mut deaf, &flood);
        });
    });
}

#[test]
fn peers_that_leave_early_hurt_nobody_else() {
    for_each_stream(|_, protocol, address| {
        let mut stays = connect(address);
        for round in 0..20 {
            let mut leaves = connect(address);
            let bytes = message(protocol, 5000, round);
            leaves.write_all(&bytes[..bytes.len() - 1]).unwrap();
            if round % 2 == 0 {
                leaves.shutdown(Shutdown::Write).unwrap();
            }
            drop(leaves);
            assert_echoes(&mut stays, &message(protocol, 100, round));
        }
    });
}

#[test]
fn a_peer_that_has_sent_all_still_gets_its_replies() {
    for_each_stream(|contender, protocol, address| {
        if contender.name == "message-io" {
            // Its end of the stream may overtake what came before; its file says so.
            return;
        }
        let mut stream = connect(address);
        let bytes = messages(protocol, [200; 50]);
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_comes_back(&mut stream, &bytes);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "then the server closes");
    });
}

#[test]
fn datagrams_come_back_to_their_senders() {
    for contender in CONTENDERS {
        if !contender.protocols.contains(&Protocol::Datagram) {
            continue;
        }
        eprintln!("{} {:?}", contender.name, Protocol::Datagram);
        let address = start(contender, Protocol::Datagram);
        let senders: Vec<_> = (0..4).map(|_| UdpSocket::bind(super::any_port()).unwrap()).collect();
        for (payload_len, at_once) in [(1, 4), (64, 4), (1400, 4), (60_000, 1)] {
            // Of the longest no more are kept for who is slow.
            let senders = &senders[..at_once];
            for (number, sender) in senders.iter().enumerate() {
                sender.set_read_timeout(Some(TOO_LONG)).unwrap();
                let payload = message(Protocol::Datagram, payload_len, number);
                sender.send_to(&payload, address).unwrap();
            }
            for (number, sender) in senders.iter().enumerate() {
                let mut reply = vec![0; 65_536];
                let (len, from) = sender.recv_from(&mut reply).unwrap();
                assert_eq!(from, address);
                assert_eq!(reply[..len], message(Protocol::Datagram, payload_len, number));
            }
        }
    }
}
