//! The server inside a program with a loop of its own, both ways.

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::example::Example;

const WAYS: [&str; 2] = ["", "--by-descriptor"];

fn embedded(options: &str) -> Example {
    Example::of("embedded", &format!("--tcp 127.0.0.1:0 {options}"))
}

/// Reads until the world is seen in which players stand on these fields, of 32.
fn watch_for(client: &mut Client, players: &[usize]) {
    let mut fields = [b'0'; 32];
    players.iter().for_each(|field| fields[*field] += 1);
    let world = String::from_utf8_lossy(&fields).replace('0', ".");
    loop {
        let line = client.line();
        assert!(!line.is_empty(), "the world came to an end");
        if line.strip_prefix("tick ").is_some_and(|tick| tick.ends_with(&format!(": {world}"))) {
            return;
        }
    }
}

#[test]
fn everybody_sees_the_world_move() {
    for way in WAYS {
        let mut server = embedded(&format!("--tick 1ms {way}"));
        let mut one = Client::to(server.address("tcp"));
        watch_for(&mut one, &[16]);
        let mut other = Client::to(server.address("tcp"));
        watch_for(&mut one, &[16, 16]);
        one.send("left\nleft\n");
        other.send("right\n");
        watch_for(&mut one, &[14, 17]);
        watch_for(&mut other, &[14, 17]);
        drop(other);
        watch_for(&mut one, &[14]);
        server.signal(Signal::SIGINT);
        one.rest();
        drop(one);
        assert_eq!(server.wait(), Some(0), "{way}");
    }
}

#[test]
fn peers_and_signals_are_served_between_two_ticks() {
    let mut server = embedded("--tick 1h --by-descriptor");
    let mut client = Client::to(server.address("tcp"));
    for _ in 0..3 {
        client.send("up\n");
        client.expect(&["send left or right"]);
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(client.rest(), "");
    drop(client);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn the_second_signal_stops_the_program() {
    for way in WAYS {
        let mut server = embedded(&format!("--tick 1ms --drain-timeout 1h {way}"));
        let mut client = Client::to(server.address("tcp"));
        // Half of a line, for the rest of which a drain waits.
        client.send("up\nlef");
        while client.line() != "send left or right" {}
        server.signal(Signal::SIGTERM);
        server.wait_for_log("draining 1 connections");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), Some(3), "{way}");
    }
}
