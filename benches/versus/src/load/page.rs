//! A page over HTTP/1.1: asked for once, to learn the answer, and then compared with that, all but
//! the date, which may become another.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::Range;

use memchr::memmem;

use super::asked::Script;
use super::repeated::Repeated;
use super::socket::{await_readable, connect};
use crate::trouble::{Trouble, Trying as _};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
/// No answer is longer that is asked for to measure.
const LONGEST: usize = 16 * 1024;
/// How a date looks (RFC 9110, section 5.6.7): `a` stands for a letter, `0` for a digit.
const DATE: &[u8] = b"aaa, 00 aaa 0000 00:00:00 GMT";

/// What is asked, and the answer that was learned.
pub(super) struct Page {
    requests: Repeated,
    answers: Repeated,
    date: Range<usize>,
}

impl Page {
    /// Asks once, and learns the answer.
    ///
    /// # Errors
    /// If it is not a page with a length and a date.
    pub(super) fn learn(address: SocketAddr) -> Result<Self, Trouble> {
        let mut stream = connect(address)?;
        stream.write_all(REQUEST).trying("cannot send")?;
        let (mut answer, mut buffer) = (Vec::new(), [0; LONGEST]);
        loop {
            await_readable(&stream)?;
            let len = stream.read(&mut buffer).trying("cannot receive")?;
            answer.extend_from_slice(&buffer[..len]);
            match Answer::of(&answer)? {
                Some(learned) if learned.len == answer.len() => {
                    return Ok(Self {
                        requests: Repeated::new(REQUEST),
                        answers: Repeated::new(&answer),
                        date: learned.date,
                    });
                }
                None if len > 0 && answer.len() < LONGEST => {}
                _ => return Err(Trouble::new("one request had not one whole answer")),
            }
        }
    }
}

impl Script for Page {
    fn ask(&self, _connection: u32, _from: u64, count: u64, requests: &mut Vec<u8>) {
        self.requests.append(count, requests);
    }

    fn answers(&mut self, _connection: u32, _from: u64, wanted: u64) -> (&[u8], u64) {
        self.answers.first(wanted)
    }

    /// Byte by byte, since it is only once in a while that a date has changed; the newest is then
    /// expected of all.
    fn wrong_at(&mut self, begin: usize, came: &[u8], differs_at: usize) -> Option<usize> {
        let expected = self.answers.one();
        let mut changed: Vec<(usize, u8)> = Vec::new();
        for (at, &byte) in came.iter().enumerate().skip(differs_at) {
            let place = (begin + at) % expected.len();
            if byte == expected[place] {
                continue;
            }
            if !self.date.contains(&place) || !is_of_date(byte, place - self.date.start) {
                return Some(at);
            }
            changed.push((place, byte));
        }
        for (place, byte) in changed {
            self.answers.set(place, byte);
        }
        None
    }
}

fn is_of_date(byte: u8, place: usize) -> bool {
    match DATE[place] {
        b'a' => byte.is_ascii_alphabetic(),
        b'0' => byte.is_ascii_digit(),
        fixed => byte == fixed,
    }
}

/// What of an answer must be known.
#[derive(PartialEq, Eq, Debug)]
struct Answer {
    len: usize,
    /// Where the value of its date is.
    date: Range<usize>,
}

impl Answer {
    /// None as long as the head is not whole, or less is there than it says.
    fn of(bytes: &[u8]) -> Result<Option<Self>, Trouble> {
        let Some(head_end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(&bytes[..head_end + 2]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200 ") {
            let first = head.lines().next().unwrap_or_default();
            return Err(Trouble::new(format!("the page is not there: {first}")));
        }
        let value = |name: &str| {
            let start = head.find(name)? + name.len();
            let end = start + head[start..].find("\r\n")?;
            let blank = head[start..end].len() - head[start..end].trim_start().len();
            Some(start + blank..end)
        };
        let length = value("\r\ncontent-length:").and_then(|it| head[it].trim().parse().ok());
        let length: usize = length.ok_or_else(|| Trouble::new("the page has no length"))?;
        let date = value("\r\ndate:").ok_or_else(|| Trouble::new("the page has no date"))?;
        let is_date = date.len() == DATE.len()
            && bytes[date.clone()].iter().zip(0..).all(|(byte, at)| is_of_date(*byte, at));
        if !is_date {
            return Err(Trouble::new(format!("`{}` is no date", &head[date])));
        }
        let len = head_end + 4 + length;
        Ok((bytes.len() >= len).then_some(Self { len, date }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 09:00:59 GMT\r\n\
                          Content-Length: 2\r\n\r\nhi";

    fn page() -> Page {
        let date = Answer::of(ANSWER.as_bytes()).unwrap().unwrap().date;
        let requests = Repeated::new(REQUEST);
        Page { requests, answers: Repeated::new(ANSWER.as_bytes()), date }
    }

    fn wrong_at(page: &mut Page, begin: usize, came: &str) -> Option<usize> {
        page.wrong_at(begin, came.as_bytes(), 0)
    }

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let answer = Answer::of(ANSWER.as_bytes()).unwrap().unwrap();
        assert_eq!(answer.len, ANSWER.len());
        assert_eq!(&ANSWER[answer.date], "Mon, 23 Nov 2026 09:00:59 GMT");
        for len in 0..ANSWER.len() {
            assert_eq!(Answer::of(&ANSWER.as_bytes()[..len]), Ok(None), "{len}");
        }
    }

    #[test]
    fn what_is_no_page_is_not_learned() {
        for (from, to) in [
            ("200 OK", "404 Not Found"),
            ("Content-Length", "Transfer-Encoding"),
            ("Date:", "Data:"),
            ("Mon, 23", "Monday 23"),
        ] {
            assert!(Answer::of(ANSWER.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn a_new_date_is_right_and_then_expected() {
        let mut page = page();
        let later = ANSWER.replace("09:00:59", "09:01:00");
        let both = format!("{ANSWER}{later}");
        assert_eq!(wrong_at(&mut page, 0, &both), None);
        assert_eq!(page.answers.one(), later.as_bytes());
        // The older one, from a connection that waited, is right too; and so is a part of it.
        for begin in 0..ANSWER.len() {
            assert_eq!(wrong_at(&mut page, begin, &ANSWER[begin..]), None);
        }
    }

    #[test]
    fn nothing_but_the_date_may_differ() {
        let mut page = page();
        for (from, to) in [("hi", "ho"), ("23 Nov", "2x Nov"), ("GMT", "UTC"), ("200", "201")] {
            let at = ANSWER.find(from).unwrap();
            let wrong = wrong_at(&mut page, 0, &ANSWER.replace(from, to));
            assert!(wrong.is_some_and(|wrong| (at..at + from.len()).contains(&wrong)), "{to}");
        }
    }
}
