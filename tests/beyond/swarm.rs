//! Many small worlds made by chance, whose peers ask for anything to be done to others, beside a
//! model of what each of them must receive: exactly these bytes, in this order.
//!
//! `WINDLASS_SEEDS` says how many; `WINDLASS_SEED` runs one again, by its number.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use windlass::network::{Faults, PeerState, SimNetwork};
use windlass::{Broadcast, Commands, Config, ConnectionId, Scope, Slow};

use crate::fixture::{Random, for_each_seed, millis, number, secs, timeless};
use crate::hub::Hub;
use crate::stage::{Member, Stage};

/// What a debug build runs in about ten seconds.
const SEEDS: u64 = 500;
const LISTENERS: usize = 3;

/// What every connection is owed, by its name.
#[derive(Default)]
struct Model {
    owed: BTreeMap<ConnectionId, Owed>,
}

/// What one connection is owed: everything until it is closed, by whichever command comes first.
#[derive(Default)]
struct Owed {
    listener: usize,
    bytes: Vec<u8>,
    is_closed: bool,
    is_aborted: bool,
}

impl Model {
    fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        let owed = self.owed.get_mut(&id).expect("it was let in");
        if !owed.is_closed && !owed.is_aborted {
            owed.bytes.extend_from_slice(bytes);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        self.owed.get_mut(&id).expect("it was let in").is_closed = true;
    }

    fn abort(&mut self, id: ConnectionId) {
        self.owed.get_mut(&id).expect("it was let in").is_aborted = true;
    }

    /// All connections of the listeners that share the first's handler, or of the other one.
    fn all_of(&self, is_first: bool) -> Vec<ConnectionId> {
        let is_of = |owed: &&Owed| (owed.listener != 1) == is_first;
        self.owed.iter().filter(|(_, owed)| is_of(owed)).map(|(id, _)| *id).collect()
    }
}

/// One of the things a peer can ask for, made before the loop is asked, so that the model knows it.
#[derive(Clone)]
enum Ask {
    Send(ConnectionId, Bytes),
    Close(ConnectionId),
    Abort(ConnectionId),
    ToAll {
        is_first: bool,
        bytes: Bytes,
        except: Option<ConnectionId>,
    },
    ToIds(Vec<ConnectionId>, Bytes),
    /// With the first handler.
    Task(Vec<Self>),
    /// Each of the first listener, by the scope of a task.
    With(Bytes),
}

impl Ask {
    fn any(random: &mut Random, ids: &[ConnectionId], depth: usize) -> Self {
        let bytes = |random: &mut Random| {
            let len = random.below_one_of(&[2, 20, 300, 5000]);
            Bytes::from(random.bytes(len))
        };
        match random.below(if depth > 0 { 18 } else { 14 }) {
            0..5 => Self::Send(random.pick(ids), bytes(random)),
            5 => Self::Close(random.pick(ids)),
            6 => Self::Abort(random.pick(ids)),
            7..11 => Self::ToAll {
                is_first: random.chance(70),
                bytes: bytes(random),
                except: random.chance(30).then(|| random.pick(ids)),
            },
            11..14 => {
                let count = random.below(ids.len() + 2);
                Self::ToIds((0..count).map(|_| random.pick(ids)).collect(), bytes(random))
            }
            14 => Self::With(bytes(random)),
            _ => {
                let count = random.below(5);
                Self::Task((0..count).map(|_| Self::any(random, ids, depth - 1)).collect())
            }
        }
    }

    /// Asks the loop for it. Whoever has closed is known to have.
    fn run(self, commands: &mut Commands<'_>, model: &Rc<RefCell<Model>>) {
        let is_open = |commands: &Commands<'_>, id| commands.is_open(id);
        let asked = match self {
            Self::Send(to, bytes) if is_open(commands, to) => commands.send(to, bytes),
            Self::Close(id) if is_open(commands, id) => commands.close(id),
            Self::Abort(id) if is_open(commands, id) => commands.abort(id),
            Self::Send(..) | Self::Close(_) | Self::Abort(_) => return,
            Self::ToAll { is_first, bytes, except } => {
                let broadcast = match is_first {
                    true => Broadcast::to_all_of::<Hub>(bytes),
                    false => Broadcast::to_all_of::<Hub<1>>(bytes),
                };
                let broadcast = except.into_iter().fold(broadcast, Broadcast::except);
                commands.broadcast(broadcast.slow(Slow::Count))
            }
            Self::ToIds(ids, bytes) => {
                commands.broadcast(Broadcast::to(ids, bytes).slow(Slow::Count))
            }
            Self::Task(asks) => {
                let model = model.clone();
                commands.defer::<Hub>(move |_, scope| {
                    asks.into_iter().for_each(|ask| ask.run(&mut scope.commands(), &model));
                    Ok(())
                })
            }
            Self::With(bytes) => commands.defer::<Hub>(move |_, scope| send_to_each(scope, &bytes)),
        };
        asked.expect("there is room for it");
    }

    /// What comes of it, when everything before it has been done; tasks come after the rest.
    fn apply(&self, model: &mut Model, tasks: &mut Vec<Self>) {
        match self {
            Self::Send(to, bytes) => model.send(*to, bytes),
            Self::Close(id) => model.close(*id),
            Self::Abort(id) => model.abort(*id),
            Self::ToAll { is_first, bytes, except } => {
                let all = model.all_of(*is_first).into_iter().filter(|id| Some(*id) != *except);
                all.for_each(|id| model.send(id, bytes));
            }
            Self::ToIds(ids, bytes) => ids.iter().for_each(|id| model.send(*id, bytes)),
            Self::Task(asks) => tasks.extend(asks.iter().cloned()),
            Self::With(bytes) => {
                let first: Vec<_> = model
                    .owed
                    .iter()
                    .filter(|(_, owed)| owed.listener == 0)
                    .map(|(id, _)| *id)
                    .collect();
                first.into_iter().for_each(|id| model.send(id, bytes));
            }
        }
    }
}

fn send_to_each(scope: &mut Scope<'_, Hub>, bytes: &Bytes) -> Result<(), windlass::Error> {
    for id in scope.ids() {
        // Whoever is closing is told nothing.
        let _ = scope.with(id, |session| session.send_encoded(bytes.clone()));
    }
    Ok(())
}

/// One world of the swarm.
struct Swarm {
    stage: Stage,
    random: Random,
    members: Vec<Member>,
    model: Rc<RefCell<Model>>,
    /// The one that asks; nobody closes it.
    asker: Member,
}

impl Swarm {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut network = SimNetwork::new(seed);
        let config = Config {
            command_budget: random.pick(&[1, 2, 7, 1024]),
            write_budget: random.pick(&[1000, 1 << 20]),
            high_watermark: random.pick(&[100, 65_536]),
            low_watermark: 10,
            ..timeless()
        };
        network.set_pipe_len(random.pick(&[10, 1000, 65_536]));
        let mut stage = Stage::on(network, config);
        let asker = stage.join(0);
        stage.world.network.set_faults(Faults::random(seed).lossless());
        let model = Rc::new(RefCell::new(Model::default()));
        model.borrow_mut().owed.insert(asker.id, Owed::default());
        Self { stage, random, members: Vec::new(), model, asker }
    }

    /// A newcomer, when nothing is under way.
    fn add(&mut self) {
        let listener = self.random.below(LISTENERS);
        let port = u16::try_from(listener).expect("one of three");
        let peer = self.stage.world.network.connect_to(crate::fixture::address(port));
        self.stage
            .world
            .run_until("a newcomer is let in", secs(60), |world| !world.seen(peer).is_empty());
        let id = self.stage.id_of(peer).expect("it was let in");
        if self.random.chance(40) {
            let bytes = 1 + self.random.below(2000);
            let wait = self.random.micros_below(5000) + millis(1);
            self.stage.world.network.read_slowly(peer, bytes, wait);
        }
        self.members.push(Member { peer, id });
        self.model.borrow_mut().owed.insert(id, Owed { listener, ..Owed::default() });
    }

    /// Has a few things asked for in one callback, and lets all of it be done.
    fn ask(&mut self) {
        let ids: Vec<_> = self.members.iter().map(|member| member.id).collect();
        let count = 1 + self.random.below(8);
        let asks: Vec<_> = (0..count).map(|_| Ask::any(&mut self.random, &ids, 2)).collect();
        let (model, asked) = (self.model.clone(), asks.clone());
        let answer = self.stage.leave(self.asker, move |session| {
            asked.into_iter().for_each(|ask| ask.run(&mut session.commands(), &model));
        });
        self.stage.world.run_until("the commands are run", secs(60), |world| {
            answer.borrow().is_some() && world.reactor.metrics().commands_waiting == 0
        });
        let mut model = self.model.borrow_mut();
        let mut waiting = asks;
        while !waiting.is_empty() {
            let mut later = Vec::new();
            waiting.iter().for_each(|ask| ask.apply(&mut model, &mut later));
            waiting = later;
        }
    }

    fn check(&self) {
        let model = self.model.borrow();
        for member in self.members.iter().chain([&self.asker]) {
            let owed = &model.owed[&member.id];
            let received = self.stage.world.network.received(member.peer);
            let (have, all) = (received.len(), owed.bytes.len());
            if owed.is_aborted {
                assert!(owed.bytes.starts_with(received), "{member:?}: {have} of {all} bytes");
            } else {
                assert!(received == owed.bytes, "{member:?}: {have} of {all} bytes");
                let is_open = self.stage.state(*member) == PeerState::Open;
                assert_eq!(is_open, !owed.is_closed, "{member:?}");
            }
        }
    }

    fn run(&mut self) {
        (0..=self.random.below(8)).for_each(|_| self.add());
        for _ in 0..=self.random.below(10) {
            self.ask();
            if self.random.chance(30) {
                self.add();
            }
            if self.random.chance(30) {
                self.stage.world.run_for(secs(1));
            }
        }
        self.stage.world.run_for(secs(600));
        self.check();
    }
}

#[test]
fn everybody_gets_exactly_what_is_sent_to_it_in_the_order_asked_for() {
    for_each_seed(number("WINDLASS_SEEDS").unwrap_or(SEEDS), |seed| Swarm::new(seed).run());
}
