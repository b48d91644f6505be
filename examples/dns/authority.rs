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
