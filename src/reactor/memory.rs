//! How much memory the loop may take, and who pays when it is too much.

use super::{Reactor, Service};
use crate::command::{AnyPostedTask, Command};
use crate::error::CloseReason;
use crate::mailbox::Mailbox;
use crate::outside::Outside;
use crate::read_buffer::SpareBuffers;
use crate::shared::Shared;

impl Reactor {
    /// How many bytes the buffers of all connections hold now: never more than the
    /// [memory budget](crate::Config::memory_budget) from one event to the next.
    pub const fn held_len(&self) -> usize {
        self.tools.shared.held_len
    }

    /// The most bytes of memory that the loop will ever take, by its configuration: the budget for
    /// all connections' buffers, what every connection takes besides, and the loop's own buffers
    /// and queues. What handlers and layers keep is theirs, and so is what commands refer to.
    pub fn memory_bound(&self) -> usize {
        let config = &self.tools.shared.config;
        let own = config.read_buffer_len + self.incoming.max_held_len() + SpareBuffers::MAX_LEN;
        // The output of one event may come to the write limit, in a buffer that grows by doubling.
        let output = config.write_limit.saturating_mul(2);
        let connections = self.max_connections.saturating_add(config.max_outbound);
        // What waits in the queues; of connections that were not made, the handler is told so.
        let waiting = config.command_queue_limit.saturating_add(config.max_outbound);
        let commands = waiting.saturating_mul(2).saturating_mul(size_of::<Command>());
        let mailbox =
            config.mailbox_len.saturating_mul(Mailbox::<Command<AnyPostedTask>>::PLACE_LEN);
        let slots = self.services.iter().map(|service| match service {
            // A table that grows by doubling may have twice the room.
            Service::Stream(_, endpoint) => (endpoint.slot_len() + Shared::CONNECTION_LEN)
                .saturating_mul(connections.saturating_mul(2)),
            // As much again may have been sent already, and the buffer grows by doubling too.
            Service::Datagram(_) => config.datagram_queue_limit.saturating_mul(4),
        });
        slots
            .chain([output, commands, mailbox])
            .fold(own, usize::saturating_add)
            .saturating_add(config.memory_budget)
    }

    /// Closes whoever holds most, as long as all together hold more than they may.
    #[inline]
    pub(super) fn keep_budget(&mut self, network: &mut Outside<'_>) {
        if self.tools.shared.is_above_budget() && !planted!(MemoryBudgetOff) {
            self.close_largest(network);
        }
    }

    #[cold]
    fn close_largest(&mut self, network: &mut Outside<'_>) {
        while self.tools.shared.is_above_budget() {
            let largest = self.endpoints().filter_map(|endpoint| endpoint.largest()).max();
            let Some((held_len, token)) = largest.filter(|(held_len, _)| *held_len > 0) else {
                return;
            };
            log::warn!("the memory budget is used up: {token:?} held {held_len} bytes");
            self.cut(network, token, CloseReason::MemoryBudget);
        }
    }
}
