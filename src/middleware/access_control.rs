//! Letting peers in or not by where they come from.

use std::net::IpAddr;

use super::cidr::Cidr;
use super::{Arrival, Middleware, Refusal, Verdict};
use crate::batch::Datagram;
use crate::instant::Instant;

/// Lets peers in, and datagrams through, by where they come from.
///
/// Whoever is in a network that is denied is refused. If any network is allowed, whoever is in none
/// of those is refused as well. The order does not matter. An IPv4 address that comes as IPv6 is an
/// IPv4 address, in a rule as in a peer. Nothing is said to those refused.
///
/// # Cost
///
/// A comparison for each network, for each peer that comes and each datagram; nothing per frame.
/// For thousands of networks the system's packet filter is the better place.
///
/// # Failure mode
///
/// The address is the one the connection comes from: behind a proxy, that is the proxy's. Over UDP,
/// senders can be forged.
///
/// ```
/// use windlass::middleware::{AccessControl, Cidr};
/// use windlass::{Error, Server};
///
/// # fn main() -> Result<(), Error> {
/// let office: Cidr = "10.1.0.0/16".parse()?;
/// let guests: Cidr = "10.1.7.0/24".parse()?;
/// let rules = AccessControl::new().allow(office).deny(guests);
/// assert!(!rules.permits([10, 1, 7, 20].into()));
/// let server = Server::new().middleware(rules);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct AccessControl {
    allowed: Vec<Cidr>,
    denied: Vec<Cidr>,
}

impl AccessControl {
    /// Everybody may, until something else is said.
    pub const fn new() -> Self {
        Self { allowed: Vec::new(), denied: Vec::new() }
    }

    /// These may, unless they are [denied](Self::deny); whoever is allowed nowhere may not any
    /// more.
    #[must_use]
    pub fn allow(mut self, network: impl Into<Cidr>) -> Self {
        self.allowed.push(network.into());
        self
    }

    /// These may not, whatever is allowed.
    #[must_use]
    pub fn deny(mut self, network: impl Into<Cidr>) -> Self {
        self.denied.push(network.into());
        self
    }

    /// Whether this address may connect.
    pub fn permits(&self, address: IpAddr) -> bool {
        let is_in = |networks: &[Cidr]| networks.iter().any(|network| network.contains(address));
        !is_in(&self.denied) && (self.allowed.is_empty() || is_in(&self.allowed))
    }

    fn judge(&self, address: IpAddr) -> Verdict {
        match self.permits(address) {
            true => Verdict::Continue,
            false => Verdict::Refuse(Refusal::new("its address is not allowed")),
        }
    }
}

impl Middleware for AccessControl {
    fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
        self.judge(arrival.ip())
    }

    fn on_datagram(&mut self, datagram: &Datagram<'_>, _: Instant) -> Verdict {
        self.judge(datagram.sender.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allowed: &[&str], denied: &[&str]) -> AccessControl {
        let cidr = |text: &str| text.parse::<Cidr>().unwrap();
        let rules =
            allowed.iter().fold(AccessControl::new(), |rules, text| rules.allow(cidr(text)));
        denied.iter().fold(rules, |rules, text| rules.deny(cidr(text)))
    }

    #[test]
    fn denied_wins_and_whoever_is_allowed_nowhere_is_out() {
        let inner = ["10.0.0.0/8", "fd00::/8"];
        let table: &[(&[&str], &[&str], &str, bool)] = &[
            // No rules.
            (&[], &[], "192.0.2.1", true),
            (&[], &[], "::1", true),
            // Some are denied.
            (&[], &inner, "192.0.2.1", true),
            (&[], &inner, "10.1.1.1", false),
            (&[], &inner, "::ffff:10.1.1.1", false),
            (&[], &inner, "fd00::1", false),
            (&[], &inner, "::1", true),
            // Some are allowed.
            (&inner, &[], "10.1.1.1", true),
            (&inner, &[], "::ffff:10.1.1.1", true),
            (&inner, &[], "fd00::1", true),
            (&inner, &[], "192.0.2.1", false),
            (&inner, &[], "::1", false),
            (&inner, &[], "::10.1.1.1", false),
            // Both, whichever is the wider.
            (&inner, &["10.1.0.0/16"], "10.2.1.1", true),
            (&inner, &["10.1.0.0/16"], "10.1.1.1", false),
            (&["10.1.0.0/16"], &inner, "10.1.1.1", false),
            (&["10.1.0.0/16"], &inner, "192.0.2.1", false),
            (&inner, &inner, "10.1.1.1", false),
            // All of one kind.
            (&["0.0.0.0/0"], &[], "192.0.2.1", true),
            (&["0.0.0.0/0"], &[], "::ffff:192.0.2.1", true),
            (&["0.0.0.0/0"], &[], "::1", false),
            (&["::/0"], &[], "192.0.2.1", false),
            (&[], &["::/0"], "::ffff:192.0.2.1", true),
            (&[], &["::ffff:0:0/96"], "192.0.2.1", false),
        ];
        for (allowed, denied, peer, is_permitted) in table {
            let rules = rules(allowed, denied);
            assert_eq!(rules.permits(peer.parse().unwrap()), *is_permitted, "{peer} {rules:?}");
        }
    }

    #[test]
    fn single_addresses_are_rules_too() {
        let peer: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert!(!AccessControl::new().deny(peer).permits("192.0.2.1".parse().unwrap()));
    }
}
