//! What is answered to a message: the algorithm of RFC 1034, section 4.3.2, and its limits.

use std::sync::Arc;

use super::message::{HEADER_LEN, Query, Rcode, Unanswerable, class, rtype};
use super::name::Name;
use super::reply::{MAX_MESSAGE_LEN, Outcome, Reply, Section};
use super::zone::{Found, Node, Set, Zone};

/// What every asker can take over UDP (RFC 1035, section 4.2.1).
const LEAST_PAYLOAD_LEN: usize = 512;
/// How many CNAMEs follow on one another. It bounds an answer; who needs more has lost his way.
/// A zone with longer chains, or with circles, is refused when it is read.
pub(crate) const MAX_CHAIN: usize = 16;

/// How a message has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    /// Whoever it claims to be from.
    Udp,
    /// From whom it claims to be from: the handshake has shown it.
    Tcp,
}

/// How long an answer over UDP can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// In bytes, however much the asker can take.
    pub(crate) payload_len: u16,
    /// As a multiple of the query, whose sender may be forged.
    pub(crate) amplification: u16,
}

/// Answers for one zone.
pub(crate) struct Authority {
    zone: Arc<Zone>,
    limits: Limits,
    name: Name,
    reply: Reply,
}

impl Authority {
    pub(crate) fn new(zone: Arc<Zone>, limits: Limits) -> Self {
        Self { zone, limits, name: Name::new(), reply: Reply::new() }
    }

    /// The answer to a message, if there is to be one.
    pub(crate) fn answer(&mut self, message: &[u8], transport: Transport) -> Option<&[u8]> {
        let query = match Query::read(message, &mut self.name) {
            Ok(query) => query,
            Err(Unanswerable::Silently) => return None,
            Err(Unanswerable::With(rcode)) => return Some(self.reply.only_header(message, rcode)),
        };
        let limit = match transport {
            Transport::Udp => self.limits.udp(&query, message.len()),
            Transport::Tcp => MAX_MESSAGE_LEN,
        };
        self.reply.start(query.head, limit, query.edns.is_some());
        let outcome = self.look_up(&query);
        Some(self.reply.finish(outcome, query.edns, self.limits.payload_len))
    }

    /// Writes what there is, if it is for this zone to say.
    fn look_up(&mut self, query: &Query<'_>) -> Outcome {
        if query.edns.is_some_and(|edns| edns.version > 0) {
            return Outcome::without_records(Rcode::BadVers);
        }
        let found = match (query.qclass, query.qtype) {
            // Transfers are for secondaries, of which there are none.
            (_, rtype::IXFR | rtype::AXFR) => Found::Outside,
            (class::IN | class::ANY, _) => self.zone.find(self.name.as_bytes()),
            _ => Found::Outside,
        };
        if found == Found::Outside {
            return Outcome::without_records(Rcode::Refused);
        }
        self.reply.set_apex_len(self.zone.apex.len());
        let (name_len, qtype) = (self.name.as_bytes().len(), query.qtype);
        let mut writer = Writer { zone: &self.zone, reply: &mut self.reply, qtype };
        let mut outcome = writer.follow(found, Owner { at: HEADER_LEN, len: name_len });
        // An answer for any class is never authoritative (RFC 1035, section 6.2).
        outcome.is_authoritative &= query.qclass == class::IN;
        outcome
    }
}

impl Limits {
    /// How long the answer to this query can be. It is at least as long as the query, in which
    /// there is room for an answer without records.
    fn udp(self, query: &Query<'_>, message_len: usize) -> usize {
        let taken = query.edns.map_or(0, |edns| edns.payload_len.into()).max(LEAST_PAYLOAD_LEN);
        let most = usize::from(self.payload_len).max(LEAST_PAYLOAD_LEN);
        taken.min(most).min(message_len.saturating_mul(self.amplification.into()))
    }
}

impl Outcome {
    const fn without_records(rcode: Rcode) -> Self {
        Self { rcode, is_authoritative: false, is_truncated: false }
    }

    const fn authoritative(rcode: Rcode) -> Self {
        Self { rcode, is_authoritative: true, is_truncated: false }
    }

    /// The same if there was room for what had to be put, and otherwise truncated.
    const fn if_there_was(mut self, room: bool) -> Self {
        self.is_truncated = !room;
        self
    }
}

/// The name whose records are looked for, where it is in the answer.
#[derive(Clone, Copy)]
struct Owner {
    at: usize,
    len: usize,
}

/// Writes what was found.
struct Writer<'a> {
    zone: &'a Zone,
    reply: &'a mut Reply,
    qtype: u16,
}

impl Writer<'_> {
    /// Writes what was found for the question's name, which may stand for another name, and so on.
    fn follow(&mut self, mut found: Found, mut owner: Owner) -> Outcome {
        // The first name, and those that its chain leads to.
        for _ in 0..=MAX_CHAIN {
            let node = match found {
                Found::Node(id) => self.zone.node(id),
                Found::Cut(id) => {
                    let cut = self.zone.node(id);
                    let is_cut_itself = usize::from(cut.name_len) == owner.len;
                    if !(is_cut_itself && self.qtype == rtype::DS) {
                        return self.refer(cut, owner);
                    }
                    // Of all that is at a cut, this alone is for the zone above to say (RFC 4035,
                    // section 3.1.4.1).
                    cut
                }
                Found::Nothing => return self.deny(Rcode::NxDomain),
                Found::Outside => break,
            };
            if let Some(set) = node.answer_to(self.qtype) {
                return self.answer(set, owner);
            }
            let Some(set) = node.set(rtype::CNAME) else { return self.deny(Rcode::NoError) };
            let Some(alias) = &set.alias else { break };
            let start = self.reply.len();
            if !self.reply.put(Section::Answer, set, owner.at) {
                return Outcome::authoritative(Rcode::NoError).if_there_was(false);
            }
            owner = Owner { at: start + usize::from(alias.at), len: alias.name_len.into() };
            found = alias.leads_to;
        }
        Outcome::authoritative(Rcode::NoError)
    }

    /// There are such records.
    fn answer(&mut self, set: &Set, owner: Owner) -> Outcome {
        let start = self.reply.len();
        let has_room = self.reply.put(Section::Answer, set, owner.at);
        if has_room {
            // What is left out here can be asked for.
            let _ = self.put_addresses(set, start);
        }
        Outcome::authoritative(Rcode::NoError).if_there_was(has_room)
    }

    /// There is no such name, or no such record of it. The SOA record says for how long (RFC 2308,
    /// section 2).
    fn deny(&mut self, rcode: Rcode) -> Outcome {
        let soa = &self.zone.negative_soa;
        let has_room = self.reply.put(Section::Authority, soa, self.reply.apex_at());
        Outcome::authoritative(rcode).if_there_was(has_room)
    }

    /// Others know: these, to be found there. Only what led there is said with authority.
    fn refer(&mut self, cut: &Node, owner: Owner) -> Outcome {
        let mut outcome = Outcome::authoritative(Rcode::NoError);
        outcome.is_authoritative = owner.at != HEADER_LEN;
        let Some(servers) = cut.set(rtype::NS) else { return outcome };
        let start = self.reply.len();
        let cut_at = owner.at + owner.len - usize::from(cut.name_len);
        let has_room = self.reply.put(Section::Authority, servers, cut_at)
            && self.put_addresses(servers, start);
        outcome.if_there_was(has_room)
    }

    /// Puts the addresses of what a set, which begins at `start`, names. Says whether all those
    /// found room without which nobody could go on.
    fn put_addresses(&mut self, set: &Set, start: usize) -> bool {
        let mut has_room = true;
        for target in &set.targets {
            for addresses in self.zone.node(target.addresses).addresses() {
                let owner_at = start + usize::from(target.at);
                let is_put = self.reply.put(Section::Additional, addresses, owner_at);
                has_room &= is_put || !target.is_needed;
            }
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain_reader::{Plain, PlainEdns};
    use super::super::zone_file;
    use super::*;

    const ZONE: &str = "
$ORIGIN e.test.
$TTL 60
@ SOA ns1 root 1 2 3 4 30
@ NS ns1
ns1 A 192.0.2.1
www CNAME Web
web CNAME ns1
LoSt CNAME nowhere
out CNAME www.elsewhere.test.
down CNAME a.sub
*.wild A 192.0.2.2
*.wild MX 1 ns1
*.wild TXT 0123456789012345678901234567890123456789012345678901234567890123456789
*.alias CNAME x.wild
host.wild TXT only
a.b.empty A 192.0.2.3
sub NS ns.sub
sub NS ns1
sub TXT occluded
sub DS 1 2 3 00
ns.sub AAAA 2001:db8::1
big TXT 0123456789012345678901234567890123456789012345678901234567890123456789
big TXT 1123456789012345678901234567890123456789012345678901234567890123456789
big TXT 2123456789012345678901234567890123456789012345678901234567890123456789
big A 192.0.2.4
huge TXT 0123456789012345678901234567890123456789012345678901234567890123456789
huge TXT 1123456789012345678901234567890123456789012345678901234567890123456789
huge TXT 2123456789012345678901234567890123456789012345678901234567890123456789
huge TXT 3123456789012345678901234567890123456789012345678901234567890123456789
huge TXT 4123456789012345678901234567890123456789012345678901234567890123456789
huge TXT 5123456789012345678901234567890123456789012345678901234567890123456789
huge TXT 6123456789012345678901234567890123456789012345678901234567890123456789
twice MX 1 ns1
twice MX 2 ns1
srv SRV 1 2 3 ns1
";
    const UNLIMITED: Limits = Limits { payload_len: 4096, amplification: 1000 };
    const SOA: &str = "e.test. 30 SOA ns1.e.test. root.e.test. 1 2 3 4 30";

    fn authority(limits: Limits) -> Authority {
        Authority { limits, ..authority_of(ZONE) }
    }

    fn authority_of(zone: &str) -> Authority {
        let zone = zone_file::read(zone.as_bytes(), None).expect("a zone of the test");
        Authority::new(Arc::new(zone), UNLIMITED)
    }

    /// A query for a name and a type, with EDNS if it says how long an answer can be.
    fn query(name: &str, qtype: u16, edns: Option<u16>) -> Vec<u8> {
        let mut query = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0".to_vec();
        query.push(edns.is_some().into());
        for label in name.split('.').filter(|label| !label.is_empty()) {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label.as_bytes());
        }
        query.push(0);
        query.extend(qtype.to_be_bytes());
        query.extend([0, 1]);
        if let Some(payload_len) = edns {
            let [p1, p2] = payload_len.to_be_bytes();
            query.extend([0, 0, 41, p1, p2, 0, 0, 0, 0, 0, 0]);
        }
        query
    }

    fn ask(name: &str, qtype: u16) -> Plain {
        let mut authority = authority(UNLIMITED);
        let answer = authority.answer(&query(name, qtype, None), Transport::Udp);
        Plain::read(answer.expect("a query is answered"))
    }

    /// Asserts what a name and a type are answered with.
    #[track_caller]
    fn assert_answer(name: &str, qtype: u16, rcode: Rcode, sections: [&[&str]; 3]) {
        let plain = ask(name, qtype);
        let has_authority = rcode != Rcode::Refused
            && (sections[1].is_empty() || sections[1] == [SOA] || !sections[0].is_empty());
        assert_eq!(plain.sections, sections, "{name}");
        assert_eq!(plain.rcode(), rcode as u16, "{name}");
        assert_eq!(plain.is_authoritative(), has_authority, "{name}");
        assert_eq!(plain.flags & 0xfb00, 0x8100, "an answer, not truncated: {name}");
        assert_eq!((plain.id, plain.question), (0xabcd, Some(format!("{name} {qtype} 1"))));
    }

    #[test]
    fn a_chain_of_aliases_is_followed_and_its_end_is_what_counts() {
        let chain = ["www.e.test. 60 CNAME Web.e.test.", "Web.e.test. 60 CNAME ns1.e.test."];
        let all = [chain[0], chain[1], "ns1.e.test. 60 A 192.0.2.1"];
        assert_answer("www.e.test.", rtype::A, Rcode::NoError, [&all, &[], &[]]);
        assert_answer("www.e.test.", rtype::AAAA, Rcode::NoError, [&chain, &[SOA], &[]]);
        assert_answer("www.e.test.", rtype::CNAME, Rcode::NoError, [&chain[..1], &[], &[]]);
        let lost = ["lost.e.test. 60 CNAME nowhere.e.test."];
        assert_answer("lost.e.test.", rtype::A, Rcode::NxDomain, [&lost, &[SOA], &[]]);
        let out = ["out.e.test. 60 CNAME www.elsewhere.test."];
        assert_answer("out.e.test.", rtype::A, Rcode::NoError, [&out, &[], &[]]);
        let down = ["down.e.test. 60 CNAME a.sub.e.test."];
        let servers = ["sub.e.test. 60 NS ns.sub.e.test.", "sub.e.test. 60 NS ns1.e.test."];
        let addresses = ["ns.sub.e.test. 60 AAAA 2001:db8::1", "ns1.e.test. 60 A 192.0.2.1"];
        assert_answer("down.e.test.", rtype::A, Rcode::NoError, [&down, &servers, &addresses]);
    }

    #[test]
    fn a_wildcard_stands_in_for_what_does_not_exist() {
        for name in ["x.wild.e.test.", "x.y.wild.e.test.", "*.wild.e.test."] {
            let record = format!("{name} 60 A 192.0.2.2");
            assert_answer(name, rtype::A, Rcode::NoError, [&[&record], &[], &[]]);
        }
        let mx = ["x.wild.e.test. 60 MX 1 ns1.e.test."];
        let address = ["ns1.e.test. 60 A 192.0.2.1"];
        assert_answer("x.wild.e.test.", rtype::MX, Rcode::NoError, [&mx, &[], &address]);
        // What exists has only what it has, and so do names below it.
        assert_answer("host.wild.e.test.", rtype::A, Rcode::NoError, [&[], &[SOA], &[]]);
        assert_answer("x.host.wild.e.test.", rtype::A, Rcode::NxDomain, [&[], &[SOA], &[]]);
        assert_answer("x.*.wild.e.test.", rtype::A, Rcode::NxDomain, [&[], &[SOA], &[]]);
        assert_answer("wild.e.test.", rtype::A, Rcode::NoError, [&[], &[SOA], &[]]);
        let chain = ["q.alias.e.test. 60 CNAME x.wild.e.test.", "x.wild.e.test. 60 A 192.0.2.2"];
        assert_answer("q.alias.e.test.", rtype::A, Rcode::NoError, [&chain, &[], &[]]);
    }

    #[test]
    fn nothing_is_told_from_no_such_records() {
        assert_answer("nope.e.test.", rtype::A, Rcode::NxDomain, [&[], &[SOA], &[]]);
        assert_answer("ns1.e.test.", rtype::AAAA, Rcode::NoError, [&[], &[SOA], &[]]);
        // Names that only have names below them exist.
        assert_answer("b.empty.e.test.", rtype::A, Rcode::NoError, [&[], &[SOA], &[]]);
        assert_answer("empty.e.test.", rtype::A, Rcode::NoError, [&[], &[SOA], &[]]);
        assert_answer("c.empty.e.test.", rtype::A, Rcode::NxDomain, [&[], &[SOA], &[]]);
    }

    #[test]
    fn below_a_cut_others_are_named_and_nothing_is_said_with_authority() {
        let servers = ["sub.e.test. 60 NS ns.sub.e.test.", "sub.e.test. 60 NS ns1.e.test."];
        let addresses = ["ns.sub.e.test. 60 AAAA 2001:db8::1", "ns1.e.test. 60 A 192.0.2.1"];
        for (name, qtype) in [
            ("sub.e.test.", rtype::NS),
            ("sub.e.test.", 16),
            ("ns.sub.e.test.", rtype::AAAA),
            ("x.y.sub.e.test.", rtype::DS),
        ] {
            assert_answer(name, qtype, Rcode::NoError, [&[], &servers, &addresses]);
        }
        // But this the zone above has to say.
        let ds = ["sub.e.test. 60 TYPE43 \\x00\\x01\\x02\\x03\\x00"];
        assert_answer("sub.e.test.", rtype::DS, Rcode::NoError, [&ds, &[], &[]]);
    }

    #[test]
    fn other_zones_classes_and_transfers_are_refused() {
        for (name, qtype) in [
            ("test.", rtype::A),
            (".", rtype::NS),
            ("xe.test.", rtype::A),
            ("e.test.", rtype::AXFR),
            ("e.test.", rtype::IXFR),
        ] {
            assert_answer(name, qtype, Rcode::Refused, [&[], &[], &[]]);
        }
        // One label, which ends as the zone's name begins.
        assert_eq!(ask("x\u{1}e.test.", rtype::A).rcode(), Rcode::Refused as u16);
        let mut chaos = query("e.test.", rtype::A, None);
        *chaos.last_mut().unwrap() = 3;
        let mut authority = authority(UNLIMITED);
        let refused = authority.answer(&chaos, Transport::Tcp).map(Plain::read).unwrap();
        assert_eq!(refused.rcode(), Rcode::Refused as u16);
        // Any class is this one, but not with authority for all.
        *chaos.last_mut().unwrap() = 255;
        let any = authority.answer(&chaos, Transport::Tcp).map(Plain::read).unwrap();
        assert_eq!((any.rcode(), any.is_authoritative(), any.sections[1].len()), (0, false, 1));
    }

    #[test]
    fn any_type_is_answered_with_the_shortest_of_them() {
        let address = ["big.e.test. 60 A 192.0.2.4"];
        assert_answer("big.e.test.", rtype::ANY, Rcode::NoError, [&address, &[], &[]]);
        assert_answer("empty.e.test.", rtype::ANY, Rcode::NoError, [&[], &[SOA], &[]]);
    }

    #[test]
    fn letters_are_compared_without_their_case_and_given_back_with_it() {
        let record = ["nS1.e.TesT. 60 A 192.0.2.1"];
        assert_answer("nS1.e.TesT.", rtype::A, Rcode::NoError, [&record, &[], &[]]);
    }

    #[test]
    fn an_answer_over_udp_is_no_longer_than_the_limits_allow() {
        let limits = Limits { payload_len: 1232, amplification: 8 };
        for (edns, transport, limits, limit) in [
            (None, Transport::Udp, limits, 8 * 29),
            (None, Transport::Udp, UNLIMITED, 512),
            (Some(100), Transport::Udp, UNLIMITED, 512),
            (Some(65_535), Transport::Udp, Limits { payload_len: 512, ..UNLIMITED }, 512),
            (Some(65_535), Transport::Udp, limits, 8 * 40),
            (Some(65_535), Transport::Udp, Limits { amplification: 1, ..limits }, 40),
            (Some(620), Transport::Udp, UNLIMITED, 620),
            (Some(621), Transport::Udp, UNLIMITED, 621),
            (Some(65_535), Transport::Udp, UNLIMITED, 4096),
            (None, Transport::Tcp, Limits { amplification: 1, ..limits }, 65_535),
        ] {
            let mut authority = authority(limits);
            let query = query("huge.e.test.", 16, edns);
            let answer = authority.answer(&query, transport).unwrap();
            assert!(answer.len() <= limit, "{} of {limit}", answer.len());
            let plain = Plain::read(answer);
            // A question of 29 bytes, seven times 83, and EDNS.
            assert_eq!(plain.is_truncated(), limit < 621, "{limit}");
            let records_len = if plain.is_truncated() { 0 } else { 7 };
            assert_eq!(plain.sections[0].len(), records_len);
            assert_eq!(plain.edns.is_some(), edns.is_some());
        }
    }

    #[test]
    fn an_answer_of_any_length_keeps_to_its_limit() {
        for len in 1..60 {
            let name = format!("{}.wild.e.test.", "x".repeat(len));
            for amplification in 1..6 {
                let mut authority = authority(Limits { amplification, ..UNLIMITED });
                for (qtype, edns) in [(rtype::MX, None), (rtype::MX, Some(1232)), (16, Some(1232))]
                {
                    let query = query(&name, qtype, edns);
                    let answer = authority.answer(&query, Transport::Udp).unwrap();
                    assert!(answer.len() <= query.len() * usize::from(amplification));
                    Plain::read(answer);
                }
            }
        }
    }

    #[test]
    fn addresses_whose_names_no_pointer_reaches_are_left_out() {
        let records = (0..1000).map(|at| format!("@ MX 1 m{at:03}\nm{at:03} A 192.0.2.1\n"));
        let mut authority = authority_of(&format!("{ZONE}{}", records.collect::<String>()));
        let query = query("e.test.", rtype::MX, None);
        let plain = Plain::read(authority.answer(&query, Transport::Tcp).unwrap());
        assert!(!plain.is_truncated());
        // Each of 21 bytes, with the name behind the first 14, behind a question of 24.
        let reached = (0x3fff - 24 - 14) / 21 + 1;
        assert_eq!((plain.sections[0].len(), plain.sections[2].len()), (1000, reached));
        let last = format!("m{:03}.e.test. 60 A 192.0.2.1", reached - 1);
        assert_eq!(plain.sections[2].last(), Some(&last));
    }

    #[test]
    fn names_end_in_pointers_only_where_everybody_knows_them() {
        let mut authority = authority(UNLIMITED);
        let mut answer = |name, qtype| {
            let answer = authority.answer(&query(name, qtype, None), Transport::Tcp).unwrap();
            answer.windows(7).filter(|bytes| bytes == b"\x01e\x04test").count()
        };
        assert_eq!(answer("e.test.", rtype::NS), 1, "in the question alone");
        assert_eq!(answer("srv.e.test.", rtype::SRV), 2);
        let (record, address) =
            ("srv.e.test. 60 SRV 1 2 3 ns1.e.test.", "ns1.e.test. 60 A 192.0.2.1");
        assert_answer("srv.e.test.", rtype::SRV, Rcode::NoError, [&[record], &[], &[address]]);
    }

    #[test]
    fn an_address_that_two_records_lead_to_is_sent_once() {
        let records = ["twice.e.test. 60 MX 1 ns1.e.test.", "twice.e.test. 60 MX 2 ns1.e.test."];
        let address = ["ns1.e.test. 60 A 192.0.2.1"];
        assert_answer("twice.e.test.", rtype::MX, Rcode::NoError, [&records, &[], &address]);
    }

    #[test]
    fn what_is_put_last_is_left_out_first_unless_nobody_could_go_on_without_it() {
        let answer = |name, qtype, amplification| {
            let mut authority = authority(Limits { amplification, ..UNLIMITED });
            let query = query(name, qtype, None);
            let plain = Plain::read(authority.answer(&query, Transport::Udp).unwrap());
            (
                plain.sections[0].len(),
                plain.sections[1].len(),
                plain.sections[2].len(),
                plain.is_truncated(),
            )
        };
        // 31 bytes, 18 for the record and 16 for the address.
        assert_eq!(answer("x.wild.e.test.", rtype::MX, 3), (1, 0, 1, false));
        assert_eq!(answer("x.wild.e.test.", rtype::MX, 2), (1, 0, 0, false));
        // 28 bytes, 17 and 18 for the servers, 28 and 16 for their addresses, of which the first is
        // below the cut.
        assert_eq!(answer("x.sub.e.test.", rtype::A, 4), (0, 2, 2, false));
        assert_eq!(answer("x.sub.e.test.", rtype::A, 3), (0, 0, 0, true));
        // With five more in the question, there is room for the first alone, which is enough.
        assert_eq!(answer("xxxxxx.sub.e.test.", rtype::A, 3), (0, 2, 1, false));
    }

    #[test]
    fn edns_is_answered_in_kind_and_a_later_version_is_refused() {
        let mut authority = authority(UNLIMITED);
        let mut query = query("ns1.e.test.", rtype::A, Some(1232));
        let edns_at = query.len() - 11;
        query[edns_at + 7] = 0x80;
        let plain = authority.answer(&query, Transport::Udp).map(Plain::read).unwrap();
        let edns = PlainEdns { payload_len: 4096, extended_rcode: 0, version: 0, flags: 0x8000 };
        assert_eq!((plain.edns, plain.sections[0].len()), (Some(edns), 1));
        query[edns_at + 6] = 1;
        let plain = authority.answer(&query, Transport::Udp).map(Plain::read).unwrap();
        assert_eq!((plain.rcode(), plain.sections.concat().len()), (16, 0));
        assert_eq!(plain.flags, 0x8100, "what the header has no room for is in EDNS alone");
    }

    #[test]
    fn no_query_takes_memory_whatever_it_asks_for() {
        let mut authority = authority(UNLIMITED);
        for name in ["www.e.test.", "x.y.wild.e.test.", "nope.e.test.", "a.sub.e.test.", "f.test."]
        {
            for qtype in [rtype::A, rtype::MX, rtype::ANY] {
                let query = query(name, qtype, Some(1232));
                let taken = allocation_counter::measure(|| {
                    assert!(authority.answer(&query, Transport::Udp).is_some());
                });
                assert_eq!(taken.count_total, 0, "{name} {qtype}");
            }
        }
    }

    #[test]
    fn no_answer_is_answered_and_what_is_malformed_only_with_a_header() {
        let mut authority = authority(UNLIMITED);
        let query = query("e.test.", rtype::SOA, None);
        let answer = authority.answer(&query, Transport::Udp).unwrap().to_vec();
        assert_eq!(authority.answer(&answer, Transport::Udp), None);
        let malformed = authority.answer(&query[..query.len() - 1], Transport::Udp).unwrap();
        assert_eq!(malformed, b"\xab\xcd\x81\x01\0\0\0\0\0\0\0\0");
        let malformed = malformed.to_vec();
        assert_eq!(authority.answer(&malformed, Transport::Udp), None);
        assert_eq!(authority.answer(&query[..11], Transport::Udp), None);
    }
}
