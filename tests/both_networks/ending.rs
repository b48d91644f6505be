//! Ends of connections: by the client, by the server, in good order and by a reset; with output
//! that waits, and with input that nobody reads.

use windlass::{Config, Lines, SocketOptions};

use crate::fixture::{Call, KIB, Scripted, echo, ignore, millis, pattern};
use crate::play::Play;
use crate::run::{lines, on_both, quiet};

/// Little room in the system, so that output waits in the loop.
fn cramped() -> Config {
    let socket = SocketOptions { send_buffer_len: Some(8 * KIB), ..quiet().socket };
    Config { socket, ..quiet() }
}

/// Answers each line with so many bytes and the end of a line, and closes after the answer to
/// `last`.
fn answering(len: usize) -> impl Fn() -> Scripted {
    move || {
        Scripted::<Lines>::on_frames(move |session, line| {
            let answer: String =
                pattern(len).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
            session.send(&answer)?;
            if line == "last" {
                session.close();
            }
            Ok(())
        })
    }
}

#[test]
fn a_client_that_finishes_at_once_is_answered() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\ntwo\n");
        play.finish(client);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), || Scripted::new(echo)),
        script,
        &["open, `one`, `two`, end, closed: peer finished, -> `one\\ntwo\\n`, finished"],
    );
}

#[test]
fn a_client_that_says_nothing_is_closed_when_it_finishes() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.finish(client);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), || Scripted::new(echo)),
        script,
        &["open, end, closed: peer finished, -> ``, finished"],
    );
}

#[test]
fn a_client_that_finishes_late_is_answered_until_then() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\n");
        play.until_received(client, 4);
        play.send(client, b"two\n");
        play.finish(client);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), || Scripted::new(echo)),
        script,
        &["open, `one`, `two`, end, closed: peer finished, -> `one\\ntwo\\n`, finished"],
    );
}

#[test]
fn a_handler_can_answer_after_the_end_of_its_input() {
    let handler = || {
        Scripted::new(|session, call| match call {
            Call::End => {
                session.send("goodbye")?;
                session.set_timer(7, millis(5));
                Ok(())
            }
            Call::Timer(_) => {
                session.send("at last")?;
                session.close();
                Ok(())
            }
            _ => Ok(()),
        })
    };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.finish(client);
        play.until_received(client, 8);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), handler),
        script,
        &["open, end, timer 7, closed: peer finished, -> `goodbye\\nat last\\n`, finished"],
    );
}

#[test]
fn a_reset_in_the_middle_of_a_frame_is_seen_as_a_reset() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\nhal");
        play.until_received(client, 4);
        play.reset(client);
        play.until_called(client, "closed: reset");
    };
    on_both(
        lines(quiet(), || Scripted::new(echo)),
        script,
        &["open, `one`, closed: reset, -> `one\\n`, broke off"],
    );
}

#[test]
fn a_reset_after_the_end_of_the_input_is_found_by_the_next_answer() {
    let handler = || {
        Scripted::new(|session, call| match call {
            Call::End => {
                session.set_timer(1, millis(30));
                Ok(())
            }
            Call::Timer(_) => session.send("too late"),
            _ => Ok(()),
        })
    };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.finish(client);
        play.until_called(client, "end");
        play.reset(client);
        play.until_called(client, "closed: reset");
    };
    on_both(
        lines(quiet(), handler),
        script,
        &["open, end, timer 1, closed: reset, -> ``, broke off"],
    );
}

#[test]
fn a_reset_while_output_waits_is_seen_as_a_reset() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.stall(client);
        play.send(client, b"much\n");
        play.until_frames(client, 1);
        play.reset(client);
        play.until_called(client, "closed: reset");
    };
    on_both(
        lines(cramped(), answering(300 * KIB)),
        script,
        &["open, `much`, closed: reset, -> ``, broke off"],
    );
}

#[test]
fn a_reset_of_a_client_that_waits_to_be_accepted_costs_only_that_client() {
    let config = Config { max_connections: Some(1), ..quiet() };
    let script = |play: &mut Play| {
        let first = play.join();
        let second = play.connect();
        let third = play.connect();
        play.wait_for_nothing();
        play.reset(second);
        play.finish(first);
        play.send(third, b"three\n");
        play.until_received(third, 6);
    };
    on_both(
        lines(config, || Scripted::new(echo)),
        script,
        &[
            "open, end, closed: peer finished, -> ``, finished",
            "open, closed: reset, -> ``, broke off",
            "open, `three`, end, closed: peer finished, -> `three\\n`, finished",
        ],
    );
}

#[test]
fn a_reset_of_one_client_leaves_the_others_alone() {
    let script = |play: &mut Play| {
        let clients = [(); 3].map(|()| play.join());
        play.send(clients[1], b"hal");
        play.reset(clients[1]);
        play.until_called(clients[1], "closed: reset");
        for client in [clients[2], clients[0]] {
            play.send(client, b"still here\n");
            play.until_received(client, 11);
        }
    };
    on_both(
        lines(quiet(), || Scripted::new(echo)),
        script,
        &[
            "open, `still here`, end, closed: peer finished, -> `still here\\n`, finished",
            "open, closed: reset, -> ``, broke off",
            "open, `still here`, end, closed: peer finished, -> `still here\\n`, finished",
        ],
    );
}

#[test]
fn an_answer_larger_than_all_buffers_reaches_a_reader_that_was_slow() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.stall(client);
        play.send(client, b"much\n");
        play.until_frames(client, 1);
        play.wait_for_nothing();
        play.resume(client);
        play.until_received(client, 150 * KIB + 1);
        play.send(client, b"more\n");
        play.until_received(client, 2 * (150 * KIB + 1));
    };
    on_both(
        lines(cramped(), answering(150 * KIB)),
        script,
        &["open, `much`, `more`, end, closed: peer finished, -> 307202 bytes, finished"],
    );
}

#[test]
fn a_reader_that_was_slow_gets_everything_before_the_close() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.stall(client);
        play.send(client, b"last\n");
        play.until_frames(client, 1);
        play.wait_for_nothing();
        play.resume(client);
        play.until_end(client);
    };
    on_both(
        lines(cramped(), answering(150 * KIB)),
        script,
        &["open, `last`, closed: closed, -> 153601 bytes, finished"],
    );
}

#[test]
fn whoever_does_not_read_is_not_read_either() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.stall(client);
        for _ in 0..5 {
            play.send(client, b"more\n");
        }
        play.until_frames(client, 1);
        play.wait_for_nothing();
        play.resume(client);
        play.until_received(client, 5 * (100 * KIB + 1));
    };
    on_both(
        lines(cramped(), answering(100 * KIB)),
        script,
        &["open, `more`, `more`, `more`, `more`, `more`, end, closed: peer finished, \
         -> 512005 bytes, finished"],
    );
}

#[test]
fn the_answer_before_a_close_arrives_though_more_input_comes() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"last\n");
        play.send(client, &b"not read by anybody\n".repeat(10_000));
        play.finish(client);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), answering(10)),
        script,
        &["open, `last`, closed: closed, -> `afkpuzejoc\\n`, finished"],
    );
}

#[test]
fn the_answer_before_a_close_arrives_at_a_client_that_never_finishes() {
    let config = Config { linger_timeout: millis(50), ..quiet() };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"last\nnot read");
        play.until_end(client);
        play.until_called(client, "closed: closed");
    };
    on_both(
        lines(config, answering(10)),
        script,
        &["open, `last`, closed: closed, -> `afkpuzejoc\\n`, finished"],
    );
}

#[test]
fn an_abort_is_a_reset_for_the_client() {
    let handler = || {
        Scripted::on_frames(|session, line| {
            session.send(line)?;
            if line == "abort" {
                session.abort();
            }
            Ok(())
        })
    };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\n");
        play.until_received(client, 4);
        play.send(client, b"abort\nnever run\n");
        play.until_end(client);
    };
    on_both(
        lines(quiet(), handler),
        script,
        &["open, `one`, `abort`, closed: aborted, -> `one\\n`, reset"],
    );
}

#[test]
fn a_handler_may_keep_a_finished_client_until_it_is_told_to_close() {
    let handler = || {
        Scripted::new(|session, call| match call {
            Call::Frame(line) => session.send(line),
            Call::End => {
                session.set_timer(1, millis(20));
                Ok(())
            }
            Call::Timer(_) => {
                session.abort();
                Ok(())
            }
            call => ignore(session, call),
        })
    };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\n");
        play.finish(client);
        play.until_received(client, 4);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), handler),
        script,
        &["open, `one`, end, timer 1, closed: aborted, -> `one\\n`, reset"],
    );
}
