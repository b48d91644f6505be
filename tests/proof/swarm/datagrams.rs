//! Who sends datagrams in the swarm, and what may come back.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use windlass::Instant;
use windlass::network::{Faults, SimNetwork};

use super::server::UDP_PORT;
use crate::proof::fixture::{Random, address};

/// Where they come from.
const SENDERS: [([u8; 4], u16); 3] =
    [([192, 0, 2, 50], 5000), ([192, 0, 2, 51], 5000), ([192, 0, 2, 50], 5001)];

/// Those who send datagrams, and what they have sent.
pub(super) struct Senders {
    random: Random,
    next_send: Instant,
    /// Each that was sent: by whom, and how many answers came.
    sent: BTreeMap<Vec<u8>, (SocketAddr, usize)>,
    /// Whether some may have arrived without their end.
    are_cut: bool,
    /// Whether some may have arrived twice, or their answers.
    are_doubled: bool,
}

impl Senders {
    pub(super) fn new(seed: u64, faults: &Faults) -> Self {
        Self {
            random: Random::new(seed ^ 0xd9),
            next_send: Instant::START,
            sent: BTreeMap::new(),
            are_cut: faults.truncated_datagram > 0,
            are_doubled: faults.doubled_datagram > 0,
        }
    }

    /// Sends a few, perhaps, and looks at what has come.
    pub(super) fn step(&mut self, network: &mut SimNetwork) {
        if self.next_send <= network.clock() {
            let count = self.random.below_one_of(&[2, 2, 20]);
            (0..count).for_each(|_| self.send(network));
            let wait = self.random.micros_below(50_000);
            self.next_send = network.clock().after(wait).expect("within the clock");
        }
        self.look(network);
    }

    fn send(&mut self, network: &mut SimNetwork) {
        let from = SocketAddr::from(self.random.pick(&SENDERS));
        let len = self.random.below_one_of(&[1, 50, 1900]);
        let payload = [&self.sent.len().to_be_bytes()[..], &self.random.bytes(len)].concat();
        network.send_datagram(from, address(UDP_PORT), &payload);
        self.sent.insert(payload, (from, 0));
    }

    /// Whatever has come was sent, by whom it has come to; and comes once, unless the network
    /// doubles.
    pub(super) fn look(&mut self, network: &mut SimNetwork) {
        for sender in SENDERS.map(SocketAddr::from) {
            for (from, payload) in network.take_datagrams(sender) {
                assert_eq!(from, address(UDP_PORT), "somebody else has answered");
                match self.sent.get_mut(&payload) {
                    Some((to, answers)) => {
                        assert_eq!(*to, sender, "an answer went to somebody else");
                        *answers += 1;
                        assert!(self.are_doubled || *answers == 1, "it was answered twice");
                    }
                    None => assert!(
                        self.are_cut && self.is_beginning(&payload),
                        "a datagram was answered that nobody has sent"
                    ),
                }
            }
        }
    }

    fn is_beginning(&self, payload: &[u8]) -> bool {
        self.sent.keys().any(|sent| sent.starts_with(payload))
    }

    /// From now on nothing is lost: whatever is sent is answered, once.
    pub(super) fn send_last(&mut self, network: &mut SimNetwork) {
        self.look(network);
        self.sent.clear();
        (0..8).for_each(|_| self.send(network));
    }

    /// Whether all that was sent last was answered.
    pub(super) fn have_all(&self) -> bool {
        self.sent.values().all(|(_, answers)| *answers > 0)
    }

    /// It was, and only once.
    pub(super) fn check_end(&self) {
        for (payload, (from, answers)) in &self.sent {
            let len = payload.len();
            assert_eq!(*answers, 1, "answers to a datagram of {len} bytes from {from}");
        }
    }
}
