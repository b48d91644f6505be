//! What the loop tells about itself.

use super::Reactor;
use crate::metrics::Metrics;

impl Reactor {
    /// What has happened so far, and how things stand now.
    pub fn metrics(&self) -> Metrics {
        self.tools.shared.snapshot(self.connections_len())
    }
}
