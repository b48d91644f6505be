//! What the kernel did not take yet of a connection's output.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::instant::Instant;
use crate::output::{Output, Piece};

/// How many parts go into one vectored write: far below the 1,024 that systems allow, and enough to
/// make the call's own cost small.
pub(crate) const MAX_PARTS: usize = 64;
/// Shorter bytes are copied even if they could be shared: a part takes more memory than they do.
const WORTH_SHARING_LEN: usize = 256;
/// Shorter copies are joined to those before them; from here on the buffer itself is queued.
const WORTH_KEEPING_LEN: usize = 16 * 1024;

/// Output that waits for the peer to take it, in order.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    parts: VecDeque<Part>,
    /// Short output, joined, behind all parts.
    tail: Vec<u8>,
    /// How many bytes wait.
    len: usize,
    /// How many bytes of memory this holds.
    held_len: usize,
    /// When the peer last took some of it, or began to wait.
    progress: Instant,
}

/// One piece of output and the memory it keeps alive until it is all sent.
#[derive(Debug)]
struct Part {
    bytes: Bytes,
    held_len: usize,
}

impl WriteQueue {
    /// An empty queue that begins to wait at `now`.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { parts: VecDeque::new(), tail: Vec::new(), len: 0, held_len: 0, progress: now }
    }

    /// How many bytes wait.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many bytes of memory this holds.
    pub(crate) const fn held_len(&self) -> usize {
        self.held_len
    }

    /// When the peer last took some of it, or began to wait.
    pub(crate) const fn progress(&self) -> Instant {
        self.progress
    }

    /// Takes over everything in `output` but its first `sent` bytes, which the kernel took, and
    /// leaves it empty.
    pub(crate) fn append(&mut self, output: &mut Output, mut sent: usize) {
        self.len += output.len() - sent;
        if let Some(whole) = output.take_whole(sent, WORTH_KEEPING_LEN) {
            self.push_owned(whole, sent);
            return;
        }
        for piece in output.pieces() {
            let skip = sent.min(piece.len());
            sent -= skip;
            match piece {
                Piece::Copied(bytes) => self.push_copy(&bytes[skip..]),
                Piece::Shared(bytes) => self.push_shared(bytes.slice(skip..)),
            }
        }
        output.clear();
    }

    fn push_owned(&mut self, whole: Vec<u8>, skip: usize) {
        let held_len = whole.capacity();
        let mut bytes = Bytes::from(whole);
        bytes.advance(skip);
        self.push_part(Part { bytes, held_len });
    }

    /// Puts bytes that are sent to many at the end.
    pub(crate) fn append_shared(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.push_shared(bytes);
    }

    /// Puts a copy of `bytes` at the end.
    pub(crate) fn append_copy(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        if bytes.len() < WORTH_KEEPING_LEN {
            self.push_copy(bytes);
        } else {
            self.push_part(Part { bytes: Bytes::copy_from_slice(bytes), held_len: bytes.len() });
        }
    }

    /// Few bytes are copied rather than to have a part of their own.
    fn push_shared(&mut self, bytes: Bytes) {
        if bytes.len() < WORTH_SHARING_LEN {
            self.push_copy(&bytes);
        } else {
            self.push_part(Part { held_len: bytes.len() + size_of::<Part>(), bytes });
        }
    }

    fn push_copy(&mut self, bytes: &[u8]) {
        let held = self.tail.capacity();
        self.tail.extend_from_slice(bytes);
        self.held_len += self.tail.capacity() - held;
    }

    fn push_part(&mut self, part: Part) {
        self.freeze_tail();
        self.held_len += part.held_len;
        self.parts.push_back(part);
    }

    /// Makes the tail a part, so that something can stand behind it.
    fn freeze_tail(&mut self) {
        if !self.tail.is_empty() {
            let held_len = self.tail.capacity();
            let bytes = Bytes::from(std::mem::take(&mut self.tail));
            self.parts.push_back(Part { bytes, held_len });
        }
    }

    /// Fills `slices` with the beginning of what waits, `budget` bytes at most; says how many
    /// slices that took.
    pub(crate) fn fill_slices<'a>(
        &'a mut self,
        slices: &mut [IoSlice<'a>; MAX_PARTS],
        mut budget: usize,
    ) -> usize {
        self.freeze_tail();
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            if budget == 0 {
                break;
            }
            let len = part.bytes.len().min(budget);
            *slice = IoSlice::new(&part.bytes[..len]);
            budget -= len;
            count += 1;
        }
        count
    }

    /// The kernel took the first `len` bytes.
    pub(crate) fn consume(&mut self, mut len: usize, now: Instant) {
        self.len -= len;
        self.progress = now;
        while len > 0 {
            let part = self.parts.front_mut().expect("no more is consumed than was offered");
            if part.bytes.len() > len {
                planted!(ResumesAByteBack, len -= 1);
                part.bytes.advance(len);
                return;
            }
            len -= part.bytes.len();
            self.held_len -= part.held_len;
            self.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut WriteQueue, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while queue.len() > 0 {
            let mut slices = [IoSlice::new(&[]); MAX_PARTS];
            let count = queue.fill_slices(&mut slices, step);
            let before = all.len();
            slices[..count].iter().for_each(|slice| all.extend_from_slice(slice));
            queue.consume(all.len() - before, Instant::START);
        }
        all
    }

    fn mixed_output() -> Output {
        let mut output = Output::new();
        output.put(b"head");
        output.put_bytes(Bytes::from(vec![b'a'; 5000]));
        output.put_bytes(Bytes::from(vec![b'b'; 6000]));
        output.put(b"between");
        output.put_bytes(Bytes::from(vec![b'c'; 4096]));
        output.put(&[b'd'; 20_000]);
        output
    }

    #[test]
    fn output_leaves_in_order_however_little_is_taken_and_was_sent() {
        let all = mixed_output().to_vec();
        for sent in [0, 1, 4, 5, 5003, 5004, 11_010, 11_011, all.len() - 1] {
            for step in [1, 7, 4096, usize::MAX] {
                let mut queue = WriteQueue::new(Instant::START);
                queue.append(&mut mixed_output(), sent);
                assert_eq!(queue.len(), all.len() - sent);
                assert_eq!(drain(&mut queue, step), all[sent..], "sent {sent}, step {step}");
                assert_eq!((queue.len(), queue.held_len()), (0, 0));
            }
        }
    }

    #[test]
    fn later_output_stands_behind_earlier() {
        let mut queue = WriteQueue::new(Instant::START);
        let mut expected = Vec::new();
        for round in 0..10 {
            let mut output = mixed_output();
            output.put(&[round; 100]);
            expected.extend_from_slice(&output.to_vec());
            queue.append(&mut output, 0);
            assert!(output.is_empty());
        }
        assert_eq!(drain(&mut queue, 12_345), expected);
    }

    #[test]
    fn no_more_parts_than_allowed_are_offered_and_no_more_bytes_than_the_budget() {
        let mut queue = WriteQueue::new(Instant::START);
        let mut output = Output::new();
        for _ in 0..2 * MAX_PARTS {
            output.put_bytes(Bytes::from(vec![0; 4096]));
        }
        queue.append(&mut output, 0);
        let mut slices = [IoSlice::new(&[]); MAX_PARTS];
        assert_eq!(queue.fill_slices(&mut slices, usize::MAX), MAX_PARTS);
        let mut slices = [IoSlice::new(&[]); MAX_PARTS];
        assert_eq!(queue.fill_slices(&mut slices, 4097), 2);
        assert_eq!((slices[0].len(), slices[1].len()), (4096, 1));
    }

    #[test]
    fn a_long_copy_is_taken_over_and_a_shared_one_not_copied() {
        let mut output = Output::new();
        output.put(&vec![1; 100_000]);
        let whole = output.pieces().next().map(|piece| match piece {
            Piece::Copied(bytes) => bytes.as_ptr(),
            Piece::Shared(_) => unreachable!("nothing was shared"),
        });
        let mut queue = WriteQueue::new(Instant::START);
        queue.append(&mut output, 10);
        assert_eq!(Some(queue.parts[0].bytes.as_ptr()), whole.map(|start| start.wrapping_add(10)));

        let shared = Bytes::from(vec![2; 5000]);
        output.put_bytes(shared.clone());
        queue.append(&mut output, 0);
        assert_eq!(queue.parts[1].bytes.as_ptr(), shared.as_ptr());
    }

    #[test]
    fn short_pieces_are_joined_and_long_ones_have_parts_of_their_own() {
        let joined = |len, put: fn(&mut WriteQueue, Vec<u8>)| {
            let mut queue = WriteQueue::new(Instant::START);
            (0..3).for_each(|_| put(&mut queue, vec![7; len]));
            assert_eq!(drain(&mut queue, usize::MAX).len(), 3 * len);
            (0..3).for_each(|_| put(&mut queue, vec![7; len]));
            queue.freeze_tail();
            queue.parts.len() == 1
        };
        let copies: fn(&mut WriteQueue, Vec<u8>) = |queue, bytes| queue.append_copy(&bytes);
        let shared: fn(&mut WriteQueue, Vec<u8>) = |queue, bytes| queue.append_shared(bytes.into());
        for (put, worth_it) in [(copies, WORTH_KEEPING_LEN), (shared, WORTH_SHARING_LEN)] {
            assert!(joined(1, put) && joined(worth_it - 1, put));
            assert!(!joined(worth_it, put) && !joined(2 * worth_it, put));
        }
    }

    #[test]
    fn a_queue_of_a_million_parts_is_dropped_like_any_other() {
        let mut queue = WriteQueue::new(Instant::START);
        let shared = Bytes::from(vec![0; 4096]);
        for _ in 0..1_000_000 {
            queue.append_shared(shared.clone());
        }
        assert!(queue.parts.len() >= 1_000_000, "they were copied together");
        drop(queue);
        assert!(shared.is_unique(), "a part is left");
    }
}
