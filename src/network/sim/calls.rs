//! What the loop asks of the simulated network, and how often.

/// A call of the loop: one of the methods of [`Network`](crate::network::Network).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Call {
    /// `now`.
    Now,
    /// `poll`.
    Poll,
    /// `socket_limit`.
    SocketLimit,
    /// `listen`.
    Listen,
    /// `accept`.
    Accept,
    /// `adopt`.
    Adopt,
    /// `refuse`.
    Refuse,
    /// `connect`.
    Connect,
    /// `connected`.
    Connected,
    /// `read`.
    Read,
    /// `write` and `write_vectored`.
    Write,
    /// `shutdown_write`.
    ShutdownWrite,
    /// `bind`.
    Bind,
    /// `receive`.
    Receive,
    /// `send`.
    Send,
    /// `close`.
    Close,
    /// `abort`.
    Abort,
    /// `waker`.
    Waker,
    /// `watch_signals`.
    WatchSignals,
    /// `take_signals`.
    TakeSignals,
}

/// How often a loop called its network, since the network began: for budgets of system calls, and
/// to see a loop that spins.
///
/// ```
/// use windlass::network::{Network, SimNetwork};
///
/// let mut network = SimNetwork::new(1);
/// let before = network.calls();
/// network.now();
/// assert_eq!(network.calls().since(before).polls, 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Calls {
    /// Calls of `poll`.
    pub polls: u64,
    /// Those polls that returned at once and without an event, although nothing had been achieved
    /// since the poll before. Some have a cause that the network does not see, such as a deadline
    /// that was due; a loop of which this grows without end is spinning.
    pub idle_polls: u64,
    /// Events that the polls gave.
    pub events: u64,
    /// Calls of `accept`, those that found nobody included.
    pub accepts: u64,
    /// Calls of `adopt`.
    pub adopts: u64,
    /// Calls of `refuse`.
    pub refusals: u64,
    /// Calls of `connect`, those that failed at once included.
    pub connects: u64,
    /// Calls of `read`, those that found nothing included.
    pub reads: u64,
    /// Calls of `write` and `write_vectored`, those that found no room included.
    pub writes: u64,
    /// Calls of `shutdown_write`.
    pub shutdowns: u64,
    /// Calls of `receive`.
    pub receives: u64,
    /// Calls of `send`.
    pub sends: u64,
    /// Calls of `close` and `abort` that closed something.
    pub closes: u64,
    /// The most bytes that were read from one connection since the last poll, for each event that
    /// it gave for it.
    pub most_read: u64,
    /// Calls that named no open socket, `close` and `abort` excepted: bugs of the caller.
    pub unknown_tokens: u64,
}

impl Calls {
    /// How many of each were made after `earlier`; what was moved since the last poll stays.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            polls: self.polls - earlier.polls,
            idle_polls: self.idle_polls - earlier.idle_polls,
            events: self.events - earlier.events,
            accepts: self.accepts - earlier.accepts,
            adopts: self.adopts - earlier.adopts,
            refusals: self.refusals - earlier.refusals,
            connects: self.connects - earlier.connects,
            reads: self.reads - earlier.reads,
            writes: self.writes - earlier.writes,
            shutdowns: self.shutdowns - earlier.shutdowns,
            receives: self.receives - earlier.receives,
            sends: self.sends - earlier.sends,
            closes: self.closes - earlier.closes,
            most_read: self.most_read,
            unknown_tokens: self.unknown_tokens - earlier.unknown_tokens,
        }
    }
}
