//! What becomes of datagrams.

use std::io;
use std::net::SocketAddr;

use windlass::network::{Faults, SimNetwork};
use windlass::{Config, DatagramHandler, DatagramSession, Error};

use crate::proof::fixture::{World, address, secs, timeless};

/// Sends datagrams back; to one word the first answer can never be sent.
pub(super) struct Echo;

impl DatagramHandler for Echo {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        match payload {
            b"fail" => {
                // No socket of one family sends to the other.
                session.send_to("[2001:db8::1]:9".parse().expect("an address"), b"lost")?;
                session.send_to(sender, b"not lost")
            }
            _ => session.send_to(sender, payload),
        }
    }
}

fn world(config: Config) -> World {
    World::of(SimNetwork::new(1), config, None, |server| server.udp(address(0), Echo))
}

fn peer() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 4000))
}

fn send(world: &mut World, payload: &[u8]) {
    world.network.send_datagram(peer(), address(0), payload);
}

/// What the peer was sent since it was last asked for.
fn answers(world: &mut World) -> Vec<String> {
    let datagrams = world.network.take_datagrams(peer()).into_iter();
    datagrams.map(|(_, payload)| String::from_utf8(payload).expect("text")).collect()
}

#[test]
pub(crate) fn a_datagram_that_was_cut_is_not_taken_for_a_whole_one() {
    let mut world = world(Config { max_datagram_len: 10, ..timeless() });
    for payload in ["0123456789", "0123456789a", "0123456789abcdef", "short"] {
        send(&mut world, payload.as_bytes());
    }
    world.settle();
    assert_eq!(answers(&mut world), ["0123456789", "short"]);
}

#[test]
pub(crate) fn an_empty_datagram_is_one() {
    let mut world = world(timeless());
    for payload in ["", "one", "", ""] {
        send(&mut world, payload.as_bytes());
    }
    world.settle();
    assert_eq!(answers(&mut world), ["", "one", "", ""]);
}

#[test]
pub(crate) fn an_error_that_does_not_end_is_met_with_pauses() {
    let mut world = world(timeless());
    world.network.fail_receive(address(0), io::ErrorKind::Other, 1000);
    world.run_for(secs(1));
    let receives = world.network.calls().receives;
    assert!(receives <= 50, "{receives} within a second");
}

#[test]
pub(crate) fn a_flood_is_received_in_portions() {
    let mut world = world(Config { datagram_budget: 3, ..timeless() });
    for _ in 0..100 {
        send(&mut world, b"flood");
    }
    for _ in 0..50 {
        let before = world.reactor.metrics().datagrams_received;
        world.turn_at_once();
        let received = world.reactor.metrics().datagrams_received - before;
        assert!(received <= 3, "{received} in a turn");
    }
    assert_eq!(answers(&mut world).len(), 100);
}

#[test]
pub(crate) fn what_cannot_be_sent_now_is_sent_later() {
    let mut world = world(timeless());
    world.network.block_datagrams(address(0), secs(1));
    send(&mut world, b"one");
    send(&mut world, b"two");
    world.run_for(secs(2));
    assert_eq!(answers(&mut world), ["one", "two"]);
}

#[test]
pub(crate) fn what_can_never_be_sent_takes_nothing_along() {
    let mut world = world(timeless());
    send(&mut world, b"fail");
    world.settle();
    assert_eq!(answers(&mut world), ["not lost"]);
}

#[test]
pub(crate) fn a_refusal_costs_nobody_else() {
    let mut world = world(timeless());
    let gone = SocketAddr::from(([198, 51, 100, 2], 4000));
    world.network.refuse_datagrams(gone);
    world.network.send_datagram(gone, address(0), b"hello");
    send(&mut world, b"one");
    send(&mut world, b"two");
    world.settle();
    assert_eq!(answers(&mut world), ["one", "two"]);
}

#[test]
pub(crate) fn datagrams_that_come_joined_are_seen_one_by_one() {
    let mut world = world(timeless());
    world.network.set_faults(Faults { joined_datagram: 1000, ..Faults::none() });
    let payloads = ["one", "two", "six", "4", "three", "seven"];
    for payload in payloads {
        send(&mut world, payload.as_bytes());
    }
    world.settle();
    assert_eq!(answers(&mut world), payloads);
}

#[test]
pub(crate) fn nobody_answers_himself() {
    let mut world = world(timeless());
    world.network.send_datagram(address(0), address(0), b"round and round");
    for _ in 0..10 {
        world.turn_at_once();
    }
    assert_eq!(world.reactor.metrics().datagrams_sent, 0);
}
