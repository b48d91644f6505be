//! Datagrams that a network received.

use std::net::SocketAddr;
use std::{iter, slice};

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
    /// Whether there was no room for another, though there are fewer than it was made for.
    has_run_out: bool,
}

/// Equal datagrams of one sender, or one.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    end: usize,
    /// From one datagram to the next, which is at least 1: so an empty one is there too.
    stride: u32,
    /// The length of each datagram but the last, which is shorter if that is the end.
    len: u32,
    /// A place in the list of senders.
    sender: u32,
}

/// How many datagrams were looked at: whole pieces, and bytes of the one after them.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Place {
    piece: usize,
    offset: usize,
}

/// Datagrams of one sender and length, what is left of a piece or the shorter one at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'a> {
    pub(crate) sender: &'a SocketAddr,
    /// Where they are, with what is behind them in the piece.
    bytes: &'a [u8],
    stride: usize,
    len: usize,
    max_len: usize,
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
            has_run_out: false,
        }
    }

    /// Forgets all datagrams.
    #[inline]
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.senders.clear();
        self.end = 0;
        self.len = 0;
        self.has_run_out = false;
    }

    /// How many bytes of memory this comes to hold at most.
    pub(crate) fn max_held_len(&self) -> usize {
        let each = size_of::<Piece>() + size_of::<SocketAddr>();
        self.buffer.len().max(JOINED_BUFFER_LEN) + self.capacity * each
    }

    /// Whether there is no room for another: there are as many as it was made for, or, of joined
    /// ones, more; or those that came joined have left too little.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.len >= self.capacity || self.has_run_out
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

    /// How many bytes the datagrams are, without what is cut off of those truncated.
    #[inline]
    pub(crate) fn payload_len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.payload_len(self.max_len)).sum()
    }

    /// For a network: the room for the next datagram, or `None` if the batch is full. It is one
    /// byte longer than the longest that is taken whole, so that a longer one shows: it fills it.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        self.room_of(self.room_len())
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
    /// is full, or cannot have as much, which makes it full. It has it when it is empty.
    pub fn joined_room(&mut self) -> Option<&mut [u8]> {
        if !self.is_full() && self.buffer.len() < JOINED_BUFFER_LEN {
            self.buffer.resize(JOINED_BUFFER_LEN, 0);
        }
        self.room_of(JOINED_ROOM_LEN)
    }

    /// Joined ones may have left less than is wanted.
    fn room_of(&mut self, len: usize) -> Option<&mut [u8]> {
        self.has_run_out |= self.buffer.len() - self.end < len;
        if self.is_full() { None } else { Some(&mut self.buffer[self.end..][..len]) }
    }

    /// For a network: `len` bytes from `sender` are in the [`joined_room`](Self::joined_room), or
    /// the [`room`](Self::room): datagrams of `segment_len` bytes, of which the last may be
    /// shorter.
    ///
    /// # Panics
    ///
    /// If there was no room, or less of it.
    pub fn push_joined(&mut self, sender: SocketAddr, len: usize, segment_len: usize) {
        // An empty one takes a byte, to be there.
        let taken_len = len.max(1);
        if len == 0 && planted!(EmptyDatagramIsDropped) {
            return;
        }
        let has_room = !self.is_full() && taken_len <= self.buffer.len() - self.end;
        assert!(has_room && len <= JOINED_ROOM_LEN, "datagrams that had no room");
        let is_joined = len > segment_len && segment_len > 0;
        let segment_len = if is_joined { segment_len } else { len };
        if self.senders.last() != Some(&sender) {
            self.senders.push(sender);
        }
        let piece = Piece {
            start: self.end,
            end: self.end + taken_len,
            stride: small(segment_len.max(1)),
            len: small(segment_len),
            sender: small(self.senders.len() - 1),
        };
        self.pieces.push(piece);
        self.end = piece.end;
        self.len += taken_len.div_ceil(segment_len.max(1));
    }

    /// The datagrams, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let mut place = Place::default();
        let stretches = iter::from_fn(move || {
            let stretch = self.rest(&mut place)?;
            place.offset += stretch.bytes.len() / stretch.stride * stretch.stride;
            Some(stretch)
        });
        stretches.flat_map(|it| it.payloads().map(move |payload| it.datagram(payload)))
    }

    /// What is at this place or behind it: as much as is of one sender and length. `None` if there
    /// is no more.
    pub(crate) fn rest(&self, place: &mut Place) -> Option<Stretch<'_>> {
        let mut piece = self.pieces.get(place.piece)?;
        if place.offset >= piece.end - piece.start {
            *place = Place { piece: place.piece + 1, offset: 0 };
            piece = self.pieces.get(place.piece)?;
        }
        let bytes = &self.buffer[piece.start..piece.end][place.offset..];
        let stride = bytes.len().min(piece.stride as usize);
        let stride = if planted!(JoinedIsOne) { bytes.len() } else { stride };
        Some(Stretch {
            sender: &self.senders[piece.sender as usize],
            bytes,
            stride,
            len: stride.min(piece.len as usize),
            max_len: self.max_len,
        })
    }

    /// For a network that receives several at a time, and has used nothing but these: the room for
    /// each of the next, and where it says what it has received.
    #[inline]
    pub(crate) fn slots(&mut self) -> (slice::ChunksExactMut<'_, u8>, Slots<'_>) {
        let room_len = self.room_len();
        let rooms = self.buffer[self.end..self.capacity * room_len].chunks_exact_mut(room_len);
        let Self { pieces, senders, len, end, .. } = self;
        (rooms, Slots { room_len, pieces, senders, len, end })
    }

    /// Whether all datagrams are alike: of one sender, and of one length but for the last of each
    /// piece.
    #[inline]
    pub(crate) fn is_of_one_kind(&self) -> bool {
        let is_one = self.senders.iter().all(|sender| *sender == self.senders[0]);
        is_one && self.pieces.iter().all(|piece| piece.len == self.pieces[0].len)
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

impl Piece {
    #[inline]
    fn payload_len(&self, max_len: usize) -> usize {
        let (len, stride) = (max_len.min(self.len as usize), self.stride as usize);
        let taken_len = self.end - self.start;
        // A division is worth avoiding where everybody sends one.
        if taken_len == stride {
            return len;
        }
        taken_len / stride * len + len.min(taken_len % stride)
    }
}

impl Place {
    /// The datagram here, of this stretch, was looked at.
    #[inline(always)]
    pub(crate) const fn pass_one(&mut self, stretch: &Stretch<'_>) {
        // It goes no further than a datagram behind a buffer, so it cannot overflow.
        self.offset = self.offset.wrapping_add(stretch.stride);
    }
}

impl<'a> Stretch<'a> {
    /// Whether all its datagrams are taken whole.
    #[inline]
    pub(crate) const fn is_whole(&self) -> bool {
        self.len <= self.max_len
    }

    /// Its datagrams as they came: see [`datagram`](Self::datagram) for those too long.
    #[inline]
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let len = self.len.min(self.stride);
        let Self { bytes: mut rest, stride, .. } = *self;
        // As with `chunks_exact`, which would divide.
        iter::from_fn(move || {
            let (chunk, behind) = rest.split_at_checked(stride)?;
            rest = behind;
            Some(&chunk[..len])
        })
    }

    /// One of its datagrams.
    pub(crate) fn datagram(&self, payload: &'a [u8]) -> Datagram<'a> {
        let is_truncated = payload.len() > self.max_len;
        let payload = if is_truncated { &payload[..self.max_len] } else { payload };
        Datagram { sender: *self.sender, payload, is_truncated }
    }
}

/// What was received, slot by slot.
pub(crate) struct Slots<'a> {
    room_len: usize,
    pieces: &'a mut Vec<Piece>,
    senders: &'a mut Vec<SocketAddr>,
    len: &'a mut usize,
    /// Where the next slot is.
    end: &'a mut usize,
}

impl Slots<'_> {
    /// Into the next slots, a sender's datagrams were received.
    #[inline]
    pub(crate) fn push_sender(&mut self, sender: SocketAddr) {
        self.senders.push(sender);
    }

    /// Into the next slot, `len` bytes were received from the sender last told.
    #[inline]
    pub(crate) fn push(&mut self, len: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "no datagram is longer than 64 KiB")]
        let (len, stride) = (len as u32, self.room_len as u32);
        #[expect(clippy::cast_possible_truncation, reason = "fewer than the slots in memory")]
        let sender = self.senders.len().wrapping_sub(1) as u32;
        let start = *self.end;
        *self.end += self.room_len;
        *self.len += 1;
        self.pieces.push(Piece { start, end: *self.end, stride, len, sender });
    }

    /// Into so many slots more, as many bytes from the same sender were received.
    #[inline]
    pub(crate) fn repeat(&mut self, count: usize) {
        *self.len += count;
        *self.end += count * self.room_len;
        if let Some(last) = self.pieces.last_mut() {
            last.end = *self.end;
        }
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
        assert_eq!((batch.len(), batch.payload_len()), (4, 7));
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
        let (_, mut slots) = batch.slots();
        slots.push(3);
        assert!(batch.is_full() && !batch.is_of_one_kind());
        batch.clear();
        assert!(batch.is_empty() && payloads(&batch).is_empty());
        assert_eq!(batch.slots().0.count(), 3);
    }

    #[test]
    fn equal_datagrams_in_slots_are_one_piece() {
        let mut batch = Incoming::new(5, 4);
        let (rooms, mut slots) = batch.slots();
        rooms.zip(b"abcde").for_each(|(room, byte)| room.fill(*byte));
        slots.push_sender(address(1));
        slots.push(2);
        slots.repeat(1);
        slots.push(5);
        slots.push_sender(address(2));
        slots.push(0);
        slots.repeat(1);
        assert_eq!((batch.len(), batch.pieces.len(), batch.payload_len()), (5, 3, 8));
        let datagrams = batch.iter().collect::<Vec<_>>();
        let expected: [(u16, &[u8], bool); 5] = [
            (1, b"aa", false),
            (1, b"bb", false),
            (1, b"cccc", true),
            (2, b"", false),
            (2, b"", false),
        ];
        let expected = expected.map(|(port, payload, is_truncated)| Datagram {
            sender: address(port),
            payload,
            is_truncated,
        });
        assert_eq!(datagrams, expected);
    }

    #[test]
    fn a_batch_without_room_for_joined_ones_is_full() {
        let mut batch = Incoming::new(64, 2000);
        while batch.joined_room().is_some() {
            batch.push(address(1), 1500);
        }
        assert!(batch.is_full() && batch.len() < 64 && batch.room().is_none());
        batch.clear();
        assert!(!batch.is_full() && batch.room().is_some());
    }

    #[test]
    fn what_is_left_of_a_piece_begins_behind_what_was_looked_at() {
        let mut batch = Incoming::new(4, 2);
        batch.joined_room().unwrap()[..5].copy_from_slice(b"aabbc");
        batch.push_joined(address(1), 5, 2);
        let mut place = Place::default();
        for left in [2, 1, 1] {
            let stretch = batch.rest(&mut place).unwrap();
            assert_eq!(stretch.payloads().count(), left);
            place.pass_one(&stretch);
        }
        assert!(batch.rest(&mut place).is_none());
    }

    #[test]
    fn what_was_not_joined_is_one_datagram_whatever_is_said_of_its_segments() {
        for segment_len in [0, 4, 5] {
            let mut batch = Incoming::new(2, 8);
            batch.joined_room().unwrap()[..4].copy_from_slice(b"abcd");
            batch.push_joined(address(1), 4, segment_len);
            assert_eq!((payloads(&batch), batch.payload_len()), (vec![&b"abcd"[..]], 4));
        }
    }

    #[test]
    fn a_batch_says_how_much_memory_it_comes_to_hold() {
        for (capacity, max_len) in [(3, 4), (64, 65_507)] {
            let mut batch = Incoming::new(capacity, max_len);
            let most = batch.max_held_len();
            while batch.joined_room().is_some() {
                batch.push_joined(address(1), 400, 200);
            }
            let each = size_of::<Piece>() + size_of::<SocketAddr>();
            assert_eq!(most, batch.buffer.len() + capacity * each);
            assert!(batch.buffer.len() >= capacity * (max_len + 1), "it never shrinks");
        }
    }

    #[test]
    #[should_panic(expected = "datagrams that had no room")]
    fn a_full_batch_takes_no_more() {
        let mut batch = Incoming::new(1, 4);
        batch.push(address(1), 4);
        batch.push_joined(address(1), 4, 4);
    }

    #[test]
    #[should_panic(expected = "datagrams that had no room")]
    fn more_than_there_is_room_for_is_not_taken() {
        let mut batch = Incoming::new(1, 4);
        batch.push_joined(address(1), 6, 6);
    }
}
