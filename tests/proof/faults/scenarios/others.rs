//! Scenarios of connections to others, of several listeners, and of datagrams.

use std::net::SocketAddr;

use bytes::Bytes;
use windlass::network::{ConnectError, ConnectFailure, SimNetwork};
use windlass::{
    CloseReason, Config, ConnectionId, DatagramHandler, DatagramSession, Error, Handler,
    LengthPrefixed, Lines, Scope, Session,
};

use super::{Scenario, scenario};
use crate::proof::fixture::{Journal, Scripted, What, address, at_most, millis};
use crate::proof::stage::Act::{Finish, ReadSlowly, Reset, Send};
use crate::proof::stage::{EchoDatagrams, Owed, Stage, Staged, client};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario!(proxy, ["peer finished", "peer finished", "peer finished", "peer finished"]),
        scenario!(proxy_to_a_slow_client, ["peer finished", "peer finished", "peer finished"]),
        scenario!(proxy_to_who_resets, ["partner gone", "peer finished", "reset"]),
        scenario!(upstream_refuses, ["peer finished", "peer finished"]),
        scenario!(upstream_does_not_answer, ["peer finished", "peer finished", "peer finished"]),
        scenario!(
            two_listeners,
            ["peer finished", "peer finished", "peer finished", "peer finished", "peer finished"]
        ),
        scenario!(datagrams_sent_back, ["peer finished", "peer finished"]),
        scenario!(datagrams_in_a_burst, ["peer finished"]),
        scenario!(datagrams_too_long, ["peer finished"]),
        scenario!(datagrams_by_a_timer, ["peer finished"]),
        scenario!(datagrams_at_the_end, []),
        scenario!(datagrams_refused, ["peer finished"]),
    ]
}

/// Who the loop connects to.
fn upstream() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], 80))
}

/// Connects whoever says `dial` to the upstream; sends other lines back.
struct Exchange {
    owed: Owed,
    journal: Journal,
}

impl Handler for Exchange {
    type Codec = Lines;
    /// Whom it was connected for.
    type State = Option<ConnectionId>;

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.journal.note(session, What::Opened);
        let own = session.id();
        let Some(caller) = *session.state() else { return Ok(()) };
        // What comes first is not for this handler. (The caller may have closed meanwhile.)
        session.pause();
        session.commands().tie(caller, own)
    }

    fn on_connect_failed(
        &mut self,
        scope: &mut Scope<'_, Self>,
        _: SocketAddr,
        caller: Option<ConnectionId>,
        _: &ConnectError,
    ) -> Result<(), Error> {
        let caller = caller.expect("it is connected for somebody");
        let told = scope.with(caller, |session| {
            session.resume();
            self.owed.send(session, "nobody is there")
        });
        told.unwrap_or(Ok(()))
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        self.journal.note(session, What::Frame(Bytes::copy_from_slice(line.as_bytes())));
        if line != "dial" {
            return self.owed.send(session, line);
        }
        session.pause();
        let id = session.id();
        session.commands().connect::<Self>(upstream(), Some(id))
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        self.journal.note(session, What::Closed(reason.label()));
    }
}

fn exchange(mut network: SimNetwork, pipe_len: usize) -> Staged {
    network.set_pipe_len(pipe_len);
    let owed = Owed::default();
    let debts = owed.clone();
    let config = Config {
        max_outbound: 2,
        connect_timeout: millis(50),
        linger_timeout: millis(50),
        high_watermark: 300,
        low_watermark: 100,
        ..at_most(10)
    };
    Stage::of(network, config, owed, |server, journal| {
        let journal = journal.clone();
        server.tcp(address(0), Exchange { owed: debts, journal })
    })
}

fn proxy(network: SimNetwork) -> Staged {
    let mut stage = exchange(network, 1000)?.harming(2);
    stage.client(0, 0, &[(0, Send(b"dial\nhello upstream\n")), (6, Send(b"more\n")), (9, Finish)]);
    let acts = &[(0, Send(b"hello client\n")), (4, Send(b"bye\n")), (5, Finish)];
    stage.upstream(upstream(), 3, acts);
    stage.owed.relay(client(0), b"hello client\nbye\n");
    stage.owed.relay(upstream(), b"hello upstream\nmore\n");
    stage.client(1, 0, &[(0, Send(b"just an echo\n")), (5, Finish)]);
    Ok(stage)
}

const LONG: &[u8] = &[b'y'; 1500];

fn proxy_to_a_slow_client(network: SimNetwork) -> Staged {
    let mut stage = exchange(network, 200)?.harming(2);
    stage.client(0, 0, &[(0, ReadSlowly(100)), (0, Send(b"dial\n")), (40, Finish)]);
    stage.upstream(upstream(), 3, &[(0, Send(LONG)), (1, Finish)]);
    stage.owed.relay(client(0), LONG);
    Ok(stage)
}

fn proxy_to_who_resets(network: SimNetwork) -> Staged {
    let mut stage = exchange(network, 200)?.harming(2);
    stage.client(0, 0, &[(0, Send(b"dial\nhello\n")), (9, Finish)]);
    stage.upstream(upstream(), 3, &[(0, Send(b"this much\n")), (2, Reset)]);
    stage.owed.relay(client(0), b"this much\n");
    stage.owed.relay(upstream(), b"hello\n");
    Ok(stage)
}

fn upstream_refuses(mut network: SimNetwork) -> Staged {
    network.refuse_connects(upstream(), ConnectFailure::Refused);
    let mut stage = exchange(network, 200)?.harming(2);
    stage.client(0, 0, &[(0, Send(b"dial\nan echo\n")), (5, Finish)]);
    Ok(stage)
}

fn upstream_does_not_answer(mut network: SimNetwork) -> Staged {
    network.ignore_connects(upstream());
    let mut stage = exchange(network, 200)?.harming(2);
    stage.client(0, 0, &[(0, Send(b"dial\n")), (60, Send(b"dial\nan echo\n")), (70, Finish)]);
    stage.client(1, 0, &[(0, Send(b"dial\n")), (5, Finish)]);
    Ok(stage)
}

fn two_listeners(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let (lines, frames) = (owed.echo::<Lines>(), owed.echo::<LengthPrefixed>());
    let stage = Stage::of(network, at_most(2), owed, |server, journal| {
        let lines = Scripted::<Lines>::new(lines).written_in(journal);
        let frames = Scripted::<LengthPrefixed>::new(frames).written_in(journal);
        server.tcp(address(0), lines).tcp(address(1), frames)
    })?;
    let mut stage = stage.framed(None);
    stage.client_of(0, 0, 0, &[(0, Send(b"one\n")), (4, Finish)]);
    stage.client_of(1, 1, 0, &[(0, Send(b"\0\0\0\x03two")), (5, Finish)]);
    stage.client_of(1, 2, 1, &[(0, Send(b"\0\0\0\x05th")), (2, Send(b"ree")), (5, Finish)]);
    stage.client_of(0, 3, 1, &[(0, Send(b"four\n")), (6, Finish)]);
    Ok(stage)
}

/// A server of datagrams beside one for lines.
fn with_datagrams(
    network: SimNetwork,
    config: Config,
    handler: impl FnOnce(Owed) -> Talker,
) -> Staged {
    let owed = Owed::default();
    let (script, handler) = (owed.echo(), handler(owed.clone()));
    Stage::of(network, config, owed, |server, journal| {
        let lines = Scripted::<Lines>::new(script).written_in(journal);
        server.tcp(address(0), lines).udp(address(1), handler)
    })
}

/// Sends datagrams back, and does a little more.
struct Talker {
    echo: EchoDatagrams,
    /// How often it says something by itself.
    ticks: u8,
    last_words: bool,
}

impl Talker {
    const fn new(owed: Owed) -> Self {
        Self { echo: EchoDatagrams(owed), ticks: 0, last_words: false }
    }
}

impl DatagramHandler for Talker {
    fn on_start(&mut self, session: &mut DatagramSession<'_>) -> Result<(), Error> {
        if self.ticks > 0 {
            session.set_interval(1, millis(3));
        }
        Ok(())
    }

    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        self.echo.on_datagram(session, sender, payload)
    }

    fn on_truncated(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        _: &[u8],
    ) -> Result<(), Error> {
        self.echo.0.send_to(session, sender, b"too long")
    }

    fn on_timer(&mut self, session: &mut DatagramSession<'_>, key: u32) -> Result<(), Error> {
        self.ticks -= 1;
        if self.ticks == 0 {
            session.cancel_timer(key);
        }
        self.echo.0.send_to(session, client(0), &[self.ticks])
    }

    fn on_drain(&mut self, session: &mut DatagramSession<'_>) -> Result<(), Error> {
        match self.last_words {
            true => self.echo.0.send_to(session, client(0), b"bye"),
            false => Ok(()),
        }
    }
}

fn datagrams_sent_back(network: SimNetwork) -> Staged {
    let mut stage = with_datagrams(network, at_most(10), Talker::new)?;
    stage.datagram(0, 1, 0, b"one");
    stage.datagram(1, 1, 2, b"two");
    stage.datagram(0, 1, 2, b"");
    stage.client(3, 1, &[(0, Send(b"beside\n")), (3, Finish)]);
    Ok(stage)
}

fn datagrams_in_a_burst(network: SimNetwork) -> Staged {
    let config = Config { datagram_batch: 4, datagram_budget: 6, ..at_most(10) };
    let mut stage = with_datagrams(network, config, Talker::new)?;
    for number in 0..20 {
        stage.datagram(u16::from(number % 2), 1, 1, &[7, number]);
    }
    Ok(stage)
}

fn datagrams_too_long(network: SimNetwork) -> Staged {
    let config = Config { max_datagram_len: 10, ..at_most(10) };
    let mut stage = with_datagrams(network, config, Talker::new)?;
    stage.datagram(0, 1, 0, b"ten bytes.");
    stage.datagram(0, 1, 0, b"eleven byte");
    stage.datagram(0, 1, 1, b"twelve bytes");
    Ok(stage)
}

fn datagrams_by_a_timer(network: SimNetwork) -> Staged {
    let ticking = |owed| Talker { ticks: 4, ..Talker::new(owed) };
    let mut stage = with_datagrams(network, at_most(10), ticking)?.timed();
    stage.datagram(0, 1, 4, b"between");
    Ok(stage)
}

fn datagrams_at_the_end(network: SimNetwork) -> Staged {
    let polite = |owed| Talker { last_words: true, ..Talker::new(owed) };
    let config = Config { drain_timeout: millis(100), ..at_most(10) };
    let mut stage = with_datagrams(network, config, polite)?.timed();
    stage.world.network.block_datagrams(address(1), millis(24));
    stage.datagram(0, 1, 4, b"waits");
    stage.datagram(1, 1, 5, b"comes with the signal");
    stage.signal_at(5);
    Ok(stage)
}

fn datagrams_refused(network: SimNetwork) -> Staged {
    let mut stage = with_datagrams(network, at_most(10), Talker::new)?;
    stage.world.network.refuse_datagrams(client(1));
    stage.datagram(1, 1, 0, b"to nobody");
    stage.datagram(0, 1, 1, b"one");
    stage.datagram(1, 1, 2, b"to nobody");
    stage.datagram(0, 1, 2, b"two");
    Ok(stage)
}
