//! Two connections that are tied to each other: what one peer sends goes to the other as it is.
//!
//! ```text
//!          tied                one has ended,             the other has ended,
//!                              and all of it was          and all of it was
//!                              passed on                  passed on
//!   frames ─────► both ways ───────────────────► one way ──────────────────────► both closed
//!                     │                             │                (the peer finished)
//!                     └────── one was closed ───────┴──► the other is closed too
//!                     └────── one was cut ──────────┴──► the other is reset (the partner is gone)
//! ```
//!
//! A tied connection is held, as far as frames are concerned, which is how it falls out of their
//! way. It is read as long as its *partner* is not held back by output that waits. Each settling
//! puts it on the loop's list of those whose pair is to be looked at; the loop then reads the one
//! and writes the other, since the two may be of different endpoints.

use super::{Connection, Flags, Phase};
use crate::config::Config;
use crate::error::CloseReason;
use crate::instant::Instant;
use crate::outside::Outside;
use crate::shared::{Relay, Shared};
use crate::token::Token;
use crate::write_queue::WriteQueue;

/// What holds back bytes that are only passed on.
const HELD_UP: Flags = Flags::PAUSED.with(Flags::SLOWED);

/// To whom a connection is tied.
#[derive(Debug)]
pub(crate) struct Tie {
    partner: Token,
    /// On the loop's list of pairs to be looked at.
    is_listed: bool,
    /// It ended at once, not in good order.
    is_cut: bool,
    /// How many bytes may still be written to it in this turn.
    write_left: usize,
}

/// How the loop ties two of them, and looks at them.
impl Connection {
    pub(crate) const fn is_tied(&self) -> bool {
        self.flags.contains(Flags::TIED)
    }

    /// A tie of it is about to be done, or cannot be.
    pub(crate) const fn stop_waiting_for_tie(&mut self) {
        self.flags.remove(Flags::TO_BE_TIED);
    }

    /// From now on it is `partner` that gets what comes.
    pub(crate) fn tie(&mut self, partner: Token, config: &Config) {
        self.flags.insert(Flags::TIED);
        self.flags.remove(Flags::PAUSED);
        let write_left = config.write_budget;
        self.notes_or_new().tie =
            Some(Tie { partner, is_listed: false, is_cut: false, write_left });
    }

    /// Its partner, if their pair is said to be on the list.
    pub(crate) fn listed_partner(&self) -> Option<Token> {
        self.tie_ref().filter(|tie| tie.is_listed).map(|tie| tie.partner)
    }

    /// Its pair is looked at: says who the partner is, unless that was done meanwhile.
    pub(crate) fn begin_relay(&mut self) -> Option<Token> {
        let tie = self.tie_mut()?;
        tie.is_listed.then_some(tie.partner)
    }

    /// Its partner is on the list, which is enough for both.
    pub(crate) fn join_relay(&mut self) {
        if let Some(tie) = self.tie_mut() {
            tie.is_listed = true;
        }
    }

    /// Its pair was looked at, and the turn is over for it. If there is more to do, it is the next
    /// turn's.
    pub(crate) fn end_relay(&mut self, shared: &mut Shared, has_more: bool) {
        let token = self.token;
        if let Some(tie) = self.tie_mut() {
            tie.is_listed = has_more;
            tie.write_left = shared.config.write_budget;
            if has_more && !planted!(PairForgottenAtBudget) {
                shared.relay(Relay::Serve(token));
            }
        }
    }

    /// How many bytes may still be written to it in this turn.
    pub(crate) fn relay_budget(&self) -> usize {
        self.tie_ref().map_or(0, |tie| tie.write_left)
    }

    /// Bytes have come or gone at its partner: neither is idle as long as one is not.
    pub(crate) fn note_active(&mut self, at: Instant) {
        self.last_active = self.last_active.max(at);
    }

    /// Its partner was closed, or cut.
    pub(crate) fn follow(&mut self, is_cut: bool) {
        if !self.is_open() {
            return;
        }
        self.untie();
        if is_cut {
            self.flags.insert(Flags::ABORTED);
            self.cut(CloseReason::PartnerGone);
        } else {
            self.close(CloseReason::PartnerGone);
        }
    }

    /// Both have ended, and everything was passed on.
    pub(crate) fn part(&mut self) {
        self.untie();
        self.close(CloseReason::PeerFinished);
    }

    /// After each event: its pair is looked at, or its partner told that it ended.
    pub(super) fn settle_tie(&mut self, shared: &mut Shared) {
        if !self.is_open() {
            let Some(Tie { partner: survivor, is_cut, .. }) = self.untie() else { return };
            planted!(PartnerIsNotTold, return);
            shared.relay(Relay::Follow { survivor, is_cut });
            return;
        }
        let token = self.token;
        let Some(tie) = self.tie_mut() else { return };
        tie.write_left = shared.write_left;
        if !std::mem::replace(&mut tie.is_listed, true) {
            shared.relay(Relay::Serve(token));
        }
    }

    /// It ends at once, and its partner is to see that: unless it was never made, when nothing can
    /// have been lost of what a peer was to get.
    pub(super) fn cut_tie(&mut self) {
        let is_made = self.phase != Phase::Connecting;
        if let Some(tie) = self.tie_mut() {
            tie.is_cut = is_made;
        }
    }

    fn untie(&mut self) -> Option<Tie> {
        self.flags.remove(Flags::TIED);
        self.notes_mut()?.tie.take()
    }

    fn tie_ref(&self) -> Option<&Tie> {
        self.notes()?.tie.as_ref()
    }

    fn tie_mut(&mut self) -> Option<&mut Tie> {
        self.notes_mut()?.tie.as_mut()
    }
}

/// How bytes get from one to the other.
impl Connection {
    /// How many bytes the partner may bring at a time: none while what it brought waits, and none
    /// beyond the high watermark unless some of them may leave at once.
    pub(crate) fn relay_room(&self, config: &Config) -> usize {
        if !self.is_open() || self.flags.contains(Flags::OUTPUT) {
            return 0;
        }
        match !self.has_queue() && self.flags.contains(Flags::WRITABLE) {
            true => config.write_limit,
            false => config.high_watermark - self.queued_len(),
        }
    }

    /// Whether there may be something for the partner.
    pub(crate) const fn may_draw(&self) -> bool {
        self.is_tied()
            && matches!(self.phase, Phase::Open)
            && !self.flags.contains(HELD_UP)
            && (self.input.is_some() || self.has_unread())
    }

    /// Puts what the partner gets next into `buffer`, which is not empty: what is left of the time
    /// of frames, then what has arrived, of which `read_left` bytes may be read. Says how many
    /// bytes that were, if any.
    pub(crate) fn draw(
        &mut self,
        shared: &mut Shared,
        network: &mut Outside<'_>,
        buffer: &mut [u8],
        read_left: &mut usize,
    ) -> Option<usize> {
        if !self.may_draw() {
            return None;
        }
        let Some(mut kept) = self.input.take() else {
            let room = buffer.len().min(*read_left);
            if room == 0 {
                return None;
            }
            let len = self.read(network, &mut buffer[..room], shared.now)?;
            *read_left -= len;
            self.count_received(len);
            shared.metrics.bytes_received += len as u64;
            return Some(len);
        };
        let len = kept.len().min(buffer.len());
        buffer[..len].copy_from_slice(&kept.filled()[..len]);
        kept.consume(len);
        match kept.len() {
            0 => shared.spares.give_back(kept),
            _ => self.input = Some(kept),
        }
        Some(len)
    }

    /// Writes what the partner brought, and queues what the kernel refuses or the budget forbids.
    pub(crate) fn pass_on(&mut self, shared: &mut Shared, network: &mut Outside<'_>, bytes: &[u8]) {
        let queue_rest = |queue: &mut WriteQueue, sent| queue.append_copy(&bytes[sent..]);
        self.write_or_queue(shared, network, bytes, queue_rest);
    }

    /// Whether its peer has finished and everything it sent was passed on.
    pub(crate) const fn is_spent(&self) -> bool {
        self.is_open() && self.has_peer_finished() && self.input.is_none()
    }

    /// Whether its peer was told the end of the partner's stream.
    pub(crate) const fn has_ended_output(&self) -> bool {
        self.is_open() && self.flags.contains(Flags::FINISHED)
    }

    /// The partner is spent: tells the peer so, behind everything it is owed.
    pub(crate) fn pass_end(&mut self, network: &mut Outside<'_>) {
        if self.phase == Phase::Open
            && !self.has_queue()
            && let Err(error) = self.end_output(network)
        {
            self.cut(CloseReason::Reset(error.kind()));
        }
    }
}
