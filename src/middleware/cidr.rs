//! A network of addresses, as access rules name it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::Error;

/// All addresses that begin with the same bits: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
///
/// IPv4 addresses that come as IPv6, from `::ffff:0:0/96`, are IPv4 addresses, in a network as in a
/// peer: `::ffff:10.0.0.0/104` is `10.0.0.0/8`. No IPv6 network has IPv4 addresses in it, `::/0`
/// neither; everybody is in `0.0.0.0/0` or in `::/0`.
///
/// ```
/// use windlass::middleware::Cidr;
///
/// let office: Cidr = "10.1.0.0/16".parse()?;
/// assert!(office.contains("10.1.2.3".parse()?));
/// assert!(office.contains("::ffff:10.1.2.3".parse()?));
/// assert!(!office.contains("10.2.0.0".parse()?));
///
/// let error = "10.1.2.3/16".parse::<Cidr>().unwrap_err();
/// assert!(error.to_string().ends_with("write 10.1.0.0/16"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cidr {
    /// The first address of the network.
    address: IpAddr,
    /// How many bits, from the first one, all addresses have in common.
    prefix_len: u8,
}

/// The length of `::ffff:0:0/96`, with which IPv4 addresses begin that are written as IPv6.
const MAPPED_LEN: u8 = 96;

impl Cidr {
    /// The network of all addresses that have the first `prefix_len` bits of this address.
    ///
    /// # Errors
    ///
    /// If the address has fewer bits, or others set beyond those: it is likely meant otherwise.
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<Self, Error> {
        let max_len = max_prefix_len(address);
        if prefix_len > max_len {
            let what = format!("{address}/{prefix_len}: the prefix has 0 to {max_len} bits");
            return Err(Error::new(what));
        }
        let first = first_address(address, prefix_len);
        if first != address {
            let what = format!(
                "{address}/{prefix_len} has bits set beyond the first {prefix_len}: \
                 write {first}/{prefix_len}"
            );
            return Err(Error::new(what));
        }
        Ok(match address.to_canonical() {
            // The prefix has the 96 bits in it, some of which it would else leave out though set.
            IpAddr::V4(v4) if address.is_ipv6() => {
                Self { address: v4.into(), prefix_len: prefix_len - MAPPED_LEN }
            }
            _ => Self { address, prefix_len },
        })
    }

    /// Whether the address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && first_address(address, self.prefix_len) == self.address
    }
}

impl From<IpAddr> for Cidr {
    /// The network of this address alone.
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix_len: max_prefix_len(address) }
    }
}

impl FromStr for Cidr {
    type Err = Error;

    /// Reads `address/bits`, or an address, which stands for itself alone.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, prefix_len)) => (address, Some(prefix_len)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| Error::new(format!("{text:?}: {address:?} is no IPv4 or IPv6 address")))?;
        let Some(prefix_len) = prefix_len else { return Ok(address.into()) };
        let is_number = prefix_len.bytes().all(|byte| byte.is_ascii_digit());
        match prefix_len.parse() {
            Ok(prefix_len) if is_number => Self::new(address, prefix_len),
            _ => {
                let max_len = max_prefix_len(address);
                let what = format!("{text:?}: the prefix is a number from 0 to {max_len}");
                Err(Error::new(what))
            }
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

const fn max_prefix_len(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with all bits cleared but so many.
fn first_address(address: IpAddr, prefix_len: u8) -> IpAddr {
    let others = u32::from(max_prefix_len(address) - prefix_len);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(others).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(others).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        let table = [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.1/32", "192.0.2.1/32"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
            // IPv4 all of them.
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.1/128", "192.0.2.1/32"),
            // Not quite.
            ("::fffe:0:0/95", "::fffe:0:0/95"),
        ];
        for (text, written) in table {
            assert_eq!(cidr(text).to_string(), written, "{text}");
            assert_eq!(cidr(written), cidr(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_right_form() {
        let number = "the prefix is a number from 0 to";
        let table = [
            ("10.1.2.3/8", "10.1.2.3/8 has bits set beyond the first 8: write 10.0.0.0/8"),
            ("10.0.0.1/0", "10.0.0.1/0 has bits set beyond the first 0: write 0.0.0.0/0"),
            ("::1/64", "::1/64 has bits set beyond the first 64: write ::/64"),
            (
                "::ffff:10.0.0.1/104",
                "::ffff:10.0.0.1/104 has bits set beyond the first 104: write ::ffff:10.0.0.0/104",
            ),
            (
                "::ffff:0:0/95",
                "::ffff:0.0.0.0/95 has bits set beyond the first 95: write ::fffe:0:0/95",
            ),
            ("10.0.0.0/33", "10.0.0.0/33: the prefix has 0 to 32 bits"),
            ("::/129", "::/129: the prefix has 0 to 128 bits"),
            ("10.0.0.0/256", &format!("\"10.0.0.0/256\": {number} 32")),
            ("10.0.0.0/", &format!("\"10.0.0.0/\": {number} 32")),
            ("10.0.0.0/+8", &format!("\"10.0.0.0/+8\": {number} 32")),
            ("10.0.0.0/8/8", &format!("\"10.0.0.0/8/8\": {number} 32")),
            ("10.0.0.0/ 8", &format!("\"10.0.0.0/ 8\": {number} 32")),
            ("::/x", &format!("\"::/x\": {number} 128")),
            ("", r#""": "" is no IPv4 or IPv6 address"#),
            ("10.0.0/8", r#""10.0.0/8": "10.0.0" is no IPv4 or IPv6 address"#),
            ("/8", r#""/8": "" is no IPv4 or IPv6 address"#),
            ("localhost\n", r#""localhost\n": "localhost\n" is no IPv4 or IPv6 address"#),
            ("fe80::1%eth0", r#""fe80::1%eth0": "fe80::1%eth0" is no IPv4 or IPv6 address"#),
        ];
        for (text, sentence) in table {
            assert_eq!(text.parse::<Cidr>().unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn a_network_has_its_first_and_last_address_and_none_beyond() {
        let table = [
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", ["9.255.255.255", "11.0.0.0"]),
            ("192.0.2.8/30", "192.0.2.8", "192.0.2.11", ["192.0.2.7", "192.0.2.12"]),
            ("192.0.2.1", "192.0.2.1", "192.0.2.1", ["192.0.2.0", "192.0.2.2"]),
            ("2001:db8::/33", "2001:db8::", "2001:db8:7fff::1", ["2001:db8:8000::", "2001:db7::"]),
            ("::1", "::1", "::1", ["::", "0.0.0.1"]),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", ["::", "::1.2.3.4"]),
            ("::/0", "::", "ffff::", ["0.0.0.0", "::ffff:1.2.3.4"]),
        ];
        for (network, first, last, others) in table {
            let network = cidr(network);
            assert!(network.contains(ip(first)) && network.contains(ip(last)), "{network}");
            for other in others {
                assert!(!network.contains(ip(other)), "{network} {other}");
            }
        }
    }

    #[test]
    fn an_ipv4_peer_is_the_same_in_either_form_to_a_rule_in_either_form() {
        for rule in ["10.0.0.0/8", "::ffff:10.0.0.0/104"] {
            for (peer, is_inside) in [("10.1.2.3", true), ("11.1.2.3", false)] {
                assert_eq!(cidr(rule).contains(ip(peer)), is_inside, "{rule} {peer}");
                let mapped = format!("::ffff:{peer}");
                assert_eq!(cidr(rule).contains(ip(&mapped)), is_inside, "{rule} {mapped}");
            }
        }
    }

    #[test]
    fn addresses_are_inside_by_their_first_bits() {
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let bits = u128::from(random.next()) << 64 | u128::from(random.next());
            let prefix_len = u8::try_from(random.below(129)).unwrap();
            let flipped = u8::try_from(random.below(128)).unwrap();
            let address = IpAddr::from(bits.to_be_bytes());
            let network = Cidr::new(first_address(address, prefix_len), prefix_len).unwrap();
            let other = IpAddr::from((bits ^ 1 << (127 - flipped)).to_be_bytes());
            assert!(network.contains(address));
            assert_eq!(network.contains(other), flipped >= prefix_len, "{network} {other}");
        }
    }
}
