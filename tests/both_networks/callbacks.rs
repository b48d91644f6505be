//! What handlers do in each callback: close, abort, fail, panic; and pauses and timers.

use windlass::{Error, Session};

use crate::fixture::{Call, Scripted, ignore, millis, panic_quietly};
use crate::play::Play;
use crate::run::{lines, on_both, quiet};

/// Which callback a handler does something in, as its first character says.
fn is_in(call: Call<'_>, place: &str) -> bool {
    match call {
        Call::Open => place == "open",
        Call::Frame(line) => place == line,
        Call::End => place == "end",
        Call::Timer(_) => place == "timer",
        Call::Drain => place == "drain",
        Call::Close(_) => place == "close",
        Call::Writable | Call::Farewell(_) => false,
    }
}

/// Sends the name of each callback, and does `act` in that of the name `place`. A timer is set in
/// the frame `set`.
fn acting(
    place: &'static str,
    act: fn(&mut Session<'_, Scripted>) -> Result<(), Error>,
) -> impl Fn() -> Scripted {
    move || {
        Scripted::new(move |session, call| {
            match call {
                Call::Frame("set") => session.set_timer(3, millis(5)),
                Call::Close(_) => {}
                _ => session.send("said")?,
            }
            if is_in(call, place) { act(session) } else { ignore(session, call) }
        })
    }
}

/// A client comes, asks, waits for a timer and finishes; another comes before a drain.
fn whole_life(play: &mut Play) {
    let client = play.connect();
    play.send(client, b"act\nset\n");
    play.until("the timer has come or it is over", |play| {
        play.has_called(client, "timer") || play.has_ended(client)
    });
    play.finish(client);
    play.until_empty();
    let last = play.join();
    play.drain();
    play.until_end(last);
    play.finish(last);
    play.until_over();
}

/// Plays a whole life with a handler that does `act` in the callback `place`.
#[track_caller]
fn in_callback(
    place: &'static str,
    act: fn(&mut Session<'_, Scripted>) -> Result<(), Error>,
    expected: &[&str],
) {
    on_both(lines(quiet(), acting(place, act)), whole_life, expected);
}

fn close(session: &mut Session<'_, Scripted>) -> Result<(), Error> {
    session.close();
    Ok(())
}

#[test]
fn a_close_in_any_callback_ends_the_connection_in_good_order() {
    in_callback(
        "open",
        close,
        &[
            "open, closed: closed, -> `said\\n`, finished",
            "open, closed: closed, -> `said\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "act",
        close,
        &[
            "open, `act`, closed: closed, -> `said\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "end",
        close,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "timer",
        close,
        &[
            "open, `act`, `set`, timer 3, closed: closed, -> `said\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "drain",
        close,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: closed, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "close",
        close,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
}

fn abort(session: &mut Session<'_, Scripted>) -> Result<(), Error> {
    session.abort();
    Ok(())
}

#[test]
fn an_abort_in_any_callback_resets_the_connection() {
    in_callback(
        "open",
        abort,
        &[
            "open, closed: aborted, -> ``, reset",
            "open, closed: aborted, -> ``, reset",
            "0 finished, 1 broke off",
        ],
    );
    in_callback(
        "act",
        abort,
        &[
            "open, `act`, closed: aborted, -> ``, reset",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "end",
        abort,
        &[
            "open, `act`, `set`, timer 3, end, closed: aborted, -> ``, reset",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "timer",
        abort,
        &[
            "open, `act`, `set`, timer 3, closed: aborted, -> ``, reset",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "drain",
        abort,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: aborted, -> ``, reset",
            "0 finished, 1 broke off",
        ],
    );
    in_callback(
        "close",
        abort,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
}

fn fail(session: &mut Session<'_, Scripted>) -> Result<(), Error> {
    let _ = session;
    Err(Error::new("a fault"))
}

#[test]
fn an_error_of_any_callback_ends_the_connection() {
    in_callback(
        "open",
        fail,
        &[
            "open, closed: handler failed, -> `said\\n`, finished",
            "open, closed: handler failed, -> `said\\n`, finished",
            "0 finished, 1 broke off",
        ],
    );
    in_callback(
        "act",
        fail,
        &[
            "open, `act`, closed: handler failed, -> `said\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "end",
        fail,
        &[
            "open, `act`, `set`, timer 3, end, closed: handler failed, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "timer",
        fail,
        &[
            "open, `act`, `set`, timer 3, closed: handler failed, \
         -> `said\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "drain",
        fail,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: handler failed, -> `said\\nsaid\\n`, finished",
            "0 finished, 1 broke off",
        ],
    );
    in_callback(
        "close",
        fail,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
}

fn panic(session: &mut Session<'_, Scripted>) -> Result<(), Error> {
    let _ = session;
    panic_quietly()
}

#[test]
fn a_panic_in_any_callback_costs_one_connection() {
    in_callback(
        "open",
        panic,
        &[
            "open, closed: handler panicked, -> ``, finished",
            "open, closed: handler panicked, -> ``, finished",
            "0 finished, 1 broke off",
        ],
    );
    in_callback(
        "act",
        panic,
        &[
            "open, `act`, closed: handler panicked, -> `said\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "end",
        panic,
        &[
            "open, `act`, `set`, timer 3, end, closed: handler panicked, \
         -> `said\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "timer",
        panic,
        &[
            "open, `act`, `set`, timer 3, closed: handler panicked, -> `said\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
    in_callback(
        "drain",
        panic,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: handler panicked, -> `said\\n`, finished",
            "0 finished, 1 broke off",
        ],
    );
    in_callback(
        "close",
        panic,
        &[
            "open, `act`, `set`, timer 3, end, closed: peer finished, \
         -> `said\\nsaid\\nsaid\\nsaid\\n`, finished",
            "open, drain, closed: drained, -> `said\\nsaid\\n`, finished",
            "1 finished",
        ],
    );
}

/// A handler that stops reading at `pause`, for a while.
fn pausing() -> Scripted {
    Scripted::new(|session, call| match call {
        Call::Frame("pause") => {
            session.pause();
            session.set_timer(1, millis(20));
            Ok(())
        }
        Call::Frame(line) => session.send(line),
        Call::Timer(_) => {
            session.resume();
            session.send("resumed")
        }
        call => ignore(session, call),
    })
}

#[test]
fn what_comes_in_a_pause_is_run_after_it() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\npause\ntwo\nhal");
        play.until_frames(client, 2);
        play.send(client, b"f\n");
        play.finish(client);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), pausing),
        script,
        &["open, `one`, `pause`, timer 1, `two`, `half`, end, closed: peer finished, \
         -> `one\\nresumed\\ntwo\\nhalf\\n`, finished"],
    );
}

#[test]
fn a_pause_without_end_keeps_everything_back() {
    let handler = || {
        Scripted::on_frames(|session, line| {
            session.pause();
            session.set_timer(1, millis(100));
            session.send(line)
        })
        .on_timer(|session, _| {
            session.close();
            Ok(())
        })
    };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\ntwo\n");
        play.send(client, &b"three\n".repeat(100_000));
        play.until_received(client, 4);
        play.until_end(client);
    };
    on_both(
        lines(quiet(), handler),
        script,
        &["open, `one`, timer 1, closed: closed, -> `one\\n`, finished"],
    );
}

#[test]
fn timers_come_in_the_order_in_which_they_are_due() {
    let handler = || {
        Scripted::new(|session, call| match call {
            Call::Open => {
                session.set_timer(1, millis(30));
                session.set_timer(2, millis(10));
                session.set_timer(3, millis(20));
                session.set_timer(4, millis(15));
                session.cancel_timer(4);
                session.set_timer(1, millis(40));
                Ok(())
            }
            Call::Timer(key) => session.send(key.to_string().as_str()),
            call => ignore(session, call),
        })
    };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.until_received(client, 6);
    };
    on_both(
        lines(quiet(), handler),
        script,
        &["open, timer 2, timer 3, timer 1, end, closed: peer finished, -> `2\\n3\\n1\\n`, \
         finished"],
    );
}

#[test]
fn an_interval_comes_until_it_is_cancelled() {
    let handler = || {
        let mut count = 0;
        Scripted::new(move |session, call| match call {
            Call::Open => {
                session.set_interval(1, millis(3));
                Ok(())
            }
            Call::Timer(_) => {
                count += 1;
                if count == 3 {
                    session.cancel_timer(1);
                    return session.send("last").map(|()| session.close());
                }
                session.send("tick")
            }
            call => ignore(session, call),
        })
    };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.until_end(client);
    };
    on_both(
        lines(quiet(), handler),
        script,
        &["open, timer 1, timer 1, timer 1, closed: closed, -> `tick\\ntick\\nlast\\n`, \
         finished"],
    );
}
