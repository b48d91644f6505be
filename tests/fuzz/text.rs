//! What reads text from outside, or shows it: networks of access rules, the examples' options, and
//! what a log shows of what peers sent.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use windlass::middleware::{AccessControl, Cidr, Escaped};

use super::choices::Choices;
use super::options::{Options, Stop};

/// The bits of an address, and how many it has; of IPv4 that comes as IPv6, those of IPv4.
fn bits(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// Whether two addresses have their first `len` bits in common, read from a text such as `::1/64`.
fn have_in_common(one: IpAddr, other: IpAddr, len: u32) -> bool {
    let ((one, width), (other, other_width)) = (bits(one), bits(other));
    width == other_width && (0..len).all(|at| (one ^ other) >> (width - 1 - at) & 1 == 0)
}

/// The address as IPv6: one of IPv4 is written so, too.
const fn as_ipv6(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V6(address.to_ipv6_mapped()),
        IpAddr::V6(_) => address,
    }
}

/// An address near this one: one bit of it is another.
fn neighbour(address: IpAddr, bit: usize) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::from((address.to_bits() ^ 1 << (bit % 32)).to_be_bytes()),
        IpAddr::V6(address) => IpAddr::from((address.to_bits() ^ 1 << (bit % 128)).to_be_bytes()),
    }
}

pub(crate) fn cidr(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let (bit, other) = (choices.byte(), choices.byte());
    let text = String::from_utf8_lossy(choices.rest());
    let network: Cidr = match text.parse() {
        Ok(network) => network,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.contains(char::is_control), "an error is one line: {said:?}");
            return;
        }
    };
    let written = network.to_string();
    assert_eq!(written.parse::<Cidr>().expect("what is written can be read"), network);
    let (address, len) = written.split_once('/').expect("a network is written with its length");
    let address: IpAddr = address.parse().expect("and with an address");
    let len: u32 = len.parse().expect("which is a number");
    assert_eq!(Cidr::new(address, u8::try_from(len).expect("of 8 bits")).ok(), Some(network));
    let near = neighbour(address, bit.into());
    let far = neighbour(near, other.into());
    let mapped = [address, near, far].map(as_ipv6);
    for peer in [address, near, far].into_iter().chain(mapped) {
        let is_inside = have_in_common(address, peer, len);
        assert_eq!(network.contains(peer), is_inside, "{peer} in {network}");
        assert_eq!(AccessControl::new().allow(network).permits(peer), is_inside);
        assert_eq!(AccessControl::new().deny(network).permits(peer), !is_inside);
    }
}

pub(crate) fn escaped(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let max_len = choices.below(80);
    let shown = choices.rest();
    let line = Escaped::bytes(shown).max_len(max_len).to_string();
    assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line:?}");
    assert!(line.len() <= 4 * max_len + 50, "{line:?}");
    let (inside, behind) = line[1..].rsplit_once('"').expect("it ends in a quotation mark");
    let kept = unescape(inside);
    assert_eq!(kept, shown[..shown.len().min(max_len)], "{line:?}");
    let omitted = match shown.len() - kept.len() {
        0 => String::new(),
        1 => " and 1 more byte".to_owned(),
        omitted => format!(" and {omitted} more bytes"),
    };
    assert_eq!(behind, omitted);
    if let Ok(text) = str::from_utf8(shown) {
        assert_eq!(Escaped::text(&text).max_len(max_len).to_string(), line);
    }
}

/// The bytes that are shown like this.
fn unescape(shown: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), shown.as_bytes().iter().copied());
    while let Some(byte) = rest.next() {
        assert_ne!(byte, b'"', "a quotation mark inside: {shown}");
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("something is escaped") {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let mut digit = || char::from(rest.next().expect("two digits")).to_digit(16);
                let value = 16 * digit().expect("a digit") + digit().expect("a digit");
                u8::try_from(value).expect("two digits")
            }
            other => other,
        });
    }
    bytes
}

/// The arguments of a command line, each behind a line's end.
pub(crate) fn options(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let kind = choices.byte();
    let text = String::from_utf8_lossy(choices.rest());
    let mut options = Options::new(text.split('\n').map(OsString::from));
    loop {
        let option = match options.next() {
            Ok(Some(option)) => option,
            Ok(None) | Err(Stop::Help) => return,
            Err(Stop::BadUsage(what)) => return assert_one_line(&what),
        };
        let is_name = |c: char| c == '-' || c.is_ascii_alphanumeric();
        if !option.chars().all(is_name) {
            // No program has such an option, and asks for its value.
            let Stop::BadUsage(what) = options.unknown() else { panic!("nobody asked for help") };
            return assert_one_line(&what);
        }
        if let Err(stop) = read_value(&mut options, kind, &text) {
            let Stop::BadUsage(what) = stop else { panic!("nobody asked for help") };
            return assert_one_line(&what);
        }
    }
}

/// Reads a value of some kind, which must keep what its kind promises.
fn read_value(options: &mut Options, kind: u8, text: &str) -> Result<(), Stop> {
    match kind % 8 {
        0 => _ = options.address()?,
        1 => {
            let size = options.size(2..=1_000_000)?;
            assert!((2..=1_000_000).contains(&size) && has_factor_of(text, size as u128));
        }
        2 => {
            let duration = options.duration()?;
            assert!(duration >= Duration::from_micros(1));
            assert!(has_factor_of(text, duration.as_micros()));
        }
        3 => {
            let rate = options.rate()?;
            assert!(rate.count > 0 && has_factor_of(text, rate.count.into()));
            assert!(rate.period >= Duration::from_micros(1));
        }
        4 => {
            let rate = options.byte_rate()?;
            assert!(rate.count > 0 && has_factor_of(text, rate.count.into()));
        }
        5 => _ = options.network()?,
        6 => assert!((1..=7_u8).contains(&options.number(1..=7_u8)?)),
        _ => assert!(!options.word("a word")?.is_empty()),
    }
    Ok(())
}

/// Whether the text has a number of which this is a multiple, as it is if it was read there; in
/// `-99h`, that is 9.
fn has_factor_of(text: &str, number: u128) -> bool {
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    let ends = numbers.flat_map(|digits| (0..digits.len()).map(|from| &digits[from..]));
    let mut factors = ends.filter_map(|digits| digits.parse::<u128>().ok());
    factors.any(|factor| factor > 0 && number.is_multiple_of(factor))
}

fn assert_one_line(said: &str) {
    assert!(!said.is_empty() && !said.contains(char::is_control), "not one line: {said:?}");
}
