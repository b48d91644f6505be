//! A process that was stopped for longer than its timeouts: who has something to be read is served,
//! and not expired.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::client::{Client, End};
use crate::example::Example;

const TIMEOUTS: &str = "--idle-timeout 4s --frame-timeout 4s --write-timeout 4s";
/// Longer than any of them.
const STOPPED: Duration = Duration::from_millis(4_500);

const FRAME: &[u8] = b"\0\0\0\x09what time";

#[test]
fn who_has_sent_something_meanwhile_is_served_after_a_stop() {
    let mut server = Example::echo(&format!("--tcp 127.0.0.1:0 --framing length {TIMEOUTS}"));
    let [mut idle, mut asking, mut amid, mut late] =
        [(); 4].map(|()| Client::to(server.address("tcp")));
    for client in [&mut idle, &mut asking, &mut amid, &mut late] {
        client.send(FRAME);
        client.expect(FRAME);
    }
    let (begin, end) = FRAME.split_at(7);
    amid.send(begin);
    server.signal(Signal::SIGSTOP);
    asking.send(FRAME);
    amid.send(end);
    sleep(STOPPED);
    late.send(FRAME);
    server.signal(Signal::SIGCONT);
    for client in [&mut asking, &mut amid, &mut late] {
        client.expect(FRAME);
        client.send(FRAME);
        client.expect(FRAME);
    }
    // Who has sent nothing is expired as ever.
    assert!(idle.rest().is_empty());
    assert_eq!(idle.end(), Some(End::Finished));
    drop((asking, amid, late));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn stops_without_number_harm_nobody() {
    let mut server = Example::echo("--tcp 127.0.0.1:0");
    let mut client = Client::to(server.address("tcp"));
    for round in 0..200 {
        server.signal(Signal::SIGSTOP);
        let question = format!("question {round}").into_bytes();
        client.send(&question);
        server.signal(Signal::SIGCONT);
        client.expect(&question);
    }
    server.signal(Signal::SIGSTOP);
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGCONT);
    assert!(client.rest().is_empty());
    drop(client);
    assert_eq!(server.wait(), Some(0));
}
