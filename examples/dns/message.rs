//! Queries: read once, strictly, from bytes that may be anything.
//!
//! It is written by hand since it is what every query costs: one with EDNS takes 295 instructions,
//! where the crate `domain` takes 985 and `simple-dns` 1,996, and it is no longer than what would
//! have to be asked of what those return.

use super::name::Name;

/// The length of a message's header (RFC 1035, section 4.1.1).
pub(crate) const HEADER_LEN: usize = 12;
/// The type and class behind a question's name.
const QUESTION_TAIL_LEN: usize = 4;
/// The type, class, TTL and length behind a record's owner.
const RECORD_TAIL_LEN: usize = 10;
/// How many additional records are looked at. Besides OPT, a query may have a signature (TSIG,
/// SIG(0)); whoever sends more than this means no question.
const MAX_ADDITIONAL: u16 = 4;

/// Flags in the second pair of a header's bytes.
pub(crate) mod flags {
    pub(crate) const RESPONSE: u16 = 0x8000;
    pub(crate) const OPCODE: u16 = 0x7800;
    pub(crate) const AUTHORITATIVE: u16 = 0x0400;
    pub(crate) const TRUNCATED: u16 = 0x0200;
    pub(crate) const RECURSION_DESIRED: u16 = 0x0100;
}

/// The types that a server has to know (<https://www.iana.org/assignments/dns-parameters>).
pub(crate) mod rtype {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const MX: u16 = 15;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const DNAME: u16 = 39;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const DS: u16 = 43;
    /// From here to 255 no type is one of records: they are asked for, or about the message.
    pub(crate) const FIRST_META: u16 = 128;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;
}

/// The classes that are answered.
pub(crate) mod class {
    pub(crate) const IN: u16 = 1;
    pub(crate) const ANY: u16 = 255;
}

/// How a query was answered (RFC 1035, section 4.1.1; RFC 6891, section 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub(crate) enum Rcode {
    NoError = 0,
    FormErr = 1,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    BadVers = 16,
}

/// What EDNS adds to a query (RFC 6891, section 6.1.3). Its options are left alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Edns {
    /// The longest UDP message the asker can take, as it says.
    pub(crate) payload_len: u16,
    pub(crate) version: u8,
    pub(crate) wants_dnssec: bool,
}

/// A query with its one question; the question's name is beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Query<'a> {
    /// The header and the question, as they came.
    pub(crate) head: &'a [u8],
    pub(crate) qtype: u16,
    pub(crate) qclass: u16,
    pub(crate) edns: Option<Edns>,
}

/// Why a message is no query that can be answered as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unanswerable {
    /// It is too short to be a message, or an answer itself: whoever answered that might be
    /// answered again, for ever.
    Silently,
    /// Its header can be answered, with this.
    With(Rcode),
}

const MALFORMED: Unanswerable = Unanswerable::With(Rcode::FormErr);

impl<'a> Query<'a> {
    /// Reads a query, and its name into `name`.
    pub(crate) fn read(message: &'a [u8], name: &mut Name) -> Result<Self, Unanswerable> {
        let [_, _, high, low, counts @ ..] =
            message.first_chunk::<HEADER_LEN>().ok_or(Unanswerable::Silently)?;
        let bits = u16::from_be_bytes([*high, *low]);
        if bits & flags::RESPONSE != 0 {
            return Err(Unanswerable::Silently);
        }
        if bits & flags::OPCODE != 0 {
            return Err(Unanswerable::With(Rcode::NotImp));
        }
        // One question, and neither an answer nor, unless a transfer is asked for, an authority.
        let [0, 1, 0, 0, authority @ .., _, _] = counts else { return Err(MALFORMED) };
        let additional = u16::from_be_bytes([counts[6], counts[7]]);
        let name_end = name.read(message, HEADER_LEN).ok_or(MALFORMED)?;
        let tail = message.get(name_end..).and_then(<[u8]>::first_chunk).ok_or(MALFORMED)?;
        let [t1, t2, c1, c2]: [u8; QUESTION_TAIL_LEN] = *tail;
        let (qtype, qclass) = (u16::from_be_bytes([t1, t2]), u16::from_be_bytes([c1, c2]));
        let head_end = name_end + QUESTION_TAIL_LEN;
        let head = &message[..head_end];
        if *authority == [0, 1] && qtype == rtype::IXFR {
            return Ok(Self { head, qtype, qclass, edns: None });
        }
        if *authority != [0, 0] || additional > MAX_ADDITIONAL {
            return Err(MALFORMED);
        }
        let edns = read_additional(message, head_end, additional).ok_or(MALFORMED)?;
        Ok(Self { head, qtype, qclass, edns })
    }
}

/// What the additional records, which begin at `at` and end the message, say of EDNS. Nothing if
/// they are malformed, or there are two of EDNS.
fn read_additional(message: &[u8], mut at: usize, count: u16) -> Option<Option<Edns>> {
    let mut edns = None;
    for _ in 0..count {
        let (is_root, owner_end) = read_owner(message, at)?;
        let tail: &[u8; RECORD_TAIL_LEN] = message.get(owner_end..)?.first_chunk()?;
        let [t1, t2, p1, p2, _, version, z, _, l1, l2] = *tail;
        let data_at = owner_end + RECORD_TAIL_LEN;
        let data_len = usize::from(u16::from_be_bytes([l1, l2]));
        let data = message.get(data_at..data_at + data_len)?;
        at = data_at + data_len;
        if u16::from_be_bytes([t1, t2]) == rtype::OPT {
            if !is_root || edns.is_some() || !are_options(data) {
                return None;
            }
            let payload_len = u16::from_be_bytes([p1, p2]);
            edns = Some(Edns { payload_len, version, wants_dnssec: z & 0x80 != 0 });
        }
    }
    (at == message.len()).then_some(edns)
}

/// Whether the record at `at` belongs to the root, as that of EDNS must, and where its owner ends.
fn read_owner(message: &[u8], at: usize) -> Option<(bool, usize)> {
    if message.get(at) == Some(&0) {
        return Some((true, at + 1));
    }
    let mut owner = Name::new();
    let end = owner.read(message, at)?;
    Some((owner.as_bytes() == [0], end))
}

/// Whether this is options, one behind the other, of whatever kind (RFC 6891, section 6.1.2).
fn are_options(mut data: &[u8]) -> bool {
    while let [_, _, l1, l2, rest @ ..] = data {
        let len = usize::from(u16::from_be_bytes([*l1, *l2]));
        let Some(behind) = rest.get(len..) else { return false };
        data = behind;
    }
    data.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x01A\x01e\0\0\x01\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x10\x00\0\0\x80\0\0\0";

    fn message(flags: u16, counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd];
        for number in [flags, counts[0], counts[1], counts[2], counts[3]] {
            message.extend(number.to_be_bytes());
        }
        message.extend(rest.concat());
        message
    }

    fn read(message: &[u8]) -> Result<Query<'_>, Unanswerable> {
        Query::read(message, &mut Name::new())
    }

    #[test]
    fn a_query_has_a_question_and_perhaps_edns() {
        let mut name = Name::new();
        let plain = message(0x0100, [1, 0, 0, 0], &[QUESTION]);
        let query = Query { head: &plain, qtype: 1, qclass: 1, edns: None };
        assert_eq!(Query::read(&plain, &mut name), Ok(query));
        assert_eq!(name.as_bytes(), b"\x01a\x01e\0");
        let extended = message(0, [1, 0, 0, 1], &[QUESTION, OPT]);
        let edns = Edns { payload_len: 4096, version: 0, wants_dnssec: true };
        let read = read(&extended).unwrap();
        assert_eq!((read.edns, read.head), (Some(edns), &extended[..extended.len() - OPT.len()]));
    }

    #[test]
    fn what_is_too_short_or_an_answer_is_passed_over_in_silence() {
        let query = message(0, [1, 0, 0, 0], &[QUESTION]);
        for len in 0..query.len() {
            let short = if len < HEADER_LEN { Unanswerable::Silently } else { MALFORMED };
            assert_eq!(read(&query[..len]), Err(short), "{len}");
        }
        for flags in [0x8000, 0x8180, 0xa800, 0xffff] {
            let answer = message(flags, [1, 0, 0, 0], &[QUESTION]);
            assert_eq!(read(&answer), Err(Unanswerable::Silently), "{flags:x}");
        }
    }

    #[test]
    fn an_operation_other_than_to_query_is_not_implemented() {
        for opcode in 1..16 {
            let other = message(opcode << 11, [1, 0, 0, 0], &[QUESTION]);
            assert_eq!(read(&other), Err(Unanswerable::With(Rcode::NotImp)), "{opcode}");
        }
    }

    #[test]
    fn counts_that_no_query_has_are_refused() {
        for counts in [
            [0, 0, 0, 0],
            [2, 0, 0, 0],
            [0x0101, 0, 0, 0],
            [1, 1, 0, 0],
            [1, 0, 1, 0],
            [1, 0, 0, 1],
            [1, 0, 0, 0xffff],
        ] {
            assert_eq!(read(&message(0, counts, &[QUESTION])), Err(MALFORMED), "{counts:?}");
        }
        // A transfer names the version it knows.
        let transfer = message(0, [1, 0, 1, 0], &[b"\x01e\0\0\xfb\0\x01", b"\x01e\0..."]);
        assert_eq!(read(&transfer).map(|query| query.qtype), Ok(rtype::IXFR));
    }

    #[test]
    fn additional_records_other_than_edns_are_passed_over() {
        let other = b"\xc0\x0c\0\x10\0\x01\0\0\0\0\0\x02hi";
        let records = [QUESTION, other, OPT, other];
        let read_them = message(0, [1, 0, 0, 3], &records);
        assert!(read(&read_them).unwrap().edns.is_some());
        for len in HEADER_LEN..read_them.len() {
            assert_eq!(read(&read_them[..len]), Err(MALFORMED), "{len}");
        }
        let five = message(0, [1, 0, 0, 5], &[QUESTION, &other.repeat(5)]);
        assert_eq!(read(&five), Err(MALFORMED));
        let four = message(0, [1, 0, 0, 4], &[QUESTION, &other.repeat(4)]);
        assert_eq!(read(&four).map(|query| query.edns), Ok(None));
    }

    #[test]
    fn edns_that_breaks_its_rules_is_refused() {
        for (count, records) in [
            (2, &[OPT, OPT][..]),                                 // twice
            (1, &[b"\x01e\0\0\x29\x10\0\0\0\0\0\0\0"]),           // not the root's
            (1, &[b"\xc0\x0c\0\x29\x10\0\0\0\0\0\0\0"]),          // the same, by a pointer
            (1, &[b"\0\0\x29\x10\0\0\0\0\0\0\x03\0\x01\0"]),      // half an option
            (1, &[b"\0\0\x29\x10\0\0\0\0\0\0\x05\0\x01\0\x02x"]), // a longer one than there is
            (1, &[OPT, b"more"]),                                 // bytes behind it
        ] {
            let refused = message(0, [1, 0, 0, count], &[QUESTION, &records.concat()]);
            assert_eq!(read(&refused), Err(MALFORMED), "{records:?}");
        }
        let unknown = b"\0\0\x29\x02\0\0\0\0\0\0\x0b\xfd\xe9\0\x03abc\0\x0a\0\0";
        let query = message(0, [1, 0, 0, 1], &[QUESTION, unknown]);
        let edns = Edns { payload_len: 512, version: 0, wants_dnssec: false };
        assert_eq!(read(&query).map(|query| query.edns), Ok(Some(edns)));
    }
}
