//! A TCP peer's state: with the files of its folder, the only place where it changes. Each step
//! towards the end is taken in `ending`.
//!
//! ```text
//!               made         close(reason)           flushed              the peer finished,
//!                                                    and shut down        sent too much, or took
//!                                                                         too long
//!   Connecting ─────► Open ──────────────► Flushing ───────────► Lingering ───────────► Closed
//!       │              │                     │  │                                         ▲
//!       │              │                     │  └── flushed, the peer had finished ───────┤
//!       └──────────────┴── cut(reason) ──────┴───── cut(reason), or the network failed ───┘
//! ```
//!
//! *Connecting*: it is made to another, who has not answered yet; output waits. *Open*, where an
//! accepted one begins: frames are read and run, unless output waits above the high watermark or
//! the handler paused it; or it is tied to another, see `tie`. *Flushing*: nothing is read, output
//! leaves. *Lingering*: the peer has been told the end; what it still sends is discarded, so that
//! no reset destroys what it has not read yet. *Closed*: the loop frees the slot at the end of the
//! turn. The first reason given stays, unless what was owed then could not be delivered.

mod apart;
mod audit;
mod connecting;
mod deadlines;
mod ending;
mod flags;
mod info;
mod input;
mod notes;
mod output;
mod readiness;
mod tie;
mod traffic;

use std::net::SocketAddr;

use self::apart::{Address, Apart};
use self::flags::Flags;
pub use self::info::ConnectionInfo;
pub use self::notes::Identity;
pub(crate) use self::output::Delivery;
use crate::error::CloseReason;
use crate::instant::Instant;
use crate::outside::Outside;
use crate::read_buffer::ReadBuffer;
use crate::shared::Shared;
use crate::timers::TimerId;
use crate::token::Token;
use crate::write_queue::WriteQueue;

/// A TCP peer: plain data, whose socket is in the network.
#[derive(Debug)]
pub(crate) struct Connection {
    token: Token,
    opened: Instant,
    /// When bytes last came or went; while lingering, when that began.
    last_active: Instant,
    /// Input that could not be used up at once.
    input: Option<Box<ReadBuffer>>,
    /// What few connections need.
    apart: Option<Box<Apart>>,
    frames: u64,
    /// The low halves of how many bytes have come and gone.
    received_low: u32,
    sent_low: u32,
    /// The layers that want to see its frames, a bit for each, and whether the handler was told.
    watchers: u32,
    /// The memory of `input` and `queue` that the loop's sum knows of.
    counted_len: u32,
    /// When it is looked whether a deadline has passed: not after the earliest.
    deadline: Option<TimerId>,
    flags: Flags,
    address: Address,
    phase: Phase,
    /// How many of its layers were told of its opening.
    seen_by: u8,
}

/// Where a connection is on its way from the beginning to the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It is being made, and the other end has not answered yet.
    Connecting,
    /// It is served.
    Open,
    /// Nothing is read any more; what was sent leaves.
    Flushing,
    /// The peer was told the end; what it still sends is discarded.
    Lingering,
    /// It is over.
    Closed,
}

impl Connection {
    pub(crate) fn new(token: Token, peer: SocketAddr, now: Instant) -> Self {
        let mut connection = Self {
            token,
            opened: now,
            last_active: now,
            input: None,
            apart: None,
            frames: 0,
            received_low: 0,
            sent_low: 0,
            watchers: 0,
            counted_len: 0,
            deadline: None,
            flags: Flags::WRITABLE.with(Flags::UNANNOUNCED),
            address: Address::NONE,
            phase: Phase::Open,
            seen_by: 0,
        };
        connection.set_peer(peer);
        connection
    }

    /// One that is being made to `peer`.
    pub(crate) fn connecting(token: Token, peer: SocketAddr, now: Instant) -> Self {
        let mut connection = Self::new(token, peer, now);
        connection.phase = Phase::Connecting;
        connection.flags.remove(Flags::WRITABLE.with(Flags::UNANNOUNCED));
        connection.flags.insert(Flags::CONNECTING.with(Flags::OUTBOUND));
        connection
    }

    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    pub(crate) const fn opened(&self) -> Instant {
        self.opened
    }

    pub(crate) const fn last_active(&self) -> Instant {
        self.last_active
    }

    /// How many frames were run.
    pub(crate) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether the handler was told of its opening.
    pub(crate) const fn is_announced(&self) -> bool {
        self.flags.contains(Flags::ANNOUNCED)
    }

    /// Whether layers have let it in, if there are any before it.
    pub(crate) const fn is_let_in(&self) -> bool {
        self.flags.contains(Flags::ANNOUNCED.with(Flags::OUTBOUND))
    }

    /// The handler is about to be told of its opening.
    pub(crate) const fn announce(&mut self) {
        self.flags.insert(Flags::ANNOUNCED);
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether what is sent now goes out.
    #[inline]
    pub(crate) const fn may_send(&self) -> bool {
        !self.flags.contains(Flags::CLOSING.with(Flags::FINISHED))
    }

    #[inline]
    pub(crate) const fn is_open(&self) -> bool {
        !self.flags.contains(Flags::CLOSING)
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    pub(crate) const fn has_peer_finished(&self) -> bool {
        self.flags.contains(Flags::ENDED)
    }

    /// Whether its handler has it: it was told of the opening, and it has not ended.
    pub(crate) const fn is_present(&self) -> bool {
        self.is_announced() && !self.is_closed()
    }

    /// Why it was closed: asked once.
    pub(crate) fn take_reason(&mut self) -> CloseReason {
        assert!(self.is_closed(), "only a closed connection has a last word on why");
        let reason = self.apart.as_mut().and_then(|apart| apart.reason.take());
        *reason.expect("whoever closed it gave a reason")
    }

    /// How many bytes of output wait for the peer.
    #[inline]
    pub(crate) fn queued_len(&self) -> usize {
        self.queue().map_or(0, WriteQueue::len)
    }

    /// How many bytes of memory its buffers hold.
    pub(crate) fn held_len(&self) -> usize {
        self.input.as_ref().map_or(0, |input| input.held_len())
            + self.queue().map_or(0, WriteQueue::held_len)
    }

    /// Whether it is in the middle of nothing: no frame begun, no output waiting.
    pub(crate) fn is_idle(&self) -> bool {
        let is_between = self.input.is_none() || planted!(HalfAFrameIsIdle);
        self.is_open() && is_between && !self.has_queue()
    }
}

/// What is seen to after each event.
impl Connection {
    /// Whether it waits for its peer, and for nothing else.
    pub(crate) fn has_nothing_to_do(&self) -> bool {
        let due = Flags::READABLE.with(Flags::END_DUE).with(Flags::WANTS_ROOM);
        self.is_idle() && !self.flags.contains(Flags::HOLDS.with(due).with(Flags::BUSY))
    }

    /// Whether it is open, with nothing held, nothing waiting and no drain, and has something to
    /// read: as it is at the beginning of nearly every event.
    #[inline]
    pub(crate) const fn is_poised(&self) -> bool {
        self.flags.are_only(Flags::READABLE.with(Flags::WRITABLE))
    }

    /// Whether it is all that, and has nothing left to read: as it is after nearly every event.
    #[inline]
    pub(crate) const fn is_plain(&self) -> bool {
        self.flags.are_only(Flags::WRITABLE)
    }

    /// After each event: steps towards the end, and sees to it that it is served again, looked at
    /// again, or freed.
    pub(crate) fn settle(&mut self, shared: &mut Shared, network: &mut Outside<'_>) {
        self.flush(shared, network);
        self.advance(shared, network);
        if self.is_tied() {
            self.settle_tie(shared);
        }
        self.count_memory(shared);
        if self.is_closed() {
            if !self.flags.contains(Flags::LISTED_CLOSED) {
                self.flags.insert(Flags::LISTED_CLOSED);
                shared.closed.push(self.token);
            }
            return;
        }
        let has_work = !self.is_listed_ready() && self.has_work(&shared.config);
        if has_work && !planted!(WorkLeftIsForgotten) {
            self.flags.insert(Flags::LISTED_READY);
            shared.ready.push_back(self.token);
        }
        self.arm(shared);
    }

    fn count_memory(&mut self, shared: &mut Shared) {
        if self.is_closed() {
            // Its slot is freed at the end of the turn, its memory at once.
            self.drop_queue(shared);
            if let Some(input) = self.input.take() {
                shared.spares.give_back(input);
            }
        }
        self.flags.set(Flags::BUFFERED, self.input.is_some() || self.has_queue());
        self.tidy_apart();
        let held_len = self.held_len();
        planted!(MemoryUncounted, return);
        // No connection holds more: the configuration sees to that.
        let held_len = u32::try_from(held_len).unwrap_or(u32::MAX);
        shared.held_len = shared.held_len - self.counted_len as usize + held_len as usize;
        self.counted_len = held_len;
    }
}
