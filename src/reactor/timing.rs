//! How long the loop takes over what it does, and who holds it up.

use std::time::Duration;

use super::Reactor;
use crate::metrics::{Stall, Work};
use crate::outside::Outside;
use crate::token::Token;

impl Reactor {
    /// Some work is done: what has passed since the last was its time. The clock is read once for
    /// each event, and not before and after each callback, since that would cost more than most of
    /// them do; so what is measured is all that was done for the event, reading and writing
    /// included.
    #[inline]
    pub(super) fn measure(&mut self, network: &mut Outside<'_>, work: Work, token: Token) {
        let began = std::mem::replace(&mut self.clock_read, network.now());
        // The network's clock never goes back.
        let nanos = self.clock_read.nanos_from(began);
        if self.tools.shared.metrics.event_time.record(nanos) | (nanos >= self.stall_nanos) {
            self.note_stall(Stall {
                took: self.clock_read.since(began),
                at: self.clock_read,
                work,
                token,
                peer: None,
            });
        }
    }

    /// Nothing has taken longer so far, or it took longer than it should.
    #[cold]
    fn note_stall(&mut self, mut stall: Stall) {
        let endpoint = self.services.get(stall.token.endpoint_index()).and_then(|s| s.endpoint());
        stall.peer = endpoint.and_then(|endpoint| endpoint.peer(stall.token));
        if stall.took >= Duration::from_nanos(self.stall_nanos) {
            log::warn!("{stall}: everybody else had to wait");
        }
        let longest = &mut self.tools.shared.metrics.longest_stall;
        if longest.is_none_or(|longest| longest.took <= stall.took) {
            *longest = Some(stall);
        }
    }
}
