//! Every order of events: batches of up to five events of all kinds, in each of their orders, with
//! something drastic done in each callback that they lead to.
//!
//! Who is not hit by that must get all that it is owed, whatever came before or after it.

mod plan;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use windlass::network::{Event, PeerState, Readiness, SimNetwork, SimPeer, Token};
use windlass::{Config, Handle};

use self::plan::{Datagrams, Deed, NEWS, Shared, script};
use super::fixture::{Journal, Replay, Scripted, World, address, at_most, millis, secs};
use super::stage::client;
use super::{one_of, stride};

/// Of so many orders, and of so many deeds, a debug build tries one.
const STRIDE: usize = 11;

/// Something that has happened when the loop polls, and makes an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fact {
    /// This client has sent a line.
    Line(u16),
    /// It has sent a line, and finished.
    Last(u16),
    Reset(u16),
    /// It takes what has waited for it.
    Room(u16),
    /// Somebody has connected and sent a line.
    Newcomer,
    Datagram,
    Signal,
    /// Another thread has left a task.
    Wake,
    /// An event of this client that says what is not so.
    False(u16),
    /// An event of a client that has gone, in whose slot another is.
    Stale,
}

use Fact::{Datagram, False, Last, Line, Newcomer, Reset, Room, Signal, Stale, Wake};

const BATCHES: [&[Fact]; 14] = [
    &[Line(0)],
    &[Line(0), Line(1)],
    &[Line(0), Last(1), Newcomer],
    &[Signal, Newcomer, Line(0), Last(1)],
    &[Line(0), Line(1), Line(2), Line(3), Line(4)],
    &[Line(0), Last(1), Reset(2), Room(3), Newcomer],
    &[Line(0), Room(4), Newcomer, Datagram, Wake],
    &[Last(0), Last(1), Reset(2), Reset(3), Room(4)],
    &[Room(3), Room(4), Line(1), Wake, Reset(2)],
    &[Signal, Newcomer, Room(3), Line(1), Datagram],
    &[Signal, Wake, Last(0), Reset(1), Room(4)],
    &[False(0), Line(0), False(1), Reset(1), Stale],
    &[Stale, Line(2), Last(1), Newcomer, False(3)],
    &[Stale, False(4), Room(4), Signal, Datagram],
];

/// Those who are there before; the last two do not take what they are sent at first.
const CLIENTS: std::ops::Range<u16> = 0..5;
const STALLED: std::ops::Range<u16> = 3..5;
/// One who connects later, and one whose slot the first of the others has.
const NEWCOMER: u16 = 7;
const FORMER: u16 = 8;

/// A loop with five clients, about to be given a batch of events.
struct Scene {
    world: World,
    plan: Shared,
    handle: Handle,
    peers: BTreeMap<u16, SimPeer>,
    /// How many lines each has sent.
    lines: BTreeMap<u16, usize>,
    /// Of one who has gone.
    stale: Token,
}

impl Scene {
    fn new(deed: Option<(usize, Deed)>) -> Self {
        let plan = Shared::default();
        plan.borrow_mut().deed = deed;
        let mut network = SimNetwork::new(1);
        network.set_pipe_len(100);
        let config = Config { linger_timeout: millis(20), drain_timeout: secs(5), ..at_most(10) };
        let journal = Journal::default();
        let act = plan.clone();
        let lines = Scripted::new(move |session, call| script(&act, session, call));
        let (lines, datagrams) = (lines.written_in(&journal), Datagrams(plan.clone()));
        let mut world = World::of(network, config, Some(journal), |server| {
            server.tcp(address(0), lines).udp(address(1), datagrams)
        });
        let handle = world.reactor.handle(&mut world.network).expect("there is a waker");
        let (peers, lines, stale) = (BTreeMap::new(), BTreeMap::new(), Token::SIGNALS);
        let mut scene = Self { world, plan, handle, peers, lines, stale };
        scene.connect(FORMER);
        scene.world.settle();
        let former = scene.peers[&FORMER];
        scene.stale = scene.world.network.token(former).expect("it was let in");
        scene.world.network.finish(former);
        scene.world.settle();
        CLIENTS.for_each(|number| scene.connect(number));
        scene.world.settle();
        assert_eq!(scene.token(0).map(Token::slot), Some(scene.stale.slot()));
        for number in STALLED {
            scene.world.network.stall(scene.peers[&number]);
            scene.say(number, "long\n");
        }
        scene.world.settle();
        scene
    }

    fn connect(&mut self, number: u16) {
        let peer = self.world.network.connect_from(client(number), address(0));
        self.peers.insert(number, peer);
    }

    fn token(&self, number: u16) -> Option<Token> {
        self.world.network.token(self.peers[&number])
    }

    fn say(&mut self, number: u16, line: &str) {
        self.world.network.send_from(self.peers[&number], line.as_bytes());
        *self.lines.entry(number).or_default() += 1;
    }

    /// It happens.
    fn happen(&mut self, fact: Fact) {
        let readiness = Readiness::ALL;
        match fact {
            Line(number) => self.say(number, "a line\n"),
            Last(number) => {
                self.say(number, "the last\n");
                self.plan.borrow_mut().leaving.insert(client(number));
                self.world.network.finish(self.peers[&number]);
            }
            Reset(number) => {
                let mut plan = self.plan.borrow_mut();
                plan.hit.insert(client(number));
                plan.leaving.insert(client(number));
                self.world.network.reset(self.peers[&number]);
            }
            Room(number) => self.world.network.resume(self.peers[&number]),
            Newcomer => {
                self.connect(NEWCOMER);
                self.say(NEWCOMER, "hello\n");
            }
            Datagram => self.world.network.send_datagram(client(9), address(1), b"datagram"),
            Signal => self.world.network.raise_signal(),
            Wake => {
                let task = self.handle.try_run::<Scripted, _>(|_, scope| {
                    for id in scope.ids() {
                        scope.with(id, |session| session.set_timer(NEWS, millis(0)));
                    }
                    Ok(())
                });
                task.expect("there is room");
            }
            False(number) => {
                let token = self.token(number).expect("it is there");
                self.world.network.add_event(Event { token, readiness });
            }
            Stale => self.world.network.add_event(Event { token: self.stale, readiness }),
        }
    }

    /// All of it happens, and the loop is told in this order; says in how many callbacks. Then it
    /// is told once more of everybody who was there before, some of whom have gone by then.
    fn turn_with(&mut self, batch: &[Fact], order: &[usize]) -> usize {
        let before: Vec<_> = CLIENTS.filter_map(|number| self.token(number)).collect();
        batch.iter().for_each(|fact| self.happen(*fact));
        let (order, len) = (order.to_vec(), batch.len());
        let is_given = Rc::new(RefCell::new(false));
        let note = is_given.clone();
        self.world.network.set_event_order(move |events| {
            if events.len() == len {
                let old = events.to_vec();
                order.iter().enumerate().for_each(|(to, from)| events[to] = old[*from]);
                note.replace(true);
            }
        });
        self.plan.borrow_mut().is_armed = true;
        self.world.turn_at_once();
        self.plan.borrow_mut().is_armed = false;
        self.world.network.set_event_order(|_| ());
        let readiness = Readiness::ALL;
        before
            .into_iter()
            .for_each(|token| self.world.network.add_event(Event { token, readiness }));
        assert!(*is_given.borrow(), "there are as many events as that in one batch");
        self.plan.borrow().callbacks
    }

    /// Everybody finishes, and the loop ends.
    fn end(&mut self, batch: &[Fact]) {
        let is_ending = batch.contains(&Signal)
            || matches!(self.plan.borrow().deed, Some((_, Deed::Drain | Deed::Stop)));
        self.world.run_for(millis(10));
        for (number, peer) in self.peers.clone() {
            let has_finished = number == FORMER || batch.contains(&Last(number));
            self.world.network.resume(peer);
            if !has_finished {
                self.world.network.finish(peer);
            }
        }
        self.world.run_for(millis(100));
        if !is_ending {
            self.world.network.raise_signal();
        }
        if self.world.report.is_none() {
            self.world.run_to_the_end(secs(6));
        }
        self.world.let_pass(secs(1));
        self.check(batch.contains(&Datagram));
    }

    fn check(&mut self, has_datagram: bool) {
        let plan = self.plan.borrow();
        plan.owed.check(&self.world.network);
        let datagrams = self.world.network.take_datagrams(client(9));
        for (at, reason) in &plan.fates {
            let given = self.world.seen_from(*at).into_iter().find_map(|what| what.reason());
            assert_eq!(given, Some(*reason), "{at} was to end so");
        }
        let is_stopped = matches!(plan.deed, Some((_, Deed::Stop))) && plan.callbacks > 0;
        for (number, peer) in &self.peers {
            if plan.hit.contains(&client(*number)) || is_stopped {
                continue;
            }
            let (lines, state) = (self.lines.get(number), self.world.network.state(*peer));
            let run = self.world.frames_from(client(*number)).len();
            assert_eq!((run, state), (*lines.unwrap_or(&0), PeerState::Finished), "{number}");
        }
        if !is_stopped {
            let answers = datagrams.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>();
            assert_eq!(answers, vec![b"datagram".to_vec(); usize::from(has_datagram)]);
        }
        assert_eq!(self.world.open_len(), 0);
    }
}

/// All orders of so many things.
fn orders(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(len - 1);
    let insert = |order: &Vec<usize>, at: usize| [&order[..at], &[len - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..len).map(move |at| insert(order, at))).collect()
}

/// Tries one batch in one order, with one deed in one callback; says how many callbacks there are.
fn try_one(number: usize, order: &[usize], deed: Option<(usize, Deed)>) -> usize {
    let name = name(number, order, deed);
    let _replay =
        Replay(format!("WINDLASS_ORDER='{name}' cargo test --lib -- proof::orders::again"));
    let mut scene = Scene::new(deed);
    let callbacks = scene.turn_with(BATCHES[number], order);
    scene.end(BATCHES[number]);
    callbacks
}

/// How a try is named, for `WINDLASS_ORDER`.
fn name(number: usize, order: &[usize], deed: Option<(usize, Deed)>) -> String {
    let order: String = order.iter().map(ToString::to_string).collect();
    let deed = deed.map(|(at, deed)| format!("{at}:{deed:?}")).unwrap_or_default();
    format!("{number}:{order}:{deed}")
}

/// Tries these batches in every order that is `wanted`, with every deed in every callback; says how
/// often.
fn try_batches(
    numbers: impl Iterator<Item = usize>,
    mut is_wanted: impl FnMut(&str) -> bool,
) -> usize {
    let mut tries = 0;
    for number in numbers {
        for order in orders(BATCHES[number].len()) {
            if !is_wanted(&name(number, &order, None)) {
                continue;
            }
            let callbacks = try_one(number, &order, None);
            let places =
                (0..callbacks).flat_map(|at| Deed::all().into_iter().map(move |d| (at, d)));
            for place in places {
                if is_wanted(&name(number, &order, Some(place))) {
                    try_one(number, &order, Some(place));
                    tries += 1;
                }
            }
        }
    }
    tries
}

/// In a debug build, one order of so many, and one deed of so many with it.
fn is_one_of_many() -> impl FnMut(&str) -> bool {
    let (mut order, mut deed) = (one_of(STRIDE), one_of(STRIDE));
    move |name| if name.ends_with(':') { order() } else { deed() }
}

/// Tries every second batch from this one on.
fn try_every_second(first: usize) {
    let tries = try_batches((first..BATCHES.len()).step_by(2), is_one_of_many());
    println!("{tries} orders with a deed");
    assert!(tries >= 50_000 / stride(STRIDE).pow(2), "{tries} tries");
}

#[test]
fn the_first_half_of_all_batches_is_served_in_any_order_whatever_is_done_meanwhile() {
    try_every_second(0);
}

#[test]
fn the_second_half_of_all_batches_is_served_in_any_order_whatever_is_done_meanwhile() {
    try_every_second(1);
}

/// Plays the try that `WINDLASS_ORDER` names.
#[test]
fn again_the_order_that_has_failed() {
    let Ok(wanted) = std::env::var("WINDLASS_ORDER") else { return };
    let has_deed = !wanted.ends_with(':');
    let of_its_order = |name: &str| name.ends_with(':') && wanted.starts_with(name);
    let is_wanted = |name: &str| name == wanted || of_its_order(name);
    assert_eq!(
        try_batches(0..BATCHES.len(), is_wanted),
        usize::from(has_deed),
        "there is such a try"
    );
}

#[test]
fn a_slot_is_used_again_in_the_turn_in_which_it_was_freed() {
    let mut scene = Scene::new(None);
    let slot = scene.token(2).map(Token::slot);
    let batch = [Newcomer, Reset(2)];
    scene.turn_with(&batch, &[0, 1]);
    assert_eq!(scene.token(2), None);
    assert_eq!(scene.token(NEWCOMER).map(Token::slot), slot);
    scene.end(&batch);
}

#[test]
fn there_are_as_many_orders_as_there_must_be_and_each_is_another() {
    for (len, count) in [(0, 1), (1, 1), (2, 2), (3, 6), (4, 24), (5, 120)] {
        let all: BTreeSet<_> = orders(len).into_iter().collect();
        assert_eq!(all.len(), count);
        let sorted = |mut order: Vec<usize>| {
            order.sort_unstable();
            order
        };
        assert!(all.into_iter().all(|order| sorted(order) == (0..len).collect::<Vec<_>>()));
    }
}
