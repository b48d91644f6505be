//! An engine on each of several threads: all of them serve, and all of them end.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use nix::sys::signal::Signal;
use socket2::SockRef;

use crate::example::{Example, PATIENCE, expect, run};

/// So many that chance leaves no engine of four without one: three in a billion times it would.
const CLIENTS: usize = 80;

fn multicore(options: &str) -> Example {
    Example::of("multicore", &format!("--tcp 127.0.0.1:0 {options}"))
}

/// Clients, each of which was answered.
fn served(server: &Example) -> Vec<TcpStream> {
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"hello").expect("it reads");
        expect(client, b"hello");
    }
    clients
}

/// The number in `draining 7 connections`.
fn len(line: &String) -> usize {
    let number = line.split("draining ").nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"))
}

#[test]
fn every_engine_serves_and_the_first_signal_drains_them_all() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = multicore("--threads 4 --max-connections 400");
        server.wait_for_log("engines: 4, connections of each at most: 100");
        let mut clients = served(&server);
        server.signal(signal);
        for client in &mut clients {
            assert_eq!(client.read(&mut [0]).expect("it closes in good order"), 0);
        }
        drop(clients);
        assert_eq!(server.wait(), Some(0));
        let lens: Vec<usize> = server.wait_for_logs(4, "draining ").iter().map(len).collect();
        assert_eq!((lens.len(), lens.iter().sum()), (4, CLIENTS), "{lens:?}");
        assert!(!lens.contains(&0), "{lens:?}");
        server.wait_for_log(&format!("{CLIENTS} finished"));
    }
}

#[test]
fn datagrams_come_back_whichever_engine_has_them() {
    let server = multicore("--udp 127.0.0.1:0 --threads 3");
    for number in 0..30 {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        client.connect(server.address("udp")).expect("an address");
        let sent = format!("datagram {number}");
        client.send(sent.as_bytes()).expect("it is sent");
        let mut received = [0; 64];
        let len = client.recv(&mut received).expect("it comes back");
        assert_eq!(&received[..len], sent.as_bytes());
    }
}

#[test]
fn the_second_signal_stops_every_engine() {
    let mut server = multicore("--threads 3 --drain-timeout 1h");
    let mut creditors: Vec<TcpStream> = (0..6).map(|_| server.connect()).collect();
    for client in &mut creditors {
        // More than the kernel keeps for who does not read: the rest of it is owed.
        SockRef::from(&*client).set_recv_buffer_size(65_536).expect("a common size");
        client.write_all(&vec![b'x'; 6 << 20]).expect("it reads");
    }
    server.signal(Signal::SIGTERM);
    server.wait_for_logs(3, "draining ");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(3));
    server.wait_for_log("drained in ");
    server.wait_for_log("6 cut by the stop");
}

#[test]
fn one_engine_is_a_server_too() {
    let mut server = multicore("--threads 1 --max-connections 5");
    server.wait_for_log("engines: 1, connections of each at most: 5");
    let mut client = server.connect();
    client.write_all(b"hello").expect("it reads");
    expect(&mut client, b"hello");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn what_keeps_the_engines_from_starting_is_said_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has one");
    let (code, said) = run("multicore", &format!("--tcp {address} --threads 2"));
    assert_eq!(code, Some(1));
    let error = said.last().expect("it says what was wrong");
    assert!(error.contains(&format!("cannot listen on tcp {address}: ")), "{said:?}");
    let (code, said) = run("multicore", "--threads 0");
    assert_eq!((code, said.len()), (Some(2), 1), "{said:?}");
}
