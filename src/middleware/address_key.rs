//! What counts as one address when a layer keeps account of who does what.

use std::net::IpAddr;

/// The key under which a layer keeps account of an address: all of an IPv4 address, and of an IPv6
/// address the first 64 bits, since whoever has one such network has 2⁶⁴ addresses.
///
/// An IPv4 address that comes as IPv6 (`::ffff:192.0.2.1`) has the key of the IPv4 address. Ports
/// and scopes are not part of it: nobody gets another identity by another port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct AddressKey(u64);

/// IPv4 addresses are where no IPv6 peer is: at `ffff:ffff::/32`, which is multicast, and from
/// there nothing is sent.
const IPV4: u64 = 0xffff_ffff << 32;

impl AddressKey {
    pub(super) fn new(address: IpAddr) -> Self {
        let canonical = if planted!(MappedIsAnother) { address } else { address.to_canonical() };
        match canonical {
            IpAddr::V4(address) => Self(IPV4 | u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }

    pub(super) const fn to_bits(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{Ipv4Addr, SocketAddr};

    use super::super::random::Random;
    use super::*;

    fn key(address: &str) -> AddressKey {
        AddressKey::new(address.parse().unwrap())
    }

    fn key_of_peer(peer: &str) -> AddressKey {
        AddressKey::new(peer.parse::<SocketAddr>().unwrap().ip())
    }

    #[test]
    fn ports_and_scopes_make_no_difference() {
        assert_eq!(key_of_peer("192.0.2.1:1"), key_of_peer("192.0.2.1:65535"));
        assert_eq!(key_of_peer("[fe80::1%1]:1"), key_of_peer("[fe80::1%2]:2"));
    }

    #[test]
    fn ipv4_in_ipv6_is_the_ipv4_address() {
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"));
        assert_ne!(key("::ffff:192.0.2.1"), key("::1"), "the same /64, but not as they are meant");
    }

    #[test]
    fn ipv6_counts_by_its_first_64_bits() {
        assert_eq!(key("2001:db8:0:1::"), key("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:0:1::"), key("2001:db8:0:2::"));
        assert_ne!(key("2001:db8::"), key("2001:db9::"));
        assert_ne!(key("0:0:c000:201::"), key("192.0.2.1"), "whose bits are the same");
    }

    #[test]
    fn addresses_have_the_same_key_only_where_they_count_as_one() {
        let mut random = Random::new(1);
        let mut addresses_by_key: HashMap<AddressKey, IpAddr> = HashMap::new();
        for _ in 0..100_000 {
            let bits = u32::try_from(random.next() >> 32).unwrap();
            let v4 = IpAddr::from(Ipv4Addr::from_bits(bits));
            let v6 = IpAddr::from(
                // Unicast, the way addresses are given out.
                (u128::from(random.next() >> 3 | 1 << 61) << 64 | u128::from(random.next()))
                    .to_be_bytes(),
            );
            for address in [v4, v6] {
                let other = addresses_by_key.insert(AddressKey::new(address), address);
                assert!(other.is_none_or(|other| other == address), "{address} {other:?}");
            }
        }
    }
}
