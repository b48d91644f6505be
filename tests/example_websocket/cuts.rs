//! However it is cut, the same is answered.

use windlass::network::{PeerState, SimPeer};

use super::fixture::{World, all_cuts, pieces, secs};
use super::{OPENED, closed, frame, request, take, text, world};

/// What a new peer is told that sends `before` whole and then these pieces, each when all before it
/// was seen to, and finishes; and how its connection ended.
fn hear(world: &mut World, before: &[u8], pieces: &[&[u8]]) -> (String, PeerState) {
    let peer: SimPeer = world.join();
    for piece in [before].iter().chain(pieces).filter(|piece| !piece.is_empty()) {
        world.network.send_from(peer, piece);
        world.settle();
    }
    world.network.finish(peer);
    world.run_for(secs(3));
    (take(world, peer), world.network.state(peer))
}

/// What is heard for `stream` behind `before`, whole: the same must be heard for every cut.
fn same_for_every_cut(before: &str, stream: &[u8]) -> String {
    let mut world = world("--max-frame 200 --max-message 300");
    let whole = hear(&mut world, before.as_bytes(), &[stream]);
    for cuts in all_cuts(stream.len()) {
        let heard = hear(&mut world, before.as_bytes(), &pieces(stream, &cuts));
        assert_eq!(heard, whole, "{} cut at {cuts:?}", stream.escape_ascii());
    }
    let opened = OPENED.as_bytes().escape_ascii().to_string();
    whole.0.strip_prefix(&opened).expect("the socket was opened").to_owned()
}

/// The end of a connection that its peer has closed with `close_of_peer`.
fn bye() -> Vec<u8> {
    frame(0x88, b"\x03\xe8bye")
}

#[test]
fn a_socket_is_opened_and_used_the_same_whatever_the_cut() {
    let stream = [request("/echo").as_bytes(), &text("h\u{e9}llo"), &bye(), b"never"].concat();
    let heard = same_for_every_cut("", &stream);
    let expected = r"\x81\x06h\xc3\xa9llo".to_owned() + &closed(1000, "");
    assert_eq!(heard, expected, "what came behind the request was read as frames");
}

#[test]
fn frames_are_echoed_the_same_whatever_the_cut() {
    let request = request("/echo");
    for (stream, expected) in [
        (
            [text(""), frame(0x82, b"\xff\0"), frame(0x89, b"?")].concat(),
            r"\x81\x00\x82\x02\xff\x00\x8a\x01?",
        ),
        // A message in fragments, cut inside a character, with a ping between them.
        (
            [frame(0x01, b"a\xe2"), frame(0x89, b""), frame(0x00, b"\x82"), frame(0x80, b"\xacz")]
                .concat(),
            r"\x8a\x00\x81\x05a\xe2\x82\xacz",
        ),
        (
            [frame(0x02, b"\xff"), frame(0x8a, b"!"), frame(0x80, b"\xfe")].concat(),
            r"\x82\x02\xff\xfe",
        ),
        ([text("cut"), text("short")[..8].to_vec()].concat(), r"\x81\x03cut"),
    ] {
        assert_eq!(same_for_every_cut(&request, &stream), expected);
    }
    // A length in two bytes.
    let long = "x".repeat(150);
    assert_eq!(same_for_every_cut(&request, &text(&long)), format!(r"\x81~\x00\x96{long}"));
}

#[test]
fn what_breaks_a_rule_is_closed_with_the_same_code_whatever_the_cut() {
    let request = request("/echo");
    let broken = |why| closed(1002, why);
    for (bad, expected) in [
        (frame(0xc1, b"a"), broken("a reserved bit is set, and no extension is used")),
        (frame(0x83, b"a"), broken("the opcode is reserved")),
        (b"\x81\x01a".to_vec(), broken("a client's frame must be masked")),
        (frame(0x09, b"a"), broken("a control frame must be in one piece")),
        (frame(0x89, &[0; 126]), broken("a control frame has 125 bytes at most")),
        (b"\x81\xfe\0\x01MASKa".to_vec(), broken("the length is not in its shortest form")),
        (
            b"\x81\xff\xff\0\0\0\0\0\0\0MASK".to_vec(),
            broken("the highest bit of the length is set"),
        ),
        (frame(0x80, b"a"), broken("there is no message to be continued")),
        ([frame(0x01, b"a"), text("b")].concat(), broken("the message before has not ended")),
        (frame(0x88, b"\x03"), broken("a close frame of one byte")),
        (frame(0x88, b"\x03\xed"), broken("a close frame must not have this code")),
        (frame(0x88, b"\x03\xe8\xff"), closed(1007, "text that is not UTF-8")),
        (frame(0x81, b"a\xff"), closed(1007, "text that is not UTF-8")),
        (
            [frame(0x01, b"\xc3"), frame(0x80, b"a")].concat(),
            closed(1007, "text that is not UTF-8"),
        ),
        (frame(0x82, &[0; 201])[..8].to_vec(), closed(1009, "the frame is too long")),
    ] {
        let stream = [text("ok"), bad, text("never")].concat();
        let heard = same_for_every_cut(&request, &stream);
        assert_eq!(heard, format!(r"\x81\x02ok{expected}"), "{}", stream.escape_ascii());
    }
}
