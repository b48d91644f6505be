//! Who has a turn when, and what is done about a machine that was slow meanwhile.

use crate::entrants::Entrant;
use crate::results::{Results, Run};
use crate::sample::Sample;
use crate::statistics::median;
use crate::workload::{Shape, Workload};

/// A probe that takes this many times the median tells of a slow spell.
const SLOW: f64 = 1.08;
/// So does this share of a run in which a core was taken away.
const TAKEN: f64 = 0.08;
/// So many probes are taken before there is a median to trust.
const FIRST_PROBES: usize = 7;
/// So often one run is repeated at most.
const MAX_REPEATS: u32 = 2;
/// And all together one repeat for so many runs, so that a bad day ends too.
const RUNS_FOR_A_REPEAT: usize = 10;
/// A contender that failed so often at a workload is not asked again.
const MAX_FAILURES: usize = 2;

/// One run that is to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Turn {
    pub(crate) round: u32,
    /// Which of the workloads.
    pub(crate) workload: usize,
    /// Which of the entrants.
    pub(crate) entrant: usize,
}

/// All runs in their order: in each round each workload, and at each workload one contender after
/// another, so that those who are compared run within seconds. In each round another one begins.
/// Memory is weighed in the first round only: that takes long, and is always the same.
pub(crate) fn turns(workloads: &[&Workload], entrants: &[Entrant], rounds: u32) -> Vec<Turn> {
    let mut turns = Vec::new();
    for round in 0..rounds {
        let is_due = |workload: &Workload| round == 0 || !is_weighed(workload);
        for (at, workload) in workloads.iter().enumerate().filter(|(_, workload)| is_due(workload))
        {
            let takes = |entrant: &usize| entrants[*entrant].takes(workload);
            let mut speakers: Vec<usize> = (0..entrants.len()).filter(takes).collect();
            let step = speakers.len().div_ceil(rounds as usize).max(1);
            let first = (at + round as usize * step).checked_rem(speakers.len()).unwrap_or(0);
            speakers.rotate_left(first);
            turns.extend(speakers.into_iter().map(|entrant| Turn { round, workload: at, entrant }));
        }
    }
    turns
}

fn is_weighed(workload: &Workload) -> bool {
    matches!(workload.shape, Shape::Idle { .. } | Shape::Keys { .. })
}

/// What makes the runs.
pub(crate) trait Bench {
    /// Says which run is next, and how many are done.
    fn begin(&mut self, turn: &Turn, done: usize);
    /// Makes one run.
    ///
    /// # Errors
    ///
    /// Why there is nothing to report of it.
    fn run(&mut self, turn: &Turn) -> Result<Sample, String>;
    /// How long a fixed piece of work takes now, if that can be told.
    fn probe(&mut self) -> Option<f64>;
}

/// Makes all runs, and repeats those in a slow spell. What a reader must know is noted with them.
pub(crate) fn measure(
    workloads: &[&Workload],
    entrants: &[Entrant],
    turns: &[Turn],
    bench: &mut impl Bench,
    results: &mut Results,
) {
    let mut spells = Spells::new(turns.len(), bench);
    let mut failures: Vec<(usize, usize, String)> = Vec::new();
    for (done, turn) in turns.iter().enumerate() {
        let failed = failures.iter().filter(|(workload, entrant, _)| {
            (*workload, *entrant) == (turn.workload, turn.entrant)
        });
        if failed.count() >= MAX_FAILURES {
            continue;
        }
        bench.begin(turn, done);
        match spells.run(turn, bench) {
            Ok((sample, repeats, is_disturbed)) => results.runs.push(Run {
                workload: workloads[turn.workload].name.to_owned(),
                contender: entrants[turn.entrant].name.clone(),
                round: turn.round,
                repeats,
                is_disturbed,
                sample,
            }),
            Err(why) => failures.push((turn.workload, turn.entrant, why)),
        }
    }
    results.notes.extend(note_failures(&failures, workloads, entrants));
    results.notes.extend(spells.note(&results.runs));
}

/// Who failed where and why, each reason of a contender once.
fn note_failures(
    failures: &[(usize, usize, String)],
    workloads: &[&Workload],
    entrants: &[Entrant],
) -> Vec<String> {
    let mut causes: Vec<(usize, &str, Vec<&str>)> = Vec::new();
    for (workload, entrant, why) in failures {
        let workload = workloads[*workload].name;
        match causes.iter_mut().find(|(other, cause, _)| (*other, *cause) == (*entrant, why)) {
            Some((_, _, names)) if names.contains(&workload) => {}
            Some((_, _, names)) => names.push(workload),
            None => causes.push((*entrant, why, vec![workload])),
        }
    }
    let note = |(entrant, why, names): (usize, &str, Vec<&str>)| {
        format!("{} failed at {}: {why}", entrants[entrant].name, names.join(", "))
    };
    causes.into_iter().map(note).collect()
}

/// Watches for times at which the machine is slower than usual.
struct Spells {
    probes: Vec<f64>,
    /// The probe before the next run was slow.
    was_slow: bool,
    repeats_left: usize,
}

impl Spells {
    fn new(turns: usize, bench: &mut impl Bench) -> Self {
        let probes = (0..FIRST_PROBES).map_while(|_| bench.probe()).collect();
        let repeats_left = turns.div_ceil(RUNS_FOR_A_REPEAT);
        Self { probes, was_slow: false, repeats_left }
    }

    /// Makes one run, again if the machine was slow before, in, or after it, and says how often
    /// again and whether it was slow even then.
    fn run(&mut self, turn: &Turn, bench: &mut impl Bench) -> Result<(Sample, u32, bool), String> {
        let mut repeats = 0;
        loop {
            let sample = bench.run(turn)?;
            let is_slow = self.is_slow(bench.probe());
            let is_disturbed = is_slow || self.was_slow || sample.disturbance() > TAKEN;
            self.was_slow = is_slow;
            if !is_disturbed || repeats == MAX_REPEATS || self.repeats_left == 0 {
                return Ok((sample, repeats, is_disturbed));
            }
            repeats += 1;
            self.repeats_left -= 1;
            self.was_slow = self.is_slow(bench.probe());
        }
    }

    fn is_slow(&mut self, probe: Option<f64>) -> bool {
        let Some(probe) = probe else { return false };
        self.probes.push(probe);
        median(&self.probes).is_some_and(|usual| probe > usual * SLOW)
    }

    /// What is to be said of it.
    fn note(&self, runs: &[Run]) -> Option<String> {
        if self.probes.is_empty() {
            return Some("slow spells of the machine could not be told".to_owned());
        }
        let repeats: u32 = runs.iter().map(|run| run.repeats).sum();
        let disturbed = runs.iter().filter(|run| run.is_disturbed).count();
        (repeats > 0 || disturbed > 0).then(|| {
            format!(
                "the machine had slow spells: of {} runs, {repeats} were made again, and \
                 {disturbed} of those that are kept were disturbed even so",
                runs.len()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::options::Extra;
    use crate::workload::{self, Protocol};

    fn entrant(name: &str, protocols: &[Protocol]) -> Entrant {
        let extra = Extra { name: name.to_owned(), command: vec![name.to_owned()] };
        let mut entrant = Entrant::extra(&extra);
        entrant.protocols = protocols.to_vec();
        entrant
    }

    fn entrants(names: &[&str]) -> Vec<Entrant> {
        names.iter().map(|name| entrant(name, &Protocol::ECHOES)).collect()
    }

    fn workloads(names: &[&str]) -> Vec<&'static Workload> {
        names.iter().map(|name| workload::named(name).unwrap()).collect()
    }

    /// A bench whose probes and failures are set beforehand.
    #[derive(Default)]
    struct FakeBench {
        /// Taken after the first ones; then all is well.
        probes: Vec<f64>,
        probed: usize,
        ran: Vec<Turn>,
        /// What the host takes from the runs, of 1,000 each; then nothing.
        stolen_ns: Vec<u64>,
        /// Which entrant fails always.
        fails: Option<usize>,
    }

    impl Bench for FakeBench {
        fn begin(&mut self, _turn: &Turn, _done: usize) {}

        fn run(&mut self, turn: &Turn) -> Result<Sample, String> {
            let stolen_ns = self.stolen_ns.get(self.ran.len()).copied().unwrap_or(0);
            self.ran.push(*turn);
            match self.fails {
                Some(entrant) if entrant == turn.entrant => Err("it died".to_owned()),
                _ => Ok(Sample { elapsed_ns: 1_000, stolen_ns, ..Sample::default() }),
            }
        }

        fn probe(&mut self) -> Option<f64> {
            self.probed += 1;
            let later = self.probed.checked_sub(FIRST_PROBES + 1);
            Some(later.and_then(|at| self.probes.get(at)).copied().unwrap_or(100.0))
        }
    }

    fn measured(bench: &mut FakeBench, names: &[&str], rounds: u32) -> Results {
        let (workloads, entrants) = (workloads(&["echo-1"]), entrants(names));
        let mut results = Results::new(String::new(), Machine::default(), rounds, 0.1);
        let turns = turns(&workloads, &entrants, rounds);
        measure(&workloads, &entrants, &turns, bench, &mut results);
        results
    }

    #[test]
    fn whoever_began_is_not_first_in_the_next_round() {
        let entrants = entrants(&["a", "b", "c"]);
        let turns = turns(&workloads(&["echo-1"]), &entrants, 3);
        let order: Vec<_> = turns.iter().map(|turn| (turn.round, turn.entrant)).collect();
        let expected = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 0), (2, 2), (2, 0), (2, 1)];
        assert_eq!(order, expected);
    }

    #[test]
    fn idle_connections_are_weighed_once() {
        let turns = turns(&workloads(&["idle", "echo-1"]), &entrants(&["a"]), 3);
        let order: Vec<_> = turns.iter().map(|turn| (turn.round, turn.workload)).collect();
        assert_eq!(order, [(0, 0), (0, 1), (1, 1), (2, 1)]);
    }

    #[test]
    fn contenders_take_turns_within_a_workload() {
        let turns = turns(&workloads(&["echo-1", "echo-50"]), &entrants(&["a", "b"]), 1);
        let order: Vec<_> = turns.iter().map(|turn| (turn.workload, turn.entrant)).collect();
        assert_eq!(order, [(0, 0), (0, 1), (1, 1), (1, 0)]);
    }

    #[test]
    fn nobody_is_asked_for_what_it_does_not_speak() {
        let entrants = [entrant("tcp", &[Protocol::Raw]), entrant("udp", &[Protocol::Datagram])];
        let turns = turns(&workloads(&["echo-1", "lines-16", "udp-1"]), &entrants, 1);
        let order: Vec<_> = turns.iter().map(|turn| (turn.workload, turn.entrant)).collect();
        assert_eq!(order, [(0, 0), (2, 1)]);
    }

    #[test]
    fn a_run_in_a_slow_spell_is_made_again() {
        let mut bench = FakeBench { probes: vec![100.0, 109.0], ..FakeBench::default() };
        let results = measured(&mut bench, &["a", "b", "c", "d", "e"], 1);
        // The second is slow, and after one more probe its repeat finds all well again.
        let repeats: Vec<_> = results.runs.iter().map(|run| run.repeats).collect();
        assert_eq!(repeats, [0, 1, 0, 0, 0]);
        assert!(results.runs.iter().all(|run| !run.is_disturbed));
        assert!(results.notes[0].contains("of 5 runs, 1 were made again"), "{:?}", results.notes);
    }

    #[test]
    fn a_probe_a_little_above_the_median_repeats_nothing() {
        let mut bench = FakeBench { probes: vec![107.0; 9], ..FakeBench::default() };
        let results = measured(&mut bench, &["a", "b"], 2);
        assert_eq!(bench.ran.len(), 4);
        assert!(results.notes.is_empty(), "{:?}", results.notes);
    }

    #[test]
    fn a_run_whose_core_was_taken_is_made_again() {
        let mut bench = FakeBench { stolen_ns: vec![80, 81], ..FakeBench::default() };
        let results = measured(&mut bench, &["a", "b", "c"], 1);
        let repeats: Vec<_> = results.runs.iter().map(|run| run.repeats).collect();
        assert_eq!(repeats, [0, 1, 0]);
    }

    #[test]
    fn a_bad_day_ends_too() {
        let probes = (0..1_000).map(|at| 100.0 * 1.5_f64.powi(at)).collect();
        let mut bench = FakeBench { probes, ..FakeBench::default() };
        let results = measured(&mut bench, &["a", "b", "c", "d", "e"], 6);
        assert_eq!(bench.ran.len(), 30 + 3);
        assert!(results.runs[1..].iter().all(|run| run.is_disturbed));
    }

    #[test]
    fn whoever_fails_twice_is_not_asked_again() {
        let mut bench = FakeBench { fails: Some(1), ..FakeBench::default() };
        let results = measured(&mut bench, &["a", "b"], 5);
        assert_eq!(bench.ran.iter().filter(|turn| turn.entrant == 1).count(), MAX_FAILURES);
        assert_eq!(results.runs.len(), 5);
        assert_eq!(results.notes, ["b failed at echo-1: it died"]);
    }
}
