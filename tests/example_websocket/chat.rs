//! What is said in the chat, and to whom.

use windlass::network::PeerState;

use super::fixture::secs;
use super::{OPENED, ask, closed, frame, open, request, send, shown, take, text, world};

#[test]
fn what_is_said_is_said_to_everybody_in_the_chat() {
    let mut world = world("");
    let (one, echo) = (open(&mut world, "/chat"), open(&mut world, "/echo"));
    let other = open(&mut world, "/chat");
    assert_eq!(take(&mut world, one), shown("* guest2 is here: 2 in all"));
    assert_eq!(ask(&mut world, one, &text("hello")), shown("guest1: hello"));
    assert_eq!(take(&mut world, other), shown("guest1: hello"));
    let parts = [frame(0x01, b"h\xc3"), frame(0x80, b"\xbc")].concat();
    assert_eq!(ask(&mut world, other, &parts), shown("guest2: h\u{fc}"));
    assert_eq!(take(&mut world, one), shown("guest2: h\u{fc}"));
    send(&mut world, one, &frame(0x88, b""));
    assert_eq!(take(&mut world, one), r"\x88\x00");
    world.network.finish(one);
    world.settle();
    assert_eq!(take(&mut world, other), shown("* guest1 has left: 1 in all"));
    assert_eq!(take(&mut world, echo), "", "it is not in the chat");
}

#[test]
fn what_cannot_be_said_is_told_to_who_says_it() {
    let mut world = world("");
    let (one, other) = (open(&mut world, "/chat"), open(&mut world, "/chat"));
    take(&mut world, one);
    let notice = shown("* more than 2048 bytes: nobody heard that");
    assert_eq!(ask(&mut world, one, &text(&"x".repeat(2049))), notice);
    assert_eq!(ask(&mut world, one, &frame(0x82, b"x")), closed(1003, "only text can be said"));
    assert_eq!(take(&mut world, other), "");
}

#[test]
fn who_does_not_read_misses_what_is_said_or_is_closed() {
    for (slow, is_there) in [("skip", true), ("close", false)] {
        let mut world = world(&format!("--slow {slow} --high-watermark 4KiB"));
        world.network.set_pipe_len(1024);
        let (one, other) = (open(&mut world, "/chat"), open(&mut world, "/chat"));
        world.network.stall(other);
        let said = text(&"x".repeat(1000));
        for _ in 0..20 {
            send(&mut world, one, &said);
        }
        let has_heard = |heard: Vec<u8>| heard.windows(7).filter(|word| word == b"guest1:").count();
        assert_eq!(has_heard(world.network.take_received(one)), 20);
        world.network.resume(other);
        world.settle();
        let is_reset = matches!(world.network.state(other), PeerState::Reset);
        assert_eq!(!is_reset, is_there, "{slow}");
        if is_there {
            let heard = has_heard(world.network.take_received(other));
            assert!((4..10).contains(&heard), "{heard}");
        }
    }
}

#[test]
fn a_drain_tells_everybody_that_the_server_goes_down() {
    let mut world = world("");
    let peers = [open(&mut world, "/chat"), open(&mut world, "/echo"), open(&mut world, "/chat")];
    // A message that was begun does not hold it up.
    send(&mut world, peers[1], &frame(0x01, b"a"));
    let _ = peers.map(|peer| take(&mut world, peer));
    world.network.raise_signal();
    world.settle();
    for peer in peers {
        assert_eq!(take(&mut world, peer), closed(1001, "the server goes down"));
        send(&mut world, peer, &frame(0x88, b"\x03\xe9"));
        world.network.finish(peer);
    }
    let report = world.run_to_the_end(secs(5));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_socket_that_is_opened_in_a_drain_is_told_so() {
    let mut world = world("");
    let (early, idle) = (world.join(), open(&mut world, "/echo"));
    let request = request("/chat");
    let (begun, rest) = request.split_at(20);
    send(&mut world, early, begun.as_bytes());
    world.network.raise_signal();
    world.settle();
    world.network.finish(idle);
    send(&mut world, early, rest.as_bytes());
    let heard = world.network.take_received(early);
    let behind = heard.strip_prefix(OPENED.as_bytes()).expect("it is opened").escape_ascii();
    assert_eq!(behind.to_string(), closed(1001, "the server goes down"));
    world.network.finish(early);
    assert!(world.run_to_the_end(secs(5)).is_clean());
}

#[test]
fn a_page_that_is_asked_for_in_a_drain_is_the_last() {
    let mut world = world("");
    let peer = world.join();
    send(&mut world, peer, b"GET / HTTP/1.1\r\n");
    world.network.raise_signal();
    world.settle();
    assert!(ask(&mut world, peer, b"Host: a\r\n\r\n").contains("Connection: close"));
}

#[test]
fn who_says_much_at_once_keeps_nobody_from_saying_something() {
    let mut world = world("");
    let guests: Vec<_> = (0..200).map(|_| open(&mut world, "/chat")).collect();
    let (one, other) = (guests[0], guests[1]);
    // More than the commands that can wait, and each turn there is time for a few.
    world.network.send_from(one, &text("x").repeat(100_000));
    for _ in 0..300 {
        world.turn(secs(1));
    }
    take(&mut world, other);
    world.network.send_from(other, &text("hello"));
    for _ in 0..10 {
        world.turn(secs(1));
    }
    assert!(take(&mut world, other).contains("guest2: hello"));
}

#[test]
fn a_chat_that_is_full_lets_nobody_in_until_somebody_leaves() {
    let mut world = world("--max-guests 2");
    let [one, _] = [(); 2].map(|()| open(&mut world, "/chat"));
    let full = format!("{}{}", OPENED.as_bytes().escape_ascii(), closed(1013, "the chat is full"));
    let third = world.join();
    assert_eq!(ask(&mut world, third, request("/chat").as_bytes()), full);
    open(&mut world, "/echo");
    world.network.finish(one);
    world.settle();
    open(&mut world, "/chat");
}
