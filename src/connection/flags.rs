//! The facts about a connection that are true or not, all in one word: whether there is anything
//! special about it, which is asked for every event, is then one comparison.

use std::fmt;

use crate::network::Readiness;

/// Facts about a connection: a set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u32);

/// What was said to be ready and not found blocked since.
impl Flags {
    pub(super) const READABLE: Self = Self::ready(Readiness::READABLE);
    pub(super) const WRITABLE: Self = Self::ready(Readiness::WRITABLE);
    pub(super) const HANGUP: Self = Self::ready(Readiness::HANGUP);
    /// The peer has finished: there will never be anything to read.
    pub(super) const ENDED: Self = Self(1 << 7);
}

/// Reasons not to run its frames.
impl Flags {
    /// Output waits above the high watermark.
    pub(super) const OUTPUT: Self = Self(1 << 8);
    /// The handler said so.
    pub(super) const PAUSED: Self = Self(1 << 9);
    /// No event has told yet what came before it was let in: whoever evicts the idle must not take
    /// it for one of them.
    pub(super) const UNANNOUNCED: Self = Self(1 << 10);
    /// It is not open any more.
    pub(super) const CLOSING: Self = Self(1 << 11);
    /// A layer has slowed it.
    pub(super) const SLOWED: Self = Self(1 << 12);
    /// The other end has not answered yet.
    pub(super) const CONNECTING: Self = Self(1 << 13);
    /// What comes is passed on to another connection, as it is.
    pub(super) const TIED: Self = Self(1 << 14);
    /// Its peer was told that nothing more will come.
    pub(super) const FINISHED: Self = Self(1 << 15);
    /// What it has sent in this event fills its room: that must be flushed first.
    pub(super) const FULL: Self = Self(1 << 16);
    /// It was made, and a tie that was asked for before is not done yet.
    pub(super) const TO_BE_TIED: Self = Self(1 << 23);
    /// All of these reasons.
    pub(super) const HOLDS: Self = Self(0x1ff << 8).with(Self::TO_BE_TIED);
}

/// What has to be seen to after an event, though frames are run.
impl Flags {
    /// The peer finished, and the handler was not told yet.
    pub(super) const END_DUE: Self = Self(1 << 17);
    /// The loop drains: it closes as soon as it has nothing left to do.
    pub(super) const WHEN_IDLE: Self = Self(1 << 18);
    /// It had nothing left to do: it closes if that is still so when all that callbacks had asked
    /// for by then is done, which may be something for it.
    pub(super) const AFTER_COMMANDS: Self = Self(1 << 19);
    /// It came when the drain began, and has a moment to ask for something.
    pub(super) const NEWCOMER: Self = Self(1 << 20);
    /// What a drain means for it, of which there is one or none.
    pub(super) const DRAINING: Self = Self(7 << 18);
    /// On the loop's list of those that have work left.
    pub(super) const LISTED_READY: Self = Self(1 << 21);
    /// Input or output waits, or did when it was last settled.
    pub(super) const BUFFERED: Self = Self(1 << 22);
    /// The handler wants to be told when there is room for more output. No readiness has this bit:
    /// `Readiness::ALL` is the lowest three.
    pub(super) const WANTS_ROOM: Self = Self(1 << 3);
}

/// What makes no difference while it is served.
impl Flags {
    /// The handler owes it an answer that comes later.
    pub(super) const BUSY: Self = Self(1 << 24);
    /// What the end of the stream left of the input was run.
    pub(super) const LAST_RUN: Self = Self(1 << 25);
    /// The handler was told of its opening.
    pub(super) const ANNOUNCED: Self = Self(1 << 26);
    /// It was made to another, and not accepted.
    pub(super) const OUTBOUND: Self = Self(1 << 27);
    /// On the loop's list of those that closed.
    pub(super) const LISTED_CLOSED: Self = Self(1 << 28);
    /// The peer is to see a reset.
    pub(super) const ABORTED: Self = Self(1 << 29);
    /// The peer's address is one of IPv4 in the guise of IPv6.
    pub(super) const ADDRESS_MAPPED: Self = Self(1 << 30);
    /// The peer's address is one of IPv6, and apart.
    pub(super) const ADDRESS_APART: Self = Self(1 << 31);

    const INDIFFERENT: Self = Self(0xff << 24);
}

impl Flags {
    /// What can be tried, as facts.
    pub(super) const fn ready(readiness: Readiness) -> Self {
        Self(readiness.bits() as u32)
    }

    /// This set with `other` added.
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether anything in `other` is in this set.
    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether what makes a difference in this set is exactly `others`.
    pub(super) const fn are_only(self, others: Self) -> bool {
        self.0 & !Self::INDIFFERENT.0 == others.0
    }

    pub(super) const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Adds `other`, or takes it out.
    pub(super) const fn set(&mut self, other: Self, is_in: bool) {
        self.remove(other);
        if is_in {
            self.insert(other);
        }
    }

    /// Takes `other` out; says whether any of it was in.
    pub(super) const fn take(&mut self, other: Self) -> bool {
        let had = self.contains(other);
        self.remove(other);
        had
    }
}

/// In base 16, as the constants are shifted.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#x})", self.0)
    }
}
