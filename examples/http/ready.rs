//! An answer that is always the same but for its date: written once, stamped once a second, and
//! copied for each request.

use windlass::{Codec, Output};

use super::http1::{Answer, Date, Head, Http1, Persistence, Size, Status};

/// An answer that is sent as it is to whoever asks as nearly everybody does.
pub(crate) struct Ready {
    pub(crate) kind: &'static str,
    pub(crate) body: &'static [u8],
    written: Vec<u8>,
}

impl Ready {
    pub(crate) fn new(kind: &'static str, body: &'static [u8], date: &Date) -> Self {
        let head = Head {
            status: Status::Ok,
            date,
            size: Size::Known(body.len() as u64),
            persistence: Persistence::Stays,
            fields: &[("Content-Type", kind)],
        };
        let (mut codec, mut output) = (Http1::default(), Output::new());
        for part in [Answer::Head(head), Answer::Piece(body)] {
            codec.encode(part, &mut output).expect("no field of it has the end of a line in it");
        }
        Self { kind, body, written: output.to_vec() }
    }

    /// Gives it another date.
    pub(crate) fn stamp(&mut self, date: &Date) {
        let at = Head::date_at(Status::Ok);
        self.written[at..at + date.len()].copy_from_slice(date);
    }

    /// The answer as it is sent.
    #[inline]
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_the_date_and_nothing_else() {
        let mut ready = Ready::new("text/plain", b"hello", b"Thu, 01 Jan 1970 00:00:00 GMT");
        let before = String::from_utf8(ready.written().to_vec()).unwrap();
        ready.stamp(b"Sun, 06 Nov 1994 08:49:37 GMT");
        let expected = before.replace("Thu, 01 Jan 1970 00:00:00", "Sun, 06 Nov 1994 08:49:37");
        assert_ne!(before, expected);
        assert_eq!(ready.written(), expected.as_bytes());
    }
}
