//! How long the loop takes over what it does, and who holds it up.

use super::Reactor;
use crate::metrics::{Stall, Work};
use crate::outside::Outside;
use crate::token::Token;

impl Reactor {
    /// Some work is done: what has passed since the last was its time.
    #[inline]
    pub(super) fn measure(&mut self, network: &mut Outside<'_>, work: Work, token: Token) {
        if self.tools.shared.stopwatch.lap(network.now()) {
            self.note_stall(work, token);
        }
    }

    /// If nothing has taken longer so far than the last work, or it took longer than it should:
    /// notes whom that was for.
    #[cold]
    pub(super) fn note_stall(&mut self, work: Work, token: Token) {
        let Some((took, is_stall)) = self.tools.shared.stopwatch.take_long() else { return };
        let endpoint = self.services.get(token.endpoint_index()).and_then(|s| s.endpoint());
        let peer = endpoint.and_then(|endpoint| endpoint.peer(token));
        let stall = Stall { took, at: self.tools.shared.stopwatch.read(), work, token, peer };
        if is_stall {
            log::warn!("{stall}: everybody else had to wait");
        }
        let longest = &mut self.tools.shared.metrics.longest_stall;
        if longest.is_none_or(|longest| longest.took <= took) {
            *longest = Some(stall);
        }
    }
}
