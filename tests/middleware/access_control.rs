//! Who is let in by where he comes from.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use windlass::middleware::{AccessControl, Arrival, Cidr, ConnectionContext, Middleware, Verdict};
use windlass::network::SimNetwork;
use windlass::{Listener, Server};

use crate::fixture::{World, address};
use crate::gated::{Gated, echo_lines, quiet};

fn cidr(text: &str) -> Cidr {
    text.parse().expect("a network")
}

#[test]
fn whoever_is_denied_is_refused_at_the_door_and_the_handler_never_hears_of_it() {
    let rules = AccessControl::new().deny(cidr("203.0.113.0/24"));
    let mut gated = Gated::behind(|server| server.middleware(rules));
    assert_eq!(gated.refused("203.0.113.9:4000"), "");
    let guest = gated.join("198.51.100.1:4000");
    gated.send(guest, "hello\n");
    assert_eq!(gated.answer(guest), "hello\n");
    let outcast = gated.knock("203.0.113.1:4000");
    assert_eq!(gated.seen(outcast), []);
    assert_eq!(gated.world.reactor.metrics().refused_by_layers, 2);
}

#[test]
fn datagrams_pass_by_the_same_rules() {
    let rules = AccessControl::new().allow(cidr("198.51.100.0/24")).deny(cidr("198.51.100.7"));
    let mut gated = Gated::behind(|server| server.middleware(rules));
    assert!(gated.datagram_passes("198.51.100.1:53", b"in"));
    assert!(!gated.datagram_passes("198.51.100.7:53", b"denied"));
    assert!(!gated.datagram_passes("203.0.113.1:53", b"allowed nowhere"));
    assert_eq!(gated.world.reactor.metrics().datagrams_rejected, 2);
}

/// A peer with an IPv4 address at a listener for both is seen there with an IPv6 address.
#[test]
fn an_ipv4_rule_holds_where_the_peer_is_seen_as_ipv6() {
    let (network, anywhere) = (SimNetwork::new(1), "[::]:7000");
    let rules = AccessControl::new().allow(cidr("198.51.100.0/24"));
    let handler = echo_lines();
    let mut world = World::of(network, quiet(), None, |server: Server| {
        server.listen(Listener::tcp(anywhere, handler).middleware(rules))
    });
    let mut is_let_in = |from: &str| {
        let from = from.parse().expect("an address with a port");
        world.network.connect_from(from, anywhere.parse().expect("an address"));
        let before = world.open_len();
        world.settle();
        world.open_len() > before
    };
    assert!(is_let_in("198.51.100.1:4000"));
    assert!(!is_let_in("203.0.113.1:4000"));
}

/// Writes down by which address it knows a peer.
struct Names(Rc<RefCell<Vec<IpAddr>>>);

impl Middleware for Names {
    fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
        self.0.borrow_mut().push(arrival.ip());
        Verdict::Continue
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        self.0.borrow_mut().push(connection.ip());
        Verdict::Continue
    }
}

#[test]
fn a_layer_knows_an_ipv4_peer_by_its_ipv4_address() {
    let names = Rc::default();
    let (anywhere, layer) = ("[::]:7000", Names(Rc::clone(&names)));
    let mut world = World::of(SimNetwork::new(1), quiet(), None, |server: Server| {
        server.listen(Listener::tcp(anywhere, echo_lines()).middleware(layer))
    });
    let from: SocketAddr = "198.51.100.1:4000".parse().expect("an address with a port");
    world.network.connect_from(from, anywhere.parse().expect("an address"));
    world.settle();
    assert_eq!(*names.borrow(), [from.ip(), from.ip()], "at the door and behind it");
}

#[test]
fn rules_of_a_listener_are_not_those_of_the_others() {
    let rules = AccessControl::new().deny(cidr("198.51.100.0/24"));
    let mut world = World::of(SimNetwork::new(1), quiet(), None, |server| {
        let private = Listener::tcp(address(0), echo_lines()).middleware(rules);
        server.listen(private).tcp(address(1), echo_lines())
    });
    let from = "198.51.100.1:4000".parse().expect("an address with a port");
    for (listener, open_len) in [(0, 0), (1, 1)] {
        world.network.connect_from(from, address(listener));
        world.settle();
        assert_eq!(world.open_len(), open_len, "listener {listener}");
    }
}
