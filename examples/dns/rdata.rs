//! The data of records: how each type is written in a zone file, and what it is on the wire.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::message::rtype;
use super::tokens::Word;

/// The greatest TTL (RFC 2181, section 8).
pub(crate) const MAX_TTL: u32 = i32::MAX as u32;
/// The most data that a record can have: its length has two bytes.
const MAX_DATA_LEN: usize = 65_535;

/// The data of a record on the wire, its names without pointers and in the letters they have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Data {
    pub(crate) bytes: Vec<u8>,
    pub(crate) names: Vec<DataName>,
}

/// A name in the data of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DataName {
    pub(crate) at: usize,
    pub(crate) len: usize,
    /// Whether it can end in a pointer: only if its type is one of the first ones, which everybody
    /// knows (RFC 3597, section 4).
    pub(crate) is_compressible: bool,
}

/// A piece of a record's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Ipv4,
    Ipv6,
    /// A name, in a type that everybody knows.
    Name,
    /// A name, in another type.
    PlainName,
    U8,
    U16,
    U32,
    /// A time in seconds, or such as `1h30m`.
    Time,
    /// A character string.
    String,
    /// One and all that follow.
    Strings,
    /// A string of letters and digits, behind its length (RFC 8659, section 4.1).
    Tag,
    /// All that is left, as it is (RFC 8659, section 4.1).
    Value,
    /// Hexadecimal digits, in as many words as there are.
    Hex,
}

/// The types that are known by name (RFC 1035, RFC 3596, RFC 2782, RFC 4034, RFC 4255, RFC 6698,
/// RFC 8659). All others are written as RFC 3597 says.
const TYPES: &[(&str, u16, &[Field])] = &[
    ("A", rtype::A, &[Field::Ipv4]),
    ("NS", rtype::NS, &[Field::Name]),
    ("CNAME", rtype::CNAME, &[Field::Name]),
    (
        "SOA",
        rtype::SOA,
        &[Field::Name, Field::Name, Field::U32, Field::Time, Field::Time, Field::Time, Field::Time],
    ),
    ("PTR", 12, &[Field::Name]),
    ("HINFO", 13, &[Field::String, Field::String]),
    ("MX", rtype::MX, &[Field::U16, Field::Name]),
    ("TXT", 16, &[Field::Strings]),
    ("AAAA", rtype::AAAA, &[Field::Ipv6]),
    ("SRV", rtype::SRV, &[Field::U16, Field::U16, Field::U16, Field::PlainName]),
    ("DS", rtype::DS, &[Field::U16, Field::U8, Field::U8, Field::Hex]),
    ("SSHFP", 44, &[Field::U8, Field::U8, Field::Hex]),
    ("TLSA", 52, &[Field::U8, Field::U8, Field::U8, Field::Hex]),
    ("CAA", 257, &[Field::U8, Field::Tag, Field::Value]),
];

/// The type that a word means, if it means one: by name, or such as `TYPE65280`.
pub(crate) fn type_of(word: &Word<'_>) -> Option<u16> {
    if word.is_quoted {
        return None;
    }
    let known = TYPES.iter().find(|(name, ..)| word.is(name));
    known.map(|(_, rtype, _)| *rtype).or_else(|| number_behind("TYPE", word))
}

/// The number in a word such as `TYPE1` or `CLASS1` (RFC 3597, section 5).
pub(crate) fn number_behind(prefix: &str, word: &Word<'_>) -> Option<u16> {
    let (start, digits) = word.text()?.split_at_checked(prefix.len())?;
    let is_number = start.eq_ignore_ascii_case(prefix) && !digits.starts_with('+');
    is_number.then(|| digits.parse().ok())?
}

/// How a type is called.
pub(crate) fn type_name(rtype: u16) -> String {
    let known = TYPES.iter().find(|(_, number, _)| *number == rtype);
    known.map_or_else(|| format!("TYPE{rtype}"), |(name, ..)| (*name).to_owned())
}

/// So many seconds: a number, or numbers with units such as `1h30m`.
pub(crate) fn seconds(word: &Word<'_>) -> Option<u32> {
    let text = word.text().filter(|text| !text.is_empty() && !word.is_quoted)?;
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits_len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(digits_len);
        let factor = match behind.chars().next().map(|unit| unit.to_ascii_lowercase()) {
            // A number without a unit stands alone.
            None if digits.len() == text.len() => 1,
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            _ => return None,
        };
        sum = digits.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(sum)?;
        rest = behind.get(1..).unwrap_or_default();
    }
    u32::try_from(sum).ok()
}

impl Data {
    /// Reads the data of a type from the words behind it.
    pub(crate) fn read(
        rtype: u16,
        words: &[Word<'_>],
        origin: Option<&[u8]>,
    ) -> Result<Self, String> {
        let known = TYPES.iter().find(|(_, number, _)| *number == rtype);
        let data = match (known, words) {
            (None, [mark, len, hex @ ..]) if mark.is("\\#") => Self::unknown(len, hex)?,
            (None, _) => {
                return Err(format!("the data of TYPE{rtype} is written \\# LENGTH HEXADECIMAL"));
            }
            (Some((name, _, fields)), _) => Self::known(name, fields, words, origin)?,
        };
        match data.bytes.len() {
            0..=MAX_DATA_LEN => Ok(data),
            len => Err(format!("{len} bytes of data: 65535 is the most")),
        }
    }

    /// Data of a type without a form of its own (RFC 3597, section 5).
    fn unknown(len: &Word<'_>, hex: &[Word<'_>]) -> Result<Self, String> {
        let mut data = Self::default();
        hex.iter().try_for_each(|word| data.put_hex(word))?;
        match number::<usize>(len, "the length")? {
            said if said == data.bytes.len() => Ok(data),
            said => Err(format!("{said} bytes are announced, and {} there", data.bytes.len())),
        }
    }

    fn known(
        name: &str,
        fields: &[Field],
        words: &[Word<'_>],
        origin: Option<&[u8]>,
    ) -> Result<Self, String> {
        let mut data = Self::default();
        let mut rest = words;
        for field in fields {
            let missing = || format!("a record of type {name} has {} fields", fields.len());
            let (word, behind) = rest.split_first().ok_or_else(missing)?;
            if matches!(field, Field::Strings | Field::Hex) {
                rest.iter().try_for_each(|word| data.put(*field, word, origin))?;
                rest = &[];
            } else {
                data.put(*field, word, origin)?;
                rest = behind;
            }
        }
        match rest.first() {
            Some(word) => Err(format!("{word} is one field too many for type {name}")),
            None => Ok(data),
        }
    }

    /// Puts a field of one word.
    fn put(&mut self, field: Field, word: &Word<'_>, origin: Option<&[u8]>) -> Result<(), String> {
        let bytes = &mut self.bytes;
        match field {
            Field::Ipv4 => bytes.extend(parsed::<Ipv4Addr>(word, "an IPv4 address")?.octets()),
            Field::Ipv6 => bytes.extend(parsed::<Ipv6Addr>(word, "an IPv6 address")?.octets()),
            Field::Name | Field::PlainName => {
                let name = word.name(origin)?;
                let (at, len) = (bytes.len(), name.len());
                let is_compressible = field == Field::Name;
                self.names.push(DataName { at, len, is_compressible });
                bytes.extend(name);
            }
            Field::U8 => bytes.push(number(word, "a field of 8 bits")?),
            Field::U16 => bytes.extend(number::<u16>(word, "a field of 16 bits")?.to_be_bytes()),
            Field::U32 => bytes.extend(number::<u32>(word, "a field of 32 bits")?.to_be_bytes()),
            Field::Time => {
                let wrong = || format!("{word} is no time: write it as 3600 or 1h, up to 2^31-1 s");
                let time = seconds(word).filter(|time| *time <= MAX_TTL).ok_or_else(wrong)?;
                bytes.extend(time.to_be_bytes());
            }
            Field::Tag => {
                let tag = word.string()?;
                if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
                    return Err(format!("{word} is no tag: it has letters and digits"));
                }
                self.put_string(word)?;
            }
            Field::Value => bytes.extend(word.string()?),
            Field::String | Field::Strings => self.put_string(word)?,
            Field::Hex => self.put_hex(word)?,
        }
        Ok(())
    }

    fn put_string(&mut self, word: &Word<'_>) -> Result<(), String> {
        let string = word.string()?;
        // Its length has one byte.
        self.bytes.extend(string.len().to_be_bytes().last());
        self.bytes.extend(string);
        Ok(())
    }

    fn put_hex(&mut self, word: &Word<'_>) -> Result<(), String> {
        let wrong = || format!("{word} is not pairs of hexadecimal digits");
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| digit.try_into().ok());
        let (pairs, []) = word.raw.as_chunks::<2>() else { return Err(wrong()) };
        for [high, low] in pairs {
            let digits: Option<(u8, u8)> = digit(*high).zip(digit(*low));
            let (high, low) = digits.ok_or_else(wrong)?;
            self.bytes.push(high << 4 | low);
        }
        Ok(())
    }
}

fn parsed<T: FromStr>(word: &Word<'_>, what: &str) -> Result<T, String> {
    let read = word.text().and_then(|text| text.parse().ok());
    read.ok_or_else(|| format!("{word} is not {what}"))
}

/// A number of digits alone: no sign stands before it.
fn number<T: FromStr>(word: &Word<'_>, what: &str) -> Result<T, String> {
    if !word.raw.iter().all(u8::is_ascii_digit) {
        return Err(format!("{word} is no number, which {what} is"));
    }
    parsed(word, what).map_err(|_| format!("{word} is too great for {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word<'_> {
        let inside = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Word { raw: inside.unwrap_or(text).as_bytes(), is_quoted: inside.is_some() }
    }

    fn read(type_name: &str, words: &str) -> Result<Data, String> {
        let words: Vec<_> = words.split(' ').filter(|word| !word.is_empty()).map(word).collect();
        let rtype = type_of(&word(type_name)).expect("a type");
        Data::read(rtype, &words, Some(b"\x01e\0"))
    }

    #[test]
    fn each_type_is_written_in_its_own_way() {
        for (name, words, bytes) in [
            ("A", "192.0.2.1", &b"\xc0\0\x02\x01"[..]),
            ("AAAA", "2001:db8::1", b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"),
            ("ns", "a.b.", b"\x01a\x01b\0"),
            ("MX", "10 a", b"\0\x0a\x01a\x01e\0"),
            ("TXT", "abc \"d\" \"\"", b"\x03abc\x01d\0"),
            ("SRV", "1 2 65535 @", b"\0\x01\0\x02\xff\xff\x01e\0"),
            ("CAA", "128 issue \"ca;x\"", b"\x80\x05issueca;x"),
            ("DS", "1 8 2 00fF Aa", b"\0\x01\x08\x02\0\xff\xaa"),
            ("HINFO", "a b", b"\x01a\x01b"),
            ("TYPE65280", "\\# 3 0102 03", b"\x01\x02\x03"),
            ("TYPE1", "192.0.2.1", b"\xc0\0\x02\x01"),
            ("type99", "\\# 0", b""),
            (
                "SOA",
                ". . 4294967295 1 2m 3h 1w1d",
                b"\0\0\xff\xff\xff\xff\0\0\0\x01\0\0\0\x78\0\0\x2a\x30\0\x0a\x8c\0",
            ),
        ] {
            assert_eq!(read(name, words).map(|data| data.bytes).as_deref(), Ok(bytes), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_field_is_said_of_it() {
        for (name, words, what) in [
            ("A", "192.0.2.256", "\"192.0.2.256\" is not an IPv4 address"),
            ("A", "", "a record of type A has 1 fields"),
            ("A", "192.0.2.1 x", "\"x\" is one field too many for type A"),
            ("AAAA", "192.0.2.1", "\"192.0.2.1\" is not an IPv6 address"),
            ("MX", "a 10", "\"a\" is no number, which a field of 16 bits is"),
            ("MX", "+1 a", "\"+1\" is no number, which a field of 16 bits is"),
            ("MX", "65536 a", "\"65536\" is too great for a field of 16 bits"),
            ("MX", "10", "a record of type MX has 2 fields"),
            ("CAA", "0 is-sue x", "\"is-sue\" is no tag: it has letters and digits"),
            ("CAA", "0 \"\" x", "\"\" is no tag: it has letters and digits"),
            ("CAA", "256 issue x", "\"256\" is too great for a field of 8 bits"),
            ("DS", "1 8 2 0", "\"0\" is not pairs of hexadecimal digits"),
            ("DS", "1 8 2 0g", "\"0g\" is not pairs of hexadecimal digits"),
            ("TYPE99", "abc", "the data of TYPE99 is written \\# LENGTH HEXADECIMAL"),
            ("TYPE99", "\\# 2 00", "2 bytes are announced, and 1 there"),
            ("SOA", ". . 1 2 3 4 2147483648", "\"2147483648\" is no time: write it as"),
        ] {
            let said = read(name, words).expect_err("it is wrong");
            assert!(said.starts_with(what), "{said}");
        }
    }

    #[test]
    fn names_that_everybody_knows_can_be_compressed() {
        let names = |name, words| read(name, words).unwrap().names;
        let name = |at, is_compressible| vec![DataName { at, len: 5, is_compressible }];
        assert_eq!(names("MX", "10 a"), name(2, true));
        assert_eq!(names("SRV", "0 0 0 a"), name(6, false));
        assert_eq!(names("TXT", "a"), []);
    }

    #[test]
    fn a_time_is_a_number_or_has_units() {
        for (text, time) in [("0", 0), ("3600", 3600), ("1h30M", 5400), ("1w2d3s", 777_603)] {
            assert_eq!(seconds(&word(text)), Some(time), "{text}");
        }
        for text in
            ["", "h", "1x", "1h30", "-1", "4294967296", "99999999999999999999w", "\"1\"", "IN"]
        {
            assert_eq!(seconds(&word(text)), None, "{text}");
        }
    }

    #[test]
    fn a_type_has_a_name_or_a_number() {
        assert_eq!(type_of(&word("aaaa")), Some(28));
        assert_eq!(type_of(&word("TYPE28")), Some(28));
        assert_eq!((type_name(28), type_name(4711)), ("AAAA".into(), "TYPE4711".into()));
        for text in ["TYPE", "TYPE+1", "TYPE65536", "AXFR", "\"A\"", "TYP"] {
            assert_eq!(type_of(&word(text)), None, "{text}");
        }
    }
}
