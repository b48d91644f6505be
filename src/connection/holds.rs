//! Why the frames of a connection are not run.

/// Reasons not to run frames: a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holds(u8);

impl Holds {
    /// Output waits above the high watermark.
    pub(super) const OUTPUT: Self = Self(1);
    /// The handler said so.
    pub(super) const PAUSED: Self = Self(2);
    /// No event has told yet what came before it was let in: whoever evicts the idle must not take
    /// it for one of them.
    pub(super) const UNANNOUNCED: Self = Self(4);
    /// It is not open any more.
    pub(super) const CLOSING: Self = Self(8);
    /// A layer has slowed it.
    pub(super) const SLOWED: Self = Self(16);
    /// The other end has not answered yet.
    pub(super) const CONNECTING: Self = Self(32);
    /// What comes is passed on to another connection, as it is.
    pub(super) const TIED: Self = Self(64);
    /// Its peer was told that nothing more will come.
    pub(super) const FINISHED: Self = Self(128);

    /// This set with `other` added.
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether anything in `other` is in this set.
    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}
