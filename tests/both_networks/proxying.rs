//! Connections that the server makes to others, and ties to those of its clients.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::network::ConnectError;
use windlass::{
    CloseReason, Config, ConnectionId, Error, Handler, Lines, Scope, Server, Session, SocketOptions,
};

use crate::fixture::{Journal, KIB, What, millis, pattern};
use crate::play::Play;
use crate::run::{on_both, quiet};
use crate::worlds::Peer;

/// Ties each client that says a line to a connection of its own to the upstream.
struct Gateway {
    journal: Journal,
    upstream: Rc<Cell<Option<SocketAddr>>>,
    /// Whether clients are tied only when the connection is made.
    is_careful: bool,
}

impl Handler for Gateway {
    type Codec = Lines;
    /// For a connection to the upstream, the client it is for.
    type State = Option<ConnectionId>;

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.journal.note(session, What::Opened);
        match *session.state() {
            Some(client) if self.is_careful => {
                let upstream = session.id();
                session.pause();
                session.commands().tie(client, upstream)
            }
            _ => Ok(()),
        }
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        self.journal.note(session, What::Frame(line.to_owned().into()));
        let client = session.id();
        session.pause();
        session.defer(move |gateway, scope| {
            let address = gateway.upstream.get().expect("the script has set it");
            match scope.connect(address, Some(client)) {
                Ok(upstream) if !gateway.is_careful => scope.commands().tie(client, upstream),
                Ok(_) => Ok(()),
                Err(refused) => gateway.apologize(scope, client, &refused.error),
            }
        })
    }

    fn on_end(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.journal.note(session, What::Ended);
        session.close();
        Ok(())
    }

    fn on_connect_failed(
        &mut self,
        scope: &mut Scope<'_, Self>,
        _: SocketAddr,
        client: Option<ConnectionId>,
        error: &ConnectError,
    ) -> Result<(), Error> {
        client.map_or(Ok(()), |client| self.apologize(scope, client, error))
    }

    fn on_drain(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.journal.note(session, What::Drained);
        Ok(())
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        self.journal.note(session, What::Closed(reason.label()));
    }
}

impl Gateway {
    /// Tells a client that there is nobody to be tied to.
    fn apologize(
        &self,
        scope: &mut Scope<'_, Self>,
        client: ConnectionId,
        error: &ConnectError,
    ) -> Result<(), Error> {
        let text = if matches!(error, ConnectError::Refused(_)) { "refused" } else { "failed" };
        let told = scope.with(client, |session| {
            session.send(text)?;
            session.close();
            Ok(())
        });
        told.unwrap_or(Ok(()))
    }
}

/// Plays a script with a gateway to somebody, or to nobody.
#[track_caller]
fn gateway(
    is_careful: bool,
    config: &Config,
    find_upstream: fn(&mut Play) -> SocketAddr,
    script: impl Fn(&mut Play, SocketAddr),
    expected: &[&str],
) {
    let upstream = Rc::new(Cell::new(None));
    let server = |journal: &Journal| {
        let upstream = Rc::clone(&upstream);
        let gateway = Gateway { journal: journal.clone(), upstream, is_careful };
        let config = Config { max_outbound: 8, ..config.clone() };
        Server::with_config(config).tcp("127.0.0.1:0", gateway)
    };
    let script = |play: &mut Play| {
        let address = find_upstream(play);
        upstream.set(Some(address));
        script(play, address);
    };
    on_both(server, script, expected);
}

/// Plays a script with a client and the end of its connection at the upstream.
#[track_caller]
fn tied(script: impl Fn(&mut Play, Peer, Peer), expected: &[&str]) {
    let script = |play: &mut Play, address| {
        let client = play.connect();
        play.send(client, b"connect\nhello");
        let upstream = play.reached(address);
        play.until_received(upstream, 5);
        script(play, client, upstream);
    };
    for is_careful in [false, true] {
        gateway(is_careful, &quiet(), Play::serve, script, expected);
    }
}

#[test]
fn what_either_says_reaches_the_other() {
    let script = |play: &mut Play, client, upstream| {
        play.send(upstream, b"welcome");
        play.until_received(client, 7);
        play.send(client, b", it is me");
        play.until_received(upstream, 15);
    };
    tied(
        script,
        &[
            "open, `connect`, closed: peer finished, -> `welcome`, finished",
            "open, closed: peer finished, -> `hello, it is me`, finished",
        ],
    );
}

#[test]
fn the_end_of_a_client_reaches_the_upstream_which_may_still_answer() {
    let script = |play: &mut Play, client, upstream| {
        play.finish(client);
        play.until_end(upstream);
        play.send(upstream, b"the answer");
        play.until_received(client, 10);
        play.finish(upstream);
        play.until_end(client);
    };
    tied(
        script,
        &[
            "open, `connect`, closed: peer finished, -> `the answer`, finished",
            "open, closed: peer finished, -> `hello`, finished",
        ],
    );
}

#[test]
fn the_end_of_an_upstream_reaches_the_client_which_may_still_speak() {
    let script = |play: &mut Play, client, upstream| {
        play.send(upstream, b"goodbye");
        play.finish(upstream);
        play.until_end(client);
        play.send(client, b", goodbye");
        play.until_received(upstream, 14);
    };
    tied(
        script,
        &[
            "open, `connect`, closed: peer finished, -> `goodbye`, finished",
            "open, closed: peer finished, -> `hello, goodbye`, finished",
        ],
    );
}

#[test]
fn a_reset_of_a_client_reaches_the_upstream() {
    let script = |play: &mut Play, client, upstream| {
        play.reset(client);
        play.until_end(upstream);
    };
    tied(
        script,
        &[
            "open, `connect`, closed: reset, -> ``, broke off",
            "open, closed: partner gone, -> `hello`, reset",
        ],
    );
}

#[test]
fn a_reset_of_an_upstream_reaches_the_client() {
    let script = |play: &mut Play, client, upstream| {
        play.send(upstream, b"hm");
        play.until_received(client, 2);
        play.reset(upstream);
        play.until_end(client);
    };
    tied(
        script,
        &[
            "open, `connect`, closed: partner gone, -> `hm`, reset",
            "open, closed: reset, -> `hello`, broke off",
        ],
    );
}

#[test]
fn a_client_is_told_that_nobody_listens_at_the_upstream() {
    let script = |play: &mut Play, _| {
        let client = play.connect();
        play.send(client, b"connect\nhello");
        play.until_end(client);
    };
    gateway(
        true,
        &quiet(),
        Play::nobody,
        script,
        &["open, `connect`, closed: closed, -> `refused\\n`, finished"],
    );
}

#[test]
fn a_client_that_is_tied_already_is_closed_when_nobody_listens_at_the_upstream() {
    let script = |play: &mut Play, _| {
        let client = play.connect();
        play.send(client, b"connect\nhello");
        play.until_end(client);
    };
    gateway(
        false,
        &quiet(),
        Play::nobody,
        script,
        &["open, `connect`, closed: partner gone, -> ``, finished"],
    );
}

#[test]
fn two_clients_have_an_upstream_each() {
    let script = |play: &mut Play, address| {
        let pairs = [&b"connect\none"[..], b"connect\ntwo"].map(|text| {
            let client = play.connect();
            play.send(client, text);
            (client, play.reached(address))
        });
        for (client, upstream) in pairs {
            play.until_received(upstream, 3);
            play.send(upstream, b"yes");
            play.until_received(client, 3);
        }
    };
    gateway(
        false,
        &quiet(),
        Play::serve,
        script,
        &[
            "open, `connect`, closed: peer finished, -> `yes`, finished",
            "open, closed: peer finished, -> `one`, finished",
            "open, `connect`, closed: peer finished, -> `yes`, finished",
            "open, closed: peer finished, -> `two`, finished",
        ],
    );
}

#[test]
fn a_drain_leaves_those_who_are_tied_their_time() {
    let script = |play: &mut Play, client, upstream| {
        play.drain();
        play.until_called(client, "drain");
        play.send(upstream, b"the last word");
        play.until_received(client, 13);
        play.finish(client);
        play.until_end(upstream);
        play.finish(upstream);
        play.until_over();
    };
    tied(
        script,
        &[
            "open, `connect`, drain, closed: peer finished, -> `the last word`, finished",
            "open, drain, closed: peer finished, -> `hello`, finished",
            "2 finished",
        ],
    );
}

#[test]
fn those_who_are_tied_are_cut_at_the_deadline_of_a_drain() {
    let config = Config { drain_timeout: millis(100), ..quiet() };
    let script = |play: &mut Play, address| {
        let client = play.connect();
        play.send(client, b"connect\nhello");
        let upstream = play.reached(address);
        play.until_received(upstream, 5);
        play.drain();
        play.until_over();
    };
    gateway(
        false,
        &config,
        Play::serve,
        script,
        &[
            "open, `connect`, drain, closed: drain timeout, -> ``, finished",
            "open, drain, closed: drain timeout, -> `hello`, finished",
            "0 finished, 2 cut at the deadline",
        ],
    );
}

#[test]
fn much_is_passed_on_both_ways_to_readers_that_are_slow() {
    let socket = SocketOptions { send_buffer_len: Some(8 * KIB), ..quiet().socket };
    let script = |play: &mut Play, address| {
        let client = play.connect();
        play.send(client, b"connect\n");
        let upstream = play.reached(address);
        for peer in [client, upstream] {
            play.stall(peer);
            play.send(peer, &pattern(120 * KIB));
        }
        play.wait_for_nothing();
        for peer in [client, upstream] {
            play.resume(peer);
            play.until_received(peer, 120 * KIB);
        }
    };
    gateway(
        false,
        &Config { socket, ..quiet() },
        Play::serve,
        script,
        &[
            "open, `connect`, closed: peer finished, -> 122880 bytes, finished",
            "open, closed: peer finished, -> 122880 bytes, finished",
        ],
    );
}
