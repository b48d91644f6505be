//! Whoever was told of an opening is told of the close, whatever layers say at whichever stage.
//!
//! The layers here do anything at any time, and write down what they are called for. Between them
//! stand those that are built in.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use windlass::middleware::{
    Arrival, Authenticate, ConnectionContext, Frame, Interest, Logging, Login, Middleware,
    PerAddressLimit, RateLimit, Refusal, Verdict,
};
use windlass::network::{Faults, SimNetwork, SimPeer};
use windlass::{AtLimit, CloseReason, Config, ConnectionId};

use crate::fixture::{Random, Replay, What, address, at_most, for_each_seed, panic_quietly, secs};
use crate::gated::{Gated, echo_lines};

/// What a layer was called for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Called {
    Accept(SocketAddr),
    Refused(SocketAddr),
    Open(ConnectionId),
    Frame(ConnectionId),
    Close(ConnectionId),
}

/// What it answered, as far as that matters to those behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    GoesOn,
    /// A frame was used up.
    Consumed,
    Refused,
}

#[derive(Clone, Debug)]
struct Event {
    layer: usize,
    called: Called,
    answer: Answer,
}

/// A layer that does anything.
struct Whim {
    layer: usize,
    interest: Interest,
    /// How often in a hundred it refuses.
    refusals: usize,
    random: Random,
    events: Rc<RefCell<Vec<Event>>>,
}

impl Whim {
    fn note(&mut self, called: Called, verdict: Verdict) -> Verdict {
        let is_frame = matches!(called, Called::Frame(_));
        let answer = match verdict {
            Verdict::Refuse(_) => Answer::Refused,
            Verdict::Consume if is_frame => Answer::Consumed,
            _ => Answer::GoesOn,
        };
        self.events.borrow_mut().push(Event { layer: self.layer, called, answer });
        verdict
    }

    fn anything(&mut self) -> Verdict {
        if self.random.chance(self.refusals) {
            let farewell = self.random.pick(&["", "no\n"]);
            return Verdict::Refuse(Refusal::new("a whim").farewell(farewell));
        }
        match self.random.below(10) {
            0 => Verdict::Slow(self.random.micros_below(5_000)),
            1 => Verdict::Consume,
            _ => Verdict::Continue,
        }
    }

    fn meddle(&mut self, connection: &mut ConnectionContext<'_>) {
        match self.random.below(20) {
            0 => connection.withhold(),
            1 => connection.admit(),
            2 => connection.ignore_frames(),
            3 => connection.slow(self.random.micros_below(5_000)),
            4 => connection.limit_frames(Some(self.random.below(20))),
            5 => connection.close_after(self.random.micros_below(5_000), Refusal::new("a notice")),
            6 => connection.cancel_close(),
            7 => connection.send(Bytes::from_static(b"a word\n")),
            8 => connection.set_value(7),
            _ => {}
        }
    }

    /// A panic counts as a refusal.
    fn panic_sometimes(&mut self, called: &Called) {
        if self.random.below(200) == 0 {
            let refusal = Verdict::Refuse(Refusal::new("noted before the panic"));
            self.note(called.clone(), refusal);
            panic_quietly();
        }
    }
}

impl Middleware for Whim {
    fn interest(&self) -> Interest {
        self.interest
    }

    fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
        let called = Called::Accept(arrival.peer);
        self.panic_sometimes(&called);
        let verdict = self.anything();
        self.note(called, verdict)
    }

    fn on_refused(&mut self, arrival: &Arrival, _: &'static str, _: &str) {
        self.note(Called::Refused(arrival.peer), Verdict::Continue);
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        let called = Called::Open(connection.id());
        self.panic_sometimes(&called);
        self.meddle(connection);
        let verdict = self.anything();
        self.note(called, verdict)
    }

    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        let called = Called::Frame(connection.id());
        assert!(frame.wire_len > 0);
        assert!(self.interest == Interest::Bytes || frame.body.is_empty());
        self.panic_sometimes(&called);
        self.meddle(connection);
        let verdict = self.anything();
        self.note(called, verdict)
    }

    fn on_close(&mut self, connection: &mut ConnectionContext<'_>, _: &CloseReason) {
        self.note(Called::Close(connection.id()), Verdict::Continue);
    }
}

/// Follows what layers were called for, and sees to it that it is as promised.
#[derive(Default)]
struct Promises {
    /// Of each connection, by layer, whether it is open to it.
    opens: BTreeMap<ConnectionId, BTreeMap<usize, bool>>,
    /// The connections that layers refused.
    refused: BTreeSet<ConnectionId>,
    /// Those of them that were refused at the opening.
    refused_at_open: BTreeSet<ConnectionId>,
    at_door: AtDoor,
}

/// The peer that was at the door last.
#[derive(Default)]
struct AtDoor {
    peer: Option<SocketAddr>,
    /// The layers that let it pass.
    passed: Vec<usize>,
    /// Those that were told that it was refused.
    told: Vec<usize>,
    is_refused: bool,
}

impl Promises {
    fn follow(&mut self, event: &Event) {
        let Event { layer, called, answer } = event;
        match called {
            Called::Accept(peer) => {
                if *layer == 0 {
                    self.leave_door();
                    self.at_door.peer = Some(*peer);
                }
                let AtDoor { peer: at_door, passed, is_refused, .. } = &mut self.at_door;
                assert_eq!((*at_door, passed.len()), (Some(*peer), *layer), "each once, in order");
                assert!(!*is_refused, "none after a refusal");
                match answer {
                    Answer::Refused => *is_refused = true,
                    _ => passed.push(*layer),
                }
            }
            Called::Refused(peer) => {
                let AtDoor { peer: at_door, passed, told, .. } = &mut self.at_door;
                told.push(*layer);
                assert_eq!(*at_door, Some(*peer));
                assert!(passed.starts_with(told), "those who let it pass, in order");
            }
            Called::Open(id) => {
                let opens = self.opens.entry(*id).or_default();
                assert!(!self.refused.contains(id), "opened for no layer after a refusal");
                assert_eq!(opens.len(), *layer, "in order, each once");
                opens.insert(*layer, true);
            }
            Called::Frame(id) => {
                let is_open = self.opens.get(id).and_then(|opens| opens.get(layer));
                assert_eq!(is_open, Some(&true), "a frame of a connection that is open to it");
                assert!(!self.refused.contains(id), "no frame after a refusal");
            }
            Called::Close(id) => {
                let opens = self.opens.get_mut(id).expect("it was opened");
                let last = opens.iter().rev().find(|(_, is_open)| **is_open);
                assert_eq!(last, Some((layer, &true)), "the last first, each once");
                opens.insert(*layer, false);
            }
        }
        if let (Called::Open(id) | Called::Frame(id), Answer::Refused) = (called, answer) {
            self.refused.insert(*id);
            if matches!(called, Called::Open(_)) {
                self.refused_at_open.insert(*id);
            }
        }
    }

    /// Whoever was at the door is there no more.
    fn leave_door(&mut self) {
        let AtDoor { passed, told, is_refused, .. } = std::mem::take(&mut self.at_door);
        assert!(!is_refused || passed == told, "all who let it pass are told that it was refused");
    }

    fn assert_kept(&mut self, gated: &Gated) {
        self.leave_door();
        let left = self.opens.iter().filter(|(_, opens)| opens.values().any(|is_open| *is_open));
        assert_eq!(left.count(), 0, "whoever was told of an opening was told of the close");
        let known = gated.known();
        assert!(known.is_disjoint(&self.refused_at_open), "the handler is not told of them");
        let opened: BTreeSet<_> = self.opens.keys().copied().collect();
        assert!(known.is_subset(&opened), "nobody comes past the layers");
    }
}

/// A server with layers of all kinds, some for all listeners and some for one.
fn gated(seed: u64, random: &mut Random, events: &Rc<RefCell<Vec<Event>>>) -> Gated {
    let mut network = SimNetwork::new(seed);
    network.set_faults(Faults::random(seed));
    network.set_pipe_len(random.pick(&[10, 1000, 100_000]));
    let at_limit = [AtLimit::Wait, AtLimit::EvictIdle, AtLimit::Refuse("full\n".into())];
    let config = Config {
        at_limit: at_limit[random.below(3)].clone(),
        frame_budget: random.pick(&[1, 3, 1024]),
        read_buffer_len: random.pick(&[1, 10, 4096]),
        drain_timeout: random.micros_below(50_000),
        ..at_most(random.pick(&[1, 5, 20]))
    };
    let refusals = random.pick(&[0, 2, 20]);
    let mut whim = |layer, interest| {
        let (events, random) = (Rc::clone(events), Random::new(random.next()));
        Whim { layer, interest, refusals, random, events }
    };
    let whims = [
        whim(0, Interest::Nothing),
        whim(1, Interest::Bytes),
        whim(2, Interest::Lengths),
        whim(3, Interest::Bytes),
    ];
    let [first, second, third, fourth] = whims;
    let frames = RateLimit::frames(1000, secs(1)).burst(5).hash_seed(seed);
    let login = Authenticate::new(|_, line| match line {
        b"a word" => Login::Rejected,
        _ => Login::Accepted("anybody".into()),
    });
    Gated::with_handler(network, config, echo_lines(), |server, listener| {
        let server = server.middleware(Logging::new()).middleware(first).middleware(frames);
        let listener = listener.middleware(third).middleware(login.penalty(secs(0)));
        server
            .middleware(PerAddressLimit::new(15).hash_seed(seed))
            .middleware(second)
            .listen(listener.middleware(fourth))
    })
}

/// Somebody comes, says something, or goes.
fn disturb(random: &mut Random, network: &mut SimNetwork, finished: &mut Vec<SimPeer>) {
    let peers: Vec<_> = network.peers().filter(|peer| !finished.contains(peer)).collect();
    if peers.is_empty() || (peers.len() < 60 && random.chance(40)) {
        network.connect_to(address(0));
        return;
    }
    let peer = random.pick(&peers);
    match random.below(10) {
        0 => {
            network.finish(peer);
            finished.push(peer);
        }
        1 => network.reset(peer),
        2 => network.send_from(peer, b"half "),
        3 => network.send_from(peer, b"\xff\n"),
        4 => network.send_from(peer, &b"many\na word\n".repeat(random.below(20))),
        _ => network.send_from(peer, b"a line\n"),
    }
}

#[test]
fn any_history_keeps_the_promises_about_layers() {
    for_each_seed(200, |seed| {
        let mut random = Random::new(seed);
        let events = Rc::new(RefCell::new(Vec::new()));
        let mut gated = gated(seed, &mut random, &events);
        let (mut promises, mut finished) = (Promises::default(), Vec::new());
        let follow = |promises: &mut Promises| {
            for event in events.take() {
                let _replay = Replay(format!("after {event:?}"));
                promises.follow(&event);
            }
        };
        for _ in 0..200 {
            disturb(&mut random, &mut gated.world.network, &mut finished);
            for _ in 0..random.below(4) {
                gated.world.turn(random.micros_below(3000));
                follow(&mut promises);
            }
        }
        gated.world.network.raise_signal();
        gated.world.run_to_the_end(secs(2));
        follow(&mut promises);
        promises.assert_kept(&gated);
        assert_handler_was_paired(&gated);
    });
}

/// The handler's callbacks are paired too, and it is told of no connection that was refused before.
fn assert_handler_was_paired(gated: &Gated) {
    for peer in gated.world.network.peers() {
        let seen = gated.seen(peer);
        let opens = seen.iter().filter(|what| **what == What::Opened).count();
        let closes = seen.iter().filter(|what| matches!(what, What::Closed(_))).count();
        assert!(opens == closes && opens <= 1, "{seen:?}");
        assert!(seen.is_empty() || seen[0] == What::Opened, "{seen:?}");
        let last = seen.last();
        assert!(last.is_none_or(|last| matches!(last, What::Closed(_))), "{seen:?}");
    }
}
