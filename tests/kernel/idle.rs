//! A server that has nothing to do does nothing, and one whose log nobody reads goes on.

use std::io;
use std::net::UdpSocket;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::example::{Example, PATIENCE, wait_until};
use crate::form;
use crate::strace::{self, Tracer};
use crate::talks::{CHAT, ECHO, EMBEDDED, MIDDLEWARE, OFFLOAD, PROXY, Talk};

/// Says nothing, with clients that say nothing.
fn idle(talk: &Talk) {
    let stage = talk.start();
    let mut clients: Vec<Client> =
        (0..100).map(|_| Client::to(stage.server.address("tcp"))).collect();
    for client in &mut clients {
        talk.ask(client, 0);
        client.received_until(1);
    }
    let served = stage.server.descriptors();
    talk.serve_honest(&stage.server, 0);
    wait_until("who was served has gone", || stage.server.descriptors() == served);
    let tracer = Tracer::attach(&stage.server, &[]);
    let before = tracer.len_at_rest();
    sleep(Duration::from_secs(form::amount(1, 10) as u64));
    let calls = tracer.calls();
    assert_eq!(calls.len(), before, "{} does something:\n{calls}", talk.name);
    drop(clients);
}

#[test]
fn nothing_is_called_while_nothing_happens() {
    if strace::is_there() {
        form::at_once(&[&ECHO, &PROXY, &MIDDLEWARE, &OFFLOAD, &EMBEDDED, &CHAT], |talk| idle(talk));
    }
}

#[test]
fn a_log_whose_reader_has_gone_harms_nobody() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut server = Example::echo_with_stderr("--tcp 127.0.0.1:0 --log", writer);
    for _ in 0..10 {
        let mut client = Client::to(server.address("tcp"));
        client.send(b"hello");
        client.finish();
        assert_eq!(client.rest(), b"hello");
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

/// How many datagrams the kernel has dropped, since there was no room for them at the socket.
fn dropped(server: &Example) -> u64 {
    let port = format!("{:04X}", server.address("udp").port());
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let local = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    let line = table.lines().find(|line| local(line).is_some_and(|at| at.ends_with(&port)));
    line.unwrap().split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn a_burst_that_is_too_much_for_the_kernel_harms_nobody() {
    let mut server = Example::echo("--udp 127.0.0.1:0");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address("udp")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    server.signal(Signal::SIGSTOP);
    let burst = form::amount(10_000, 100_000);
    (0..burst).for_each(|_| _ = socket.send(&[b'x'; 1_000]).unwrap());
    server.signal(Signal::SIGCONT);
    let mut room = [0; 2_000];
    assert_eq!(socket.recv(&mut room).unwrap(), 1_000, "what fitted in is answered");
    let lost = dropped(&server);
    assert!(lost > 0, "there was no burst");
    // What else comes back may not fit in here, so that the question is asked again.
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    wait_until("who comes afterwards is answered", || {
        socket.send(b"still there?").unwrap();
        while let Ok(len) = socket.recv(&mut room) {
            if &room[..len] == b"still there?" {
                return true;
            }
        }
        false
    });
    form::say(format_args!("burst: {burst} datagrams, {lost} dropped by the kernel"));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}
