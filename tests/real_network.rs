//! The echo server on real sockets: as a process of its own, spoken to by clients of `std::net`.
//!
//! The simulation tests what the engine makes of everything a network can do; this tests that the
//! real one does it, and that the example keeps its promises. No answer is judged by its speed:
//! where a test waits, it gives up after a minute.

#![cfg(target_os = "linux")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::Signal;
use socket2::SockRef;

#[path = "real_network/example.rs"]
mod example;

use example::{Example, PATIENCE, expect, run_echo, wait_until};

/// Sends and expects the same back.
fn ask(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the server reads");
    expect(stream, bytes);
}

/// Bytes of which no two stretches are alike.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(step).collect()
}

/// With these, the server can be made to owe 6 MiB.
const OWING: &str = "--tcp 127.0.0.1:0 --framing length --max-frame 6MiB";

/// A client that sent 6 MiB and saw the answer begin, and that answer.
fn creditor(server: &Example) -> (TcpStream, Vec<u8>) {
    let mut client = server.connect();
    // So that no great part of the answer goes and waits in the kernel.
    SockRef::from(&client).set_recv_buffer_size(65_536).expect("a common size");
    let mut frame = vec![0, 0x60, 0, 0];
    frame.extend(noise(0x60_0000));
    client.write_all(&frame).expect("the server reads");
    client.peek(&mut [0]).expect("the server answers");
    (client, frame)
}

/// What is left to be read until the server closes.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the server closes in good order");
    rest
}

/// Nothing has come, not even the end.
fn is_waiting(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket can be told");
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("a socket can be told");
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn what_is_sent_comes_back_over_tcp_and_udp() {
    let server = Example::echo("--tcp 127.0.0.1:0 --udp 127.0.0.1:0");
    ask(&mut server.connect(), b"hello");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(server.address("udp")).unwrap();
    // Among them the shortest and the longest there is.
    for len in [5, 0, 1, 65_507] {
        let sent = noise(len);
        client.send(&sent).unwrap();
        let mut received = vec![0; 65_536];
        let received_len = client.recv(&mut received).unwrap();
        assert!(received[..received_len] == sent, "{len} bytes sent, {received_len} received");
    }
}

#[test]
fn who_has_finished_sending_is_answered() {
    let server = Example::echo("--tcp 127.0.0.1:0");
    for len in [0, 1, 100_000] {
        let mut client = server.connect();
        client.write_all(&noise(len)).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(rest(&mut client) == noise(len), "{len} bytes");
    }
}

#[test]
fn a_signal_drains_and_the_exit_status_says_so() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Example::echo("--tcp 127.0.0.1:0 --udp 127.0.0.1:0");
        let mut client = server.connect();
        ask(&mut client, b"hello");
        server.signal(signal);
        assert_eq!(rest(&mut client), b"");
        drop(client);
        assert_eq!(server.wait(), Some(0), "{signal}");
        server.wait_for_log("1 finished");
    }
}

#[test]
fn a_server_that_looks_before_it_sleeps_serves_and_drains() {
    let mut server = Example::echo("--tcp 127.0.0.1:0 --busy-poll 1ms");
    let mut client = server.connect();
    for _ in 0..100 {
        ask(&mut client, b"hello");
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(rest(&mut client), b"");
    drop(client);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn what_is_owed_is_delivered_during_a_drain() {
    let mut server = Example::echo(OWING);
    let (mut client, frame) = creditor(&server);
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 1 connections");
    expect(&mut client, &frame);
    assert_eq!(rest(&mut client), b"");
    drop(client);
    assert_eq!(server.wait(), Some(0));
    server.wait_for_log("1 finished");
}

#[test]
fn who_never_reads_is_cut_when_the_drain_times_out() {
    let mut server = Example::echo(&format!("{OWING} --drain-timeout 300ms"));
    let (_client, _) = creditor(&server);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(3));
    server.wait_for_log("1 cut at the deadline");
}

#[test]
fn the_second_signal_stops_at_once() {
    let mut server = Example::echo(&format!("{OWING} --drain-timeout 1h --write-timeout 1h"));
    let (_client, _) = creditor(&server);
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 1 connections");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(3));
    server.wait_for_log("1 cut by the stop");
}

#[test]
fn who_is_over_the_limit_waits_for_a_slot() {
    let server = Example::echo("--tcp 127.0.0.1:0 --max-connections 3");
    // They are served in the order in which they came.
    let mut clients: VecDeque<TcpStream> = (0..8).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.write_all(b"let me in").unwrap());
    clients.iter_mut().take(3).for_each(|client| expect(client, b"let me in"));
    while clients.len() > 3 {
        // Each question is at least one turn, in which the fourth would have been accepted.
        for _ in 0..10 {
            clients.iter_mut().take(3).for_each(|client| ask(client, b"still there?"));
        }
        assert!(clients.iter().skip(3).all(is_waiting));
        clients.pop_front();
        expect(&mut clients[2], b"let me in");
    }
    clients.iter_mut().for_each(|client| ask(client, b"still there?"));
}

#[test]
fn who_is_over_the_limit_is_refused_if_so_told() {
    let server = Example::echo("--tcp 127.0.0.1:0 --max-connections 3 --at-limit refuse");
    let mut clients = [(); 3].map(|()| server.connect());
    clients.iter_mut().for_each(|client| ask(client, b"let me in"));
    assert_eq!(rest(&mut server.connect()), b"the server is full\r\n");
    clients.iter_mut().for_each(|client| ask(client, b"still there?"));
}

#[test]
fn an_address_in_use_is_an_error_in_one_line() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (protocol, address) in
        [("tcp", tcp.local_addr().unwrap()), ("udp", udp.local_addr().unwrap())]
    {
        let (code, said) = run_echo(&format!("--{protocol} {address}"));
        assert_eq!((code, said.len()), (Some(1), 1), "{said:?}");
        assert!(said[0].contains(&format!("{protocol} {address}: ")), "{said:?}");
    }
}

#[test]
fn bad_usage_is_an_error_in_one_line() {
    for options in ["--port", "--max-frame 0", "--max-frame 2GiB", "--idle-timeout 0s"] {
        let (code, said) = run_echo(options);
        assert_eq!((code, said.len()), (Some(2), 1), "{options}: {said:?}");
        assert!(said[0].contains(options), "{options}: {said:?}");
    }
}

#[test]
fn three_hundred_clients_at_once_are_all_served() {
    let server = Example::echo("--tcp 127.0.0.1:0");
    let mut clients: Vec<TcpStream> = (0..300).map(|_| server.connect()).collect();
    for round in 0..3 {
        let question = |number| format!("client {number}, question {round}");
        for (client, number) in clients.iter_mut().zip(0..) {
            client.write_all(question(number).as_bytes()).unwrap();
        }
        for (client, number) in clients.iter_mut().zip(0..) {
            expect(client, question(number).as_bytes());
        }
    }
}

#[test]
fn two_thousand_clients_leave_no_descriptor_behind() {
    let server = Example::echo("--tcp 127.0.0.1:0");
    let before = server.descriptors();
    for number in 0..2_000 {
        let mut client = server.connect();
        match number % 4 {
            0 => ask(&mut client, b"hello"),
            // One comes and goes, one breaks off, one finishes.
            1 => {}
            2 => SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap(),
            _ => {
                client.shutdown(Shutdown::Write).unwrap();
                assert_eq!(rest(&mut client), b"");
            }
        }
    }
    wait_until("every connection is closed", || server.descriptors() == before);
    ask(&mut server.connect(), b"hello");
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_the_server_up() {
    let (_reader, mut writer) = io::pipe().unwrap();
    let has_room = |writer: &io::PipeWriter| {
        poll(&mut [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)], 0_u8).unwrap() > 0
    };
    while has_room(&writer) {
        writer.write_all(&[b'x'; 4096]).unwrap();
    }
    let mut server = Example::echo_with_stderr("--tcp 127.0.0.1:0", writer);
    ask(&mut server.connect(), b"hello");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}
