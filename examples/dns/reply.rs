//! An answer, as it is written: one buffer for all of them, which never grows.

use super::message::{Edns, HEADER_LEN, Rcode, flags, rtype};
use super::name::POINTER;
use super::zone::Set;

/// The longest message: the length before it over TCP has two bytes (RFC 1035, section 4.2.2).
pub(crate) const MAX_MESSAGE_LEN: usize = 65_535;
/// The length of an OPT record without options.
const OPT_LEN: usize = 11;
/// Pointers lead no further than this from the beginning of a message.
const MAX_POINTER: usize = 0x3fff;

/// The part of a message that a record is in; each has a count in the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// An answer that is being written.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    head_len: usize,
    /// How long it can get, with what is put last counted off.
    limit: usize,
    /// Where the name of the zone begins.
    apex_at: usize,
    counts: [u16; 3],
}

/// What is put last: how it came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) rcode: Rcode,
    pub(crate) is_authoritative: bool,
    pub(crate) is_truncated: bool,
}

impl Reply {
    pub(crate) fn new() -> Self {
        let bytes = Vec::with_capacity(MAX_MESSAGE_LEN);
        Self { bytes, head_len: 0, limit: 0, apex_at: 0, counts: [0; 3] }
    }

    /// Begins with the header and the question as they came.
    pub(crate) fn start(&mut self, head: &[u8], limit: usize, has_edns: bool) {
        self.bytes.clear();
        self.bytes.extend_from_slice(head);
        self.head_len = head.len();
        self.limit = limit - if has_edns { OPT_LEN } else { 0 };
        self.counts = [0; 3];
    }

    /// Says how long the zone's name is, in which the question's name, then, ends.
    pub(crate) const fn set_apex_len(&mut self, apex_len: usize) {
        // Behind the name there are its type and class.
        self.apex_at = self.head_len - 4 - apex_len;
    }

    /// Where the zone's name begins.
    pub(crate) const fn apex_at(&self) -> usize {
        self.apex_at
    }

    /// Where the next record begins.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Puts these records, whose owner's name is at `owner_at`. Says whether there was room.
    #[must_use]
    pub(crate) fn put(&mut self, section: Section, set: &Set, owner_at: usize) -> bool {
        let start = self.bytes.len();
        if start + set.bytes.len() > self.limit || owner_at > MAX_POINTER {
            return false;
        }
        self.bytes.extend_from_slice(&set.bytes);
        let records = &mut self.bytes[start..];
        for (places, to) in [(&set.owners, owner_at), (&set.apexes, self.apex_at)] {
            #[expect(clippy::cast_possible_truncation, reason = "no pointer is greater")]
            let pointer = (POINTER | to as u16).to_be_bytes();
            for at in places {
                let at = usize::from(*at);
                records[at..at + 2].copy_from_slice(&pointer);
            }
        }
        self.counts[section as usize] += set.count;
        true
    }

    /// The whole answer. One that is truncated has no records: whoever gets it has to ask again
    /// anyway.
    pub(crate) fn finish(
        &mut self,
        outcome: Outcome,
        edns: Option<Edns>,
        payload_len: u16,
    ) -> &[u8] {
        if outcome.is_truncated {
            self.bytes.truncate(self.head_len);
            self.counts = [0; 3];
        }
        if let Some(edns) = edns {
            self.put_opt(outcome.rcode, edns, payload_len);
        }
        let asked = u16::from_be_bytes([self.bytes[2], self.bytes[3]]);
        let mut bits = flags::RESPONSE
            | asked & (flags::OPCODE | flags::RECURSION_DESIRED)
            | outcome.rcode as u16 & 0xf;
        if outcome.is_authoritative {
            bits |= flags::AUTHORITATIVE;
        }
        if outcome.is_truncated {
            bits |= flags::TRUNCATED;
        }
        let [answers, authorities, additional] = self.counts;
        let numbers = [bits, 1, answers, authorities, additional];
        for (bytes, number) in self.bytes[2..HEADER_LEN].as_chunks_mut().0.iter_mut().zip(numbers) {
            *bytes = number.to_be_bytes();
        }
        &self.bytes
    }

    /// Says that EDNS was understood, and how long a message may be that is sent here (RFC 6891,
    /// section 6.1.1).
    fn put_opt(&mut self, rcode: Rcode, edns: Edns, payload_len: u16) {
        let [t1, t2] = rtype::OPT.to_be_bytes();
        let [p1, p2] = payload_len.to_be_bytes();
        let extended = (rcode as u16 >> 4).to_be_bytes()[1];
        // Whoever asks for DNSSEC is told that this was heard (RFC 3225, section 3).
        let z = if edns.wants_dnssec { 0x80 } else { 0 };
        let opt: [u8; OPT_LEN] = [0, t1, t2, p1, p2, extended, 0, z, 0, 0, 0];
        self.bytes.extend_from_slice(&opt);
        self.counts[Section::Additional as usize] += 1;
    }

    /// The answer to a message of which only the header was understood.
    pub(crate) fn only_header(&mut self, header: &[u8], rcode: Rcode) -> &[u8] {
        self.bytes.clear();
        self.bytes.extend_from_slice(&header[..HEADER_LEN]);
        let asked = u16::from_be_bytes([header[2], header[3]]);
        let kept = asked & (flags::OPCODE | flags::RECURSION_DESIRED);
        let bits = flags::RESPONSE | kept | rcode as u16;
        self.bytes[2..4].copy_from_slice(&bits.to_be_bytes());
        self.bytes[4..].fill(0);
        &self.bytes
    }
}
