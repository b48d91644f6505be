//! Datagrams that a network received.

use std::net::SocketAddr;
use std::slice;

use super::Datagram;

/// The room that joined datagrams are received into: the longest IP packet, which carries them.
const JOINED_ROOM_LEN: usize = 64 * 1024;
/// The memory it takes to have such room again behind joined datagrams that were received.
const JOINED_BUFFER_LEN: usize = 2 * JOINED_ROOM_LEN;

/// Datagrams that a network received, in one buffer that is used again for each batch.
#[derive(Debug)]
pub struct Incoming {
    buffer: Vec<u8>,
    /// Where the next goes: behind all that there are.
    end: usize,
    /// The longest datagram that is taken whole.
    max_len: usize,
    pieces: Vec<Piece>,
    /// Who sent them: once for as many in a row as are his.
    senders: Vec<SocketAddr>,
    /// How many datagrams the pieces are.
    len: usize,
    capacity: usize,
}

/// One datagram, or several of one sender that came joined.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    len: u32,
    /// The length of each datagram but the last, which may be shorter.
    segment_len: u32,
    /// A place in the list of senders.
    sender: u32,
}

impl Incoming {
    /// Room for `capacity` datagrams of `max_len` bytes.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    pub fn new(capacity: usize, max_len: usize) -> Self {
        assert!(capacity > 0, "a batch without room");
        Self {
            buffer: vec![0; capacity * (max_len + 1)],
            end: 0,
            max_len,
            pieces: Vec::with_capacity(capacity),
            senders: Vec::with_capacity(capacity),
            len: 0,
            capacity,
        }
    }

    /// Forgets all datagrams.
    #[inline]
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.senders.clear();
        self.end = 0;
        self.len = 0;
    }

    /// How many bytes of memory this comes to hold at most.
    pub(crate) fn max_held_len(&self) -> usize {
        let each = size_of::<Piece>() + size_of::<SocketAddr>();
        self.buffer.len().max(JOINED_BUFFER_LEN) + self.capacity * each
    }

    /// Whether there is no room for another: there are as many as it was made for, or, of joined
    /// ones, more.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.len >= self.capacity
    }

    /// How many datagrams there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many datagrams it was made for.
    #[inline]
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// For a network: the room for the next datagram, or `None` if the batch is full. It is one
    /// byte longer than the longest that is taken whole, so that a longer one shows: it fills it.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        // Joined ones may have left less.
        let room = self.end..self.end + self.room_len();
        if self.is_full() { None } else { self.buffer.get_mut(room) }
    }

    /// For a network: `len` bytes from `sender` are in the [`room`](Self::room).
    ///
    /// # Panics
    ///
    /// If there was no room, or less of it.
    pub fn push(&mut self, sender: SocketAddr, len: usize) {
        assert!(len <= self.room_len(), "a datagram that had no room");
        self.push_joined(sender, len, len);
    }

    /// For a network that gives datagrams joined: room for 64 KiB of them, or `None` if the batch
    /// is full, or cannot have as much. It has it when it is empty.
    pub fn joined_room(&mut self) -> Option<&mut [u8]> {
        if self.is_full() {
            return None;
        }
        if self.buffer.len() < JOINED_BUFFER_LEN {
            self.buffer.resize(JOINED_BUFFER_LEN, 0);
        }
        self.buffer.get_mut(self.end..self.end + JOINED_ROOM_LEN)
    }

    /// For a network: `len` bytes from `sender` are in the [`joined_room`](Self::joined_room), or
    /// the [`room`](Self::room): datagrams of `segment_len` bytes, of which the last may be
    /// shorter.
    ///
    /// # Panics
    ///
    /// If there was no room, or less of it.
    pub fn push_joined(&mut self, sender: SocketAddr, len: usize, segment_len: usize) {
        let has_room = !self.is_full() && len <= self.buffer.len() - self.end;
        assert!(has_room && len <= JOINED_ROOM_LEN, "datagrams that had no room");
        let is_joined = len > segment_len && segment_len > 0;
        let segment_len = if is_joined { segment_len } else { len };
        if self.senders.last() != Some(&sender) {
            self.senders.push(sender);
        }
        self.pieces.push(Piece {
            start: self.end,
            len: small(len),
            segment_len: small(segment_len),
            sender: small(self.senders.len() - 1),
        });
        self.end += len;
        self.len += if is_joined { len.div_ceil(segment_len) } else { 1 };
    }

    /// The datagrams, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.parts_from(0).map(|(sender, payload, is_truncated)| Datagram {
            sender: *sender,
            payload,
            is_truncated,
        })
    }

    /// What the [datagrams](Datagram) are made of, but for the first `skipped`.
    #[inline]
    pub(crate) fn parts_from(
        &self,
        skipped: usize,
    ) -> impl Iterator<Item = (&SocketAddr, &[u8], bool)> {
        let pieces = self.pieces.iter();
        let mut parts = Parts { batch: self, pieces, rest: &[], segment_len: 0, sender: 0 };
        if skipped > 0 {
            parts.nth(skipped - 1);
        }
        parts
    }

    /// For a network that receives several at a time, and has used nothing but these: the room for
    /// each of the next, and where it says what it has received.
    #[inline]
    pub(crate) fn slots(&mut self) -> (slice::ChunksExactMut<'_, u8>, Slots<'_>) {
        let room_len = self.room_len();
        let start = self.pieces.len() * room_len;
        let rooms = self.buffer[start..self.capacity * room_len].chunks_exact_mut(room_len);
        let Self { pieces, senders, len, .. } = self;
        (rooms, Slots { room_len, start, pieces, senders, len })
    }

    /// Whether the first and the last datagram are alike: of one sender, and as long.
    #[inline]
    pub(crate) fn is_of_one_kind(&self) -> bool {
        let lens = [self.pieces.first(), self.pieces.last()].map(|piece| piece.map(|it| it.len));
        self.senders.first() == self.senders.last() && lens[0] == lens[1]
    }

    #[inline]
    const fn room_len(&self) -> usize {
        self.max_len + 1
    }
}

/// A length or a place, none of which is as long.
fn small(len: usize) -> u32 {
    u32::try_from(len).expect("a batch has fewer senders, and rooms are shorter")
}

/// What was received, slot by slot.
pub(crate) struct Slots<'a> {
    room_len: usize,
    /// Where the next slot is.
    start: usize,
    pieces: &'a mut Vec<Piece>,
    senders: &'a mut Vec<SocketAddr>,
    len: &'a mut usize,
}

impl Slots<'_> {
    /// Into the next slots, a sender's datagrams were received.
    pub(crate) fn push_sender(&mut self, sender: SocketAddr) {
        self.senders.push(sender);
    }

    /// Into the next slot, `len` bytes were received from the sender last told.
    #[inline]
    pub(crate) fn push(&mut self, len: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "no datagram is longer than 64 KiB")]
        let len = len as u32;
        #[expect(clippy::cast_possible_truncation, reason = "fewer than the slots in memory")]
        let sender = self.senders.len().wrapping_sub(1) as u32;
        self.pieces.push(Piece { start: self.start, len, segment_len: len, sender });
        self.start += self.room_len;
        *self.len = self.pieces.len();
    }
}

/// What the datagrams of a batch are made of.
struct Parts<'a> {
    batch: &'a Incoming,
    pieces: slice::Iter<'a, Piece>,
    /// What is left of the piece that is being cut.
    rest: &'a [u8],
    segment_len: usize,
    sender: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = (&'a SocketAddr, &'a [u8], bool);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            let piece = self.pieces.next()?;
            self.rest = &self.batch.buffer[piece.start..][..piece.len as usize];
            self.segment_len = piece.segment_len as usize;
            self.sender = piece.sender as usize;
        }
        let (payload, rest) = self.rest.split_at(self.segment_len.min(self.rest.len()));
        self.rest = rest;
        let max_len = self.batch.max_len;
        let is_truncated = payload.len() > max_len;
        let payload = if is_truncated { &payload[..max_len] } else { payload };
        Some((&self.batch.senders[self.sender], payload, is_truncated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn payloads(batch: &Incoming) -> Vec<&[u8]> {
        batch.iter().map(|datagram| datagram.payload).collect()
    }

    #[test]
    fn datagrams_come_out_as_they_were_received() {
        let mut batch = Incoming::new(2, 4);
        for payload in [b"".as_slice(), b"abcd"] {
            batch.room().unwrap()[..payload.len()].copy_from_slice(payload);
            batch.push(address(1), payload.len());
        }
        assert!(batch.is_full() && batch.room().is_none());
        assert_eq!(payloads(&batch), [b"".as_slice(), b"abcd"]);
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
    fn joined_datagrams_are_cut_where_they_were_joined() {
        let mut batch = Incoming::new(4, 2);
        batch.room().unwrap()[..1].copy_from_slice(b"x");
        batch.push(address(1), 1);
        batch.joined_room().unwrap()[..8].copy_from_slice(b"aaabbbcc");
        batch.push_joined(address(2), 8, 3);
        assert_eq!(batch.len(), 4);
        assert!(batch.is_full() && batch.joined_room().is_none() && batch.room().is_none());
        let expected: [(u16, &[u8], bool); 4] =
            [(1, b"x", false), (2, b"aa", true), (2, b"bb", true), (2, b"cc", false)];
        let expected = expected.map(|(port, payload, is_truncated)| Datagram {
            sender: address(port),
            payload,
            is_truncated,
        });
        assert_eq!(batch.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_batch_of_joined_datagrams_has_room_for_more_than_it_was_made_for() {
        let mut batch = Incoming::new(2, 4);
        for _ in 0..3 {
            batch.clear();
            let room = batch.joined_room().unwrap();
            assert_eq!(room.len(), JOINED_ROOM_LEN);
            batch.push_joined(address(1), 400, 4);
            assert_eq!((batch.len(), batch.iter().count()), (100, 100));
            assert!(batch.is_full());
        }
        assert!(batch.max_held_len() >= batch.buffer.len());
    }

    #[test]
    fn what_was_received_into_slots_comes_out_in_their_order() {
        let mut batch = Incoming::new(3, 4);
        let (rooms, mut slots) = batch.slots();
        slots.push_sender(address(1));
        for (room, byte) in rooms.zip(b"ab") {
            room[..2].fill(*byte);
            slots.push(2);
        }
        assert_eq!((payloads(&batch), batch.is_full()), (vec![&b"aa"[..], b"bb"], false));
        assert!(batch.is_of_one_kind());
        batch.clear();
        assert!(batch.is_empty() && payloads(&batch).is_empty());
        assert_eq!(batch.slots().0.count(), 3);
    }
}
