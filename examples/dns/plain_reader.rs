//! A plain reader of answers, for tests: it shares nothing with what writes them, is strict, and
//! takes its time.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A message, taken apart.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Plain {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// As in `example.com. 1 1`: the name, the type and the class.
    pub(crate) question: Option<String>,
    /// The answer, the authority and the additional section, without EDNS. Each record is as in
    /// `example.com. 3600 A 192.0.2.1`.
    pub(crate) sections: [Vec<String>; 3],
    pub(crate) edns: Option<PlainEdns>,
}

/// What a message says with EDNS.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct PlainEdns {
    pub(crate) payload_len: u16,
    pub(crate) extended_rcode: u8,
    pub(crate) version: u8,
    pub(crate) flags: u16,
}

impl Plain {
    /// Takes a message apart.
    ///
    /// # Panics
    ///
    /// If anything about it is not as it must be.
    pub(crate) fn read(message: &[u8]) -> Self {
        let mut cursor = Cursor { message, at: 0 };
        let (id, flags) = (cursor.u16(), cursor.u16());
        let counts = [(); 4].map(|()| cursor.u16());
        assert!(counts[0] <= 1, "{} questions", counts[0]);
        let question = (counts[0] == 1)
            .then(|| format!("{} {} {}", cursor.name(), cursor.u16(), cursor.u16()));
        let mut plain = Self { id, flags, question, ..Self::default() };
        for (section, count) in counts[1..].iter().enumerate() {
            for _ in 0..*count {
                plain.read_record(&mut cursor, section);
            }
        }
        assert_eq!(cursor.at, message.len(), "bytes behind the message");
        plain
    }

    pub(crate) fn rcode(&self) -> u16 {
        let extended = self.edns.as_ref().map_or(0, |edns| edns.extended_rcode);
        u16::from(extended) << 4 | self.flags & 0xf
    }

    pub(crate) const fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    pub(crate) const fn is_authoritative(&self) -> bool {
        self.flags & 0x0400 != 0
    }

    fn read_record(&mut self, cursor: &mut Cursor<'_>, section: usize) {
        let owner = cursor.name();
        let (rtype, class) = (cursor.u16(), cursor.u16());
        if rtype == 41 {
            assert_eq!((&owner[..], section, self.edns.is_some()), (".", 2, false));
            let [extended_rcode, version] = cursor.u16().to_be_bytes();
            let flags = cursor.u16();
            self.edns = Some(PlainEdns { payload_len: class, extended_rcode, version, flags });
            assert_eq!(cursor.u16(), 0, "options that nobody asked for");
            return;
        }
        assert_eq!(class, 1, "a class that is not IN");
        let ttl = cursor.u32();
        let len = usize::from(cursor.u16());
        let end = cursor.at + len;
        let data = data(cursor, rtype, end);
        assert_eq!(cursor.at, end, "data of another length than is said");
        self.sections[section].push(format!("{owner} {ttl} {data}"));
    }
}

/// The data of a record, with its type before it.
fn data(cursor: &mut Cursor<'_>, rtype: u16, end: usize) -> String {
    match rtype {
        1 => format!("A {}", Ipv4Addr::from(cursor.array::<4>())),
        2 => format!("NS {}", cursor.name()),
        5 => format!("CNAME {}", cursor.name()),
        6 => {
            let names = [cursor.name(), cursor.name()].join(" ");
            let numbers = [(); 5].map(|()| cursor.u32().to_string());
            format!("SOA {names} {}", numbers.join(" "))
        }
        12 => format!("PTR {}", cursor.name()),
        15 => format!("MX {} {}", cursor.u16(), cursor.name()),
        16 => {
            let mut shown = "TXT".to_owned();
            while cursor.at < end {
                let len = cursor.take(1)[0];
                _ = write!(shown, " \"{}\"", cursor.take(len.into()).escape_ascii());
            }
            shown
        }
        28 => format!("AAAA {}", Ipv6Addr::from(cursor.array::<16>())),
        33 => format!("SRV {} {} {} {}", cursor.u16(), cursor.u16(), cursor.u16(), cursor.name()),
        other => format!("TYPE{other} {}", cursor.take(end - cursor.at).escape_ascii()),
    }
}

/// Where a message has been read up to.
struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let taken = &self.message[self.at..self.at + len];
        self.at += len;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().expect("as many as were asked for")
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// A name as text. Each pointer must lead to before where the name, or its last piece, began.
    fn name(&mut self) -> String {
        let (mut shown, mut piece_at, mut len) = (String::new(), self.at, 1);
        let mut end = None;
        loop {
            let first = self.take(1)[0];
            match first {
                0 => break,
                1..=63 => {
                    let label = self.take(first.into()).escape_ascii().to_string();
                    _ = write!(shown, "{}.", label.replace('.', "\\."));
                    len += 1 + usize::from(first);
                }
                192.. => {
                    let to = usize::from(u16::from_be_bytes([first, self.take(1)[0]]) & 0x3fff);
                    assert!((12..piece_at).contains(&to), "a pointer from {piece_at} to {to}");
                    end.get_or_insert(self.at);
                    (piece_at, self.at) = (to, to);
                }
                _ => panic!("a label that begins with {first}"),
            }
        }
        assert!(len <= 255, "a name of {len} bytes");
        self.at = end.unwrap_or(self.at);
        if shown.is_empty() { ".".to_owned() } else { shown }
    }
}
