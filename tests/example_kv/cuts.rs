//! Requests that are cut anywhere.

use super::fixture::{World, all_cuts, pieces, secs};
use super::{EPOCH, heard, world};

/// What a new client hears that sends these pieces on an empty store, each when all before it was
/// seen to, and what has become of its connection.
fn hear(world: &mut World, pieces: &[&[u8]]) -> String {
    let peer = world.join();
    for piece in pieces {
        world.network.send_from(peer, piece);
        world.settle();
    }
    world.run_for(secs(2));
    let answered = heard(world, peer);
    world.network.finish(peer);
    world.run_for(secs(2));
    format!("{answered} | {} | {:?}", heard(world, peer), world.network.state(peer))
}

/// Asserts that the same is heard however the stream is cut; says what.
#[track_caller]
fn same_for_every_cut(options: &str, stream: &[u8]) -> String {
    let mut world = world(options);
    let whole = hear(&mut world, &[stream]);
    for cuts in all_cuts(stream.len()) {
        let heard = hear(&mut world, &pieces(stream, &cuts));
        assert_eq!(heard, whole, "{} cut at {cuts:?}", stream.escape_ascii());
    }
    whole
}

#[test]
fn arrays_are_the_same_whatever_the_cut() {
    let stream = b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$12\r\nhello\r\nworld\r\n";
    let heard = same_for_every_cut("", stream);
    assert_eq!(heard, "+PONG +OK |  | Finished");
    let stream =
        b"*1\r\n$8\r\nFLUSHALL\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*0\r\n*-1\r\n*1\r\n$4\r\npi";
    assert_eq!(same_for_every_cut("", stream), "+OK $-1 |  | Finished");
}

#[test]
fn long_names_and_lengths_are_the_same_whatever_the_cut() {
    let value = "x".repeat(100);
    let stream =
        format!("*2\r\n$11\r\nPEXPIRETIME\r\n$1\r\nb\r\n*2\r\n$4\r\necho\r\n$100\r\n{value}\r\n");
    let heard = same_for_every_cut("", stream.as_bytes());
    assert_eq!(heard, format!(":-2 $100 {value} |  | Finished"));
}

#[test]
fn lines_are_the_same_whatever_the_cut() {
    let stream = b"PING\r\n\r\n SET \"a b\" '\\'c' \nGET \"\\x61 b\"\r\nECHO";
    assert_eq!(same_for_every_cut("", stream), "+PONG +OK $2 'c |  | Finished");
    let heard = same_for_every_cut("", b"ECHO \"a\nPING\r\n");
    assert_eq!(heard, "-ERR Protocol error: unbalanced quotes in request |  | Finished");
}

#[test]
fn nothing_behind_a_fault_is_read_whatever_the_cut() {
    for (stream, fault) in [
        ("*1\r\n$4\r\nPINGxx*1\r\n", "expected CRLF after a bulk string"),
        ("*1\r\n:4\r\n", "expected '$', got ':'"),
        ("*x\r\nPING\r\n", "invalid multibulk length"),
        ("*1048577\r\nPING\r\n", "invalid multibulk length"),
        ("*1\r\n$-1\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$10001\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$4\rPING\r\n", "invalid bulk length"),
        ("*1\r\n$0000000000000000000000004\r\n", "too big bulk count string"),
        ("*00000000000000000000000000001\r\n", "too big mbulk count string"),
    ] {
        let stream = format!("PING\r\n{stream}");
        let heard = same_for_every_cut("--max-value 10000", stream.as_bytes());
        let expected = format!("+PONG -ERR Protocol error: {fault} |  | Finished");
        assert_eq!(heard, expected, "{stream:?}");
    }
}

#[test]
fn a_request_longer_than_its_limit_is_refused_before_it_is_there() {
    let half = "x".repeat(600);
    let stream = format!("*3\r\n$4\r\nMGET\r\n$600\r\n{half}\r\n$600\r\n");
    let mut world = world("--max-request 1KiB");
    let heard = hear(&mut world, &[stream.as_bytes()]);
    assert_eq!(heard, "-ERR Protocol error: too big request |  | Finished");
}

#[test]
fn a_line_without_an_end_is_refused() {
    let mut world = world("");
    let line = "x".repeat(65_536);
    let heard = hear(&mut world, &[line.as_bytes()]);
    assert_eq!(heard, "-ERR Protocol error: too big inline request |  | Finished");
}

#[test]
fn a_transaction_is_the_same_whatever_the_cut() {
    let stream = b"MULTI\r\nSET n 1\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\nEXEC\r\n";
    let heard = same_for_every_cut("", stream);
    assert_eq!(heard, "+OK +QUEUED +QUEUED *2 +OK :2 |  | Finished");
}

#[test]
fn the_time_comes_from_the_loop() {
    let mut world = world("");
    let peer = world.join();
    let seconds = EPOCH / 1000;
    assert_eq!(super::ask(&mut world, peer, "TIME"), format!("*2 $7 {seconds} $1 0"));
    world.let_pass(std::time::Duration::from_millis(2500));
    let later = seconds + 2;
    assert_eq!(super::ask(&mut world, peer, "TIME"), format!("*2 $7 {later} $6 500000"));
}
