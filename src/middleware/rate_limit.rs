//! So many connections, frames or bytes of one address per time.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::address_rates::AddressRates;
use super::address_table::DEFAULT_PLACES;
use super::gcra::Gcra;
use super::{Arrival, ConnectionContext, Frame, Interest, Middleware, Refusal, Verdict};
use crate::batch::Datagram;
use crate::instant::Instant;

/// Lets each address have so many connections, frames or bytes per time, and refuses, closes or
/// slows whoever wants more.
///
/// An address is all of an IPv4 address, or the first 64 bits of an IPv6 address; all its
/// connections, at all listeners that have this layer, count together. The rate is exact, in whole
/// numbers, and never adds up what was not used beyond the burst. Bytes are those of whole frames
/// as they came over the wire. A frame of more bytes than the burst passes when all of the burst is
/// there, and whatever comes after it waits until it has been made up for.
///
/// Datagrams are frames: those over the rate are dropped, whatever is to be done otherwise. A limit
/// of connections does not count them.
///
/// # Cost
///
/// For a limit of connections, a hash and eight comparisons for each peer that comes, and nothing
/// per frame; for a limit of frames or bytes, the same for each frame, whose bytes are not looked
/// at. The memory is 26 bytes for each address there is a place for, 32,768 unless told otherwise,
/// and does not grow.
///
/// # Failure mode
///
/// Those behind one address translator share what is meant for one; over UDP, whoever forges a
/// sender uses up what is meant for that sender. An address keeps its place until it has made up
/// for all it took, so nobody gets another burst by coming with other addresses. If more addresses
/// are busy than there are places, those that find none share one rate with a few others, never
/// less strictly.
///
/// ```
/// use std::time::Duration;
/// use windlass::Server;
/// use windlass::middleware::{Over, RateLimit};
///
/// let second = Duration::from_secs(1);
/// let server = Server::new()
///     .middleware(RateLimit::connections(10, second).burst(50))
///     .middleware(RateLimit::bytes(1 << 20, second))
///     .middleware(RateLimit::frames(1_000, second).over(Over::Refuse).farewell("busy\r\n"));
/// ```
pub struct RateLimit {
    of: Of,
    over: Over,
    rates: AddressRates,
    refusal: Refusal,
}

/// What becomes of whoever is over a [`RateLimit`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// What is too much is turned away, with the farewell: a peer at the door, or a frame, which
    /// the handler is not shown, while the connection goes on.
    Refuse,
    /// The connection is closed, after the farewell. A peer at the door is refused.
    Close,
    /// All of it is let through, and then nothing is read from the connection until it has been
    /// made up for: the peer is held back by TCP itself. Meanwhile it keeps its connection, as long
    /// as the timeouts let it.
    Slow,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Connections,
    Frames,
    Bytes,
}

impl RateLimit {
    /// So many connections of an address in each `period`. Those over the rate are refused at the
    /// door.
    ///
    /// # Panics
    ///
    /// If either is zero, or the period longer than the clock's 584 years.
    pub fn connections(count: u32, period: Duration) -> Self {
        Self::new(Of::Connections, Over::Refuse, "too many connections", count, period)
    }

    /// So many frames of an address in each `period`. Those over the rate are slowed.
    ///
    /// # Panics
    ///
    /// As for [`connections`](Self::connections).
    pub fn frames(count: u32, period: Duration) -> Self {
        Self::new(Of::Frames, Over::Slow, "too many frames", count, period)
    }

    /// So many bytes of an address in each `period`. Those over the rate are slowed.
    ///
    /// # Panics
    ///
    /// As for [`connections`](Self::connections).
    pub fn bytes(count: u32, period: Duration) -> Self {
        Self::new(Of::Bytes, Over::Slow, "too many bytes", count, period)
    }

    fn new(of: Of, over: Over, why: &'static str, count: u32, period: Duration) -> Self {
        let rates = AddressRates::new(Gcra::new(count, period), DEFAULT_PLACES);
        Self { of, over, rates, refusal: Refusal::new(why) }
    }

    /// Allows so many at once, of those that were not used before; the default is what there may be
    /// in a period.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.rates.rate = self.rates.rate.with_burst(burst);
        self
    }

    /// What becomes of whoever is over the rate.
    #[must_use]
    pub const fn over(mut self, over: Over) -> Self {
        self.over = over;
        self
    }

    /// Says this to whoever is refused or closed. Of a frame that is refused, it is the answer.
    #[must_use]
    pub fn farewell(mut self, farewell: impl Into<Bytes>) -> Self {
        self.refusal = self.refusal.farewell(farewell);
        self
    }

    /// Keeps places for so many addresses; four times as many as can be expected to be busy at a
    /// time are enough for nearly everybody to have one to himself.
    ///
    /// # Panics
    ///
    /// If there is no memory for them.
    #[must_use]
    pub fn addresses(mut self, places: usize) -> Self {
        self.rates.table = self.rates.table.resized(places);
        self
    }

    /// Makes it foreseeable which addresses share when there are too many, so that a simulation can
    /// be repeated. With real peers it lets them choose whom they share with.
    #[must_use]
    pub fn hash_seed(mut self, seed: u64) -> Self {
        self.rates.table = self.rates.table.seeded(seed);
        self
    }

    fn refuse(&self) -> Verdict {
        Verdict::Refuse(self.refusal.clone())
    }

    /// What a frame of so many bytes takes, if frames are counted.
    const fn cost(&self, len: usize) -> Option<u64> {
        match self.of {
            Of::Connections => None,
            Of::Frames => Some(1),
            Of::Bytes => Some(len as u64),
        }
    }
}

impl Middleware for RateLimit {
    fn interest(&self) -> Interest {
        match self.of {
            Of::Connections => Interest::Nothing,
            Of::Frames | Of::Bytes => Interest::Lengths,
        }
    }

    fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
        let is_judged_here = self.of == Of::Connections && self.over != Over::Slow;
        if is_judged_here && self.rates.check(arrival.ip(), arrival.now, 1).is_err() {
            return self.refuse();
        }
        Verdict::Continue
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        if self.of == Of::Connections && self.over == Over::Slow {
            return slow(self.rates.charge(connection.ip(), connection.now(), 1));
        }
        Verdict::Continue
    }

    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        let Some(cost) = self.cost(frame.wire_len) else { return Verdict::Continue };
        let (ip, now) = (connection.ip(), connection.now());
        if self.over == Over::Slow {
            return slow(self.rates.charge(ip, now, cost));
        }
        if self.rates.check(ip, now, cost).is_ok() {
            return Verdict::Continue;
        }
        if self.over == Over::Close {
            return self.refuse();
        }
        connection.send(self.refusal.farewell.clone());
        Verdict::Consume
    }

    fn on_datagram(&mut self, datagram: &Datagram<'_>, now: Instant) -> Verdict {
        match self.cost(datagram.payload.len()) {
            Some(cost) if self.rates.check(datagram.sender.ip(), now, cost).is_err() => {
                self.refuse()
            }
            _ => Verdict::Continue,
        }
    }
}

const fn slow(wait: Duration) -> Verdict {
    match wait.is_zero() {
        true => Verdict::Continue,
        false => Verdict::Slow(wait),
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("of", &self.of)
            .field("rate", &self.rates.rate)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
