//! How other threads come to reach the loop, and that they do no more when it has ended.

use std::task::Waker;

use super::Reactor;
use crate::error::Error;
use crate::handle::Handle;
use crate::mailbox::Mailbox;
use crate::network::Network;

impl Reactor {
    /// By which other threads reach the loop. What they ask for waits in a queue of
    /// [`mailbox_len`](crate::Config::mailbox_len) places, which is made at the first call.
    ///
    /// # Errors
    ///
    /// If the network has no means left for being woken.
    pub fn handle(&mut self, network: &mut dyn Network) -> Result<Handle, Error> {
        let roster = self.tools.shared.roster.clone();
        if self.is_closed {
            // Nobody listens to this one.
            let nobody = Mailbox::new(1, Waker::noop().clone());
            return Ok(Handle::new(nobody.sender(), roster));
        }
        let mailbox = match &mut self.mailbox {
            Some(mailbox) => mailbox,
            none => {
                let waker = network.waker().map_err(|error| {
                    Error::with_source("no other thread could wake the loop", error)
                })?;
                none.insert(Mailbox::new(self.tools.shared.config.mailbox_len, waker))
            }
        };
        Ok(Handle::new(mailbox.sender(), roster))
    }

    /// The loop has ended: whoever sends, or waits for room, gets back what he has.
    #[cold]
    pub(super) fn close_mailbox(&mut self) {
        self.is_closed = true;
        planted!(DeadLoopTakesCommands, return);
        let Some(mailbox) = self.mailbox.take() else { return };
        let dropped = mailbox.close();
        if dropped > 0 {
            log::warn!("{dropped} commands of other threads came too late and were dropped");
        }
        self.tools.shared.metrics.commands_dropped += dropped as u64;
    }
}
