//! How UDP sockets come to an end.

use std::net::SocketAddr;

use windlass::Config;
use windlass::network::SimNetwork;

use crate::fixture::{EchoDatagrams, World, address, at_most, millis, secs};

fn sender() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 5000))
}

fn world() -> World {
    let config = Config { drain_timeout: secs(20), max_datagram_len: 1000, ..at_most(10) };
    World::of(SimNetwork::new(1), config, None, |server| server.udp(address(0), EchoDatagrams))
}

#[test]
fn what_has_arrived_is_answered_and_the_socket_closed() {
    let mut world = world();
    for number in 0..100_u8 {
        world.network.send_datagram(sender(), address(0), &[number]);
    }
    world.reactor.drain();
    world.turn(secs(1));
    let report = world.report.as_ref().expect("it has ended");
    assert!(report.is_clean() && report.took.is_zero(), "{report}");
    assert_eq!(world.network.take_datagrams(sender()).len(), 100);
    assert_eq!((world.network.open_sockets(), world.reactor.next_deadline()), (0, None));
}

#[test]
fn what_has_arrived_is_answered_though_it_is_more_than_a_turn_receives() {
    let mut world = world();
    for number in 0..800_u16 {
        world.network.send_datagram(sender(), address(0), &number.to_be_bytes());
    }
    world.reactor.drain();
    world.turn(secs(1));
    assert!(world.report.as_ref().expect("it has ended").is_clean());
    assert_eq!(world.network.take_datagrams(sender()).len(), 800);
}

/// It has begun to drain, and cannot send what it has to for three seconds.
fn draining_with_an_answer_that_waits() -> World {
    let mut world = world();
    world.network.block_datagrams(address(0), secs(3));
    world.network.send_datagram(sender(), address(0), b"hello");
    for _ in 0..3 {
        world.turn(millis(1));
    }
    world.reactor.drain();
    world
}

#[test]
fn what_cannot_be_sent_yet_is_waited_for() {
    let mut world = draining_with_an_answer_that_waits();
    let report = world.run_to_the_end(secs(3));
    assert_eq!(report.datagrams_cut, 0);
    assert_eq!(world.network.take_datagrams(sender()), [(address(0), b"hello".to_vec())]);
    assert_eq!(world.network.open_sockets(), 0);
}

#[test]
fn what_comes_while_the_last_answers_wait_is_left() {
    let mut world = draining_with_an_answer_that_waits();
    world.turn(millis(1));
    world.network.send_datagram(sender(), address(0), b"too late");
    assert!(world.run_to_the_end(secs(3)).is_clean());
    assert_eq!(world.network.take_datagrams(sender()), [(address(0), b"hello".to_vec())]);
}

#[test]
fn what_cannot_be_sent_until_the_deadline_or_the_stop_is_counted() {
    for is_stopped in [false, true] {
        let mut world = world();
        world.network.block_datagrams(address(0), secs(100));
        for _ in 0..7 {
            world.network.send_datagram(sender(), address(0), b"hello");
        }
        world.turn(secs(1));
        match is_stopped {
            true => world.reactor.stop(),
            false => world.reactor.drain(),
        }
        let report = world.run_to_the_end(secs(21));
        assert_eq!((report.datagrams_cut, report.is_clean()), (7, false));
        assert_eq!(report.took, if is_stopped { secs(0) } else { secs(20) });
        assert_eq!((world.network.open_sockets(), world.reactor.next_deadline()), (0, None));
    }
}
