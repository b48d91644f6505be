//! The example `kv` on the simulated network: several connections on one store, its clock, and
//! requests that are cut anywhere.

#[path = "../examples/kv/main.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod kv;

#[path = "example_kv/channels.rs"]
mod channels;
#[path = "example_kv/connections.rs"]
mod connections;
#[path = "example_kv/cuts.rs"]
mod cuts;
mod fixture;
#[path = "example_kv/lives.rs"]
mod lives;
#[path = "example_kv/transactions.rs"]
mod transactions;

use std::ffi::OsString;

use windlass::network::{SimNetwork, SimPeer};

use fixture::{World, address};

/// The time at which every world begins, in milliseconds since 1970.
const EPOCH: u64 = 1_000_000_000;

/// The server with these options, in a world.
fn world(options: &str) -> World {
    let line = format!("--tcp {} {options}", address(0));
    let words = line.split_whitespace().map(OsString::from);
    let settings = kv::read(&mut kv::common::Options::new(words));
    let settings = settings.expect("the options are understood");
    let settings = kv::Settings { epoch: EPOCH, ..settings };
    let config = settings.config.clone();
    let server = kv::server(settings);
    World::of(SimNetwork::new(1), config, None, |_| server)
}

/// What is answered to a command, or to several lines of them, as a person types them.
fn ask(world: &mut World, peer: SimPeer, line: &str) -> String {
    send(world, peer, format!("{line}\r\n").as_bytes())
}

/// What is heard once these bytes were sent.
fn send(world: &mut World, peer: SimPeer, bytes: &[u8]) -> String {
    world.network.send_from(peer, bytes);
    world.settle();
    heard(world, peer)
}

/// What has come since it was asked last, with the ends of lines as blanks.
fn heard(world: &mut World, peer: SimPeer) -> String {
    let received = world.network.take_received(peer);
    String::from_utf8_lossy(&received).replace("\r\n", " ").trim_end().to_owned()
}
