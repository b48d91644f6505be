//! Clients that come and go, in whichever way: none gets what is another's, and nothing of them
//! stays.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::client::{Client, End};
use crate::example::{Example, wait_until};
use crate::form;
use crate::random::Random;

/// How a client behaves, and how it leaves.
const WAYS: [fn(&mut Visit); 6] = [
    Visit::ask_and_close,
    Visit::ask_and_reset,
    Visit::ask_and_finish,
    Visit::leave_within_a_frame,
    Visit::leave_without_a_word,
    Visit::leave_without_the_answer,
];

/// One client: where it went, and what it alone says.
struct Visit {
    client: Option<Client>,
    frame: Vec<u8>,
    random: Random,
}

impl Visit {
    fn new(server: SocketAddr, number: u64) -> Self {
        let mut random = Random::new(number);
        let len = 8 + random.below_one_of(&[1, 100, 3_000, 20_000]);
        // Nobody else has this number.
        let payload = number.to_be_bytes().into_iter().cycle().take(len);
        let len = u32::try_from(len).unwrap().to_be_bytes();
        let frame = len.into_iter().chain(payload).collect();
        Self { client: Some(Client::to(server)), frame, random }
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("it has not left")
    }

    fn leave(&mut self, by_reset: bool) {
        let client = self.client.take().expect("it has not left");
        if by_reset { client.reset() } else { drop(client) }
    }

    fn leave_somehow(&mut self) {
        let by_reset = self.random.chance(50);
        self.leave(by_reset);
    }

    /// Sends the frame a few times, and is sent it as often.
    fn ask(&mut self) {
        let count = 1 + self.random.below(3);
        let frames = self.frame.repeat(count);
        self.client().send(&frames);
        self.client().expect(&frames);
    }

    fn ask_and_close(&mut self) {
        self.ask();
        self.leave(false);
    }

    fn ask_and_reset(&mut self) {
        self.ask();
        self.leave(true);
    }

    fn ask_and_finish(&mut self) {
        let frame = self.frame.clone();
        let client = self.client();
        client.send(&frame);
        client.finish();
        assert!(client.rest() == frame, "another answer than expected");
        assert_eq!(client.end(), Some(End::Finished));
    }

    fn leave_within_a_frame(&mut self) {
        self.ask();
        let len = self.random.below(self.frame.len());
        let part = self.frame[..len].to_vec();
        self.client().send(&part);
        self.leave_somehow();
    }

    fn leave_without_a_word(&mut self) {
        self.leave_somehow();
    }

    fn leave_without_the_answer(&mut self) {
        let frame = self.frame.clone();
        self.client().send(&frame);
        self.leave_somehow();
    }
}

/// The port of a server, at one address of many: no client port is needed twice within a minute.
fn address(port: u16, number: u64) -> SocketAddr {
    let [high, low] = u16::try_from(number / 5_000).expect("few enough").to_be_bytes();
    SocketAddr::from(([127, 1, high, low], port))
}

/// Lets so many come to a server that listens at all addresses; says how long that took.
fn churn(server: &Example, numbers: &[u64]) -> Duration {
    let (begin, port) = (Instant::now(), server.address("tcp").port());
    form::at_once(numbers, |number| {
        let _replay = form::replay("WINDLASS_SEED", number);
        let way = WAYS[usize::try_from(number % WAYS.len() as u64).unwrap()];
        way(&mut Visit::new(address(port, *number), *number));
    });
    begin.elapsed()
}

fn end(mut server: Example) {
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    server.wait_for_log(": 0 finished");
}

#[test]
fn many_come_and_go_and_leave_nothing_behind() {
    let server = Example::echo("--tcp 0.0.0.0:0 --framing length");
    let base = server.descriptors();
    let numbers = form::seeds(2_000, 200_000);
    let took = churn(&server, &numbers);
    wait_until("every connection is closed", || server.descriptors() == base);
    end(server);
    let count = numbers.len();
    form::say(format_args!("churn: {count} connections in {took:.1?}, no foreign byte, none left"));
}

#[test]
fn many_come_and_go_through_a_proxy_and_leave_nothing_behind() {
    let upstream = Example::echo("--tcp 127.0.0.1:0 --framing length");
    let to = upstream.address("tcp");
    let proxy = Example::of("proxy", &format!("--tcp 0.0.0.0:0 --upstream {to}"));
    let bases = [&upstream, &proxy].map(Example::descriptors);
    let numbers = form::seeds(1_000, 20_000);
    let took = churn(&proxy, &numbers);
    wait_until("every connection is closed", || {
        [&upstream, &proxy].map(Example::descriptors) == bases
    });
    end(proxy);
    end(upstream);
    let count = numbers.len();
    form::say(format_args!("proxy: {count} connections in {took:.1?}, no foreign byte, none left"));
}
