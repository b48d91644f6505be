//! The example `websocket` on the simulated network: what it answers to frames as they may be, and
//! to those that may not, however they are cut; whom it tells what, and whom it gives up when.

#[path = "../examples/websocket/main.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod websocket;

#[path = "example_websocket/chat.rs"]
mod chat;
#[path = "example_websocket/cuts.rs"]
mod cuts;
mod fixture;
#[path = "example_websocket/limits.rs"]
mod limits;
#[path = "example_websocket/requests.rs"]
mod requests;

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use windlass::network::{SimNetwork, SimPeer};

use fixture::{World, address};

/// The fields of a request for a socket, but for the path. Its key is that of RFC 6455, section
/// 1.3.
const FIELDS: &str = "Host: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// What it is answered.
const OPENED: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// The server with these options, in a world.
fn world(options: &str) -> World {
    let line = format!("--tcp {} {options}", address(0));
    let words = line.split_whitespace().map(OsString::from);
    let settings = websocket::read(&mut websocket::common::Options::new(words));
    let settings = settings.expect("the options are understood");
    let config = settings.config.clone();
    let server = websocket::server(settings, wall);
    World::of(SimNetwork::new(1), config, None, |_| server)
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{FIELDS}")
}

/// A new peer with a socket at this path.
fn open(world: &mut World, path: &str) -> SimPeer {
    let peer = world.join();
    send(world, peer, request(path).as_bytes());
    let opened = world.network.take_received(peer);
    let behind = opened.strip_prefix(OPENED.as_bytes()).expect("it is answered").to_vec();
    if path == "/chat" {
        assert!(behind.starts_with(b"\x81"), "the guest is welcomed");
    }
    peer
}

fn send(world: &mut World, peer: SimPeer, bytes: &[u8]) {
    world.network.send_from(peer, bytes);
    world.settle();
}

/// What a peer has received since it was looked at last.
fn take(world: &mut World, peer: SimPeer) -> String {
    world.network.take_received(peer).escape_ascii().to_string()
}

/// What a peer receives for these bytes.
fn ask(world: &mut World, peer: SimPeer, bytes: &[u8]) -> String {
    send(world, peer, bytes);
    take(world, peer)
}

/// A client's frame, with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | u8::try_from(len).expect("it is short")),
        len @ 126..65_536 => {
            frame.push(0xfe);
            frame.extend(u16::try_from(len).expect("it is not long").to_be_bytes());
        }
        len => {
            frame.push(0xff);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// A server's frame of text, as [`take`] shows it.
fn shown(text: &str) -> String {
    let len = u8::try_from(text.len()).expect("it is short");
    assert!(len < 126, "it is short");
    [&[0x81, len], text.as_bytes()].concat().escape_ascii().to_string()
}

/// A server's close frame, as [`take`] shows it.
fn closed(code: u16, reason: &str) -> String {
    let len = u8::try_from(2 + reason.len()).expect("it is short");
    [&[0x88, len], &code.to_be_bytes()[..], reason.as_bytes()].concat().escape_ascii().to_string()
}
