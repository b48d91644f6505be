//! What the loop tells about itself.

use super::Reactor;
use crate::metrics::Metrics;

impl Reactor {
    /// What has happened so far, and how things stand now.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            connections: self.connections_len() as u64,
            outbound_connections: self.outbound_len() as u64,
            commands_waiting: self.tools.shared.commands.len() as u64,
            max_connections: self.max_connections as u64,
            paused: self.tools.shared.paused_len as u64,
            buffered_bytes: self.tools.shared.held_len as u64,
            timers_armed: self.tools.shared.timers.len() as u64,
            ..self.tools.shared.metrics.clone()
        }
    }
}
