//! Limits: of connections in all, of an address, of rates, of output; and who is let in at all.

use bytes::Bytes;
use windlass::middleware::{
    AccessControl, Authenticate, Cidr, Login, Middleware, Over, PerAddressLimit, RateLimit,
};
use windlass::{AtLimit, Config, Server};

use crate::fixture::{Call, Journal, KIB, Scripted, echo, ignore, millis, secs};
use crate::play::Play;
use crate::run::{lines, on_both, quiet};

fn at_most(max_connections: usize, at_limit: AtLimit) -> Config {
    Config { max_connections: Some(max_connections), at_limit, ..quiet() }
}

fn echoing(config: Config) -> impl Fn(&Journal) -> Server {
    lines(config, || Scripted::new(echo))
}

/// An echo server behind this layer.
fn behind<M: Middleware>(layer: impl Fn() -> M) -> impl Fn(&Journal) -> Server {
    move |journal| echoing(quiet())(journal).middleware(layer())
}

/// Sends a line, and waits for it to come back.
fn ask(play: &mut Play, peer: usize) {
    play.send(peer, b"ask\n");
    play.until_received(peer, 4);
}

#[test]
fn whoever_comes_at_the_limit_waits_until_somebody_goes() {
    let script = |play: &mut Play| {
        let clients = [(); 4].map(|()| play.connect());
        for client in clients {
            play.send(client, format!("{client}\n").as_bytes());
        }
        play.until_received(clients[1], 2);
        play.wait_for_nothing();
        for (leaving, next) in [(1, 2), (0, 3)] {
            play.finish(clients[leaving]);
            play.until_received(clients[next], 2);
        }
    };
    on_both(
        echoing(at_most(2, AtLimit::Wait)),
        script,
        &[
            "open, `0`, end, closed: peer finished, -> `0\\n`, finished",
            "open, `1`, end, closed: peer finished, -> `1\\n`, finished",
            "open, `2`, end, closed: peer finished, -> `2\\n`, finished",
            "open, `3`, end, closed: peer finished, -> `3\\n`, finished",
        ],
    );
}

#[test]
fn whoever_comes_at_the_limit_is_told_so_and_refused() {
    let config = at_most(1, AtLimit::Refuse(Bytes::from_static(b"full\n")));
    let script = |play: &mut Play| {
        let first = play.join();
        for is_hasty in [false, true] {
            let other = play.connect();
            if is_hasty {
                play.send(other, b"let me in\n");
            }
            play.until_end(other);
        }
        ask(play, first);
        play.finish(first);
        play.until_empty();
        let last = play.connect();
        ask(play, last);
    };
    on_both(
        echoing(config),
        script,
        &[
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
            "-> `full\\n`, finished",
            "-> `full\\n`, finished",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
        ],
    );
}

#[test]
fn whoever_is_refused_without_a_word_is_reset_if_he_has_sent_something() {
    let script = |play: &mut Play| {
        play.join();
        for is_hasty in [false, true] {
            let other = play.connect();
            if is_hasty {
                play.send(other, b"let me in\n");
            }
            play.until_end(other);
        }
    };
    on_both(
        echoing(at_most(1, AtLimit::Refuse(Bytes::new()))),
        script,
        &["open, end, closed: peer finished, -> ``, finished", "-> ``, finished", "-> ``, reset"],
    );
}

#[test]
fn whoever_was_idle_the_longest_makes_room() {
    let script = |play: &mut Play| {
        for _ in 0..3 {
            let client = play.join();
            ask(play, client);
            play.pass(millis(20));
        }
        play.until_end(0);
        play.send(1, b"still here\n");
        play.until_received(1, 15);
    };
    on_both(
        echoing(at_most(2, AtLimit::EvictIdle)),
        script,
        &[
            "open, `ask`, closed: evicted, -> `ask\\n`, finished",
            "open, `ask`, `still here`, end, closed: peer finished, \
         -> `ask\\nstill here\\n`, finished",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
        ],
    );
}

#[test]
fn whoever_is_owed_an_answer_makes_no_room() {
    let handler = || {
        Scripted::on_frames(|session, line| {
            session.set_busy(line == "wait");
            session.send(line)
        })
    };
    let script = |play: &mut Play| {
        let busy = play.join();
        play.send(busy, b"wait\n");
        play.until_received(busy, 5);
        play.pass(millis(20));
        let idle = play.join();
        ask(play, idle);
        play.pass(millis(20));
        play.join();
        play.until_end(idle);
    };
    on_both(
        lines(at_most(2, AtLimit::EvictIdle), handler),
        script,
        &[
            "open, `wait`, end, closed: peer finished, -> `wait\\n`, finished",
            "open, `ask`, closed: evicted, -> `ask\\n`, finished",
            "open, end, closed: peer finished, -> ``, finished",
        ],
    );
}

#[test]
fn one_address_cannot_have_more_connections_than_its_limit() {
    let layer = || PerAddressLimit::new(2).farewell("too many of you\n");
    let script = |play: &mut Play| {
        let own = [[127, 0, 0, 1], [127, 0, 0, 1], [127, 0, 0, 2]].map(|host| {
            let client = play.connect_from(host);
            ask(play, client);
            client
        });
        let third = play.connect();
        play.until_end(third);
        play.finish(own[0]);
        play.until("one has gone", |play| play.reactor().connections_len() == 2);
        let fourth = play.connect();
        ask(play, fourth);
    };
    on_both(
        behind(layer),
        script,
        &[
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
            "-> `too many of you\\n`, finished",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
        ],
    );
}

#[test]
fn connections_beyond_the_rate_are_refused() {
    let layer = || RateLimit::connections(2, secs(1000)).farewell("slow down\n");
    let script = |play: &mut Play| {
        for _ in 0..2 {
            let client = play.connect();
            ask(play, client);
            play.finish(client);
            play.until_empty();
        }
        let third = play.connect();
        play.until_end(third);
        let from_elsewhere = play.connect_from([127, 0, 0, 2]);
        ask(play, from_elsewhere);
    };
    on_both(
        behind(layer),
        script,
        &[
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
            "-> `slow down\\n`, finished",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
        ],
    );
}

#[test]
fn frames_beyond_the_rate_are_turned_away() {
    let layer = || RateLimit::frames(2, secs(1000)).over(Over::Refuse).farewell("busy\n");
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\ntwo\nthree\nfour\n");
        play.until_received(client, 18);
    };
    on_both(
        behind(layer),
        script,
        &["open, `one`, `two`, end, closed: peer finished, \
         -> `one\\ntwo\\nbusy\\nbusy\\n`, finished"],
    );
}

#[test]
fn a_frame_beyond_the_rate_closes_its_connection() {
    let layer = || RateLimit::frames(2, secs(1000)).over(Over::Close).farewell("enough\n");
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\ntwo\nthree\nfour\n");
        play.until_end(client);
    };
    on_both(
        behind(layer),
        script,
        &["open, `one`, `two`, closed: refused, -> `one\\ntwo\\nenough\\n`, finished"],
    );
}

#[test]
fn frames_beyond_the_rate_are_run_later() {
    let layer = || RateLimit::frames(100, secs(1)).burst(2).over(Over::Slow);
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"1\n2\n3\n4\n5\n6\n");
        play.finish(client);
        play.until_end(client);
    };
    on_both(
        behind(layer),
        script,
        &["open, `1`, `2`, `3`, `4`, `5`, `6`, end, closed: peer finished, \
         -> `1\\n2\\n3\\n4\\n5\\n6\\n`, finished"],
    );
}

#[test]
fn whoever_is_denied_is_refused_without_a_word() {
    let layer = || AccessControl::new().deny("127.0.0.2/32".parse::<Cidr>().expect("a network"));
    let script = |play: &mut Play| {
        let denied = play.connect_from([127, 0, 0, 2]);
        let other = play.connect_from([127, 0, 0, 3]);
        ask(play, other);
        play.until_end(denied);
    };
    on_both(
        behind(layer),
        script,
        &["-> ``, finished", "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished"],
    );
}

/// A layer that lets in whoever says `token`.
fn authenticate() -> Authenticate {
    let layer = Authenticate::new(|_, line| match line {
        b"token" => Login::Accepted("somebody".into()),
        _ => Login::Rejected,
    });
    layer.accepted("welcome\n").rejected("no\n").penalty(millis(5))
}

#[test]
fn nothing_is_run_before_the_right_token() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"guess\ntoken\none\n");
        play.until_received(client, 15);
    };
    on_both(
        behind(authenticate),
        script,
        &["open, `one`, end, closed: peer finished, -> `no\\nwelcome\\none\\n`, finished"],
    );
}

#[test]
fn whoever_guesses_too_often_is_closed() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"a\nb\nc\ntoken\nnever run\n");
        play.until_end(client);
    };
    on_both(behind(|| authenticate().tries(3)), script, &["-> `no\\nno\\nno\\n`, finished"]);
}

#[test]
fn whoever_does_not_say_who_he_is_is_closed() {
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"tok");
        play.until_end(client);
    };
    on_both(behind(|| authenticate().deadline(millis(100))), script, &["-> ``, finished"]);
}

#[test]
fn more_output_than_may_wait_breaks_the_connection_off() {
    let config = Config { write_limit: 100 * KIB, ..quiet() };
    let handler = || {
        Scripted::new(|session, call| match call {
            Call::Frame("more") => {
                for _ in 0..30 {
                    session.send("x".repeat(10 * KIB).as_str())?;
                }
                Ok(())
            }
            Call::Frame(line) => session.send(line),
            call => ignore(session, call),
        })
    };
    let script = |play: &mut Play| {
        let [client, other] = [(); 2].map(|()| play.join());
        ask(play, client);
        play.send(client, b"more\n");
        play.until_end(client);
        ask(play, other);
    };
    on_both(
        lines(config, handler),
        script,
        &[
            "open, `ask`, `more`, closed: write limit, -> `ask\\n`, reset",
            "open, `ask`, end, closed: peer finished, -> `ask\\n`, finished",
        ],
    );
}
