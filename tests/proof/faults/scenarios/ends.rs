//! Scenarios of a loop that ends, or does not begin.

use windlass::network::SimNetwork;
use windlass::{Config, Error, Handler, Lines, Scope, Session};

use super::{Scenario, scenario};
use crate::proof::fixture::{Call, Scripted, address, at_most, ignore, millis, secs};
use crate::proof::stage::Act::{Finish, ReadSlowly, Send, Stall};
use crate::proof::stage::{EchoDatagrams, Owed, Stage, Staged};

pub(super) fn all() -> Vec<Scenario> {
    let drains = drains().into_iter();
    drains.chain([scenario!(start_that_fails, [])]).collect()
}

/// Those in which a loop drains, or is stopped.
pub(super) fn drains() -> Vec<Scenario> {
    vec![
        scenario!(drain_of_the_idle, ["drained", "drained", "peer finished"]),
        scenario!(drain_of_the_busy, ["drained", "drained", "peer finished"]),
        scenario!(drain_of_who_does_not_read, ["drain timeout", "drain timeout", "drained"]),
        scenario!(drain_of_those_who_wait, ["drained", "drained", "peer finished"]),
        scenario!(drain_with_last_words, ["drained", "drained", "drained"]),
        scenario!(second_signal, ["peer finished", "stopped", "stopped"]),
        scenario!(stop_by_the_handler, ["stopped", "stopped"]),
    ]
}

/// The loop is told to end at so many milliseconds.
fn ending(network: SimNetwork, config: Config, signals: &[u64]) -> Staged {
    let config = Config { drain_timeout: millis(100), linger_timeout: millis(10), ..config };
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame("long") => (0..5).try_for_each(|_| debts.send(session, &"x".repeat(999))),
        Call::Frame("stop") => {
            session.commands().stop();
            Ok(())
        }
        Call::Frame(line) => debts.send(session, line),
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, config, owed, script)?.timed();
    for at in signals {
        stage.signal_at(*at);
    }
    Ok(stage)
}

fn drain_of_the_idle(network: SimNetwork) -> Staged {
    let mut stage = ending(network, at_most(10), &[5])?;
    stage.client(0, 0, &[(0, Send(b"one\n")), (8, Finish)]);
    stage.client(1, 0, &[]);
    stage.client(2, 2, &[(0, Send(b"two\n")), (3, Finish)]);
    Ok(stage)
}

fn drain_of_the_busy(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(500);
    let mut stage = ending(network, at_most(10), &[5])?;
    stage.client(0, 0, &[(0, Send(b"be")), (2, Send(b"gun\nhalf of th")), (9, Send(b"is\n"))]);
    stage.client(1, 0, &[(0, ReadSlowly(300)), (1, Send(b"long\n")), (30, Finish)]);
    stage.client(2, 0, &[(5, Send(b"just now\nand\n")), (5, Finish)]);
    Ok(stage)
}

fn drain_of_who_does_not_read(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(500);
    let mut stage = ending(network, at_most(10), &[5])?;
    stage.client(0, 0, &[(0, Stall), (1, Send(b"long\n"))]);
    stage.client(1, 0, &[(0, Send(b"never comple"))]);
    stage.client(2, 0, &[(0, Send(b"one\n")), (7, Finish)]);
    Ok(stage)
}

/// Who has connected before is let in, as soon as there is room.
fn drain_of_those_who_wait(network: SimNetwork) -> Staged {
    let mut stage = ending(network, at_most(3), &[5])?;
    stage.client(0, 0, &[(0, Send(b"one\n"))]);
    stage.client(1, 1, &[(0, Send(b"two\n"))]);
    stage.client(2, 5, &[(0, Send(b"three\n")), (0, Finish)]);
    stage.client(3, 6, &[(0, Send(b"too late\n"))]);
    Ok(stage)
}

fn drain_with_last_words(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(line) => {
            session.set_busy(true);
            session.set_timer(1, millis(8));
            debts.send(session, line)
        }
        Call::Timer(_) => {
            session.set_busy(false);
            debts.send(session, "at last")
        }
        Call::Drain => debts.send(session, "bye"),
        call => ignore(session, call),
    };
    let config = Config { linger_timeout: millis(10), ..at_most(10) };
    let mut stage = Stage::lines(network, config, owed, script)?.timed();
    stage.client(0, 0, &[(0, Send(b"one\n"))]);
    stage.client(1, 0, &[(3, Send(b"two\n"))]);
    stage.client(2, 0, &[]);
    stage.signal_at(5);
    Ok(stage)
}

fn second_signal(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(500);
    let mut stage = ending(network, at_most(10), &[5, 9])?;
    stage.client(0, 0, &[(0, Stall), (1, Send(b"long\n"))]);
    stage.client(1, 0, &[(0, Send(b"never comple"))]);
    stage.client(2, 0, &[(0, Send(b"one\n")), (3, Finish)]);
    Ok(stage)
}

fn stop_by_the_handler(network: SimNetwork) -> Staged {
    let mut stage = ending(network, at_most(10), &[])?.tangled();
    stage.client(0, 0, &[(0, Send(b"one\n"))]);
    stage.client(1, 0, &[(4, Send(b"two\nstop\nthree\n"))]);
    Ok(stage)
}

/// Sets off, and then does not want to.
struct Unwilling;

impl Handler for Unwilling {
    type Codec = Lines;
    type State = ();

    fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
        scope.set_timer(1, secs(1));
        // Whether or not that can be begun.
        let _ = scope.connect(address(9), ());
        Err(Error::new("the handler does not want to start"))
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

fn start_that_fails(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let datagrams = EchoDatagrams(owed.clone());
    let config = Config { max_outbound: 1, ..at_most(10) };
    Stage::of(network, config, owed, |server, _| {
        server.udp(address(1), datagrams).tcp(address(0), Unwilling)
    })
}
