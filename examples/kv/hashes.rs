//! The commands for hashes: fields of a key, with a value each.

use super::arguments::Arguments;
use super::bulks::Bulks;
use super::command::{Command, Flags, Keys, Spec};
use super::element::Element;
use super::excerpts::{Picks, Scan};
use super::members::{Member, Members};
use super::numbers::{Real, format_integer, parse_integer};
use super::options::integer;
use super::refusal::Refusal;
use super::reply::{Replies, Reply, Version};
use super::store::{Outcome, Store};
use super::value::kind;

/// Fields with a value each.
pub(crate) type Hash = Members<Element>;

kind!(Hash);

type Field = Member<Element>;

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("hset", -4, Flags::GROW, Keys::ONE, |words| parse_set(words, "hset", true)),
    Spec::new("hmset", -4, Flags::GROW, Keys::ONE, |words| parse_set(words, "hmset", false)),
    Spec::new("hsetnx", 4, Flags::GROW, Keys::ONE, |mut words| {
        let (key, field, value) = (words.word(), words.word(), words.word());
        Ok(Command::Hash(HashCommand::SetNew { key, field, value }))
    }),
    Spec::new("hget", 3, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Hash(HashCommand::Get { key: words.word(), field: words.word() }))
    }),
    Spec::new("hmget", -3, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Hash(HashCommand::GetMany { key: words.word(), fields: words }))
    }),
    Spec::new("hgetall", 2, Flags::READ, Keys::ONE, |words| parse_all(words, Part::Both)),
    Spec::new("hkeys", 2, Flags::READ, Keys::ONE, |words| parse_all(words, Part::Names)),
    Spec::new("hvals", 2, Flags::READ, Keys::ONE, |words| parse_all(words, Part::Values)),
    Spec::new("hdel", -3, Flags::WRITE, Keys::ONE, |mut words| {
        Ok(Command::Hash(HashCommand::Delete { key: words.word(), fields: words }))
    }),
    Spec::new("hlen", 2, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Hash(HashCommand::Len { key: words.word() }))
    }),
    Spec::new("hexists", 3, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Hash(HashCommand::Exists { key: words.word(), field: words.word() }))
    }),
    Spec::new("hstrlen", 3, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Hash(HashCommand::ValueLen { key: words.word(), field: words.word() }))
    }),
    Spec::new("hincrby", 4, Flags::GROW, Keys::ONE, |mut words| {
        let (key, field, by) = (words.word(), words.word(), integer(words.word())?);
        Ok(Command::Hash(HashCommand::Increment { key, field, by }))
    }),
    Spec::new("hincrbyfloat", 4, Flags::GROW, Keys::ONE, |mut words| {
        let (key, field) = (words.word(), words.word());
        let by = Real::parse(words.word()).ok_or(Refusal::NotAFloat)?;
        if !by.is_finite() {
            return Err(Refusal::Other("ERR value is NaN or Infinity"));
        }
        Ok(Command::Hash(HashCommand::IncrementReal { key, field, by }))
    }),
    Spec::new("hrandfield", -2, Flags::READ, Keys::ONE, |mut words| {
        let (key, picks) = (words.word(), Picks::parse(words.next())?);
        let has_values = words.next().map(|word| word.eq_ignore_ascii_case(b"withvalues"));
        if has_values == Some(false) || !words.is_empty() {
            return Err(Refusal::Syntax);
        }
        let part = if has_values.is_some() { Part::Both } else { Part::Names };
        Ok(Command::Hash(HashCommand::Random { key, picks, part }))
    }),
    Spec::new("hscan", -3, Flags::READ, Keys::ONE, |mut words| {
        let (key, scan) = (words.word(), Scan::parse(words)?);
        Ok(Command::Hash(HashCommand::Scan { key, scan }))
    }),
];

/// A command for hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HashCommand<'a> {
    /// Fields and values take turns. How many are new is answered, or only that it is done.
    Set {
        key: &'a [u8],
        fields: Arguments<'a>,
        is_counted: bool,
    },
    SetNew {
        key: &'a [u8],
        field: &'a [u8],
        value: &'a [u8],
    },
    Get {
        key: &'a [u8],
        field: &'a [u8],
    },
    GetMany {
        key: &'a [u8],
        fields: Arguments<'a>,
    },
    All {
        key: &'a [u8],
        part: Part,
    },
    Delete {
        key: &'a [u8],
        fields: Arguments<'a>,
    },
    Len {
        key: &'a [u8],
    },
    Exists {
        key: &'a [u8],
        field: &'a [u8],
    },
    ValueLen {
        key: &'a [u8],
        field: &'a [u8],
    },
    Increment {
        key: &'a [u8],
        field: &'a [u8],
        by: i64,
    },
    IncrementReal {
        key: &'a [u8],
        field: &'a [u8],
        by: Real,
    },
    Random {
        key: &'a [u8],
        picks: Picks,
        part: Part,
    },
    Scan {
        key: &'a [u8],
        scan: Scan<'a>,
    },
}

/// What of the fields is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Names,
    Values,
    Both,
}

fn parse_set<'a>(
    mut words: Arguments<'a>,
    name: &'static str,
    is_counted: bool,
) -> Result<Command<'a>, Refusal> {
    let (key, fields) = (words.word(), words);
    if !fields.len().is_multiple_of(2) {
        return Err(Refusal::WrongArity(name));
    }
    Ok(Command::Hash(HashCommand::Set { key, fields, is_counted }))
}

fn parse_all(mut words: Arguments<'_>, part: Part) -> Result<Command<'_>, Refusal> {
    Ok(Command::Hash(HashCommand::All { key: words.word(), part }))
}

impl HashCommand<'_> {
    #[inline]
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Set { key, fields, is_counted } => {
                let new = store.change_or_create(key, |hash| set(hash, fields))?;
                if is_counted { to.count(new) } else { to.ok() }
            }
            Self::SetNew { key, field, value } => {
                let is_new = store.change_or_create(key, |hash| set_new(hash, field, value))?;
                to.integer(i64::from(is_new));
            }
            Self::Get { key, field } => {
                let value = store.read::<Hash>(key)?.and_then(|hash| hash.get(field));
                to.bulk_or_null(value.map(Element::as_slice));
            }
            Self::GetMany { key, fields } => {
                let hash = store.read::<Hash>(key)?;
                to.array(fields.len());
                fields.for_each(|field| {
                    let value = hash.and_then(|hash| hash.get(field));
                    to.bulk_or_null(value.map(Element::as_slice));
                });
            }
            Self::All { key, part } => answer_all(store.read(key)?, part, to),
            Self::Delete { key, fields } => {
                let deleted = store.change(key, |hash| delete(hash, fields))?;
                to.count(deleted.unwrap_or(0));
            }
            Self::Len { key } => to.count(store.read::<Hash>(key)?.map_or(0, Hash::len)),
            Self::Exists { key, field } => {
                let hash = store.read::<Hash>(key)?;
                to.integer(i64::from(hash.is_some_and(|hash| hash.contains(field))));
            }
            Self::ValueLen { key, field } => {
                let value = store.read::<Hash>(key)?.and_then(|hash| hash.get(field));
                to.count(value.map_or(0, |value| value.as_slice().len()));
            }
            Self::Increment { key, field, by } => {
                let value = store.change_or_create(key, |hash| increment(hash, field, by))??;
                to.integer(value);
            }
            Self::IncrementReal { key, field, by } => {
                let add = |hash: &mut Hash| increment_real(hash, field, &by);
                let value = store.change_or_create(key, add)??;
                to.bulk(value.as_bytes());
            }
            Self::Random { key, picks, part } => {
                let mut random = store.random.fork();
                // The third version has an array for each pair.
                let is_flat = part == Part::Both && to.version() == Version::Resp2;
                let width = if is_flat { 2 } else { 1 };
                picks.answer(store.read::<Hash>(key)?, width, &mut random, to, |field, to| {
                    if part == Part::Both && !is_flat {
                        to.array(2);
                    }
                    answer(field, part, to);
                });
            }
            Self::Scan { key, scan } => {
                let hash = store.read::<Hash>(key)?;
                scan.answer(hash, 2, to, |field, to| answer(field, Part::Both, to))?;
            }
        }
        Ok(())
    }
}

/// How many fields are new.
fn set(hash: &mut Hash, fields: Arguments<'_>) -> Outcome<usize> {
    let is_new = |(field, value): (&[u8], &[u8])| hash.insert(field, value.into()).is_none();
    Outcome::Changed(fields.pairs().map(is_new).filter(|is_new| *is_new).count())
}

fn set_new(hash: &mut Hash, field: &[u8], value: &[u8]) -> Outcome<bool> {
    if hash.contains(field) {
        return Outcome::Same(false);
    }
    hash.insert(field, value.into());
    Outcome::Changed(true)
}

/// How many fields were there.
fn delete(hash: &mut Hash, fields: Arguments<'_>) -> Outcome<usize> {
    match fields.filter(|field| hash.remove(field).is_some()).count() {
        0 => Outcome::Same(0),
        deleted => Outcome::Changed(deleted),
    }
}

fn increment(hash: &mut Hash, field: &[u8], by: i64) -> Outcome<Result<i64, Refusal>> {
    let old = hash.get(field).map_or(Some(0), |value| parse_integer(value.as_slice()));
    let Some(old) = old else {
        return Outcome::Same(Err(Refusal::Other("ERR hash value is not an integer")));
    };
    let Some(sum) = old.checked_add(by) else {
        let refusal = "ERR increment or decrement would overflow";
        return Outcome::Same(Err(Refusal::Other(refusal)));
    };
    hash.insert(field, Element::from(format_integer(sum, &mut [0; 20])));
    Outcome::Changed(Ok(sum))
}

fn increment_real(hash: &mut Hash, field: &[u8], by: &Real) -> Outcome<Result<String, Refusal>> {
    let old = hash.get(field).map_or(&b"0"[..], Element::as_slice);
    let Some(old) = Real::parse(old) else {
        return Outcome::Same(Err(Refusal::Other("ERR hash value is not a float")));
    };
    let Some(sum) = old.plus(by) else {
        let refusal = "ERR increment would produce NaN or Infinity";
        return Outcome::Same(Err(Refusal::Other(refusal)));
    };
    hash.insert(field, Element::from(sum.as_bytes()));
    Outcome::Changed(Ok(sum))
}

/// Answers a part of a field, or both, one after the other.
fn answer(field: &Field, part: Part, to: &mut impl Replies) {
    words(field, part).into_iter().flatten().for_each(|word| to.bulk(word.as_slice()));
}

/// A part of a field, or both.
fn words(field: &Field, part: Part) -> [Option<&Element>; 2] {
    let has = |it| part == it || part == Part::Both;
    [has(Part::Names).then_some(&field.name), has(Part::Values).then_some(&field.value)]
}

fn answer_all(hash: Option<&Hash>, part: Part, to: &mut impl Replies) {
    let len = hash.map_or(0, Hash::len);
    to.put(if part == Part::Both { Reply::Map(len) } else { Reply::Array(len) });
    Bulks::put_all(
        to,
        hash.into_iter().flat_map(Hash::iter).flat_map(|field| words(field, part)).flatten(),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_answers, assert_answers3};

    #[test]
    fn fields_are_set_and_deleted() {
        assert_answers(
            "
            HSET h a 1 b 2 => :2
            HSET h a 3 c 4 => :1
            HGETALL h => *6 $1 a $1 3 $1 b $1 2 $1 c $1 4
            HKEYS h => *3 $1 a $1 b $1 c
            HVALS h => *3 $1 3 $1 2 $1 4
            HMGET h a x c => *3 $1 3 $-1 $1 4
            HMGET none a b => *2 $-1 $-1
            HMSET h d 5 => +OK
            HSET h a 1 b => -ERR wrong number of arguments for 'hset' command
            HSETNX h d 6 => :0
            HSETNX h e 6 => :1
            HSTRLEN h e => :1
            HEXISTS h x => :0
            HLEN h => :5
            HDEL h a x b => :2
            HGETALL h => *6 $1 c $1 4 $1 d $1 5 $1 e $1 6
            HDEL h c d e => :3
            EXISTS h => :0
            HGET none a => $-1
            ",
        );
    }

    #[test]
    fn fields_are_counted_up() {
        assert_answers(
            "
            HINCRBY h n 5 => :5
            HINCRBY h n -7 => :-2
            HINCRBY h n -9223372036854775807 => -ERR increment or decrement would overflow
            HINCRBY h n abc => -ERR value is not an integer or out of range
            HSET h t abc => :1
            HINCRBY h t 1 => -ERR hash value is not an integer
            HINCRBY none abc abc => -ERR value is not an integer or out of range
            EXISTS none => :0
            HINCRBYFLOAT h f 0.1 => $3 0.1
            HINCRBYFLOAT h f 0.2 => $3 0.3
            HINCRBYFLOAT h t 1 => -ERR hash value is not a float
            HINCRBYFLOAT h f abc => -ERR value is not a valid float
            HINCRBYFLOAT h f inf => -ERR value is NaN or Infinity
            ",
        );
    }

    #[test]
    fn some_fields_are_picked_or_scanned() {
        assert_answers(
            "
            HSET h a 1 => :1
            HRANDFIELD h => $1 a
            HRANDFIELD h 5 WITHVALUES => *2 $1 a $1 1
            HRANDFIELD h -3 => *3 $1 a $1 a $1 a
            HRANDFIELD h 1 FOO => -ERR syntax error
            HRANDFIELD none => $-1
            HRANDFIELD none 3 => *0
            HSCAN h 0 MATCH a* COUNT 5 => *2 $1 0 *2 $1 a $1 1
            HSCAN h 0 MATCH b* => *2 $1 0 *0
            HSCAN h 0 COUNT 0 => -ERR syntax error
            HSCAN none 0 FOO => *2 $1 0 *0
            HSCAN h abc => -ERR invalid cursor
            ",
        );
    }

    #[test]
    fn pairs_are_maps_or_arrays_in_the_third_version() {
        assert_answers3(
            "
            HSET h a 1 => :1
            HGETALL h => %1 $1 a $1 1
            HGETALL none => %0
            HGET h x => _
            HRANDFIELD h -2 WITHVALUES => *2 *2 $1 a $1 1 *2 $1 a $1 1
            HSCAN h 0 => *2 $1 0 *2 $1 a $1 1
            ",
        );
    }
}
