//! What a UDP handler does beyond the datagram at hand.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::network::SimNetwork;
use windlass::{Broadcast, Config, DatagramHandler, DatagramSession, Error, Server};

use crate::fixture::{Journal, World, address, at_most, millis, panic_quietly, secs};
use crate::hub::{At, Hub};
use crate::stage::text;

/// What a UDP handler is called for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Called<'a> {
    Start,
    Datagram(&'a [u8]),
    Timer(u32),
    Drain,
}

type Script = Box<dyn FnMut(&mut DatagramSession<'_>, Called<'_>) -> Result<(), Error>>;

/// Does what a test says, and notes in text what it was called for, and at which millisecond.
struct Post {
    script: Script,
    calls: Rc<RefCell<Vec<String>>>,
}

impl Post {
    fn call(&mut self, session: &mut DatagramSession<'_>, called: Called<'_>) -> Result<(), Error> {
        let what = match called {
            Called::Datagram(payload) => String::from_utf8_lossy(payload).into_owned(),
            other => format!("{other:?}"),
        };
        let now = session.now().as_nanos() / 1_000_000;
        self.calls.borrow_mut().push(format!("{what} {now}"));
        (self.script)(session, called)
    }
}

impl DatagramHandler for Post {
    fn on_start(&mut self, session: &mut DatagramSession<'_>) -> Result<(), Error> {
        self.call(session, Called::Start)
    }

    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        _: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        self.call(session, Called::Datagram(payload))
    }

    fn on_timer(&mut self, session: &mut DatagramSession<'_>, key: u32) -> Result<(), Error> {
        self.call(session, Called::Timer(key))
    }

    fn on_drain(&mut self, session: &mut DatagramSession<'_>) -> Result<(), Error> {
        self.call(session, Called::Drain)
    }
}

fn friend() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 5000))
}

/// A UDP socket with this script, and a listener with a hub behind it.
struct Office {
    world: World,
    hub: Hub,
    calls: Rc<RefCell<Vec<String>>>,
}

impl Office {
    fn new(
        config: Config,
        script: impl FnMut(&mut DatagramSession<'_>, Called<'_>) -> Result<(), Error> + 'static,
    ) -> Self {
        let journal = Journal::default();
        let hub = Hub::new(&journal);
        let calls = Rc::new(RefCell::new(Vec::new()));
        let post = Post { script: Box::new(script), calls: calls.clone() };
        let handler = hub.clone();
        let world = World::of(SimNetwork::new(1), config, None, |server| {
            server.udp(address(0), post).tcp(address(1), handler)
        });
        Self { world, hub, calls }
    }

    /// Sends these, and lets them be served.
    fn send(&mut self, payloads: &[&[u8]]) {
        for payload in payloads {
            self.world.network.send_datagram(friend(), address(0), payload);
        }
        self.world.settle();
    }

    fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    /// What the friend was sent.
    fn received(&mut self) -> Vec<String> {
        let datagrams = self.world.network.take_datagrams(friend()).into_iter();
        datagrams.map(|(_, payload)| String::from_utf8(payload).expect("it is text")).collect()
    }
}

#[test]
fn timers_of_a_socket_come_on_time_once_or_again_and_again() {
    let mut office = Office::new(at_most(9), |session, called| {
        match called {
            Called::Start => {
                session.set_timer(1, millis(1500));
                session.set_interval(2, secs(1));
                session.set_timer(3, secs(1));
                assert!(session.cancel_timer(3) && !session.cancel_timer(3));
                session.send_to(friend(), b"here I am")?;
            }
            Called::Timer(2) if session.now().as_nanos() >= 3_000_000_000 => {
                assert!(session.cancel_timer(2));
            }
            Called::Timer(key) => session.send_to(friend(), format!("timer {key}").as_bytes())?,
            _ => {}
        }
        Ok(())
    });
    office.world.run_for(secs(5));
    let expected = ["Start 0", "Timer(2) 1000", "Timer(1) 1500", "Timer(2) 2000", "Timer(2) 3000"];
    assert_eq!(office.calls(), expected);
    assert_eq!(office.received(), ["here I am", "timer 2", "timer 1", "timer 2"]);
    assert_eq!(office.world.reactor.metrics().timers_armed, 0);
}

#[test]
fn a_timer_of_the_handler_does_not_end_the_pause_after_errors() {
    let mut office = Office::new(at_most(9), |session, called| match called {
        Called::Start => {
            session.set_interval(1, millis(1));
            Ok(())
        }
        _ => Ok(()),
    });
    office.world.network.fail_receive(address(0), std::io::ErrorKind::OutOfMemory, 1_000_000);
    office.send(&[b"waits"]);
    let before = office.world.network.calls().receives;
    office.world.run_for(secs(2));
    let receives = office.world.network.calls().receives - before;
    assert!(receives < 20, "{receives} receives in two seconds");
    assert!(office.calls().len() >= 1999);
}

#[test]
fn a_timer_that_comes_while_datagrams_wait_serves_nobody_twice() {
    let config = Config { datagram_budget: 1, datagram_batch: 1, ..at_most(9) };
    let mut office = Office::new(config, |session, called| {
        match called {
            Called::Start => session.set_interval(1, millis(1)),
            Called::Datagram(payload) => session.send_to(friend(), payload)?,
            _ => {}
        }
        Ok(())
    });
    office.world.network.set_call_cost(millis(1));
    for _ in 0..50 {
        office.world.network.send_datagram(friend(), address(0), b"x");
    }
    let mut served = 0;
    while served < 50 {
        office.world.turn_at_once();
        let now = office.world.reactor.metrics().datagrams_received;
        assert!(now <= served + 1, "one datagram a turn");
        served = now;
    }
    assert_eq!(office.received().len(), 50);
}

#[test]
fn a_datagram_can_be_told_to_connections() {
    let mut office = Office::new(at_most(9), |session, called| match called {
        Called::Datagram(payload) => {
            let news = Broadcast::to_all_of::<Hub>(payload.to_vec());
            session.commands().broadcast(news)?;
            session.commands().post::<Hub, _>(u32::from(payload[0]))
        }
        _ => Ok(()),
    });
    let peers = [0; 2].map(|_| office.world.network.connect_to(address(1)));
    office.world.settle();
    office.send(&[b"news\n", b"more\n"]);
    peers.iter().for_each(|peer| assert_eq!(office.world.received(*peer), "news\nmore\n"));
    let calls: Vec<_> = office.hub.calls().into_iter().map(|(at, _)| at).collect();
    assert_eq!(calls, [At::Start, At::Number(110), At::Number(109)]);
}

#[test]
fn errors_and_panics_of_timers_and_of_the_goodbye_cost_nothing() {
    for panics in [false, true] {
        let mut office = Office::new(at_most(9), move |session, called| {
            match called {
                Called::Start => {
                    session.set_interval(1, secs(1));
                    return Ok(());
                }
                Called::Datagram(payload) => return session.send_to(friend(), payload),
                _ => session.send_to(friend(), b"sent before")?,
            }
            if panics { panic_quietly() } else { Err(Error::new("it failed")) }
        });
        office.world.run_for(millis(2500));
        office.send(&[b"and"]);
        office.world.reactor.drain();
        let report = office.world.run_to_the_end(secs(1));
        assert!(report.is_clean(), "{report}");
        assert_eq!(office.received(), ["sent before", "sent before", "and", "sent before"]);
        assert_eq!(office.world.reactor.metrics().panics, if panics { 3 } else { 0 });
    }
}

#[test]
fn an_error_or_a_panic_at_the_start_fails_the_building() {
    for panics in [false, true] {
        let script = move |_: &mut DatagramSession<'_>, _: Called<'_>| {
            if panics { panic_quietly() } else { Err(Error::new("no luck today")) }
        };
        let post = Post { script: Box::new(script), calls: Rc::default() };
        let result = Server::new().udp(address(0), post).build_on(&mut SimNetwork::new(1));
        let expected = match panics {
            true => "a callback of UDP 192.0.2.1:7000 panicked",
            false => "no luck today",
        };
        assert_eq!(text(result.map(|_| ())), expected);
    }
}

#[test]
fn a_drain_is_told_once_then_what_has_come_is_handled() {
    let mut office = Office::new(at_most(9), |session, called| match called {
        Called::Start => {
            session.set_interval(1, secs(1));
            Ok(())
        }
        Called::Datagram(payload) => session.send_to(friend(), payload),
        Called::Drain => session.send_to(friend(), b"goodbye"),
        Called::Timer(_) => Ok(()),
    });
    office.world.settle();
    for _ in 0..3 {
        office.world.network.send_datagram(friend(), address(0), b"x");
    }
    office.world.reactor.drain();
    office.world.turn_at_once();
    let report = office.world.report.clone().expect("it has ended");
    assert!(report.is_clean(), "{report}");
    let calls = office.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("Drain")).count(), 1);
    let mut received = office.received();
    received.sort_unstable();
    assert_eq!(received, ["goodbye", "x", "x", "x"]);
    assert_eq!(office.world.reactor.metrics().timers_armed, 0, "its timers went with it");
}

#[test]
fn timers_go_on_while_a_drained_socket_waits_and_end_with_it() {
    let mut office = Office::new(at_most(9), |session, called| {
        match called {
            Called::Start => session.set_interval(1, secs(1)),
            Called::Datagram(payload) => session.send_to(friend(), payload)?,
            _ => {}
        }
        Ok(())
    });
    office.world.network.block_datagrams(address(0), millis(2500));
    office.send(&[b"x"]);
    office.world.reactor.drain();
    let report = office.world.run_to_the_end(secs(10));
    assert_eq!((report.is_clean(), report.took), (true, millis(2500)));
    assert_eq!(office.calls(), ["Start 0", "x 0", "Drain 0", "Timer(1) 1000", "Timer(1) 2000"]);
    assert_eq!(office.received(), ["x"]);
    assert_eq!(office.world.reactor.metrics().timers_armed, 0);
}

#[test]
fn a_stop_tells_of_the_drain_too_and_cancels_the_timers() {
    let mut office = Office::new(at_most(9), |session, called| {
        if called == Called::Start {
            session.set_interval(1, secs(1));
        }
        Ok(())
    });
    office.world.settle();
    office.world.reactor.stop();
    office.world.turn_at_once();
    assert_eq!(office.calls(), ["Start 0", "Drain 0"]);
    assert_eq!(office.world.reactor.metrics().timers_armed, 0);
}

#[test]
fn a_datagram_can_drain_the_loop() {
    let mut office = Office::new(at_most(9), |session, called| {
        if called == Called::Datagram(b"end") {
            session.commands().drain();
            session.send_to(friend(), b"as you wish")?;
        }
        Ok(())
    });
    office.send(&[b"end"]);
    assert!(office.world.report.is_some());
    assert_eq!(office.received(), ["as you wish"]);
}
