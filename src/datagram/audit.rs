//! What must be true of a UDP socket whenever the loop has finished a turn.

use super::DatagramEndpoint;
use crate::network::Readiness;

impl DatagramEndpoint {
    /// The first rule that is broken between two turns, if any is. `promised` is what the network
    /// will tell of by itself as soon as it is so.
    pub(crate) fn broken_rule(&self, promised: Readiness) -> Option<&'static str> {
        let will_receive = match self.readiness.contains(Readiness::READABLE) {
            // A socket that drains has received its last.
            true => self.is_listed_ready || self.backoff.is_pausing() || self.is_draining,
            false => promised.contains(Readiness::READABLE),
        };
        let will_send = match self.readiness.contains(Readiness::WRITABLE) {
            true => self.is_listed_ready,
            false => promised.contains(Readiness::WRITABLE),
        };
        [
            ("I6: a datagram that has come is on the list, or comes with an event", will_receive),
            ("I3: datagrams that wait are sent at an event", self.outgoing.is_empty() || will_send),
        ]
        .into_iter()
        .find(|(_, is_kept)| !is_kept)
        .map(|(rule, _)| rule)
    }
}
