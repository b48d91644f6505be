//! How long the loop sleeps, and what for.

use std::io;
use std::time::Duration;

use super::Reactor;
use crate::config::AtLimit;
use crate::instant::Instant;
use crate::outside::Outside;

impl Reactor {
    /// Sleeps until there are events, or something else is to be done.
    #[inline(always)]
    pub(super) fn poll(
        &mut self,
        network: &mut Outside<'_>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let wait = self.wait(timeout);
        network.poll(&mut self.events, wait)
    }

    /// How long to sleep.
    #[inline(always)]
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        self.expected = self.next_timer().unwrap_or(Instant::END);
        self.asked = self.tools.shared.stopwatch.read();
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        if self.expected == Instant::END {
            return timeout;
        }
        // Not from the time of the last turn: a callback may have been slow.
        let wait = self.expected.since(self.asked);
        planted!(WaitIsRoundedDown, return Some(Duration::from_secs(wait.as_secs())));
        planted!(WaitIsNotRecomputed, return timeout);
        Some(timeout.map_or(wait, |timeout| timeout.min(wait)))
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        match (self.tools.shared.timers.next_deadline(), self.drain.deadline()) {
            (Some(timer), Some(drain)) => Some(timer.min(drain)),
            (timer, drain) => timer.or(drain),
        }
    }

    /// Whether there is something to do that no event will announce.
    #[inline(always)]
    pub(super) fn has_work(&self) -> bool {
        !self.tools.shared.ready.is_empty()
            || !self.tools.shared.closed.is_empty()
            || self.tools.shared.has_commands
            || (self.may_accept && self.has_room())
    }

    /// Whether a peer that comes now can be dealt with.
    fn has_room(&self) -> bool {
        match self.tools.shared.config.at_limit {
            AtLimit::Refuse(_) => true,
            AtLimit::EvictIdle if self.may_evict => true,
            AtLimit::Wait | AtLimit::EvictIdle => self.accepted_len() < self.max_connections,
        }
    }
}
