//! Each call that a server makes for its clients fails, with each error that the kernel has for it:
//! once, several times, and for as long as strace is there.
//!
//! Whoever comes afterwards must be served, nothing may leak, nobody may hear what was not said to
//! him, and the loop must not spin meanwhile.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::errnos::{self, Fate};
use crate::example::{Example, wait_until};
use crate::form;
use crate::strace::{self, Calls, Fault, Tracer, When};
use crate::talks::{CHAT, ECHO, EMBEDDED, MIDDLEWARE, OFFLOAD, PROXY, Talk};

/// A loop that spins makes as many calls in a fraction of a second, under strace.
pub(crate) const MANY_CALLS: usize = 600;
/// For so long a fault lasts, for a loop to spin in.
pub(crate) const LASTING: Duration = Duration::from_millis(250);
/// For how many calls in a row a fault lasts that does not last for ever.
pub(crate) const SEVERAL: usize = 5;

/// Someone who was there when it happened.
struct Victim {
    client: Client,
    questions: usize,
    has_finished: bool,
}

const VICTIM: usize = 1;
const HONEST: usize = 2;

impl Victim {
    fn to(server: &Example) -> Self {
        let client = Client::to(server.address("tcp"));
        Self { client, questions: 0, has_finished: false }
    }

    /// Talks until something fails, or to the end if it `may_end`.
    fn suffer(talk: &Talk, server: &Example, may_end: bool, has_failed: impl Fn() -> bool) -> Self {
        let mut victim = Self::to(server);
        while victim.questions < 2 && !has_failed() {
            victim.ask(talk);
            let questions = victim.questions;
            wait_until("a call fails, or the answer comes", || {
                has_failed()
                    || victim.client.end().is_some()
                    || talk.is_answered(victim.client.received(), VICTIM, questions)
            });
        }
        if may_end && !has_failed() {
            victim.finish();
            wait_until("a call fails, or the server closes", || {
                victim.client.received();
                has_failed() || victim.client.end().is_some()
            });
        }
        victim
    }

    fn finish(&mut self) {
        self.client.finish();
        self.has_finished = true;
    }

    fn ask(&mut self, talk: &Talk) {
        talk.ask(&mut self.client, VICTIM);
        self.questions += 1;
    }

    /// Asks once more, so that a lost readiness is found, and listens to the end.
    fn conclude(mut self, talk: &Talk, fate: Fate) {
        if !self.has_finished {
            self.ask(talk);
            self.finish();
        }
        let received = self.client.rest();
        talk.assert_no_other(received, VICTIM, self.questions);
        if fate == Fate::Spared {
            let is_answered = talk.is_answered(received, VICTIM, self.questions);
            assert!(is_answered, "who need not have been cut was");
        }
    }
}

/// What a server calls for a client that is like the victim.
fn calls_of(talk: &Talk) -> Calls {
    let stage = talk.start();
    let tracer = Tracer::attach(&stage.server, &[]);
    let base = stage.server.descriptors();
    let victim = Victim::suffer(talk, &stage.server, true, || false);
    victim.conclude(talk, Fate::Spared);
    wait_until("the server closes too", || stage.server.descriptors() == base);
    tracer.detach()
}

/// A write to a broken connection must be an error, and no signal that ends the program.
fn assert_no_signals(calls: &Calls) {
    let mut sent = calls.lines().filter(|line| line.starts_with("send"));
    assert!(sent.all(|line| line.contains("MSG_NOSIGNAL")), "{calls}");
}

/// In the short form, so many errors of a call are tried with examples that call no more than echo.
const FEW_ERRORS: usize = 2;

/// What can fail for one client, with so many errors at most of each call.
fn faults(talk: &Talk, most: usize) -> Vec<Fault> {
    let calls = calls_of(talk);
    assert_no_signals(&calls);
    let mut faults = Vec::new();
    for (call, errnos) in errnos::of_serving() {
        let count = calls.count(call);
        let errnos = errnos.iter().filter(|errno| errnos::is_real(talk.name, call, errno));
        for errno in errnos.filter(|_| count > 0).take(most) {
            let tried = match errnos::fate(talk.name, call, errno) {
                Fate::Fatal => 1,
                Fate::Spared | Fate::Cut => count.min(form::amount(1, usize::MAX)),
            };
            let long = match errnos::may_last(talk.name, call, errno) {
                true => When::Always,
                false => When::Times(SEVERAL),
            };
            let whens = (1..=tried).map(When::Once).chain([long]);
            faults.extend(whens.map(|when| Fault { call, errno, when }));
        }
    }
    faults.retain(|fault| form::is_wanted(*fault));
    faults
}

/// One fault; says whether it came to that.
fn endure(talk: &Talk, fault: Fault) -> bool {
    let mut stage = talk.start();
    let server = &mut stage.server;
    let _replay = form::replay("WINDLASS_FAULT", fault);
    let base = server.descriptors();
    let calls = match (errnos::fate(talk.name, fault.call, fault.errno), fault.when) {
        (Fate::Fatal, _) => return fail(server, fault),
        (fate, When::Always) => last(talk, server, fault, fate),
        (fate, _) => pass(talk, server, fault, fate),
    };
    assert!(calls.len() < MANY_CALLS, "it spins: {} calls\n{calls}", calls.len());
    wait_until("nothing leaks", || server.descriptors() == base);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    calls.has_injected()
}

/// A fault after which the server must end.
fn fail(server: &mut Example, fault: Fault) -> bool {
    let tracer = Tracer::attach(server, &[fault]);
    let client = (fault.call == "accept4").then(|| Client::to(server.address("tcp")));
    assert_eq!(server.wait(), Some(1));
    let errors: Vec<&String> =
        server.logged().iter().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].starts_with("error: cannot "), "{errors:?}");
    drop(client);
    tracer.calls().has_injected()
}

/// A fault that passes by itself.
fn pass(talk: &Talk, server: &Example, fault: Fault, fate: Fate) -> Calls {
    let tracer = Tracer::attach(server, &[fault]);
    let has_failed = || tracer.calls().has_injected();
    // After the end there is no further event, by which a lost readiness would be found.
    let victim = Victim::suffer(talk, server, fault.errno != "EAGAIN", has_failed);
    if has_failed() {
        talk.serve_honest(server, HONEST);
        victim.conclude(talk, fate);
        return tracer.detach();
    }
    // It did not come to that, and must not come to it now.
    let calls = tracer.detach();
    talk.serve_honest(server, HONEST);
    victim.conclude(talk, Fate::Spared);
    calls
}

/// A fault that lasts until strace is gone.
fn last(talk: &Talk, server: &Example, fault: Fault, fate: Fate) -> Calls {
    let tracer = Tracer::attach(server, &[fault]);
    let mut victim = Victim::to(server);
    victim.ask(talk);
    sleep(LASTING);
    let calls = tracer.detach();
    talk.serve_honest(server, HONEST);
    victim.conclude(talk, fate);
    calls
}

/// All faults of an example, or so many errors of each call.
fn endure_all(talk: &Talk, most: usize) {
    if !strace::is_there() {
        return;
    }
    let faults = faults(talk, most);
    let met = form::at_once(&faults, |fault| endure(talk, *fault));
    let met = met.into_iter().filter(|was_met| *was_met).count();
    form::say(format_args!("{}: {met} of {} faults met and endured", talk.name, faults.len()));
    assert!(met * 10 >= faults.len() * 8, "too few faults were met");
}

#[test]
fn echo_endures_every_fault_of_every_call() {
    endure_all(&ECHO, usize::MAX);
}

#[test]
fn a_proxy_endures_every_fault_of_every_call() {
    endure_all(&PROXY, form::amount(2 * FEW_ERRORS, usize::MAX));
}

#[test]
fn a_server_with_layers_endures_every_fault_of_every_call() {
    endure_all(&MIDDLEWARE, form::amount(FEW_ERRORS, usize::MAX));
}

#[test]
fn a_server_with_threads_endures_every_fault_of_every_call() {
    endure_all(&OFFLOAD, form::amount(FEW_ERRORS, usize::MAX));
}

#[test]
fn a_program_with_a_server_inside_endures_every_fault_of_every_call() {
    endure_all(&EMBEDDED, form::amount(FEW_ERRORS, usize::MAX));
}

#[test]
fn a_chat_endures_every_fault_of_every_call() {
    endure_all(&CHAT, form::amount(FEW_ERRORS, usize::MAX));
}
