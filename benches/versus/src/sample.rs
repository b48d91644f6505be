//! What one run of one workload against one server gave.

use serde::{Deserialize, Serialize};

/// One measured run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Whole messages that came back, each compared; connections for accept and churn.
    pub(crate) replies: u64,
    /// How long that took, in nanoseconds.
    pub(crate) elapsed_ns: u64,
    /// What the scheduler charged all threads of the server in that time, in nanoseconds.
    pub(crate) server_cpu_ns: u64,
    /// What it charged the load.
    pub(crate) load_cpu_ns: u64,
    /// The time from a message to its reply, in nanoseconds, at p50, p90, p99, p99.9 and the most.
    pub(crate) latency_ns: [u64; 5],
    /// What an idle connection adds to the resident memory of the server, in bytes.
    pub(crate) bytes_per_connection: Option<f64>,
    /// What is kept of that after use, and after all have closed, in bytes a connection.
    pub(crate) kept_per_connection: Option<[f64; 2]>,
}
