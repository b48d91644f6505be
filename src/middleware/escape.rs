//! What a peer sent, fit for a line of a log.

use std::fmt::{self, Write};

/// Text or bytes of a peer, displayed as one line of printable ASCII between quotation marks, and
/// cut off if long.
///
/// Whatever a peer has a hand in can have line ends in it, which forge entries of a log, and
/// control sequences, which drive the terminal it is read on. Here all but printable ASCII is
/// escaped as in a Rust literal, `\n` and `\x1b`, and so are quotation marks and backslashes, so
/// that what is shown can be told from what is said about it.
///
/// ```
/// use windlass::middleware::Escaped;
///
/// let name = b"admin\n\x1b[2J";
/// assert_eq!(Escaped::bytes(name).to_string(), r#""admin\n\x1b[2J""#);
/// let long = Escaped::bytes(&[b'a'; 100]).max_len(3);
/// assert_eq!(long.to_string(), r#""aaa" and 97 more bytes"#);
/// ```
#[derive(Clone, Copy)]
pub struct Escaped<'a> {
    source: Source<'a>,
    max_len: usize,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Bytes(&'a [u8]),
    Text(&'a dyn fmt::Display),
}

impl<'a> Escaped<'a> {
    /// How many bytes are shown, unless said otherwise.
    const MAX_LEN: usize = 64;

    /// These bytes.
    pub const fn bytes(bytes: &'a [u8]) -> Self {
        Self { source: Source::Bytes(bytes), max_len: Self::MAX_LEN }
    }

    /// This text, or whatever else displays itself.
    pub const fn text(text: &'a dyn fmt::Display) -> Self {
        Self { source: Source::Text(text), max_len: Self::MAX_LEN }
    }

    /// Shows so many bytes at most, of up to four columns each; the default is 64.
    pub const fn max_len(self, max_len: usize) -> Self {
        Self { max_len, ..self }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut escaper = Escaper { to: f, left: self.max_len, omitted: 0 };
        match self.source {
            Source::Bytes(bytes) => escaper.write(bytes)?,
            Source::Text(text) => write!(escaper, "{text}")?,
        }
        match escaper.omitted {
            0 => f.write_char('"'),
            1 => f.write_str("\" and 1 more byte"),
            omitted => write!(f, "\" and {omitted} more bytes"),
        }
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Escapes what is written to it, as long as there is room, and counts the rest.
struct Escaper<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    left: usize,
    omitted: usize,
}

impl Escaper<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> fmt::Result {
        let (shown, omitted) = bytes.split_at(bytes.len().min(self.left));
        self.left -= shown.len();
        self.omitted += omitted.len();
        write!(self.to, "{}", shown.escape_ascii())
    }
}

impl Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_printable_line(text: &str) -> bool {
        text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    }

    #[test]
    fn every_byte_becomes_printable_and_can_be_told_from_all_others() {
        let mut forms = std::collections::BTreeSet::new();
        for byte in 0..=u8::MAX {
            let form = Escaped::bytes(&[byte]).to_string();
            assert!(is_printable_line(&form), "byte {byte}: {form:?}");
            let inside = &form[1..form.len() - 1];
            assert!(inside.len() <= 4 && inside != "\"", "byte {byte}: {form:?}");
            assert!(forms.insert(form), "byte {byte} looks like another");
        }
    }

    #[test]
    fn all_bytes_together_are_one_line_of_bounded_length() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let whole = Escaped::bytes(&all).max_len(256).to_string();
        assert!(is_printable_line(&whole) && whole.ends_with(r#"\xfe\xff""#), "{whole}");
        let cut = Escaped::bytes(&all).to_string();
        assert!(is_printable_line(&cut) && cut.ends_with(r#"=>?" and 192 more bytes"#), "{cut}");
        assert!(cut.len() <= 4 * 64 + 30);
    }

    #[test]
    fn text_is_escaped_like_bytes_however_it_is_put_together() {
        let text = format!("caf\u{e9}\r\n{}", "x".repeat(100));
        for max_len in [0, 1, 5, 63, 64, 106, 107, 108] {
            let as_bytes = Escaped::bytes(text.as_bytes()).max_len(max_len).to_string();
            assert_eq!(Escaped::text(&text).max_len(max_len).to_string(), as_bytes);
            let (head, tail) = (&text[..3], &text[3..]);
            let in_pieces =
                Escaped::text(&format_args!("{head}{tail}")).max_len(max_len).to_string();
            assert_eq!(in_pieces, as_bytes);
        }
    }

    #[test]
    fn what_was_left_out_is_counted() {
        let table: &[(&[u8], usize, &str)] = &[
            (b"", 0, r#""""#),
            (b"a", 0, r#""" and 1 more byte"#),
            (b"ab", 2, r#""ab""#),
            (b"abc", 2, r#""ab" and 1 more byte"#),
            (b"abcd", 2, r#""ab" and 2 more bytes"#),
        ];
        for (bytes, max_len, expected) in table {
            assert_eq!(&Escaped::bytes(bytes).max_len(*max_len).to_string(), expected);
        }
    }

    #[test]
    fn nobody_can_forge_the_end_of_what_is_shown() {
        let forged = Escaped::bytes(b"a\" and 5 more bytes\n[INFO] root logged in").to_string();
        assert_eq!(forged, r#""a\" and 5 more bytes\n[INFO] root logged in""#);
    }
}
