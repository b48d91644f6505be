//! What all endpoints of a loop share: the time, the buffers, the timers, and who is to be served.

use std::collections::VecDeque;

use crate::command::Command;
use crate::config::Config;
use crate::instant::Instant;
use crate::mailbox::Request;
use crate::metrics::Metrics;
use crate::output::{Output, OutputMark};
use crate::read_buffer::SpareBuffers;
use crate::roster::Roster;
use crate::stopwatch::Stopwatch;
use crate::timers::Timers;
use crate::token::Token;

/// Lists with room for this many are kept when nobody is left.
const KEPT_LEN: usize = 1024;
/// And so is room for this much output.
const KEPT_OUTPUT_LEN: usize = 64 * 1024;

/// The state of the loop that connections need as well.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The time of this turn.
    pub(crate) now: Instant,
    /// Up to when deadlines have passed for good, with all that came by then looked at: now, unless
    /// the loop was held up since it asked for events.
    pub(crate) due: Instant,
    /// What the callbacks of the current event have sent; empty between events.
    pub(crate) output: Output,
    /// How long the output may get before it must be flushed: the high watermark, but for a
    /// connection that has something queued, while it is served.
    pub(crate) room: usize,
    /// What the connection that is served may still read, in bytes.
    pub(crate) read_left: usize,
    /// How many of its frames may still be run.
    pub(crate) frames_left: usize,
    /// What it may still write, in bytes.
    pub(crate) write_left: usize,
    /// Where in `output` the current callback began.
    pub(crate) mark: OutputMark,
    pub(crate) timers: Timers<TimerKey>,
    /// Who has work left though no event will say so, in the order of their turns.
    pub(crate) ready: VecDeque<Token>,
    /// Who closed during this turn.
    pub(crate) closed: Vec<Token>,
    /// Whose pair is to be looked at, and whose partner has ended.
    pub(crate) relays: VecDeque<Relay>,
    pub(crate) spares: SpareBuffers,
    /// What callbacks have asked for.
    pub(crate) commands: VecDeque<Command>,
    /// Whether something was asked for and not done yet, or is to be passed on: looked at in each
    /// turn.
    pub(crate) has_commands: bool,
    /// The most that was asked of the loop itself.
    pub(crate) requested: Option<Request>,
    /// Whether connections to others may be needed: not when the loop ends and nobody is left who
    /// was accepted, since a handler that tries again would hold that up.
    pub(crate) may_connect: bool,
    pub(crate) roster: Roster,
    /// How many connections were made to others.
    pub(crate) outbound_len: usize,
    /// How many bytes the buffers of all connections hold together.
    pub(crate) held_len: usize,
    /// How many connections are held back by output that waits.
    pub(crate) held_back_len: usize,
    /// The counters, and what never changes; how things stand is filled in when somebody asks.
    pub(crate) metrics: Metrics,
    pub(crate) stopwatch: Stopwatch,
}

/// Whose timer it is, and what for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimerKey {
    pub(crate) token: Token,
    pub(crate) purpose: Purpose,
}

/// Something to be done about tied connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Relay {
    /// Something may be possible between this one and its partner.
    Serve(Token),
    /// The partner of `survivor` ended: at once, or in good order.
    Follow { survivor: Token, is_cut: bool },
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

impl Shared {
    /// The memory that a connection takes outside its endpoint: a socket, a timer, a place on the
    /// lists of those that have work and of those that closed, and two on that of the pairs.
    pub(crate) const CONNECTION_LEN: usize = 64 + 2 * size_of::<Relay>();

    pub(crate) fn new(config: Config, capacity: usize, roster: Roster, now: Instant) -> Self {
        Self {
            now,
            due: now,
            output: Output::new(),
            room: config.high_watermark,
            read_left: 0,
            frames_left: 0,
            write_left: 0,
            mark: OutputMark::default(),
            timers: Timers::with_capacity(capacity),
            ready: VecDeque::new(),
            closed: Vec::new(),
            relays: VecDeque::new(),
            spares: SpareBuffers::default(),
            commands: VecDeque::new(),
            has_commands: false,
            requested: None,
            may_connect: true,
            roster,
            outbound_len: 0,
            held_len: 0,
            held_back_len: 0,
            metrics: Metrics::default(),
            stopwatch: Stopwatch::new(now, config.stall_warning),
            config,
        }
    }

    /// Whoever is served next has all of its budgets.
    #[inline]
    pub(crate) const fn begin_event(&mut self) {
        self.read_left = self.config.read_budget;
        self.frames_left = self.config.frame_budget;
        self.write_left = self.config.write_budget;
    }

    /// Whether the output is to be flushed before more is put into it.
    #[inline]
    pub(crate) const fn is_output_full(&self) -> bool {
        self.output.len() >= self.room
    }

    /// Whether the buffers of all connections hold more than they may.
    #[inline]
    pub(crate) const fn is_above_budget(&self) -> bool {
        self.held_len > self.config.memory_budget
    }

    /// Whether something that was just served has taken long, or too much memory.
    #[inline]
    pub(crate) const fn needs_attention(&self) -> bool {
        self.stopwatch.is_long() || self.is_above_budget()
    }

    /// What has happened so far, and how things stand now that there are so many connections.
    pub(crate) fn snapshot(&self, connections_len: usize) -> Metrics {
        Metrics {
            connections: connections_len as u64,
            outbound_connections: self.outbound_len as u64,
            commands_waiting: self.commands.len() as u64,
            held_back: self.held_back_len as u64,
            buffered_bytes: self.held_len as u64,
            timers_armed: self.timers.len() as u64,
            event_time: self.stopwatch.laps().clone(),
            ..self.metrics.clone()
        }
    }

    /// Asks the loop to end; more is never taken back by less.
    pub(crate) fn request(&mut self, request: Request) {
        self.requested = self.requested.max(Some(request));
        self.has_commands = true;
    }

    /// Something is to be done about a pair.
    pub(crate) fn relay(&mut self, relay: Relay) {
        self.relays.push_back(relay);
        self.has_commands = true;
    }

    /// Nobody is left to be served: gives back what only many need.
    pub(crate) fn shrink(&mut self) {
        self.ready.shrink_to(KEPT_LEN);
        self.closed.shrink_to(KEPT_LEN);
        self.relays.shrink_to(KEPT_LEN);
        self.commands.shrink_to(KEPT_LEN);
        self.spares.shrink();
        self.output.shrink(KEPT_OUTPUT_LEN);
    }

    /// Leaves something to be done between callbacks.
    pub(crate) fn command(&mut self, command: Command) {
        self.commands.push_back(command);
        self.has_commands = true;
    }

    /// Whether a tie of this connection was asked for and is not done yet.
    pub(crate) fn is_to_be_tied(&self, token: Token) -> bool {
        self.commands.iter().any(|command| match command {
            Command::Tie(one, other) => token == *one || token == *other,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_were_long_are_short_again_when_nobody_is_left() {
        let mut shared = Shared::new(Config::default(), 0, Roster::new(Vec::new()), Instant::START);
        for slot in 0..20_000 {
            let token = Token::connection(0, slot, 0);
            shared.ready.push_back(token);
            shared.closed.push(token);
            shared.relay(Relay::Serve(token));
            shared.command(Command::Close(token));
        }
        shared.output.put(&[0; 1 << 20]);
        let mut large = shared.spares.take();
        large.append(&[0; 32 * 1024]);
        shared.spares.give_back(large);
        shared.ready.clear();
        shared.closed.clear();
        shared.relays.clear();
        shared.commands.clear();
        shared.output.clear();
        shared.shrink();
        let lists = [shared.ready.capacity(), shared.relays.capacity(), shared.commands.capacity()];
        assert!(lists.iter().all(|room| *room <= 2 * KEPT_LEN), "{lists:?}");
        assert!(shared.closed.capacity() <= KEPT_LEN);
        assert_eq!(shared.spares.take().held_len(), 0, "a large one was kept");
        shared.output.put(b"still there");
        assert_eq!(shared.output.to_vec(), b"still there");
        shared.output.put(&[0; KEPT_OUTPUT_LEN / 2]);
        // A buffer is not taken over whole when most of it would be empty.
        assert!(shared.output.take_whole(0, 1).is_some(), "all the room was kept");
    }

    #[test]
    fn all_of_the_memory_budget_may_be_used_and_no_more() {
        let config = Config { memory_budget: 1000, ..Config::default() };
        let mut shared = Shared::new(config, 0, Roster::new(Vec::new()), Instant::START);
        for (held_len, is_too_much) in [(0, false), (1000, false), (1001, true)] {
            shared.held_len = held_len;
            assert_eq!(shared.is_above_budget(), is_too_much, "{held_len} of 1000");
            assert_eq!(shared.needs_attention(), is_too_much);
        }
    }
}
