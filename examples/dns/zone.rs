//! A zone: its names, what each of them has, and how a name is found (RFC 1034, section 4.3.2).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::message::rtype;
use super::name::{MAX_NAME_LEN, is_within, parent};

/// Everything that is answered, with each set of records as it is sent. It never changes.
pub(crate) struct Zone {
    /// The name of the zone, in small letters.
    pub(crate) apex: Box<[u8]>,
    pub(crate) ids: Ids,
    /// The apex is the first.
    pub(crate) nodes: Vec<Node>,
    /// The SOA record as it is sent with an answer that is none: with the time for which that is
    /// true (RFC 2308, section 3).
    pub(crate) negative_soa: Set,
}

/// The nodes by their names, in small letters.
pub(crate) type Ids = HashMap<Box<[u8]>, NodeId, BuildHasherDefault<NameHasher>>;

/// The number of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NodeId(pub(crate) u32);

/// A name that exists: since it has records, or since a name below it has.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) name_len: u8,
    pub(crate) sets: Box<[Set]>,
    /// The node whose name is a `*` before this one's (RFC 4592).
    pub(crate) wildcard: Option<NodeId>,
    /// From there on down others are in charge: this node itself, or one above it.
    pub(crate) cut: Option<NodeId>,
}

/// All records of one name and type.
#[derive(Default)]
pub(crate) struct Set {
    pub(crate) rtype: u16,
    pub(crate) count: u16,
    /// The records, one behind the other, but for the pointers that depend on the message.
    pub(crate) bytes: Box<[u8]>,
    /// Where in the bytes there is a pointer to the owner's name.
    pub(crate) owners: Box<[u16]>,
    /// Where in the bytes there is a pointer to the zone's name.
    pub(crate) apexes: Box<[u16]>,
    /// The names in the records whose addresses the asker will want next, if there are any here.
    pub(crate) targets: Box<[Target]>,
    /// Where it leads, if it is a CNAME.
    pub(crate) alias: Option<Alias>,
}

/// A name in a record, with addresses.
pub(crate) struct Target {
    /// Where the name begins in the bytes of its set.
    pub(crate) at: u16,
    pub(crate) addresses: NodeId,
    /// Nobody reaches the name without them: it is below the cut it is a server of (RFC 9471).
    pub(crate) is_needed: bool,
}

/// The name that another name stands for.
pub(crate) struct Alias {
    /// Where the name begins in the bytes of its set.
    pub(crate) at: u16,
    pub(crate) name_len: u8,
    pub(crate) leads_to: Found,
}

/// What there is for a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// The name exists, or a wildcard stands in for it.
    Node(NodeId),
    /// There is no such name in the zone.
    Nothing,
    /// It is at or below this cut: others know.
    Cut(NodeId),
    /// It is not in the zone.
    Outside,
}

impl Zone {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Looks for a name, which is in small letters.
    pub(crate) fn find(&self, name: &[u8]) -> Found {
        match self.ids.get(name) {
            Some(id) => self.node(*id).cut.map_or(Found::Node(*id), Found::Cut),
            None if is_within(name, &self.apex) => self.find_above(name),
            None => Found::Outside,
        }
    }

    /// Looks for what stands in for a name that does not exist: it goes down from the apex to the
    /// closest name that does, so that the longest name costs no more than the zone is deep.
    #[inline(never)]
    fn find_above(&self, name: &[u8]) -> Found {
        let mut starts = [0; MAX_NAME_LEN];
        let mut len = 0;
        let mut rest = name;
        while rest.len() > self.apex.len()
            && let Some(behind) = parent(rest)
        {
            starts[len] = name.len() - rest.len();
            len += 1;
            rest = behind;
        }
        let mut closest = &self.nodes[0];
        for start in starts[..len].iter().rev() {
            let Some(id) = self.ids.get(&name[*start..]) else { break };
            closest = self.node(*id);
        }
        match (closest.cut, closest.wildcard) {
            (Some(cut), _) => Found::Cut(cut),
            (None, Some(wildcard)) => Found::Node(wildcard),
            (None, None) => Found::Nothing,
        }
    }
}

impl Node {
    /// The records of this type.
    pub(crate) fn set(&self, rtype: u16) -> Option<&Set> {
        self.sets.iter().find(|set| set.rtype == rtype)
    }

    /// What answers a question for this type: if it is for any, one that exists, and of those the
    /// shortest (RFC 8482, section 4.1).
    pub(crate) fn answer_to(&self, qtype: u16) -> Option<&Set> {
        match qtype {
            rtype::ANY => self.sets.iter().min_by_key(|set| set.bytes.len()),
            _ => self.set(qtype),
        }
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(|set| matches!(set.rtype, rtype::A | rtype::AAAA))
    }
}

/// Hashes names, eight bytes at a time. It need not withstand anybody: all names it is used to keep
/// are the zone's, and no question adds one.
#[derive(Default)]
pub(crate) struct NameHasher(u64);

impl NameHasher {
    /// A number without a pattern, half of whose bits are set: the golden ratio's.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    const fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(Self::FACTOR);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        // The length of all has been mixed in: zeros behind the last bytes make nothing equal.
        let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.mix(last);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        // The table takes the lowest bits and the highest; the product's best are the highest.
        self.0 ^ self.0 >> 32
    }
}
