//! The example `offload`: its options, and as a process with clients of `std::net`.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;
use socket2::SockRef;

#[path = "real_network/example.rs"]
mod example;
#[path = "../examples/offload.rs"]
#[allow(dead_code, reason = "the options are tested here, the server as a process")]
mod offload;

use example::{Example, expect};
use offload::Settings;
use offload::common::{Addresses, Options, Stop};

/// A question that takes long, beside others.
const LONG: &str = "1000000\n";
const LONG_ANSWER: &str = "1000000: 78498\n";
/// As much work as one question can be.
const LONGEST: &str = "10000000\n";

fn start(options: &str) -> Example {
    Example::of("offload", &format!("--tcp 127.0.0.1:0 {options}"))
}

/// Sends these questions, and no more ever.
fn ask(client: &mut TcpStream, questions: &str) {
    client.write_all(questions.as_bytes()).expect("the server reads");
    client.shutdown(Shutdown::Write).expect("it is connected");
}

/// All answers, up to the server's end.
fn answers(client: &mut TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).expect("the server closes in good order");
    text
}

fn read(line: &str) -> Result<Settings, Stop> {
    offload::read(&mut Options::new(line.split_whitespace().map(OsString::from)))
}

#[test]
fn every_option_of_offload_is_understood() {
    let usual = Settings {
        addresses: Addresses { tcp: vec!["127.0.0.1:7000".parse().expect("it is")], udp: vec![] },
        workers: 4,
        queue_len: 64,
        is_ordered: false,
        drain_timeout: Duration::from_secs(30),
    };
    assert_eq!(read(""), Ok(usual));
    let all = "--tcp [::1]:0 --tcp 127.0.0.1:9 --workers 7 --queue=8 --ordered --drain-timeout 5s";
    let expected = Settings {
        addresses: Addresses {
            tcp: ["[::1]:0", "127.0.0.1:9"].map(|address| address.parse().expect("it is")).into(),
            udp: vec![],
        },
        workers: 7,
        queue_len: 8,
        is_ordered: true,
        drain_timeout: Duration::from_secs(5),
    };
    assert_eq!(read(all), Ok(expected));
    for bad in ["--udp 127.0.0.1:0", "--workers 0", "--queue 0", "--ordered=no", "7"] {
        assert!(matches!(read(bad), Err(Stop::BadUsage(_))), "{bad}");
    }
    assert_eq!(read("--help"), Err(Stop::Help));
}

#[test]
fn every_question_is_answered_on_the_connection_that_asked() {
    let server = start("");
    let mut clients = [(); 8].map(|()| server.connect());
    for (client, number) in clients.iter_mut().zip(0_u64..) {
        let questions: Vec<String> = (0..20).map(|n| format!("{}\n", n * 8 + number)).collect();
        ask(client, &questions.concat());
    }
    for (client, number) in clients.iter_mut().zip(0_u64..) {
        let text = answers(client);
        let given: BTreeSet<u64> = text.lines().map(asked).collect();
        assert_eq!(text.lines().count(), 20, "{text}");
        assert_eq!(given, (0..20).map(|n| n * 8 + number).collect());
    }
}

/// The question in an answer.
fn asked(answer: &str) -> u64 {
    let question = answer.split_once(':').expect("an answer has its question in it").0;
    question.parse().expect("it was a number")
}

#[test]
fn an_answer_says_what_is_so() {
    let server = start("--ordered");
    let mut client = server.connect();
    ask(&mut client, "0\n1\n2\n3\n10\n 1000 \n1000000\n10000000\n10000001\n-1\nten\n");
    let expected = "0: 0\n1: 0\n2: 0\n3: 1\n10: 4\n1000: 168\n1000000: 78498\n10000000: 664579\n\
                    10000001: the greatest number is 10000000\n\
                    not a number: invalid digit found in string\n\
                    not a number: invalid digit found in string\n";
    assert_eq!(answers(&mut client), expected);
}

#[test]
fn answers_come_in_the_order_of_the_questions_if_so_told() {
    let server = start("--ordered --queue 3");
    let mut clients = [(); 5].map(|()| server.connect());
    for client in &mut clients {
        // The later ones would be done long before the first.
        ask(client, &format!("{LONGEST}100000\n{}", "10\n1000\n".repeat(20)));
    }
    for client in &mut clients {
        let rest = "10: 4\n1000: 168\n".repeat(20);
        assert_eq!(answers(client), format!("10000000: 664579\n100000: 9592\n{rest}"));
    }
}

#[test]
fn more_questions_than_the_queue_holds_are_all_answered() {
    for options in ["--queue 1 --workers 1", "--queue 2 --workers 4", "--queue 3 --ordered"] {
        let server = start(options);
        let mut clients = [(); 4].map(|()| server.connect());
        clients.iter_mut().for_each(|client| ask(client, &"1000\n".repeat(300)));
        for client in &mut clients {
            assert!(answers(client) == "1000: 168\n".repeat(300), "{options}");
        }
    }
}

#[test]
fn a_client_that_has_left_keeps_nobody_waiting() {
    let mut server = start("--workers 1 --queue 20");
    for _ in 0..4 {
        let mut gone = server.connect();
        gone.write_all(LONG.repeat(20).as_bytes()).expect("the server reads");
        // The first answer says that the others were taken up. Closed like this, it is a reset.
        expect(&mut gone, LONG_ANSWER.as_bytes());
        SockRef::from(&gone).set_linger(Some(Duration::ZERO)).expect("it is a socket");
    }
    let mut client = server.connect();
    ask(&mut client, "10\n");
    assert_eq!(answers(&mut client), "10: 4\n");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn what_is_asked_before_a_drain_is_answered() {
    for options in ["--workers 1", "--workers 1 --ordered", "--workers 1 --queue 2"] {
        let mut server = start(options);
        let mut client = server.connect();
        client.write_all(LONG.repeat(6).as_bytes()).expect("the server reads");
        expect(&mut client, LONG_ANSWER.as_bytes());
        server.signal(Signal::SIGTERM);
        server.wait_for_log("draining 1 connections");
        assert_eq!(answers(&mut client), LONG_ANSWER.repeat(5), "{options}");
        drop(client);
        assert_eq!(server.wait(), Some(0), "{options}");
        server.wait_for_log("1 finished");
    }
}

#[test]
fn a_drain_waits_for_a_question_that_has_no_answer_yet() {
    let mut server = start("--workers 2");
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.write_all(LONGEST.as_bytes()).expect("the server reads");
    ask(&mut quick, "10\n");
    // Whoever was answered has asked later.
    assert_eq!(answers(&mut quick), "10: 4\n");
    drop(quick);
    server.signal(Signal::SIGTERM);
    assert_eq!(answers(&mut slow), "10000000: 664579\n");
    drop(slow);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_the_pool() {
    let mut server = start("--workers 1 --drain-timeout 1h");
    let mut client = server.connect();
    // The first answer says that the others were taken up.
    client.write_all(("10\n".to_owned() + &LONGEST.repeat(60)).as_bytes()).expect("it reads");
    expect(&mut client, b"10: 4\n");
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 1 connections");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(3));
    server.wait_for_log("1 cut by the stop");
}

#[test]
fn a_client_that_waits_for_each_answer_gets_one_each_time() {
    let server = start("--ordered");
    let client = server.connect();
    let mut answers = BufReader::new(client.try_clone().expect("a descriptor is left")).lines();
    for number in 0..200 {
        (&client).write_all(format!("{number}\n").as_bytes()).expect("the server reads");
        let answer = answers.next().expect("an answer").expect("no error");
        assert_eq!(asked(&answer), number);
    }
}
