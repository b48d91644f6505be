//! Nothing reaches the handler before a peer has proved who it is.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use windlass::middleware::{Authenticate, Identity, Login, constant_time_eq};
use windlass::network::{SimNetwork, SimPeer};
use windlass::{Error, Session};

use crate::fixture::{Call, Scripted, What, echo, ignore, millis, panic_quietly, secs};
use crate::gated::{Gated, quiet};

const MINUTE: Duration = Duration::from_secs(60);

fn authenticate() -> Authenticate {
    let check = |line: &[u8]| match line.strip_prefix(b"key ") {
        Some(key) if constant_time_eq(key, b"sesame") => Login::Accepted("ali".into()),
        _ => Login::Rejected,
    };
    Authenticate::new(move |_, line| check(line)).accepted("welcome\n").rejected("no\n")
}

fn behind(layer: Authenticate) -> Gated {
    Gated::behind(|server| server.middleware(layer))
}

/// Whether the connection has ended, why, and what the peer was told since it was last asked.
fn end(gated: &mut Gated, peer: SimPeer) -> String {
    assert!(!gated.is_open(peer), "it was closed");
    gated.answer(peer)
}

fn frame(text: &'static str) -> What {
    What::Frame(Bytes::from(text))
}

#[test]
fn the_handler_hears_of_a_peer_when_it_has_logged_in() {
    let mut gated = behind(authenticate());
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "hello\n");
    assert_eq!((gated.seen(peer), &gated.answer(peer)[..]), (vec![], "no\n"));
    gated.world.run_for(secs(1));
    // The rest of what came with the key is the handler's.
    gated.send(peer, "key sesame\nhello\n");
    assert_eq!(gated.answer(peer), "welcome\nhello\n");
    assert_eq!(gated.seen(peer), [What::Opened, frame("hello")]);
    gated.send(peer, "key sesame\n");
    assert_eq!(gated.answer(peer), "key sesame\n", "an ordinary frame now");
    gated.leave(peer);
    assert_eq!(gated.seen(peer).last(), Some(&What::Closed("peer finished")));
}

#[test]
fn the_handler_knows_who_it_is() {
    let expected = Identity { name: "ali".into(), by: "Authenticate" };
    let check = move |session: &mut Session<'_, Scripted>, call: Call<'_>| -> Result<(), Error> {
        assert_eq!(session.context().identity(), Some(&expected), "{call:?}");
        echo(session, call)
    };
    let network = SimNetwork::new(1);
    let mut gated = Gated::with_handler(network, quiet(), Scripted::new(check), |server, lines| {
        server.listen(lines.middleware(authenticate()))
    });
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "key sesame\nhello\n");
    gated.leave(peer);
    let closed = What::Closed("peer finished");
    assert_eq!(gated.seen(peer), [What::Opened, frame("hello"), What::Ended, closed]);
}

#[test]
fn it_makes_no_difference_how_the_bytes_were_cut() {
    for cut in 1..18 {
        let mut gated = behind(authenticate());
        let peer = gated.join("198.51.100.1:4000");
        for part in "key sesame\nhello\n".as_bytes().chunks(cut) {
            gated.send(peer, str::from_utf8(part).expect("ASCII"));
        }
        assert_eq!(gated.answer(peer), "welcome\nhello\n", "{cut} at a time");
    }
}

#[test]
fn whoever_leaves_before_was_never_there_for_the_handler() {
    let mut gated = behind(authenticate());
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "key ses");
    gated.leave(peer);
    // What it left is a line, and a wrong key, after which nothing is read for a second.
    assert_eq!(gated.answer(peer), "no\n");
    gated.world.run_for(secs(1));
    assert_eq!((gated.seen(peer), gated.world.open_len()), (vec![], 0));
}

#[test]
fn after_a_wrong_key_nothing_is_read_for_a_while_and_the_third_ends_it() {
    let mut gated = behind(authenticate());
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "key 1\nkey 2\nkey 3\nkey sesame\n");
    assert_eq!(gated.answer(peer), "no\n");
    gated.world.run_for(millis(999));
    assert_eq!(gated.answer(peer), "");
    gated.world.run_for(millis(1));
    assert_eq!(gated.answer(peer), "no\n");
    assert!(gated.is_open(peer));
    gated.world.run_for(secs(1));
    assert_eq!(end(&mut gated, peer), "no\n");
    assert_eq!(gated.seen(peer), []);
}

#[test]
fn whoever_does_not_log_in_in_time_is_closed_and_whoever_does_is_not() {
    let mut gated = behind(authenticate().deadline(secs(5)));
    let mute = gated.join("198.51.100.1:4000");
    let guest = gated.join("198.51.100.1:4001");
    gated.world.run_for(millis(4_999));
    gated.send(guest, "key sesame\n");
    // Half a frame is no excuse.
    gated.send(mute, "key ses");
    assert!(gated.is_open(mute));
    gated.world.run_for(millis(1));
    assert_eq!(end(&mut gated, mute), "");
    gated.world.run_for(MINUTE);
    assert!(gated.is_open(guest));
}

#[test]
fn long_frames_are_refused_before_the_login_and_not_after() {
    let mut gated = behind(authenticate().max_frame_len(20));
    let long = "x".repeat(30);
    let whole = gated.join("198.51.100.1:4000");
    gated.send(whole, &format!("{long}\n"));
    assert_eq!(end(&mut gated, whole), "");
    let begun = gated.join("198.51.100.1:4001");
    gated.send(begun, &long);
    assert_eq!(end(&mut gated, begun), "");
    let fits = gated.join("198.51.100.1:4002");
    gated.send(fits, &format!("{}\n", "x".repeat(19)));
    assert_eq!(gated.answer(fits), "no\n");
    let guest = gated.join("198.51.100.1:4003");
    gated.send(guest, &format!("key sesame\n{long}\n"));
    assert_eq!(gated.answer(guest), format!("welcome\n{long}\n"));
}

#[test]
fn an_address_that_failed_too_often_is_not_even_asked() {
    let layer = authenticate().tries_per_address(2, MINUTE).penalty(Duration::ZERO);
    let mut gated = behind(layer);
    let early = gated.join("198.51.100.1:3999");
    gated.send(early, "key sesame\n");
    for port in 4000..4002 {
        let peer = gated.join(&format!("198.51.100.1:{port}"));
        gated.send(peer, "key 1\n");
        assert_eq!(gated.answer(peer), "no\n");
    }
    let locked_out = gated.join("198.51.100.1:4002");
    gated.send(locked_out, "key sesame\n");
    assert_eq!(end(&mut gated, locked_out), "no\n");
    let other = gated.join("198.51.100.2:4000");
    gated.send(other, "key sesame\n");
    assert_eq!(gated.answer(other), "welcome\n");
    // Whoever is in is not bothered; and those outside are forgiven with time.
    gated.send(early, "hello\n");
    assert_eq!(gated.answer(early), "welcome\nhello\n");
    gated.world.run_for(MINUTE / 2);
    let again = gated.join("198.51.100.1:4003");
    gated.send(again, "key sesame\n");
    assert_eq!(gated.answer(again), "welcome\n");
}

#[test]
fn those_who_log_in_do_not_count_as_tries() {
    let mut gated = behind(authenticate().tries_per_address(1, MINUTE));
    for port in 4000..4020 {
        let peer = gated.join(&format!("198.51.100.1:{port}"));
        gated.send(peer, "key sesame\n");
        assert_eq!(gated.answer(peer), "welcome\n");
    }
}

#[test]
fn a_login_may_take_several_frames() {
    struct Name(String);
    let layer = Authenticate::new(|connection, line| {
        let line = String::from_utf8_lossy(line).into_owned();
        match connection.value::<Name>() {
            None => {
                connection.set_value(Name(line));
                connection.send("password?\n".into());
                Login::Unfinished
            }
            Some(Name(name)) if line == "sesame" => Login::Accepted(name.clone()),
            Some(_) => Login::Rejected,
        }
    });
    let handler = Scripted::new(|session: &mut Session<'_, Scripted>, call| match call {
        Call::Open => {
            let name = session.context().identity().map(|identity| identity.name.clone());
            session.send(&name.unwrap_or_default())
        }
        call => ignore(session, call),
    });
    let network = SimNetwork::new(1);
    let mut gated = Gated::with_handler(network, quiet(), handler, |server, lines| {
        server.middleware(layer.accepted("welcome ")).listen(lines)
    });
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "morgiana\n");
    assert_eq!((gated.seen(peer), &gated.answer(peer)[..]), (vec![], "password?\n"));
    gated.send(peer, "sesame\n");
    assert_eq!(gated.answer(peer), "welcome morgiana\n");
}

#[test]
fn a_check_that_panics_lets_nobody_in() {
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let mut gated = behind(Authenticate::new(move |_, _| {
        count.set(count.get() + 1);
        panic_quietly()
    }));
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "key sesame\nhello\n");
    assert_eq!(end(&mut gated, peer), "");
    assert_eq!((gated.seen(peer), calls.get()), (vec![], 1));
}

#[test]
fn a_datagram_proves_nothing() {
    let mut gated = behind(authenticate());
    assert!(!gated.datagram_passes("198.51.100.1:53", b"key sesame"));
    let peer = gated.join("198.51.100.1:53");
    gated.send(peer, "key sesame\n");
    assert!(!gated.datagram_passes("198.51.100.1:53", b"hello"));
}
