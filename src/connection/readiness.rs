//! What a connection can do now, and what it has still to do.

use super::{Connection, Flags, Phase};
use crate::config::Config;
use crate::instant::Instant;
use crate::network::Readiness;

impl Connection {
    #[inline]
    pub(crate) const fn note(&mut self, readiness: Readiness) {
        if readiness.bits() == 0 {
            // It is only its turn: that tells nothing of what came before it was let in.
            return;
        }
        self.flags.insert(Flags::ready(readiness));
        self.flags.remove(Flags::UNANNOUNCED);
        if self.flags.contains(Flags::ENDED) {
            self.flags.remove(Flags::READABLE.with(Flags::HANGUP));
        }
    }

    /// Takes it off the list of those that have work left, on which it is if this says so.
    #[inline]
    pub(crate) const fn unlist_ready(&mut self) -> bool {
        self.flags.take(Flags::LISTED_READY)
    }

    #[inline]
    pub(crate) const fn is_listed_ready(&self) -> bool {
        self.flags.contains(Flags::LISTED_READY)
    }

    /// Whether frames may be run now.
    #[inline]
    pub(crate) const fn may_run(&self) -> bool {
        !self.flags.contains(Flags::HOLDS)
    }

    /// Whether reading now may bring something.
    #[inline]
    pub(crate) const fn may_read(&self) -> bool {
        self.has_unread() && self.may_run()
    }

    /// Whether there is something to do that no event will announce.
    pub(super) fn has_work(&self, config: &Config) -> bool {
        let writable = self.flags.contains(Flags::WRITABLE);
        match self.phase {
            Phase::Open => {
                (self.has_queue() && (writable || planted!(FullSocketSpins)))
                    || self.may_read()
                    || (self.may_run() && (self.has_frames_waiting() || self.is_end_due()))
                    || (self.is_room_due(config) && !planted!(RoomIsForgotten))
                    || (planted!(EndSpins) && self.has_peer_finished())
            }
            Phase::Flushing => writable && !planted!(FlushIsForgotten),
            Phase::Lingering => self.has_unread(),
            Phase::Connecting | Phase::Closed => false,
        }
    }

    /// Whether the kernel may have input for it that was not read.
    #[inline]
    pub(super) const fn has_unread(&self) -> bool {
        self.flags.contains(Flags::READABLE)
    }

    /// Whether the handler is still to be told that the peer finished.
    #[inline]
    pub(crate) const fn is_end_due(&self) -> bool {
        self.flags.contains(Flags::END_DUE)
    }

    /// The handler is about to be told that the peer finished.
    pub(crate) const fn note_end_told(&mut self) {
        self.flags.remove(Flags::END_DUE);
    }

    /// Whether what the end of the stream left of the input was run.
    pub(crate) const fn has_run_last(&self) -> bool {
        self.flags.contains(Flags::LAST_RUN)
    }

    /// What the end of the stream left of the input is about to be run.
    pub(crate) const fn note_last_run(&mut self) {
        self.flags.insert(Flags::LAST_RUN);
    }

    /// The handler wants to be told when there is room for more output.
    pub(crate) const fn want_room(&mut self) {
        if self.is_open() {
            self.flags.insert(Flags::WANTS_ROOM);
        }
    }

    /// The handler is about to be told that there is room.
    pub(crate) const fn note_room_told(&mut self) {
        self.flags.remove(Flags::WANTS_ROOM);
    }

    /// Whether the handler is still to be told that there is room for more output.
    #[inline]
    pub(crate) fn is_room_due(&self, config: &Config) -> bool {
        self.flags.contains(Flags::WANTS_ROOM)
            && self.phase == Phase::Open
            && self.queued_len() <= config.low_watermark
    }

    /// Whether input waits that is worth decoding.
    pub(crate) fn has_frames_waiting(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input.missing() == 0)
    }

    /// So many frames were run.
    #[inline]
    pub(crate) const fn ran_frames(&mut self, count: usize) {
        self.frames = self.frames.wrapping_add(count as u64);
    }

    /// A frame was run: a newcomer has asked for what he came for.
    pub(crate) const fn note_active_newcomer(&mut self) {
        if self.flags.contains(Flags::NEWCOMER) {
            self.set_draining(Flags::WHEN_IDLE);
        }
    }

    /// Whether the handler owes it an answer that comes later.
    pub(crate) const fn set_busy(&mut self, is_busy: bool) {
        self.flags.set(Flags::BUSY, is_busy);
    }

    pub(crate) const fn pause(&mut self) {
        self.flags.insert(Flags::PAUSED);
    }

    pub(crate) fn resume(&mut self, now: Instant) {
        // To go on with what was not held up is nothing that lets a frame dribble in for longer.
        if self.flags.contains(Flags::PAUSED) {
            self.flags.remove(Flags::PAUSED);
            self.begin_again(now);
        }
    }

    /// A frame that was held up by us is given its time anew.
    pub(super) fn begin_again(&mut self, now: Instant) {
        if let Some(input) = &mut self.input {
            input.begin_again(now);
        }
    }
}
