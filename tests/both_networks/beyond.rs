//! What handlers do beyond the connection at hand: others are sent to and closed, all are told, and
//! work is left for later.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use windlass::{Broadcast, Config, ConnectionId, Lines, Slow, SocketOptions};

use crate::fixture::{Call, KIB, Scripted, ignore};
use crate::play::Play;
use crate::run::{lines, on_both, quiet};

/// A handler that knows its connections by what they say first, and does to the one of the second
/// word what the first says: `send bob`, `close bob`, `abort bob`.
fn operator() -> Scripted {
    let ids: Rc<RefCell<BTreeMap<String, ConnectionId>>> = Rc::default();
    Scripted::<Lines>::on_frames(move |session, line| {
        let Some((what, whom)) = line.split_once(' ') else {
            ids.borrow_mut().insert(line.to_owned(), session.id());
            return session.send("welcome");
        };
        let Some(id) = ids.borrow().get(whom).copied() else { return session.send("not here") };
        let result = match what {
            "send" => session.commands().send(id, &b"news\n"[..]),
            "close" => session.commands().close(id),
            _ => session.commands().abort(id),
        };
        session.send(if result.is_ok() { "done" } else { "gone" })
    })
}

#[test]
fn others_are_sent_to_closed_and_aborted() {
    let script = |play: &mut Play| {
        let [asking, told, closed, aborted] = [(); 4].map(|()| play.join());
        for (client, name) in [(told, "bob\n"), (closed, "sue\n"), (aborted, "tom\n")] {
            play.send(client, name.as_bytes());
            play.until_received(client, 8);
        }
        play.send(asking, b"send bob\nclose sue\nabort tom\nsend eve\n");
        play.until_received(told, 13);
        play.until_end(closed);
        play.until_end(aborted);
        play.finish(closed);
        play.until("two have gone", |play| play.reactor().connections_len() == 2);
        play.send(asking, b"send sue\nclose tom\n");
        play.until_received(asking, 34);
    };
    on_both(
        lines(quiet(), operator),
        script,
        &[
            "open, `send bob`, `close sue`, `abort tom`, `send eve`, `send sue`, \
         `close tom`, end, closed: peer finished, \
         -> `done\\ndone\\ndone\\nnot here\\ngone\\ngone\\n`, finished",
            "open, `bob`, end, closed: peer finished, -> `welcome\\nnews\\n`, finished",
            "open, `sue`, closed: closed, -> `welcome\\n`, finished",
            "open, `tom`, closed: aborted, -> `welcome\\n`, reset",
        ],
    );
}

/// A handler that tells everybody what one says, those excepted that are slow, with whom is done
/// what `slow` says. To `much` it answers with more than anybody holds.
fn chat(slow: Slow) -> impl Fn() -> Scripted {
    move || {
        Scripted::<Lines>::on_frames(move |session, line| {
            if line == "much" {
                return session.send("x".repeat(300 * KIB).as_str());
            }
            let news = Bytes::from(format!("{line}!\n"));
            let id = session.id();
            let news = Broadcast::to_all_of::<Scripted>(news).except(id).slow(slow);
            session.commands().broadcast(news)
        })
    }
}

#[test]
fn everybody_else_is_told() {
    let script = |play: &mut Play| {
        let [first, second, third] = [(); 3].map(|()| play.join());
        play.send(first, b"one\ntwo\n");
        play.until_received(second, 10);
        play.until_received(third, 10);
        play.send(third, b"three\n");
        play.until_received(first, 7);
        play.until_received(second, 17);
    };
    on_both(
        lines(quiet(), chat(Slow::Skip)),
        script,
        &[
            "open, `one`, `two`, end, closed: peer finished, -> `three!\\n`, finished",
            "open, end, closed: peer finished, -> `one!\\ntwo!\\nthree!\\n`, finished",
            "open, `three`, end, closed: peer finished, -> `one!\\ntwo!\\n`, finished",
        ],
    );
}

/// One of three does not read, though much waits for it, when something is told.
fn one_is_slow(play: &mut Play) {
    let [slow, telling, other] = [(); 3].map(|()| play.join());
    play.stall(slow);
    play.send(slow, b"much\n");
    play.until_frames(slow, 1);
    play.wait_for_nothing();
    play.send(telling, b"news\n");
    play.until_received(other, 6);
}

#[track_caller]
fn told_to_the_slow(slow: Slow, expected: &[&str]) {
    let socket = SocketOptions { send_buffer_len: Some(8 * KIB), ..quiet().socket };
    on_both(lines(Config { socket, ..quiet() }, chat(slow)), one_is_slow, expected);
}

#[test]
fn whoever_is_slow_is_passed_over() {
    told_to_the_slow(
        Slow::Skip,
        &[
            "open, `much`, end, closed: peer finished, -> 307201 bytes, finished",
            "open, `news`, end, closed: peer finished, -> ``, finished",
            "open, end, closed: peer finished, -> `news!\\n`, finished",
        ],
    );
}

#[test]
fn whoever_is_slow_is_cut_off() {
    told_to_the_slow(
        Slow::Close,
        &[
            "open, `much`, closed: too slow, -> ``, reset",
            "open, `news`, end, closed: peer finished, -> ``, finished",
            "open, end, closed: peer finished, -> `news!\\n`, finished",
        ],
    );
}

#[test]
fn whoever_is_slow_is_told_later() {
    told_to_the_slow(
        Slow::Count,
        &[
            "open, `much`, end, closed: peer finished, -> 307207 bytes, finished",
            "open, `news`, end, closed: peer finished, -> ``, finished",
            "open, end, closed: peer finished, -> `news!\\n`, finished",
        ],
    );
}

#[test]
fn a_task_that_was_deferred_sees_everybody() {
    let handler = || {
        Scripted::new(|session, call| match call {
            Call::Frame("count") => session.defer(|_, scope| {
                let len = scope.len();
                for id in scope.ids() {
                    scope.with(id, |session| session.send(format!("{len} are here").as_str()));
                }
                Ok(())
            }),
            Call::Frame("close") => session.defer(|_, scope| {
                for id in scope.ids() {
                    scope.with(id, |session| {
                        session.close();
                        session.send("never sent")
                    });
                }
                Ok(())
            }),
            call => ignore(session, call),
        })
    };
    let script = |play: &mut Play| {
        let clients = [(); 3].map(|()| play.join());
        play.send(clients[1], b"count\n");
        for client in clients {
            play.until_received(client, 11);
        }
        play.send(clients[1], b"close\n");
        for client in clients {
            play.until_end(client);
        }
    };
    on_both(
        lines(quiet(), handler),
        script,
        &[
            "open, closed: closed, -> `3 are here\\n`, finished",
            "open, `count`, `close`, closed: closed, -> `3 are here\\n`, finished",
            "open, closed: closed, -> `3 are here\\n`, finished",
        ],
    );
}

#[test]
fn what_is_asked_for_from_outside_of_callbacks_is_done() {
    let script = |play: &mut Play| {
        let clients = [(); 2].map(|()| play.join());
        let task = play.reactor().commands().defer::<Scripted>(|_, scope| {
            let ids = scope.ids();
            scope.commands().broadcast(Broadcast::to(ids, &b"from outside\n"[..]))
        });
        task.expect("there is such a handler");
        for client in clients {
            play.until_received(client, 13);
        }
    };
    on_both(
        lines(quiet(), || Scripted::new(ignore)),
        script,
        &[
            "open, end, closed: peer finished, -> `from outside\\n`, finished",
            "open, end, closed: peer finished, -> `from outside\\n`, finished",
        ],
    );
}

#[test]
fn what_is_asked_for_by_a_handle_is_done() {
    let ids: Rc<RefCell<Vec<ConnectionId>>> = Rc::default();
    let handler = || {
        ids.borrow_mut().clear();
        let ids = Rc::clone(&ids);
        Scripted::new(move |session, call| {
            if let Call::Open = call {
                ids.borrow_mut().push(session.id());
            }
            ignore(session, call)
        })
    };
    let script = |play: &mut Play| {
        let clients = [(); 3].map(|()| play.join());
        let handle = play.handle();
        let [first, second, third] = ids.borrow()[..] else { panic!("three have come") };
        handle.send(first, &b"for one, "[..]).expect("it is there");
        let for_all = Broadcast::to_all_of::<Scripted>(&b"for all"[..]);
        handle.broadcast(for_all).expect("the loop is there");
        play.until_received(clients[0], 16);
        play.until_received(clients[1], 7);
        play.until_received(clients[2], 7);
        handle.close(second).expect("it is there");
        handle.abort(third).expect("it is there");
        for client in &clients[1..] {
            play.until_end(*client);
        }
        play.finish(clients[1]);
        play.until("two have gone", |play| play.reactor().connections_len() == 1);
        handle.drain();
        play.until_end(clients[0]);
        play.finish(clients[0]);
        play.until_over();
        assert!(!handle.is_running());
    };
    on_both(
        lines(quiet(), handler),
        script,
        &[
            "open, drain, closed: drained, -> `for one, for all`, finished",
            "open, closed: closed, -> `for all`, finished",
            "open, closed: aborted, -> `for all`, reset",
            "1 finished",
        ],
    );
}
