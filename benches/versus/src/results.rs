//! What was measured, with where and when: all that a report is made from, and that is kept.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::sample::Sample;
use crate::statistics::Spread;

/// Whom all others are compared with.
pub(crate) const BASE: &str = "epoll";
/// Whose bench this is.
pub(crate) const OURS: &str = "windlass";

/// The layout of the file; raised when older files can no longer be read.
const FORMAT: u32 = 1;
/// From this share of a core on, a thread of the load or the server has no time to spare.
const BUSY: f64 = 0.95;

/// All that one start of the program measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) format: u32,
    /// The day and time at which it began, in UTC.
    pub(crate) taken: String,
    pub(crate) machine: Machine,
    pub(crate) rounds: u32,
    /// How long each run was meant to be.
    pub(crate) run_seconds: f64,
    pub(crate) workloads: Vec<Asked>,
    pub(crate) contenders: Vec<Entered>,
    pub(crate) runs: Vec<Run>,
    pub(crate) counts: Vec<Counted>,
    /// What a reader must know: what failed, was left out or repeated.
    pub(crate) notes: Vec<String>,
}

/// A workload that was measured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) about: String,
}

/// A contender that took part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Entered {
    pub(crate) name: String,
    pub(crate) about: String,
}

/// One run of one workload against one contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) workload: String,
    pub(crate) contender: String,
    pub(crate) round: u32,
    /// How often it was repeated because the machine was slow meanwhile.
    pub(crate) repeats: u32,
    /// Whether the machine was still slow at the last of them.
    pub(crate) is_disturbed: bool,
    pub(crate) sample: Sample,
}

/// What one request costs, counted rather than timed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) workload: String,
    pub(crate) contender: String,
    /// Instructions in user space.
    pub(crate) instructions: Option<f64>,
    pub(crate) system_calls: Option<f64>,
}

/// Something that is told of a contender at a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Figure {
    /// Whole messages a second.
    Throughput,
    /// What the scheduler charged the server, in nanoseconds a message.
    Cpu,
    /// One of [`PERCENTILES`], in nanoseconds.
    Latency(usize),
    /// Bytes of resident memory a connection: idle, idle after use, and after all have closed.
    Memory(usize),
    /// Instructions in user space a message.
    Instructions,
    /// System calls a message.
    SystemCalls,
    /// The share of its cores that the server had.
    ServerShare,
    /// The share of its core that the load had.
    LoadShare,
}

/// The names of what [`Figure::Latency`] numbers.
pub(crate) const PERCENTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "most"];
/// The names of what [`Figure::Memory`] numbers.
pub(crate) const STAGES: [&str; 3] = ["idle", "idle after use", "after all closed"];

impl Figure {
    fn of_run(self, run: &Run) -> Option<f64> {
        let sample = &run.sample;
        // Connections that do nothing have neither speed nor a cost by message.
        if sample.bytes_per_connection.is_some() != matches!(self, Self::Memory(_)) {
            return None;
        }
        let (replies, elapsed) = (sample.replies as f64, sample.elapsed_ns as f64);
        match self {
            Self::Throughput => finite(replies / elapsed * 1e9),
            Self::Cpu => finite(sample.server_cpu_ns as f64 / replies),
            Self::Latency(at) => positive(*sample.latency_ns.get(at)? as f64),
            Self::Memory(0) => sample.bytes_per_connection,
            Self::Memory(at) => sample.kept_per_connection?.get(at - 1).copied(),
            Self::ServerShare => finite(sample.server_cpu_ns as f64 / elapsed),
            Self::LoadShare => finite(sample.load_cpu_ns as f64 / elapsed),
            Self::Instructions | Self::SystemCalls => None,
        }
    }
}

/// The number unless it is zero, endless, or none at all.
fn positive(number: f64) -> Option<f64> {
    finite(number).filter(|number| *number > 0.0)
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

impl Results {
    /// Results in which nothing has been measured yet.
    pub(crate) fn new(taken: String, machine: Machine, rounds: u32, run_seconds: f64) -> Self {
        Self {
            format: FORMAT,
            taken,
            machine,
            rounds,
            run_seconds,
            workloads: Vec::new(),
            contenders: Vec::new(),
            runs: Vec::new(),
            counts: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Reads what [`Results::write`] wrote.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let results: Self = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match results.format {
            FORMAT => Ok(results),
            other => Err(format!("its format is {other}, and {FORMAT} is what can be read")),
        }
    }

    /// Writes all of it as JSON.
    ///
    /// # Errors
    ///
    /// Why the file could not be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::write(path, text + "\n").map_err(|error| error.to_string())
    }

    /// The figure of this contender at this workload; of latencies the best round stands for all,
    /// of everything else the median.
    pub(crate) fn spread(&self, workload: &str, contender: &str, figure: Figure) -> Option<Spread> {
        let values: Vec<f64> =
            self.values(workload, contender, figure).map(|(_, value)| value).collect();
        match figure {
            Figure::Latency(_) => Spread::of_least(&values),
            _ => Spread::of_median(&values),
        }
    }

    /// How many times the figure of [`BASE`] that of this contender is: by rounds, then the median.
    pub(crate) fn ratio(&self, workload: &str, contender: &str, figure: Figure) -> Option<Spread> {
        let base: Vec<_> = self.values(workload, BASE, figure).collect();
        let ratios: Vec<f64> = self
            .values(workload, contender, figure)
            .filter_map(|(round, value)| {
                let (_, base) = base.iter().find(|(other, _)| *other == round)?;
                finite(value / base)
            })
            .collect();
        Spread::of_median(&ratios)
    }

    /// The values by rounds; what is counted has one.
    fn values(
        &self,
        workload: &str,
        contender: &str,
        figure: Figure,
    ) -> impl Iterator<Item = (u32, f64)> {
        let timed = self
            .runs_of(workload, contender)
            .filter_map(move |run| Some((run.round, figure.of_run(run)?)));
        let counted = self
            .counts
            .iter()
            .find(|counted| counted.workload == workload && counted.contender == contender);
        let counted = counted.and_then(|counted| match figure {
            Figure::Instructions => counted.instructions,
            Figure::SystemCalls => counted.system_calls,
            _ => None,
        });
        timed.chain(counted.map(|count| (0, count)))
    }

    fn runs_of(&self, workload: &str, contender: &str) -> impl Iterator<Item = &Run> {
        let (workload, contender) = (workload.to_owned(), contender.to_owned());
        self.runs.iter().filter(move |run| run.workload == workload && run.contender == contender)
    }

    /// Whether the load had no time to spare in half of the runs or more, while the server had:
    /// the server could have done more.
    pub(crate) fn is_load_bound(&self, workload: &str, contender: &str) -> bool {
        let share = |figure| self.spread(workload, contender, figure).map(|share| share.value);
        let (server, load) = (share(Figure::ServerShare), share(Figure::LoadShare));
        matches!((server, load), (Some(server), Some(load)) if load >= BUSY && server < BUSY)
    }

    /// Whether the machine was still slow at the last repeat of some of these runs.
    pub(crate) fn is_disturbed(&self, workload: &str, contender: &str) -> bool {
        self.runs_of(workload, contender).any(|run| run.is_disturbed)
    }

    /// The workloads at which some contender has this figure.
    pub(crate) fn workloads_with(&self, figure: Figure) -> impl Iterator<Item = &Asked> {
        self.workloads
            .iter()
            .filter(move |workload| self.contenders_with(&workload.name, figure).next().is_some())
    }

    /// The contenders that have this figure at this workload.
    pub(crate) fn contenders_with(
        &self,
        workload: &str,
        figure: Figure,
    ) -> impl Iterator<Item = &Entered> {
        let workload = workload.to_owned();
        self.contenders.iter().filter(move |contender| {
            self.values(&workload, &contender.name, figure).next().is_some()
        })
    }
}
