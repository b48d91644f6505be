//! What comes to the DNS server: messages over UDP and TCP, and the zone files it is given.

use std::sync::{Arc, LazyLock};

use super::choices::Choices;

#[path = "../../examples/dns/authority.rs"]
mod authority;
#[path = "../../examples/dns/message.rs"]
mod message;
#[path = "../../examples/dns/name.rs"]
mod name;
#[path = "../../examples/dns/plain_reader.rs"]
mod plain_reader;
#[path = "../../examples/dns/rdata.rs"]
mod rdata;
#[path = "../../examples/dns/records.rs"]
mod records;
#[path = "../../examples/dns/reply.rs"]
mod reply;
#[path = "../../examples/dns/tokens.rs"]
mod tokens;
#[path = "../../examples/dns/zone.rs"]
mod zone;
#[path = "../../examples/dns/zone_file.rs"]
mod zone_file;

use authority::{Authority, Limits, Transport};
use plain_reader::Plain;
use zone::{Found, Zone};

/// The zone that is asked for most, read once.
static SAMPLE: LazyLock<Arc<Zone>> = LazyLock::new(|| {
    let text = include_bytes!("../../examples/dns/example.zone");
    Arc::new(zone_file::read(text, None).expect("the sample is a zone"))
});
/// What a zone file of the fuzzer begins with, so that it need not find out how a zone begins.
const BEGINNING: &[u8] = b"$ORIGIN e.\n$TTL 9\n@ SOA n r 1 2 3 4 5\n@ NS n\n";

/// A message that may be anything, sent to the sample's server.
pub(crate) fn dns(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let amplification = choices.pick(&[8, 1, 2, 3, 1000]);
    let payload_len = choices.pick(&[1232, 512, 4096]);
    let limits = Limits { payload_len, amplification };
    check_answers(&mut Authority::new(Arc::clone(&SAMPLE), limits), limits, choices.rest());
}

/// Asks over UDP and TCP, and checks what is answered.
fn check_answers(authority: &mut Authority, limits: Limits, message: &[u8]) {
    let over_udp = authority.answer(message, Transport::Udp).map(<[u8]>::to_vec);
    let over_tcp = authority.answer(message, Transport::Tcp).map(<[u8]>::to_vec);
    // Neither what is no message nor what is an answer itself has an answer; all else has.
    let is_question = message.len() >= 12 && message[2] & 0x80 == 0;
    assert_eq!((over_udp.is_some(), over_tcp.is_some()), (is_question, is_question));
    let (Some(over_udp), Some(over_tcp)) = (over_udp, over_tcp) else { return };
    assert!(over_udp.len() <= message.len() * usize::from(limits.amplification));
    assert!(over_udp.len() <= usize::from(limits.payload_len));
    for answer in [&over_udp, &over_tcp] {
        assert_eq!(authority.answer(answer, Transport::Udp), None, "an answer is answered");
        let plain = Plain::read(answer);
        assert_eq!(plain.id.to_be_bytes(), message[..2]);
        assert_eq!(plain.flags & 0xf900, 0x8000 | u16::from(message[2] & 0x79) << 8);
        assert!(matches!(plain.rcode(), 0 | 1 | 3 | 4 | 5 | 16), "{}", plain.rcode());
        assert!(plain.rcode() != 5 || !plain.is_authoritative());
        match plain.question {
            Some(_) => assert!(answer[12..].starts_with(question(message))),
            None => assert_eq!((answer.len(), matches!(plain.rcode(), 1 | 4)), (12, true)),
        }
    }
    let [over_udp, over_tcp] = [over_udp, over_tcp].map(|answer| Plain::read(&answer));
    assert!(!over_tcp.is_truncated());
    if over_udp.is_truncated() {
        assert_eq!(over_udp.sections.concat(), [""; 0]);
    } else {
        assert_eq!(over_udp.rcode(), over_tcp.rcode());
        assert_eq!(over_udp.sections[..2], over_tcp.sections[..2]);
        assert!(over_udp.sections[2].iter().all(|record| over_tcp.sections[2].contains(record)));
    }
}

/// The question of a message that has one.
fn question(message: &[u8]) -> &[u8] {
    let mut end = 12;
    while message[end] != 0 {
        end += 1 + usize::from(message[end]);
    }
    &message[12..end + 5]
}

/// A text that may be a zone file.
pub(crate) fn dns_zone(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let is_begun = choices.byte() < 200;
    let rest = choices.rest();
    let text = if is_begun { [BEGINNING, rest].concat() } else { rest.to_vec() };
    match zone_file::read(&text, None) {
        Ok(zone) => check_zone(zone),
        Err(error) => {
            let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
            assert!((1..=lines).contains(&error.line), "line {} of {lines}", error.line);
            let is_line = !error.what.is_empty() && !error.what.contains(char::is_control);
            assert!(is_line && error.what.len() < 2000, "{}", error.what);
        }
    }
}

/// Asks for whatever there is, and for what is beside it.
fn check_zone(zone: Zone) {
    let zone = Arc::new(zone);
    let limits = Limits { payload_len: 512, amplification: 3 };
    let mut authority = Authority::new(Arc::clone(&zone), limits);
    for (name, id) in &zone.ids {
        let found = zone.find(name);
        assert_eq!(found, zone.node(*id).cut.map_or(Found::Node(*id), Found::Cut));
        let beside = [b"\x01?", &name[..]].concat();
        for name in [&name[..], &beside] {
            if name.len() > 255 {
                continue;
            }
            assert!(zone.find(name) != Found::Outside);
            for qtype in [1, 2, 5, 15, 43, 255] {
                let header = [b"\0\x07\x01\0\0\x01\0\0\0\0\0\0", name].concat();
                check_answers(&mut authority, limits, &[&header[..], &[0, qtype, 0, 1]].concat());
            }
        }
    }
}
