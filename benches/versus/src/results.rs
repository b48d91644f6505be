//! What was measured, with where and when: all that a report is made from, and that is kept.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::machine::Machine;
use crate::sample::Sample;
use crate::statistics::Spread;

/// Whom all others are compared with.
pub(crate) const BASE: &str = "epoll";
/// Whose bench this is.
pub(crate) const OURS: &str = "windlass";

/// The layout of the file; raised when older files can no longer be read.
const FORMAT: u32 = 1;

/// All that one start of the program measured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
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
        self.ratio_to(BASE, workload, contender, figure)
    }

    /// The same, with another contender as the base.
    pub(crate) fn ratio_to(
        &self,
        base: &str,
        workload: &str,
        contender: &str,
        figure: Figure,
    ) -> Option<Spread> {
        let base: Vec<_> = self.values(workload, base, figure).collect();
        let ratios: Vec<f64> = self
            .values(workload, contender, figure)
            .filter_map(|(round, value)| {
                let (_, base) = base.iter().find(|(other, _)| *other == round)?;
                Some(value / base).filter(|ratio| ratio.is_finite())
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
            .filter_map(move |run| Some((run.round, figure.of(run)?)));
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

    /// Whether the load was busy and the server was not in half of the runs or more: then only
    /// the server's time for a message tells something of the server.
    pub(crate) fn is_load_bound(&self, workload: &str, contender: &str) -> bool {
        let (bound, all) = self.runs_of(workload, contender).fold((0, 0), |(bound, all), run| {
            (bound + u32::from(run.sample.is_bound_by_load()), all + 1)
        });
        all > 0 && bound * 2 >= all
    }

    /// Whether the machine was still slow at the last repeat of some of these runs.
    pub(crate) fn is_disturbed(&self, workload: &str, contender: &str) -> bool {
        self.runs_of(workload, contender).any(|run| run.is_disturbed)
    }

    /// Whether that holds of more than half of all runs.
    pub(crate) fn is_mostly_disturbed(&self) -> bool {
        self.runs.iter().filter(|run| run.is_disturbed).count() * 2 > self.runs.len()
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Results of three contenders; the second and third take twice and ten times the CPU.
    pub(crate) fn example() -> Results {
        let mut results = Results::new("2026-01-31 12:00 UTC".to_owned(), machine(), 3, 0.5);
        results.workloads = ["echo-50", "frames-16", "idle"].map(asked).to_vec();
        results.contenders = [BASE, OURS, "slow<er>"].map(entered).to_vec();
        for (contender, times) in [(BASE, 1), (OURS, 2), ("slow<er>", 10)] {
            for round in 0..3 {
                // The machine is half as fast in the second round: the ratios do not show it.
                let pace = if round == 1 { 2 } else { 1 };
                for workload in ["echo-50", "frames-16", "idle"] {
                    results.runs.push(run(workload, contender, round, times * pace));
                }
            }
            results.counts.push(Counted {
                workload: "echo-50".to_owned(),
                contender: contender.to_owned(),
                instructions: Some(60.0 * times as f64),
                system_calls: Some(3.0),
            });
        }
        results.notes.push("slow<er> failed at udp-1: it does not speak it".to_owned());
        results
    }

    fn machine() -> Machine {
        Machine {
            processor: "A & B processor".to_owned(),
            cores: 2,
            is_virtual: true,
            kernel: "6.18".to_owned(),
            versions: vec![("rustc".to_owned(), "1.88.0".to_owned())],
        }
    }

    fn asked(name: &str) -> Asked {
        let about = crate::workload::named(name).unwrap().to_string();
        Asked { name: name.to_owned(), about }
    }

    fn entered(name: &str) -> Entered {
        Entered { name: name.to_owned(), about: format!("{name}, as its users write it") }
    }

    /// A run that takes so many microseconds of CPU a message.
    pub(crate) fn run(workload: &str, contender: &str, round: u32, times: u64) -> Run {
        let is_idle = workload == "idle";
        let bytes = times as f64 * 64.0;
        let sample = Sample {
            replies: 1_000,
            elapsed_ns: 1_100_000 * times,
            server_cpu_ns: 1_000_000 * times,
            load_cpu_ns: 900_000 * times,
            server_cores: 1,
            latency_ns: [10, 11, 20, 40, 90].map(|latency| latency * 1_000 * times),
            bytes_per_connection: is_idle.then_some(bytes),
            kept_per_connection: is_idle.then_some([bytes, 0.0]),
            ..Sample::default()
        };
        let (workload, contender) = (workload.to_owned(), contender.to_owned());
        Run { workload, contender, round, repeats: 0, is_disturbed: false, sample }
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let results = example();
        let ratio = results.ratio("echo-50", OURS, Figure::Cpu).unwrap();
        assert_eq!(ratio, Spread { value: 2.0, least: 2.0, most: 2.0 });
        let cpu = results.spread("echo-50", OURS, Figure::Cpu).unwrap();
        assert_eq!(cpu, Spread { value: 2_000.0, least: 2_000.0, most: 4_000.0 });
        let speed = results.ratio("echo-50", "slow<er>", Figure::Throughput).unwrap();
        assert!((speed.value - 0.1).abs() < 1e-9, "{speed:?}");
    }

    #[test]
    fn a_round_without_the_base_has_no_ratio() {
        let mut results = example();
        results.runs.retain(|run| run.contender != BASE || run.round == 1);
        for run in results.runs.iter_mut().filter(|run| run.contender == OURS && run.round == 1) {
            run.sample.server_cpu_ns *= 3;
        }
        let ratio = results.ratio("echo-50", OURS, Figure::Cpu).unwrap();
        assert_eq!(ratio, Spread { value: 6.0, least: 6.0, most: 6.0 });
    }

    #[test]
    fn the_best_round_stands_for_latencies() {
        let latency = example().spread("echo-50", OURS, Figure::Latency(0)).unwrap();
        assert_eq!(latency, Spread { value: 20_000.0, least: 20_000.0, most: 40_000.0 });
    }

    #[test]
    fn only_idle_connections_are_weighed() {
        let results = example();
        let names = |figure| {
            results.workloads_with(figure).map(|asked| asked.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(names(Figure::Memory(0)), ["idle"]);
        assert_eq!(names(Figure::Throughput), ["echo-50", "frames-16"]);
        assert_eq!(names(Figure::Instructions), ["echo-50"]);
    }

    #[test]
    fn one_bound_run_of_three_binds_nothing() {
        let mut results = example();
        for (round, is_bound) in [(0, false), (2, true)] {
            let is_meant = |run: &&mut Run| {
                (run.workload.as_str(), run.contender.as_str(), run.round)
                    == ("echo-50", OURS, round)
            };
            for run in results.runs.iter_mut().filter(is_meant) {
                run.sample.load_cpu_ns = run.sample.elapsed_ns;
                run.sample.server_cpu_ns = run.sample.elapsed_ns / 2;
            }
            assert_eq!(results.is_load_bound("echo-50", OURS), is_bound);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let path = std::env::temp_dir().join(format!("versus-{}.json", std::process::id()));
        let results = example();
        results.write(&path).unwrap();
        let again = Results::read(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(again, Ok(results));
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        let path = std::env::temp_dir().join(format!("versus-old-{}.json", std::process::id()));
        Results { format: 99, ..example() }.write(&path).unwrap();
        let refusal = Results::read(&path).unwrap_err();
        fs::remove_file(&path).unwrap();
        assert!(refusal.contains("its format is 99"), "{refusal}");
    }
}
