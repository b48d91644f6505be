//! UDP: echo, the empty and the largest datagram, those that are cut off or dropped, and answers
//! that nobody wants.

use std::net::SocketAddr;

use windlass::middleware::RateLimit;
use windlass::{Config, DatagramHandler, DatagramSession, Error, Server};

use crate::fixture::{Journal, pattern, secs};
use crate::play::Play;
use crate::run::{on_both, quiet};

/// The longest payload of a datagram over IPv4.
const LONGEST: usize = 65_507;

/// Sends everything back, and what was cut off with a word; does as it is told, and says goodbye to
/// whoever has asked for something later.
#[derive(Default)]
struct Echo {
    patient: Option<SocketAddr>,
}

impl DatagramHandler for Echo {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        match payload {
            b"too long" => session.send_to(sender, &[b'x'; LONGEST + 1]),
            b"panic" => crate::fixture::panic_quietly(),
            b"many" => (0..20).try_for_each(|number| session.send_to(sender, &[number; 100])),
            b"later" => {
                self.patient = Some(sender);
                session.set_timer(1, crate::fixture::millis(5));
                Ok(())
            }
            _ => session.send_to(sender, payload),
        }
    }

    fn on_truncated(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        beginning: &[u8],
    ) -> Result<(), Error> {
        session.send_to(sender, format!("only {} bytes", beginning.len()).as_bytes())
    }

    fn on_timer(&mut self, session: &mut DatagramSession<'_>, _: u32) -> Result<(), Error> {
        self.patient.map_or(Ok(()), |sender| session.send_to(sender, b"at last"))
    }

    fn on_drain(&mut self, session: &mut DatagramSession<'_>) -> Result<(), Error> {
        self.patient.map_or(Ok(()), |sender| session.send_to(sender, b"goodbye"))
    }
}

fn echo(config: Config) -> impl Fn(&Journal) -> Server {
    move |_| Server::with_config(config.clone()).udp("127.0.0.1:0", Echo::default())
}

/// Sends each of these from one socket, and waits for so many answers.
fn ask(play: &mut Play, payloads: &[&[u8]], count: usize) -> SocketAddr {
    let (client, server) = (play.open_datagrams(), play.address(0));
    for payload in payloads {
        play.send_datagram(client, server, payload);
    }
    play.until_datagrams(client, count);
    client
}

#[test]
fn datagrams_are_echoed_the_empty_one_too() {
    let script = |play: &mut Play| {
        ask(play, &[b"one", b"", b"three"], 3);
    };
    on_both(echo(quiet()), script, &["0: `one`, 0: ``, 0: `three`"]);
}

#[test]
fn equal_datagrams_are_echoed_one_by_one() {
    let script = |play: &mut Play| {
        ask(play, &[&b"same"[..]; 5], 5);
    };
    on_both(echo(quiet()), script, &["0: `same`, 0: `same`, 0: `same`, 0: `same`, 0: `same`"]);
}

#[test]
fn the_largest_datagram_is_echoed() {
    let script = |play: &mut Play| {
        ask(play, &[&pattern(LONGEST), b"small"], 2);
    };
    on_both(echo(quiet()), script, &["0: 65507 bytes, 0: `small`"]);
}

#[test]
fn an_answer_longer_than_a_datagram_costs_nobody_anything() {
    let script = |play: &mut Play| {
        ask(play, &[b"one", b"too long", b"two"], 2);
    };
    on_both(echo(quiet()), script, &["0: `one`, 0: `two`"]);
}

#[test]
fn a_datagram_longer_than_the_limit_is_known_to_be_cut_off() {
    let script = |play: &mut Play| {
        ask(play, &[&[b'x'; 100], &[b'x'; 101], b"fits"], 3);
    };
    on_both(
        echo(Config { max_datagram_len: 100, ..quiet() }),
        script,
        &["0: 100 bytes, 0: `only 100 bytes`, 0: `fits`"],
    );
}

#[test]
fn answers_beyond_the_queue_limit_are_dropped() {
    let script = |play: &mut Play| {
        let client = ask(play, &[b"many"], 7);
        let server = play.address(0);
        play.send_datagram(client, server, b"one");
        play.until_datagrams(client, 8);
    };
    on_both(
        echo(Config { datagram_queue_limit: 1000, ..quiet() }),
        script,
        &["0: 100 bytes, 0: 100 bytes, 0: 100 bytes, 0: 100 bytes, 0: 100 bytes, \
         0: 100 bytes, 0: 100 bytes, 0: `one`"],
    );
}

#[test]
fn datagrams_beyond_the_rate_are_dropped() {
    let server = |journal: &_| echo(quiet())(journal).middleware(RateLimit::frames(2, secs(1000)));
    let script = |play: &mut Play| {
        ask(play, &[b"one", b"two", b"three"], 2);
        play.until("all were received", |play| play.reactor().metrics().datagrams_received == 3);
    };
    on_both(server, script, &["0: `one`, 0: `two`"]);
}

#[test]
fn a_panic_costs_one_answer() {
    let script = |play: &mut Play| {
        ask(play, &[b"one", b"panic", b"two"], 2);
    };
    on_both(echo(quiet()), script, &["0: `one`, 0: `two`"]);
}

#[test]
fn each_socket_answers_from_its_own_address() {
    let server = |journal: &_| echo(quiet())(journal).udp("127.0.0.1:0", Echo::default());
    let script = |play: &mut Play| {
        let clients = [(); 2].map(|()| play.open_datagrams());
        for (client, server) in [(0, 0), (1, 1), (0, 1)] {
            let server = play.address(server);
            play.send_datagram(clients[client], server, b"hello");
        }
        play.until_datagrams(clients[0], 2);
        play.until_datagrams(clients[1], 1);
    };
    on_both(server, script, &["0: `hello`, 1: `hello`", "1: `hello`"]);
}

#[test]
fn an_answer_that_nobody_takes_costs_nobody_else_anything() {
    let script = |play: &mut Play| {
        let server = play.address(0);
        for count in 1..=3 {
            let gone = play.open_datagrams();
            play.send_datagram(gone, server, b"and away");
            play.close_datagrams(gone);
            play.until("the answer was sent", |play| {
                play.reactor().metrics().datagrams_sent == count
            });
        }
        ask(play, &[b"one", b"two"], 2);
    };
    on_both(echo(quiet()), script, &["0: `one`, 0: `two`"]);
}

#[test]
fn an_answer_may_come_later_and_a_goodbye_in_the_end() {
    let script = |play: &mut Play| {
        let client = ask(play, &[b"later"], 1);
        play.drain();
        play.until_over();
        play.until_datagrams(client, 2);
    };
    on_both(echo(quiet()), script, &["0: `at last`, 0: `goodbye`"]);
}
