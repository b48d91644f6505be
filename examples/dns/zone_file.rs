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

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "$ORIGIN e.\n@ 60 SOA . . 1 2 3 4 5\n@ NS ns\n";

    /// Asserts that what is wrong in a file that goes on like this is said of this line.
    #[track_caller]
    fn assert_wrong(rest: &str, line: usize, what: &str) {
        let error = read(format!("{START}{rest}").as_bytes(), None).err().expect("it is wrong");
        assert_eq!((error.line, &error.what[..]), (line, what), "{rest}");
    }

    /// The TTL and the first bytes of the data of the first record of this type of the zone.
    fn first(text: &str, rtype: u16) -> (u32, u8) {
        let zone = read(text.as_bytes(), None).expect("a zone");
        let mut sets = zone.nodes.iter().flat_map(|node| &node.sets);
        let set = sets.find(|set| set.rtype == rtype).expect("a set of this type");
        let ttl = set.bytes[6..].first_chunk().expect("a whole record");
        (u32::from_be_bytes(*ttl), set.bytes[12])
    }

    #[test]
    fn a_ttl_and_a_class_come_in_any_order_or_not_at_all() {
        for (record, ttl) in [
            ("a A 192.0.2.1", 60),
            ("a 7 A 192.0.2.1", 7),
            ("a IN A 192.0.2.1", 60),
            ("a in 1m7s a 192.0.2.1", 67),
            ("a 7 CLASS1 TYPE1 192.0.2.1", 7),
            ("b 9 TXT b\na A 192.0.2.1", 9),
            ("$TTL 8\na A 192.0.2.1", 8),
            ("b 9 TXT b\n$TTL 8\nA A 192.0.2.1", 8),
            ("a 7 A 192.0.2.1\na 5 A 192.0.2.2\na 9 A 192.0.2.3", 5),
        ] {
            let text = format!("{START}{record}");
            assert_eq!(first(&text, rtype::A), (ttl, 192), "{record}");
        }
    }

    #[test]
    fn an_indented_record_belongs_to_the_owner_before_it() {
        let text = format!("{START}a A 192.0.2.1\n$ORIGIN b\n  TXT x\nc TXT y\n");
        let zone = read(text.as_bytes(), None).expect("a zone");
        let types = |name: &[u8]| -> Vec<u16> {
            let id = zone.ids.get(name).expect("the name exists");
            zone.node(*id).sets.iter().map(|set| set.rtype).collect()
        };
        assert_eq!(types(b"\x01a\x01e\0"), [rtype::A, 16]);
        assert_eq!(types(b"\x01c\x01b\x01e\0"), [16]);
    }

    #[test]
    fn an_origin_can_come_from_outside() {
        let text = b"@ 60 SOA . . 1 2 3 4 5\n@ NS ns";
        let zone = read(text, Some(b"\x01f\0")).expect("a zone");
        assert_eq!(&*zone.apex, b"\x01f\0");
        let error = read(text, None).err().expect("there is no origin");
        assert_eq!(
            (error.line, &error.what[..]),
            (1, "\"@\" is relative, and there is no $ORIGIN yet")
        );
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_said_of_its_line() {
        let no_type = "\"ABC\" is no type that is known here";
        assert_wrong("\n; x\na ABC 1", 6, no_type);
        assert_wrong("a", 4, "a record without a type");
        assert_wrong("a 60 IN", 4, "a record without a type");
        assert_wrong("a 60 60 A 192.0.2.1", 4, "\"60\" is no type that is known here");
        assert_wrong("a IN IN A 192.0.2.1", 4, "\"IN\" is no type that is known here");
        assert_wrong("a CH TXT x", 4, "\"CH\": no class but IN is served here");
        assert_wrong("a CLASS3 TXT x", 4, "\"CLASS3\": no class but IN is served here");
        let ttl = "is no TTL: write it as 3600 or 1h, up to 2^31-1 s";
        assert_wrong("a 2147483648 TXT x", 4, &format!("\"2147483648\" {ttl}"));
        assert_wrong("$TTL x", 4, &format!("\"x\" {ttl}"));
        assert_wrong("$TTL", 4, "\"$TTL\" takes one value");
        assert_wrong("$INCLUDE a", 4, "\"$INCLUDE\" is not known here: $ORIGIN and $TTL are");
        assert_wrong("a TYPE39 \\# 0", 4, "DNAME (TYPE39) is not served here");
        for number in [0, 41, 128, 252, 255] {
            let what = format!("no zone has records of type TYPE{number}");
            assert_wrong(&format!("a TYPE{number} \\# 0"), 4, &what);
        }
        assert_wrong("a (\nA\n192.0.2.1\nx )", 4, "\"x\" is one field too many for type A");
        assert_wrong("\n\n(", 6, "a parenthesis is never closed");
    }

    #[test]
    fn what_comes_before_there_is_an_owner_or_a_ttl_is_refused() {
        for (text, what) in [
            (" 60 A 192.0.2.1", "the first record has no owner"),
            ("a. A 192.0.2.1", "no TTL, neither here nor before, and no $TTL"),
            ("; nothing\n", "the zone has no SOA record"),
        ] {
            let error = read(text.as_bytes(), None).err().expect("it is wrong");
            assert_eq!(error.what, what);
        }
    }

    #[test]
    fn records_that_contradict_one_another_are_refused_with_their_lines() {
        let second = "e. is a second SOA record, beside line 2";
        assert_wrong("@ SOA . . 1 2 3 4 5", 4, second);
        assert_wrong("a.f. A 192.0.2.1", 4, "a.f. is not in the zone");
        let alone = "a.e. has a CNAME record, in line 4, and nothing else then";
        assert_wrong("a CNAME b\na TXT x", 5, alone);
        assert_wrong("a CNAME b\na CNAME c", 5, alone);
        assert_wrong("*.a NS b", 4, "*.a.e. has an NS record, which no wildcard can");
        let chain = "here more than 16 CNAME records follow on one another";
        assert_wrong("a CNAME a", 4, chain);
        assert_wrong("a CNAME b\n*.c CNAME x.c\n", 5, chain);
        let links = |count: usize| -> String {
            (0..count).map(|at| format!("c{at} CNAME c{}\n", at + 1)).collect()
        };
        assert_wrong(&links(17), 4, chain);
        read(format!("{START}{}", links(16)).as_bytes(), None).expect("not too many");
        let many: String = (0..3_600).map(|at| format!("a TXT {at:04}\n")).collect();
        let too_many = "a.e. has more records of type TXT than fit into a message";
        assert_wrong(&many, 3_533, too_many);
    }

    #[test]
    fn a_zone_without_a_server_is_refused() {
        let error = read(b"e. 60 SOA . . 1 2 3 4 5\n", None).err().expect("it is wrong");
        assert_eq!((error.line, &error.what[..]), (1, "e. has no NS record, and is the zone"));
    }

    #[test]
    fn a_zone_can_be_the_root_but_no_wildcard() {
        let zone = |name: &str| {
            let text = format!("{name} 60 SOA . . 1 2 3 4 5\n{name} NS ns.f.\n");
            read(text.as_bytes(), None).map(|zone| zone.apex).map_err(|error| error.what)
        };
        assert_eq!(zone(".").as_deref(), Ok(&[0][..]));
        assert_eq!(zone("*.e."), Err("*.e. has an NS record, which no wildcard can".into()));
    }

    #[test]
    fn a_record_that_is_there_twice_is_sent_once() {
        let text = format!("{START}a TXT x\na 50 TXT x\na TXT y");
        let zone = read(text.as_bytes(), None).expect("a zone");
        let sets = zone.nodes.iter().flat_map(|node| &node.sets);
        assert_eq!(
            sets.filter(|set| set.rtype == 16).map(|set| set.count).collect::<Vec<_>>(),
            [2]
        );
    }

    #[test]
    fn the_sample_is_a_zone() {
        assert!(read(include_bytes!("example.zone"), None).is_ok());
    }
}
