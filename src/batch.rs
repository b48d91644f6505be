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

    /// How many bytes the buffer holds, those of datagrams already sent included.
    pub const fn buffered_len(&self) -> usize {
        self.bytes.len()
    }
}
