//! What a handler was called for, and whether it was called as it was promised.

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::{CloseReason, ConnectionId, Instant};

/// A callback, as it was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Opened,
    Frame(String),
    Ended,
    Timer(u32),
    Drained,
    /// With the label of the reason.
    Closed(&'static str),
}

/// A callback, for whom and when.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) at: Instant,
    pub(crate) what: What,
}

/// What a handler is called for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call<'a> {
    Open,
    Frame(&'a str),
    End,
    Timer(u32),
    Drain,
    Close(&'a CloseReason),
}

impl From<Call<'_>> for What {
    fn from(call: Call<'_>) -> Self {
        match call {
            Call::Open => Self::Opened,
            Call::Frame(line) => Self::Frame(line.to_owned()),
            Call::End => Self::Ended,
            Call::Timer(key) => Self::Timer(key),
            Call::Drain => Self::Drained,
            Call::Close(reason) => Self::Closed(reason.label()),
        }
    }
}

/// All callbacks in the order they were made; the handlers and the test hold the same one.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    entries: Rc<RefCell<Vec<Entry>>>,
    unwritten: Rc<Cell<usize>>,
}

impl Journal {
    pub(crate) fn write(&self, entry: Entry) {
        self.entries.borrow_mut().push(entry);
    }

    /// A callback was made that is not worth writing down.
    pub(crate) fn count(&self) {
        self.unwritten.set(self.unwritten.get() + 1);
    }

    pub(crate) fn entries(&self) -> Ref<'_, [Entry]> {
        Ref::map(self.entries.borrow(), Vec::as_slice)
    }
}

/// Follows a journal, and sees to it that each connection is opened once and closed once, and that
/// nothing comes before or after.
#[derive(Default)]
pub(crate) struct Lifecycles {
    read_len: usize,
    unwritten: usize,
    /// Whether each connection there ever was is open.
    are_open: BTreeMap<ConnectionId, bool>,
    open_len: usize,
}

impl Lifecycles {
    /// Reads what was written since the last time; says whether there was any callback.
    pub(crate) fn follow(&mut self, journal: &Journal) -> bool {
        let read_len = self.read_len;
        for Entry { id, what, .. } in &journal.entries()[self.read_len..] {
            self.read_len += 1;
            match (what, self.are_open.get(id)) {
                (What::Opened, None) => self.open_len += 1,
                (What::Opened, Some(_)) => panic!("the id {id} was given twice"),
                (_, None) => panic!("{what:?} of {id}, which was never opened"),
                (_, Some(false)) => panic!("{what:?} of {id} after its close"),
                (What::Closed(_), Some(true)) => self.open_len -= 1,
                (_, Some(true)) => {}
            }
            self.are_open.insert(*id, !matches!(what, What::Closed(_)));
        }
        let unwritten = std::mem::replace(&mut self.unwritten, journal.unwritten.get());
        self.read_len > read_len || self.unwritten > unwritten
    }

    /// How many connections were opened and not closed.
    pub(crate) const fn open_len(&self) -> usize {
        self.open_len
    }
}
