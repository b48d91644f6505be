//! A small town in which all that can happen to connections does, within 30 ms.

use windlass::network::SimNetwork;
use windlass::{Config, Session};

use crate::proof::faults::scenarios::Scenario;
use crate::proof::fixture::{Call, Scripted, at_most, ignore, millis};
use crate::proof::stage::Act::{self, Finish, ReadSlowly, Reset, Send, Stall};
use crate::proof::stage::{Owed, Stage, Staged};

pub(super) fn scenario() -> Scenario {
    Scenario { name: "town", reasons: &[], stage: town }
}

/// More clients than there is room for: one idles, one talks all the time, one reads slowly, one
/// halts in the middle of frames, one asks a little and goes, one never reads, one resets, and the
/// others wait.
fn town(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(2000);
    let config = Config {
        drain_timeout: millis(200),
        linger_timeout: millis(20),
        read_buffer_len: 2000,
        high_watermark: 3000,
        low_watermark: 1000,
        ..at_most(6)
    };
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame("long") => (0..10).try_for_each(|_| debts.send(session, &"x".repeat(4999))),
        Call::Frame("slow") => (0..10).try_for_each(|_| debts.send(session, &"y".repeat(499))),
        Call::Frame(line) => debts.send(session, line),
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, config, owed, script)?.lasting(60);
    stage.client(0, 0, &[(21, Finish)]);
    stage.client(1, 0, TALK);
    stage.client(2, 0, &[(0, ReadSlowly(300)), (0, Send(b"slow\nand on\nslow\nand off\n"))]);
    stage.client(3, 0, &[(0, Send(b"be")), (6, Send(b"gun\nhalf of th")), (18, Send(b"is\n"))]);
    stage.client(4, 0, &[(9, Send(b"one\ntwo\nthe last")), (9, Finish)]);
    stage.client(5, 0, &[(0, Stall), (0, Send(b"long\n"))]);
    stage.client(6, 0, &[(0, Send(b"may I come in\n")), (12, Reset)]);
    stage.client(7, 0, &[(0, Send(b"may I come in\n")), (23, Finish)]);
    stage.client(8, 0, &[(0, Send(b"may I come in\n"))]);
    Ok(stage)
}

const TALK: &[(u64, Act)] = &[
    (0, Send(b"line 0\n")),
    (2, Send(b"line 1\n")),
    (4, Send(b"line 2\n")),
    (6, Send(b"line 3\n")),
    (8, Send(b"line 4\n")),
    (10, Send(b"line 5\nline 6\n")),
    (12, Send(b"line 7\n")),
    (14, Send(b"line 8\n")),
    (16, Send(b"line 9\n")),
    (18, Send(b"line 10\n")),
    (20, Send(b"line 11\n")),
    (22, Send(b"line 12\n")),
    (24, Send(b"line 13\n")),
    (26, Send(b"the last line\n")),
];
