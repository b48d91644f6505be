//! What is to happen later in the simulated world.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use super::SimNetwork;
use crate::instant::Instant;
use crate::network::Readiness;
use crate::token::Token;

/// What the user of the simulation wants done at some moment.
pub(super) type Action = Box<dyn FnOnce(&mut SimNetwork)>;

/// Something that will happen.
pub(super) enum Scheduled {
    /// What the user of the simulation asked for.
    Action(Action),
    /// An event that is late.
    Event { token: Token, facts: Readiness },
    /// A slow peer takes a portion.
    PeerTakes { link: usize },
    /// A peer that found the queue full tries again, for the time it says.
    Knock { link: usize, attempt: u32 },
    /// What a connection of the loop meets at its address shows, for the time it says.
    Dial { link: usize, attempt: u32 },
    /// A datagram arrives that is late.
    Datagram { from: SocketAddr, to: SocketAddr, payload: Vec<u8> },
    /// A UDP socket may have room again.
    Unblock { token: Token },
}

/// All of it, in the order of time; at the same time, in the order in which it was scheduled.
#[derive(Default)]
pub(super) struct Schedule {
    things: BTreeMap<(Instant, u64), Scheduled>,
    count: u64,
}

impl Schedule {
    pub(super) fn add(&mut self, when: Instant, thing: Scheduled) {
        self.things.insert((when, self.count), thing);
        self.count += 1;
    }

    /// When the next thing happens.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.things.first_key_value().map(|((when, _), _)| *when)
    }

    /// How many things have been scheduled up to now: the mark for [`take_due`](Self::take_due).
    pub(super) const fn mark(&self) -> u64 {
        self.count
    }

    /// Takes out the next thing, if it is due at `now` and was scheduled before `mark`: what things
    /// that happen now schedule for now is left for the next time, so that this comes to an end.
    pub(super) fn take_due(&mut self, now: Instant, mark: u64) -> Option<Scheduled> {
        let (&key, _) =
            self.things.range(..=(now, u64::MAX)).find(|((_, number), _)| *number < mark)?;
        self.things.remove(&key)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.things.keys().map(|(when, _)| when)).finish()
    }
}
