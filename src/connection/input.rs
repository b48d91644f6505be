//! What a connection reads.

use super::Connection;
use crate::error::CloseReason;
use crate::instant::Instant;
use crate::network::{Network, Progress, Readiness};
use crate::shared::Shared;

impl Connection {
    /// Reads into `buffer`; says how many bytes came, if any. The end of the stream and a broken
    /// connection are noted.
    #[inline(always)]
    pub(crate) fn read(
        &mut self,
        network: &mut dyn Network,
        buffer: &mut [u8],
        now: Instant,
    ) -> Option<usize> {
        match network.read(self.token, buffer) {
            Ok(Progress::Done(0)) => {
                self.is_end_due = true;
                self.possible = Readiness::WRITABLE;
                self.readiness = self.readiness.and(self.possible);
                None
            }
            Ok(Progress::Done(len)) => {
                if len < buffer.len() && !self.readiness.contains(Readiness::HANGUP) {
                    self.readiness = self.readiness.without(Readiness::READABLE);
                }
                self.last_active = now;
                Some(len)
            }
            Ok(Progress::Blocked) => {
                let blocked = Readiness::READABLE.with(Readiness::HANGUP);
                self.readiness = self.readiness.without(blocked);
                None
            }
            Err(error) => {
                self.cut(CloseReason::Reset(error.kind()));
                None
            }
        }
    }

    /// So many bytes were read.
    #[inline]
    pub(crate) const fn count_received(&mut self, len: usize) {
        self.bytes_received = self.bytes_received.wrapping_add(len as u64);
    }

    /// Reads and discards, until there is no more, or more than is put up with.
    pub(crate) fn linger(&mut self, shared: &Shared, network: &mut dyn Network, buffer: &mut [u8]) {
        let mut budget = shared.config.read_budget;
        while self.has_unread() && budget > 0 {
            let since = self.last_active;
            let Some(len) = self.read(network, buffer, shared.now) else { break };
            self.last_active = since;
            self.count_received(len);
            self.discarded_len = self.discarded_len.saturating_add(narrow(len));
            budget = budget.saturating_sub(len);
            if self.discarded_len > narrow(shared.config.linger_limit) {
                self.finish();
                return;
            }
        }
        if self.has_peer_finished() {
            self.finish();
        }
    }
}

/// A number of bytes, which nothing here needs to know beyond 4 GiB.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
