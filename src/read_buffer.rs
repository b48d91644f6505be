//! What a connection keeps of its input: a frame that has begun, or frames not run yet.

use crate::instant::Instant;

/// The least room a buffer has.
const LEAST_LEN: usize = 64;
/// A buffer grows by at least this many bytes at a time.
const GROWTH_LEN: usize = 4096;
/// A buffer with more room than this is not kept for another connection.
const SPARE_LEN: usize = 64 * 1024;
/// How many emptied buffers are kept for other connections.
const MAX_SPARES: usize = 64;

/// Input that could not be used up at once. Most connections have none most of the time.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    /// Room for input; `start..end` of it is filled. It grows as bytes arrive and never shrinks,
    /// since the whole buffer is given back when it is empty.
    room: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes there must be before it is worth decoding again.
    need: usize,
    /// When the frame at the beginning was begun, or was last held up by us.
    begun: Instant,
}

impl ReadBuffer {
    /// How many bytes of input wait here.
    pub(crate) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// How many bytes of memory this holds.
    pub(crate) const fn held_len(&self) -> usize {
        self.room.len()
    }

    /// Whether it takes no more memory than goes with `received` bytes, whatever was announced.
    pub(crate) fn is_earned(&self, received: u64) -> bool {
        let spare_len = SPARE_LEN as u64;
        let earned_len = received.saturating_mul(2).saturating_add(GROWTH_LEN as u64);
        self.held_len() as u64 <= earned_len.max(spare_len)
    }

    /// Whether it is not much too large for what is in it.
    pub(crate) const fn is_fitting(&self) -> bool {
        self.held_len() <= SPARE_LEN || self.len() + self.missing() > self.held_len() / 4
    }

    /// How many bytes are missing before it is worth decoding.
    pub(crate) const fn missing(&self) -> usize {
        self.need.saturating_sub(self.len())
    }

    /// Whether there is no more than `most`, and what it belongs to fits into a buffer of
    /// `buffer_len` bytes with as much again behind it.
    pub(crate) const fn is_short(&self, most: usize, buffer_len: usize) -> bool {
        self.len() <= most && self.len() + self.missing() <= buffer_len / 2
    }

    /// When the unfinished frame was begun.
    pub(crate) const fn begun(&self) -> Instant {
        self.begun
    }

    /// Lets the unfinished frame begin at `now`, since it was us who did not read on.
    pub(crate) fn begin_again(&mut self, now: Instant) {
        self.begun = now;
    }

    /// The input that waits.
    pub(crate) fn filled(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.end]
    }

    /// Puts `bytes` behind the input.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        self.make_room(len);
        self.room[self.end..self.end + len].copy_from_slice(bytes);
        self.end += len;
    }

    /// Room behind the input to read into: what is missing, and not much more than has arrived so
    /// far, whatever the peer announced.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let len = self.missing().clamp(GROWTH_LEN, self.len().max(GROWTH_LEN));
        planted!(AnnouncedIsAllocated, self.make_room(self.missing()));
        self.make_room(len);
        &mut self.room[self.end..self.end + len]
    }

    /// The first `len` bytes of [`space`](Self::space) were filled.
    pub(crate) fn fill(&mut self, len: usize) {
        self.end += len;
        assert!(self.end <= self.room.len(), "more was filled than there was room for");
    }

    /// Nothing is left.
    pub(crate) const fn clear(&mut self) {
        (self.start, self.end, self.need) = (0, 0, 0);
    }

    /// The first `len` bytes are used up.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start += len;
        assert!(self.start <= self.end, "more was consumed than there was");
    }

    /// What is left begins a frame that is not worth decoding below `need` bytes.
    pub(crate) fn set_need(&mut self, need: usize, begun: Instant) {
        self.need = need;
        self.begun = begun;
    }

    /// The same input, in a smaller buffer if it is little for this one.
    pub(crate) fn fitted(mut self: Box<Self>, spares: &mut SpareBuffers) -> Box<Self> {
        if self.is_fitting() {
            return self;
        }
        planted!(LargeBufferIsKept, return self);
        let mut fitted = spares.take();
        fitted.append(self.filled());
        fitted.set_need(self.need, self.begun);
        fitted
    }

    fn make_room(&mut self, len: usize) {
        if self.room.len() - self.end >= len {
            return;
        }
        if self.start > 0 {
            self.room.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let least = self.end + len;
        if self.room.len() < least {
            // Doubling what has arrived, so that little is moved, but not beyond what is to come.
            let to_come = (2 * self.end).max(GROWTH_LEN).min(self.need);
            // A spare buffer has the size that most need before long.
            let rounded = least.next_power_of_two().clamp(LEAST_LEN, GROWTH_LEN);
            let len = least.max(to_come).max(rounded);
            self.room.reserve_exact(len - self.room.len());
            self.room.resize(len, 0);
        }
    }
}

/// Emptied buffers, for the next connections that need one.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a connection takes it over as it is, by its pointer")]
pub(crate) struct SpareBuffers(Vec<Box<ReadBuffer>>);

impl SpareBuffers {
    /// The most bytes that spare buffers hold.
    pub(crate) const MAX_LEN: usize = SPARE_LEN * MAX_SPARES;

    /// An empty buffer.
    pub(crate) fn take(&mut self) -> Box<ReadBuffer> {
        self.0.pop().unwrap_or_default()
    }

    /// Nobody is left who could need them soon: keeps those that have the usual size.
    pub(crate) fn shrink(&mut self) {
        self.0.retain(|spare| spare.held_len() <= GROWTH_LEN);
    }

    /// Takes back a buffer that is not needed any more.
    pub(crate) fn give_back(&mut self, mut buffer: Box<ReadBuffer>) {
        if self.0.len() < MAX_SPARES && buffer.held_len() <= SPARE_LEN {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_comes_out_as_it_went_in() {
        let mut buffer = ReadBuffer::default();
        buffer.append(b"abc");
        buffer.consume(1);
        buffer.append(b"def");
        assert_eq!(buffer.filled(), b"bcdef");
        assert_eq!(buffer.len(), 5);
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let mut buffer = ReadBuffer::default();
        buffer.append(b"\0\0\0\x04");
        buffer.set_need(1 << 30, Instant::START);
        let _ = buffer.space();
        assert!(buffer.held_len() <= 2 * GROWTH_LEN, "held {}", buffer.held_len());
    }

    #[test]
    fn memory_grows_with_what_arrives_and_ends_at_the_need() {
        let need = 1_000_003;
        let mut buffer = ReadBuffer::default();
        buffer.append(b"x");
        buffer.set_need(need, Instant::START);
        while buffer.missing() > 0 {
            let len = buffer.space().len().min(1500);
            buffer.fill(len);
            assert!(buffer.held_len() <= 2 * buffer.len() + 2 * GROWTH_LEN);
        }
        assert!(buffer.len() >= need && buffer.held_len() <= need + GROWTH_LEN);
    }

    #[test]
    fn a_consumed_beginning_is_room_again() {
        let mut buffer = ReadBuffer::default();
        for _ in 0..1000 {
            buffer.append(&[7; 1000]);
            buffer.consume(1000);
        }
        assert!(buffer.held_len() <= GROWTH_LEN);
    }

    #[test]
    fn a_spare_buffer_is_empty_and_never_large() {
        let mut spares = SpareBuffers::default();
        let mut large = Box::new(ReadBuffer::default());
        large.append(&vec![0; SPARE_LEN + 1]);
        spares.give_back(large);
        assert!(spares.0.is_empty());
        let mut small = spares.take();
        small.append(b"left over");
        small.set_need(100, Instant::START);
        spares.give_back(small);
        let again = spares.take();
        assert_eq!((again.len(), again.missing()), (0, 0));
        assert!(again.held_len() > 0, "the room is kept");
    }

    #[test]
    fn growing_is_seldom_and_takes_no_more_than_is_held() {
        let mut buffer = ReadBuffer::default();
        buffer.set_need(1 << 20, Instant::START);
        let (mut growths, mut held_len) = (0, 0);
        while buffer.missing() > 0 {
            buffer.append(&[7; 100]);
            growths += usize::from(buffer.held_len() > held_len);
            held_len = buffer.held_len();
            assert_eq!(buffer.room.capacity(), held_len);
        }
        assert!(growths < 20, "{growths} times a mebibyte that comes in small pieces was moved");
    }

    #[test]
    fn what_finds_room_where_others_were_consumed_takes_no_more() {
        let mut buffer = ReadBuffer::default();
        buffer.append(&[7; GROWTH_LEN]);
        buffer.consume(100);
        buffer.set_need(1 << 20, Instant::START);
        buffer.append(&[7; 100]);
        assert_eq!((buffer.len(), buffer.held_len()), (GROWTH_LEN, GROWTH_LEN));
    }

    #[test]
    fn a_large_buffer_is_left_for_a_small_one_where_a_quarter_of_it_is_enough() {
        let held_len = 4 * SPARE_LEN;
        let fitted = |len, need| {
            let mut buffer = Box::new(ReadBuffer::default());
            buffer.append(&vec![0; held_len - len]);
            buffer.append(&(0..len).map(|at| at.to_le_bytes()[0]).collect::<Vec<_>>());
            buffer.consume(held_len - len);
            buffer.set_need(need, Instant::from_nanos(7));
            assert_eq!(buffer.held_len(), held_len);
            let mut fitted = buffer.fitted(&mut SpareBuffers::default());
            assert!(fitted.filled().iter().enumerate().all(|(at, it)| *it == at.to_le_bytes()[0]));
            assert_eq!((fitted.len(), fitted.begun()), (len, Instant::from_nanos(7)));
            assert_eq!(fitted.missing(), need.saturating_sub(len));
            fitted.held_len()
        };
        for (len, need) in [(0, 0), (10, 0), (1, SPARE_LEN), (SPARE_LEN, 0), (3000, SPARE_LEN)] {
            assert!(fitted(len, need) <= SPARE_LEN, "{len} of {need}");
        }
        for (len, need) in [(1, SPARE_LEN + 1), (SPARE_LEN + 1, 0), (1, held_len), (held_len, 0)] {
            assert_eq!(fitted(len, need), held_len, "{len} of {need}");
        }
    }

    #[test]
    fn spare_buffers_are_few_and_after_a_while_none_of_them_is_large() {
        let mut spares = SpareBuffers::default();
        for at in 0..=MAX_SPARES {
            let mut buffer = Box::new(ReadBuffer::default());
            buffer.append(&vec![0; if at % 2 == 0 { GROWTH_LEN } else { SPARE_LEN }]);
            spares.give_back(buffer);
        }
        assert_eq!(spares.0.len(), MAX_SPARES);
        spares.shrink();
        assert_eq!(spares.0.len(), MAX_SPARES / 2);
        assert!(spares.0.iter().all(|spare| spare.held_len() == GROWTH_LEN));
    }
}
