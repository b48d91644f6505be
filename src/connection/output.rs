//! What a connection writes, and what waits to be written.

use std::io::{self, IoSlice};

use bytes::Bytes;

use super::{Connection, Flags};
use crate::command::Slow;
use crate::error::CloseReason;
use crate::instant::Instant;
use crate::network::{Network, Progress};
use crate::shared::Shared;
use crate::write_queue::{MAX_PARTS, WriteQueue};

/// What became of bytes that were sent to one of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delivery {
    Sent,
    SentThoughSlow,
    Skipped,
    Closed,
    Gone,
}

impl Connection {
    /// So many bytes were written.
    #[inline]
    pub(crate) const fn count_sent(&mut self, len: usize) {
        self.bytes_sent = self.bytes_sent.wrapping_add(len as u64);
    }

    /// Moves what the callbacks sent towards the peer, and what waited before it.
    pub(crate) fn flush(&mut self, shared: &mut Shared, network: &mut dyn Network) {
        if self.is_closed() {
            shared.output.clear();
        } else if self.queue.is_some() {
            self.flush_queue(shared, network);
        } else if !shared.output.is_empty() {
            self.flush_output(shared, network);
        }
    }

    /// Writes the output at once, and queues what the kernel refuses or the budget forbids.
    fn flush_output(&mut self, shared: &mut Shared, network: &mut dyn Network) {
        let mut sent = 0;
        if let Some(bytes) = shared.output.as_single() {
            let portion = &bytes[..bytes.len().min(shared.write_left)];
            sent = self.write_now(network, portion, shared.now);
            if sent == bytes.len() || self.is_closed() {
                shared.write_left -= sent;
                shared.output.clear();
                return;
            }
        }
        self.queue_output(shared, network, sent);
    }

    /// Writes the output of a connection that is writable and has nothing queued. Unless all of it
    /// can be written at once, which this says, what could not is queued, or the connection broke.
    #[inline(always)]
    pub(crate) fn write_output(&mut self, shared: &mut Shared, network: &mut dyn Network) -> bool {
        let Some(bytes) = shared.output.as_single().filter(|b| b.len() <= shared.write_left) else {
            return false;
        };
        match network.write(self.token, bytes) {
            Ok(Progress::Done(len)) if len == bytes.len() => {
                self.last_active = shared.now;
                shared.write_left -= len;
                shared.output.clear();
                true
            }
            outcome => {
                self.keep_output(shared, network, outcome);
                false
            }
        }
    }

    /// Not all of the output was written in one go: queues the rest, unless the connection broke.
    #[cold]
    fn keep_output(
        &mut self,
        shared: &mut Shared,
        network: &mut dyn Network,
        outcome: io::Result<Progress<usize>>,
    ) {
        let sent = self.note_written(outcome, shared.output.len(), shared.now);
        if self.is_closed() {
            shared.output.clear();
        } else {
            self.queue_output(shared, network, sent);
        }
    }

    /// Writes as much of `portion` as the kernel takes, with nothing queued before it; says how
    /// much that was.
    #[inline(always)]
    pub(super) fn write_now(
        &mut self,
        network: &mut dyn Network,
        portion: &[u8],
        now: Instant,
    ) -> usize {
        if portion.is_empty() || !self.flags.contains(Flags::WRITABLE) {
            return 0;
        }
        let outcome = network.write(self.token, portion);
        self.note_written(outcome, portion.len(), now)
    }

    /// So much of `offered` bytes was written; says how much that is.
    #[inline]
    fn note_written(
        &mut self,
        outcome: io::Result<Progress<usize>>,
        offered: usize,
        now: Instant,
    ) -> usize {
        let sent = match outcome {
            Ok(Progress::Done(len)) => len,
            Ok(Progress::Blocked) => 0,
            Err(error) => {
                self.cut(CloseReason::Reset(error.kind()));
                return 0;
            }
        };
        if sent < offered {
            self.flags.remove(Flags::WRITABLE);
        }
        if sent > 0 {
            self.last_active = now;
        }
        sent
    }

    /// Sends bytes that others may be sent too, without a copy: what the kernel does not take at
    /// once waits as a part of them.
    pub(crate) fn deliver(
        &mut self,
        shared: &mut Shared,
        network: &mut dyn Network,
        bytes: &Bytes,
        slow: Slow,
    ) -> Delivery {
        // Nobody is sent anything whom layers have not let in yet.
        if !self.may_send() || !self.is_let_in() {
            return Delivery::Gone;
        }
        let is_slow = self.queued_len() >= shared.config.high_watermark;
        match slow {
            Slow::Skip if is_slow => return Delivery::Skipped,
            Slow::Close if is_slow => {
                self.cut(CloseReason::TooSlow);
                return Delivery::Closed;
            }
            _ => {}
        }
        let queue_rest = |queue: &mut WriteQueue, sent| queue.append_shared(bytes.slice(sent..));
        if self.write_or_queue(shared, network, bytes, queue_rest).is_none() {
            return Delivery::Gone;
        }
        match (self.is_closed(), is_slow) {
            (true, _) => Delivery::Closed,
            (false, true) => Delivery::SentThoughSlow,
            (false, false) => Delivery::Sent,
        }
    }

    /// Writes `bytes`, which are not in the output, and has what the kernel refuses or the budget
    /// forbids queued behind the first so many. Says how many were written; `None` if the
    /// connection has broken.
    pub(super) fn write_or_queue(
        &mut self,
        shared: &mut Shared,
        network: &mut dyn Network,
        bytes: &[u8],
        queue_rest: impl FnOnce(&mut WriteQueue, usize),
    ) -> Option<usize> {
        let portion = &bytes[..bytes.len().min(shared.write_left)];
        let has_queue = self.queue.is_some();
        let sent = if has_queue { 0 } else { self.write_now(network, portion, shared.now) };
        shared.write_left -= sent;
        if self.is_closed() {
            return None;
        }
        if sent < bytes.len() {
            let now = shared.now;
            queue_rest(self.queue.get_or_insert_with(|| Box::new(WriteQueue::new(now))), sent);
            self.flags.insert(Flags::BUFFERED);
            self.check_watermarks(shared);
        }
        Some(sent)
    }

    /// Queues the output but its first `sent` bytes, which the kernel took.
    #[inline(never)]
    fn queue_output(&mut self, shared: &mut Shared, network: &mut dyn Network, sent: usize) {
        shared.write_left -= sent;
        let mut queue = WriteQueue::new(shared.now);
        queue.append(&mut shared.output, sent);
        self.queue = Some(Box::new(queue));
        self.flags.insert(Flags::BUFFERED);
        self.flush_queue(shared, network);
    }

    /// Queues the output and writes as much of the queue as the kernel takes.
    fn flush_queue(&mut self, shared: &mut Shared, network: &mut dyn Network) {
        let Some(queue) = &mut self.queue else { return };
        if !shared.output.is_empty() {
            queue.append(&mut shared.output, 0);
        }
        let can_write = |flags: Flags| flags.contains(Flags::WRITABLE);
        while shared.write_left > 0 && queue.len() > 0 && can_write(self.flags) {
            let mut slices = [IoSlice::new(&[]); MAX_PARTS];
            let count = queue.fill_slices(&mut slices, shared.write_left);
            let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let sent = match network.write_vectored(self.token, &slices[..count]) {
                Ok(Progress::Done(len)) => len,
                Ok(Progress::Blocked) => 0,
                Err(error) => {
                    self.cut(CloseReason::Reset(error.kind()));
                    return;
                }
            };
            if sent < offered {
                self.flags.remove(Flags::WRITABLE);
            }
            if sent > 0 {
                queue.consume(sent, shared.now);
                self.last_active = shared.now;
            }
            shared.write_left -= sent;
        }
        self.check_watermarks(shared);
    }

    /// Gives up what waits, which then holds nobody back any more.
    pub(super) fn drop_queue(&mut self, shared: &mut Shared) {
        self.queue = None;
        shared.held_back_len -= usize::from(self.flags.contains(Flags::OUTPUT));
        self.flags.remove(Flags::OUTPUT);
    }

    /// Holds the peer back or lets it go on, by the length of its queue.
    pub(super) fn check_watermarks(&mut self, shared: &mut Shared) {
        let config = &shared.config;
        let len = self.queued_len();
        if len == 0 {
            self.queue = None;
        }
        if len > config.write_limit {
            self.cut(CloseReason::WriteLimit);
        } else if len >= config.high_watermark {
            shared.held_back_len += usize::from(!self.flags.contains(Flags::OUTPUT));
            self.flags.insert(Flags::OUTPUT);
        } else if len <= config.low_watermark && self.flags.contains(Flags::OUTPUT) {
            self.flags.remove(Flags::OUTPUT);
            shared.held_back_len -= 1;
            self.begin_again(shared.now);
        }
    }
}
