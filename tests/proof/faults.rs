//! Every fault at every call: each of many small scenarios is played once for each call that its
//! loop makes, with each answer that the call could have, given once or again and again; and with
//! each peer that could break off right before it.
//!
//! A run has three parts. In the *story* the clients do what the scenario says. Then no call is
//! forced any more, and there is *calm*, in which whoever is honest must be served. At the *close*
//! a newcomer is served, and a signal drains the loop; calls of this part are forced as well.
//!
//! A fault that the loop can overcome must make no difference to any peer. One that breaks a
//! connection must make none to the others. The run without a fault says what is expected.
//!
//! A debug build plays every so-manieth run only, unless `WINDLASS_ALL` is set. `WINDLASS_FAULT`
//! plays one again, by the name that a run prints which fails.

mod answers;
pub(super) mod scenarios;

use std::collections::BTreeSet;
use std::time::Duration;

use windlass::Error;
use windlass::network::{Call, Recorded, SimNetwork};

use self::answers::{Fault, faults};
use self::scenarios::Scenario;
use super::fixture::{Replay, Unbuilt, address, secs};
use super::stage::{Outcomes, Stage};
use super::{one_of, stride};

/// Of so many runs, a debug build plays one.
const STRIDE: usize = 23;
/// A fault that is given again and again may keep the loop turning for so many turns; then the
/// story goes on without it, since nothing but a broken network would do more.
const MOST_TURNS: usize = 120;
/// How long the calm lasts: longer than any pause of the loop before it tries again.
const CALM: Duration = Duration::from_secs(3);

/// A scenario that is being played.
struct Run {
    stage: Stage,
    fault: Option<Fault>,
    turns: usize,
    /// The number of the first call of the close, once that has begun.
    close_began: Option<u64>,
}

/// What came of a run.
#[derive(Default)]
struct Played {
    calls: Vec<Recorded>,
    /// How many peers there were in all.
    peers_len: usize,
    /// The number of the first call of the close.
    close_began: u64,
    /// How many peers suffer at most if one connection fails, if that can be said.
    most_harmed: Option<usize>,
    /// Whether it matters when a client is let in.
    is_timed: bool,
    /// Unless nothing was built, or the fault ended the loop.
    outcomes: Option<Outcomes>,
    reasons: Vec<&'static str>,
}

impl Run {
    /// A turn. One that the fault ends is the last.
    fn turn(&mut self, wait: Duration) -> Result<(), Error> {
        self.turns += 1;
        let turned = self.stage.world.try_turn(wait);
        let network = &self.stage.world.network;
        let fatal = self.fault.and_then(Fault::fatal);
        let is_made = self.fault.is_some_and(|fault| fault.number < network.calls_made());
        match (&turned, fatal) {
            (Err(error), Some(fatal)) if error.to_string().ends_with(&fatal) => {
                let audit = self.stage.world.reactor.audit(|token| network.promised(token));
                audit.expect("an error breaks nothing");
            }
            (Err(error), _) => panic!("nothing was so bad that the loop must end: {error}"),
            // A loop that drains closes the listener in this turn anyway.
            (Ok(()), Some(fatal)) if is_made && network.is_listening(address(0)) => {
                panic!("the loop goes on in spite of this: {fatal}");
            }
            (Ok(()), _) => {}
        }
        self.stage.check();
        turned
    }

    /// Turns for so long, or until the loop has ended.
    fn play(&mut self, length: Duration) -> Result<(), Error> {
        let end = self.stage.world.network.clock().after(length).expect("within the clock");
        let most = self.turns + MOST_TURNS;
        while self.stage.world.report.is_none() && self.stage.world.network.clock() < end {
            if self.turns == most {
                self.stage.world.network.force_nothing();
            }
            assert!(self.turns < most + 10_000, "the loop spins");
            self.turn(end.since(self.stage.world.network.clock()))?;
        }
        Ok(())
    }

    /// The story, and the calm, in which no call is forced unless it is one to come.
    fn play_story(&mut self) -> Result<(), Error> {
        self.play(self.stage.length)?;
        let network = &mut self.stage.world.network;
        if self.fault.is_some_and(|fault| fault.number < network.calls_made()) {
            network.force_nothing();
        }
        self.play(CALM)
    }

    /// Whoever comes now is served, and the loop ends when it is told to.
    fn play_close(&mut self) -> Result<(), Error> {
        let began = self.stage.world.network.calls_made();
        self.close_began = Some(began);
        if self.stage.world.report.is_none() {
            self.probe(began)?;
            self.stage.world.network.raise_signal();
            self.play(secs(40))?;
        }
        let report = self.stage.world.report.as_ref().expect("it ends when it is told to");
        assert!(report.took <= secs(31), "{report}");
        Ok(())
    }

    fn probe(&mut self, began: u64) -> Result<(), Error> {
        let Some([question, answer]) = self.stage.probe else { return Ok(()) };
        let peer = self.stage.world.network.connect_to(address(0));
        self.stage.world.network.send_from(peer, question);
        self.play(secs(1))?;
        let may_last = |fault: Fault| !fault.is_harmless() || fault.is_lasting();
        let may_fail = self.fault.is_some_and(|fault| fault.number >= began && may_last(fault));
        let is_served = self.stage.world.network.received(peer) == answer;
        assert!(is_served || may_fail, "a newcomer is not served");
        self.stage.world.network.finish(peer);
        self.play(secs(1))
    }

    /// What is seen when all is over.
    fn end(mut self) -> Played {
        let calls = self.stage.world.network.recorded_calls().to_vec();
        let peers_len = self.stage.world.network.peers().count();
        let fault = self.fault;
        let is_made = |fault: Fault| fault.number < self.stage.world.network.calls_made();
        assert!(fault.is_none_or(is_made), "the call was never made");
        self.stage.world.network.force_nothing();
        self.stage.world.let_pass(secs(5));
        self.stage.check();
        let reasons = self.stage.world.reasons();
        let close_began = self.close_began.expect("it is over");
        let Stage { most_harmed, is_timed, .. } = self.stage;
        let outcomes = Some(self.stage.outcomes());
        Played { calls, peers_len, close_began, most_harmed, is_timed, outcomes, reasons }
    }

    fn whole(mut self) -> Played {
        match self.play_story().and_then(|()| self.play_close()) {
            Ok(()) => self.end(),
            Err(_) => Played::default(),
        }
    }
}

/// Plays a scenario once.
fn play(scenario: &Scenario, fault: Option<Fault>) -> Played {
    let mut network = SimNetwork::new(1);
    match fault {
        None => network.record_calls(),
        Some(fault) => fault.force_on(&mut network),
    }
    match (scenario.stage)(network) {
        Ok(mut stage) => {
            stage.raise_signals();
            Run { stage, fault, turns: 0, close_began: None }.whole()
        }
        Err(unbuilt) => {
            check_unbuilt(&unbuilt, fault);
            let calls = unbuilt.network.recorded_calls().to_vec();
            Played { calls, ..Played::default() }
        }
    }
}

/// What the handler says that fails to start.
const UNWILLING: &str = "the handler does not want to start";

/// What could not be built says why, and leaves nothing open.
fn check_unbuilt(unbuilt: &Unbuilt, fault: Option<Fault>) {
    let Unbuilt { network, error } = unbuilt;
    let text = error.to_string();
    let what = match fault.map(Fault::call) {
        Some(Call::Listen) => "cannot listen on tcp 192.0.2.1:700",
        Some(Call::Bind) => "cannot bind udp 192.0.2.1:700",
        Some(Call::WatchSignals) => "cannot watch for signals",
        Some(Call::SocketLimit) => "raise",
        _ => UNWILLING,
    };
    assert!(text.contains(what) || text == UNWILLING, "{text}");
    assert_eq!(network.open_sockets(), 0, "what was opened is closed again: {text}");
}

/// Nobody has suffered by the fault who need not have.
fn compare(played: &Played, expected: &Played, fault: Fault) {
    let outcomes = played.outcomes.as_ref().zip(expected.outcomes.as_ref());
    let Some((most, (outcomes, expected_ones))) = played.most_harmed.zip(outcomes) else { return };
    if fault.delays() && (expected.is_timed || fault.number >= expected.close_began) {
        return;
    }
    let most = match (fault.is_harmless(), fault.is_lasting()) {
        (true, _) => 0,
        (false, false) => most,
        (false, true) => usize::MAX,
    };
    let harmed = outcomes.other_than(expected_ones);
    assert!(harmed.len() <= most, "{most} may suffer at most: {harmed:#?}");
}

/// Plays a scenario without a fault, and then with each that is `wanted`; says how many runs that
/// were.
fn try_all(scenario: &Scenario, mut is_wanted: impl FnMut(&str) -> bool) -> usize {
    let expected = play(scenario, None);
    let mut runs = 0;
    for fault in faults(&expected.calls, expected.peers_len) {
        let name = fault.name(scenario.name);
        if !is_wanted(&name) {
            continue;
        }
        runs += 1;
        let _replay =
            Replay(format!("WINDLASS_FAULT='{name}' cargo test --lib -- proof::faults::again"));
        compare(&play(scenario, Some(fault)), &expected, fault);
    }
    runs
}

/// Plays the scenarios of which the number leaves this rest.
fn try_some(part: usize) {
    let mut is_played = one_of(STRIDE);
    let scenarios = scenarios::all();
    let some = scenarios.iter().skip(part).step_by(PARTS);
    let runs: usize = some.map(|scenario| try_all(scenario, |_| is_played())).sum();
    println!("{runs} runs with a fault");
    assert!(runs >= 15_000 / stride(STRIDE), "{runs} runs");
}

/// Plays a few of the runs of each scenario, and each without a fault: what a planted bug is looked
/// for with.
pub(super) fn play_few() {
    without_a_fault_every_scenario_ends_as_it_says();
    for scenario in scenarios::all() {
        let mut count = 0;
        try_all(&scenario, |_| {
            count += 1;
            count % STRIDE == 0
        });
    }
}

/// In so many parts all runs are played, so that they can be played side by side.
const PARTS: usize = 2;

#[test]
fn every_fault_at_every_call_of_every_first_scenario_is_overcome() {
    try_some(0);
}

#[test]
fn every_fault_at_every_call_of_every_second_scenario_is_overcome() {
    try_some(1);
}

/// Plays the run that `WINDLASS_FAULT` names.
#[test]
fn again_the_one_that_has_failed() {
    let Ok(wanted) = std::env::var("WINDLASS_FAULT") else { return };
    let of_name = |scenario: &&Scenario| wanted.starts_with(&format!("{}:", scenario.name));
    let scenarios = scenarios::all();
    let scenario = scenarios.iter().find(of_name).expect("there is such a scenario");
    assert_eq!(try_all(scenario, |name| name == wanted), 1, "there is such a run");
}

#[test]
fn without_a_fault_every_scenario_ends_as_it_says() {
    let scenarios = scenarios::all();
    assert!(scenarios.len() >= 32, "{}", scenarios.len());
    let names: BTreeSet<_> = scenarios.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), scenarios.len(), "every name is for one");
    for scenario in &scenarios {
        let played = play(scenario, None);
        println!("{}: {} calls, {:?}", scenario.name, played.calls.len(), played.reasons);
        let mut reasons = played.reasons;
        reasons.sort_unstable();
        assert_eq!(reasons, scenario.reasons, "{}", scenario.name);
    }
}

#[test]
fn every_call_that_can_fail_fails_somewhere() {
    let calls =
        scenarios::all().iter().flat_map(|scenario| play(scenario, None).calls).collect::<Vec<_>>();
    let made: BTreeSet<_> = calls.iter().map(|recorded| recorded.call).collect();
    let forced: BTreeSet<_> = faults(&calls, 0).iter().map(|fault| fault.call()).collect();
    let infallible = BTreeSet::from([Call::Now, Call::Close, Call::Abort, Call::TakeSignals]);
    assert_eq!(made.len(), 20, "every call is made somewhere: {made:?}");
    assert_eq!(&made - &forced, infallible, "they have one answer only");
}
