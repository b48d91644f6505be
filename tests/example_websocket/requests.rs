//! What is asked for over HTTP.

use windlass::network::PeerState;

use super::fixture::secs;
use super::{FIELDS, OPENED, world};

/// What a new peer is answered to these bytes within half a minute.
fn answer(options: &str, bytes: &str) -> String {
    let mut world = world(options);
    let peer = world.join();
    world.network.send_from(peer, bytes.as_bytes());
    world.run_for(secs(25));
    String::from_utf8(world.network.take_received(peer)).expect("HTTP is text")
}

/// The first line of the answer, and what stands behind the head.
fn first_and_body(answer: &str) -> (&str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head has an end");
    (head.split_once("\r\n").map_or(head, |(first, _)| first), body)
}

#[test]
fn the_page_is_given_out_and_nothing_else() {
    let page = include_str!("../../examples/websocket/page.html");
    let get = answer("", "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    assert_eq!(first_and_body(&get), ("HTTP/1.1 200 OK", page));
    assert!(get.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{get}");
    let head = answer("", "HEAD / HTTP/1.1\r\nHost: here\r\n\r\n");
    assert_eq!(first_and_body(&head), ("HTTP/1.1 200 OK", ""));
    let post = answer("", "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET, HEAD\r\n"));
    let other = answer("", "GET /page.html HTTP/1.1\r\nHost: here\r\n\r\n");
    let nothing = ("HTTP/1.1 404 Not Found", "there are /, /chat and /echo");
    assert_eq!(first_and_body(&other), nothing);
    let twice = answer("", &"GET /a HTTP/1.1\r\nHost: here\r\n\r\n".repeat(2));
    assert_eq!(twice.matches("HTTP/1.1 404 ").count(), 2, "the connection stays");
    let chunked = "GET / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n";
    let closing = answer("", &chunked.repeat(2));
    assert!(closing.contains("\r\nConnection: close\r\n"), "no body is awaited: {closing}");
    assert_eq!(closing.matches("HTTP/1.1 ").count(), 1, "{closing}");
    let body = answer("", "GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\na");
    assert!(body.starts_with("HTTP/1.1 413 "), "{body}");
}

#[test]
fn a_request_that_opens_no_socket_is_told_why() {
    let request = |line: &str, fields: &str| answer("", &format!("{line} HTTP/1.1\r\n{fields}"));
    for (fields, status, field) in [
        ("Host: here\r\n\r\n".to_owned(), "426 Upgrade Required", "\r\nUpgrade: websocket\r\n"),
        (FIELDS.replace("13", "8"), "426 Upgrade Required", "\r\nSec-WebSocket-Version: 13\r\n"),
        (FIELDS.replace("==", ""), "400 Bad Request", ""),
        (format!("Origin: http://there\r\n{FIELDS}"), "403 Forbidden", ""),
    ] {
        let answer = request("GET /chat", &fields);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{fields}: {answer}");
        assert!(answer.contains(field), "{fields}: {answer}");
    }
    let head = request("HEAD /chat", FIELDS);
    assert!(head.starts_with("HTTP/1.1 405 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("\r\nAllow: GET\r\n"), "{head}");
    let bad = request("GET /chat", "Host : here\r\n\r\n");
    assert!(bad.starts_with("HTTP/1.1 400 ") && bad.contains("\r\nConnection: close\r\n"), "{bad}");
}

#[test]
fn pages_of_a_site_that_is_listed_may_open_sockets() {
    let request = |options: &str, origin: &str| {
        answer(options, &format!("GET /echo HTTP/1.1\r\nOrigin: {origin}\r\n{FIELDS}"))
    };
    for (options, origin) in [
        ("", "http://here"),
        ("--origin any", "null"),
        ("--origin https://a.example --origin https://b.example", "https://b.example"),
    ] {
        assert!(request(options, origin).starts_with(OPENED), "{options}: {origin}");
    }
    assert!(request("--origin https://a.example", "http://here").starts_with("HTTP/1.1 403 "));
}

#[test]
fn a_request_has_an_end_in_time() {
    let late = answer("--frame-timeout 20s", "GET / HTTP/1.1\r\nHost:");
    let why = ("HTTP/1.1 408 Request Timeout", "the request did not end in time");
    assert_eq!(first_and_body(&late), why);
}

#[test]
fn who_asks_for_nothing_is_told_nothing() {
    let mut world = world("");
    let peer = world.join();
    world.run_for(secs(31));
    assert_eq!(world.network.state(peer), PeerState::Finished);
    assert!(world.network.take_received(peer).is_empty());
}
