//! A world with several listeners, and a way to do anything in a callback and see what it answers.

use std::cell::RefCell;
use std::rc::Rc;

use windlass::network::{PeerState, SimNetwork, SimPeer};
use windlass::{Config, ConnectionId, Error, Scope, Session};

use crate::fixture::{Journal, World, address};
use crate::hub::Hub;

/// A peer that was let in, and the name of its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) peer: SimPeer,
    pub(crate) id: ConnectionId,
}

/// Three listeners: the first and the last with handlers of the same type, the second with another.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) first: Hub,
    pub(crate) second: Hub<1>,
    pub(crate) third: Hub,
}

impl Stage {
    pub(crate) fn new(config: Config) -> Self {
        Self::on(SimNetwork::new(1), config)
    }

    pub(crate) fn on(network: SimNetwork, config: Config) -> Self {
        Self::hooked(network, config, |_, _| ())
    }

    /// With hooks that `hook` sets in the first two handlers before the server is built.
    pub(crate) fn hooked(
        network: SimNetwork,
        config: Config,
        hook: impl FnOnce(&Hub, &Hub<1>),
    ) -> Self {
        let journal = Journal::default();
        let (first, second, third) = (Hub::new(&journal), Hub::new(&journal), Hub::new(&journal));
        hook(&first, &second);
        let handlers = (first.clone(), second.clone(), third.clone());
        let world = World::of(network, config, Some(journal), |server| {
            let (first, second, third) = handlers;
            server.tcp(address(0), first).tcp(address(1), second).tcp(address(2), third)
        });
        Self { world, first, second, third }
    }

    /// A peer that is let in by this listener.
    pub(crate) fn join(&mut self, listener: u16) -> Member {
        let peer = self.world.network.connect_to(address(listener));
        self.world.settle();
        Member { peer, id: self.id_of(peer).expect("the peer was let in") }
    }

    pub(crate) fn join_many<const LEN: usize>(&mut self, listener: u16) -> [Member; LEN] {
        std::array::from_fn(|_| self.join(listener))
    }

    /// The name of this peer's connection, if it was let in.
    pub(crate) fn id_of(&self, peer: SimPeer) -> Option<ConnectionId> {
        let address = self.world.network.address(peer);
        self.world.entries().iter().find(|entry| entry.peer == address).map(|entry| entry.id)
    }

    /// Does this when a line of `who`, a member of the first listener, is run, and lets everything
    /// be done that comes of it.
    pub(crate) fn act<R: 'static>(
        &mut self,
        who: Member,
        action: impl FnOnce(&mut Session<'_, Hub>) -> R + 'static,
    ) -> R {
        let answer = self.leave(who, action);
        self.world.settle();
        answer.take().expect("the line was run")
    }

    /// As [`act`](Self::act), with nothing done yet.
    pub(crate) fn leave<R: 'static>(
        &mut self,
        who: Member,
        action: impl FnOnce(&mut Session<'_, Hub>) -> R + 'static,
    ) -> Rc<RefCell<Option<R>>> {
        let answer = Rc::new(RefCell::new(None));
        let place = answer.clone();
        self.first.leave(move |session| *place.borrow_mut() = Some(action(session)));
        self.world.network.send_from(who.peer, b"act\n");
        answer
    }

    /// As [`act`](Self::act), in a task that it defers.
    pub(crate) fn scope<R: 'static>(
        &mut self,
        who: Member,
        task: impl FnOnce(&mut Scope<'_, Hub>) -> R + 'static,
    ) -> R {
        let answer = Rc::new(RefCell::new(None));
        let place = answer.clone();
        let asked = self.act(who, move |session| {
            session.commands().defer::<Hub>(move |_, scope| {
                *place.borrow_mut() = Some(task(scope));
                Ok(())
            })
        });
        asked.expect("the first listener has this handler");
        answer.take().expect("the task was run")
    }

    pub(crate) fn received(&self, who: Member) -> String {
        self.world.received(who.peer)
    }

    pub(crate) fn state(&self, who: Member) -> PeerState {
        self.world.network.state(who.peer)
    }

    pub(crate) fn reason(&self, who: Member) -> Option<&'static str> {
        self.world.reason(who.peer)
    }

    /// Whether `who` is served as ever.
    pub(crate) fn is_served(&mut self, who: Member) -> bool {
        let before = self.world.network.received(who.peer).len();
        self.world.network.send_from(who.peer, b"hello?\n");
        self.world.settle();
        self.world.network.received(who.peer)[before..].ends_with(b"hello?\n")
    }
}

/// What an error says.
pub(crate) fn text(result: Result<(), Error>) -> String {
    result.expect_err("there is an error").to_string()
}
