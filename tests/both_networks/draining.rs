//! Ends of the loop: a drain with clients who are idle, in the middle of a frame, owed something,
//! or never read; a stop; and signals.

use bytes::Bytes;
use signal_hook::consts::{SIGUSR1, SIGUSR2};
use windlass::{AtLimit, Config, Fixed, Lines, Raw, Server, SocketOptions};

use crate::fixture::{Call, Journal, KIB, Scripted, echo, ignore, millis};
use crate::play::Play;
use crate::run::{lines, on_both, quiet};

/// Echoes, says goodbye when the loop drains, answers `much` with more than anybody holds, and
/// `later` after a while.
fn polite() -> Scripted {
    Scripted::new(|session, call| match call {
        Call::Frame("much") => session.send("x".repeat(300 * KIB).as_str()),
        Call::Frame("later") => {
            session.set_busy(true);
            session.set_timer(1, millis(30));
            Ok(())
        }
        Call::Timer(_) => {
            session.set_busy(false);
            session.send("at last")
        }
        Call::Frame(line) => session.send(line),
        Call::Drain => session.send("goodbye"),
        call => ignore(session, call),
    })
}

/// Little room in the system, and so much time for a drain.
fn cramped(drain_millis: u64) -> Config {
    let socket = SocketOptions { send_buffer_len: Some(8 * KIB), ..quiet().socket };
    Config { drain_timeout: millis(drain_millis), socket, ..quiet() }
}

fn server(drain_millis: u64) -> impl Fn(&Journal) -> Server {
    lines(cramped(drain_millis), polite)
}

/// So long that it does not pass.
const LONG: u64 = 100_000;

#[test]
fn the_idle_are_told_goodbye_and_closed() {
    let script = |play: &mut Play| {
        let [silent, other] = [(); 2].map(|()| play.join());
        play.send(other, b"one\n");
        play.until_received(other, 4);
        play.drain();
        for client in [silent, other] {
            play.until_end(client);
            play.finish(client);
        }
        play.until_over();
    };
    on_both(
        server(LONG),
        script,
        &[
            "open, drain, closed: drained, -> `goodbye\\n`, finished",
            "open, `one`, drain, closed: drained, -> `one\\ngoodbye\\n`, finished",
            "2 finished",
        ],
    );
}

#[test]
fn what_was_asked_before_a_drain_is_answered() {
    let script = |play: &mut Play| {
        let client = play.join();
        play.stall(client);
        play.send(client, b"much\nmuch\none\n");
        play.until_frames(client, 1);
        play.drain();
        play.until_called(client, "drain");
        play.resume(client);
        play.until_end(client);
        play.finish(client);
        play.until_over();
    };
    on_both(
        server(LONG),
        script,
        &[
            "open, `much`, drain, `much`, `one`, closed: drained, -> 614414 bytes, finished",
            "1 finished",
        ],
    );
}

#[test]
fn a_frame_that_was_begun_before_a_drain_may_be_completed() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\nhal");
        play.until_received(client, 4);
        play.drain();
        play.until_received(client, 12);
        play.send(client, b"f\n");
        play.until_end(client);
        play.finish(client);
        play.until_over();
    };
    on_both(
        server(LONG),
        script,
        &[
            "open, `one`, drain, `half`, closed: drained, -> `one\\ngoodbye\\nhalf\\n`, finished",
            "1 finished",
        ],
    );
}

#[test]
fn a_frame_that_is_never_completed_is_cut_at_the_deadline_of_a_drain() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\nhal");
        play.until_received(client, 4);
        play.drain();
        play.until_received(client, 12);
        play.until_over();
    };
    on_both(
        server(100),
        script,
        &[
            "open, `one`, drain, closed: drain timeout, -> `one\\ngoodbye\\n`, finished",
            "0 finished, 1 cut at the deadline",
        ],
    );
}

#[test]
fn what_waits_for_a_slow_reader_is_flushed_in_a_drain() {
    let script = |play: &mut Play| {
        let client = play.join();
        play.stall(client);
        play.send(client, b"much\n");
        play.until_frames(client, 1);
        play.drain();
        play.until_called(client, "drain");
        play.resume(client);
        play.until_end(client);
        play.finish(client);
        play.until_over();
    };
    on_both(
        server(LONG),
        script,
        &["open, `much`, drain, closed: drained, -> 307209 bytes, finished", "1 finished"],
    );
}

#[test]
fn whoever_never_reads_is_cut_at_the_deadline_of_a_drain() {
    let script = |play: &mut Play| {
        let [client, idle] = [(); 2].map(|()| play.join());
        play.stall(client);
        play.send(client, b"much\n");
        play.until_frames(client, 1);
        play.drain();
        play.until_end(idle);
        play.finish(idle);
        play.until_over();
    };
    on_both(
        server(150),
        script,
        &[
            "open, `much`, drain, closed: drain timeout, -> ``, reset",
            "open, drain, closed: drained, -> `goodbye\\n`, finished",
            "1 finished, 1 cut at the deadline",
        ],
    );
}

#[test]
fn an_answer_that_is_owed_is_waited_for_in_a_drain() {
    let script = |play: &mut Play| {
        let client = play.join();
        play.send(client, b"later\n");
        play.until_frames(client, 1);
        play.drain();
        play.until_end(client);
        play.finish(client);
        play.until_over();
    };
    on_both(
        server(LONG),
        script,
        &[
            "open, `later`, drain, timer 1, closed: drained, -> `goodbye\\nat last\\n`, finished",
            "1 finished",
        ],
    );
}

#[test]
fn a_stop_cuts_everybody() {
    let handler =
        || Scripted::<Lines>::on_frames(|session, _| session.send("x".repeat(300 * KIB).as_str()));
    let script = |play: &mut Play| {
        let [idle, owed] = [(); 2].map(|()| play.join());
        play.stall(owed);
        play.send(owed, b"much\n");
        play.until_frames(owed, 1);
        play.stop();
        play.until_over();
        play.until_end(idle);
    };
    on_both(
        lines(cramped(LONG), handler),
        script,
        &[
            "open, drain, closed: stopped, -> ``, finished",
            "open, `much`, drain, closed: stopped, -> ``, reset",
            "0 finished, 2 cut by the stop",
        ],
    );
}

#[test]
fn a_stop_cuts_a_drain_short() {
    let script = |play: &mut Play| {
        let [idle, owed] = [(); 2].map(|()| play.join());
        play.stall(owed);
        play.send(owed, b"much\n");
        play.until_frames(owed, 1);
        play.drain();
        play.until_end(idle);
        play.finish(idle);
        play.until("one has gone", |play| play.reactor().connections_len() == 1);
        play.stop();
        play.until_over();
    };
    on_both(
        server(LONG),
        script,
        &[
            "open, drain, closed: drained, -> `goodbye\\n`, finished",
            "open, `much`, drain, closed: stopped, -> ``, reset",
            "1 finished, 1 cut by the stop",
        ],
    );
}

#[test]
fn nobody_is_let_in_after_a_drain() {
    let script = |play: &mut Play| {
        let busy = play.connect();
        play.send(busy, b"one\nhal");
        play.until_received(busy, 4);
        let address = play.address(0);
        play.drain();
        play.until_received(busy, 12);
        let late = play.connect_to(address);
        play.until_end(late);
        play.send(busy, b"f\n");
        play.until_end(busy);
        play.finish(busy);
        play.until_over();
    };
    on_both(
        server(LONG),
        script,
        &[
            "open, `one`, drain, `half`, closed: drained, -> `one\\ngoodbye\\nhalf\\n`, finished",
            "-> ``, refused",
            "1 finished",
        ],
    );
}

#[test]
fn whoever_waits_to_be_accepted_when_a_drain_begins_is_reset() {
    let config = Config { max_connections: Some(1), ..cramped(LONG) };
    let script = |play: &mut Play| {
        let first = play.connect();
        play.send(first, b"one\nhal");
        play.until_received(first, 4);
        let second = play.connect();
        play.drain();
        play.until_end(second);
        play.send(first, b"f\n");
        play.until_end(first);
        play.finish(first);
        play.until_over();
    };
    on_both(
        lines(config, polite),
        script,
        &[
            "open, `one`, drain, `half`, closed: drained, -> `one\\ngoodbye\\nhalf\\n`, finished",
            "-> ``, reset",
            "1 finished",
        ],
    );
}

#[test]
fn a_signal_drains_and_a_second_stops() {
    let config = Config { signals: vec![SIGUSR1], ..quiet() };
    let script = |play: &mut Play| {
        let [idle, owed] = [(); 2].map(|()| play.join());
        play.send(owed, b"one\nhal");
        play.until_received(owed, 4);
        play.raise(SIGUSR1);
        play.until_end(idle);
        play.finish(idle);
        play.until("one has gone", |play| play.reactor().connections_len() == 1);
        play.until_received(owed, 12);
        play.raise(SIGUSR1);
        play.until_over();
    };
    on_both(
        lines(config, polite),
        script,
        &[
            "open, drain, closed: drained, -> `goodbye\\n`, finished",
            "open, `one`, drain, closed: stopped, -> `one\\ngoodbye\\n`, finished",
            "1 finished, 1 cut by the stop",
        ],
    );
}

#[test]
fn a_signal_ends_a_loop_without_clients() {
    let config = Config { signals: vec![SIGUSR2], ..quiet() };
    let script = |play: &mut Play| {
        play.raise(SIGUSR2);
        play.until_over();
    };
    on_both(lines(config, polite), script, &[]);
}

#[test]
fn listeners_of_different_protocols_drain_together() {
    let server = |journal: &Journal| {
        let fixed = Scripted::<Fixed>::new(echo).written_in(journal);
        let raw = Scripted::<Raw>::new(echo).written_in(journal);
        let config = Config { at_limit: AtLimit::Refuse(Bytes::from_static(b"no")), ..quiet() };
        Server::with_config(config)
            .tcp("127.0.0.1:0", polite().written_in(journal))
            .tcp_with("127.0.0.1:0", Fixed::new(4), fixed)
            .tcp("127.0.0.1:0", raw)
    };
    let script = |play: &mut Play| {
        play.join_frames();
        for (listener, text) in [&b"line\n"[..], b"fix1", b"raw!"].into_iter().enumerate() {
            let client = play.connect_to(play.address(listener));
            play.send(client, text);
            play.until_received(client, text.len());
        }
        play.drain();
        for client in 0..3 {
            play.until_end(client);
            play.finish(client);
        }
        play.until_over();
    };
    on_both(
        server,
        script,
        &[
            "open, `line`, drain, closed: drained, -> `line\\ngoodbye\\n`, finished",
            "open, `fix1`, drain, closed: drained, -> `fix1`, finished",
            "open, `raw!`, drain, closed: drained, -> `raw!`, finished",
            "3 finished",
        ],
    );
}
