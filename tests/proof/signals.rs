//! A signal at every call of the loop, and a second at every call after that.
//!
//! Whatever the loop is doing, the first makes it drain: nothing is lost that had arrived, and it
//! ends within its deadline. The second ends it in the turn that hears of it.

mod town;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::Instant;
use windlass::network::{Call, Faults, PeerState, SimNetwork};

use super::faults::scenarios::{self, Scenario};
use super::fixture::{Replay, millis, secs};
use super::stage::{Said, Stage};
use super::{one_of, stride};

/// Of so many runs with one signal, and of so many with two, a debug build plays one.
const STRIDES: [usize; 2] = [19, 97];
/// More turns than any story takes.
const MOST_TURNS: usize = 2000;

/// What is known of the signals of a run.
#[derive(Default)]
struct Told {
    /// How many bytes of each client had arrived at the first.
    arrived: RefCell<BTreeMap<SocketAddr, usize>>,
    first: Cell<Option<Instant>>,
    /// How many polls there had been at the second, the one included before which it came.
    polls: Cell<Option<u64>>,
}

impl Told {
    /// The first signal, with all that had arrived of clients who were let in.
    fn note_first(&self, network: &mut SimNetwork, said: &Said) {
        let said = said.borrow();
        for peer in network.peers().filter(|peer| network.state(*peer) == PeerState::Open) {
            let address = network.address(peer);
            let said = said.get(&address).copied().unwrap_or_default();
            let arrived = said.saturating_sub(network.unsent_len(peer));
            self.arrived.borrow_mut().insert(address, arrived);
        }
        self.first.set(Some(network.clock()));
        network.raise_signal();
    }

    /// The second signal.
    fn note_second(&self, network: &mut SimNetwork) {
        self.polls.set(Some(network.calls().polls));
        network.raise_signal();
    }
}

/// What a story comes to that no signal ends.
struct Undisturbed {
    /// Whether events come late.
    is_late: bool,
    /// The first call before which signals are watched for, and how many calls there are.
    calls: std::ops::Range<u64>,
    /// The bytes of each client that were run.
    run: BTreeMap<SocketAddr, usize>,
}

impl Undisturbed {
    fn name(&self, scenario: &Scenario) -> String {
        format!("{}{}", scenario.name, if self.is_late { ":late" } else { "" })
    }
}

/// Turns for as long as the story lasts, or until the loop ends.
fn play_story(stage: &mut Stage, told: &Told) {
    let end = Instant::START.after(stage.length).expect("early");
    for _ in 0..MOST_TURNS {
        let world = &mut stage.world;
        let is_over = world.network.clock() >= end && told.first.get().is_none();
        if world.report.is_some() || is_over {
            return;
        }
        let wait =
            if told.first.get().is_some() { secs(1) } else { end.since(world.network.clock()) };
        world.turn(wait);
        stage.check();
        // The poll of the turn in which it came may have been before it.
        let is_heard = told.polls.get().is_some_and(|at| stage.world.network.calls().polls > at);
        assert!(!is_heard || stage.world.report.is_some(), "the second signal ends it in its turn");
    }
    panic!("the loop does not end");
}

/// A network, on which events may come late: what has arrived must then be found without being told
/// of.
fn network(is_late: bool) -> SimNetwork {
    let mut network = SimNetwork::new(1);
    if is_late {
        let longest_delay = millis(4);
        network.set_faults(Faults { delayed_event: 1000, longest_delay, ..Faults::none() });
    }
    network
}

fn undisturbed(scenario: &Scenario, is_late: bool) -> Option<Undisturbed> {
    let mut network = network(is_late);
    network.record_calls();
    let mut stage = (scenario.stage)(network).ok()?;
    play_story(&mut stage, &Told::default());
    let calls = stage.world.network.recorded_calls();
    let watched = calls.iter().position(|recorded| recorded.call == Call::WatchSignals);
    let watched = watched.expect("signals are watched for") as u64 + 1;
    let calls = watched..stage.world.network.calls_made();
    let run = |from: &SocketAddr| Some((*from, stage.run(*from)?.len()));
    let clients = stage.sent.keys().filter(|from| !stage.owed.is_relayed(**from));
    Some(Undisturbed { is_late, calls, run: clients.filter_map(run).collect() })
}

/// Plays a scenario with a signal before the call of this number, and perhaps a second before that
/// of another; says whether the second came before the end.
fn play(scenario: &Scenario, expected: &Undisturbed, first: u64, second: Option<u64>) -> bool {
    let name = second.map_or_else(|| first.to_string(), |second| format!("{first}:{second}"));
    let name = format!("{}:{name}", expected.name(scenario));
    let _replay =
        Replay(format!("WINDLASS_SIGNAL='{name}' cargo test --lib -- proof::signals::again"));
    let told = Rc::new(Told::default());
    // The stage is there before it is told what its clients have said.
    let said: Rc<RefCell<Said>> = Rc::default();
    let (teller, known) = (told.clone(), said.clone());
    let mut network = network(expected.is_late);
    network.at_call(first, move |network| {
        teller.note_first(network, &known.borrow());
        if let Some(second) = second {
            network.at_call(second, move |network| teller.note_second(network));
        }
    });
    let mut stage = (scenario.stage)(network).unwrap_or_else(|unbuilt| panic!("{}", unbuilt.error));
    said.replace(stage.said.clone());
    play_story(&mut stage, &told);
    check_end(&mut stage, expected, &told);
    told.polls.get().is_some()
}

fn check_end(stage: &mut Stage, expected: &Undisturbed, told: &Told) {
    let world = &mut stage.world;
    let report = world.report.clone().expect("the call was made, and with it the signal");
    assert!(report.took <= world.config().drain_timeout, "{report}");
    world.let_pass(secs(5));
    stage.check();
    if told.polls.get().is_some() {
        return;
    }
    for (from, arrived) in told.arrived.borrow().iter() {
        let Some(expected) = expected.run.get(from) else { continue };
        let (run, sent) = (stage.run(*from).expect("frames are compared"), &stage.sent[from]);
        let lines_end = sent[..*arrived].iter().rposition(|byte| *byte == b'\n');
        let owed = lines_end.map_or(0, |at| at + 1).min(*expected);
        assert!(run.len() >= owed, "{from}: {} bytes of {owed} that had come were run", run.len());
    }
}

/// Plays every scenario with a signal at every call, and those that are `paired` with a second at
/// every later one; says how many runs that were.
fn try_all(
    scenarios: &[Scenario],
    is_paired: bool,
    mut is_wanted: impl FnMut(&str, u64, Option<u64>) -> bool,
) -> usize {
    let mut runs = 0;
    let modes = scenarios.iter().flat_map(|scenario| [(scenario, false), (scenario, true)]);
    for (scenario, is_late) in modes {
        let Some(expected) = undisturbed(scenario, is_late) else { continue };
        let name = expected.name(scenario);
        for first in expected.calls.clone() {
            if is_wanted(&name, first, None) {
                play(scenario, &expected, first, None);
                runs += 1;
            }
            let most = if is_paired && !is_late { LONGEST_END } else { 0 };
            for second in first + 1..=first + most {
                if is_wanted(&name, first, Some(second)) {
                    runs += 1;
                    if !play(scenario, &expected, first, Some(second)) {
                        break;
                    }
                    assert!(second < first + most, "more calls than expected");
                }
            }
        }
    }
    runs
}

/// No drain of a scenario takes as many calls.
const LONGEST_END: u64 = 400;

fn is_one_of_many() -> impl FnMut(&str, u64, Option<u64>) -> bool {
    let [mut one, mut two] = STRIDES.map(one_of);
    move |_, _, second| if second.is_none() { one() } else { two() }
}

#[test]
fn a_signal_at_any_call_loses_nothing_that_had_arrived() {
    let mut all = scenarios::all();
    all.push(town::scenario());
    let runs = try_all(&all, false, is_one_of_many());
    println!("{runs} runs with a signal");
    assert!(runs >= 5000 / stride(STRIDES[0]), "{runs} runs");
}

#[test]
fn a_second_signal_at_any_call_ends_it_in_that_turn() {
    let runs = try_all(&scenarios::drains(), true, is_one_of_many());
    println!("{runs} runs with two signals");
    assert!(runs >= 20_000 / stride(STRIDES[1]), "{runs} runs");
}

/// Plays the run that `WINDLASS_SIGNAL` names.
#[test]
fn again_the_one_that_has_failed() {
    let Ok(wanted) = std::env::var("WINDLASS_SIGNAL") else { return };
    let mut all = scenarios::all();
    all.push(town::scenario());
    all.retain(|scenario| wanted.starts_with(&format!("{}:", scenario.name)));
    let is_wanted = |name: &str, first: u64, second: Option<u64>| {
        let second = second.map(|second| format!(":{second}")).unwrap_or_default();
        wanted == format!("{name}:{first}{second}")
    };
    assert_eq!(try_all(&all, true, is_wanted), 1, "there is such a run");
}
