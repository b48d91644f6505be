//! The DNS server as a process: over UDP and TCP, with its limits, up to its end.

use std::io::{ErrorKind, Read, Write};
use std::net::UdpSocket;

use nix::sys::signal::Signal;

use crate::example::{Example, PATIENCE, run};

/// Questions for a text of several strings, and for a name that is not there.
const LONG: &[u8] = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x04long\x07example\x03com\0\0\x10\0\x01";
const NOTHING: &[u8] = b"\0\x02\0\0\0\x01\0\0\0\0\0\0\x01x\x07example\x03com\0\0\x01\0\x01";

fn udp(server: &Example) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.connect(server.address("udp")).expect("an address of the same kind");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
    socket
}

/// What the server says to a datagram.
fn ask(socket: &UdpSocket, message: &[u8]) -> Vec<u8> {
    socket.send(message).expect("it listens");
    let mut answer = [0; 1500];
    let len = socket.recv(&mut answer).expect("an answer");
    answer[..len].to_vec()
}

#[test]
fn a_long_answer_is_truncated_over_udp_and_whole_over_tcp() {
    let mut server = Example::of("dns", "--udp 127.0.0.1:0 --tcp 127.0.0.1:0");
    let truncated = ask(&udp(&server), LONG);
    assert_eq!((&truncated[..4], truncated.len()), (&b"\0\x01\x86\0"[..], LONG.len()));
    let mut stream = server.connect();
    let behind_its_length = |message: &[u8]| {
        let len = u16::try_from(message.len()).expect("a short message");
        [&len.to_be_bytes(), message].concat()
    };
    // Both at once, and the second not yet whole.
    let both = [behind_its_length(LONG), behind_its_length(NOTHING)].concat();
    let (most, last) = both.split_at(both.len() - 1);
    stream.write_all(most).expect("it reads");
    let mut answer = || {
        let mut len = [0; 2];
        stream.read_exact(&mut len).expect("an answer");
        let mut answer = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut answer).expect("all of it");
        answer
    };
    let long = answer();
    assert_eq!(&long[..8], b"\0\x01\x84\0\0\x01\0\x01");
    assert!(long.len() > 8 * LONG.len(), "{}", long.len());
    // A drain waits for what is not whole.
    server.signal(Signal::SIGINT);
    server.wait_for_log("draining 1 connections");
    stream.write_all(last).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers, and closes");
    assert_eq!(&answer[2..6], b"\0\x02\x84\x03");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn whoever_asks_too_much_over_udp_is_not_answered() {
    let mut server = Example::of("dns", "--udp 127.0.0.1:0 --rate-limit 2/h");
    let socket = udp(&server);
    for _ in 0..2 {
        assert_eq!(ask(&socket, NOTHING)[..4], *b"\0\x02\x84\x03");
    }
    socket.send(NOTHING).expect("it listens");
    // Its end is the sign that there is no answer: what had come until then has been handled.
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    socket.set_nonblocking(true).expect("it can be");
    let said = socket.recv(&mut [0; 1500]).map_err(|error| error.kind());
    assert!(matches!(said, Err(ErrorKind::WouldBlock | ErrorKind::ConnectionRefused)), "{said:?}");
}

#[test]
fn a_zone_file_that_is_wrong_ends_it_with_a_line() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/examples_real.zone");
    std::fs::write(file, "$ORIGIN e.\n@ 1h SOA . . 1 2 3 4 5\n  NS ns\nns A 192.0.2.300\n")
        .expect("there is room for a zone");
    let (code, log) = run("dns", &format!("--zone {file}"));
    let line = format!("error: {file}:4: \"192.0.2.300\" is not an IPv4 address");
    assert_eq!((code, log), (Some(1), vec![line]));
}
