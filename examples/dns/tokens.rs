//! The words of a zone file, entry by entry (RFC 1035, section 5.1).

use std::fmt;

use windlass::middleware::Escaped;

use super::name::{MAX_LABEL_LEN, MAX_NAME_LEN, Shown};

/// How many bytes of a word a message about it shows.
const MAX_SHOWN_LEN: usize = 64;

/// What is wrong with a zone file, and where.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct ZoneError {
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// A word as it stands in the file, with its escapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) is_quoted: bool,
}

/// An entry: usually a line, or as many as parentheses make one.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Entry<'a> {
    /// Where it begins.
    pub(crate) line: usize,
    /// Whether it begins with a blank, and so belongs to the owner before it.
    pub(crate) is_indented: bool,
    pub(crate) words: Vec<Word<'a>>,
}

/// The entries of a zone file, one after the other.
pub(crate) struct Entries<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Entries<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line that is being read.
    pub(crate) const fn line(&self) -> usize {
        self.line
    }

    /// The next entry that has a word; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'a>>, ZoneError> {
        let mut entry = self.fresh_entry();
        let mut opened = None;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    if opened.is_none() {
                        if !entry.words.is_empty() {
                            return Ok(Some(entry));
                        }
                        entry = self.fresh_entry();
                    }
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b';' => self.skip_comment(),
                b'(' if opened.is_some() => {
                    return Err(self.error("a parenthesis inside of parentheses"));
                }
                b'(' => {
                    opened = Some(self.line);
                    self.at += 1;
                }
                b')' if opened.is_none() => {
                    return Err(self.error("a closing parenthesis that none was opened for"));
                }
                b')' => {
                    opened = None;
                    self.at += 1;
                }
                b'"' => entry.words.push(self.quoted()?),
                _ => entry.words.push(self.plain()),
            }
        }
        match opened {
            Some(line) => Err(ZoneError { line, what: "a parenthesis is never closed".into() }),
            None => Ok((!entry.words.is_empty()).then_some(entry)),
        }
    }

    fn fresh_entry(&self) -> Entry<'a> {
        let is_indented = matches!(self.text.get(self.at), Some(b' ' | b'\t'));
        Entry { line: self.line, is_indented, words: Vec::new() }
    }

    fn error(&self, what: &str) -> ZoneError {
        ZoneError { line: self.line, what: what.to_owned() }
    }

    fn skip_comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    /// The word between two quotation marks, of which the first is next.
    fn quoted(&mut self) -> Result<Word<'a>, ZoneError> {
        let rest = &self.text[self.at + 1..];
        let len = plain_len(rest, |byte| matches!(byte, b'"' | b'\n'));
        if rest.get(len) != Some(&b'"') {
            return Err(self.error("a quotation mark is not closed on its line"));
        }
        self.at += len + 2;
        Ok(Word { raw: &rest[..len], is_quoted: true })
    }

    fn plain(&mut self) -> Word<'a> {
        let rest = &self.text[self.at..];
        let is_end =
            |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"');
        let len = plain_len(rest, is_end);
        self.at += len;
        Word { raw: &rest[..len], is_quoted: false }
    }
}

/// How many bytes come before one that is an end and is not escaped. No escape goes beyond a line.
fn plain_len(rest: &[u8], is_end: impl Fn(u8) -> bool) -> usize {
    let mut len = 0;
    while let Some(byte) = rest.get(len).filter(|byte| !is_end(**byte)) {
        let is_escape = *byte == b'\\' && rest.get(len + 1).is_some_and(|next| *next != b'\n');
        len += if is_escape { 2 } else { 1 };
    }
    len
}

/// As it is shown in a message about it.
impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::bytes(self.raw).max_len(MAX_SHOWN_LEN).fmt(f)
    }
}

impl Word<'_> {
    pub(crate) fn text(&self) -> Option<&str> {
        str::from_utf8(self.raw).ok()
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        !self.is_quoted && self.raw.eq_ignore_ascii_case(word.as_bytes())
    }

    /// Its bytes, each with whether it was escaped.
    fn bytes(&self) -> Result<Vec<(u8, bool)>, String> {
        let mut bytes = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let [first, behind @ ..] = rest {
            let (byte, is_escaped, behind) = match (first, behind) {
                (b'\\', [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', behind @ ..]) => {
                    let digit = |byte: &u8| u32::from(*byte - b'0');
                    let number = digit(a) * 100 + digit(b) * 10 + digit(c);
                    let wrong = |_| format!("{self}: there is no byte {number}");
                    (u8::try_from(number).map_err(wrong)?, true, behind)
                }
                (b'\\', [] | [b'0'..=b'9', ..]) => {
                    return Err(format!("{self} has an escape that does not end"));
                }
                (b'\\', [escaped, behind @ ..]) => (*escaped, true, behind),
                (plain, behind) => (*plain, false, behind),
            };
            bytes.push((byte, is_escaped));
            rest = behind;
        }
        Ok(bytes)
    }

    /// Its bytes, which a character string can have at most 255 of (RFC 1035, section 3.3).
    pub(crate) fn string(&self) -> Result<Vec<u8>, String> {
        let bytes: Vec<u8> = self.bytes()?.into_iter().map(|(byte, _)| byte).collect();
        match bytes.len() {
            0..=255 => Ok(bytes),
            len => Err(format!("a string of {len} bytes: 255 is the most, write it as several")),
        }
    }

    /// The name that it is, as on the wire; one without a dot at its end goes on with the origin.
    pub(crate) fn name(&self, origin: Option<&[u8]>) -> Result<Vec<u8>, String> {
        let no_origin = || format!("{self} is relative, and there is no $ORIGIN yet");
        match (self.is_quoted, self.raw) {
            (true, _) => return Err(format!("{self} is quoted, and no name")),
            (_, b"@") => return origin.map(<[u8]>::to_vec).ok_or_else(no_origin),
            (_, b".") => return Ok(vec![0]),
            _ => {}
        }
        let mut name = Vec::new();
        let bytes = self.bytes()?;
        let mut labels = bytes.split(|byte| *byte == (b'.', false)).peekable();
        while let Some(label) = labels.next() {
            if label.is_empty() && labels.peek().is_none() && !name.is_empty() {
                // Behind the last dot there is the root.
                name.push(0);
                return checked_len(name);
            }
            let len =
                u8::try_from(label.len()).ok().filter(|len| usize::from(*len) <= MAX_LABEL_LEN);
            let Some(len) = len.filter(|len| *len > 0) else {
                return Err(format!(
                    "{self} has a label of {} bytes: 1 to 63 make one",
                    label.len()
                ));
            };
            name.push(len);
            name.extend(label.iter().map(|(byte, _)| byte));
        }
        name.extend_from_slice(origin.ok_or_else(no_origin)?);
        checked_len(name)
    }
}

fn checked_len(name: Vec<u8>) -> Result<Vec<u8>, String> {
    match name.len() {
        0..=MAX_NAME_LEN => Ok(name),
        len => Err(format!("{} is a name of {len} bytes: 255 is the most", Shown(&name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries of a text, each with its line, whether it is indented, and its words: those that
    /// are quoted between angle brackets.
    fn entries(text: &str) -> Result<Vec<String>, ZoneError> {
        let mut entries = Entries::new(text.as_bytes());
        let mut shown = Vec::new();
        while let Some(Entry { line, is_indented, words }) = entries.next()? {
            let text = |word: &Word<'_>| word.text().expect("the test's own").to_owned();
            let word = |word: &Word<'_>| match word.is_quoted {
                true => format!("<{}>", text(word)),
                false => text(word),
            };
            let words: Vec<String> = words.iter().map(word).collect();
            shown.push(format!("{line} {is_indented} {}", words.join("|")));
        }
        Ok(shown)
    }

    fn plain(text: &'static [u8]) -> Word<'static> {
        Word { raw: text, is_quoted: false }
    }

    #[test]
    fn an_entry_is_a_line_or_what_stands_in_parentheses() {
        let text = "; nothing\n\r\na b;c\r\n\tc ( d ; e )\n  f\n) g\n \nh";
        let expected = ["3 false a|b", "4 true c|d|f|g", "8 false h"];
        assert_eq!(entries(text).unwrap(), expected);
        assert_eq!(entries("").unwrap(), [""; 0]);
    }

    #[test]
    fn quotation_marks_and_escapes_keep_what_would_end_a_word() {
        let text = r#"a\ b\;c"d ;(" \"e\" "\"" "" f\"#;
        let words = r#"a\ b\;c|<d ;(>|\"e\"|<\">|<>|f\"#;
        assert_eq!(entries(text).unwrap(), [format!("1 false {words}")]);
    }

    #[test]
    fn what_is_opened_must_be_closed_and_the_line_is_said() {
        for (text, line, what) in [
            ("a\n(b\n\n", 2, "a parenthesis is never closed"),
            ("(a\n(b))", 2, "a parenthesis inside of parentheses"),
            ("a\nb)", 2, "a closing parenthesis that none was opened for"),
            ("\n\na \"b\nc\"", 3, "a quotation mark is not closed on its line"),
            ("a \"b", 1, "a quotation mark is not closed on its line"),
        ] {
            assert_eq!(entries(text), Err(ZoneError { line, what: what.into() }), "{text}");
        }
    }

    #[test]
    fn a_name_goes_on_with_the_origin_unless_it_ends_in_a_dot() {
        let origin = Some(&b"\x01e\0"[..]);
        for (text, name) in [
            (&b"www"[..], &b"\x03www\x01e\0"[..]),
            (b"a.B.", b"\x01a\x01B\0"),
            (b"@", b"\x01e\0"),
            (b".", b"\0"),
            (b"*", b"\x01*\x01e\0"),
            (b"a\\.b\\064.c\\@\\000", b"\x04a.b@\x03c@\0\x01e\0"),
            (b"\\@", b"\x01@\x01e\0"),
        ] {
            assert_eq!(plain(text).name(origin).as_deref(), Ok(name), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_reason() {
        let long: &'static [u8] = vec![b'a'; 64].leak();
        let longer: &'static [u8] = [b"abc.".repeat(63), b"ab.".to_vec()].concat().leak();
        for (text, what) in [
            (&b"a..b"[..], "has a label of 0 bytes: 1 to 63 make one"),
            (b"..", "has a label of 0 bytes"),
            (b".a", "has a label of 0 bytes"),
            (long, "has a label of 64 bytes: 1 to 63 make one"),
            (longer, "is a name of 256 bytes: 255 is the most"),
            (b"a", "\"a\" is relative, and there is no $ORIGIN yet"),
            (b"@", "\"@\" is relative, and there is no $ORIGIN yet"),
            (b"a\\256.", "there is no byte 256"),
            (b"a\\25", "has an escape that does not end"),
            (b"a\\", "has an escape that does not end"),
        ] {
            let said = plain(text).name(None).expect_err("it is no name");
            assert!(said.contains(what), "{said}");
        }
        let quoted = Word { raw: b"a.", is_quoted: true };
        assert_eq!(quoted.name(None), Err("\"a.\" is quoted, and no name".into()));
    }

    #[test]
    fn a_string_has_255_bytes_at_most() {
        assert_eq!(plain(b"a\\;\\\\\\200").string().unwrap(), b"a;\\\xc8");
        assert_eq!(plain(vec![b'\\'; 510].leak()).string().unwrap().len(), 255);
        assert!(plain(vec![b'a'; 256].leak()).string().unwrap_err().contains("256 bytes"));
    }
}
