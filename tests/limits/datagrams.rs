//! UDP: what is received and sent, what is dropped and counted, and what it does to the rest.

use std::cell::{Ref, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use windlass::network::{Call, Faults, Forced, SimNetwork};
use windlass::{Config, DatagramHandler, DatagramSession, Error, Lines, Metrics, Server};

use crate::fixture::{
    Journal, KIB, Scripted, World, address, echo as echo_frames, for_each_seed, millis, pattern,
    secs, timeless,
};

/// A handler that notes everything, and does with datagrams what a test wants.
pub(crate) struct Probe {
    seen: Seen,
    act: Act,
}

type Act = Box<dyn FnMut(&mut DatagramSession<'_>, SocketAddr, &[u8]) -> Result<(), Error>>;

#[derive(Clone, Default)]
struct Seen(Rc<RefCell<Record>>);

#[derive(Default)]
struct Record {
    whole: Vec<(SocketAddr, Vec<u8>)>,
    truncated: Vec<(SocketAddr, Vec<u8>)>,
}

impl Seen {
    fn record(&self) -> Ref<'_, Record> {
        self.0.borrow()
    }

    fn payloads(&self) -> Vec<Vec<u8>> {
        self.record().whole.iter().map(|(_, payload)| payload.clone()).collect()
    }
}

impl Probe {
    pub(crate) fn new(
        act: impl FnMut(&mut DatagramSession<'_>, SocketAddr, &[u8]) -> Result<(), Error> + 'static,
    ) -> Self {
        Self { seen: Seen::default(), act: Box::new(act) }
    }
}

impl DatagramHandler for Probe {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        self.seen.0.borrow_mut().whole.push((sender, payload.to_vec()));
        (self.act)(session, sender, payload)
    }

    fn on_truncated(
        &mut self,
        _: &mut DatagramSession<'_>,
        sender: SocketAddr,
        beginning: &[u8],
    ) -> Result<(), Error> {
        self.seen.0.borrow_mut().truncated.push((sender, beginning.to_vec()));
        Ok(())
    }
}

pub(crate) fn echo(
    session: &mut DatagramSession<'_>,
    sender: SocketAddr,
    payload: &[u8],
) -> Result<(), Error> {
    session.send_to(sender, payload)
}

fn peer() -> SocketAddr {
    "192.0.2.9:99".parse().expect("it is an address")
}

/// A world with one UDP socket that does this with what it receives.
fn world(
    config: Config,
    act: impl FnMut(&mut DatagramSession<'_>, SocketAddr, &[u8]) -> Result<(), Error> + 'static,
) -> (World, Seen) {
    let probe = Probe::new(act);
    let seen = probe.seen.clone();
    let mut world =
        World::of(SimNetwork::new(1), config, None, |server| server.udp(address(0), probe));

    world.settle();
    (world, seen)
}

/// Sends these from the peer, lets them be served, and says what the peer was sent back.
fn ask(world: &mut World, payloads: &[&[u8]]) -> Vec<Vec<u8>> {
    for payload in payloads {
        world.network.send_datagram(peer(), address(0), payload);
    }
    world.settle();
    answers(world)
}

fn answers(world: &mut World) -> Vec<Vec<u8>> {
    world.network.take_datagrams(peer()).into_iter().map(|(_, payload)| payload).collect()
}

#[test]
fn datagrams_come_back_one_by_one_also_the_empty_and_the_longest() {
    let (mut world, _) = world(timeless(), echo);
    let longest = pattern(65_507);
    let payloads: [&[u8]; 5] = [b"one", b"", b"two", &longest, b""];
    assert!(ask(&mut world, &payloads) == payloads, "not what was sent");
    let metrics = world.reactor.metrics();
    assert_eq!((metrics.datagrams_received, metrics.datagrams_sent), (5, 5));
    let bytes = payloads.iter().map(|payload| payload.len() as u64).sum();
    assert_eq!((metrics.datagram_bytes_received, metrics.datagram_bytes_sent), (bytes, bytes));
}

#[test]
fn batches_of_any_size_lose_nothing() {
    for datagram_batch in [1, 2, 32, 100] {
        for datagram_budget in [1, 3, 256] {
            let config = Config { datagram_batch, datagram_budget, ..timeless() };
            let (mut world, _) = world(config, echo);
            let payloads: Vec<_> = (0..200_u8).map(|number| vec![number; 3]).collect();
            let sent: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
            assert_eq!(ask(&mut world, &sent), payloads);
        }
    }
}

#[test]
fn a_datagram_too_long_is_shown_as_such_and_counted() {
    let config = Config { max_datagram_len: 10, ..timeless() };
    let (mut world, seen) = world(config, echo);
    let answers = ask(&mut world, &[b"1234567890", b"1234567890+", b"after"]);
    assert_eq!(answers, [&b"1234567890"[..], b"after"]);
    assert_eq!(seen.record().truncated, [(peer(), b"1234567890".to_vec())]);
    let Metrics { datagrams_received, datagrams_rejected, .. } = world.reactor.metrics();
    assert_eq!((datagrams_received, datagrams_rejected), (3, 1));
}

#[test]
fn a_sender_with_port_0_is_neither_heard_nor_answered() {
    let (mut world, seen) = world(timeless(), echo);
    let nobody = SocketAddr::from(([192, 0, 2, 9], 0));
    world.network.send_datagram(nobody, address(0), b"spoofed");
    assert_eq!(ask(&mut world, &[b"honest"]), [b"honest"]);
    assert_eq!(seen.payloads(), [b"honest"]);
    assert_eq!(world.reactor.metrics().datagrams_rejected, 1);
}

#[test]
fn a_refusal_by_one_peer_does_not_stop_the_socket() {
    let (mut world, seen) = world(timeless(), echo);
    let gone = SocketAddr::from(([192, 0, 2, 66], 6));
    world.network.refuse_datagrams(gone);
    for round in 0..50 {
        world.network.send_datagram(gone, address(0), b"and away");
        world.settle();
        assert_eq!(ask(&mut world, &[b"still there?"]), [b"still there?"], "in round {round}");
    }
    assert_eq!(seen.payloads().len(), 100);
    assert_eq!(world.reactor.metrics().receive_errors, 50);
}

#[test]
fn an_answer_is_not_lost_because_another_was_refused() {
    let (mut world, _) = world(timeless(), echo);
    let gone = SocketAddr::from(([192, 0, 2, 66], 6));
    world.network.refuse_datagrams(gone);
    for _ in 0..5 {
        world.network.send_datagram(gone, address(0), b"and away");
    }
    let payloads: Vec<_> = (0..5_u8).map(|number| vec![number]).collect();
    let sent: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
    assert_eq!(ask(&mut world, &sent), payloads);
}

#[test]
fn a_datagram_is_tried_once_more_only_if_another_may_have_been_refused() {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable};
    for (kind, tries) in [(HostUnreachable, 1), (ConnectionRefused, 2)] {
        let (mut world, _) = world(timeless(), echo);
        let now = world.network.calls_made();
        world.network.force_from(now, Call::Send, Forced::Fails(kind));
        let before = world.network.calls();
        assert!(ask(&mut world, &[b"a", b"b", b"c"]).is_empty());
        assert_eq!(world.network.calls().since(before).sends, 3 * tries, "{kind:?}");
        let Metrics { datagrams_sent, datagrams_dropped, .. } = world.reactor.metrics();
        assert_eq!((datagrams_sent, datagrams_dropped), (0, 3));
        world.network.force_nothing();
        assert_eq!(ask(&mut world, &[b"again"]), [b"again"]);
    }
}

#[test]
fn answers_to_a_batch_are_sent_together_and_in_portions_of_half_the_queue() {
    let (mut world, _) = world(Config { datagram_queue_limit: 10 * KIB, ..timeless() }, echo);
    for (count, sends) in [(4, 1), (20, 4)] {
        let payloads = vec![pattern(KIB); count];
        let sent: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        let before = world.network.calls();
        assert!(ask(&mut world, &sent) == payloads, "not what was sent");
        assert_eq!(world.network.calls().since(before).sends, sends, "for {count} KiB");
    }
}

#[test]
fn errors_now_and_then_do_not_stop_the_socket() {
    let (mut world, _) = world(timeless(), echo);
    for kind in [io::ErrorKind::OutOfMemory, io::ErrorKind::HostUnreachable, io::ErrorKind::Other] {
        for times in [1, 2, 15] {
            world.network.fail_receive(address(0), kind, times);
            assert_eq!(ask(&mut world, &[b"a", b"b"]), [b"a", b"b"]);
        }
    }
    assert_eq!(world.network.clock().as_nanos(), 0, "there was no pause");
    assert_eq!(world.reactor.metrics().receive_errors, 3 * 18);
}

#[test]
fn an_error_that_stays_pauses_the_socket_longer_each_time_and_then_it_goes_on() {
    let (mut world, _) = world(timeless(), echo);
    world.network.fail_receive(address(0), io::ErrorKind::OutOfMemory, 1_000_000);
    world.network.send_datagram(peer(), address(0), b"waits");
    let before = world.network.calls();
    world.run_for(secs(60));
    let calls = world.network.calls().since(before);
    // 16 at once, then after 10 ms, 20 ms and so on up to a second.
    assert!((70..=90).contains(&calls.receives), "{} receives in a minute", calls.receives);
    assert!(calls.polls <= 2 * calls.receives, "{} polls in a minute", calls.polls);
    world.network.fail_receive(address(0), io::ErrorKind::OutOfMemory, 0);
    world.run_for(secs(2));
    assert_eq!(answers(&mut world), [b"waits"]);
    assert_eq!(ask(&mut world, &[b"at once"]), [b"at once"]);
}

#[test]
fn a_socket_that_pauses_still_sends() {
    let (mut world, _) = world(timeless(), echo);
    world.network.block_datagrams(address(0), secs(1));
    ask(&mut world, &[b"a", b"b"]);
    world.network.fail_receive(address(0), io::ErrorKind::OutOfMemory, 30);
    world.run_for(secs(1) + millis(1));
    assert_eq!(answers(&mut world), [b"a", b"b"]);
}

#[test]
fn what_the_network_does_not_take_waits_and_leaves_on_the_event() {
    let (mut world, _) = world(timeless(), echo);
    world.network.block_datagrams(address(0), secs(1));
    let none: [&[u8]; 0] = [];
    assert_eq!(ask(&mut world, &[b"a", b"", b"c"]), none);
    let sent = |world: &World| {
        let metrics = world.reactor.metrics();
        (metrics.datagrams_sent, metrics.datagram_bytes_sent)
    };
    assert_eq!(sent(&world), (0, 0), "what waits was not sent");
    let before = world.network.calls();
    world.run_for(secs(1) - millis(1));
    let calls = world.network.calls().since(before);
    assert_eq!((calls.sends, calls.receives), (0, 0), "it does not spin");
    world.run_for(millis(1));
    assert_eq!(answers(&mut world), [&b"a"[..], b"", b"c"]);
    assert_eq!(sent(&world), (3, 2));
    assert_eq!(world.reactor.metrics().datagrams_dropped, 0);
}

#[test]
fn what_does_not_fit_the_queue_is_dropped_and_counted() {
    let config = Config { datagram_queue_limit: 10 * KIB, ..timeless() };
    let (mut world, _) = world(config, echo);
    world.network.block_datagrams(address(0), secs(1));
    for _ in 0..100 {
        ask(&mut world, &[&pattern(KIB)]);
    }
    let waiting = 100 - world.reactor.metrics().datagrams_dropped;
    assert!((8..=10).contains(&waiting), "{waiting} KiB wait, with a limit of 10 KiB");
    world.run_for(secs(2));
    assert_eq!(answers(&mut world).len() as u64, waiting);
    assert_eq!(ask(&mut world, &[b"again"]), [b"again"]);
}

#[test]
fn one_datagram_may_fill_the_queue() {
    let config = Config { datagram_queue_limit: 1000, ..timeless() };
    let (mut world, _) = world(config, echo);
    let (fits, does_not) = (pattern(1000), pattern(1001));
    assert!(ask(&mut world, &[&fits, &does_not]) == [fits], "not what was sent");
    assert_eq!(world.reactor.metrics().datagrams_dropped, 1);
}

#[test]
fn empty_datagrams_fill_the_queue_too() {
    let config = Config { datagram_queue_limit: 10 * KIB, ..timeless() };
    let (mut world, _) = world(config, echo);
    world.network.block_datagrams(address(0), secs(1));
    for _ in 0..1000 {
        ask(&mut world, &[b""]);
    }
    assert!(world.reactor.metrics().datagrams_dropped > 700);
}

#[test]
fn a_payload_longer_than_any_datagram_is_an_error_for_the_handler() {
    let errors = Rc::new(RefCell::new(Vec::new()));
    let noted = errors.clone();
    let (mut world, _) = world(timeless(), move |session, sender, _| {
        let result = session.send_to(sender, &pattern(65_508));
        noted.borrow_mut().push(result.expect_err("too long").to_string());
        session.send_to(sender, &pattern(65_507))
    });
    assert_eq!(ask(&mut world, &[b"?"]).len(), 1);
    let expected = "a payload of 65508 bytes for 192.0.2.9:99: the longest is 65507";
    assert_eq!(*errors.borrow(), [expected]);
}

#[test]
fn what_no_network_sends_is_dropped_and_the_rest_is_sent() {
    let (mut world, _) = world(timeless(), |session, sender, payload| {
        session.send_to("192.0.2.9:0".parse().expect("it is an address"), payload)?;
        session.send_to("[2001:db8::1]:9".parse().expect("it is an address"), payload)?;
        session.send_to(sender, payload)
    });
    assert_eq!(ask(&mut world, &[b"a", b"b"]), [b"a", b"b"]);
    assert_eq!(world.reactor.metrics().datagrams_dropped, 4);
}

#[test]
fn a_panic_costs_one_datagram_and_not_those_behind_it() {
    let (mut world, seen) = world(timeless(), |session, sender, payload| {
        session.send_to(sender, payload)?;
        assert_ne!(payload, b"bad", "a handler that panics");
        Ok(())
    });
    let payloads: [&[u8]; 6] = [b"a", b"bad", b"b", b"bad", b"bad", b"c"];
    let answers = ask(&mut world, &payloads);
    assert_eq!(seen.payloads(), payloads);
    for good in [b"a", b"b", b"c"] {
        assert!(answers.iter().any(|answer| answer == good), "{answers:?}");
    }
    assert_eq!(world.reactor.metrics().panics, 3);
    assert_eq!(ask(&mut world, &[b"after"]), [b"after"]);
}

#[test]
fn an_error_of_the_handler_costs_nothing() {
    let (mut world, _) = world(timeless(), |session, sender, payload| {
        session.send_to(sender, payload)?;
        Err(Error::new("not today"))
    });
    assert_eq!(ask(&mut world, &[b"a", b"b"]), [b"a", b"b"]);
}

#[test]
fn a_flood_of_datagrams_keeps_no_connection_waiting() {
    let config = Config { datagram_budget: 100, ..timeless() };
    let flood = Probe::new(echo);
    let seen = flood.seen.clone();
    let journal = Journal::default();
    let lines = Scripted::<Lines>::new(echo_frames).written_in(&journal);
    let mut world = World::of(SimNetwork::new(1), config, Some(journal), |server| {
        server.tcp(address(0), lines).udp(address(0), flood)
    });
    let peers = world.join_many(20);
    let mut before = 0;
    for turn in 0..200 {
        for _ in 0..300 {
            world.network.send_datagram(peer(), address(0), b"flood");
        }
        world.network.send_from(peers[turn % 20], b"honest\n");
        world.turn_at_once();
        assert_eq!(world.network.received(peers[turn % 20]), b"honest\n".repeat(turn / 20 + 1));
        let handled = seen.record().whole.len();
        assert!((1..100 + 32).contains(&(handled - before)), "{} in a turn", handled - before);
        before = handled;
    }
}

/// Sends back what it is sent, in its own words.
fn answering(word: &'static str) -> Probe {
    Probe::new(move |session, sender, payload| {
        session.send_to(sender, &[word.as_bytes(), payload].concat())
    })
}

#[test]
fn sockets_and_listeners_share_a_loop_and_keep_apart() {
    let at = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
    let journal = Journal::default();
    let spoken = |word: &'static str| {
        Scripted::<Lines>::on_frames(move |session, line| session.send(&format!("{word}{line}")))
            .written_in(&journal)
    };
    let listen = |server: Server| {
        server
            .udp(at(1), answering("first "))
            .tcp(at(1), spoken("third "))
            .udp(at(2), answering("second "))
            .tcp(at(2), spoken("fourth "))
    };
    let mut world = World::of(SimNetwork::new(1), timeless(), Some(journal.clone()), listen);
    let streams = [at(1), at(2)].map(|address| world.network.connect_to(address));
    for (stream, port) in streams.iter().zip([1, 2]) {
        world.network.send_from(*stream, b"stream\n");
        world.network.send_datagram(peer(), at(port), b"datagram");
    }
    world.settle();
    assert_eq!(world.network.received(streams[0]), b"third stream\n");
    assert_eq!(world.network.received(streams[1]), b"fourth stream\n");
    let mut answers = world.network.take_datagrams(peer());
    answers.sort();
    let expected = [(at(1), &b"first datagram"[..]), (at(2), b"second datagram")];
    assert_eq!(answers, expected.map(|(from, payload)| (from, payload.to_vec())));
}

#[test]
fn datagrams_survive_whatever_the_network_does_but_to_lose_them() {
    for_each_seed(100, |seed| {
        let mut net = SimNetwork::new(seed);
        let faults = Faults::random(seed);
        net.set_faults(Faults {
            lost_datagram: 0,
            doubled_datagram: 0,
            truncated_datagram: 0,
            refused_datagram: 0,
            ..faults
        });
        let config = Config { datagram_budget: 7, datagram_batch: 3, ..timeless() };
        let probe = Probe::new(echo);
        let mut world = World::of(net, config, None, |server| server.udp(address(0), probe));
        for number in 0..100_u8 {
            world.network.after(u32::from(number) * millis(1) / 5, move |net| {
                net.send_datagram(peer(), address(0), &[number]);
            });
        }
        world.run_for(Duration::from_secs(2));
        let mut answers = answers(&mut world);
        answers.sort();
        assert_eq!(answers, (0..100).map(|number| vec![number]).collect::<Vec<_>>());
    });
}

#[test]
fn a_datagram_that_claims_to_come_from_ourselves_is_neither_heard_nor_answered() {
    let (mut world, seen) = world(timeless(), echo);
    world.network.send_datagram(address(0), address(0), b"answer yourself");
    for _ in 0..10 {
        world.turn_at_once();
    }
    assert_eq!(seen.payloads(), [b""; 0]);
    let Metrics { datagrams_received, datagrams_rejected, .. } = world.reactor.metrics();
    assert_eq!((datagrams_received, datagrams_rejected), (1, 1));
}

#[test]
fn only_what_the_network_does_not_take_counts_against_the_queue() {
    let (mut world, _) = world(Config { datagram_queue_limit: 30 * KIB, ..timeless() }, echo);
    let payloads: Vec<_> = (0..32_u8).map(|number| vec![number; 5 * KIB]).collect();
    let sent: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
    let answers = ask(&mut world, &sent);
    let Metrics { datagrams_received, datagrams_dropped, .. } = world.reactor.metrics();
    assert_eq!((datagrams_received, datagrams_dropped), (32, 0));
    assert!(answers == payloads, "not what was sent");
}

#[test]
fn a_batch_is_no_longer_than_the_budget_of_a_turn() {
    for datagram_budget in [1, 5, 31] {
        let (mut world, _) = world(Config { datagram_budget, ..timeless() }, echo);
        for _ in 0..100 {
            world.network.send_datagram(peer(), address(0), b"a");
        }
        world.turn_at_once();
        assert_eq!(world.reactor.metrics().datagrams_received, datagram_budget as u64);
    }
}
