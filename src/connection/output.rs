//! What a connection writes, and what waits to be written.

use std::io::IoSlice;

use bytes::Bytes;

use super::{Connection, Flags};
use crate::command::Slow;
use crate::error::CloseReason;
use crate::network::Transfer;
use crate::outside::Outside;
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
    fn count_sent(&mut self, shared: &mut Shared, len: usize) {
        self.count_sent_bytes(len);
        // It does not overflow within 584 years.
        shared.metrics.bytes_sent = shared.metrics.bytes_sent.wrapping_add(len as u64);
    }

    /// What it has sent in this event fills its room.
    pub(crate) const fn note_full(&mut self) {
        self.flags.insert(Flags::FULL);
    }

    pub(crate) const fn is_held_back(&self) -> bool {
        self.flags.contains(Flags::OUTPUT)
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.flags.contains(Flags::FULL)
    }

    /// Moves what the callbacks sent towards the peer, and what waited before it.
    pub(crate) fn flush(&mut self, shared: &mut Shared, network: &mut Outside<'_>) {
        self.flags.remove(Flags::FULL);
        if self.is_closed() {
            shared.output.clear();
        } else if self.has_queue() {
            self.flush_queue(shared, network);
        } else if !shared.output.is_empty() && !planted!(OutputForTheNext) {
            self.flush_output(shared, network);
        }
    }

    /// Writes the output at once, and queues what the kernel refuses or the budget forbids.
    fn flush_output(&mut self, shared: &mut Shared, network: &mut Outside<'_>) {
        let mut sent = 0;
        if let Some(bytes) = shared.output.as_single() {
            let portion = &bytes[..bytes.len().min(shared.write_left)];
            let outcome = self.write_now(network, portion);
            let (offered, whole) = (portion.len(), bytes.len());
            sent = self.note_written(shared, outcome, offered);
            if sent == whole || self.is_closed() {
                shared.output.clear();
                return;
            }
        }
        self.queue_output(shared, network, sent);
    }

    /// Writes the output of a connection with nothing special about it, if there is any. Unless all
    /// of it is written at once, which this says, the connection has to be settled: the rest waits,
    /// or it broke.
    #[inline(always)]
    pub(crate) fn write_output(&mut self, shared: &mut Shared, network: &mut Outside<'_>) -> bool {
        let Some(bytes) = shared.output.as_single().filter(|b| b.len() <= shared.write_left) else {
            return false;
        };
        if bytes.is_empty() {
            return true;
        }
        match network.write(self.token, bytes) {
            // It was read from in this event, so it is known to be active. The budget is for this
            // event, in which nothing more is written.
            Transfer::Done(len) if len == bytes.len() || planted!(ShortWriteIsTheWhole) => {
                self.count_sent(shared, len);
                shared.output.forget();
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
    fn keep_output(&mut self, shared: &mut Shared, network: &mut Outside<'_>, outcome: Transfer) {
        let offered = shared.output.len();
        let sent = self.note_written(shared, outcome, offered);
        if self.is_closed() {
            shared.output.clear();
        } else {
            self.queue_output(shared, network, sent);
        }
    }

    /// Writes as much of `portion` as the kernel takes, with nothing queued before it.
    fn write_now(&self, network: &mut Outside<'_>, portion: &[u8]) -> Transfer {
        if portion.is_empty() || !self.flags.contains(Flags::WRITABLE) {
            return Transfer::Done(0);
        }
        network.write(self.token, portion)
    }

    /// This is what came of an attempt to write `offered` bytes; says how many were written.
    fn note_written(&mut self, shared: &mut Shared, outcome: Transfer, offered: usize) -> usize {
        let sent = match outcome {
            Transfer::Done(len) => len,
            Transfer::Blocked => 0,
            Transfer::Failed(_) if planted!(WriteErrorIgnored) => 0,
            Transfer::Failed(error) => {
                self.cut(CloseReason::Reset(error.kind()));
                return 0;
            }
        };
        if sent < offered {
            self.flags.remove(Flags::WRITABLE);
        }
        if sent > 0 {
            self.last_active = shared.now;
        }
        planted!(WriteBudgetOff, shared.write_left += sent);
        shared.write_left -= sent;
        self.count_sent(shared, sent);
        sent
    }

    /// Sends bytes that others may be sent too, without a copy: what the kernel does not take at
    /// once waits as a part of them.
    pub(crate) fn deliver(
        &mut self,
        shared: &mut Shared,
        network: &mut Outside<'_>,
        bytes: &Bytes,
        slow: Slow,
    ) -> Delivery {
        // Nobody is sent anything whom layers have not let in yet.
        if !self.may_send() || !self.is_let_in() {
            return Delivery::Gone;
        }
        let is_slow = self.queued_len() >= shared.config.high_watermark;
        match slow {
            Slow::Skip if is_slow && !planted!(SlowIsNotSkipped) => return Delivery::Skipped,
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
        network: &mut Outside<'_>,
        bytes: &[u8],
        queue_rest: impl FnOnce(&mut WriteQueue, usize),
    ) -> Option<usize> {
        let portion = &bytes[..bytes.len().min(shared.write_left)];
        let mut sent = 0;
        if !self.has_queue() {
            let outcome = self.write_now(network, portion);
            sent = self.note_written(shared, outcome, portion.len());
        }
        if self.is_closed() {
            return None;
        }
        if sent < bytes.len() {
            queue_rest(self.queue_or_new(shared.now), sent);
            self.check_watermarks(shared);
        }
        Some(sent)
    }

    /// Queues the output but its first `sent` bytes, which the kernel took.
    #[inline(never)]
    fn queue_output(&mut self, shared: &mut Shared, network: &mut Outside<'_>, sent: usize) {
        let sent = if planted!(ShortWriteIsSentAgain) { 0 } else { sent };
        self.queue_or_new(shared.now).append(&mut shared.output, sent);
        self.flush_queue(shared, network);
    }

    /// Queues the output and writes as much of the queue as the kernel takes.
    fn flush_queue(&mut self, shared: &mut Shared, network: &mut Outside<'_>) {
        if let Some(queue) = self.queue_mut()
            && !shared.output.is_empty()
        {
            queue.append(&mut shared.output, 0);
        }
        let token = self.token;
        while shared.write_left > 0
            && self.flags.contains(Flags::WRITABLE)
            && let Some(queue) = self.queue_mut().filter(|queue| queue.len() > 0)
        {
            let mut slices = [IoSlice::new(&[]); MAX_PARTS];
            let count = queue.fill_slices(&mut slices, shared.write_left);
            let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let outcome = network.write_vectored(token, &slices[..count]);
            let sent = self.note_written(shared, outcome, offered);
            if self.is_closed() {
                return;
            }
            if let Some(queue) = self.queue_mut()
                && sent > 0
            {
                queue.consume(sent, shared.now);
            }
        }
        self.check_watermarks(shared);
    }

    /// Gives up what waits, which then holds nobody back any more.
    pub(super) fn drop_queue(&mut self, shared: &mut Shared) {
        self.forget_queue();
        shared.held_back_len -= usize::from(self.flags.contains(Flags::OUTPUT));
        self.flags.remove(Flags::OUTPUT);
    }

    /// Holds the peer back or lets it go on, by the length of its queue.
    pub(super) fn check_watermarks(&mut self, shared: &mut Shared) {
        let config = &shared.config;
        let len = self.queued_len();
        if len == 0 {
            self.forget_queue();
        }
        if len > config.write_limit && !planted!(WriteLimitOff) {
            self.cut(CloseReason::WriteLimit);
        } else if len >= config.high_watermark && !planted!(HighWatermarkOff) {
            shared.held_back_len += usize::from(!self.flags.contains(Flags::OUTPUT));
            self.flags.insert(Flags::OUTPUT);
        } else if len <= config.low_watermark && self.flags.contains(Flags::OUTPUT) {
            planted!(LowWatermarkUnseen, return);
            self.flags.remove(Flags::OUTPUT);
            shared.held_back_len -= 1;
            self.begin_again(shared.now);
        }
    }
}
