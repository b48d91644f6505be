//! Who came, who was refused, who went, and why, in the log.

use log::Level;

use super::escape::Escaped;
use super::log_limit::LogLimit;
use super::{Arrival, ConnectionContext, Middleware, Verdict};
use crate::error::CloseReason;

/// Logs the opening and the close of each connection, the latter with its reason, and each peer
/// that a later layer or the limit refused.
///
/// It goes through the `log` crate, under this module's name. It should be the first layer: it is
/// told of nothing that a layer before it refused. Frames and datagrams are not logged.
///
/// Whatever a peer may have had a hand in, as the text of an error or the name it gave, is
/// [escaped](Escaped) and cut off after 200 bytes, so that nobody forges a line or drives the
/// terminal. Of each of the three kinds at most 100 lines are logged in a second, so that a flood
/// does not fill the disk; how many were left out is said in the next line of that kind.
///
/// # Cost
///
/// A line costs what the program's logger makes of it, on the loop's thread; if the level is not
/// enabled, nothing. Nothing per frame.
///
/// # Failure mode
///
/// A logger that waits, for a disk or a full pipe, holds up the loop. In a flood, who of those
/// that came is named is chance.
///
/// ```
/// use windlass::Server;
/// use windlass::middleware::Logging;
///
/// let server = Server::new().middleware(Logging::new().lines_per_second(10));
/// ```
#[derive(Debug)]
pub struct Logging {
    level: Level,
    opened: LogLimit,
    closed: LogLimit,
    refused: LogLimit,
}

/// How much is shown of what peers had a hand in.
const MAX_LEN: usize = 200;

impl Logging {
    /// Logs at the level of information, 100 lines of each kind in a second.
    pub fn new() -> Self {
        Self::with(Level::Info, 100)
    }

    fn with(level: Level, per_second: u32) -> Self {
        let limit = || LogLimit::new(per_second, per_second);
        Self { level, opened: limit(), closed: limit(), refused: limit() }
    }

    /// Logs at this level.
    #[must_use]
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Logs at most so many lines of each kind in a second.
    ///
    /// # Panics
    ///
    /// If it is none: then leave this layer out.
    #[must_use]
    pub fn lines_per_second(self, count: u32) -> Self {
        Self::with(self.level, count)
    }
}

impl Default for Logging {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Logging {
    fn on_refused(&mut self, arrival: &Arrival, by: &'static str, why: &str) {
        if !log::log_enabled!(self.level) {
            return;
        }
        let Some(suppressed) = self.refused.admit(arrival.now) else { return };
        let Arrival { peer, listener, .. } = arrival;
        let why = Escaped::text(&why).max_len(MAX_LEN);
        log::log!(self.level, "{peer} was refused at {listener} by {by}: {why}{suppressed}");
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        if !log::log_enabled!(self.level) {
            return Verdict::Continue;
        }
        if let Some(suppressed) = self.opened.admit(connection.now()) {
            let (id, peer) = (connection.id(), connection.peer());
            log::log!(self.level, "{peer} opened connection {id}{suppressed}");
        }
        Verdict::Continue
    }

    fn on_close(&mut self, connection: &mut ConnectionContext<'_>, reason: &CloseReason) {
        if !log::log_enabled!(self.level) {
            return;
        }
        let Some(suppressed) = self.closed.admit(connection.now()) else { return };
        let (id, peer) = (connection.id(), connection.peer());
        let age = connection.now().since(connection.opened());
        let (received, sent) = (connection.bytes_received(), connection.bytes_sent());
        let frames = connection.frames();
        let name = connection.identity().map_or("", |identity| &identity.name);
        let (name, reason) = (Escaped::text(&name), Escaped::text(reason));
        let (name, reason) = (name.max_len(MAX_LEN), reason.max_len(MAX_LEN));
        log::log!(
            self.level,
            "{peer} closed connection {id} of {name} after {age:?}: {reason}; \
             {received} bytes in, {sent} bytes out, {frames} frames{suppressed}"
        );
    }
}
