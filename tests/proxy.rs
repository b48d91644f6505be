//! The proxy on real sockets: as a process of its own, between clients and upstreams of `std::net`.
//!
//! No answer is judged by its speed: where a test waits, it gives up after a minute.

#![cfg(target_os = "linux")]

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use socket2::SockRef;

#[path = "real_network/example.rs"]
mod example;

#[path = "../examples/proxy.rs"]
#[allow(dead_code, reason = "the options are tested in here, the proxy as a process")]
mod program;

use example::{Example, PATIENCE, expect, run, wait_until};
use program::Settings;
use program::common::Options;
use windlass::Config;

const MIB: usize = 1 << 20;

/// An upstream, which accepts by hand.
fn upstream() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("there is a port")
}

/// Where nobody listens.
fn nowhere() -> SocketAddr {
    upstream().local_addr().expect("it was bound")
}

/// A proxy before these upstreams.
fn proxy(upstreams: &[SocketAddr], options: &str) -> Example {
    let upstreams: String = upstreams.iter().map(|at| format!(" --upstream {at}")).collect();
    Example::of("proxy", &format!("--tcp 127.0.0.1:0{upstreams} {options}"))
}

fn address(upstream: &TcpListener) -> SocketAddr {
    upstream.local_addr().expect("it listens")
}

/// The next connection of the proxy: fails instead of waiting for ever.
fn accept(upstream: &TcpListener) -> TcpStream {
    upstream.set_nonblocking(true).expect("a socket can be told");
    let mut accepted = None;
    wait_until("the proxy connects", || {
        accepted = upstream.accept().ok();
        accepted.is_some()
    });
    let (stream, _) = accepted.expect("it was waited for");
    stream.set_nonblocking(false).expect("a socket can be told");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
    stream
}

/// A client of the proxy, and what the upstream has of it.
fn connect(proxy: &Example, upstream: &TcpListener) -> (TcpStream, TcpStream) {
    let client = proxy.connect();
    (client, accept(upstream))
}

/// Bytes of which no two stretches are alike.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(step).collect()
}

/// What is left to be read until the end.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it ends in good order");
    rest
}

/// Closes so that the other end sees a reset.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket can be told");
    drop(stream);
}

/// Waits until the proxy has as many descriptors as this.
fn wait_for_descriptors(proxy: &Example, count: usize) {
    wait_until("nothing leaks", || proxy.descriptors() == count);
}

#[test]
fn megabytes_go_both_ways_at_once_unchanged() {
    let upstream = upstream();
    let proxy = proxy(&[address(&upstream)], "");
    let before = proxy.descriptors();
    let (client, server) = connect(&proxy, &upstream);
    let [there, back] = [1, 2].map(|seed| noise(8 * MIB + 3, seed));
    let send = |mut stream: TcpStream, bytes: Vec<u8>| {
        thread::spawn(move || {
            stream.write_all(&bytes).expect("the proxy reads");
            stream.shutdown(Shutdown::Write).expect("it is open");
        })
    };
    let senders = [
        send(client.try_clone().expect("a descriptor"), there.clone()),
        send(server.try_clone().expect("a descriptor"), back.clone()),
    ];
    let receive = |mut stream: TcpStream| thread::spawn(move || rest(&mut stream));
    let [at_client, at_server] = [client, server].map(receive);
    assert!(at_server.join().expect("it was received") == there);
    assert!(at_client.join().expect("it was received") == back);
    senders.into_iter().for_each(|sender| sender.join().expect("it was sent"));
    wait_for_descriptors(&proxy, before);
}

#[test]
fn the_end_of_either_stream_leaves_the_other_open() {
    let upstream = upstream();
    let proxy = proxy(&[address(&upstream)], "");
    for is_client_first in [true, false] {
        let (client, server) = connect(&proxy, &upstream);
        let (mut first, mut second) =
            if is_client_first { (client, server) } else { (server, client) };
        first.write_all(b"last words").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut second), b"last words");
        // Long after the one end, the other way still works.
        for seed in 0..10 {
            second.write_all(&noise(100_000, seed)).unwrap();
            expect(&mut first, &noise(100_000, seed));
        }
        second.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut first), b"");
    }
}

#[test]
fn an_upstream_may_speak_first() {
    let upstream = upstream();
    let proxy = proxy(&[address(&upstream)], "");
    for _ in 0..20 {
        let mut client = proxy.connect();
        let mut server = accept(&upstream);
        server.write_all(b"220 welcome\r\n").unwrap();
        expect(&mut client, b"220 welcome\r\n");
    }
}

#[test]
fn what_a_client_sends_at_once_and_its_end_are_not_lost() {
    let upstream = upstream();
    let proxy = proxy(&[address(&upstream)], "");
    let mut client = proxy.connect();
    client.write_all(&noise(100_000, 7)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut server = accept(&upstream);
    assert!(rest(&mut server) == noise(100_000, 7));
    server.write_all(b"thank you").unwrap();
    drop(server);
    assert_eq!(rest(&mut client), b"thank you");
}

#[test]
fn a_reset_of_either_side_reaches_the_other_and_nothing_leaks() {
    let upstream = upstream();
    let proxy = proxy(&[address(&upstream)], "");
    let before = proxy.descriptors();
    for is_client_first in [true, false] {
        let (client, server) = connect(&proxy, &upstream);
        let (mut first, mut second) =
            if is_client_first { (client, server) } else { (server, client) };
        first.write_all(b"hello").unwrap();
        expect(&mut second, b"hello");
        reset(first);
        let end = second.read(&mut [0; 16]);
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        wait_for_descriptors(&proxy, before);
    }
}

#[test]
fn an_upstream_that_is_killed_ends_its_clients_clearly() {
    let echo = Example::echo("--tcp 127.0.0.1:0");
    let mut proxy = proxy(&[echo.address("tcp")], "--retry 1h");
    let before = proxy.descriptors();
    let mut clients: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
        expect(client, b"hello");
    }
    assert_eq!(proxy.descriptors(), before + 20);
    drop(echo);
    for client in &mut clients {
        // Its kernel finishes in its name, or resets; either way it is over.
        let end = client.read(&mut [0; 16]);
        let is_reset = |kind| kind == ErrorKind::ConnectionReset;
        assert!(end.as_ref().map_or_else(|error| is_reset(error.kind()), |len| *len == 0));
    }
    drop(clients);
    wait_for_descriptors(&proxy, before);
    assert_eq!(rest(&mut proxy.connect()), b"");
    proxy.wait_for_log("is down: nobody listens there");
    wait_for_descriptors(&proxy, before);
}

#[test]
fn if_nobody_listens_at_one_the_next_is_tried_for_the_same_client() {
    let upstream = upstream();
    let dead = nowhere();
    let mut proxy = proxy(&[dead, address(&upstream)], "--retry 1h");
    for _ in 0..4 {
        let (mut client, mut server) = connect(&proxy, &upstream);
        client.write_all(b"hello").unwrap();
        expect(&mut server, b"hello");
    }
    proxy.wait_for_log(&format!("upstream {dead} is down"));
}

#[test]
fn without_an_upstream_a_client_is_closed_in_good_order() {
    let mut proxy = proxy(&[nowhere(), nowhere()], "--retry 1h");
    let before = proxy.descriptors();
    for _ in 0..5 {
        let mut client = proxy.connect();
        client.write_all(b"anybody there?").unwrap();
        assert_eq!(rest(&mut client), b"");
    }
    proxy.wait_for_log("no upstream is up");
    wait_for_descriptors(&proxy, before);
}

#[test]
fn an_upstream_that_is_up_again_is_found_and_used() {
    let dead = nowhere();
    let mut proxy = proxy(&[dead], "--retry 20ms");
    assert_eq!(rest(&mut proxy.connect()), b"");
    proxy.wait_for_log("is down");
    let upstream = TcpListener::bind(dead).expect("nobody has taken the port");
    proxy.wait_for_log(&format!("upstream {dead} is up again"));
    // The trial was for nobody.
    assert_eq!(rest(&mut accept(&upstream)), b"");
    let (mut client, mut server) = connect(&proxy, &upstream);
    client.write_all(b"hello").unwrap();
    expect(&mut server, b"hello");
}

#[test]
fn clients_go_where_the_fewest_are() {
    let upstreams = [upstream(), upstream()];
    let proxy = proxy(&upstreams.each_ref().map(address), "");
    let before = proxy.descriptors();
    // They come one after the other, and go to the one and the other by turns.
    let pairs = [0, 1, 0, 1].map(|number| connect(&proxy, &upstreams[number]));
    let [first, second, third, fourth] = pairs;
    drop((second, fourth));
    wait_for_descriptors(&proxy, before + 4);
    // The second upstream has two less now.
    let more = [1, 1, 0, 1].map(|number| connect(&proxy, &upstreams[number]));
    assert_eq!(proxy.descriptors(), before + 12);
    drop((first, third, more));
    wait_for_descriptors(&proxy, before);
}

#[test]
fn who_sends_faster_than_the_other_takes_is_held_back() {
    let upstream = upstream();
    let proxy = proxy(&[address(&upstream)], "--write-timeout 1h");
    let (client, mut server) = connect(&proxy, &upstream);
    let bytes = noise(64 * MIB, 3);
    let sent = bytes.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut writer = client.try_clone().expect("a descriptor");
    let writing = thread::spawn(move || {
        for portion in sent.chunks(65_536) {
            writer.write_all(portion).expect("the proxy reads on in the end");
            sender.send(portion.len()).expect("it is listened to");
        }
        writer.shutdown(Shutdown::Write).expect("it is open");
    });
    // What fits into the kernel's buffers goes; then nothing for a while.
    let mut sent_len = 0;
    while let Ok(len) = receiver.recv_timeout(Duration::from_secs(1)) {
        sent_len += len;
    }
    assert!(sent_len < 32 * MIB, "{sent_len} bytes were taken for an upstream that reads nothing");
    assert!(rest(&mut server) == bytes);
    writing.join().expect("it was sent");
}

#[test]
fn a_drain_lets_clients_end_and_the_exit_status_says_so() {
    let upstream = upstream();
    let mut proxy = proxy(&[address(&upstream)], "");
    let (mut client, mut server) = connect(&proxy, &upstream);
    client.write_all(b"hello").unwrap();
    expect(&mut server, b"hello");
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_log("draining");
    server.write_all(&noise(MIB, 5)).unwrap();
    drop(server);
    assert!(rest(&mut client) == noise(MIB, 5));
    drop(client);
    assert_eq!(proxy.wait(), Some(0));
}

#[test]
fn who_does_not_end_is_cut_when_the_drain_times_out() {
    let upstream = upstream();
    let mut proxy = proxy(&[address(&upstream)], "--drain-timeout 300ms");
    let (_client, _server) = connect(&proxy, &upstream);
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.wait(), Some(3));
    proxy.wait_for_log("2 cut at the deadline");
}

#[test]
fn a_proxy_without_an_upstream_is_bad_usage() {
    let (status, said) = run("proxy", "--tcp 127.0.0.1:0");
    assert_eq!(status, Some(2));
    assert_eq!(said, ["error: there is no --upstream (see --help)"]);
    let (status, said) = run("proxy", "--upstream 127.0.0.1:1 --tcp 192.0.2.1:1");
    assert_eq!((status, said.len()), (Some(1), 1), "{said:?}");
}

#[test]
fn every_option_of_the_proxy_is_understood() {
    let line = "--tcp 127.0.0.1:0 --upstream 192.0.2.1:80 --upstream [::1]:80 --retry 2s \
                --connect-timeout 1s --max-connections 7 --high-watermark 1MiB \
                --idle-timeout 30s --write-timeout 2m --drain-timeout 1h";
    let words = line.split_whitespace().map(OsString::from);
    let [listener, first, second] =
        ["127.0.0.1:0", "192.0.2.1:80", "[::1]:80"].map(|at| at.parse().expect("an address"));
    let config = Config {
        max_connections: Some(7),
        max_outbound: 9,
        connect_timeout: Duration::from_secs(1),
        first_frame_timeout: None,
        high_watermark: MIB,
        low_watermark: MIB / 4,
        idle_timeout: Some(Duration::from_secs(30)),
        write_timeout: Some(Duration::from_secs(120)),
        drain_timeout: Duration::from_secs(3600),
        ..Config::default()
    };
    let expected = Settings {
        tcp: vec![listener],
        upstreams: vec![first, second],
        retry: Duration::from_secs(2),
        config,
    };
    assert_eq!(program::read(&mut Options::new(words)), Ok(expected));
}
