//! The peers of the swarm: what each sends, when, how it reads, and what it is owed.

use std::fmt;
use std::time::Duration;

use windlass::Instant;
use windlass::network::{PeerState, SimNetwork, SimPeer};

use super::plan::{Plan, Protocol};
use super::server::{DELIMITER, PANIC, QUIT, TELL};
use crate::proof::fixture::{Random, address, frame, millis};

/// Payloads may have this many bytes, where the protocol sets a limit.
pub(super) const MAX_PAYLOAD_LEN: usize = 5000;
/// The length of frames, where they have one.
pub(super) const FIXED_LEN: usize = 9;

/// What comes after the last frame that is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Last {
    Nothing,
    /// Something that is no frame, on which the server closes.
    Malformed,
    /// The word on which the server closes.
    Quit,
    /// The word at which the server's handler panics.
    Panic,
}

/// How a peer ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// It finishes when it has sent everything.
    HalfClose,
    /// It finishes when it has received everything.
    AfterAnswers,
    /// It resets the connection when it has sent so many bytes.
    Reset { at: usize },
}

/// How a peer reads.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Prompt,
    Slow { bytes: usize, every: Duration },
    StalledFor(Duration),
}

/// What it has received that was looked at.
#[derive(Clone, Copy, Default, Debug)]
struct Receipt {
    len: usize,
    /// How much of it was answers to its own frames.
    answers_len: usize,
    /// The number of the last thing that was told to all.
    told: Option<u32>,
}

pub(super) struct Client {
    pub(super) peer: Option<SimPeer>,
    listener: u16,
    protocol: Protocol,
    bytes: Vec<u8>,
    /// What it is to be answered, if nothing comes in the way.
    owed: Vec<u8>,
    pub(super) last: Last,
    connects: Instant,
    sent_len: usize,
    receipt: Receipt,
    portion: usize,
    every: Duration,
    next_send: Instant,
    reading: Reading,
    resumes: Option<Instant>,
    ending: Ending,
    has_ended: bool,
}

impl Client {
    /// The client of this number in the world of the plan, which connects soon after `now`.
    pub(super) fn new(plan: &Plan, number: usize, now: Instant) -> Self {
        let mut random = Random::new(plan.client_seed(number));
        let listener = random.below(plan.protocols.len());
        let protocol = plan.protocols[listener];
        let (mut bytes, mut owed) = (Vec::new(), Vec::new());
        let len = random.below(plan.most);
        while bytes.len() < len {
            add_frame(&mut random, protocol, &mut bytes, &mut owed);
        }
        let last = add_last(&mut random, protocol, &mut bytes, &mut owed);
        let portion = 1 + random.below_one_of(&[3, 100, 1 + bytes.len()]);
        let portions = u32::try_from(bytes.len() / portion + 1).expect("few");
        let ending = match random.below(10) {
            0 => Ending::Reset { at: random.below(bytes.len() + 1) },
            1..5 => Ending::HalfClose,
            _ if last != Last::Nothing || bytes.ends_with(UNFINISHED) => Ending::HalfClose,
            _ => Ending::AfterAnswers,
        };
        Self {
            peer: None,
            listener: u16::try_from(listener).expect("few"),
            protocol,
            owed,
            last,
            connects: now.after(random.micros_below(50_000)).expect("within the clock"),
            sent_len: 0,
            receipt: Receipt::default(),
            portion,
            every: random.pick(&[0, 1, 1, 2]) * random.micros_below(1_000_000) / portions,
            next_send: Instant::START,
            reading: match random.below(4) {
                0 => Reading::Slow {
                    bytes: 1 + bytes.len() / (1 + random.below(50)),
                    every: millis(1 + random.below(30) as u64),
                },
                1 => Reading::StalledFor(random.micros_below(1_500_000)),
                _ => Reading::Prompt,
            },
            resumes: None,
            ending,
            has_ended: false,
            bytes,
        }
    }

    /// Whether a proxy passes on what it sends.
    pub(super) const fn is_passed_on(&self) -> bool {
        matches!(self.protocol, Protocol::Proxy)
    }

    /// Whether it resets the connection.
    pub(super) const fn breaks_off(&self) -> bool {
        matches!(self.ending, Ending::Reset { .. })
    }

    /// Whether it is owed everything.
    pub(super) const fn is_honest(&self) -> bool {
        !self.breaks_off() && !matches!(self.last, Last::Panic)
    }

    /// Whether it has received everything.
    pub(super) const fn has_all(&self) -> bool {
        self.receipt.answers_len == self.owed.len()
    }

    /// Whether it has done all it meant to do.
    pub(super) const fn is_done(&self) -> bool {
        self.has_ended && self.resumes.is_none()
    }

    /// Does what it does at this moment.
    pub(super) fn step(&mut self, network: &mut SimNetwork) {
        let now = network.clock();
        let Some(peer) = self.peer else {
            if self.connects <= now {
                self.connect(network);
            }
            return;
        };
        if self.resumes.take_if(|when| *when <= now).is_some() {
            network.resume(peer);
        }
        let over = [PeerState::Reset, PeerState::Broken, PeerState::Refused];
        if over.contains(&network.state(peer)) {
            self.has_ended = true;
        }
        if self.has_ended {
            return;
        }
        if self.next_send <= now && self.sent_len < self.bytes.len() {
            let end = self.bytes.len().min(self.sent_len + self.portion);
            network.send_from(peer, &self.bytes[self.sent_len..end]);
            self.sent_len = end;
            self.next_send = now.after(self.every).expect("within the clock");
        }
        self.end(network, peer);
    }

    /// It has received no byte that it is not owed, given how many things were told to all.
    pub(super) fn check_answers(&mut self, network: &SimNetwork, told: u32) {
        let Some(peer) = self.peer else { return };
        let received = network.received(peer);
        // A reset takes back what was in flight.
        if received.len() < self.receipt.len {
            self.receipt = Receipt::default();
        }
        let news = &received[self.receipt.len..];
        if self.protocol != Protocol::Lines {
            return self.check_answer(news);
        }
        for line in news.split_inclusive(|byte| *byte == b'\n') {
            match line {
                [b'@', number @ .., b'\n'] => self.check_told(number, told),
                [.., b'\n'] => self.check_answer(line),
                _ => {}
            }
        }
    }

    fn check_answer(&mut self, bytes: &[u8]) {
        let is_owed = self.owed[self.receipt.answers_len..].starts_with(bytes);
        assert!(is_owed, "I8: a byte that is not owed has come to {self:?}");
        self.receipt.answers_len += bytes.len();
        self.receipt.len += bytes.len();
    }

    /// What is told to all comes to each once and in order, from the time it is there.
    fn check_told(&mut self, number: &[u8], told: u32) {
        let text = str::from_utf8(number).unwrap_or("");
        let number: u32 = text.parse().unwrap_or_else(|_| panic!("I8: told {text:?} to {self:?}"));
        let is_next = self.receipt.told.is_none_or(|last| number == last + 1) && number <= told;
        assert!(is_next, "I8: told {number} after {:?} of {told} to {self:?}", self.receipt.told);
        self.receipt.told = Some(number);
        self.receipt.len += text.len() + 2;
    }

    fn connect(&mut self, network: &mut SimNetwork) {
        let peer = network.connect_to(address(self.listener));
        self.peer = Some(peer);
        match self.reading {
            Reading::Prompt => {}
            Reading::Slow { bytes, every } => network.read_slowly(peer, bytes, every),
            Reading::StalledFor(time) => {
                network.stall(peer);
                self.resumes = network.clock().after(time);
            }
        }
    }

    fn end(&mut self, network: &mut SimNetwork, peer: SimPeer) {
        let has_sent = self.sent_len == self.bytes.len();
        let has_been_ended = network.state(peer) == PeerState::Finished;
        match self.ending {
            Ending::Reset { at } if self.sent_len >= at => network.reset(peer),
            Ending::HalfClose if has_sent => network.finish(peer),
            Ending::AfterAnswers if self.has_all() && has_sent => network.finish(peer),
            _ if has_been_ended => network.finish(peer),
            _ => return,
        }
        self.has_ended = true;
    }

    /// When it does something next that no event brings about.
    pub(super) fn next_time(&self) -> Option<Instant> {
        if self.peer.is_none() {
            return Some(self.connects);
        }
        let sends = (self.sent_len < self.bytes.len() && !self.has_ended).then_some(self.next_send);
        [sends, self.resumes].into_iter().flatten().min()
    }
}

/// Without the bytes.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, len, owed) = (self.sent_len, self.bytes.len(), self.owed.len());
        write!(f, "{:?} speaks {:?}, has sent {sent} of {len} bytes", self.peer, self.protocol)?;
        write!(f, ", is owed {owed} and has {}, ", self.receipt.answers_len)?;
        write!(f, "reads {:?}, ends {:?} after {:?}", self.reading, self.ending, self.last)?;
        write!(f, " (ended: {})", self.has_ended)
    }
}

/// Letters that none of the words has.
const LETTERS: &[u8] = b"abcdfghjkmorsvwxyz";
/// The beginning of a line, which the end of the stream makes a whole one.
const UNFINISHED: &[u8] = b"without a break";

/// A payload on the wire.
fn on_the_wire(protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    match protocol {
        Protocol::Raw | Protocol::Proxy | Protocol::Fixed => payload.to_vec(),
        Protocol::Lines | Protocol::ByteLines => [payload, b"\n"].concat(),
        Protocol::Delimited => [payload, DELIMITER].concat(),
        Protocol::LengthPrefixed => frame(payload),
        Protocol::Varint => [&varint(payload.len())[..], payload].concat(),
    }
}

/// The length that goes before a frame: seven bits in each byte, the low ones first.
fn varint(mut len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while len > 0x7f {
        bytes.push(len.to_le_bytes()[0] | 0x80);
        len >>= 7;
    }
    bytes.push(len.to_le_bytes()[0]);
    bytes
}

fn add_frame(random: &mut Random, protocol: Protocol, bytes: &mut Vec<u8>, owed: &mut Vec<u8>) {
    if protocol.has_words() && random.chance(3) {
        return bytes.extend(on_the_wire(protocol, TELL));
    }
    let len = match protocol {
        Protocol::Fixed => FIXED_LEN,
        _ => random.below_one_of(&[1, 2, 20, 20, 20, 1000]),
    };
    let payload: Vec<u8> = (0..len).map(|_| random.pick(LETTERS)).collect();
    let frame = on_the_wire(protocol, &payload);
    bytes.extend(&frame);
    owed.extend(&frame);
}

/// What comes behind the frames, if anything does.
fn add_last(
    random: &mut Random,
    protocol: Protocol,
    bytes: &mut Vec<u8>,
    owed: &mut Vec<u8>,
) -> Last {
    let is_of_lines = matches!(protocol, Protocol::Lines | Protocol::ByteLines);
    let can_be_wrong =
        matches!(protocol, Protocol::Lines | Protocol::LengthPrefixed | Protocol::Varint);
    let (last, word) = match random.below(10) {
        0 if can_be_wrong => {
            (Last::Malformed, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n".to_vec())
        }
        1 if protocol.has_words() => (Last::Quit, on_the_wire(protocol, QUIT)),
        2 if protocol.has_words() => (Last::Panic, on_the_wire(protocol, PANIC)),
        3..6 if is_of_lines => {
            bytes.extend(UNFINISHED);
            owed.extend(on_the_wire(protocol, UNFINISHED));
            return Last::Nothing;
        }
        _ => return Last::Nothing,
    };
    bytes.extend(word);
    bytes.extend(vec![b'x'; random.below(3000)]);
    last
}
