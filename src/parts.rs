//! The parts that are nobody else's business, for `benches/parts` to measure and for `fuzz` to try.
//! They are no part of the interface: they exist with the feature `parts` and in tests only, and
//! change as the engine does.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use crate::connection::Connection;
use crate::connections::{self, Peer};
use crate::instant::Instant;
use crate::middleware::{AddressRates, Gcra};
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
        self.arm_for(deadline, 0)
    }

    /// Starts a timer for what bears this number.
    ///
    /// # Panics
    ///
    /// If the number is greater than that of any slot.
    #[inline]
    pub fn arm_for(&mut self, deadline: Instant, number: u32) -> TimerId {
        let token = Token::connection(0, number, 0);
        TimerId(self.0.arm(deadline, TimerKey { token, purpose: Purpose::Deadline }))
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

    /// Removes the earliest timer, if it is due, and says for what it was armed.
    pub fn pop_due(&mut self, now: Instant) -> Option<usize> {
        self.0.pop_due(now).map(|key| key.token.slot())
    }

    /// The earliest deadline of all.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }

    /// When an armed timer is due.
    pub fn deadline_of(&self, id: TimerId) -> Instant {
        self.0.deadline_of(id.0)
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

    /// How many bytes of memory it holds.
    pub const fn held_len(&self) -> usize {
        self.0.held_len()
    }

    /// Takes over what was sent, of which the kernel took nothing.
    #[inline]
    pub fn append(&mut self, output: &mut Output) {
        self.append_rest(output, 0);
    }

    /// Takes over what was sent, of which the kernel took the first `sent` bytes.
    #[inline]
    pub fn append_rest(&mut self, output: &mut Output, sent: usize) {
        self.0.append(output, sent);
    }

    /// Puts a copy of `bytes` at the end.
    pub fn append_copy(&mut self, bytes: &[u8]) {
        self.0.append_copy(bytes);
    }

    /// Puts bytes that are sent to many at the end.
    #[inline]
    pub fn append_shared(&mut self, bytes: Bytes) {
        self.0.append_shared(bytes);
    }

    /// The beginning of what waits, `budget` bytes of it at most, as it is offered to the kernel: a
    /// slice after the other, in a call.
    pub fn offer(&mut self, budget: usize) -> Vec<Vec<u8>> {
        let mut slices = [IoSlice::new(&[]); MAX_PARTS];
        let count = self.0.fill_slices(&mut slices, budget);
        slices[..count].iter().map(|slice| slice.to_vec()).collect()
    }

    /// The kernel took the first `len` bytes, of those that were offered.
    pub fn consume(&mut self, len: usize) {
        self.0.consume(len, Instant::START);
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

/// A rate for each address.
pub struct Rates(AddressRates);

impl Rates {
    /// So many units in each period for each of eight addresses, of which `burst` may be had at
    /// once.
    pub fn new(count: u32, period: Duration, burst: u32) -> Self {
        Self(AddressRates::new(Gcra::new(count, period).with_burst(burst), 1))
    }

    /// Takes `cost` units, or nothing, and says when they may be had.
    ///
    /// # Errors
    ///
    /// How long it is until they may be had.
    pub fn check(&mut self, ip: IpAddr, now: Instant, cost: u64) -> Result<(), Duration> {
        self.0.check(ip, now, cost)
    }

    /// Takes `cost` units, and says how long the address is to rest for it.
    pub fn charge(&mut self, ip: IpAddr, now: Instant, cost: u64) -> Duration {
        self.0.charge(ip, now, cost)
    }

    /// Whether the address may have a unit now.
    pub fn has_left(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.0.has_left(ip, now)
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
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
