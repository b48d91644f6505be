//! The peers: what each has sent, and what it is owed for that.

use std::fmt;
use std::io::ErrorKind;

use windlass::network::{SimNetwork, SimPeer};

use super::super::choices::Choices;
use super::super::fixture::millis;
use super::Protocol;

/// First bytes of messages that have the server do something.
const COMMANDS: [u8; 8] = *b"pbpbqex!";
/// From here on, a byte that is drawn is the first of a message as it is.
const FIRST_ODD: u8 = 240;

pub(super) struct Client {
    pub(super) peer: SimPeer,
    sent: Vec<u8>,
    /// The last byte it has made up.
    last: u8,
    /// It sends no more than this: much takes long where little fits.
    most: usize,
    /// What it is to be answered for all it has sent, if nothing comes in the way.
    pub(super) owed: Vec<u8>,
    /// How much of what it received has been looked at.
    checked_len: usize,
    /// Whether nothing is wrong with what it has sent.
    is_well_formed: bool,
    has_finished: bool,
    /// Whether its connection was broken.
    is_broken: bool,
}

impl Client {
    pub(super) fn new(peer: SimPeer, number: usize, most: usize) -> Self {
        Self {
            peer,
            last: u8::try_from(4 * number % 26).expect("there are few"),
            sent: Vec::new(),
            most,
            owed: Vec::new(),
            checked_len: 0,
            is_well_formed: true,
            has_finished: false,
            is_broken: false,
        }
    }

    /// Whether it is owed everything.
    pub(super) const fn is_honest(&self) -> bool {
        self.is_well_formed && !self.is_broken
    }

    /// Does one thing or the other.
    pub(super) fn act(
        &mut self,
        network: &mut SimNetwork,
        protocol: Protocol,
        choices: &mut Choices<'_>,
    ) {
        match choices.below(16) {
            0..=6 => {
                let message = self.message(choices);
                self.send(network, protocol, &protocol.wire(&message));
            }
            7 | 8 => {
                // What is no frame, or half of one.
                let mut wire = protocol.wire(&self.message(choices));
                wire.truncate(choices.below(20));
                self.send(network, protocol, &wire);
            }
            9 => {
                for _ in 0..choices.below(100) {
                    let message = self.bytes(5);
                    self.send(network, protocol, &protocol.wire(&message));
                }
            }
            10 => self.finish_sending(network),
            11 => network.stall(self.peer),
            12 => network.resume(self.peer),
            13 => network.read_slowly(self.peer, 1 + choices.below(50), millis(2)),
            14 if choices.chance(70) => {}
            14 => self.break_off(network, choices),
            _ => {
                let wire = protocol.wire(&[]).repeat(choices.below(50));
                self.send(network, protocol, &wire);
            }
        }
    }

    /// A message, of which the first byte may have the server do something.
    fn message(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let first = choices.byte();
        let len = choices.pick(&[5, 1, 2, 5, 20, 100, 300, 0]);
        let mut message = self.bytes(len);
        if let Some(byte) = message.first_mut().filter(|_| first >= FIRST_ODD) {
            *byte = first;
        }
        if let Some(byte) = message.first_mut().filter(|_| first < 32) {
            *byte = COMMANDS[usize::from(first) % COMMANDS.len()];
        }
        message
    }

    /// Bytes unlike those before them, and for the most part unlike those of other clients.
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let bytes = (0..len).map(|_| {
            self.last = (self.last + 1) % 26;
            b'A' + self.last
        });
        bytes.collect()
    }

    /// Does something right before a call of the loop.
    pub(super) fn act_at(
        &mut self,
        network: &mut SimNetwork,
        number: u64,
        choices: &mut Choices<'_>,
    ) {
        let peer = self.peer;
        match choices.below(4) {
            0 => {
                self.has_finished = true;
                network.at_call(number, move |network| network.finish(peer));
            }
            1 => {
                self.is_broken = true;
                network.at_call(number, move |network| network.reset(peer));
            }
            2 => network.at_call(number, move |network| network.stall(peer)),
            _ => network.at_call(number, move |network| network.resume(peer)),
        }
    }

    fn send(&mut self, network: &mut SimNetwork, protocol: Protocol, bytes: &[u8]) {
        if self.has_finished || self.sent.len() + bytes.len() > self.most {
            return;
        }
        network.send_from(self.peer, bytes);
        self.sent.extend_from_slice(bytes);
        (self.owed, self.is_well_formed) = protocol.answers(&self.sent);
    }

    fn finish_sending(&mut self, network: &mut SimNetwork) {
        self.has_finished = true;
        network.finish(self.peer);
    }

    fn break_off(&mut self, network: &mut SimNetwork, choices: &mut Choices<'_>) {
        self.is_broken = true;
        match choices.below(4) {
            0 | 1 => network.reset(self.peer),
            2 => network.fail_read(self.peer, ErrorKind::TimedOut),
            _ => network.fail_write(self.peer, ErrorKind::BrokenPipe),
        }
    }

    /// Takes all there is, and sends no more.
    pub(super) fn finish(&mut self, network: &mut SimNetwork) {
        network.resume(self.peer);
        self.finish_sending(network);
    }

    /// It has received no byte that it is not owed.
    pub(super) fn check_answers(&mut self, network: &SimNetwork) {
        let received = network.received(self.peer);
        // A reset takes back what was in flight.
        let checked_len = self.checked_len.min(received.len());
        let owed = self.owed.get(checked_len..received.len());
        assert!(owed == Some(&received[checked_len..]), "a byte that it is not owed: {self:?}");
        self.checked_len = received.len();
    }
}

/// Without the bytes.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, owed, checked) = (self.sent.len(), self.owed.len(), self.checked_len);
        write!(f, "{:?} sent {sent} bytes, is owed {owed}, has {checked}", self.peer)?;
        write!(f, " (well formed: {}, ", self.is_well_formed)?;
        write!(f, "finished: {}, broken: {})", self.has_finished, self.is_broken)
    }
}
