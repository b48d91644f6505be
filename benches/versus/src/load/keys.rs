//! Keys in RESP that are set and asked for. A key's value follows from the key, so that every value
//! that comes can be compared whichever connection has set it last.

use std::io::Write as _;
use std::net::SocketAddr;

use super::Work;
use super::asked::{Asked, Script};
use super::dialogue::pause;
use super::plan::{Plan, Until};
use super::repeated::Repeated;
use super::requests::Requests;
use super::socket::connect;
use super::stretch::Tally;
use crate::trouble::{Trouble, Trying as _};
use crate::workload::Ask;

const KEY_LEN: usize = 16;
/// A value is its key so many times.
const KEYS_IN_VALUE: usize = 4;
/// From one key of a connection to its next, and from a connection's first to that of the next.
/// Neither has a divisor in common with [`Ask::KEYS`], so that each connection comes to all.
const STEP: u64 = 61_803;
const FIRST_STEP: u64 = 7_919;
/// So many are in flight while keys are set or read only to be there, or to be looked at.
const PIPELINE: u32 = 256;

type Key = [u8; KEY_LEN];

/// What connections that set keys, get them, or both in turn say and hear.
struct Keys {
    ask: Ask,
    keys: Box<[Key]>,
    set: Repeated,
    value: Vec<u8>,
}

impl Keys {
    fn new(ask: Ask, count: u32) -> Self {
        let keys = (0..count).map(key).collect();
        Self { ask, keys, set: Repeated::new(b"+OK\r\n"), value: answer_of(key(0)) }
    }

    /// The key of this request; each of one connection comes once before any comes again.
    fn key(&self, connection: u32, number: u64) -> Key {
        let at = u64::from(connection) * FIRST_STEP + number * STEP;
        #[expect(clippy::cast_possible_truncation, reason = "the remainder fits")]
        let at = (at % self.keys.len() as u64) as usize;
        self.keys[at]
    }

    fn is_set(&self, number: u64) -> bool {
        match self.ask {
            Ask::Set => true,
            Ask::Mixed => number.is_multiple_of(2),
            _ => false,
        }
    }
}

fn key(number: u32) -> Key {
    let mut key = [0; KEY_LEN];
    key.copy_from_slice(format!("key:{number:012}").as_bytes());
    key
}

/// What comes back when this key is asked for.
fn answer_of(key: Key) -> Vec<u8> {
    let mut answer = b"$64\r\n".to_vec();
    answer.extend_from_slice(&key.repeat(KEYS_IN_VALUE));
    answer.extend_from_slice(b"\r\n");
    answer
}

impl Script for Keys {
    fn ask(&self, connection: u32, from: u64, count: u64, requests: &mut Vec<u8>) {
        for number in from..from + count {
            let key = self.key(connection, number);
            if self.is_set(number) {
                requests.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$16\r\n");
                requests.extend_from_slice(&key);
                requests.extend_from_slice(b"\r\n$64\r\n");
                (0..KEYS_IN_VALUE).for_each(|_| requests.extend_from_slice(&key));
            } else {
                requests.extend_from_slice(b"*2\r\n$3\r\nGET\r\n$16\r\n");
                requests.extend_from_slice(&key);
            }
            requests.extend_from_slice(b"\r\n");
        }
    }

    fn answers(&mut self, connection: u32, from: u64, wanted: u64) -> (&[u8], u64) {
        match self.ask {
            Ask::Set => return self.set.first(wanted),
            _ if self.is_set(from) => return self.set.first(1),
            _ => {}
        }
        let key = self.key(connection, from);
        let start = self.value.len() - 2 - KEYS_IN_VALUE * KEY_LEN;
        let copies = self.value[start..].chunks_exact_mut(KEY_LEN);
        copies.for_each(|copy| copy.copy_from_slice(&key));
        (&self.value, 1)
    }
}

/// Keys that are there before they are asked for, and are looked at again in the end.
pub(super) struct Stored {
    plan: Plan,
    requests: Requests<Asked<Keys>>,
}

impl Stored {
    pub(super) fn open(
        plan: &Plan,
        ask: Ask,
        connections: u32,
        in_flight: u32,
    ) -> Result<Self, Trouble> {
        pass_all(plan, Ask::Set, Ask::KEYS)?;
        let script = Keys::new(ask, Ask::KEYS);
        let requests = Requests::follow(plan, connections, in_flight, script)?;
        Ok(Self { plan: *plan, requests })
    }
}

impl Work for Stored {
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble> {
        self.requests.stretch(until, tally)
    }

    fn finish(&mut self) -> Result<(), Trouble> {
        self.requests.finish()?;
        pass_all(&self.plan, Ask::Get, Ask::KEYS)
    }
}

/// Sets each of so many keys once, or gets each once and compares.
fn pass_all(plan: &Plan, ask: Ask, count: u32) -> Result<(), Trouble> {
    let mut requests = Requests::follow(plan, 1, PIPELINE, Keys::new(ask, count))?;
    requests.stretch(Until::Replies(count.into()), &mut Tally::new())?;
    requests.finish()
}

/// The stages in which a server's memory is read, each said once it is reached.
pub(crate) const STAGES: [&str; 2] = ["warm", "filled"];

/// Goes through the stages.
pub(super) fn play(plan: &Plan, count: u32) -> Result<(), Trouble> {
    let [warm, filled] = STAGES;
    warm_up(plan.address)?;
    pause(warm)?;
    pass_all(plan, Ask::Set, count)?;
    pause(filled)
}

/// One ping, so that what a server allocates for its first connection is there.
fn warm_up(address: SocketAddr) -> Result<(), Trouble> {
    let mut stream = connect(address)?;
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").trying("cannot send")?;
    super::socket::await_readable(&stream)
}

#[cfg(test)]
mod tests;
