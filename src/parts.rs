//! The parts that are nobody else's business, for `benches/parts` to measure. They are no part of
//! the interface: they exist with the feature `parts` only, and change as the engine does.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;

use crate::connection::Connection;
use crate::connections::{self, Peer};
use crate::instant::Instant;
use crate::network::Token;
use crate::output::Output;
use crate::shared::{Purpose, TimerKey};
use crate::timers;
use crate::write_queue::{self, MAX_PARTS};

/// The deadlines of a loop, with the keys that they have there.
#[derive(Debug)]
pub struct Timers(timers::Timers<TimerKey>);

/// Names an armed timer.
#[derive(Clone, Copy, Debug)]
pub struct TimerId(timers::TimerId);

impl Timers {
    /// No timers yet, and room for so many of them.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(timers::Timers::with_capacity(capacity))
    }

    /// Starts a timer.
    #[inline]
    pub fn arm(&mut self, deadline: Instant) -> TimerId {
        let key = TimerKey { token: Token::endpoint(0), purpose: Purpose::Deadline };
        TimerId(self.0.arm(deadline, key))
    }

    /// Gives an armed timer another deadline.
    #[inline]
    pub fn move_to(&mut self, id: TimerId, deadline: Instant) {
        self.0.move_to(id.0, deadline);
    }

    /// Removes an armed timer.
    #[inline]
    pub fn cancel(&mut self, id: TimerId) {
        self.0.cancel(id.0);
    }

    /// Removes the earliest timer, if it is due.
    #[inline]
    pub fn fire(&mut self, now: Instant) -> bool {
        self.0.pop_due(now).is_some()
    }
}

/// The output of a connection that the kernel did not take yet.
#[derive(Debug)]
pub struct WriteQueue(write_queue::WriteQueue);

impl Default for WriteQueue {
    fn default() -> Self {
        Self(write_queue::WriteQueue::new(Instant::START))
    }
}

impl WriteQueue {
    /// How many bytes wait.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none do.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes over what was sent, of which the kernel took nothing.
    #[inline]
    pub fn append(&mut self, output: &mut Output) {
        self.0.append(output, 0);
    }

    /// Puts bytes that are sent to many at the end.
    #[inline]
    pub fn append_shared(&mut self, bytes: Bytes) {
        self.0.append_shared(bytes);
    }

    /// Offers the kernel the beginning of what waits, which takes `len` bytes of it.
    #[inline]
    pub fn advance(&mut self, len: usize) {
        let mut slices = [IoSlice::new(&[]); MAX_PARTS];
        let count = self.0.fill_slices(&mut slices, len);
        let offered_len = slices[..count].iter().map(|slice| slice.len()).sum();
        self.0.consume(offered_len, Instant::START);
    }
}

/// The connections of a listener, of which each has a codec and a state that take no room.
pub struct Connections(connections::Connections<(), ()>);

impl Connections {
    /// No connections yet, and room for so many of them.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(connections::Connections::new(0, capacity))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts one into the next slot.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    pub fn insert(&mut self) -> Token {
        let token = self.0.next_token().expect("there is room");
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let connection = Connection::new(token, peer, Instant::START);
        self.0.insert(Peer { connection, codec: (), state: () });
        token
    }

    /// Whether there is one of this name.
    #[inline]
    pub fn find(&mut self, token: Token) -> bool {
        self.0.get_mut(token).is_some()
    }

    /// Frees the slot of this name, if it is there.
    #[inline]
    pub fn remove(&mut self, token: Token) -> bool {
        self.0.remove(token).is_some()
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

/// Forgets all that was put, as a loop does when it has been written.
#[inline]
pub fn clear(output: &mut Output) {
    output.clear();
}
