//! Scenarios of what comes and goes on connections, and of what handlers do with them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use windlass::network::SimNetwork;
use windlass::{Broadcast, Config, Error, LengthPrefixed, Raw, Session};

use super::{Scenario, scenario};
use crate::proof::fixture::{
    Call, Scripted, address, at_most, frame, ignore, millis, panic_quietly,
};
use crate::proof::stage::Act::{Finish, ReadSlowly, Reset, Resume, Send, Stall};
use crate::proof::stage::{Owed, Stage, Staged, client};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario!(one_echo, ["peer finished", "peer finished"]),
        scenario!(pipelined_lines, ["peer finished", "peer finished"]),
        scenario!(half_close_with_a_last_line, ["peer finished", "peer finished", "peer finished"]),
        scenario!(bytes_one_by_one, ["peer finished", "peer finished"]),
        scenario!(slow_reader, ["peer finished", "peer finished"]),
        scenario!(answer_in_portions, ["peer finished", "peer finished"]),
        scenario!(big_frame_in_portions, ["peer finished", "peer finished"]),
        scenario!(malformed_frame, ["malformed frame", "peer finished", "peer finished"]),
        scenario!(
            three_at_once,
            ["peer finished", "peer finished", "peer finished", "peer finished"]
        ),
        scenario!(reset_in_a_frame, ["peer finished", "peer finished", "reset", "reset"]),
        scenario!(raw_bytes, ["peer finished", "peer finished"]),
        scenario!(one_frame_a_turn, ["peer finished", "peer finished", "peer finished"]),
        scenario!(close_with_input_unread, ["closed", "closed", "peer finished"]),
        scenario!(abort_by_the_handler, ["aborted", "peer finished", "peer finished"]),
        scenario!(handler_that_fails, ["handler failed", "peer finished", "peer finished"]),
        scenario!(panic_in_a_frame, ["handler panicked", "peer finished", "peer finished"]),
        scenario!(timers_that_end_it, ["closed", "closed"]),
        scenario!(pause_and_resume, ["peer finished", "peer finished"]),
        scenario!(broadcast_to_all, ["peer finished", "peer finished", "reset"]),
        scenario!(
            others_kicked,
            ["aborted", "aborted", "peer finished", "peer finished", "peer finished"]
        ),
        scenario!(deferred_answers, ["peer finished", "peer finished", "reset"]),
        scenario!(tasks_of_a_handle, ["peer finished", "peer finished", "peer finished"]),
    ]
}

fn one_echo(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, at_most(10))?;
    stage.client(0, 0, &[(0, Send(b"hello\n")), (5, Finish)]);
    Ok(stage)
}

fn pipelined_lines(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, Config { read_buffer_len: 16, ..at_most(10) })?;
    stage.client(0, 0, &[(0, Send(b"one\ntwo\nthree\nfour\nfive\nsix\nseven\n")), (0, Finish)]);
    Ok(stage)
}

fn half_close_with_a_last_line(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, at_most(10))?;
    stage.client(0, 0, &[(0, Send(b"first\nthe la")), (3, Send(b"st")), (6, Finish)]);
    stage.client(1, 1, &[(0, Finish)]);
    Ok(stage)
}

fn bytes_one_by_one(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, at_most(10))?;
    stage.client(
        0,
        0,
        &[
            (0, Send(b"a")),
            (1, Send(b"b")),
            (2, Send(b"\n")),
            (3, Send(b"\n")),
            (4, Send(b"c")),
            (5, Send(b"\n")),
            (6, Finish),
        ],
    );
    Ok(stage)
}

/// Takes its answers, of several pieces each, a little at a time.
fn slow_reader(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(1500);
    let config = Config { high_watermark: 6000, low_watermark: 2000, ..at_most(10) };
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(line) => {
            let piece = Bytes::from(format!("{line}{}\n", "x".repeat(4200)));
            for _ in 0..2 {
                session.send_encoded(piece.clone())?;
                debts.note(session.peer(), &piece);
            }
            debts.send(session, "done")
        }
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, config, owed, script)?.probed(None);
    stage.client(0, 0, &[(0, ReadSlowly(1000)), (0, Send(b"1\n2\n3\n")), (1, Finish)]);
    stage.client(1, 2, &[(0, Stall), (0, Send(b"4\n")), (20, Resume), (21, Finish)]);
    Ok(stage)
}

/// Each line is answered with four, the next as soon as there is room for it.
fn answer_in_portions(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(500);
    let config = Config { high_watermark: 1500, low_watermark: 400, ..at_most(10) };
    let owed = Owed::default();
    let (debts, left) = (owed.clone(), RefCell::new(BTreeMap::new()));
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(_) => {
            left.borrow_mut().insert(session.id(), 4);
            session.pause();
            session.want_writable();
            Ok(())
        }
        Call::Writable => {
            let mut left = left.borrow_mut();
            let left = left.entry(session.id()).or_insert(0);
            *left -= 1;
            match *left {
                0 => session.resume(),
                _ => session.want_writable(),
            }
            debts.send(session, &"x".repeat(499))
        }
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, config, owed, script)?.probed(None);
    stage.client(0, 0, &[(0, ReadSlowly(300)), (0, Send(b"1\n2\n")), (1, Finish)]);
    stage.client(1, 2, &[(0, Stall), (0, Send(b"3\n")), (20, Resume), (21, Finish)]);
    Ok(stage)
}

const BIG: &[u8] = &{
    let mut line = [b'x'; 1200];
    line[0] = b'a';
    line[600] = b'm';
    line[1199] = b'\n';
    line
};

fn big_frame_in_portions(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(400);
    let mut stage = Stage::echo(network, Config { read_buffer_len: 256, ..at_most(10) })?;
    stage.client(0, 0, &[(0, Send(BIG)), (1, Send(b"small\n")), (2, Send(BIG)), (9, Finish)]);
    Ok(stage)
}

fn malformed_frame(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let script = owed.echo();
    let codec = LengthPrefixed::default().max_len(100);
    let stage = Stage::of(network, at_most(10), owed, |server, journal| {
        server.tcp_with(address(0), codec, Scripted::new(script).written_in(journal))
    })?;
    let mut stage = stage.framed(Some(frame)).probed(Some([b"\0\0\0\x02hi"; 2]));
    stage.client(0, 0, &[(0, Send(b"\0\0\0\x04good\0\0\x01\0bad")), (4, Finish)]);
    stage.client(1, 1, &[(0, Send(b"\0\0\0\x05a")), (3, Send(b"bcde")), (5, Finish)]);
    Ok(stage)
}

fn three_at_once(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, at_most(10))?;
    stage.client(0, 0, &[(0, Send(b"a1\n")), (2, Send(b"a2\n")), (4, Finish)]);
    stage.client(10, 0, &[(0, Send(b"b1\n")), (2, Send(b"b2\nb")), (4, Send(b"3\n")), (4, Finish)]);
    stage.client(20, 0, &[(0, Send(b"c1\nc2\n")), (2, Send(b"c3\n")), (5, Finish)]);
    Ok(stage)
}

fn reset_in_a_frame(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, at_most(10))?;
    stage.client(0, 0, &[(0, Send(b"one\ntw")), (3, Reset)]);
    stage.client(1, 0, &[(0, Reset)]);
    stage.client(2, 0, &[(0, Send(b"three\n")), (5, Finish)]);
    Ok(stage)
}

fn raw_bytes(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let script = owed.echo();
    let config = Config { read_buffer_len: 8, read_budget: 16, ..at_most(10) };
    let stage = Stage::of(network, config, owed, |server, journal| {
        server.tcp_with(address(0), Raw, Scripted::new(script).written_in(journal))
    })?;
    let mut stage = stage.framed(Some(<[u8]>::to_vec));
    stage.client(0, 0, &[(0, Send(b"some bytes and then some more of them")), (2, Finish)]);
    Ok(stage)
}

fn one_frame_a_turn(network: SimNetwork) -> Staged {
    let config = Config { frame_budget: 1, write_budget: 4, accept_budget: 1, ..at_most(10) };
    let mut stage = Stage::echo(network, config)?;
    stage.client(0, 0, &[(0, Send(b"one\ntwo\nthree\n")), (0, Finish)]);
    stage.client(1, 0, &[(0, Send(b"four\nfive\n")), (3, Send(b"six\n")), (4, Finish)]);
    Ok(stage)
}

/// Answers a line, and does what it asks for.
fn obey(owed: &Owed, session: &mut Session<'_, Scripted>, line: &str) -> Result<(), Error> {
    match line {
        "abort" => {
            session.abort();
            return Ok(());
        }
        "panic" => panic_quietly(),
        "pause" => {
            session.pause();
            session.set_timer(1, millis(7));
        }
        "kick" => {
            let own = session.id();
            session.defer(move |_, scope| {
                let others = scope.ids().into_iter().filter(|id| *id != own);
                others.collect::<Vec<_>>().into_iter().try_for_each(|id| scope.commands().abort(id))
            })?;
        }
        _ => {}
    }
    owed.send(session, line)?;
    match line {
        "quit" => session.close(),
        "fail" => return Err(Error::new("as you wish")),
        _ => {}
    }
    Ok(())
}

fn obedient(network: SimNetwork, config: Config) -> Staged {
    let owed = Owed::default();
    let debts = owed.clone();
    Stage::lines(network, config, owed, move |session, call| match call {
        Call::Frame(line) => obey(&debts, session, line),
        Call::Timer(_) => {
            session.resume();
            Ok(())
        }
        call => ignore(session, call),
    })
}

fn close_with_input_unread(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(100);
    let config = Config { read_buffer_len: 20, linger_timeout: millis(50), ..at_most(10) };
    let mut stage = obedient(network, config)?;
    stage.client(0, 0, &[(0, Send(b"one\nquit\nmore\nand more\n")), (3, Send(BIG)), (9, Finish)]);
    stage.client(1, 0, &[(0, Send(b"quit\n"))]);
    Ok(stage)
}

fn abort_by_the_handler(network: SimNetwork) -> Staged {
    let mut stage = obedient(network, at_most(10))?;
    stage.client(0, 0, &[(0, Send(b"one\n")), (2, Send(b"two\nabort\nthree\n"))]);
    stage.client(1, 0, &[(0, Send(b"four\n")), (5, Finish)]);
    Ok(stage)
}

fn handler_that_fails(network: SimNetwork) -> Staged {
    let mut stage = obedient(network, Config { linger_timeout: millis(50), ..at_most(10) })?;
    stage.client(0, 0, &[(0, Send(b"one\nfail\ntwo\n")), (4, Finish)]);
    stage.client(1, 0, &[(0, Send(b"three\n")), (5, Finish)]);
    Ok(stage)
}

fn panic_in_a_frame(network: SimNetwork) -> Staged {
    let mut stage = obedient(network, at_most(10))?;
    stage.client(0, 0, &[(0, Send(b"one\n")), (3, Send(b"panic\n"))]);
    stage.client(1, 0, &[(0, Send(b"two\n")), (5, Finish)]);
    Ok(stage)
}

fn timers_that_end_it(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Open => {
            session.set_interval(1, millis(3));
            session.set_timer(2, millis(10));
            Ok(())
        }
        Call::Timer(2) => {
            session.close();
            Ok(())
        }
        Call::Timer(_) => debts.send(session, "tick"),
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, at_most(10), owed, script)?.probed(None).timed();
    stage.client(0, 0, &[(12, Finish)]);
    stage.client(1, 1, &[(14, Finish)]);
    Ok(stage)
}

fn pause_and_resume(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(16);
    let mut stage = obedient(network, at_most(10))?;
    stage.client(0, 0, &[(0, Send(b"pause\nand on\npause\nand the end\n")), (1, Finish)]);
    Ok(stage)
}

fn broadcast_to_all(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(line) => {
            let news = session.encode(line)?;
            [0, 1, 2].iter().for_each(|to| debts.note(client(*to), &news));
            session.commands().broadcast(Broadcast::to_all_of::<Scripted>(news))
        }
        call => ignore(session, call),
    };
    let stage = Stage::lines(network, Config { command_budget: 2, ..at_most(10) }, owed, script)?;
    let mut stage = stage.loose().probed(None);
    stage.client(0, 0, &[(0, Send(b"hello\n")), (2, Send(b"how are you\n")), (6, Finish)]);
    stage.client(1, 0, &[(3, Send(b"well\nand you\n")), (7, Finish)]);
    stage.client(2, 1, &[(1, Send(b"I come late\n")), (2, Reset)]);
    Ok(stage)
}

fn others_kicked(network: SimNetwork) -> Staged {
    let mut stage = obedient(network, at_most(10))?.harming(3).timed();
    stage.client(0, 0, &[(2, Send(b"kick\nfree\n")), (6, Finish)]);
    stage.client(1, 0, &[(0, Send(b"one\n"))]);
    stage.client(2, 0, &[(0, Send(b"two\nand a half"))]);
    stage.client(3, 3, &[(0, Send(b"three\n")), (4, Finish)]);
    Ok(stage)
}

/// Answers that are given after the callback, also to connections that have closed by then.
fn deferred_answers(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(line) => {
            let (id, line, debts) = (session.id(), line.to_owned(), debts.clone());
            session.defer(move |_, scope| {
                scope.with(id, |session| debts.send(session, &line)).unwrap_or(Ok(()))
            })
        }
        Call::End => {
            let id = session.id();
            session.defer(move |_, scope| scope.commands().close(id))
        }
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, at_most(10), owed, script)?;
    stage.client(0, 0, &[(0, Send(b"one\ntwo\n")), (3, Send(b"three\n")), (5, Finish)]);
    stage.client(1, 0, &[(0, Send(b"four\n")), (1, Reset)]);
    Ok(stage)
}

/// Another thread has every connection told something, twice.
fn tasks_of_a_handle(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Timer(_) => debts.send(session, "news"),
        Call::Frame(line) => debts.send(session, line),
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, at_most(10), owed, script)?.timed();
    stage.client(0, 0, &[(0, Send(b"one\n")), (8, Finish)]);
    stage.client(1, 0, &[(4, Send(b"two\n")), (9, Finish)]);
    let handle = match stage.world.reactor.handle(&mut stage.world.network) {
        Ok(handle) => handle,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("no other thread could wake the loop"), "{text}");
            return Ok(stage.tangled());
        }
    };
    for at in [3, 6] {
        let handle = handle.clone();
        stage.at(at, move |_| {
            // A loop that has ended gives it back.
            let _ = handle.try_run::<Scripted, _>(|_, scope| {
                for id in scope.ids() {
                    scope.with(id, |session| session.set_timer(1, millis(0)));
                }
                Ok(())
            });
        });
    }
    Ok(stage)
}
