//! Ten million addresses: what they take, and what they cannot do.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use allocation_counter::measure;
use windlass::Instant;
use windlass::middleware::{Arrival, Middleware, PerAddressLimit, RateLimit, Verdict};

use crate::fixture::address;
use crate::gated::Gated;

const MANY: u64 = 10_000_000;
const HOUR: Duration = Duration::from_secs(3600);

/// An arrival from one of 2⁶⁴ networks of 64 bits, or from one of 2³² IPv4 addresses.
fn arrival(number: u64) -> Arrival {
    let ip = match number.is_multiple_of(2) {
        true => IpAddr::from((u128::from(number | 0x2001 << 48) << 64 | 1).to_be_bytes()),
        false => IpAddr::from(u32::try_from(number).expect("few enough").to_be_bytes()),
    };
    let now = Instant::from_nanos(1_000_000 + number);
    Arrival { peer: SocketAddr::new(ip, 4000), listener: address(0), now }
}

fn passes(layer: &mut impl Middleware, arrival: &Arrival) -> bool {
    layer.on_accept(arrival) == Verdict::Continue
}

#[test]
fn ten_million_addresses_take_no_memory_and_nobody_is_forgotten() {
    let mut limit = RateLimit::connections(1, HOUR).hash_seed(1);
    let known: Vec<Arrival> = (0..1000).map(|number| arrival(MANY + number)).collect();
    assert!(known.iter().all(|known| passes(&mut limit, known)), "each has a burst of one");
    let mut admitted = 0;
    let taken = measure(|| {
        for number in 0..MANY {
            admitted += u64::from(passes(&mut limit, black_box(&arrival(number))));
        }
    });
    assert_eq!((taken.count_total, taken.bytes_max), (0, 0));
    // One for each place, and one for each eight that share.
    assert!(admitted <= 32_768 + 4_096 - 1000, "{admitted}");
    assert!(!known.iter().any(|known| passes(&mut limit, known)), "one got another burst");
}

#[test]
fn those_who_only_knock_take_no_place_from_those_who_are_in() {
    let mut limit = PerAddressLimit::new(1).addresses(1000);
    let taken = measure(|| {
        let passed = (0..1_000_000).all(|number| passes(&mut limit, black_box(&arrival(number))));
        assert!(passed, "nobody has a connection");
    });
    assert_eq!((taken.count_total, taken.bytes_max), (0, 0));
}

/// The same through a whole server, and with fewer, since each takes a turn of the loop.
#[test]
fn no_more_senders_than_there_are_records_get_a_datagram_through() {
    let limit = RateLimit::frames(1, HOUR).addresses(1000).hash_seed(1);
    let mut gated = Gated::behind(|server| server.middleware(limit));
    let senders = (0..20_000).map(|number: u32| IpAddr::from((10 << 24 | number).to_be_bytes()));
    let passed = senders.filter(|ip| gated.datagram_passes(&format!("{ip}:4000"), b"hello"));
    // A thousand places, and one more record for each eight of them.
    let passed = passed.count();
    assert!((1000..=1125).contains(&passed), "{passed}");
    assert_eq!(gated.world.reactor.metrics().datagrams_rejected, 20_000 - passed as u64);
}
