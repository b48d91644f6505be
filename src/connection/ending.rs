//! A connection's way to the end.

use std::io;

use super::{Connection, Flags, Phase};
use crate::command::Command;
use crate::error::CloseReason;
use crate::network::Readiness;
use crate::outside::Outside;
use crate::shared::Shared;

impl Connection {
    /// Ends it in good order: what was sent is flushed first.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if self.phase == Phase::Connecting || planted!(CloseDropsOutput) {
            self.cut(reason);
        } else if self.is_open() {
            self.phase = Phase::Flushing;
            self.flags.insert(Flags::CLOSING);
            self.flags.remove(Flags::WANTS_ROOM);
            self.set_reason(reason);
            self.input = None;
        }
    }

    /// Ends it at once: what was sent may be lost.
    pub(crate) fn cut(&mut self, reason: CloseReason) {
        if self.is_closed() {
            return;
        }
        // Whoever is owed something, or is in the middle of an answer, sees a reset and not what
        // looks like the end.
        let is_owed = self.has_queue() || self.flags.contains(Flags::WANTS_ROOM);
        let is_owed = is_owed && !planted!(CutLooksLikeTheEnd);
        if is_owed || matches!(reason, CloseReason::WriteLimit) {
            self.flags.insert(Flags::ABORTED);
        }
        if !self.has_reason() || self.phase == Phase::Flushing || planted!(LastReasonStays) {
            self.set_reason(reason);
        }
        self.cut_tie();
        self.phase = Phase::Closed;
        self.flags.insert(Flags::CLOSING);
    }

    /// Nothing is owed on either side any more, or has been waited for long enough.
    pub(super) const fn finish(&mut self) {
        self.phase = Phase::Closed;
    }

    /// Ends it at once, with a reset: also if it is closing, since that may take a while.
    pub(crate) fn abort(&mut self) {
        if !self.is_closed() {
            self.flags.insert(Flags::ABORTED);
            planted!(AbortWithoutReason, return self.finish());
            self.cut(CloseReason::Aborted);
        }
    }

    /// Takes whatever step towards the end is due: called after each event, when its output has
    /// been flushed.
    pub(super) fn advance(&mut self, shared: &mut Shared, network: &mut Outside<'_>) {
        let may_close = self.has_nothing_to_do() || planted!(DrainCutsTheBusy);
        if self.flags.contains(Flags::WHEN_IDLE) && may_close {
            if shared.commands.is_empty() {
                self.close(CloseReason::Drained);
            } else {
                self.set_draining(Flags::AFTER_COMMANDS);
                shared.command(Command::CloseIdle(self.token));
            }
        }
        if self.phase == Phase::Flushing && !self.has_queue() {
            if self.has_peer_finished() || planted!(CloseWithoutLinger) {
                self.finish();
                return;
            }
            match self.end_output(network) {
                Ok(()) => {
                    self.phase = Phase::Lingering;
                    self.last_active = shared.now;
                }
                Err(error) => self.cut(CloseReason::Reset(error.kind())),
            }
        }
    }

    /// Tells the peer that nothing more will come, unless it was told before.
    pub(super) fn end_output(&mut self, network: &mut Outside<'_>) -> io::Result<()> {
        if self.flags.contains(Flags::FINISHED) {
            return Ok(());
        }
        self.flags.insert(Flags::FINISHED);
        network.shutdown_write(self.token)
    }

    /// The loop has begun to drain: it is looked once more whether something has arrived, then it
    /// closes as soon as it has nothing left to do.
    pub(crate) const fn drain(&mut self) {
        self.set_draining(Flags::WHEN_IDLE);
        self.note(Readiness::READABLE);
    }

    /// All that was asked for before it had nothing left to do is done.
    pub(crate) fn close_idle(&mut self) {
        self.set_draining(Flags::WHEN_IDLE);
        if self.has_nothing_to_do() {
            self.close(CloseReason::Drained);
        }
    }

    pub(super) const fn set_draining(&mut self, draining: Flags) {
        self.flags.remove(Flags::DRAINING);
        self.flags.insert(draining);
    }

    pub(crate) const fn is_draining(&self) -> bool {
        self.flags.contains(Flags::DRAINING)
    }

    /// It was let in while the loop began to drain.
    pub(crate) const fn drain_newcomer(&mut self) {
        self.set_draining(Flags::NEWCOMER);
    }

    /// The slot is about to be freed: gives the socket and the timers back.
    pub(crate) fn release(&mut self, shared: &mut Shared, network: &mut Outside<'_>) {
        planted!(CountDrifts, shared.outbound_len += usize::from(self.is_outbound()));
        shared.outbound_len -= usize::from(self.is_outbound());
        match self.flags.contains(Flags::ABORTED) {
            true => network.abort(self.token),
            false => network.close(self.token),
        }
        planted!(TimerOutlivesItsOwner, self.deadline = None);
        self.deadline.take().into_iter().for_each(|timer| shared.timers.cancel(timer));
        self.take_timers().into_iter().for_each(|timers| timers.cancel_all(shared));
    }
}
