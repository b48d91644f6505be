//! The requests that one connection has in flight, whose answers are not what was sent: a script
//! says both.

use std::io::IoSlice;

use super::histogram::Histogram;
use super::talk::Talk;
use super::window::Batches;
use crate::trouble::Trouble;

/// What is asked, and what has to come back.
pub(super) trait Script {
    /// Puts a connection's requests from this number on behind those that are there.
    fn ask(&self, connection: u32, from: u64, count: u64, requests: &mut Vec<u8>);

    /// The answers from this number on and how many these are: one or more that are equally long,
    /// and not more than are wanted.
    fn answers(&mut self, connection: u32, from: u64, wanted: u64) -> (&[u8], u64);

    /// Where what came is wrong, if it is, though it differs from the answers from a place on:
    /// `came` begins at byte `begin` of an answer.
    fn wrong_at(&mut self, _begin: usize, _came: &[u8], differs_at: usize) -> Option<usize> {
        Some(differs_at)
    }
}

/// One connection's part.
pub(super) struct Asked<S> {
    connection: u32,
    in_flight: u64,
    issued: u64,
    answered: u64,
    /// What is to be sent, from `sent` on.
    requests: Vec<u8>,
    sent: usize,
    /// Bytes that are back of an answer that is not yet whole.
    part_len: usize,
    batches: Batches,
    script: std::marker::PhantomData<S>,
}

impl<S> Asked<S> {
    pub(super) fn new(connection: u32, in_flight: u32) -> Self {
        Self {
            connection,
            in_flight: in_flight.into(),
            issued: 0,
            answered: 0,
            requests: Vec::new(),
            sent: 0,
            part_len: 0,
            batches: Batches::new(in_flight),
            script: std::marker::PhantomData,
        }
    }

    fn surplus(&self, len: usize) -> Trouble {
        Trouble::new(format!(
            "connection {} was sent {len} bytes more than the answers to its {} requests",
            self.connection, self.issued,
        ))
    }
}

impl<S: Script> Asked<S> {
    /// Compares the beginning of what came with one or more answers, and gives how much of it is
    /// used up by how many that are whole.
    fn compare(&mut self, bytes: &[u8], script: &mut S) -> Result<(usize, u64), Trouble> {
        let outstanding = self.outstanding();
        if outstanding == 0 {
            return Err(self.surplus(bytes.len()));
        }
        let (answers, count) = script.answers(self.connection, self.answered, outstanding);
        let answer_len = answers.len() / usize::try_from(count).unwrap_or(usize::MAX);
        let expected = &answers[self.part_len..];
        let len = bytes.len().min(expected.len());
        if expected[..len] != bytes[..len] {
            let same = expected.iter().zip(bytes).take_while(|(one, other)| one == other).count();
            if let Some(at) = script.wrong_at(self.part_len, &bytes[..len], same) {
                return Err(self.mismatch(at, bytes[at], answer_len));
            }
        }
        let reached = self.part_len + len;
        self.part_len = reached % answer_len;
        Ok((len, (reached / answer_len) as u64))
    }

    fn mismatch(&self, at: usize, byte: u8, answer_len: usize) -> Trouble {
        let at = self.part_len + at;
        Trouble::new(format!(
            "wrong bytes came back: connection {}, byte {} of answer {} is {byte:#04x}",
            self.connection,
            at % answer_len,
            self.answered + (at / answer_len) as u64,
        ))
    }
}

impl<S: Script> Talk for Asked<S> {
    type Shared = S;

    fn outstanding(&self) -> u64 {
        self.issued - self.answered
    }

    fn issue(&mut self, count: u64, now: u64, script: &S) {
        if count == 0 {
            return;
        }
        assert!(self.outstanding() + count <= self.in_flight, "more than may be in flight");
        if self.sent == self.requests.len() {
            self.requests.clear();
            self.sent = 0;
        }
        script.ask(self.connection, self.issued, count, &mut self.requests);
        self.issued += count;
        self.batches.push(count, now);
    }

    fn unsent(&self) -> [IoSlice<'_>; 2] {
        [IoSlice::new(&self.requests[self.sent..]), IoSlice::new(&[])]
    }

    fn note_sent(&mut self, len: usize) {
        self.sent += len;
    }

    fn note_received(
        &mut self,
        mut bytes: &[u8],
        now: u64,
        histogram: &mut Histogram,
        script: &mut S,
    ) -> Result<u64, Trouble> {
        let mut whole = 0;
        while !bytes.is_empty() {
            let (len, count) = self.compare(bytes, script)?;
            self.answered += count;
            whole += count;
            bytes = &bytes[len..];
        }
        self.batches.pop(whole, now, histogram);
        Ok(whole)
    }

    fn closed(&self) -> Trouble {
        Trouble::new(format!(
            "the server closed connection {} with {} requests unanswered",
            self.connection,
            self.outstanding(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks `?` and hears `<0>` to `<9>`, in turn.
    struct Digits(Vec<u8>);

    impl Script for Digits {
        fn ask(&self, _connection: u32, _from: u64, count: u64, requests: &mut Vec<u8>) {
            requests.extend((0..count).map(|_| b'?'));
        }

        fn answers(&mut self, _connection: u32, from: u64, wanted: u64) -> (&[u8], u64) {
            // Two at most at a time, so that more than one call is needed.
            let count = wanted.min(2);
            self.0.clear();
            for number in from..from + count {
                self.0.extend(format!("<{}>", number % 10).into_bytes());
            }
            (&self.0, count)
        }
    }

    fn asked(count: u64) -> (Asked<Digits>, Digits) {
        let (mut asked, script) = (Asked::new(3, 9), Digits(Vec::new()));
        asked.issue(count, 0, &script);
        assert_eq!(&*asked.unsent()[0], "?".repeat(count.try_into().unwrap()).as_bytes());
        asked.note_sent(count.try_into().unwrap());
        (asked, script)
    }

    fn hear(asked: &mut Asked<Digits>, script: &mut Digits, bytes: &[u8]) -> Result<u64, Trouble> {
        asked.note_received(bytes, 0, &mut Histogram::new(), script)
    }

    #[test]
    fn answers_in_any_pieces_are_right() {
        for piece_len in 1..30 {
            let (mut asked, mut script) = asked(9);
            let mut whole = 0;
            for piece in b"<0><1><2><3><4><5><6><7><8>".chunks(piece_len) {
                whole += hear(&mut asked, &mut script, piece).unwrap();
            }
            assert_eq!((whole, asked.outstanding()), (9, 0));
        }
    }

    #[test]
    fn a_wrong_byte_is_named_by_its_place() {
        for piece_len in 1..10 {
            let (mut asked, mut script) = asked(3);
            let pieces = b"<0><1>(2>".chunks(piece_len);
            let heard: Result<Vec<u64>, Trouble> =
                pieces.map(|piece| hear(&mut asked, &mut script, piece)).collect();
            let trouble = heard.unwrap_err().to_string();
            assert!(trouble.ends_with("connection 3, byte 0 of answer 2 is 0x28"), "{trouble}");
        }
    }

    #[test]
    fn an_answer_nobody_asked_for_is_noticed() {
        let (mut asked, mut script) = asked(1);
        let trouble = hear(&mut asked, &mut script, b"<0><1>").unwrap_err().to_string();
        assert!(trouble.contains("3 bytes more"), "{trouble}");
    }
}
