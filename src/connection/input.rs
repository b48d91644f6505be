//! What a connection reads.

use super::{Connection, Flags};
use crate::error::CloseReason;
use crate::instant::Instant;
use crate::network::Transfer;
use crate::outside::Outside;
use crate::read_buffer::ReadBuffer;
use crate::shared::Shared;

impl Connection {
    /// Reads into `buffer`; says how many bytes came, if any. The end of the stream and a broken
    /// connection are noted.
    #[inline(always)]
    pub(crate) fn read(
        &mut self,
        network: &mut Outside<'_>,
        buffer: &mut [u8],
        now: Instant,
    ) -> Option<usize> {
        match network.read(self.token, buffer) {
            Transfer::Done(0) => {
                self.flags.insert(Flags::END_DUE.with(Flags::ENDED));
                planted!(EndClosesAtOnce, self.cut(CloseReason::PeerFinished));
                self.flags.remove(Flags::READABLE.with(Flags::HANGUP));
                None
            }
            Transfer::Done(len) => {
                planted!(HangupUnheard, self.flags.remove(Flags::HANGUP));
                if len < buffer.len() && !self.flags.contains(Flags::HANGUP) {
                    self.flags.remove(Flags::READABLE);
                }
                planted!(OneReadPerEvent, self.flags.remove(Flags::READABLE));
                self.last_active = now;
                Some(len)
            }
            Transfer::Blocked => {
                self.flags.remove(Flags::READABLE.with(Flags::HANGUP));
                None
            }
            Transfer::Failed(error) => {
                planted!(ResetIsTheEnd, return self.read(network, buffer, now));
                self.cut(CloseReason::Reset(error.kind()));
                None
            }
        }
    }

    /// Keeps input that could not be used up at once.
    pub(crate) fn keep_input(&mut self, input: Box<ReadBuffer>) {
        self.input = Some(input);
        self.flags.insert(Flags::BUFFERED);
    }

    /// What was kept.
    pub(crate) const fn take_input(&mut self) -> Option<Box<ReadBuffer>> {
        self.input.take()
    }

    /// Reads and discards, until there is no more, or more than is put up with.
    pub(crate) fn linger(&mut self, shared: &Shared, network: &mut Outside<'_>, buffer: &mut [u8]) {
        let mut budget = shared.config.read_budget;
        while self.has_unread() && budget > 0 {
            let since = self.last_active;
            let room = buffer.len().min(budget);
            let Some(len) = self.read(network, &mut buffer[..room], shared.now) else { break };
            self.last_active = since;
            self.count_received(len);
            let discarded_len = &mut self.notes_or_new().discarded_len;
            *discarded_len = discarded_len.saturating_add(len);
            budget -= len;
            if *discarded_len > shared.config.linger_limit {
                self.finish();
                return;
            }
        }
        if self.has_peer_finished() {
            self.finish();
        }
    }
}
