//! So many connections of one address at a time.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;

use super::address_key::AddressKey;
use super::address_table::{AddressTable, DEFAULT_PLACES, Place};
use super::{Arrival, ConnectionContext, Middleware, Refusal, Verdict};
use crate::error::CloseReason;

/// Refuses peers at the door whose address has as many connections as it may have: so that one
/// client cannot take the places of all.
///
/// An address is all of an IPv4 address, or the first 64 bits of an IPv6 address. A connection is
/// counted from its opening until its end. What a layer behind this one refuses at the door is
/// never counted.
///
/// # Cost
///
/// A hash and eight comparisons for each peer that comes, opens and closes; nothing per frame. The
/// memory is 13 bytes for each address there is a place for, 32,768 unless told otherwise, and
/// does not grow.
///
/// # Failure mode
///
/// Those behind one address translator share what is meant for one. If more addresses have
/// connections than there are places, those that find none share one limit with a few others, never
/// less strictly. An address may then have its limit, and some of the shared one.
///
/// ```
/// use windlass::Server;
/// use windlass::middleware::PerAddressLimit;
///
/// let server = Server::new().middleware(PerAddressLimit::new(20).farewell("too many of you\r\n"));
/// ```
pub struct PerAddressLimit {
    max: u32,
    counts: AddressTable<u32>,
    refusal: Refusal,
}

impl PerAddressLimit {
    /// At most `max` connections of one address at a time.
    pub fn new(max: u32) -> Self {
        let refusal = Refusal::new("its address has as many connections as it may have");
        Self { max, counts: AddressTable::new(DEFAULT_PLACES, None), refusal }
    }

    /// Says this to whoever is refused.
    #[must_use]
    pub fn farewell(mut self, farewell: impl Into<Bytes>) -> Self {
        self.refusal = self.refusal.farewell(farewell);
        self
    }

    /// Keeps places for so many addresses that have connections; four times as many as can be
    /// expected at a time are enough for nearly everybody to have one to himself.
    ///
    /// # Panics
    ///
    /// If there is no memory for them.
    #[must_use]
    pub fn addresses(mut self, places: usize) -> Self {
        self.counts = self.counts.resized(places);
        self
    }

    /// Makes it foreseeable which addresses share when there are too many, so that a simulation can
    /// be repeated. With real peers it lets them choose whom they share with.
    #[must_use]
    pub fn hash_seed(mut self, seed: u64) -> Self {
        self.counts = self.counts.seeded(seed);
        self
    }

    fn place(&mut self, ip: IpAddr) -> Place {
        self.counts.find(AddressKey::new(ip), |count| *count == 0)
    }
}

impl Middleware for PerAddressLimit {
    fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
        let place = self.place(arrival.ip());
        match self.counts[place] < self.max {
            true => Verdict::Continue,
            false => Verdict::Refuse(self.refusal.clone()),
        }
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        let place = self.place(connection.ip());
        self.counts[place] += 1;
        Verdict::Continue
    }

    fn on_close(&mut self, connection: &mut ConnectionContext<'_>, _: &CloseReason) {
        // Of an address that was counted here and there, its own count is taken down first: that
        // comes to the same in the end, and no connection need remember where it was counted.
        let own = self.place(connection.ip());
        let place = if self.counts[own] > 0 { own } else { own.shared() };
        planted!(AddressCountLeaks, self.counts[place] += 1);
        self.counts[place] -= 1;
    }
}

impl fmt::Debug for PerAddressLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerAddressLimit").field("max", &self.max).finish_non_exhaustive()
    }
}
