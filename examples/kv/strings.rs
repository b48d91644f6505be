//! The commands for strings.

mod changes;

use self::changes::{add, add_real, append, range, set_range};
use super::arguments::Arguments;
use super::command::{Command, Flags, Keys, Spec};
use super::expiry::{Expiry, Unit};
use super::options::integer;
use super::refusal::Refusal;
use super::reply::{Replies, Reply};
use super::store::{NEVER, Store};
use super::text::Text;

use StringCommand as S;

/// A command for strings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StringCommand<'a> {
    Get {
        key: &'a [u8],
    },
    Set(Set<'a>),
    SetIfNew {
        key: &'a [u8],
        value: &'a [u8],
    },
    /// `SETEX` and `PSETEX`.
    SetFor {
        key: &'a [u8],
        value: &'a [u8],
        expiry: Expiry<'a>,
        name: &'static str,
    },
    GetSet {
        key: &'a [u8],
        value: &'a [u8],
    },
    GetDelete {
        key: &'a [u8],
    },
    GetExpire {
        key: &'a [u8],
        change: ExpiryChange<'a>,
    },
    GetMany {
        keys: Arguments<'a>,
    },
    SetMany {
        pairs: Arguments<'a>,
        only_new: bool,
    },
    /// `INCR` and its kin; the sign is that of the amount.
    Add {
        key: &'a [u8],
        amount: Amount<'a>,
    },
    AddReal {
        key: &'a [u8],
        amount: &'a [u8],
    },
    Append {
        key: &'a [u8],
        value: &'a [u8],
    },
    Len {
        key: &'a [u8],
    },
    GetRange {
        key: &'a [u8],
        start: &'a [u8],
        end: &'a [u8],
    },
    SetRange {
        key: &'a [u8],
        offset: &'a [u8],
        value: &'a [u8],
    },
}

/// `SET` with its options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set<'a> {
    key: &'a [u8],
    value: &'a [u8],
    condition: Condition,
    has_get: bool,
    expiry: ExpiryChange<'a>,
}

/// Whether the key must be there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    None,
    IfNew,
    IfThere,
}

/// What becomes of a key's time of expiry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ExpiryChange<'a> {
    /// None was said.
    Default,
    Keep,
    Remove,
    Set(Expiry<'a>),
}

/// How much is added to a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount<'a> {
    One,
    MinusOne,
    Plus(&'a [u8]),
    Minus(&'a [u8]),
}

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("append", 3, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::Append { key: a.word(), value: a.word() }))
    }),
    Spec::new("decr", 2, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::Add { key: a.word(), amount: Amount::MinusOne }))
    }),
    Spec::new("decrby", 3, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::Add { key: a.word(), amount: Amount::Minus(a.word()) }))
    }),
    Spec::new("get", 2, Flags::READ, Keys::ONE, |mut a| {
        Ok(Command::String(S::Get { key: a.word() }))
    }),
    Spec::new("getdel", 2, Flags::WRITE, Keys::ONE, |mut a| {
        Ok(Command::String(S::GetDelete { key: a.word() }))
    }),
    Spec::new("getex", -2, Flags::WRITE, Keys::ONE, get_expire),
    Spec::new("getrange", 4, Flags::READ, Keys::ONE, get_range),
    Spec::new("getset", 3, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::GetSet { key: a.word(), value: a.word() }))
    }),
    Spec::new("incr", 2, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::Add { key: a.word(), amount: Amount::One }))
    }),
    Spec::new("incrby", 3, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::Add { key: a.word(), amount: Amount::Plus(a.word()) }))
    }),
    Spec::new("incrbyfloat", 3, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::AddReal { key: a.word(), amount: a.word() }))
    }),
    Spec::new("mget", -2, Flags::READ, Keys::ALL, |keys| Ok(Command::String(S::GetMany { keys }))),
    Spec::new("mset", -3, Flags::GROW, Keys::PAIRS, |pairs| set_many(pairs, "mset", false)),
    Spec::new("msetnx", -3, Flags::GROW, Keys::PAIRS, |pairs| set_many(pairs, "msetnx", true)),
    Spec::new("psetex", 4, Flags::GROW, Keys::ONE, |a| set_for(a, Unit::Millis, "psetex")),
    Spec::new("set", -3, Flags::GROW, Keys::ONE, set),
    Spec::new("setex", 4, Flags::GROW, Keys::ONE, |a| set_for(a, Unit::Seconds, "setex")),
    Spec::new("setnx", 3, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::SetIfNew { key: a.word(), value: a.word() }))
    }),
    Spec::new("setrange", 4, Flags::GROW, Keys::ONE, |mut a| {
        Ok(Command::String(S::SetRange { key: a.word(), offset: a.word(), value: a.word() }))
    }),
    Spec::new("strlen", 2, Flags::READ, Keys::ONE, |mut a| {
        Ok(Command::String(S::Len { key: a.word() }))
    }),
    Spec::new("substr", 4, Flags::READ, Keys::ONE, get_range),
];

type Parsed<'a> = Result<Command<'a>, Refusal>;

fn set(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let (key, value) = (arguments.word(), arguments.word());
    let expiry = ExpiryChange::Default;
    let mut set = Set { key, value, condition: Condition::None, has_get: false, expiry };
    while let Some(option) = arguments.next() {
        set.read_option(option, &mut arguments)?;
    }
    Ok(Command::String(S::Set(set)))
}

impl<'a> Set<'a> {
    fn read_option(&mut self, option: &[u8], rest: &mut Arguments<'a>) -> Result<(), Refusal> {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        if is(b"GET") {
            self.has_get = true;
        } else if is(b"NX") && self.condition != Condition::IfThere {
            self.condition = Condition::IfNew;
        } else if is(b"XX") && self.condition != Condition::IfNew {
            self.condition = Condition::IfThere;
        } else {
            self.expiry.read_option(option, b"KEEPTTL", ExpiryChange::Keep, rest)?;
        }
        Ok(())
    }
}

impl<'a> ExpiryChange<'a> {
    /// One option at most: a time, or the `word` that means `change`.
    fn read_option(
        &mut self,
        option: &[u8],
        word: &[u8],
        change: Self,
        rest: &mut Arguments<'a>,
    ) -> Result<(), Refusal> {
        let is_repeated = match (option.eq_ignore_ascii_case(word), &self) {
            (_, Self::Default) => false,
            (true, Self::Keep | Self::Remove) => return Ok(()),
            _ => true,
        };
        *self = match Unit::of(option) {
            _ if is_repeated => return Err(Refusal::Syntax),
            Some(unit) => Self::Set(Expiry::read(unit, rest)?),
            None if option.eq_ignore_ascii_case(word) => change,
            None => return Err(Refusal::Syntax),
        };
        Ok(())
    }
}

fn set_for<'a>(mut arguments: Arguments<'a>, unit: Unit, name: &'static str) -> Parsed<'a> {
    let (key, amount, value) = (arguments.word(), arguments.word(), arguments.word());
    Ok(Command::String(S::SetFor { key, value, expiry: Expiry { amount, unit }, name }))
}

fn get_expire(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let (key, mut change) = (arguments.word(), ExpiryChange::Default);
    while let Some(option) = arguments.next() {
        change.read_option(option, b"PERSIST", ExpiryChange::Remove, &mut arguments)?;
    }
    Ok(Command::String(S::GetExpire { key, change }))
}

fn get_range(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let (key, start, end) = (arguments.word(), arguments.word(), arguments.word());
    Ok(Command::String(S::GetRange { key, start, end }))
}

fn set_many<'a>(pairs: Arguments<'a>, name: &'static str, only_new: bool) -> Parsed<'a> {
    match pairs.len() % 2 {
        0 => Ok(Command::String(S::SetMany { pairs, only_new })),
        _ => Err(Refusal::WrongArity(name)),
    }
}

impl StringCommand<'_> {
    /// Does the command.
    ///
    /// # Errors
    ///
    /// Why it is not done; nothing was answered then.
    #[inline]
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Get { key } => to.bulk_or_null(store.read::<Text>(key)?.map(Text::as_slice)),
            Self::Set(set) => set.run(store, to)?,
            Self::Add { key, amount } => to.integer(add(store, key, amount)?),
            other => other.run_other(store, to)?,
        }
        Ok(())
    }

    fn run_other(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Get { .. } | Self::Set(_) | Self::Add { .. } => return self.run(store, to),
            Self::SetIfNew { key, value } => {
                let place = store.place(key);
                if place.is_new() {
                    store.set_text(place, value, Some(NEVER));
                }
                to.integer(place.is_new().into());
            }
            Self::SetFor { key, value, expiry, name } => {
                let moment = expiry.moment(store.now(), name)?;
                store.set_text(store.place(key), value, Some(moment));
                to.ok();
            }
            Self::GetSet { key, value } => {
                let place = store.place(key);
                to.bulk_or_null(store.text(place)?.map(Text::as_slice));
                store.set_text(place, value, Some(NEVER));
            }
            Self::GetDelete { key } => {
                to.bulk_or_null(store.read::<Text>(key)?.map(Text::as_slice));
                store.remove(key);
            }
            Self::GetExpire { key, change } => get_and_expire(store, key, change, to)?,
            Self::GetMany { keys } => {
                to.array(keys.len());
                keys.for_each(|key| {
                    let text = store.read::<Text>(key).ok().flatten();
                    to.bulk_or_null(text.map(Text::as_slice));
                });
            }
            Self::SetMany { pairs, only_new: false } => {
                set_all(store, pairs);
                to.ok();
            }
            Self::SetMany { pairs, only_new: true } => {
                let is_free = pairs.pairs().all(|(key, _)| store.value(key).is_none());
                if is_free {
                    set_all(store, pairs);
                }
                to.integer(is_free.into());
            }
            Self::AddReal { key, amount } => add_real(store, key, amount, to)?,
            Self::Append { key, value } => to.count(append(store, key, value)?),
            Self::Len { key } => {
                to.count(store.read::<Text>(key)?.map_or(0, |text| text.as_slice().len()));
            }
            Self::GetRange { key, start, end } => {
                let start = integer(start)?;
                let end = integer(end)?;
                let text = store.read::<Text>(key)?.map_or(&[][..], Text::as_slice);
                to.bulk(range(text, start, end));
            }
            Self::SetRange { key, offset, value } => {
                to.count(set_range(store, key, offset, value)?);
            }
        }
        Ok(())
    }
}

impl Set<'_> {
    #[inline]
    fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        let expires = match self.expiry {
            ExpiryChange::Default | ExpiryChange::Remove => Some(NEVER),
            ExpiryChange::Keep => None,
            ExpiryChange::Set(expiry) => Some(expiry.moment(store.now(), "set")?),
        };
        let place = store.place(self.key);
        let is_held = match self.condition {
            Condition::None => false,
            Condition::IfNew => !place.is_new(),
            Condition::IfThere => place.is_new(),
        };
        if self.has_get {
            to.bulk_or_null(store.text(place)?.map(Text::as_slice));
        } else {
            to.put(if is_held { Reply::Null } else { Reply::Ok });
        }
        if !is_held {
            store.set_text(place, self.value, expires);
        }
        Ok(())
    }
}

fn set_all(store: &mut Store, pairs: Arguments<'_>) {
    pairs.pairs().for_each(|(key, value)| store.set_text(store.place(key), value, Some(NEVER)));
}

fn get_and_expire(
    store: &mut Store,
    key: &[u8],
    change: ExpiryChange<'_>,
    to: &mut impl Replies,
) -> Result<(), Refusal> {
    let place = store.place(key);
    let text = store.text(place)?;
    let expires = match change {
        _ if text.is_none() => None,
        ExpiryChange::Default | ExpiryChange::Keep => None,
        ExpiryChange::Remove => Some(NEVER),
        ExpiryChange::Set(expiry) => Some(expiry.moment(store.now(), "getex")?),
    };
    to.bulk_or_null(text.map(Text::as_slice));
    if let Some(expires) = expires {
        store.set_expires(place, expires);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ask, ask3, store};

    /// Asserts what is answered to each command, one after the other.
    #[track_caller]
    fn assert_answers(dialogue: &[(&str, &str)]) {
        let mut store = store();
        for (line, expected) in dialogue {
            let answer = ask(&mut store, line).replace("\\r\\n", " ");
            assert_eq!(answer.trim_end(), *expected, "{line}");
        }
    }

    #[test]
    fn set_does_as_its_options_say() {
        assert_answers(&[
            ("SET a 1 XX", "$-1"),
            ("SET a 1 NX", "+OK"),
            ("SET a 2 NX", "$-1"),
            ("SET a 2 NX GET", "$1 1"),
            ("SET a 3 XX GET EX 10", "$1 1"),
            ("PTTL a", ":10000"),
            ("SET a 4 KEEPTTL", "+OK"),
            ("PTTL a", ":10000"),
            ("SET a 5 PXAT 5000", "+OK"),
            ("PTTL a", ":4000"),
            ("SET a 6 EXAT 1", "+OK"),
            ("GET a", "$-1"),
            ("SET a 7 get px 1", "$-1"),
            ("RPUSH l x", ":1"),
            ("SET l 1 GET", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("SET l 1", "+OK"),
            ("TYPE l", "+string"),
        ]);
    }

    #[test]
    fn options_that_make_no_sense_are_refused_and_change_nothing() {
        let mut store = store();
        ask(&mut store, "SET a 1");
        for (options, error) in [
            ("NX XX", "ERR syntax error"),
            ("EX", "ERR syntax error"),
            ("EX 10 KEEPTTL", "ERR syntax error"),
            ("EX 10 PX 10", "ERR syntax error"),
            ("FOO", "ERR syntax error"),
            ("EX x", "ERR value is not an integer or out of range"),
            ("EX 0", "ERR invalid expire time in 'set' command"),
            ("PX -1", "ERR invalid expire time in 'set' command"),
            ("EX 9223372036854775807", "ERR invalid expire time in 'set' command"),
            ("PX 9223372036854775807", "ERR invalid expire time in 'set' command"),
        ] {
            let answer = ask(&mut store, &format!("SET a 2 {options}"));
            assert_eq!(answer, format!("-{error}\\r\\n"), "{options}");
        }
        assert_eq!(ask(&mut store, "GET a"), "$1\\r\\n1\\r\\n");
    }

    #[test]
    fn numbers_are_counted_to_their_limits() {
        assert_answers(&[
            ("INCR n", ":1"),
            ("DECRBY n 3", ":-2"),
            ("INCRBY n 9223372036854775807", ":9223372036854775805"),
            ("INCRBY n 3", "-ERR increment or decrement would overflow"),
            ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"),
            ("SET n 007", "+OK"),
            ("INCR n", "-ERR value is not an integer or out of range"),
            ("SET f 10.5", "+OK"),
            ("INCRBYFLOAT f 0.1", "$4 10.6"),
            ("INCRBYFLOAT f x", "-ERR value is not a valid float"),
        ]);
    }

    #[test]
    fn parts_are_read_and_written_where_they_are() {
        assert_answers(&[
            ("SETRANGE a 2 cd", ":4"),
            ("GET a", "$4 \\x00\\x00cd"),
            ("GETRANGE a 2 -1", "$2 cd"),
            ("GETRANGE a -100 2", "$3 \\x00\\x00c"),
            ("GETRANGE a 3 1", "$0"),
            ("GETRANGE a 9223372036854775807 -9223372036854775808", "$0"),
            ("GETRANGE a -9223372036854775808 9223372036854775807", "$4 \\x00\\x00cd"),
            ("SETRANGE a -1 x", "-ERR offset is out of range"),
            ("APPEND a efg", ":7"),
            ("STRLEN a", ":7"),
        ]);
    }

    #[test]
    fn many_are_set_all_or_none() {
        assert_answers(&[
            ("MSET a 1 b 2 a 3", "+OK"),
            ("MGET a none b", "*3 $1 3 $-1 $1 2"),
            ("MSETNX c 1 a 1", ":0"),
            ("EXISTS c", ":0"),
            ("MSETNX c 1 d 1 c 2", ":1"),
            ("GET c", "$1 2"),
            ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ]);
    }

    #[test]
    fn nothing_is_null_in_the_words_of_each_version() {
        let mut store = store();
        assert_eq!(ask(&mut store, "GET a"), "$-1\\r\\n");
        assert_eq!(ask3(&mut store, "GET a"), "_\\r\\n");
        assert_eq!(ask3(&mut store, "MGET a"), "*1\\r\\n_\\r\\n");
    }
}
