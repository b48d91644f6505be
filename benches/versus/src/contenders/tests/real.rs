//! Every contender that speaks a real protocol: that it answers each request right, asked by the
//! load itself and by hand.

use std::io::{Read as _, Write as _};

use super::{CONTENDERS, connect, start};
use crate::contenders::PAGE;
use crate::load::{Plan, Until, played};
use crate::workload::{Ask, Protocol, Shape};

/// Asks every contender of the protocol.
fn ask_each(ask: Ask, shapes: &[[u32; 2]]) {
    let speaking = CONTENDERS.iter().filter(|it| it.protocols.contains(&ask.protocol()));
    for contender in speaking {
        for &[connections, in_flight] in shapes {
            eprintln!("{} {ask:?} {connections} {in_flight}", contender.name);
            let plan = Plan {
                address: start(contender, ask.protocol()),
                protocol: ask.protocol(),
                shape: Shape::Asks { ask, connections, in_flight },
                warm: Until::Replies(10),
                stretch: Until::Replies(3_000),
            };
            assert_eq!(played(&plan), Ok(3_000));
        }
    }
}

#[test]
fn every_page_that_is_asked_for_comes() {
    ask_each(Ask::Page, &[[1, 1], [3, 16], [1, 700]]);
}

#[test]
fn every_ping_has_its_pong() {
    ask_each(Ask::Ping, &[[1, 1], [3, 16], [1, 700]]);
}

#[test]
fn every_question_has_its_answer() {
    ask_each(Ask::Question, &[[1, 1], [3, 16], [1, 32]]);
}

#[test]
fn requests_for_a_page_may_be_cut_anywhere() {
    for contender in CONTENDERS.iter().filter(|it| it.protocols.contains(&Protocol::Http)) {
        let address = start(contender, Protocol::Http);
        for piece_len in [1, 3, 17, 40] {
            let mut stream = connect(address);
            let requests = "GET / HTTP/1.1\r\nHost: here\r\n\r\n".repeat(5);
            for piece in requests.as_bytes().chunks(piece_len) {
                stream.write_all(piece).unwrap();
            }
            let mut answers = String::new();
            while answers.matches(PAGE).count() < 5 {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                answers.push(byte[0].into());
            }
            assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 5, "{}", contender.name);
        }
    }
}

#[test]
fn what_is_no_ping_ends_the_connection() {
    for contender in CONTENDERS.iter().filter(|it| it.protocols.contains(&Protocol::Kv)) {
        let mut stream = connect(start(contender, Protocol::Kv));
        stream.write_all(b"*1\r\n$4\r\nPI").unwrap();
        stream.write_all(b"NG\r\n*1\r\n$4\r\nQUIT\r\n").unwrap();
        let mut answers = Vec::new();
        // It may be a reset, as not all was read.
        let _ = stream.read_to_end(&mut answers);
        assert!(b"+PONG\r\n".starts_with(&answers[..]), "{answers:?}");
    }
}
