//! The messages that one connection has in flight: what is to be sent, and what has to come back.
//!
//! Each message in flight has a slot, in a ring. A message is sent from its slot, and its reply is
//! compared with the same slot; only then is the slot stamped anew. So nothing is copied, and many
//! replies are compared at once.

use std::io::IoSlice;

use super::histogram::Histogram;
use super::layout::Layout;
use super::talk::Talk;
use crate::trouble::Trouble;

/// The window of one connection.
pub(super) struct Window {
    connection: u32,
    layout: Layout,
    wire_len: usize,
    slots: Box<[u8]>,
    /// Messages so far.
    issued: u64,
    answered: u64,
    /// Places in the ring: of the next message, of the next byte to send and to receive.
    issue_at: usize,
    send_at: usize,
    receive_at: usize,
    /// Bytes that are issued but not sent, and sent but not back.
    unsent: usize,
    awaited: usize,
    /// Bytes that are back of a message that is not yet whole.
    part_len: usize,
    batches: Batches,
}

impl Window {
    pub(super) fn new(layout: Layout, connection: u32, in_flight: u32) -> Self {
        Self {
            connection,
            layout,
            wire_len: layout.wire_len(),
            slots: layout.slots(connection, in_flight),
            issued: 0,
            answered: 0,
            issue_at: 0,
            send_at: 0,
            receive_at: 0,
            unsent: 0,
            awaited: 0,
            part_len: 0,
            batches: Batches::new(in_flight),
        }
    }

    /// How many messages are not yet answered.
    pub(super) fn outstanding(&self) -> u64 {
        self.issued - self.answered
    }

    /// How many more can be issued.
    pub(super) fn room(&self) -> u64 {
        (self.slots.len() / self.wire_len) as u64 - self.outstanding()
    }

    /// Prepares so many messages to be sent.
    ///
    /// # Panics
    /// If there is no room for them.
    pub(super) fn issue(&mut self, count: u64, now: u64) {
        if count == 0 {
            return;
        }
        assert!(count <= self.room(), "the slots of messages in flight are not free");
        for _ in 0..count {
            let slot = &mut self.slots[self.issue_at..self.issue_at + self.wire_len];
            self.layout.stamp(slot, self.connection, self.issued);
            self.issued += 1;
            self.unsent += self.wire_len;
            self.issue_at += self.wire_len;
            if self.issue_at == self.slots.len() {
                self.issue_at = 0;
            }
        }
        self.batches.push(count, now);
    }

    /// What is to be sent, in two parts where it goes past the end of the ring.
    pub(super) fn unsent(&self) -> [IoSlice<'_>; 2] {
        let first = self.unsent.min(self.slots.len() - self.send_at);
        [
            IoSlice::new(&self.slots[self.send_at..self.send_at + first]),
            IoSlice::new(&self.slots[..self.unsent - first]),
        ]
    }

    pub(super) fn note_sent(&mut self, len: usize) {
        self.unsent -= len;
        self.awaited += len;
        self.send_at += len;
        if self.send_at >= self.slots.len() {
            self.send_at -= self.slots.len();
        }
    }

    /// Compares what came with what was sent, and gives how many messages are whole with it.
    ///
    /// # Errors
    /// Which byte is wrong, or that nothing more was to come.
    pub(super) fn note_received(
        &mut self,
        mut bytes: &[u8],
        now: u64,
        histogram: &mut Histogram,
    ) -> Result<u64, Trouble> {
        let all = bytes.len();
        while !bytes.is_empty() {
            let len = bytes.len().min(self.awaited).min(self.slots.len() - self.receive_at);
            if len == 0 {
                return Err(self.surplus(bytes.len()));
            }
            let expected = &self.slots[self.receive_at..self.receive_at + len];
            if expected != &bytes[..len] {
                return Err(self.mismatch(expected, bytes, all - bytes.len()));
            }
            self.awaited -= len;
            self.receive_at += len;
            if self.receive_at == self.slots.len() {
                self.receive_at = 0;
            }
            bytes = &bytes[len..];
        }
        self.part_len += all;
        let whole = (self.part_len / self.wire_len) as u64;
        self.part_len %= self.wire_len;
        self.answered += whole;
        self.batches.pop(whole, now, histogram);
        Ok(whole)
    }

    /// That the server closed the connection.
    pub(super) fn closed(&self) -> Trouble {
        Trouble::new(format!(
            "the server closed connection {} with {} messages unanswered",
            self.connection,
            self.outstanding(),
        ))
    }

    fn surplus(&self, len: usize) -> Trouble {
        Trouble::new(format!(
            "connection {} was sent {len} bytes more than its {} messages",
            self.connection, self.issued,
        ))
    }

    fn mismatch(&self, expected: &[u8], bytes: &[u8], before: usize) -> Trouble {
        let same = expected.iter().zip(bytes).take_while(|(one, other)| one == other).count();
        let at = self.part_len + before + same;
        Trouble::new(format!(
            "wrong bytes came back: connection {}, byte {} of message {}: {:#04x}, not {:#04x}",
            self.connection,
            at % self.wire_len,
            self.answered + (at / self.wire_len) as u64,
            bytes[same],
            expected[same],
        ))
    }
}

impl Talk for Window {
    type Shared = ();

    fn outstanding(&self) -> u64 {
        self.outstanding()
    }

    fn issue(&mut self, count: u64, now: u64, _shared: &()) {
        self.issue(count, now);
    }

    fn unsent(&self) -> [IoSlice<'_>; 2] {
        self.unsent()
    }

    fn note_sent(&mut self, len: usize) {
        self.note_sent(len);
    }

    fn note_received(
        &mut self,
        bytes: &[u8],
        now: u64,
        histogram: &mut Histogram,
        _shared: &mut (),
    ) -> Result<u64, Trouble> {
        self.note_received(bytes, now, histogram)
    }

    fn closed(&self) -> Trouble {
        self.closed()
    }
}

/// When messages were issued, a place for each batch: there are at most as many batches in flight
/// as messages.
pub(super) struct Batches {
    ring: Box<[Batch]>,
    first: usize,
    next: usize,
}

#[derive(Clone, Copy, Default)]
struct Batch {
    left: u64,
    since: u64,
}

impl Batches {
    pub(super) fn new(in_flight: u32) -> Self {
        let ring = vec![Batch::default(); in_flight as usize].into_boxed_slice();
        Self { ring, first: 0, next: 0 }
    }

    pub(super) fn push(&mut self, count: u64, now: u64) {
        self.ring[self.next] = Batch { left: count, since: now };
        self.next = self.after(self.next);
    }

    pub(super) fn pop(&mut self, mut count: u64, now: u64, histogram: &mut Histogram) {
        while count > 0 {
            let batch = &mut self.ring[self.first];
            let these = count.min(batch.left);
            histogram.note(now.saturating_sub(batch.since), these);
            batch.left -= these;
            count -= these;
            if batch.left == 0 {
                self.first = self.after(self.first);
            }
        }
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 == self.ring.len() { 0 } else { place + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Protocol;

    fn window(in_flight: u32) -> Window {
        Window::new(Layout::new(Protocol::Length, 20), 3, in_flight)
    }

    /// Takes everything that is to be sent.
    fn send(window: &mut Window) -> Vec<u8> {
        let sent: Vec<u8> = window.unsent().iter().flat_map(|part| part.to_vec()).collect();
        window.note_sent(sent.len());
        sent
    }

    fn receive(window: &mut Window, bytes: &[u8]) -> Result<u64, Trouble> {
        window.note_received(bytes, 0, &mut Histogram::new())
    }

    #[test]
    fn what_comes_back_in_any_pieces_is_right() {
        for piece_len in 1..80 {
            let mut window = window(3);
            for count in [3, 1, 2, 3, 2, 2, 1, 3] {
                window.issue(count, 0);
                let sent = send(&mut window);
                assert_eq!(sent.len() as u64, count * 24);
                let mut whole = 0;
                for piece in sent.chunks(piece_len) {
                    whole += receive(&mut window, piece).unwrap();
                }
                assert_eq!(whole, count);
            }
            assert_eq!(window.room(), 3);
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        for at in 0..48 {
            let mut window = window(2);
            window.issue(2, 0);
            let mut sent = send(&mut window);
            sent[at] ^= 1 << (at % 8);
            let trouble = receive(&mut window, &sent).unwrap_err().to_string();
            let place = format!("byte {} of message {}:", at % 24, at / 24);
            assert!(trouble.contains(&place), "{trouble}");
        }
    }

    #[test]
    fn a_lost_frame_is_noticed() {
        let mut window = window(3);
        window.issue(3, 0);
        let sent = send(&mut window);
        let lossy = [&sent[..24], &sent[48..]].concat();
        assert!(receive(&mut window, &lossy).is_err());
    }

    #[test]
    fn swapped_frames_are_noticed() {
        let mut window = window(2);
        window.issue(2, 0);
        let sent = send(&mut window);
        assert!(receive(&mut window, &[&sent[24..], &sent[..24]].concat()).is_err());
    }

    #[test]
    fn a_frame_that_comes_twice_is_noticed() {
        let mut window = window(1);
        window.issue(1, 0);
        let sent = send(&mut window);
        assert_eq!(receive(&mut window, &sent), Ok(1));
        let trouble = receive(&mut window, &sent).unwrap_err().to_string();
        assert!(trouble.contains("24 bytes more"), "{trouble}");
        window.issue(1, 0);
        send(&mut window);
        assert!(receive(&mut window, &sent).is_err());
    }

    #[test]
    fn bytes_of_another_connection_are_noticed() {
        let layout = Layout::new(Protocol::Raw, 64);
        let (mut one, mut other) = (Window::new(layout, 1, 1), Window::new(layout, 257, 1));
        one.issue(1, 0);
        other.issue(1, 0);
        send(&mut one);
        let foreign = send(&mut other);
        assert!(receive(&mut one, &foreign).is_err());
    }

    #[test]
    fn a_reply_before_its_request_is_noticed() {
        let mut window = window(1);
        window.issue(1, 0);
        let early: Vec<u8> = window.unsent()[0].to_vec();
        assert!(receive(&mut window, &early).is_err());
    }

    #[test]
    fn latency_counts_from_when_each_batch_was_issued() {
        let mut window = window(4);
        let mut histogram = Histogram::new();
        window.issue(1, 100);
        window.issue(3, 110);
        let sent = send(&mut window);
        window.note_received(&sent[..48], 120, &mut histogram).unwrap();
        assert_eq!((histogram.at_thousandths(500), histogram.most()), (10, 20));
        window.note_received(&sent[48..], 150, &mut histogram).unwrap();
        assert_eq!((histogram.at_thousandths(500), histogram.most()), (20, 40));
    }
}
