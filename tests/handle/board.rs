//! A handler that writes down its messages, in a world with a handle.

use std::cell::RefCell;
use std::rc::Rc;

use windlass::network::{SimNetwork, SimPeer};
use windlass::{Config, ConnectionId, Error, Handle, Handler, Lines, MessageHandler, Scope};
use windlass::{Server, Session};

use crate::fixture::{World, address, panic_quietly};

/// Sends lines back, and writes down messages; it fails at some of either.
#[derive(Clone, Default)]
pub(crate) struct Board {
    pub(crate) messages: Rc<RefCell<Vec<String>>>,
    pub(crate) ids: Rc<RefCell<Vec<ConnectionId>>>,
}

impl Handler for Board {
    type Codec = Lines;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.ids.borrow_mut().push(session.id());
        Ok(())
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        session.set_busy(line == "ask");
        if line == "ask" { Ok(()) } else { session.send(line) }
    }
}

impl MessageHandler<String> for Board {
    fn on_message(&mut self, _: &mut Scope<'_, Self>, message: String) -> Result<(), Error> {
        self.messages.borrow_mut().push(message.clone());
        match message.as_str() {
            "panic" => panic_quietly(),
            "fail" => Err(Error::new("as you wish")),
            _ => Ok(()),
        }
    }
}

/// An answer to a connection that asked for one.
pub(crate) struct Answer(pub(crate) ConnectionId, pub(crate) &'static str);

impl MessageHandler<Answer> for Board {
    fn on_message(&mut self, scope: &mut Scope<'_, Self>, answer: Answer) -> Result<(), Error> {
        let Answer(id, text) = answer;
        let answered = scope.with(id, |session| {
            session.set_busy(false);
            session.send(text)
        });
        answered.unwrap_or_else(|| Err(Error::new("it has closed, or is not mine")))
    }
}

/// A handler that no listener has.
pub(crate) struct Stranger;

impl Handler for Stranger {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

impl MessageHandler<String> for Stranger {
    fn on_message(&mut self, _: &mut Scope<'_, Self>, _: String) -> Result<(), Error> {
        Ok(())
    }
}

/// A world with one board, and a handle of its loop.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) board: Board,
    pub(crate) handle: Handle,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        let board = Board::default();
        let listen = |server: Server| server.tcp(address(0), board.clone());
        let mut world = World::of(SimNetwork::new(1), config, None, listen);
        let handle = world.reactor.handle(&mut world.network).unwrap();
        Self { world, board, handle }
    }

    /// A peer that is let in, and its connection.
    pub(crate) fn join(&mut self) -> (SimPeer, ConnectionId) {
        let peer = self.world.join();
        let id = *self.board.ids.borrow().last().unwrap();
        (peer, id)
    }

    /// Posts a text to the board.
    pub(crate) fn post(&self, text: &str) {
        self.handle.try_post::<Board, _>(text.to_owned()).unwrap();
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.board.messages.borrow().clone()
    }
}
