//! Letting peers in or not by where they come from.

use std::net::IpAddr;

use super::cidr::Cidr;

/// Who may connect, by address.
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
