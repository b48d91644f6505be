//! From the records of a zone to the zone: what belongs together, what contradicts itself, and how
//! it is sent.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::MAX_CHAIN;
use super::message::{class, rtype};
use super::name::{Shown, is_within, parent};
use super::rdata::{Data, DataName, type_name};
use super::tokens::ZoneError;
use super::zone::{Alias, Found, Ids, Node, NodeId, Set, Target, Zone};

/// The longest set of records: behind a question, and as many CNAME records as there can be, it
/// still fits into a message.
const MAX_SET_LEN: usize = 60_000;

/// A record of a zone file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// Where it stands.
    pub(crate) line: usize,
    /// In small letters.
    pub(crate) owner: Vec<u8>,
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Data,
}

/// The records of a name, by their types.
type Types = BTreeMap<u16, Vec<Record>>;

/// The zone that these records are. `last_line` is where the file ends.
pub(crate) fn zone_of(records: Vec<Record>, last_line: usize) -> Result<Zone, ZoneError> {
    let (apex, soa_line) = apex_of(&records, last_line)?;
    let mut names: BTreeMap<Vec<u8>, Types> = BTreeMap::new();
    for record in records {
        if !is_within(&record.owner, &apex) {
            return Err(error(record.line, &record.owner, "is not in the zone"));
        }
        // Names above one that exists exist too (RFC 4592, section 2.2.2).
        let mut above = parent(&record.owner).filter(|_| record.owner != *apex);
        while let Some(name) = above.filter(|name| !names.contains_key(*name)) {
            names.insert(name.to_vec(), Types::new());
            above = parent(name).filter(|_| name != apex);
        }
        let types = names.entry(record.owner.clone()).or_default();
        types.entry(record.rtype).or_default().push(record);
    }
    names.iter().try_for_each(|(name, types)| check(name, types, &apex, soa_line))?;
    let mut zone = skeleton(&apex, &names)?;
    let mut lines = Vec::new();
    for (name, types) in &names {
        let id = zone.ids[&name[..]];
        let sets: Result<_, _> = types.values().map(|records| set_of(&zone, records)).collect();
        zone.nodes[id.0 as usize].sets = sets?;
        let aliases = types.get(&rtype::CNAME).and_then(|records| records.first());
        lines.extend(aliases.map(|record| (id, record.line)));
    }
    zone.negative_soa = negative_soa(&zone, &names[&apex])?;
    check_chains(&zone, &lines)?;
    Ok(zone)
}

fn error(line: usize, name: &[u8], what: &str) -> ZoneError {
    ZoneError { line, what: format!("{} {what}", Shown(name)) }
}

/// The name of the zone, which is that of its SOA record, and where that stands.
fn apex_of(records: &[Record], last_line: usize) -> Result<(Vec<u8>, usize), ZoneError> {
    let mut soas = records.iter().filter(|record| record.rtype == rtype::SOA);
    let no_soa = || ZoneError { line: last_line, what: "the zone has no SOA record".into() };
    let soa = soas.next().ok_or_else(no_soa)?;
    match soas.next() {
        Some(second) => {
            let what = format!("is a second SOA record, beside line {}", soa.line);
            Err(error(second.line, &second.owner, &what))
        }
        None => Ok((soa.owner.clone(), soa.line)),
    }
}

/// Complains of records of one name that do not go together.
fn check(name: &[u8], types: &Types, apex: &[u8], soa_line: usize) -> Result<(), ZoneError> {
    let first = |rtype| types.get(&rtype).and_then(|records: &Vec<Record>| records.first());
    if name == apex && first(rtype::NS).is_none() {
        return Err(error(soa_line, name, "has no NS record, and is the zone"));
    }
    if let Some(cname) = types.get(&rtype::CNAME) {
        // RFC 1034, section 3.6.2, and RFC 2181, section 10.1.
        let other = types.values().flatten().find(|record| record.rtype != rtype::CNAME);
        let second = cname.iter().find(|record| record.data != cname[0].data);
        if let Some(other) = other.or(second) {
            let what =
                format!("has a CNAME record, in line {}, and nothing else then", cname[0].line);
            return Err(error(other.line, name, &what));
        }
    }
    match first(rtype::NS) {
        // RFC 4592, section 4.2, leaves open what it would mean.
        Some(ns) if is_wildcard(name) => {
            Err(error(ns.line, name, "has an NS record, which no wildcard can"))
        }
        _ => Ok(()),
    }
}

fn is_wildcard(name: &[u8]) -> bool {
    name.starts_with(b"\x01*")
}

/// The zone with all its names, and without a record.
fn skeleton(apex: &[u8], names: &BTreeMap<Vec<u8>, Types>) -> Result<Zone, ZoneError> {
    // The apex is the first.
    let others = names.keys().map(|name| &name[..]).filter(|name| *name != apex);
    let ids: Ids = std::iter::once(apex)
        .chain(others)
        .zip(0..)
        .map(|(name, id)| (name.into(), NodeId(id)))
        .collect();
    let mut nodes: Vec<Node> = names.iter().map(|_| Node::default()).collect();
    for name in names.keys() {
        let node = &mut nodes[ids[&name[..]].0 as usize];
        node.name_len = u8::try_from(name.len()).expect("a name has 255 bytes at most");
        // Of cuts one below the other, the highest is where it ends.
        let mut above = Some(&name[..]).filter(|name| *name != apex);
        while let Some(cut) = above {
            if names.get(cut).is_some_and(|types| types.contains_key(&rtype::NS)) {
                node.cut = ids.get(cut).copied();
            }
            above = parent(cut).filter(|name| *name != apex);
        }
        // The zone's own name is none: that has an NS record.
        if is_wildcard(name) {
            let parent = parent(name).expect("a wildcard has a label before the root");
            nodes[ids[parent].0 as usize].wildcard = ids.get(&name[..]).copied();
        }
    }
    Ok(Zone { apex: apex.into(), ids, nodes, negative_soa: Set::default() })
}

/// These records of one name and type, as they are sent.
fn set_of(zone: &Zone, records: &[Record]) -> Result<Set, ZoneError> {
    let mut draft = Draft::default();
    // All records of a set have one TTL (RFC 2181, section 5.2), and none is there twice (section
    // 5).
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for record in records.iter().filter(|record| seen.insert(&record.data.bytes)) {
        draft.put(zone, record, ttl);
        if draft.bytes.len() > MAX_SET_LEN {
            let rtype = type_name(record.rtype);
            let what = format!("has more records of type {rtype} than fit into a message");
            return Err(error(record.line, &record.owner, &what));
        }
    }
    Ok(draft.finish(records.first().map_or(0, |record| record.rtype)))
}

/// A set that is being written. It is never longer than a message.
#[derive(Default)]
struct Draft {
    count: u16,
    bytes: Vec<u8>,
    owners: Vec<u16>,
    apexes: Vec<u16>,
    targets: Vec<Target>,
    alias: Option<Alias>,
}

impl Draft {
    /// Where the next byte goes.
    fn at(&self) -> u16 {
        // What is put when this many bytes are there is refused, wherever its pointers are.
        u16::try_from(self.bytes.len()).unwrap_or(u16::MAX)
    }

    /// Room for a pointer that depends on the message.
    fn put_blank(&mut self) {
        self.bytes.extend([0, 0]);
    }

    fn put(&mut self, zone: &Zone, record: &Record, ttl: u32) {
        self.count = self.count.saturating_add(1);
        self.owners.push(self.at());
        self.put_blank();
        self.bytes.extend(record.rtype.to_be_bytes());
        self.bytes.extend(class::IN.to_be_bytes());
        self.bytes.extend(ttl.to_be_bytes());
        let len_at = self.bytes.len();
        self.put_blank();
        let mut from = 0;
        for name in &record.data.names {
            self.bytes.extend_from_slice(&record.data.bytes[from..name.at]);
            from = name.at + name.len;
            self.put_name(zone, record, *name);
        }
        self.bytes.extend_from_slice(&record.data.bytes[from..]);
        let data_len = self.bytes.len() - len_at - 2;
        let data_len = u16::try_from(data_len).expect("it was not longer before it was compressed");
        self.bytes[len_at..len_at + 2].copy_from_slice(&data_len.to_be_bytes());
    }

    /// Puts a name, of which the part that is the zone's name can be a pointer to that.
    fn put_name(&mut self, zone: &Zone, record: &Record, place: DataName) {
        let name = &record.data.bytes[place.at..place.at + place.len];
        let plain = name.to_ascii_lowercase();
        self.note(zone, record, &plain);
        let is_shorter = is_within(&plain, &zone.apex) && zone.apex.len() > 2;
        if place.is_compressible && is_shorter {
            self.bytes.extend_from_slice(&name[..name.len() - zone.apex.len()]);
            self.apexes.push(self.at());
            self.put_blank();
        } else {
            self.bytes.extend_from_slice(name);
        }
    }

    /// Notes what the name that is put next, which is in small letters, is good for.
    fn note(&mut self, zone: &Zone, record: &Record, name: &[u8]) {
        let (at, found) = (self.at(), zone.find(name));
        let addresses = match (record.rtype, found) {
            (rtype::CNAME, leads_to) => {
                let name_len = u8::try_from(name.len()).expect("a name has 255 bytes at most");
                self.alias = Some(Alias { at, name_len, leads_to });
                None
            }
            (rtype::NS | rtype::MX | rtype::SRV, Found::Node(id)) => Some(id),
            // Below a cut, addresses are there for servers of the zone below.
            (rtype::NS, Found::Cut(_)) => zone.ids.get(name).copied(),
            _ => None,
        };
        let is_known = |id: &NodeId| self.targets.iter().any(|target| target.addresses == *id);
        if let Some(addresses) = addresses.filter(|id| !is_known(id)) {
            let is_needed = is_within(name, &record.owner);
            self.targets.push(Target { at, addresses, is_needed });
        }
    }

    fn finish(self, rtype: u16) -> Set {
        Set {
            rtype,
            count: self.count,
            bytes: self.bytes.into(),
            owners: self.owners.into(),
            apexes: self.apexes.into(),
            targets: self.targets.into(),
            alias: self.alias,
        }
    }
}

/// The SOA record as it says that something is not there: for as long as the least of its TTL and
/// of its last field (RFC 2308, section 3).
fn negative_soa(zone: &Zone, types: &Types) -> Result<Set, ZoneError> {
    let Some([soa, ..]) = types.get(&rtype::SOA).map(|records| &records[..]) else {
        return Ok(Set::default());
    };
    let minimum = soa.data.bytes.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    set_of(zone, &[Record { ttl: soa.ttl.min(minimum), ..soa.clone() }])
}

/// Complains of CNAMEs that lead too far, or in a circle: no answer could follow them. Each is
/// given with its line.
fn check_chains(zone: &Zone, aliases: &[(NodeId, usize)]) -> Result<(), ZoneError> {
    for (id, line) in aliases {
        let next = |found: &Found| match found {
            Found::Node(id) => Some(zone.node(*id).set(rtype::CNAME)?.alias.as_ref()?.leads_to),
            _ => None,
        };
        let chain = std::iter::successors(Some(Found::Node(*id)), next);
        // The name itself, and those that its chain leads to.
        if chain.take(MAX_CHAIN + 2).count() > MAX_CHAIN + 1 {
            let what = format!("here more than {MAX_CHAIN} CNAME records follow on one another");
            return Err(ZoneError { line: *line, what });
        }
    }
    Ok(())
}
