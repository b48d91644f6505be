//! What one run of one workload against one server gave.

use serde::{Deserialize, Serialize};

/// One measured run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Whole messages that came back, each compared; connections for accept and churn.
    pub(crate) replies: u64,
    /// How long that took, in nanoseconds; for idle, how long nothing happened.
    pub(crate) elapsed_ns: u64,
    /// What the scheduler charged all threads of the server in that time, in nanoseconds.
    pub(crate) server_cpu_ns: u64,
    /// What it charged the load while that did something; it does not sleep when it waits.
    pub(crate) load_cpu_ns: u64,
    /// How many cores the server could use.
    pub(crate) server_cores: usize,
    /// How many threads it had at the end.
    pub(crate) server_threads: usize,
    /// How long threads of the server could have run while another thread had their core.
    pub(crate) server_waited_ns: u64,
    /// How long the load could have.
    pub(crate) load_waited_ns: u64,
    /// What the host took from the cores of both, in nanoseconds; it is counted in ticks of 10 ms.
    pub(crate) stolen_ns: u64,
    /// Datagrams that were not answered in time and were sent again.
    pub(crate) resent: u64,
    /// The time from a message to its reply, in nanoseconds, at p50, p90, p99, p99.9 and the most;
    /// from connecting to the reply for churn, and the time to connect for accept.
    pub(crate) latency_ns: [u64; 5],
    /// What an idle connection adds to the resident memory of the server, in bytes.
    pub(crate) bytes_per_connection: Option<f64>,
    /// What is kept of that after use, and after all have closed, in bytes a connection.
    pub(crate) kept_per_connection: Option<[f64; 2]>,
    /// The resident memory of the server, where that is what was asked for, in bytes.
    #[serde(default)]
    pub(crate) resident_bytes: Option<u64>,
}

impl Sample {
    /// The part of its cores that the server used, from 0 to 1.
    pub(crate) fn server_utilisation(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are few cores")]
        let cores = self.server_cores.max(1) as f64;
        part(self.server_cpu_ns, self.elapsed_ns) / cores
    }

    /// The part of its core that the load used, from 0 to 1.
    pub(crate) fn load_utilisation(&self) -> f64 {
        part(self.load_cpu_ns, self.elapsed_ns)
    }

    /// Whether the load was busy and the server was not: the replies in a second say how fast the
    /// load is, and only the server's time for a reply says something about the server.
    pub(crate) fn is_bound_by_load(&self) -> bool {
        self.load_utilisation() > 0.95 && self.server_utilisation() < 0.9
    }

    /// The part of the time in which other work or the host had a core that was needed. A server
    /// of many threads disturbs itself, so that its waits say nothing.
    pub(crate) fn disturbance(&self) -> f64 {
        let server_waited_ns = if self.server_threads == 1 { self.server_waited_ns } else { 0 };
        let most = server_waited_ns.max(self.load_waited_ns).max(self.stolen_ns);
        part(most, self.elapsed_ns)
    }

    pub(crate) fn replies_per_second(&self) -> f64 {
        part(self.replies, self.elapsed_ns) * 1e9
    }

    /// What the scheduler charged the server for a reply.
    pub(crate) fn server_cpu_ns_per_reply(&self) -> f64 {
        part(self.server_cpu_ns, self.replies)
    }
}

#[expect(clippy::cast_precision_loss, reason = "times are far shorter")]
fn part(of: u64, whole: u64) -> f64 {
    of as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_load_before_a_waiting_server_is_noticed() {
        let mut sample = Sample {
            elapsed_ns: 1_000,
            server_cpu_ns: 700,
            load_cpu_ns: 990,
            server_cores: 1,
            ..Sample::default()
        };
        assert!(sample.is_bound_by_load());
        sample.server_cpu_ns = 950;
        assert!(!sample.is_bound_by_load());
        sample.server_cpu_ns = 1_400;
        sample.server_cores = 2;
        assert!(sample.is_bound_by_load());
    }

    #[test]
    fn threads_that_wait_for_each_other_are_no_disturbance() {
        let mut sample = Sample {
            elapsed_ns: 1_000,
            server_threads: 1,
            server_waited_ns: 500,
            load_waited_ns: 20,
            stolen_ns: 10,
            ..Sample::default()
        };
        assert_eq!(sample.disturbance(), 0.5);
        sample.server_threads = 2;
        assert_eq!(sample.disturbance(), 0.02);
    }

    #[test]
    fn a_sample_of_nothing_divides_by_nothing() {
        let sample = Sample::default();
        assert_eq!(sample.replies_per_second(), 0.0);
        assert_eq!(sample.server_cpu_ns_per_reply(), 0.0);
        assert_eq!(sample.disturbance(), 0.0);
    }
}
