//! What is no request, or none that is served: each with the status of its answer, after which the
//! connection is closed, and the same however it is cut.

use windlass::network::PeerState;

use super::fixture::pieces;
use super::{field, hear, same_for_every_cut, status, world};

/// A first line and the field that must be there, for a head to be continued.
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST: &str = "POST /echo HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Asserts of each stream that it is answered with this status, and that this is the end.
fn assert_refused(cases: &[(&str, &str, &str)]) {
    for (beginning, rest, expected) in cases {
        let stream = [beginning.as_bytes(), rest.as_bytes()].concat();
        let whole = same_for_every_cut(&mut world("--max-body 100"), &stream, |heard| {
            assert_eq!(status(heard), *expected, "{}", stream.escape_ascii());
            assert_eq!(field(heard, "Connection"), Some("close"), "{heard}");
            heard.to_owned()
        });
        assert_eq!(whole.1, PeerState::Finished, "{}", stream.escape_ascii());
    }
}

#[test]
fn a_first_line_that_is_none_is_refused() {
    assert_refused(&[
        ("", "\x16\x03\x01", "400"),
        ("", "GET\r\n", "400"),
        ("", "GET /\r\n", "400"),
        ("", "GET / \r\n", "400"),
        ("", "GET /  HTTP/1.1\r\n", "400"),
        ("", "GET  / HTTP/1.1\r\n", "400"),
        ("", " GET / HTTP/1.1\r\n", "400"),
        ("", "GET\t/ HTTP/1.1\r\n", "400"),
        ("", "GET /\t HTTP/1.1\r\n", "400"),
        ("", "GET / HTTP/1.1 \r\n", "400"),
        ("", "GET / HTTP/11\r\n", "400"),
        ("", "GET / http/1.1\r\n", "400"),
        ("", "GET / HTTP/1.1x\r\n", "400"),
        ("", "GET / HTTP/x.y\r\n", "400"),
        ("", "G=T / HTTP/1.1\r\n", "400"),
        ("", " / HTTP/1.1\r\n", "400"),
        ("", "GET / HTTP/1.1\n", "400"),
        ("", "GET / HTTP/1.1\rHost", "400"),
        ("", "GET /\0 HTTP/1.1\r\n", "400"),
        ("", "\n", "400"),
        ("", "\r\n\r\n\r\n\r\n\r\n", "400"),
        ("", "\r\r\n", "400"),
    ]);
}

#[test]
fn a_version_or_a_method_that_is_not_known_is_refused() {
    assert_refused(&[
        ("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("", "GET / HTTP/2.0\r\n", "505"),
        ("", "GET / HTTP/1.2\r\n", "505"),
        ("", "GET / HTTP/0.9\r\n", "505"),
        ("", "BREW / HTTP/1.1\r\n", "501"),
        ("", "get / HTTP/1.1\r\n", "501"),
        ("", "CONNECT a:1 HTTP/1.1\r\n", "501"),
    ]);
}

#[test]
fn a_target_that_is_none_is_refused() {
    assert_refused(&[
        ("", "GET a HTTP/1.1\r\n", "400"),
        ("", "GET * HTTP/1.1\r\n", "400"),
        ("", "GET ?a HTTP/1.1\r\n", "400"),
        ("", "GET /a#b HTTP/1.1\r\n", "400"),
        ("", "GET /a?b#c HTTP/1.1\r\n", "400"),
        ("", "GET http:// HTTP/1.1\r\n", "400"),
        ("", "GET http:///a HTTP/1.1\r\n", "400"),
        ("", "GET http://a@b/ HTTP/1.1\r\n", "400"),
        ("", "GET ftp://a/ HTTP/1.1\r\n", "400"),
    ]);
}

#[test]
fn a_field_that_is_none_is_refused() {
    assert_refused(&[
        (GET, "A\r\n", "400"),
        (GET, ": a\r\n", "400"),
        (GET, "A : a\r\n", "400"),
        (GET, "A : a\r\n\r\n", "400"),
        (GET, "A: a\0\r\n\r\n", "400"),
        (GET, "A: a\r\n b\r\n\r\n", "400"),
        (GET, "A: a\n\r\n", "400"),
        (GET, "A\t: a\r\n", "400"),
        (GET, " A: a\r\n", "400"),
        (GET, "A: a\r\n b\r\n", "400"),
        (GET, "A: a\r\n\tb\r\n", "400"),
        (GET, "A(: a\r\n", "400"),
        (GET, "\u{e4}: a\r\n", "400"),
        (GET, "A: a\rb\r\n", "400"),
        (GET, "A: a\nB: b\r\n", "400"),
        (GET, "A: a\0b\r\n", "400"),
        (GET, "A: a\x7fb\r\n", "400"),
        (GET, "\n", "400"),
        (GET, "A: a\r\r\n", "400"),
    ]);
}

#[test]
fn a_host_must_be_there_once_and_be_one() {
    assert_refused(&[
        ("GET / HTTP/1.1\r\n\r\n", "", "400"),
        ("GET / HTTP/1.1\r\nHosts: a\r\n\r\n", "", "400"),
        ("GET http://a/ HTTP/1.1\r\n\r\n", "", "400"),
        (GET, "Host: a\r\n", "400"),
        (GET, "Host: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "", "400"),
        (GET, "hOST: b\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n", "", "400"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n", "", "400"),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n", "", "400"),
        ("GET / HTTP/1.1\r\nHost: \u{e4}\r\n", "", "400"),
    ]);
}

#[test]
fn two_readers_could_not_differ_about_the_end_of_a_body() {
    assert_refused(&[
        (POST, "Content-Length: 5\r\nContent-Length: 6\r\n", "400"),
        (POST, "Content-Length: 5\r\nContent-Length: 5\r\n", "400"),
        (POST, "Content-Length: 5, 5\r\n", "400"),
        (POST, "Content-Length: +5\r\n", "400"),
        (POST, "Content-Length: -5\r\n", "400"),
        (POST, "Content-Length: 0x5\r\n", "400"),
        (POST, "Content-Length: 5 6\r\n", "400"),
        (POST, "Content-Length:\r\n", "400"),
        (POST, "Content-Length: \u{b2}\r\n", "400"),
        (POST, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        (POST, "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", "400"),
        (POST, "Transfer-Encoding: gzip\r\n\r\n", "400"),
        (POST, "Transfer-Encoding: chunked, gzip\r\n", "400"),
        (POST, "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", "400"),
        (POST, "Transfer-Encoding: chunked, chunked\r\n", "400"),
        (POST, "Transfer-Encoding: ,chunked\r\n", "400"),
        (POST, "Transfer-Encoding: chunked;a=b\r\n\r\n", "400"),
        (POST, "Transfer-Encoding: xchunked\r\n\r\n", "400"),
        (POST, "Transfer-Encoding:\x0bchunked\r\n", "400"),
        (POST, "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"),
        (POST, "Transfer-Encoding: identity, chunked\r\n\r\n", "501"),
        ("POST /echo HTTP/1.0\r\n", "Transfer-Encoding: chunked\r\n\r\n", "400"),
    ]);
}

#[test]
fn a_body_that_is_too_long_is_refused_as_soon_as_that_is_known() {
    assert_refused(&[
        (POST, "Content-Length: 101\r\n\r\n", "413"),
        (POST, "Content-Length: 99999999999999999999999\r\n\r\n", "413"),
        (POST, "Content-Length: 101\r\nExpect: 100-continue\r\n\r\n", "413"),
        (CHUNKED, "65\r\n", "413"),
        (CHUNKED, "ffffffffffffffff\r\n", "413"),
    ]);
}

#[test]
fn an_expectation_that_is_not_known_is_refused() {
    assert_refused(&[
        (POST, "Content-Length: 5\r\nExpect: a\r\n\r\n", "417"),
        (POST, "Content-Length: 5\r\nExpect: 100-continue, a\r\n\r\n", "417"),
        (POST, "Content-Length: 5\r\nExpect: a\r\nExpect: 100-continue\r\n\r\n", "417"),
    ]);
}

#[test]
fn a_chunk_that_is_none_is_refused() {
    assert_refused(&[
        (CHUNKED, "\r\n", "400"),
        (CHUNKED, "+5\r\nhello\r\n", "400"),
        (CHUNKED, "-5\r\nhello\r\n", "400"),
        (CHUNKED, " 5\r\nhello\r\n", "400"),
        (CHUNKED, "5 \r\nhello\r\n", "400"),
        (CHUNKED, "0x5\r\nhello\r\n", "400"),
        (CHUNKED, "g\r\nhello\r\n", "400"),
        (CHUNKED, ";a\r\nhello\r\n", "400"),
        (CHUNKED, "5\nhello\r\n", "400"),
        (CHUNKED, "5;a\nhello\r\n", "400"),
        (CHUNKED, "5;a\rb\r\nhello\r\n", "400"),
        (CHUNKED, "5;a\0\r\nhello\r\n", "400"),
        (CHUNKED, "5;a=\"\r\nhello\r\n", "400"),
        (CHUNKED, "5;a=\"b\\\"\r\nhello\r\n", "400"),
        (CHUNKED, "00000000000000005\r\nhello\r\n", "400"),
        (CHUNKED, "0\r\nA\r\n\r\n", "400"),
        (CHUNKED, "0\r\nA : a\r\n\r\n", "400"),
        (CHUNKED, "0\r\nA: a\nB: b\r\n\r\n", "400"),
        (CHUNKED, "0\r\nA: a\r\n b\r\n\r\n", "400"),
    ]);
}

/// Asserts that a stream that is too long for every cut is refused like this, whole, in pieces of
/// many sizes, and cut where it matters.
fn assert_too_long(stream: &str, expected: &str) {
    let stream = stream.as_bytes();
    let world = &mut world("");
    let (whole, state) = hear(world, &[stream]);
    assert_eq!((status(&whole), state), (expected, PeerState::Finished));
    for len in [7, 100, 8191, 8192, 8193] {
        let cuts: Vec<_> = (len..stream.len()).step_by(len).collect();
        assert_eq!(hear(world, &pieces(stream, &cuts)), (whole.clone(), state), "by {len}");
    }
}

#[test]
fn what_goes_on_for_too_long_is_refused() {
    let long = |len: usize| "a".repeat(len);
    assert_too_long(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(8192 - 13)), "414");
    assert_too_long(&long(9000), "414");
    assert_too_long(&format!("{GET}A: {}\r\n\r\n", long(16 << 10)), "431");
    assert_too_long(&format!("{GET}{}\r\n", "A: a\r\n".repeat(64)), "431");
    assert_too_long(&format!("{CHUNKED}5;{}\r\n", long(300)), "400");
    assert_too_long(&format!("{CHUNKED}5{}\r\n", long(300)), "400");
    let talkative = format!("1;{}\r\na\r\n", long(200));
    assert_too_long(&format!("{CHUNKED}{}", talkative.repeat(100)), "200");
    assert_too_long(&format!("{CHUNKED}0\r\nA: {}\r\n\r\n", long(8192)), "431");
    assert_too_long(&format!("{CHUNKED}0\r\n{}\r\n", "A: a\r\n".repeat(33)), "431");
}

#[test]
fn what_is_just_short_enough_is_served() {
    let long = |len: usize| "a".repeat(len);
    let world = &mut world("");
    for (stream, expected) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(8192 - 13)), "414"),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(8192 - 14)), "404"),
        (format!("{GET}A: {}\r\n\r\n", long((16 << 10) - GET.len() - 6)), "431"),
        (format!("{GET}A: {}\r\n\r\n", long((16 << 10) - GET.len() - 7)), "200"),
        (format!("{GET}{}\r\n", "A: a\r\n".repeat(63)), "200"),
        (format!("{CHUNKED}0\r\n{}\r\n", "A: a\r\n".repeat(32)), "200"),
        (format!("\r\n\r\n\r\n\r\n{GET}\r\n"), "200"),
    ] {
        for cuts in [vec![], vec![stream.len() - 1], (1..stream.len()).collect()] {
            let heard = hear(world, &pieces(stream.as_bytes(), &cuts)).0;
            assert_eq!(status(&heard), expected, "{} bytes", stream.len());
        }
    }
}
