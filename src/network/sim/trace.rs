//! The trace of a run as one number.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::calls::Call;
use super::random::mix;
use crate::instant::Instant;
use crate::network::{ConnectError, Progress};

/// Everything that was asked and answered, folded into 64 bits.
#[derive(Debug)]
pub(super) struct Trace(u64);

/// What a test does to the simulated world, one number each, beyond those of the [`Call`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    PeerConnect = 100,
    PeerSend,
    PeerFinish,
    PeerReset,
    PeerReading,
    PeerTake,
    RaiseSignal,
    Datagram,
}

impl Trace {
    pub(super) const fn new() -> Self {
        Self(0)
    }

    pub(super) const fn hash(&self) -> u64 {
        self.0
    }

    pub(super) const fn add(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ word);
    }

    pub(super) fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    /// A call begins: which, about what, when.
    pub(super) const fn call(&mut self, call: Call, about: u64, now: Instant) {
        self.begin(call as u64, about, now);
    }

    /// Something else happens: what, to whom, when.
    pub(super) const fn act(&mut self, act: Act, about: u64, now: Instant) {
        self.begin(act as u64, about, now);
    }

    const fn begin(&mut self, what: u64, about: u64, now: Instant) {
        self.add(what);
        self.add(about);
        self.add(now.as_nanos());
    }

    /// What a call that does not wait has answered.
    pub(super) fn answer<T: Answer>(&mut self, result: &io::Result<T>) {
        match result {
            Ok(answer) => self.add(answer.word()),
            Err(error) => self.error(error),
        }
    }

    /// What a call about an outbound connection has answered.
    pub(super) fn connect_answer<T: Answer>(&mut self, result: &Result<T, ConnectError>) {
        match result {
            Ok(answer) => self.add(answer.word()),
            Err(error) => self.add_bytes(error.to_string().as_bytes()),
        }
    }

    pub(super) fn error(&mut self, error: &io::Error) {
        self.add_bytes(format!("{:?}", error.kind()).as_bytes());
    }
}

/// An answer that can be told as one number.
pub(super) trait Answer {
    fn word(&self) -> u64;
}

impl Answer for () {
    fn word(&self) -> u64 {
        1
    }
}

impl Answer for usize {
    fn word(&self) -> u64 {
        *self as u64
    }
}

impl Answer for SocketAddr {
    fn word(&self) -> u64 {
        address_word(*self)
    }
}

impl<T: Answer> Answer for Progress<T> {
    fn word(&self) -> u64 {
        match self {
            Self::Done(answer) => answer.word(),
            Self::Blocked => u64::MAX,
        }
    }
}

/// An address as one number, another for nearly every other.
pub(super) fn address_word(address: SocketAddr) -> u64 {
    let bits = match address.ip() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.segments().iter().fold(1, |bits, part| mix(bits ^ u64::from(*part))),
    };
    mix(mix(bits) ^ u64::from(address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_and_the_cut_of_what_is_added_count() {
        let hash = |parts: &[&[u8]]| {
            let mut trace = Trace::new();
            for part in parts {
                trace.add_bytes(part);
            }
            trace.hash()
        };
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"c", b"ab"]));
        assert_ne!(hash(&[b"ab"]), hash(&[b"ab\0"]));
    }
}
