//! As many clients at once as a server takes by default: all are served, and a drain lets all go in
//! good order.

use std::net::{SocketAddr, TcpStream};
use std::time::Instant;
use std::{fs, thread};

use nix::sys::signal::Signal;

use crate::client::{Client, End};
use crate::example::{Example, wait_until};
use crate::form;

#[test]
fn all_who_are_held_at_once_are_served_and_drained() {
    let count = form::amount(500, 10_000);
    let mut server = Example::echo("--tcp 127.0.0.1:0 --drain-timeout 50s");
    let base = server.descriptors();
    let begin = Instant::now();
    let mut clients: Vec<Client> = (0..count).map(|_| Client::to(server.address("tcp"))).collect();
    for round in 0..3 {
        let question = |number| format!("client {number}, question {round}").into_bytes();
        clients.iter_mut().zip(0..).for_each(|(client, number)| client.send(&question(number)));
        for (client, number) in clients.iter_mut().zip(0..) {
            client.expect(&question(number));
        }
    }
    assert_eq!(server.descriptors(), base + count);
    let served = begin.elapsed();
    server.signal(Signal::SIGTERM);
    for client in &mut clients {
        assert!(client.rest().is_empty());
        assert_eq!(client.end(), Some(End::Finished));
    }
    drop(clients);
    assert_eq!(server.wait(), Some(0));
    server.wait_for_log(&format!("draining {count} connections"));
    server.wait_for_log(&format!(": {count} finished"));
    let all = begin.elapsed();
    form::say(format_args!("held: {count} at once, served in {served:.1?}, gone in {all:.1?}"));
}

/// Peers that have connected, and whom the server has not seen since it is stopped.
fn queued(server: &Example, count: usize) -> Vec<Client> {
    server.signal(Signal::SIGSTOP);
    (0..count).map(|_| Client::to(server.address("tcp"))).collect()
}

#[test]
fn who_had_asked_before_the_signal_is_answered() {
    let count = form::amount(100, 1_000);
    let mut server = Example::echo("--tcp 127.0.0.1:0");
    let mut clients = queued(&server, count);
    clients.iter_mut().for_each(|client| client.send(b"before the signal"));
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGCONT);
    for client in &mut clients {
        assert_eq!(client.rest(), b"before the signal");
        assert_eq!(client.end(), Some(End::Finished));
    }
    drop(clients);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn who_was_reset_in_the_queue_is_in_nobodys_way() {
    let server = Example::echo("--tcp 127.0.0.1:0");
    let base = server.descriptors();
    let mut clients = queued(&server, form::amount(100, 1_000));
    let mut last = clients.pop().unwrap();
    clients.into_iter().for_each(Client::reset);
    last.send(b"let me in");
    server.signal(Signal::SIGCONT);
    last.expect(b"let me in");
    drop(last);
    wait_until("all are gone", || server.descriptors() == base);
}

/// How many peers are in a listener's queue.
fn queue_len(server: &Example) -> usize {
    let port = format!(":{:04X}", server.address("tcp").port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
    // Listening is state 10.
    let row = rows.into_iter().find(|row| row[1].ends_with(&port) && row[3] == "0A").unwrap();
    usize::from_str_radix(row[4].split_once(':').unwrap().1, 16).unwrap()
}

#[test]
fn who_finds_the_queue_full_is_served_when_there_is_room() {
    let server = Example::echo("--tcp 127.0.0.1:0 --backlog 8");
    let address = server.address("tcp");
    server.signal(Signal::SIGSTOP);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(move || {
                let mut client = Client::to(address);
                client.send(b"let me in");
                client.expect(b"let me in");
            });
        }
        // Linux lets one more in.
        wait_until("the queue is full", || queue_len(&server) == 9);
        server.signal(Signal::SIGCONT);
    });
}

#[test]
fn a_server_is_started_anew_where_it_was() {
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    for round in 0..form::amount(5, 100) {
        let mut server = Example::echo(&format!("--tcp {address}"));
        address = server.address("tcp");
        let mut clients = [(); 5].map(|()| Client::to(address));
        clients.iter_mut().for_each(|client| client.send(b"hello"));
        clients.iter_mut().for_each(|client| client.expect(b"hello"));
        // It closes first, so that it is its side of a connection that lingers in the kernel.
        server.signal(Signal::SIGTERM);
        clients.iter_mut().for_each(|client| assert!(client.rest().is_empty()));
        drop(clients);
        assert_eq!(server.wait(), Some(0), "round {round}");
        assert!(TcpStream::connect(address).is_err());
    }
}
