//! Requests that a person types: words between blanks on a line, with quotes where they are needed.
//!
//! The words are borrowed like all others, so escapes are undone where they stand. A word without
//! quotes is left as it is. One with quotes is at least two bytes shorter without them, and a blank
//! or the end of the line follows it: in these three bytes go a quotation mark and its length.

/// The longest line, which [`prepare`] also needs to be: a length has two bytes. Redis allows as
/// much.
pub(crate) const MAX_LINE_LEN: usize = 64 * 1024;

/// A word that has no second quotation mark, or something other than a blank behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unbalanced;

/// Undoes the quotes in a line, which ends with its line feed; says how many words it has.
pub(crate) fn prepare(line: &mut [u8]) -> Result<u32, Unbalanced> {
    let (mut at, mut count) = (0, 0);
    loop {
        while line.get(at).is_some_and(|byte| is_blank(*byte)) {
            at += 1;
        }
        if at >= line.len() {
            return Ok(count);
        }
        at = prepare_word(line, at)?;
        count += 1;
    }
}

/// The first word of a line that was prepared, and what follows it.
pub(crate) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = line.iter().position(|byte| !is_blank(*byte))?;
    match &line[start..] {
        [b'"', low, high, rest @ ..] => {
            rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))
        }
        rest => {
            let len = rest.iter().position(|byte| is_blank(*byte)).unwrap_or(rest.len());
            Some(rest.split_at(len))
        }
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0)
}

/// Undoes the quotes of the word at `start`; says where the line goes on.
fn prepare_word(line: &mut [u8], start: usize) -> Result<usize, Unbalanced> {
    let mut at = start;
    while line.get(at).is_some_and(|byte| !is_blank(*byte) && !matches!(byte, b'"' | b'\'')) {
        at += 1;
    }
    if line.get(at).is_none_or(|byte| is_blank(*byte)) {
        return Ok(at);
    }
    // What is before the first quotation mark has to give way to the mark and the length: it is
    // done in a copy, since few words have quotes at all.
    let mut word = line[start..at].to_vec();
    while let Some(byte) = line.get(at).copied().filter(|byte| !is_blank(*byte)) {
        at = match byte {
            b'"' => double_quoted(line, at + 1, &mut word)?,
            b'\'' => single_quoted(line, at + 1, &mut word)?,
            _ => {
                word.push(byte);
                at + 1
            }
        };
    }
    let len = u16::try_from(word.len()).map_err(|_| Unbalanced)?;
    let [low, high] = len.to_le_bytes();
    line[start..start + 3].copy_from_slice(&[b'"', low, high]);
    line[start + 3..start + 3 + word.len()].copy_from_slice(&word);
    // What is left of it until the next word looks like blanks.
    line[start + 3 + word.len()..(at + 1).max(start + 3 + word.len())].fill(b' ');
    Ok(at + 1)
}

/// Puts what stands between double quotes into `word`; says where the line goes on.
fn double_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    loop {
        let (byte, len) = match line.get(at..).unwrap_or_default() {
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (digit(*high) << 4 | digit(*low), 4)
            }
            [b'\\', escaped, ..] => (unescaped(*escaped), 2),
            [b'"', ..] => return closed(line, at + 1),
            [byte, ..] => (*byte, 1),
            [] => return Err(Unbalanced),
        };
        word.push(byte);
        at += len;
    }
}

/// As [`double_quoted`], between single quotes, where only those are escaped.
fn single_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    loop {
        let (byte, len) = match line.get(at..).unwrap_or_default() {
            [b'\\', b'\'', ..] => (b'\'', 2),
            [b'\'', ..] => return closed(line, at + 1),
            [byte, ..] => (*byte, 1),
            [] => return Err(Unbalanced),
        };
        word.push(byte);
        at += len;
    }
}

/// Behind a closing quotation mark there must be a blank.
fn closed(line: &[u8], at: usize) -> Result<usize, Unbalanced> {
    if line.get(at).is_none_or(|byte| is_blank(*byte)) { Ok(at) } else { Err(Unbalanced) }
}

const fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

const fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, Unbalanced> {
        let mut line = format!("{line}\r\n").into_bytes();
        let count = prepare(&mut line)?;
        let mut rest = &line[..];
        let mut words = Vec::new();
        for _ in 0..count {
            let (word, behind) = split(rest).expect("there are so many words");
            words.push(word.escape_ascii().to_string());
            rest = behind;
        }
        assert!(rest.iter().all(|byte| is_blank(*byte)), "nothing is left");
        Ok(words)
    }

    #[test]
    fn words_are_what_stands_between_blanks() {
        assert_eq!(words("").unwrap(), [""; 0]);
        assert_eq!(words(" \t ").unwrap(), [""; 0]);
        assert_eq!(words("PING").unwrap(), ["PING"]);
        assert_eq!(words("  set  a\tb ").unwrap(), ["set", "a", "b"]);
    }

    #[test]
    fn quotes_hold_words_together_and_escapes_are_undone() {
        assert_eq!(words(r#"set "a b" '' "" x"#).unwrap(), ["set", "a b", "", "", "x"]);
        assert_eq!(words(r#""\x41\xfF\n\"" '\'\n'"#).unwrap(), [r#"A\xff\n\""#, r"\'\\n"]);
        assert_eq!(words(r#"ab"c d" e"#).unwrap(), ["abc d", "e"]);
        assert_eq!(words(r#""\x4" """#).unwrap(), ["x4", ""]);
        assert_eq!(words(r#""\t\r\b\a\q""#).unwrap(), [r"\t\r\x08\x07q"]);
    }

    #[test]
    fn quotes_that_do_not_match_are_refused() {
        for line in
            [r#"""#, "'", r#""a"b"#, "'a'b", r#"a "b"#, r#""a\""#, r#""""#.repeat(2).as_str()]
        {
            assert_eq!(words(line), Err(Unbalanced), "{line}");
        }
    }

    #[test]
    fn the_longest_word_is_kept_whole() {
        let long = "x".repeat(MAX_LINE_LEN - 10);
        assert_eq!(words(&format!("\"{long}\"")).unwrap(), [long]);
    }
}
