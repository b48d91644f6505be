//! Each command from each callback: it is done as from any other, and nothing else is disturbed.

use std::cell::Cell;
use std::rc::Rc;

use windlass::network::{PeerState, SimNetwork};
use windlass::{Broadcast, Commands, ConnectionId, Error};

use crate::fixture::{at_most, panic_quietly, secs};
use crate::hub::{At, Hub};
use crate::stage::{Member, Stage};

/// From where something is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    /// The callback of a hub.
    Hook(At),
    Task,
    /// A connection lent by the scope of a task.
    With,
}

impl From {
    const ALL: [Self; 14] = [
        Self::Hook(At::Start),
        Self::Hook(At::Open),
        Self::Hook(At::Frame),
        Self::Hook(At::End),
        Self::Hook(At::Timer(1)),
        Self::Hook(At::ServerTimer(2)),
        Self::Hook(At::Number(3)),
        Self::Hook(At::Text("a message")),
        Self::Hook(At::Writable),
        Self::Hook(At::Farewell),
        Self::Hook(At::Drain),
        Self::Hook(At::Close),
        Self::Task,
        Self::With,
    ];

    /// Whether the connection that is at hand ends by this.
    fn ends(self) -> bool {
        [At::End, At::Farewell, At::Close, At::Drain].map(Self::Hook).contains(&self)
    }

    /// Whether a connection is there at all.
    fn is_late(self) -> bool {
        self != Self::Hook(At::Start)
    }
}

/// What is asked for. The receiver is a member of another handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    Send,
    Close,
    Abort,
    Broadcast,
    BroadcastToIds,
    Defer,
    Post,
    /// Of the connection at hand.
    SendToOneself,
    CloseOneself,
    AbortOneself,
    /// Of one that closed before.
    Gone,
    Drain,
    Stop,
}

impl Ask {
    const ALL: [Self; 13] = [
        Self::Send,
        Self::Close,
        Self::Abort,
        Self::Broadcast,
        Self::BroadcastToIds,
        Self::Defer,
        Self::Post,
        Self::SendToOneself,
        Self::CloseOneself,
        Self::AbortOneself,
        Self::Gone,
        Self::Drain,
        Self::Stop,
    ];

    /// Whether it is for a connection, and so cannot come before there is one.
    fn has_target(self) -> bool {
        use Ask::{Broadcast, Defer, Drain, Post, Stop};
        ![Broadcast, Defer, Post, Drain, Stop].contains(&self)
    }

    fn run(self, commands: &mut Commands<'_>, ids: &Ids) -> Result<(), Error> {
        let other = || ids.other.get().expect("it is there");
        let own = || ids.own.get().expect("it is there");
        match self {
            Self::Send => commands.send(other(), "x\n"),
            Self::Close => commands.close(other()),
            Self::Abort => commands.abort(other()),
            Self::Broadcast => commands.broadcast(Broadcast::to_all_of::<Hub<1>>("x\n")),
            Self::BroadcastToIds => commands.broadcast(Broadcast::to([other()], "x\n")),
            Self::Defer => commands.defer::<Hub<1>>(|_, scope| {
                let ids = scope.ids();
                ids.into_iter().try_for_each(|id| {
                    scope.with(id, |session| session.send("x")).expect("it is open")
                })
            }),
            Self::Post => commands.post::<Hub<1>, _>(99),
            Self::SendToOneself => commands.send(own(), "x\n"),
            Self::CloseOneself => commands.close(own()),
            Self::AbortOneself => commands.abort(own()),
            Self::Gone => {
                let gone = ids.gone.get().expect("it was there");
                assert!(commands.send(gone, "x\n").is_err());
                assert!(commands.close(gone).is_err() && commands.abort(gone).is_err());
                Ok(())
            }
            Self::Drain => {
                commands.drain();
                Ok(())
            }
            Self::Stop => {
                commands.stop();
                Ok(())
            }
        }
    }
}

#[derive(Default)]
struct Ids {
    own: Cell<Option<ConnectionId>>,
    other: Cell<Option<ConnectionId>>,
    gone: Cell<Option<ConnectionId>>,
    /// Whether the next of the callbacks is the one to ask in.
    is_armed: Cell<bool>,
}

struct Trial {
    stage: Stage,
    ids: Rc<Ids>,
    asker: Option<Member>,
    other: Member,
    bystander: Member,
}

/// Asks in this callback, once.
fn trial(from: From, ask: Ask) -> Trial {
    let ids = Rc::new(Ids::default());
    ids.is_armed.set(!from.is_late());
    let hooked = ids.clone();
    let mut stage = Stage::hooked(SimNetwork::new(1), at_most(20), |first, _| {
        first.set_hook(move |at, commands| {
            let is_now = from == From::Hook(at) && hooked.is_armed.take();
            if is_now { ask.run(commands, &hooked) } else { Ok(()) }
        });
    });
    let other = stage.join(1);
    let [bystander, gone] = stage.join_many(2);
    stage.world.network.reset(gone.peer);
    stage.world.settle();
    ids.other.set(Some(other.id));
    ids.gone.set(Some(gone.id));
    let before_open = from == From::Hook(At::Open);
    let asker = (!before_open).then(|| stage.join(0));
    ids.own.set(asker.map(|asker| asker.id));
    ids.is_armed.set(from.is_late());
    let mut trial = Trial { stage, ids, asker, other, bystander };
    match trial.asker {
        Some(asker) => trial.provoke(from, ask, asker),
        None => _ = trial.stage.world.connect(),
    }
    trial.stage.world.run_for(secs(3));
    trial
}

impl Trial {
    /// Has the callback made.
    fn provoke(&mut self, from: From, ask: Ask, asker: Member) {
        let (stage, ids) = (&mut self.stage, self.ids.clone());
        match from {
            From::Hook(At::Start | At::Open) => {}
            From::Hook(At::Frame) => stage.world.network.send_from(asker.peer, b"hello\n"),
            From::Hook(At::Writable) => {
                stage.leave(asker, |session| {
                    session.want_writable();
                    session.send("there is more")
                });
            }
            From::Hook(At::Farewell) => stage.world.network.send_from(asker.peer, b"\xff\n"),
            From::Hook(At::End) => stage.world.network.finish(asker.peer),
            From::Hook(At::Close) => stage.world.network.reset(asker.peer),
            From::Hook(At::Drain) => stage.world.reactor.drain(),
            From::Hook(At::Timer(key)) => {
                stage.leave(asker, move |session| session.set_timer(key, secs(0)));
            }
            From::Hook(At::ServerTimer(key)) => {
                stage.leave(asker, move |session| {
                    session.commands().defer::<Hub>(move |_, scope| {
                        scope.set_timer(key, secs(0));
                        Ok(())
                    })
                });
            }
            From::Hook(At::Number(number)) => {
                stage.leave(asker, move |session| session.commands().post::<Hub, _>(number));
            }
            From::Hook(At::Text(text)) => {
                stage.leave(asker, move |session| session.commands().post::<Hub, _>(text));
            }
            From::Task => {
                stage.leave(asker, move |session| {
                    session
                        .commands()
                        .defer::<Hub>(move |_, scope| ask.run(&mut scope.commands(), &ids))
                });
            }
            From::With => {
                stage.leave(asker, move |session| {
                    session.commands().defer::<Hub>(move |_, scope| {
                        let run = |session: &mut windlass::Session<'_, Hub>| {
                            ask.run(&mut session.commands(), &ids)
                        };
                        scope.with(asker.id, run).expect("it is open")
                    })
                });
            }
        }
    }

    /// What became of the one it was about.
    fn check(&mut self, from: From, ask: Ask) {
        let Self { stage, other, asker, .. } = self;
        let what = format!("{ask:?} from {from:?}");
        let is_hook = matches!(from, From::Hook(_));
        assert!(!is_hook || !self.ids.is_armed.get(), "{what}: the callback was made");
        let is_ending = matches!(ask, Ask::Drain | Ask::Stop) || from == From::Hook(At::Drain);
        assert_eq!(stage.world.report.is_some(), is_ending, "{what}");
        assert_eq!(stage.world.reactor.metrics().panics, 0, "{what}");
        let is_told = matches!(ask, Ask::Send | Ask::BroadcastToIds | Ask::Defer | Ask::Broadcast);
        // With the start there was nobody yet.
        let is_told = is_told && from.is_late();
        assert_eq!(stage.received(*other), if is_told { "x\n" } else { "" }, "{what}");
        let posted = stage.second.calls().iter().any(|(at, _)| *at == At::Number(99));
        assert_eq!(posted, ask == Ask::Post, "{what}");
        match ask {
            Ask::Close => assert_eq!(stage.reason(*other), Some("closed"), "{what}"),
            Ask::Abort => assert_eq!(stage.reason(*other), Some("aborted"), "{what}"),
            Ask::SendToOneself if !from.ends() => {
                assert!(stage.received(asker.expect("it is there")).ends_with("x\n"), "{what}");
            }
            Ask::CloseOneself if !from.ends() => {
                assert_eq!(stage.reason(asker.expect("it is there")), Some("closed"), "{what}");
            }
            Ask::AbortOneself if !from.ends() => {
                assert_eq!(stage.reason(asker.expect("it is there")), Some("aborted"), "{what}");
            }
            _ => {}
        }
        if !is_ending {
            assert_eq!(stage.state(self.bystander), PeerState::Open, "{what}");
            assert!(stage.is_served(self.bystander), "{what}");
        }
    }
}

#[test]
fn every_command_can_be_given_in_every_callback() {
    for from in From::ALL {
        for ask in Ask::ALL {
            let is_own = matches!(ask, Ask::SendToOneself | Ask::CloseOneself | Ask::AbortOneself);
            if ask.has_target() && (!from.is_late() || is_own && from == From::Hook(At::Open)) {
                continue;
            }
            if !from.is_late() && matches!(ask, Ask::Drain | Ask::Stop) {
                // Nobody can join then: it is tried where the ending is.
                continue;
            }
            trial(from, ask).check(from, ask);
        }
    }
}

#[test]
fn what_a_callback_asked_for_before_it_panicked_is_done() {
    let mut stage = Stage::new(at_most(20));
    let asker = stage.join(0);
    let other = stage.join(1);
    stage.leave(asker, move |session| {
        session.send("taken back").unwrap();
        session.commands().send(other.id, "x\n").unwrap();
        panic_quietly();
    });
    stage.world.settle();
    assert_eq!(stage.received(asker), "");
    assert_eq!(stage.reason(asker), None, "it lingers");
    assert_eq!(stage.state(asker), PeerState::Finished);
    assert_eq!(stage.received(other), "x\n");
    assert_eq!(stage.world.reactor.metrics().panics, 1);
}
