//! Bodies of requests: sent back, or read and left alone.

use windlass::network::PeerState;

use super::fixture::{pieces, secs};
use super::{ask, body, field, hear, same_for_every_cut, status, take, world};

const POST: &str = "POST /echo HTTP/1.1\r\nHost: a\r\n";
const NEXT: &str = "GET /json HTTP/1.1\r\nHost: a\r\n\r\n";

/// What chunks come to, with the head before and whatever comes after the last: how an answer is
/// cut into chunks is nobody's business.
fn joined(answer: &str) -> String {
    let Some((head, mut rest)) = answer.split_once("\r\n\r\n") else { return answer.to_owned() };
    if !head.contains("chunked") {
        return answer.to_owned();
    }
    let mut all = format!("{head}\r\n\r\n");
    while let Some((size, data)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        let (data, behind) = data.split_at(size);
        all.push_str(data);
        rest = behind.strip_prefix("\r\n").expect("the end of a chunk");
        if size == 0 {
            return format!("{all}|{rest}");
        }
    }
    all
}

#[test]
fn a_body_comes_back_as_it_was_sent() {
    for (stream, expected) in [
        ("Content-Length: 5\r\n\r\nhello", "hello"),
        ("Content-Length: 0\r\n\r\n", ""),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello|"),
        (
            "Transfer-Encoding: Chunked\r\n\r\n002;a=\"\\\"b\"\r\nhe\r\n3 ; c\r\nllo\r\n0\r\n\r\n",
            "hello|",
        ),
        ("Transfer-Encoding: chunked\r\n\r\n0;a\r\nA: b\r\nC:\r\n\r\n", "|"),
        ("Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n00\r\n\r\n", "0123456789|"),
    ] {
        let stream = format!("{POST}{stream}");
        let (answer, state) = same_for_every_cut(&mut world(""), stream.as_bytes(), joined);
        assert_eq!((status(&answer), body(&answer), state), ("200", expected, PeerState::Open));
        // What follows is the next request.
        let answer = ask(&mut world(""), &format!("{stream}{NEXT}"));
        assert!(answer.ends_with(r#"{"message":"Hello, World!"}"#), "{answer}");
    }
}

#[test]
fn who_expects_a_word_before_the_body_is_given_it() {
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let world = &mut world("");
    let peer = world.join();
    let head = format!("{POST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    world.network.send_from(peer, head.as_bytes());
    world.settle();
    assert_eq!(take(world, peer), go_on);
    world.network.send_from(peer, b"hello");
    world.settle();
    assert_eq!(body(&take(world, peer)), "hello");
    let (answer, _) = same_for_every_cut(world, format!("{head}hello").as_bytes(), str::to_owned);
    assert!(answer.starts_with(go_on) && answer.ends_with("hello"), "{answer}");
}

#[test]
fn who_is_not_given_the_word_is_not_waited_for() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let (answer, state) = hear(&mut world(""), &[head.as_bytes()]);
    assert_eq!((status(&answer), field(&answer, "Connection")), ("405", Some("close")));
    assert_eq!(state, PeerState::Finished);
}

#[test]
fn a_body_that_nobody_wants_is_read_to_its_end() {
    for sent in
        ["Content-Length: 5\r\n\r\nGET /", "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"]
    {
        for (line, expected) in [("GET / HTTP/1.1", "200"), ("PUT /nothing HTTP/1.1", "404")] {
            let stream = format!("{line}\r\nHost: a\r\n{sent}{NEXT}");
            let (answers, _) = same_for_every_cut(&mut world(""), stream.as_bytes(), str::to_owned);
            assert_eq!(status(&answers), expected);
            assert_eq!(answers.matches("HTTP/1.1").count(), 2, "{answers}");
            assert!(answers.ends_with(r#"{"message":"Hello, World!"}"#), "{answers}");
        }
    }
}

#[test]
fn an_answer_that_has_begun_is_cut_short_when_the_body_goes_wrong() {
    let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    for wrong in ["x\r\n", "\r\n", "5\r\nhelloo"] {
        let stream = format!("{chunked}{wrong}");
        let (answer, state) = same_for_every_cut(&mut world(""), stream.as_bytes(), joined);
        assert!(answer.ends_with("hello"), "no end, and no second answer: {answer}");
        assert_eq!(state, PeerState::Finished);
    }
}

#[test]
fn who_does_not_read_is_not_read() {
    let world = &mut world("");
    let peer = world.join();
    world.network.stall(peer);
    let all = vec![b'x'; 4 << 20];
    let head = format!("{POST}Content-Length: {}\r\n\r\n", all.len());
    world.network.send_from(peer, head.as_bytes());
    world.network.send_from(peer, &all);
    world.settle();
    let held = all.len() - world.network.unsent_len(peer);
    assert!(held < 1 << 20, "{held} bytes were taken of one who reads none");
    world.network.resume(peer);
    world.run_for(secs(1));
    assert_eq!(body(&take(world, peer)).len(), all.len(), "then it is");
}

#[test]
fn a_long_body_comes_back_whole_however_it_is_cut() {
    let world = &mut world("");
    let text = "0123456789abcdef".repeat(10_000);
    for len in [1000, 4096, 65_536, 200_000] {
        for head in [format!("Content-Length: {}\r\n\r\n", text.len()), CHUNKED.to_owned()] {
            let body = if head == CHUNKED { in_chunks(&text, 12_345) } else { text.clone() };
            let stream = format!("{POST}{head}{body}");
            let cuts: Vec<_> = (len..stream.len()).step_by(len).collect();
            let (answer, _) = hear(world, &pieces(stream.as_bytes(), &cuts));
            let answer = joined(&answer);
            assert!(answer.trim_end_matches('|').ends_with(&text), "in pieces of {len}");
        }
    }
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

fn in_chunks(text: &str, len: usize) -> String {
    let chunks = text.as_bytes().chunks(len).map(|chunk| {
        let data = str::from_utf8(chunk).expect("the text is ASCII");
        format!("{:X}\r\n{data}\r\n", chunk.len())
    });
    chunks.chain(["0\r\n\r\n".to_owned()]).collect()
}
