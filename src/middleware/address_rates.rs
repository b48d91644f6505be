//! A rate for each address.

use std::net::IpAddr;
use std::time::Duration;

use super::address_key::AddressKey;
use super::address_table::AddressTable;
use super::gcra::{Gcra, Paid};
use crate::instant::Instant;

/// What each address has taken of a rate that all have alike.
pub(crate) struct AddressRates {
    pub(super) rate: Gcra,
    pub(super) table: AddressTable<Paid>,
}

impl AddressRates {
    /// None of so many addresses has taken anything.
    pub(crate) fn new(rate: Gcra, places: usize) -> Self {
        Self { rate, table: AddressTable::new(places, None) }
    }

    /// Takes `cost` units for the address, or nothing, and says when they may be had.
    pub(crate) fn check(&mut self, ip: IpAddr, now: Instant, cost: u64) -> Result<(), Duration> {
        let rate = self.rate;
        rate.check(self.paid(ip, now), now, cost)
    }

    /// Takes `cost` units for the address, and says how long it is to rest for it.
    pub(crate) fn charge(&mut self, ip: IpAddr, now: Instant, cost: u64) -> Duration {
        let rate = self.rate;
        rate.charge(self.paid(ip, now), now, cost)
    }

    /// Whether the address may have a unit now.
    pub(crate) fn has_left(&mut self, ip: IpAddr, now: Instant) -> bool {
        let mut copy = *self.paid(ip, now);
        self.rate.check(&mut copy, now, 1).is_ok()
    }

    fn paid(&mut self, ip: IpAddr, now: Instant) -> &mut Paid {
        let place = self.table.find(AddressKey::new(ip), |paid| paid.is_settled(now));
        &mut self.table[place]
    }
}
