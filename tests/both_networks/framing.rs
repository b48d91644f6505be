//! Each codec: echo, pipelining, frames that are cut anywhere, and bytes that are no frame.

use windlass::{ByteLines, Delimited, Fixed, LengthPrefixed, Lines, Raw, Server, Varint};

use crate::fixture::{Framing, Scripted, echo, frame, pattern};
use crate::play::Play;
use crate::run::{on_both, quiet};

/// Plays a script with a server that echoes, with this codec.
#[track_caller]
fn echoed<C: Framing>(codec: C, script: impl Fn(&mut Play), expected: &[&str]) {
    let server = move |journal: &_| {
        let handler = Scripted::<C>::new(echo).written_in(journal);
        Server::with_config(quiet()).tcp_with("127.0.0.1:0", codec.clone(), handler)
    };
    on_both(server, script, expected);
}

/// A client that sends `bytes` so many at a time, waits for as many back, and finishes.
fn asks(bytes: &'static [u8], piece_len: usize) -> impl Fn(&mut Play) {
    move |play| {
        let client = play.connect();
        play.send_in_pieces(client, bytes, piece_len);
        play.until_received(client, bytes.len());
    }
}

#[test]
fn raw_bytes_are_echoed_however_they_come() {
    let script = |play: &mut Play| {
        play.join_frames();
        asks(b"anything at all", 4)(play);
    };
    let seen =
        "open, `anything at all`, end, closed: peer finished, -> `anything at all`, finished";
    echoed(Raw, script, &[seen]);
}

#[test]
fn lines_are_echoed_one_by_one() {
    let seen = "open, `one`, `two`, ``, end, closed: peer finished, -> `one\\ntwo\\n\\n`, finished";
    echoed(Lines::default(), asks(b"one\ntwo\n\n", 1), &[seen]);
}

#[test]
fn lines_that_come_at_once_are_echoed_at_once() {
    let seen = "open, `one`, `two`, ``, end, closed: peer finished, -> `one\\ntwo\\n\\n`, finished";
    echoed(Lines::default(), asks(b"one\ntwo\n\n", 9), &[seen]);
}

#[test]
fn lines_of_any_bytes_are_echoed_one_by_one() {
    echoed(
        ByteLines::default(),
        asks(b"\xff\n\x00\x01\n", 1),
        &["open, `\\xff`, `\\x00\\x01`, end, closed: peer finished, \
         -> `\\xff\\n\\x00\\x01\\n`, finished"],
    );
}

#[test]
fn frames_behind_a_length_are_echoed_one_by_one() {
    echoed(
        LengthPrefixed::default(),
        asks(b"\0\0\0\x03one\0\0\0\0\0\0\0\x03two", 1),
        &["open, `one`, ``, `two`, end, closed: peer finished, \
         -> `\\x00\\x00\\x00\\x03one\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03two`, \
         finished"],
    );
}

#[test]
fn frames_behind_a_short_length_are_echoed_at_once() {
    let codec = LengthPrefixed::default().width(1);
    echoed(
        codec,
        asks(b"\x03one\x00\x03two", 100),
        &["open, `one`, ``, `two`, end, closed: peer finished, -> `\\x03one\\x00\\x03two`, \
         finished"],
    );
}

#[test]
fn frames_of_one_length_are_echoed_one_by_one() {
    echoed(
        Fixed::new(3),
        asks(b"onetwosix", 2),
        &["open, `one`, `two`, `six`, end, closed: peer finished, -> `onetwosix`, finished"],
    );
}

#[test]
fn delimited_frames_are_echoed_one_by_one() {
    echoed(
        Delimited::new(b"--"),
        asks(b"one--a-b----two--", 1),
        &["open, `one`, `a-b`, ``, `two`, end, closed: peer finished, \
         -> `one--a-b----two--`, finished"],
    );
}

#[test]
fn frames_behind_a_varint_are_echoed_one_by_one() {
    echoed(
        Varint::default(),
        asks(b"\x03one\x00\x03two", 1),
        &["open, `one`, ``, `two`, end, closed: peer finished, -> `\\x03one\\x00\\x03two`, \
         finished"],
    );
}

#[test]
fn a_frame_longer_than_any_buffer_is_echoed() {
    let script = |play: &mut Play| {
        let sent = frame(&pattern(300_000));
        let client = play.connect();
        play.send(client, &sent);
        play.until_received(client, sent.len());
        play.send(client, &frame(b"small"));
        play.until_received(client, sent.len() + 9);
    };
    echoed(
        LengthPrefixed::default(),
        script,
        &["open, 300000 bytes, `small`, end, closed: peer finished, -> 300013 bytes, finished"],
    );
}

#[test]
fn many_small_frames_that_come_at_once_are_all_echoed() {
    let script = |play: &mut Play| {
        play.join_frames();
        let sent = b"0123456\n".repeat(5000);
        let client = play.connect();
        play.send(client, &sent);
        play.finish(client);
        play.until_received(client, sent.len());
    };
    echoed(
        Lines::default(),
        script,
        &["open, 35000 bytes, end, closed: peer finished, -> 40000 bytes, finished"],
    );
}

/// A client that sends `bytes` and finishes.
fn says(bytes: &'static [u8]) -> impl Fn(&mut Play) {
    move |play| {
        let client = play.connect();
        play.send(client, bytes);
        play.finish(client);
        play.until_end(client);
    }
}

#[test]
fn the_end_ends_the_last_line_as_well() {
    echoed(
        Lines::default(),
        says(b"one\ntw"),
        &["open, `one`, `tw`, end, closed: peer finished, -> `one\\ntw\\n`, finished"],
    );
}

#[test]
fn an_end_inside_a_length_is_malformed() {
    echoed(
        LengthPrefixed::default(),
        says(b"\0\0\0\x01x\0\0"),
        &["open, `x`, farewell, closed: malformed frame, -> `\\x00\\x00\\x00\\x01x`, finished"],
    );
}

#[test]
fn an_end_inside_a_frame_of_one_length_is_malformed() {
    echoed(
        Fixed::new(3),
        says(b"onetw"),
        &["open, `one`, farewell, closed: malformed frame, -> `one`, finished"],
    );
}

#[test]
fn an_end_inside_a_varint_frame_is_malformed() {
    echoed(
        Varint::default(),
        says(b"\x03one\x03tw"),
        &["open, `one`, farewell, closed: malformed frame, -> `\\x03one`, finished"],
    );
}

#[test]
fn a_line_too_long_ends_the_connection_after_those_before_it() {
    echoed(
        Lines::default().max_len(8),
        says(b"one\n123456789\ntwo\n"),
        &["open, `one`, farewell, closed: malformed frame, -> `one\\n`, finished"],
    );
}

#[test]
fn a_frame_announced_too_long_ends_the_connection_after_those_before_it() {
    let codec = LengthPrefixed::default().max_len(8);
    echoed(
        codec,
        says(b"\0\0\0\x01x\0\0\0\x09"),
        &["open, `x`, farewell, closed: malformed frame, -> `\\x00\\x00\\x00\\x01x`, finished"],
    );
}

#[test]
fn a_delimited_frame_too_long_ends_the_connection() {
    echoed(
        Delimited::new(b"--").max_len(4),
        says(b"one--12345678"),
        &["open, `one`, farewell, closed: malformed frame, -> `one--`, finished"],
    );
}

#[test]
fn a_varint_that_does_not_end_ends_the_connection() {
    echoed(
        Varint::default(),
        says(b"\x01x\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        &["open, `x`, farewell, closed: malformed frame, -> `\\x01x`, finished"],
    );
}

#[test]
fn a_line_that_is_no_text_ends_the_connection() {
    echoed(
        Lines::default(),
        says(b"one\n\xff\ntwo\n"),
        &["open, `one`, farewell, closed: malformed frame, -> `one\\n`, finished"],
    );
}

#[test]
fn a_client_that_sends_on_after_a_malformed_frame_sees_the_answers_before_it() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\n\xff\n");
        play.until_received(client, 4);
        play.send(client, &b"more\n".repeat(20_000));
        play.until_end(client);
    };
    echoed(
        Lines::default(),
        script,
        &["open, `one`, farewell, closed: malformed frame, -> `one\\n`, finished"],
    );
}
