//! Pings in RESP, each answered with a pong.

use super::asked::Script;
use super::repeated::Repeated;

pub(super) struct Ping {
    requests: Repeated,
    answers: Repeated,
}

impl Ping {
    pub(super) fn new() -> Self {
        let requests = Repeated::new(b"*1\r\n$4\r\nPING\r\n");
        Self { requests, answers: Repeated::new(b"+PONG\r\n") }
    }
}

impl Script for Ping {
    fn ask(&self, _connection: u32, _from: u64, count: u64, requests: &mut Vec<u8>) {
        self.requests.append(count, requests);
    }

    fn answers(&mut self, _connection: u32, _from: u64, wanted: u64) -> (&[u8], u64) {
        self.answers.first(wanted)
    }
}
