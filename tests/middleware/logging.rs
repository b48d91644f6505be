//! What is logged of those who come and go.

use std::cell::RefCell;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};
use windlass::middleware::{Arrival, Logging, Middleware, Refusal, Verdict};
use windlass::network::SimNetwork;
use windlass::{Error, Session};

use crate::fixture::{Call, Scripted, ignore, millis, secs};
use crate::gated::{Gated, quiet};

thread_local! {
    /// What was logged by this thread, which is to say, by this test.
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what layers log.
struct Keep;

impl Log for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "windlass::middleware::logging"
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = (record.level(), record.args().to_string());
            LINES.with_borrow_mut(|lines| lines.push(line));
        }
    }

    fn flush(&self) {}
}

/// A server that logs, and the first thing it does so.
fn behind(layer: Logging, refuser: impl Middleware) -> Gated {
    keep_lines();
    Gated::behind(|server| server.middleware(layer).middleware(refuser))
}

fn keep_lines() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Keep).expect("there is no other");
        log::set_max_level(LevelFilter::Info);
    });
}

/// What was logged since this was last asked.
fn lines() -> Vec<String> {
    LINES.take().into_iter().map(|(_, line)| line).collect()
}

/// A layer that refuses some at the door and says something nasty about it.
struct Nasty;

impl Middleware for Nasty {
    fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
        match arrival.peer.port() {
            666 => Verdict::Refuse(Refusal::new("it said \n[INFO] root logged in \x1b[2J")),
            _ => Verdict::Continue,
        }
    }
}

#[test]
fn an_opening_and_a_close_are_logged_with_the_reason() {
    let mut gated = behind(Logging::new(), Nasty);
    let peer = gated.join("198.51.100.1:4000");
    let id = windlass_id(&gated);
    assert_eq!(lines(), [format!("198.51.100.1:4000 opened connection {id}")]);
    gated.world.run_for(millis(1_500));
    gated.send(peer, "hello\nhello\n");
    gated.leave(peer);
    let expected = format!(
        "198.51.100.1:4000 closed connection {id} of \"\" after 1.5s: \"peer finished\"; \
         12 bytes in, 12 bytes out, 2 frames"
    );
    assert_eq!(lines(), [expected]);
}

/// The id of the only connection, as it is displayed.
fn windlass_id(gated: &Gated) -> String {
    let peer = gated.world.network.peers().last().expect("there is one");
    format!("{:?}", gated.world.network.token(peer).expect("it was let in"))
}

#[test]
fn whoever_a_later_layer_refuses_is_logged_in_one_printable_line() {
    let mut gated = behind(Logging::new(), Nasty);
    gated.refused("198.51.100.1:666");
    let expected = "198.51.100.1:666 was refused at 192.0.2.1:7000 by Nasty: \
                    \"it said \\n[INFO] root logged in \\x1b[2J\"";
    assert_eq!(lines(), [expected]);
}

#[test]
fn whoever_the_limit_refuses_is_logged_too() {
    keep_lines();
    let at_limit = windlass::AtLimit::Refuse("full\n".into());
    let config = windlass::Config { max_connections: Some(1), at_limit, ..quiet() };
    let mut gated = Gated::with_config(config, |server| server.middleware(Logging::new()));
    gated.join("198.51.100.1:4000");
    assert_eq!(gated.refused("198.51.100.1:4001"), "full\n");
    let said = lines().pop().expect("a line");
    assert!(said.starts_with("198.51.100.1:4001 was refused at 192.0.2.1:7000 by the limit: "));
}

#[test]
fn what_peers_had_a_hand_in_is_escaped_and_cut_off() {
    keep_lines();
    let fail = |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(line) => Err(Error::new(format!("no such command: {line}"))),
        call => ignore(session, call),
    };
    let (network, handler) = (SimNetwork::new(1), Scripted::new(fail));
    let mut gated = Gated::with_handler(network, quiet(), handler, |server, listener| {
        server.middleware(Logging::new()).listen(listener)
    });
    for (port, sent, shown) in [
        (
            4000,
            "\x1b[2J\"\r\r\u{7f}\u{e9}\n".to_owned(),
            r#"\x1b[2J\"\r\r\x7f\xc3\xa9""#.to_owned(),
        ),
        (
            4001,
            format!("{}\n", "x".repeat(1000)),
            format!("{}\" and 833 more bytes", "x".repeat(167)),
        ),
    ] {
        let peer = gated.join(&format!("198.51.100.1:{port}"));
        gated.send(peer, &sent);
        gated.leave(peer);
        let said = lines().pop().expect("a line");
        let expected = format!("\"handler failed: no such command: {shown}; ");
        assert!(said.contains(&expected), "{said}\n{expected}");
        assert!(said.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{said}");
    }
}

#[test]
fn a_flood_is_a_few_lines_and_the_number_of_those_left_out() {
    let mut gated = behind(Logging::new().lines_per_second(5), Nasty);
    for _ in 0..1000 {
        gated.refused("198.51.100.1:666");
    }
    assert_eq!(lines().len(), 5);
    // Other kinds of lines are not held up by these.
    let peer = gated.join("198.51.100.1:4000");
    gated.leave(peer);
    assert_eq!(lines().len(), 2);
    gated.world.run_for(secs(1));
    gated.refused("198.51.100.1:666");
    let said = lines();
    assert!(said[0].ends_with(" (995 such lines were left out before)"), "{said:?}");
    assert_eq!(said.len(), 1);
}

#[test]
fn what_is_not_enabled_is_neither_logged_nor_counted() {
    let mut gated = behind(Logging::new().lines_per_second(1).level(Level::Debug), Nasty);
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "hello\n");
    gated.leave(peer);
    gated.refused("198.51.100.1:666");
    assert_eq!(lines(), [""; 0]);
    let mut gated = Gated::behind(|server| server.middleware(Logging::new().level(Level::Warn)));
    gated.join("198.51.100.1:4000");
    assert_eq!(LINES.take().first().map(|(level, _)| *level), Some(Level::Warn));
}
