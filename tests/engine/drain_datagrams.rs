//! How UDP sockets come to an end.

use std::net::SocketAddr;

use windlass::network::SimNetwork;
use windlass::{Config, DatagramHandler, DatagramSession, Error, Reactor, Server};

use super::world::{address, at_most, millis, secs};

struct Echo;

impl DatagramHandler for Echo {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        session.send_to(sender, payload)
    }
}

fn sender() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 5000))
}

fn world() -> (SimNetwork, Reactor) {
    let mut network = SimNetwork::new(1);
    let config = Config { drain_timeout: secs(20), max_datagram_len: 1000, ..at_most(10) };
    let server = Server::with_config(config).udp(address(0), Echo);
    let reactor = server.build_on(&mut network).expect("the server can be built");
    (network, reactor)
}

#[test]
fn what_has_arrived_is_answered_and_the_socket_closed() {
    let (mut network, mut reactor) = world();
    for number in 0..100_u8 {
        network.send_datagram(sender(), address(0), &[number]);
    }
    reactor.drain();
    let report = reactor.turn(&mut network, Some(secs(1))).expect("the loop goes on");
    let report = report.expect("it has ended");
    assert!(report.is_clean() && report.took.is_zero(), "{report}");
    assert_eq!(network.take_datagrams(sender()).len(), 100);
    assert_eq!((network.open_sockets(), reactor.next_deadline()), (0, None));
}

#[test]
fn what_has_arrived_is_answered_though_it_is_more_than_a_turn_receives() {
    let (mut network, mut reactor) = world();
    for number in 0..800_u16 {
        network.send_datagram(sender(), address(0), &number.to_be_bytes());
    }
    reactor.drain();
    let report = reactor.turn(&mut network, Some(secs(1))).expect("the loop goes on");
    assert!(report.expect("it has ended").is_clean());
    assert_eq!(network.take_datagrams(sender()).len(), 800);
}

#[test]
fn what_cannot_be_sent_yet_is_waited_for() {
    let (mut network, mut reactor) = world();
    network.block_datagrams(address(0), secs(3));
    network.send_datagram(sender(), address(0), b"hello");
    for _ in 0..3 {
        reactor.turn(&mut network, Some(millis(1))).expect("the loop goes on");
    }
    reactor.drain();
    let report = loop {
        match reactor.turn(&mut network, Some(secs(60))).expect("the loop goes on") {
            Some(report) => break report,
            None => assert!(network.clock().as_nanos() <= 3_000_000_000, "not waited for"),
        }
    };
    assert_eq!(report.datagrams_cut, 0);
    assert_eq!(network.take_datagrams(sender()), [(address(0), b"hello".to_vec())]);
    assert_eq!(network.open_sockets(), 0);
}

#[test]
fn what_cannot_be_sent_until_the_deadline_or_the_stop_is_counted() {
    for is_stopped in [false, true] {
        let (mut network, mut reactor) = world();
        network.block_datagrams(address(0), secs(100));
        for _ in 0..7 {
            network.send_datagram(sender(), address(0), b"hello");
        }
        reactor.turn(&mut network, Some(secs(1))).expect("the loop goes on");
        match is_stopped {
            true => reactor.stop(),
            false => reactor.drain(),
        }
        let report = loop {
            let report = reactor.turn(&mut network, Some(secs(60))).expect("the loop goes on");
            if let Some(report) = report {
                break report;
            }
        };
        assert_eq!((report.datagrams_cut, report.is_clean()), (7, false));
        assert_eq!(report.took, if is_stopped { secs(0) } else { secs(20) });
        assert_eq!((network.open_sockets(), reactor.next_deadline()), (0, None));
    }
}
