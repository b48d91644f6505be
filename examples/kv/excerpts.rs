//! Excerpts of what a key holds: some members by chance, and scans of all.

use super::arguments::Arguments;
use super::glob;
use super::members::{HeapLen, Member, Members};
use super::numbers::format_integer;
use super::options::integer;
use super::random::Random;
use super::refusal::Refusal;
use super::reply::{Replies, Reply};

/// The most picks that may repeat each other, of which anybody can ask for as many as he likes,
/// however few members there are: the answer is built before anybody else is served.
const MAX_PICKS: u64 = 1 << 20;
const OUT_OF_RANGE: Refusal = Refusal::Other("ERR value is out of range");

/// How many members are picked by chance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Picks {
    /// One, which is answered by itself.
    One,
    /// As many as that or as there are, each once.
    Different(usize),
    /// As many as that, some of them repeatedly.
    Any(usize),
}

impl Picks {
    /// Positive numbers are of different ones.
    pub(crate) fn parse(word: Option<&[u8]>) -> Result<Self, Refusal> {
        let Some(word) = word else { return Ok(Self::One) };
        let count = integer(word)?;
        if count < 0 && count.unsigned_abs() > MAX_PICKS {
            return Err(OUT_OF_RANGE);
        }
        let absolute = usize::try_from(count.unsigned_abs()).map_err(|_| OUT_OF_RANGE)?;
        Ok(if count < 0 { Self::Any(absolute) } else { Self::Different(absolute) })
    }

    /// Answers with the names of members picked by chance, or, if `width` is more than one, with
    /// as many words for each as `put` says.
    pub(crate) fn answer<V: HeapLen, R: Replies>(
        self,
        members: Option<&Members<V>>,
        width: usize,
        random: &mut Random,
        to: &mut R,
        put: impl Fn(&Member<V>, &mut R),
    ) {
        match (members, self) {
            (None, Self::One) => to.put(Reply::Null),
            (None, _) => to.array(0),
            (Some(members), Self::One) => {
                let pick = members.random(random);
                to.bulk_or_null(pick.map(|member| member.name.as_slice()));
            }
            (Some(members), Self::Different(count)) => {
                let sample = members.sample(count, random);
                to.array(sample.len() * width);
                sample.into_iter().for_each(|member| put(member, to));
            }
            (Some(members), Self::Any(count)) => {
                to.array(count * width);
                let picks = (0..count).filter_map(|_| members.random(random));
                picks.for_each(|member| put(member, to));
            }
        }
    }
}

/// A scan: where it goes on, and its options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan<'a> {
    cursor: u64,
    /// They are only looked at if there is something to be scanned.
    options: Arguments<'a>,
}

/// What a scan is asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    /// About how many are looked at.
    count: usize,
    pattern: Option<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// The cursor and what follows it.
    pub(crate) fn parse(mut words: Arguments<'a>) -> Result<Self, Refusal> {
        let cursor = parse_cursor(words.word()).ok_or(Refusal::Other("ERR invalid cursor"))?;
        Ok(Self { cursor, options: words })
    }

    /// Answers with the next cursor, and with `width` words, as `put` says, for each member.
    pub(crate) fn answer<V: HeapLen, R: Replies>(
        self,
        members: Option<&Members<V>>,
        width: usize,
        to: &mut R,
        put: impl Fn(&Member<V>, &mut R),
    ) -> Result<(), Refusal> {
        let (mut next, mut found) = (0, Vec::new());
        if let Some(members) = members {
            let wanted = Wanted::parse(self.options)?;
            next = members.scan(self.cursor, wanted.count, |member| {
                if wanted.has(member.name.as_slice()) {
                    found.push(member);
                }
            });
        }
        to.array(2);
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        to.bulk(format_integer(next, &mut [0; 20]));
        to.array(found.len() * width);
        found.into_iter().for_each(|member| put(member, to));
        Ok(())
    }
}

impl<'a> Wanted<'a> {
    const USUAL_COUNT: usize = 10;

    fn parse(mut options: Arguments<'a>) -> Result<Self, Refusal> {
        let mut wanted = Self { count: Self::USUAL_COUNT, pattern: None };
        while let Some(option) = options.next() {
            let value = options.next().ok_or(Refusal::Syntax)?;
            if option.eq_ignore_ascii_case(b"match") {
                wanted.pattern = Some(value);
            } else if option.eq_ignore_ascii_case(b"count") {
                wanted.count = match usize::try_from(integer(value)?) {
                    Ok(count @ 1..) => count,
                    _ => return Err(Refusal::Syntax),
                };
            } else {
                return Err(Refusal::Syntax);
            }
        }
        Ok(wanted)
    }

    fn has(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// A cursor is a number of 64 bits without a sign; no digits at all are zero.
fn parse_cursor(word: &[u8]) -> Option<u64> {
    match word {
        [] => Some(0),
        [b'+' | b'-', ..] => None,
        _ => std::str::from_utf8(word).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_picks_more_than_the_limit_from_few_members() {
        assert_eq!(Picks::parse(Some(b"-1048576")), Ok(Picks::Any(1 << 20)));
        for beyond in [&b"-1048577"[..], b"-9223372036854775808"] {
            assert_eq!(Picks::parse(Some(beyond)), Err(OUT_OF_RANGE));
        }
        // More than there are is not more than there are.
        let count = usize::MAX / 2;
        let text = count.to_string();
        assert_eq!(Picks::parse(Some(text.as_bytes())), Ok(Picks::Different(count)));
    }

    #[test]
    fn a_cursor_is_a_number_without_a_sign() {
        assert_eq!(parse_cursor(b""), Some(0));
        assert_eq!(parse_cursor(b"18446744073709551615"), Some(u64::MAX));
        for none in ["-1", "+1", "18446744073709551616", "1 ", "x"] {
            assert_eq!(parse_cursor(none.as_bytes()), None, "{none:?}");
        }
    }
}
