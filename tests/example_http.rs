//! The example `http` on the simulated network: what it answers to all that is a request, and to
//! what is none, however it is cut.

#[path = "../examples/http/main.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod http;

mod fixture;
#[path = "example_http/bodies.rs"]
mod bodies;
#[path = "example_http/files.rs"]
mod files;
#[path = "example_http/lives.rs"]
mod lives;
#[path = "example_http/refusals.rs"]
mod refusals;
#[path = "example_http/requests.rs"]
mod requests;

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use windlass::network::{PeerState, SimNetwork, SimPeer};

use fixture::{World, address, all_cuts, pieces, secs};

/// The date of all answers.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn settings(options: &str) -> http::Settings {
    let line = format!("--tcp {} {options}", address(0));
    let words = line.split_whitespace().map(OsString::from);
    let settings = http::read(&mut http::common::Options::new(words));
    settings.expect("the options are understood")
}

/// The server with these options, in a world.
fn world(options: &str) -> World {
    let settings = settings(options);
    let config = settings.config.clone();
    let server = http::server(settings, wall).expect("the files are there");
    World::of(SimNetwork::new(1), config, None, |_| server)
}

/// What a new client hears that sends these pieces, each when all before it was seen to, and what
/// has become of its connection.
fn hear(world: &mut World, pieces: &[&[u8]]) -> (String, PeerState) {
    let peer = world.join();
    for piece in pieces {
        world.network.send_from(peer, piece);
        world.settle();
    }
    world.run_for(secs(3));
    let heard = take(world, peer);
    let state = world.network.state(peer);
    world.network.finish(peer);
    world.run_for(secs(3));
    (heard, state)
}

fn take(world: &mut World, peer: SimPeer) -> String {
    String::from_utf8(world.network.take_received(peer)).expect("answers are text here")
}

/// What is heard on one connection, whole.
fn ask(world: &mut World, stream: &str) -> String {
    hear(world, &[stream.as_bytes()]).0
}

/// Asserts that the same is heard however `stream` is cut, if what is heard is looked at like this,
/// and says what that is.
fn same_for_every_cut(
    world: &mut World,
    stream: &[u8],
    look: impl Fn(&str) -> String,
) -> (String, PeerState) {
    let (heard, state) = hear(world, &[stream]);
    let whole = (look(&heard), state);
    for cuts in all_cuts(stream.len()) {
        let (heard, state) = hear(world, &pieces(stream, &cuts));
        assert_eq!((look(&heard), state), whole, "{} cut at {cuts:?}", stream.escape_ascii());
    }
    whole
}

/// The status in the first line of an answer.
fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or("no answer")
}

/// The value of a field of the first answer, if it is there.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head has an end");
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// What follows on the head of the first answer.
fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head has an end").1
}
