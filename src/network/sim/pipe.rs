//! The two ways of a simulated connection: what the peer sends, and what it receives.

use std::collections::VecDeque;

/// The way from the peer to the server: what does not fit waits at the peer.
#[derive(Debug)]
pub(super) struct Inbound {
    unsent: VecDeque<u8>,
    arrived: VecDeque<u8>,
    capacity: usize,
    /// The peer will send no more than is `unsent`.
    is_finished: bool,
    /// And the server's end knows.
    end_arrived: bool,
}

/// What a flow brought to the server's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Arrival {
    pub(super) has_bytes: bool,
    pub(super) is_end: bool,
}

impl Inbound {
    pub(super) const fn new() -> Self {
        Self {
            unsent: VecDeque::new(),
            arrived: VecDeque::new(),
            capacity: 0,
            is_finished: false,
            end_arrived: false,
        }
    }

    pub(super) const fn set_capacity(&mut self, bytes: usize) {
        self.capacity = bytes;
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        assert!(!self.is_finished, "a peer that has finished sends nothing more");
        self.unsent.extend(bytes);
    }

    pub(super) const fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Moves what fits, and the end behind it.
    pub(super) fn flow(&mut self) -> Arrival {
        let len = self.unsent.len().min(self.capacity - self.arrived.len());
        self.arrived.extend(self.unsent.drain(..len));
        let is_end = self.is_finished && self.unsent.is_empty() && !self.end_arrived;
        self.end_arrived |= is_end;
        Arrival { has_bytes: len > 0, is_end }
    }

    /// How much of what the peer sends now arrives with the next flow.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.arrived.len() + self.unsent.len())
    }

    /// Takes bytes that have arrived, as many as there are and `buffer` has room for.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let len = buffer.len().min(self.arrived.len());
        for (place, byte) in buffer.iter_mut().zip(self.arrived.drain(..len)) {
            *place = byte;
        }
        len
    }

    /// Takes bytes that have arrived, `max_len` at most, and throws them away.
    pub(super) fn skip(&mut self, max_len: usize) {
        self.arrived.drain(..self.arrived.len().min(max_len));
    }

    /// Everything on the way is lost.
    pub(super) fn discard(&mut self) {
        self.unsent = VecDeque::new();
        self.arrived = VecDeque::new();
    }

    pub(super) fn unread_len(&self) -> usize {
        self.arrived.len()
    }

    pub(super) fn unsent_len(&self) -> usize {
        self.unsent.len()
    }

    pub(super) const fn end_arrived(&self) -> bool {
        self.end_arrived
    }
}

/// The way from the server to the peer. The bytes that the peer has taken and those on their way to
/// it are one run, with a mark between them.
#[derive(Debug)]
pub(super) struct Outbound {
    bytes: Vec<u8>,
    taken_len: usize,
    capacity: usize,
    is_finished: bool,
}

impl Outbound {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), taken_len: 0, capacity: 0, is_finished: false }
    }

    pub(super) const fn set_capacity(&mut self, bytes: usize) {
        self.capacity = bytes;
    }

    pub(super) const fn room(&self) -> usize {
        self.capacity - self.in_flight_len()
    }

    /// Whether there is room enough to say so: a third, as on Linux.
    pub(super) const fn is_roomy(&self) -> bool {
        self.room() > 0 && self.room() >= self.capacity.div_ceil(3)
    }

    /// Puts `bytes` on the way; there is room for them.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "more than the pipe holds");
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) const fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The peer takes bytes, `max_len` at most.
    pub(super) fn take(&mut self, max_len: usize) {
        self.taken_len += self.in_flight_len().min(max_len);
    }

    /// What is on its way is lost.
    pub(super) fn discard(&mut self) {
        self.bytes.truncate(self.taken_len);
    }

    pub(super) const fn in_flight_len(&self) -> usize {
        self.bytes.len() - self.taken_len
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// What the peer has taken.
    pub(super) fn taken(&self) -> &[u8] {
        &self.bytes[..self.taken_len]
    }

    /// The same, and what is on its way.
    pub(super) fn all(&self) -> &[u8] {
        &self.bytes
    }

    /// Hands over what the peer has taken.
    pub(super) fn remove_taken(&mut self) -> Vec<u8> {
        let rest = self.bytes.split_off(self.taken_len);
        self.taken_len = 0;
        std::mem::replace(&mut self.bytes, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_waits_and_the_end_comes_behind_it() {
        let mut inbound = Inbound::new();
        inbound.set_capacity(3);
        inbound.send(b"abcde");
        inbound.finish();
        assert_eq!(inbound.flow(), Arrival { has_bytes: true, is_end: false });
        assert_eq!((inbound.unread_len(), inbound.unsent_len()), (3, 2));
        let mut buffer = [0; 8];
        assert_eq!(inbound.read(&mut buffer), 3);
        assert_eq!(inbound.flow(), Arrival { has_bytes: true, is_end: true });
        assert_eq!(inbound.read(&mut buffer), 2);
        assert_eq!(&buffer[..2], b"de");
        assert_eq!(inbound.flow(), Arrival { has_bytes: false, is_end: false });
    }

    #[test]
    fn a_third_of_the_pipe_must_be_free_to_be_called_room() {
        let mut outbound = Outbound::new();
        outbound.set_capacity(9);
        outbound.write(b"123456789");
        outbound.take(2);
        assert!(!outbound.is_roomy());
        outbound.take(1);
        assert!(outbound.is_roomy());
    }

    #[test]
    fn bytes_on_their_way_can_be_lost_and_bytes_taken_cannot() {
        let mut outbound = Outbound::new();
        outbound.set_capacity(9);
        outbound.write(b"abcd");
        outbound.take(1);
        outbound.discard();
        assert_eq!(outbound.remove_taken(), b"a");
        assert_eq!(outbound.all(), b"");
    }
}
