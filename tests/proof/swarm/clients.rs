//! The peers of the swarm: what each sends, when, how it reads, and what it is owed.

use std::fmt;
use std::time::Duration;

use windlass::Instant;
use windlass::network::{PeerState, SimNetwork, SimPeer};

use crate::proof::fixture::{Random, address, millis};

/// What the server and its peers speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Raw,
    Lines,
    LengthPrefixed,
}

/// Payloads of the length-prefixed protocol may have this many bytes.
pub(crate) const MAX_PAYLOAD_LEN: usize = 5000;

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

pub(crate) struct Client {
    pub(crate) peer: Option<SimPeer>,
    bytes: Vec<u8>,
    /// What it is to be answered, if nothing comes in the way.
    pub(crate) owed: Vec<u8>,
    /// Whether the server will close on it, since it sends what is no frame.
    pub(crate) is_malformed: bool,
    connects: Instant,
    sent_len: usize,
    /// How much of what it received has been looked at.
    checked_len: usize,
    portion: usize,
    every: Duration,
    next_send: Instant,
    reading: Reading,
    resumes: Option<Instant>,
    ending: Ending,
    has_ended: bool,
}

impl Client {
    pub(crate) fn new(random: &mut Random, protocol: Protocol, most: usize) -> Self {
        let (mut bytes, mut owed) = (Vec::new(), Vec::new());
        let len = random.below(most);
        while bytes.len() < len {
            add_frame(random, protocol, &mut bytes, &mut owed);
        }
        let is_malformed = protocol != Protocol::Raw && random.chance(10);
        if is_malformed {
            bytes.extend(b"\xff\xff\xff\xff no frame\n");
            bytes.extend(vec![b'x'; random.below(3000)]);
        } else if protocol == Protocol::Lines && random.chance(30) {
            bytes.extend(b"without an end");
            owed.extend(b"without an end\n");
        }
        let portion = 1 + random.below_one_of(&[3, 100, 1 + bytes.len()]);
        let portions = u32::try_from(bytes.len() / portion + 1).expect("few");
        let ending = match random.below(10) {
            0 => Ending::Reset { at: random.below(bytes.len() + 1) },
            1..5 => Ending::HalfClose,
            _ if is_malformed || bytes.ends_with(b"without an end") => Ending::HalfClose,
            _ => Ending::AfterAnswers,
        };
        Self {
            peer: None,
            owed,
            is_malformed,
            connects: Instant::START.after(random.micros_below(50_000)).expect("early"),
            sent_len: 0,
            checked_len: 0,
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

    /// Whether it is owed everything.
    pub(crate) const fn is_honest(&self) -> bool {
        !matches!(self.ending, Ending::Reset { .. })
    }

    /// Whether it has done all it meant to do.
    pub(crate) const fn is_done(&self) -> bool {
        self.has_ended && self.resumes.is_none()
    }

    /// Does what it does at this moment.
    pub(crate) fn step(&mut self, network: &mut SimNetwork) {
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
        let is_over = [PeerState::Reset, PeerState::Broken, PeerState::Refused];
        if is_over.contains(&network.state(peer)) {
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

    /// It has received no byte that it is not owed.
    pub(crate) fn check_answers(&mut self, network: &SimNetwork) {
        let Some(peer) = self.peer else { return };
        let received = network.received(peer);
        // A reset takes back what was in flight.
        let checked_len = self.checked_len.min(received.len());
        let owed = self.owed.get(checked_len..received.len());
        let has_foreign = owed != Some(&received[checked_len..]);
        assert!(!has_foreign, "{peer:?} received a byte it is not owed");
        self.checked_len = received.len();
    }

    fn connect(&mut self, network: &mut SimNetwork) {
        let peer = network.connect_to(address(0));
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
        let has_ended_itself = network.state(peer) == PeerState::Finished;
        match self.ending {
            Ending::Reset { at } if self.sent_len >= at => network.reset(peer),
            Ending::HalfClose if has_sent => network.finish(peer),
            Ending::AfterAnswers if network.received(peer) == self.owed && has_sent => {
                network.finish(peer);
            }
            _ if has_ended_itself => network.finish(peer),
            _ => return,
        }
        self.has_ended = true;
    }

    /// When it does something next that no event brings about.
    pub(crate) fn next_time(&self) -> Option<Instant> {
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
        write!(f, "{:?} has sent {sent} of {len} bytes, is owed {owed}, ", self.peer)?;
        write!(f, "reads {:?}, ends {:?}", self.reading, self.ending)?;
        write!(f, " (malformed: {}, ended: {})", self.is_malformed, self.has_ended)
    }
}

fn add_frame(random: &mut Random, protocol: Protocol, bytes: &mut Vec<u8>, owed: &mut Vec<u8>) {
    let len = random.below_one_of(&[1, 2, 20, 20, 20, 1000]);
    let payload: Vec<u8> = (0..len).map(|_| random.pick(b"abcdefghijklmnopqrstuvwxyz")).collect();
    let mut frame = payload;
    match protocol {
        Protocol::Raw => {}
        Protocol::Lines => frame.push(b'\n'),
        Protocol::LengthPrefixed => {
            let len = u32::try_from(len).expect("short").to_be_bytes();
            frame.splice(..0, len);
        }
    }
    bytes.extend(&frame);
    owed.extend(&frame);
}
