//! One call of the loop among all, made to answer as a test wants: for trying every answer at every
//! call.

use std::io;

use super::SimNetwork;
use super::calls::Call;
use super::faults::{AcceptFailure, ConnectFailure};
use super::schedule::Action;
use crate::network::{Event, Progress};

/// What a call of the loop answers that is [forced](SimNetwork::force) to. A call that cannot
/// answer like this, or to which it makes no difference, answers as it would have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forced {
    /// An error of this kind. A connection is broken by it.
    Fails(io::ErrorKind),
    /// `Blocked`, and an event follows; of a poll, that it was interrupted.
    Blocked,
    /// So many bytes are moved, or so many datagrams, but one at least, and no more than without
    /// this; an event follows if one is owed.
    Short(usize),
    /// Nobody is accepted.
    NotAccepted(AcceptFailure),
    /// A connection fails at once.
    NotConnected(ConnectFailure),
}

/// A call that the loop has made, as the [record](SimNetwork::record_calls) has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Which call.
    pub call: Call,
    /// How many bytes it moved, how many datagrams, or how many events it gave.
    pub moved_len: usize,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
struct Forcing {
    /// The number of the first call that it is for.
    first: u64,
    /// Which calls it is for from then on; none: only the first.
    sticky: Option<Call>,
    answer: Forced,
}

/// All that is to happen at one call or the other.
#[derive(Default)]
pub(super) struct Forcings {
    calls_made: u64,
    forcing: Option<Forcing>,
    /// What the call that is under way is to answer.
    now: Option<Forced>,
    /// What is done before the call of this number.
    action: Option<(u64, Action)>,
    record: Option<Vec<Recorded>>,
}

impl SimNetwork {
    /// How many calls the loop has made: the number that the next one has. (A call of
    /// [`local_addr`](crate::network::Network::local_addr) is none.)
    pub const fn calls_made(&self) -> u64 {
        self.forcings.calls_made
    }

    /// The call of this number answers like this. Where there was such a wish, this takes its
    /// place.
    pub const fn force(&mut self, number: u64, answer: Forced) {
        self.forcings.forcing = Some(Forcing { first: number, sticky: None, answer });
    }

    /// From the call of this number on, all that are the same `call` answer like this, until
    /// [`force_nothing`](Self::force_nothing).
    pub const fn force_from(&mut self, number: u64, call: Call, answer: Forced) {
        self.forcings.forcing = Some(Forcing { first: number, sticky: Some(call), answer });
    }

    /// No call is forced to anything any more.
    pub const fn force_nothing(&mut self) {
        self.forcings.forcing = None;
    }

    /// Does `action` right before the call of this number: between what the loop has done and what
    /// it does next. Where there was such a wish, this takes its place.
    pub fn at_call(&mut self, number: u64, action: impl FnOnce(&mut Self) + 'static) {
        self.forcings.action = Some((number, Box::new(action)));
    }

    /// Keeps a record of the loop's calls from the next one on, the earlier record given up.
    pub fn record_calls(&mut self) {
        self.forcings.record = Some(Vec::new());
    }

    /// The record of the loop's calls, if one is kept.
    pub fn recorded_calls(&self) -> &[Recorded] {
        self.forcings.record.as_deref().unwrap_or_default()
    }

    /// In which order a poll gives its events, from now on.
    pub fn set_event_order(&mut self, order: impl FnMut(&mut [Event]) + 'static) {
        self.event_order = Some(Box::new(order));
    }

    /// A call of the loop begins: which, and what it is to answer.
    pub(super) fn begin_forced(&mut self, call: Call) {
        let number = self.forcings.calls_made;
        self.forcings.calls_made += 1;
        if let Some(record) = &mut self.forcings.record {
            record.push(Recorded { call, moved_len: 0 });
        }
        if let Some((_, action)) = self.forcings.action.take_if(|(at, _)| *at == number) {
            action(self);
        }
        self.forcings.now = self.forcings.forcing.and_then(|forcing| {
            let is_meant = match forcing.sticky {
                None => number == forcing.first,
                Some(sticky) => number >= forcing.first && sticky == call,
            };
            is_meant.then_some(forcing.answer)
        });
    }

    /// The call has moved so much.
    pub(super) fn record_moved(&mut self, len: usize) {
        if let Some(last) = self.forcings.record.as_mut().and_then(|record| record.last_mut()) {
            last.moved_len = len;
        }
    }

    /// The same of a call that answers how many bytes it has moved.
    pub(super) fn record_transfer(&mut self, result: &io::Result<Progress<usize>>) {
        if let Ok(Progress::Done(len)) = result {
            self.record_moved(*len);
        }
    }

    /// The kind of error with which the call that is under way is to fail.
    pub(super) const fn forced_error(&self) -> Option<io::ErrorKind> {
        match self.forcings.now {
            Some(Forced::Fails(kind)) => Some(kind),
            _ => None,
        }
    }

    /// Fails if the call that is under way is to.
    pub(super) fn check_forced(&self) -> io::Result<()> {
        match self.forced_error() {
            Some(kind) => Err(io::Error::new(kind, format!("{kind} (simulated)"))),
            None => Ok(()),
        }
    }

    /// Whether the call that is under way is to answer `Blocked`, by order or by chance.
    pub(super) fn is_forced_to_block(&mut self, rate: u16) -> bool {
        matches!(self.forcings.now, Some(Forced::Blocked)) || self.random.chance(rate)
    }

    /// How many of `len` the call that is under way is to move, if that is forced.
    pub(super) fn forced_len(&self, len: usize) -> Option<usize> {
        match self.forcings.now {
            Some(Forced::Short(most)) => Some(most.max(1).min(len)),
            _ => None,
        }
    }

    pub(super) const fn forced_accept_failure(&self) -> Option<AcceptFailure> {
        match self.forcings.now {
            Some(Forced::NotAccepted(failure)) => Some(failure),
            _ => None,
        }
    }

    pub(super) const fn forced_connect_failure(&self) -> Option<ConnectFailure> {
        match self.forcings.now {
            Some(Forced::NotConnected(failure)) => Some(failure),
            _ => None,
        }
    }
}
