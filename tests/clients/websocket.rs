//! The WebSocket example: the cases of the Autobahn test suite, a client library, and a browser.

use std::path::Path;

use crate::example::Example;
use crate::tools::{ask, client, python, script};

/// What the three cases come to that the suite itself gives no verdict on.
const UNJUDGED: [&str; 3] = [
    "7.1.6: INFORMATIONAL, closed INFORMATIONAL",
    "7.13.1: INFORMATIONAL, closed INFORMATIONAL",
    "7.13.2: INFORMATIONAL, closed INFORMATIONAL",
];

#[test]
fn every_case_of_the_autobahn_suite_is_passed_in_the_strictest_way() {
    let Some(mut python) = python() else { return };
    // Its longest messages are of 16 MiB.
    let server = Example::of("websocket", "--tcp 127.0.0.1:0 --max-message 16MiB");
    let url = format!("ws://{}/echo", server.address("tcp"));
    let said = ask(python.arg(script("kosoku_cases.py")).arg(url), b"");
    let mut said: Vec<&str> = said.lines().collect();
    said.retain(|line| !UNJUDGED.contains(line));
    let expected = ["3 cases: INFORMATIONAL, closed INFORMATIONAL", "298 cases: OK, closed OK"];
    assert_eq!(said, expected);
}

#[test]
fn the_websockets_package_is_echoed_chats_and_is_told_why_it_is_closed() {
    let Some(mut python) = python() else { return };
    let mut server = Example::of("websocket", "--tcp 127.0.0.1:0");
    python.arg(script("websockets_talk.py"));
    python.arg(server.address("tcp").to_string()).arg(server.id().to_string());
    let said = ask(&mut python, b"");
    let said: Vec<&str> = said.lines().collect();
    let expected = [
        "'héllo \u{1f44b}' same",
        "'' same",
        "bytes of 256 same",
        "str of 70000 same",
        "bytes of 1048576 same",
        "'in fragments, whole again' same",
        "bytes of 100000 same",
        "pong",
        "4321 ''",
        "1009 the frame is too long",
        "1003 only text can be said",
        "404 there are /, /chat and /echo",
        "403 pages of this origin may not open a socket here",
        "opened",
        "one: * you are guest2 / * guest2 is here: 1 in all",
        "other: * you are guest3 / * guest3 is here: 2 in all",
        "one: * guest3 is here: 2 in all",
        "one: / guest2: hello / guest3: hello yourself",
        "other: / guest2: hello / guest3: hello yourself",
        "one: * more than 2048 bytes: nobody heard that",
        "one: * guest3 has left: 1 in all",
        "one: 1001 the server goes down",
    ];
    assert_eq!(said, expected);
    assert_eq!(server.wait(), Some(0), "all were told, and have taken leave");
}

#[test]
fn two_pages_of_a_browser_chat_with_each_other() {
    let (Some(mut python), Some(_)) = (python(), client("chromium", "chromium")) else { return };
    let mut server = Example::of("websocket", "--tcp 127.0.0.1:0");
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chat_page.png");
    python.arg(script("chat_page.py")).arg(format!("http://{}/", server.address("tcp")));
    let said = ask(python.arg(server.id().to_string()).arg(&picture), b"");
    let heard = "guest1hello, <b>world</b> & all\nguest2grüße \u{1f44b}";
    let one =
        format!("you are guest1\nguest1 is here: 1 in all\nguest2 is here: 2 in all\n{heard}");
    let other = format!("you are guest2\nguest2 is here: 2 in all\n{heard}");
    let gone = "not connected (the server goes down), trying again";
    let expected =
        format!("connected\n{one}\n\nconnected\n{other}\n\n{gone}\n{one}\n\n{gone}\n{other}\n\n");
    assert_eq!(said, expected);
    let png = std::fs::read(&picture).unwrap();
    assert!(
        png.starts_with(b"\x89PNG\r\n"),
        "there is a picture to look at: {}",
        picture.display()
    );
    assert_eq!(server.wait(), Some(0));
}
