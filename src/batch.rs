//! Datagrams in batches: those a network received, and those it is to send.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// Datagrams that a network received, in one buffer that is used again for each batch.
#[derive(Debug)]
pub struct Incoming {
    buffer: Vec<u8>,
    /// The room for each datagram: one byte more than the longest that is taken whole, so that a
    /// longer one shows.
    room_len: usize,
    datagrams: Vec<Received>,
    capacity: usize,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    sender: SocketAddr,
    len: usize,
}

/// One datagram that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// Where it came from.
    pub sender: SocketAddr,
    /// What it carries: of a truncated one, the beginning.
    pub payload: &'a [u8],
    /// Whether it was longer than the longest that is taken whole.
    pub is_truncated: bool,
}

impl Incoming {
    /// Room for `capacity` datagrams of `max_len` bytes.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    pub fn new(capacity: usize, max_len: usize) -> Self {
        assert!(capacity > 0, "a batch without room");
        let room_len = max_len + 1;
        Self {
            buffer: vec![0; capacity * room_len],
            room_len,
            datagrams: Vec::with_capacity(capacity),
            capacity,
        }
    }

    /// Forgets all datagrams.
    pub fn clear(&mut self) {
        self.datagrams.clear();
    }

    /// How many bytes of memory this holds.
    pub(crate) const fn held_len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.datagrams.len() == self.capacity
    }

    /// How many datagrams there are.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// For a network: the room for the next datagram, or `None` if the batch is full. A datagram
    /// that fills it was longer than is taken whole.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        let start = self.datagrams.len() * self.room_len;
        (!self.is_full()).then(|| &mut self.buffer[start..start + self.room_len])
    }

    /// For a network: `len` bytes from `sender` are in the [`room`](Self::room).
    ///
    /// # Panics
    ///
    /// If there was no room, or less of it.
    pub fn push(&mut self, sender: SocketAddr, len: usize) {
        assert!(!self.is_full() && len <= self.room_len, "a datagram that had no room");
        self.datagrams.push(Received { sender, len });
    }

    /// The datagrams, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let max_len = self.room_len - 1;
        self.datagrams.iter().zip(self.buffer.chunks_exact(self.room_len)).map(
            move |(received, room)| Datagram {
                sender: received.sender,
                payload: &room[..received.len.min(max_len)],
                is_truncated: received.len > max_len,
            },
        )
    }
}

/// The memory of a waiting datagram besides its payload.
const DATAGRAM_LEN: usize = size_of::<(SocketAddr, Range<usize>)>();
/// Room for less than this is not worth moving anything.
const WORTH_MOVING_LEN: usize = 64 * 1024;

/// Datagrams that wait to be sent, in one buffer; a queue.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// The payloads, one after the other, with those already sent before them.
    bytes: Vec<u8>,
    /// Where each goes, and its place in `bytes`.
    datagrams: VecDeque<(SocketAddr, Range<usize>)>,
}

impl Outgoing {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), datagrams: VecDeque::new() }
    }

    /// Puts a datagram to `receiver` at the end.
    pub fn push(&mut self, receiver: SocketAddr, payload: &[u8]) {
        self.forget_sent();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.datagrams.push_back((receiver, start..self.bytes.len()));
    }

    /// The datagram at the front: to whom, and what.
    pub fn front(&self) -> Option<(SocketAddr, &[u8])> {
        self.datagrams.front().map(|(receiver, range)| (*receiver, &self.bytes[range.clone()]))
    }

    /// Removes the datagram at the front, which was sent or given up.
    pub fn pop(&mut self) {
        self.datagrams.pop_front();
        if self.datagrams.is_empty() {
            self.bytes.clear();
        }
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// How many bytes wait, with a share for each datagram, since an empty one takes room too.
    pub fn waiting_len(&self) -> usize {
        self.payload_len() + self.datagrams.len() * DATAGRAM_LEN
    }

    /// How many bytes wait, nothing besides.
    pub(crate) fn payload_len(&self) -> usize {
        self.bytes.len() - self.sent_len()
    }

    /// How many bytes of the buffer were sent already.
    fn sent_len(&self) -> usize {
        self.datagrams.front().map_or(self.bytes.len(), |(_, range)| range.start)
    }

    /// Moves what waits to the front of the buffer, if that is worth it.
    fn forget_sent(&mut self) {
        let sent = self.sent_len();
        if sent > WORTH_MOVING_LEN && sent > self.bytes.len() / 2 {
            self.bytes.drain(..sent);
            for (_, range) in &mut self.datagrams {
                *range = range.start - sent..range.end - sent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn datagrams_come_out_as_they_were_received() {
        let mut batch = Incoming::new(2, 4);
        for payload in [b"".as_slice(), b"abcd"] {
            batch.room().unwrap()[..payload.len()].copy_from_slice(payload);
            batch.push(address(1), payload.len());
        }
        assert!(batch.is_full() && batch.room().is_none());
        let payloads: Vec<_> = batch.iter().map(|datagram| datagram.payload).collect();
        assert_eq!(payloads, [b"".as_slice(), b"abcd"]);
        assert!(batch.iter().all(|datagram| !datagram.is_truncated));
    }

    #[test]
    fn a_datagram_longer_than_allowed_shows() {
        let mut batch = Incoming::new(1, 4);
        batch.room().unwrap().copy_from_slice(b"abcde");
        batch.push(address(1), 5);
        let datagram = batch.iter().next().unwrap();
        assert_eq!((datagram.payload, datagram.is_truncated), (b"abcd".as_slice(), true));
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let mut queue = Outgoing::new();
        queue.push(address(0), &[0; 1000]);
        for port in 1..10_000 {
            queue.push(address(port), &[port.to_le_bytes()[0]; 1000]);
            let (receiver, payload) = queue.front().unwrap();
            assert_eq!(
                (receiver, payload),
                (address(port - 1), [(port - 1).to_le_bytes()[0]; 1000].as_slice())
            );
            queue.pop();
            assert_eq!(queue.waiting_len(), 1000 + DATAGRAM_LEN);
        }
        assert!(queue.bytes.len() <= 2 * WORTH_MOVING_LEN + 2000);
    }
}
