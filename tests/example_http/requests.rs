//! What is a request, and what is answered.

use windlass::network::PeerState;

use super::{DATE, ask, body, field, hear, same_for_every_cut, status, world};

const END: &str = "HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_get_is_answered_with_a_date_and_a_length() {
    let answer = ask(&mut world(""), &format!("GET / {END}"));
    let expected = format!(
        "HTTP/1.1 200 OK\r\nDate: {DATE}\r\nContent-Length: 13\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nHello, World!"
    );
    assert_eq!(answer, expected);
}

#[test]
fn each_path_has_its_answer_and_its_methods() {
    let world = &mut world("");
    for (method, path, expected, allowed) in [
        ("GET", "/", "200", None),
        ("GET", "/?a=b", "200", None),
        ("GET", "/json", "200", None),
        ("GET", "/page", "200", None),
        ("GET", "http://b", "200", None),
        ("GET", "HTTPS://b:1/json?c", "200", None),
        ("GET", "http://b?c", "200", None),
        ("GET", "/nothing", "404", None),
        ("GET", "//", "404", None),
        ("DELETE", "/nothing", "404", None),
        ("GET", "/files/Cargo.toml", "404", None),
        ("POST", "/", "405", Some("GET, HEAD, OPTIONS")),
        ("PATCH", "/json", "405", Some("GET, HEAD, OPTIONS")),
        ("DELETE", "/events", "405", Some("GET, HEAD, OPTIONS")),
        ("PUT", "/files/a", "405", Some("GET, HEAD, OPTIONS")),
        ("GET", "/echo", "405", Some("POST, PUT, OPTIONS")),
        ("TRACE", "/echo", "405", Some("POST, PUT, OPTIONS")),
        ("OPTIONS", "/", "204", Some("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/echo", "204", Some("POST, PUT, OPTIONS")),
        ("OPTIONS", "*", "204", Some("GET, HEAD, POST, PUT, OPTIONS")),
        ("POST", "/echo", "411", None),
    ] {
        let answer = ask(world, &format!("{method} {path} {END}"));
        assert_eq!(status(&answer), expected, "{method} {path}");
        assert_eq!(field(&answer, "Allow"), allowed, "{method} {path}");
        assert_eq!(field(&answer, "Date"), Some(DATE));
        assert_eq!(field(&answer, "Connection"), None, "{method} {path}: it may ask on");
        let len = field(&answer, "Content-Length").map(|len| len.parse().unwrap());
        let expected = (expected != "204").then(|| body(&answer).len());
        assert_eq!(len, expected, "{method} {path}");
    }
}

#[test]
fn a_head_is_that_of_the_get_and_nothing_more() {
    let world = &mut world("--event-interval 1h");
    for path in ["/", "/json", "/page", "/nothing", "/files/a"] {
        let get = ask(world, &format!("GET {path} {END}"));
        let head = ask(world, &format!("HEAD {path} {END}"));
        assert_eq!(get.strip_prefix(&head), Some(body(&get)), "{path}");
    }
    let head = ask(world, &format!("HEAD /events {END}"));
    assert_eq!((status(&head), body(&head)), ("200", ""));
    assert_eq!(field(&head, "Content-Type"), Some("text/event-stream"));
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    let stays = format!("GET / {}", END.replacen("\r\n", "\r\nConnection: keep-alive\r\n", 1));
    let stream = format!("{stays}\r\nHEAD / {END}GET /json {END}");
    let (answers, state) = same_for_every_cut(&mut world(""), stream.as_bytes(), str::to_owned);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3);
    assert!(answers.ends_with(r#"{"message":"Hello, World!"}"#), "{answers}");
    assert_eq!(state, PeerState::Open);
}

#[test]
fn a_connection_stays_if_the_client_wants_it() {
    let world = &mut world("");
    let (open, over) = (PeerState::Open, PeerState::Finished);
    for (version, fields, connection, expected) in [
        ("1.1", "", None, open),
        ("1.1", "Connection: keep-alive\r\n", None, open),
        ("1.1", "Connection: a, CLOSE\r\n", Some("close"), over),
        ("1.1", "Connection: keep-alive\r\nconnection: close\r\n", Some("close"), over),
        ("1.1", "Connection: closed\r\n", None, open),
        ("1.1", "Connection: Keep-Alive, close\r\n", Some("close"), over),
        ("1.1", "Connection: keep-alives\r\n", None, open),
        ("1.0", "", Some("close"), over),
        ("1.0", "Connection: Keep-Alive\r\n", Some("keep-alive"), open),
        ("1.0", "Connection: keep-alive, close\r\n", Some("close"), over),
    ] {
        for path in ["/", "/nothing"] {
            let stream = format!("GET {path} HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
            let (answer, state) = hear(world, &[stream.as_bytes()]);
            assert_eq!(field(&answer, "Connection"), connection, "{stream}");
            assert_eq!(state, expected, "{stream}");
        }
    }
}

#[test]
fn nothing_is_answered_after_the_last_answer() {
    let stream = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /json {END}");
    let (answers, state) = same_for_every_cut(&mut world(""), stream.as_bytes(), str::to_owned);
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    assert_eq!(state, PeerState::Finished);
}

#[test]
fn oddities_that_are_allowed_are_understood() {
    let world = &mut world("");
    for stream in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:a\r\n\r\n",
        "GET / HTTP/1.1\r\nHOST: \t [::1]:80 \t\r\nA:\r\nB: \u{e4}\t!\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n",
        "GET / HTTP/1.0\r\nExpect: a\r\n\r\n",
    ] {
        assert_eq!(status(&ask(world, stream)), "200", "{stream:?}");
    }
}

#[test]
fn an_end_inside_a_request_is_complained_of() {
    for (stream, expected) in [
        ("", "no answer"),
        ("\r\n", "no answer"),
        ("GET / HTTP", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\n", "400"),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", "400"),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3", "400"),
    ] {
        let world = &mut world("");
        let peer = world.join();
        world.network.send_from(peer, stream.as_bytes());
        world.settle();
        world.network.finish(peer);
        world.settle();
        let heard = super::take(world, peer);
        assert_eq!(status(&heard), expected, "{stream:?}");
    }
}
