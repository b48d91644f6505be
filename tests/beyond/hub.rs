//! A handler that does in any callback what a test says, with whatever it is lent there.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use windlass::{
    CloseReason, Commands, Error, Handler, Instant, Lines, MessageHandler, Scope, Session,
};

use crate::fixture::{Journal, What};

/// A callback of a handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    Start,
    Open,
    Frame,
    End,
    Timer(u32),
    ServerTimer(u32),
    Number(u32),
    Text(&'static str),
    Writable,
    Farewell,
    Drain,
    Close,
}

type Action<const N: usize> = Box<dyn FnOnce(&mut Session<'_, Hub<N>>)>;
type Hook = Box<dyn FnMut(At, &mut Commands<'_>) -> Result<(), Error>>;

/// A handler for lines, which sends them back. For each line `act` it does what a test has left for
/// that. `N` only makes several types of it. Its clones share everything.
#[derive(Clone)]
pub(crate) struct Hub<const N: usize = 0> {
    journal: Journal,
    actions: Rc<RefCell<VecDeque<Action<N>>>>,
    hook: Rc<RefCell<Hook>>,
    /// The callbacks for no connection, and when they were made.
    calls: Rc<RefCell<Vec<(At, Instant)>>>,
}

impl<const N: usize> Hub<N> {
    pub(crate) fn new(journal: &Journal) -> Self {
        Self {
            journal: journal.clone(),
            actions: Rc::default(),
            hook: Rc::new(RefCell::new(Box::new(|_, _| Ok(())))),
            calls: Rc::default(),
        }
    }

    /// Does this in each callback first; an error ends it.
    pub(crate) fn set_hook(
        &self,
        hook: impl FnMut(At, &mut Commands<'_>) -> Result<(), Error> + 'static,
    ) {
        *self.hook.borrow_mut() = Box::new(hook);
    }

    /// Leaves something to be done for the next line `act`.
    pub(crate) fn leave(&self, action: impl FnOnce(&mut Session<'_, Self>) + 'static) {
        self.actions.borrow_mut().push_back(Box::new(action));
    }

    /// The callbacks for no connection so far, and when they were made.
    pub(crate) fn calls(&self) -> Vec<(At, Instant)> {
        self.calls.borrow().clone()
    }

    fn on_session(&self, session: &mut Session<'_, Self>, at: At, what: What) -> Result<(), Error> {
        self.journal.note(session, what);
        (self.hook.borrow_mut())(at, &mut session.commands())
    }

    fn on_scope(&self, scope: &mut Scope<'_, Self>, at: At) -> Result<(), Error> {
        self.calls.borrow_mut().push((at, scope.now()));
        (self.hook.borrow_mut())(at, &mut scope.commands())
    }
}

impl<const N: usize> Handler for Hub<N> {
    type Codec = Lines;
    type State = u32;

    fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
        self.on_scope(scope, At::Start)
    }

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.on_session(session, At::Open, What::Opened)
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        let frame = What::Frame(line.as_bytes().to_vec().into());
        self.on_session(session, At::Frame, frame)?;
        if line != "act" {
            return session.send(line);
        }
        let action = self.actions.borrow_mut().pop_front().expect("there is something to be done");
        action(session);
        Ok(())
    }

    fn on_end(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        session.close();
        self.on_session(session, At::End, What::Ended)
    }

    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        self.on_session(session, At::Timer(key), What::Timer(key))
    }

    fn on_server_timer(&mut self, scope: &mut Scope<'_, Self>, key: u32) -> Result<(), Error> {
        self.on_scope(scope, At::ServerTimer(key))
    }

    fn on_writable(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.on_session(session, At::Writable, What::Writable)
    }

    fn on_farewell(
        &mut self,
        session: &mut Session<'_, Self>,
        _: &CloseReason,
    ) -> Result<(), Error> {
        self.on_session(session, At::Farewell, What::Farewell)
    }

    fn on_drain(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.on_session(session, At::Drain, What::Drained)
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        // A close cannot fail.
        let _ = self.on_session(session, At::Close, What::Closed(reason.label()));
    }
}

impl<const N: usize> MessageHandler<u32> for Hub<N> {
    fn on_message(&mut self, scope: &mut Scope<'_, Self>, number: u32) -> Result<(), Error> {
        self.on_scope(scope, At::Number(number))
    }
}

impl<const N: usize> MessageHandler<&'static str> for Hub<N> {
    fn on_message(&mut self, scope: &mut Scope<'_, Self>, text: &'static str) -> Result<(), Error> {
        self.on_scope(scope, At::Text(text))
    }
}
