//! A zone file: from its text to its records (RFC 1035, section 5; RFC 2308, section 4).

use super::message::{class, rtype};
use super::rdata::{Data, MAX_TTL, number_behind, seconds, type_name, type_of};
use super::records::{Record, zone_of};
use super::tokens::{Entries, Entry, Word, ZoneError};
use super::zone::Zone;

/// Reads a zone from the text of its file. Relative names go on with `origin` until the file has an
/// `$ORIGIN` of its own.
pub(crate) fn read(text: &[u8], origin: Option<&[u8]>) -> Result<Zone, ZoneError> {
    let mut entries = Entries::new(text);
    let mut reader = Reader { origin: origin.map(<[u8]>::to_vec), ..Reader::default() };
    let mut records = Vec::new();
    while let Some(entry) = entries.next()? {
        let read = reader.entry(&entry);
        records.extend(read.map_err(|what| ZoneError { line: entry.line, what })?);
    }
    zone_of(records, entries.line())
}

/// What an entry takes over from those before it.
#[derive(Default)]
struct Reader {
    origin: Option<Vec<u8>>,
    owner: Option<Vec<u8>>,
    /// What `$TTL` says, or else the last record that said it.
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
}

impl Reader {
    /// The record that an entry is, if it is one.
    fn entry(&mut self, entry: &Entry<'_>) -> Result<Option<Record>, String> {
        let (first, rest) = entry.words.split_first().ok_or("an entry without a word")?;
        let is_directive = !entry.is_indented && !first.is_quoted && first.raw.starts_with(b"$");
        if is_directive {
            return self.directive(first, rest).map(|()| None);
        }
        let words = if entry.is_indented {
            &entry.words[..]
        } else {
            self.owner = Some(first.name(self.origin.as_deref())?);
            rest
        };
        self.record(entry.line, words).map(Some)
    }

    fn directive(&mut self, directive: &Word<'_>, values: &[Word<'_>]) -> Result<(), String> {
        let [value] = values else { return Err(format!("{directive} takes one value")) };
        if directive.is("$ORIGIN") {
            self.origin = Some(value.name(self.origin.as_deref())?);
        } else if directive.is("$TTL") {
            self.default_ttl = Some(ttl(value)?);
        } else {
            return Err(format!("{directive} is not known here: $ORIGIN and $TTL are"));
        }
        Ok(())
    }

    /// A record from what is behind its owner: a TTL and a class, if they are said, in either
    /// order, then its type and its data.
    fn record(&mut self, line: usize, mut words: &[Word<'_>]) -> Result<Record, String> {
        let mut said_ttl = None;
        let mut has_class = false;
        let (rtype, data) = loop {
            let (word, rest) = words.split_first().ok_or("a record without a type")?;
            words = rest;
            if said_ttl.is_none() && word.raw.first().is_some_and(u8::is_ascii_digit) {
                said_ttl = Some(ttl(word)?);
            } else if !has_class && is_class(word)? {
                has_class = true;
            } else if let Some(rtype) = type_of(word) {
                break (rtype, words);
            } else {
                return Err(format!("{word} is no type that is known here"));
            }
        };
        check_type(rtype)?;
        let owner = self.owner.as_deref().ok_or("the first record has no owner")?;
        let owner = owner.to_ascii_lowercase();
        self.last_ttl = said_ttl.or(self.last_ttl);
        let ttl = said_ttl.or(self.default_ttl).or(self.last_ttl);
        let ttl = ttl.ok_or("no TTL, neither here nor before, and no $TTL")?;
        let data = Data::read(rtype, data, self.origin.as_deref())?;
        Ok(Record { line, owner, rtype, ttl, data })
    }
}

fn ttl(word: &Word<'_>) -> Result<u32, String> {
    let read = seconds(word).filter(|ttl| *ttl <= MAX_TTL);
    read.ok_or_else(|| format!("{word} is no TTL: write it as 3600 or 1h, up to 2^31-1 s"))
}

/// Whether the word is a class: then it is the one that is served.
fn is_class(word: &Word<'_>) -> Result<bool, String> {
    let number = number_behind("CLASS", word);
    if word.is("IN") || number == Some(class::IN) {
        return Ok(true);
    }
    match number.is_some() || ["CH", "HS", "CS"].iter().any(|class| word.is(class)) {
        true => Err(format!("{word}: no class but IN is served here")),
        false => Ok(false),
    }
}

/// Types that no zone has, or for which more would have to be done than is done here.
fn check_type(rtype: u16) -> Result<(), String> {
    match rtype {
        0 | rtype::OPT | rtype::FIRST_META..=rtype::ANY => {
            Err(format!("no zone has records of type {}", type_name(rtype)))
        }
        rtype::DNAME => Err("DNAME (TYPE39) is not served here".to_owned()),
        _ => Ok(()),
    }
}
