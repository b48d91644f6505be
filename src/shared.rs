//! What all endpoints of a loop share: the time, the buffers, the timers, and who is to be served.

use std::collections::VecDeque;

use crate::config::Config;
use crate::instant::Instant;
use crate::output::{Output, OutputMark};
use crate::read_buffer::SpareBuffers;
use crate::timers::Timers;
use crate::token::Token;

/// The state of the loop that connections need as well.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The time of this turn.
    pub(crate) now: Instant,
    /// What the callbacks of the current event have sent; empty between events.
    pub(crate) output: Output,
    /// How many bytes the connection that is served may still write.
    pub(crate) write_left: usize,
    /// Where in `output` the current callback began.
    pub(crate) mark: OutputMark,
    pub(crate) timers: Timers<TimerKey>,
    /// Who has work left though no event will say so, in the order of their turns.
    pub(crate) ready: VecDeque<Token>,
    /// Who closed during this turn.
    pub(crate) closed: Vec<Token>,
    pub(crate) spares: SpareBuffers,
    /// How many bytes the buffers of all connections hold together.
    pub(crate) held_len: usize,
    pub(crate) counters: Counters,
}

/// Whose timer it is, and what for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimerKey {
    pub(crate) token: Token,
    pub(crate) purpose: Purpose,
}

/// What happens when a timer fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The earliest deadline of a connection may have passed.
    Deadline,
    /// The handler set it, under this key.
    Handler(u32),
    /// A listener or UDP socket that failed is tried again.
    Retry,
}

/// What has happened since the loop began: plain numbers that only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Turns of the loop.
    pub turns: u64,
    /// Peers that became connections.
    pub accepted: u64,
    /// Peers that were refused at the limit.
    pub refused: u64,
    /// Peers that layers refused at the door.
    pub refused_by_layers: u64,
    /// Failed attempts to accept, whatever the reason.
    pub accept_errors: u64,
    /// Connections that were closed, whatever the reason.
    pub closed: u64,
    /// Callbacks that panicked.
    pub panics: u64,
    /// Datagrams that were received.
    pub datagrams_received: u64,
    /// Datagrams that were sent.
    pub datagrams_sent: u64,
    /// Those of them that no [`on_datagram`](crate::DatagramHandler::on_datagram) was called for:
    /// truncated, without a sender that can be answered, or refused by a layer.
    pub datagrams_rejected: u64,
    /// Datagrams that were to be sent and were dropped: the queue was full, or the network refused
    /// them.
    pub datagrams_dropped: u64,
    /// Errors reported by UDP sockets while receiving.
    pub receive_errors: u64,
}

impl Shared {
    /// The memory that a connection takes outside its endpoint: a socket, a timer, a place on the
    /// lists of those that have work and of those that closed.
    pub(crate) const CONNECTION_LEN: usize = 64;

    pub(crate) fn new(config: Config, capacity: usize, now: Instant) -> Self {
        Self {
            config,
            now,
            output: Output::new(),
            write_left: 0,
            mark: OutputMark::default(),
            timers: Timers::with_capacity(capacity),
            ready: VecDeque::new(),
            closed: Vec::new(),
            spares: SpareBuffers::default(),
            held_len: 0,
            counters: Counters::default(),
        }
    }
}
