//! Patterns as of `KEYS`, `SCAN` and `PSUBSCRIBE`: what the documentation of `KEYS` calls
//! glob-style.
//!
//! `*` stands for any bytes, `?` for any one, `[abc]`, `[a-z]` and `[^a]` for one of some, and `\`
//! takes the meaning from what follows it. A class that is never closed ends with the pattern.

use super::refusal::Refusal;

/// The longest pattern. It may be compared with every place of a text, and there are as many texts
/// as there are keys, before anybody else is served.
const MAX_LEN: usize = 1024;

/// The pattern, if it is not too long to be looked for.
pub(crate) const fn checked(pattern: &[u8]) -> Result<&[u8], Refusal> {
    if pattern.len() > MAX_LEN {
        return Err(Refusal::Other("ERR the pattern is too long"));
    }
    Ok(pattern)
}

/// Whether all of `text` is what `pattern` describes.
///
/// Looks at no more than `pattern.len() * text.len()` bytes: what an earlier `*` stands for is
/// settled as soon as a later one is reached, so there is only ever one to return to.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    // What follows the last star, and the text that it was last tried on.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', after)) = rest.split_first() {
            if after.is_empty() {
                return true;
            }
            star = Some((after, left));
            rest = after;
        } else if let Some((byte, others)) = left.split_first() {
            match one(rest, *byte) {
                Some(after) => (rest, left) = (after, others),
                None => match retry(&mut star) {
                    Some(again) => (rest, left) = again,
                    None => return false,
                },
            }
        } else {
            // The last star can only leave fewer bytes.
            return rest.is_empty();
        }
    }
}

/// Lets the last star stand for one byte more.
fn retry<'a>(star: &mut Option<(&'a [u8], &'a [u8])>) -> Option<(&'a [u8], &'a [u8])> {
    let (_, tried) = star.as_mut()?;
    *tried = tried.get(1..)?;
    *star
}

/// What is left of the pattern after its first item, which is no star, if that stands for `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (stands, rest) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => (true, rest),
        [b'[', b'^', class @ ..] => {
            let (is_in, rest) = class_has(class, byte);
            (!is_in, rest)
        }
        [b'[', class @ ..] => class_has(class, byte),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte, rest),
    };
    stands.then_some(rest)
}

/// Whether `byte` is in a class, and what follows on the class.
fn class_has(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (mut is_in, mut rest) = (false, class);
    loop {
        rest = match rest {
            [] => return (is_in, rest),
            [b'\\', literal, after @ ..] => {
                is_in |= *literal == byte;
                after
            }
            [b']', after @ ..] => return (is_in, after),
            [first, b'-', last, after @ ..] => {
                is_in |= (*first.min(last)..=*first.max(last)).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                is_in |= *literal == byte;
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_matches(pattern: &str, those: &[&str], not: &[&str]) {
        for text in those {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} is not {text:?}");
        }
        for text in not {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} is {text:?}");
        }
    }

    #[test]
    fn stars_stand_for_any_bytes() {
        assert_matches("*", &["", "a", "abc"], &[]);
        assert_matches("a*", &["a", "ab", "a*"], &["", "ba"]);
        assert_matches("*a", &["a", "aa", "ba"], &["", "ab"]);
        assert_matches("a*b**c", &["abc", "abbc", "aXbXc", "abcbc"], &["ac", "abcd"]);
    }

    #[test]
    fn question_marks_stand_for_one_byte() {
        assert_matches("h?llo", &["hello", "hallo"], &["hllo", "heello"]);
        assert_matches("??", &["ab"], &["a", "abc", ""]);
        assert_matches("*?", &["a", "ab"], &[""]);
    }

    #[test]
    fn classes_stand_for_one_of_theirs() {
        assert_matches("h[ae]llo", &["hello", "hallo"], &["hillo", "h[ae]llo"]);
        assert_matches("h[^e]llo", &["hallo", "hbllo"], &["hello", "hllo"]);
        assert_matches("[a-c]", &["a", "b", "c"], &["d", "-"]);
        assert_matches("[c-a]", &["a", "b", "c"], &["d"]);
        assert_matches("[a\\]]", &["a", "]"], &["\\", "b"]);
        assert_matches("[]a", &[], &["]a", "a", ""]);
        assert_matches("[^]a", &["ba", "]a"], &["a"]);
    }

    #[test]
    fn a_class_that_is_not_closed_ends_with_the_pattern() {
        assert_matches("[ab", &["a", "b"], &["[ab", "ab"]);
        assert_matches("[", &[], &["[", ""]);
        assert_matches("[^", &["a", "["], &[""]);
        assert_matches("[a-", &["a", "-"], &["b"]);
    }

    #[test]
    fn a_backslash_takes_the_meaning_away() {
        assert_matches("a\\*b", &["a*b"], &["aXb"]);
        assert_matches("\\[a]", &["[a]"], &["a"]);
        assert_matches("a\\", &["a\\"], &["a"]);
    }

    #[test]
    fn bytes_need_not_be_text() {
        assert!(matches(b"[\x80-\xff]\0*", b"\x90\0\0"));
        assert!(!matches(b"[\x80-\xff]", b"\x7f"));
    }

    #[test]
    fn many_stars_take_no_time() {
        // A matcher that tries all ways for each star would not end this year.
        let text = [b'a'; 10_000];
        let pattern = [&b"*a".repeat(100)[..], b"b"].concat();
        assert!(!matches(&pattern, &text));
        assert!(matches(&pattern[..200], &text));
    }
}
