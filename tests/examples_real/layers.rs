//! Each layer, as real clients see it: those of the echo server, and those of `middleware`.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;

use crate::client::Client;
use crate::example::{Example, PATIENCE, run};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
/// Another address of the same machine.
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn echo(options: &str) -> Example {
    Example::echo(&format!("--tcp 127.0.0.1:0 --framing lines --log {options}"))
}

fn middleware(options: &str) -> Example {
    let listening = "--tcp 127.0.0.1:0 --metrics 127.0.0.1:0";
    Example::of("middleware", &format!("{listening} {options}"))
}

fn client(server: &Example, local: IpAddr) -> Client {
    Client::from(local, server.address("tcp"))
}

/// Sends a line, and is answered with the same.
fn ask(client: &mut Client, line: &str) {
    client.send(&format!("{line}\n"));
    client.expect(&[line]);
}

#[test]
fn who_comes_from_a_denied_network_is_turned_away() {
    for (example, options) in [
        (echo as fn(&str) -> _, "--deny 127.0.0.2"),
        (
            middleware,
            "--deny \
        127.0.0.2/31 --allow 127.0.0.1",
        ),
    ] {
        let mut server = example(options);
        assert_eq!(client(&server, THERE).rest(), "");
        server.wait_for_log("by AccessControl: \"its address is not allowed\"");
        ask(&mut client(&server, HERE), "hello");
    }
}

#[test]
fn only_who_comes_from_an_allowed_network_is_let_in() {
    let mut server = echo("--allow 127.0.0.2 --allow 10.0.0.0/8 --deny 10.1.0.0/16");
    assert_eq!(client(&server, HERE).rest(), "");
    server.wait_for_log("by AccessControl: \"its address is not allowed\"");
    ask(&mut client(&server, THERE), "hello");
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    for (example, farewell) in [(echo as fn(&str) -> _, ""), (middleware, "too many of you\n")] {
        let mut server = example("--max-per-address 2");
        let mut clients = [client(&server, HERE), client(&server, HERE)];
        clients.iter_mut().for_each(|client| ask(client, "hello"));
        assert_eq!(client(&server, HERE).rest(), farewell);
        server.wait_for_log("by PerAddressLimit: ");
        ask(&mut client(&server, THERE), "hello");
        let [first, _second] = clients;
        first.finish();
        server.wait_for_log("\"peer finished\"");
        // Now there is room again.
        ask(&mut client(&server, HERE), "hello");
    }
}

#[test]
fn who_sends_too_many_frames_is_read_no_more_and_nobody_else_is_slowed() {
    for (example, option) in
        [(echo as fn(&str) -> _, "--rate-limit 2/h"), (middleware, "--frame-rate 2/h")]
    {
        let server = example(option);
        let mut many = client(&server, HERE);
        many.send("1\n2\n3\n4\n5\n");
        // The third is one too many, and the last that is read for now.
        many.expect(&["1", "2", "3"]);
        ask(&mut client(&server, THERE), "hello");
        assert!(many.is_waiting());
    }
}

#[test]
fn who_sends_too_many_frames_gets_all_of_them_in_the_end() {
    let server = echo("--rate-limit 2000/s");
    let mut client = client(&server, HERE);
    let lines: String = (0..3_000).map(|number| format!("{number}\n")).collect();
    client.send(&lines);
    client.finish();
    assert_eq!(client.rest(), lines);
}

#[test]
fn datagrams_too_many_are_dropped() {
    let server = Example::echo("--udp 127.0.0.1:0 --rate-limit 2/h");
    let sockets = [HERE, THERE].map(|local| {
        let socket = UdpSocket::bind((local, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server.address("udp")).unwrap();
        socket
    });
    let ask = |socket: &UdpSocket, datagram: &[u8]| {
        socket.send(datagram).unwrap();
        let mut answer = [0; 100];
        let len = socket.recv(&mut answer).unwrap();
        assert_eq!(&answer[..len], datagram);
    };
    let [one, other] = &sockets;
    ask(one, b"1");
    ask(one, b"2");
    one.send(b"3").unwrap();
    // They are served in the order in which they came.
    ask(other, b"hello");
    one.set_nonblocking(true).unwrap();
    assert_eq!(one.recv(&mut [0; 100]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn frames_too_many_are_refused_or_end_it_if_so_told() {
    for (options, answers) in [
        ("--frame-rate 2/h --over refuse", "1\n2\ntoo many lines\ntoo many lines\n"),
        ("--frame-rate 2/h --over close", "1\n2\ntoo many lines\n"),
        ("--byte-rate 5/h --over refuse", "1\n2\ntoo many bytes\ntoo many bytes\n"),
        ("--byte-rate 5/h --over close", "1\n2\ntoo many bytes\n"),
    ] {
        let server = middleware(options);
        let mut client = client(&server, HERE);
        client.send("1\n2\n3\n4\n");
        client.finish();
        assert_eq!(client.rest(), answers, "{options}");
    }
}

#[test]
fn who_connects_too_often_is_turned_away() {
    let mut server = middleware("--connection-rate 2/h --over refuse");
    for _ in 0..2 {
        ask(&mut client(&server, HERE), "hello");
    }
    assert_eq!(client(&server, HERE).rest(), "");
    server.wait_for_log("by RateLimit: \"too many connections\"");
    ask(&mut client(&server, THERE), "hello");
}

/// A file that is gone with this.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("windlass-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).expect("a file for a while");
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn nobody_is_served_before_he_knows_the_password() {
    let file = TempFile::new("password", "open sesame\n");
    let mut server = middleware(&format!("--password-file {} --tries 1", file.0.display()));
    let mut ann = client(&server, HERE);
    ann.send("ann open sesame\nhello\n");
    ann.expect(&["welcome, ann", "hello"]);
    for wrong in ["bob open says me\nhello\n", "open sesame\nhello\n", "hello\n"] {
        let mut bob = client(&server, HERE);
        bob.send(wrong);
        assert_eq!(bob.rest(), "send your name, a space, and the password\n");
    }
    server.wait_for_log("refused by Authenticate: it was rejected too often");
    ask(&mut ann, "hello again");
    ann.finish();
    server.wait_for_log("of \"ann\" after");
}

#[test]
fn who_does_not_say_the_password_in_time_is_closed() {
    let file = TempFile::new("deadline", "sesame");
    let options = format!("--password-file {} --login-timeout 20ms", file.0.display());
    let mut server = middleware(&options);
    assert_eq!(client(&server, HERE).rest(), "");
    server.wait_for_log("it did not authenticate in time");
}

#[test]
fn a_password_that_cannot_be_read_is_an_error_in_one_line() {
    let empty = TempFile::new("empty", "\nsesame\n");
    let empty = empty.0.display().to_string();
    for (file, why) in
        [("/nowhere", "No such file or directory"), (&empty, "its first line is empty")]
    {
        let (code, said) = run("middleware", &format!("--password-file {file}"));
        assert_eq!((code, said.len()), (Some(1), 1), "{said:?}");
        let what = format!("error: cannot read a password from {file}: {why}");
        assert!(said[0].starts_with(&what), "{said:?}");
    }
}

/// What an HTTP client is told: the body.
fn numbers(server: &Example) -> String {
    let mut client = Client::to(server.metrics_address());
    client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = client.rest();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    assert!(head.ends_with(&format!("\r\nContent-Length: {}", body.len())), "{head}");
    body.to_owned()
}

#[test]
fn a_layer_of_its_own_keeps_lines_from_the_handler_and_is_counted() {
    let server = middleware("--forbid spam");
    let mut client = client(&server, HERE);
    client.send("ham\neggs and spam\neggs\n");
    client.expect(&["ham", "there is a word in it that is forbidden", "eggs"]);
    let numbers = numbers(&server);
    // The example may have been built with the feature `prometheus`, which the test need not have.
    let is_told = |forms: [&str; 2]| forms.iter().any(|form| numbers.contains(form));
    assert!(is_told(["frames consumed: 1\n", "windlass_frames_consumed_total 1\n"]), "{numbers}");
    assert!(is_told(["\nconnections: 2\n", "\nwindlass_connections 2\n"]), "{numbers}");
}
