//! The commands for keys of any type.

use super::arguments::Arguments;
use super::command::{Command, Flags, Keys, Spec};
use super::excerpts::{read_count, read_cursor};
use super::expiry::Unit;
use super::glob;
use super::numbers::format_integer;
use super::options::integer;
use super::refusal::Refusal;
use super::reply::{Replies, Reply};
use super::store::{NEVER, Place, Store};
use super::value::Value;

use KeyCommand as K;

/// A command for keys of any type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyCommand<'a> {
    /// `DEL` and `UNLINK`: there is no other thread to free memory.
    Delete {
        keys: Arguments<'a>,
    },
    /// `EXISTS` and `TOUCH`: nobody notes when a key was used last.
    Count {
        keys: Arguments<'a>,
    },
    Expire(Expire<'a>),
    /// `TTL`, `PTTL`, `EXPIRETIME` and `PEXPIRETIME`.
    Expires {
        key: &'a [u8],
        unit: Unit,
    },
    Persist {
        key: &'a [u8],
    },
    Type {
        key: &'a [u8],
    },
    Keys {
        pattern: &'a [u8],
    },
    Scan(Scan<'a>),
    Rename {
        from: &'a [u8],
        to: &'a [u8],
        only_new: bool,
    },
    Copy {
        from: &'a [u8],
        to: &'a [u8],
        replaces: bool,
    },
    Random,
    Encoding {
        key: &'a [u8],
    },
    ReferenceCount {
        key: &'a [u8],
    },
}

/// `EXPIRE` and its kin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expire<'a> {
    key: &'a [u8],
    amount: &'a [u8],
    unit: Unit,
    name: &'static str,
    options: Arguments<'a>,
}

/// `SCAN` with its options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan<'a> {
    cursor: u64,
    pattern: Option<&'a [u8]>,
    count: usize,
    type_name: Option<&'a [u8]>,
}

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("copy", -3, Flags::GROW, Keys::TWO, copy),
    Spec::new("del", -2, Flags::WRITE, Keys::ALL, |keys| Ok(Command::Key(K::Delete { keys }))),
    Spec::new("exists", -2, Flags::READ, Keys::ALL, |keys| Ok(Command::Key(K::Count { keys }))),
    Spec::new("expire", -3, Flags::WRITE, Keys::ONE, |a| expire(a, Unit::Seconds, "expire")),
    Spec::new("expireat", -3, Flags::WRITE, Keys::ONE, |a| {
        expire(a, Unit::UnixSeconds, "expireat")
    }),
    Spec::new("expiretime", 2, Flags::READ, Keys::ONE, |a| expires(a, Unit::UnixSeconds)),
    Spec::new("keys", 2, Flags::READ, Keys::NONE, |mut a| {
        Ok(Command::Key(K::Keys { pattern: glob::checked(a.word())? }))
    }),
    Spec::new("object", -2, Flags::READ, Keys { first: 2, last: 2, step: 1 }, object),
    Spec::new("persist", 2, Flags::WRITE, Keys::ONE, |mut a| {
        Ok(Command::Key(K::Persist { key: a.word() }))
    }),
    Spec::new("pexpire", -3, Flags::WRITE, Keys::ONE, |a| expire(a, Unit::Millis, "pexpire")),
    Spec::new("pexpireat", -3, Flags::WRITE, Keys::ONE, |a| {
        expire(a, Unit::UnixMillis, "pexpireat")
    }),
    Spec::new("pexpiretime", 2, Flags::READ, Keys::ONE, |a| expires(a, Unit::UnixMillis)),
    Spec::new("pttl", 2, Flags::READ, Keys::ONE, |a| expires(a, Unit::Millis)),
    Spec::new("randomkey", 1, Flags::READ, Keys::NONE, |_| Ok(Command::Key(K::Random))),
    Spec::new("rename", 3, Flags::WRITE, Keys::TWO, |a| rename(a, false)),
    Spec::new("renamenx", 3, Flags::WRITE, Keys::TWO, |a| rename(a, true)),
    Spec::new("scan", -2, Flags::READ, Keys::NONE, scan),
    Spec::new("touch", -2, Flags::READ, Keys::ALL, |keys| Ok(Command::Key(K::Count { keys }))),
    Spec::new("ttl", 2, Flags::READ, Keys::ONE, |a| expires(a, Unit::Seconds)),
    Spec::new("type", 2, Flags::READ, Keys::ONE, |mut a| {
        Ok(Command::Key(K::Type { key: a.word() }))
    }),
    Spec::new("unlink", -2, Flags::WRITE, Keys::ALL, |keys| Ok(Command::Key(K::Delete { keys }))),
];

type Parsed<'a> = Result<Command<'a>, Refusal>;

fn expire<'a>(mut arguments: Arguments<'a>, unit: Unit, name: &'static str) -> Parsed<'a> {
    let (key, amount) = (arguments.word(), arguments.word());
    Ok(Command::Key(K::Expire(Expire { key, amount, unit, name, options: arguments })))
}

fn expires(mut arguments: Arguments<'_>, unit: Unit) -> Parsed<'_> {
    Ok(Command::Key(K::Expires { key: arguments.word(), unit }))
}

fn rename(mut arguments: Arguments<'_>, only_new: bool) -> Parsed<'_> {
    let (from, to) = (arguments.word(), arguments.word());
    Ok(Command::Key(K::Rename { from, to, only_new }))
}

fn copy(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let (from, to, mut replaces) = (arguments.word(), arguments.word(), false);
    while let Some(option) = arguments.next() {
        if option.eq_ignore_ascii_case(b"REPLACE") {
            replaces = true;
        } else if option.eq_ignore_ascii_case(b"DB") {
            match integer(arguments.next().ok_or(Refusal::Syntax)?)? {
                0 => {}
                _ => return Err(Refusal::Other("ERR DB index is out of range")),
            }
        } else {
            return Err(Refusal::Syntax);
        }
    }
    Ok(Command::Key(K::Copy { from, to, replaces }))
}

fn object(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let (what, key) = (arguments.word(), arguments.next());
    let (name, make): (_, fn(_) -> _) = if what.eq_ignore_ascii_case(b"ENCODING") {
        ("object|encoding", |key| K::Encoding { key })
    } else if what.eq_ignore_ascii_case(b"REFCOUNT") {
        ("object|refcount", |key| K::ReferenceCount { key })
    } else {
        return Err(Refusal::UnknownSubcommand("OBJECT"));
    };
    match key {
        Some(key) if arguments.is_empty() => Ok(Command::Key(make(key))),
        _ => Err(Refusal::WrongArity(name)),
    }
}

fn scan(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let cursor = read_cursor(arguments.word())?;
    let mut scan = Scan { cursor, pattern: None, count: 10, type_name: None };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or(Refusal::Syntax)?;
        if option.eq_ignore_ascii_case(b"MATCH") {
            scan.pattern = Some(glob::checked(value)?);
        } else if option.eq_ignore_ascii_case(b"TYPE") {
            scan.type_name = Some(value);
        } else if option.eq_ignore_ascii_case(b"COUNT") {
            scan.count = read_count(value)?;
        } else {
            return Err(Refusal::Syntax);
        }
    }
    Ok(Command::Key(K::Scan(scan)))
}

impl KeyCommand<'_> {
    /// Does the command.
    ///
    /// # Errors
    ///
    /// Why it is not done; nothing was answered then.
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Delete { keys } => to.count(keys.filter(|key| store.remove(key)).count()),
            Self::Count { keys } => {
                to.count(keys.filter(|key| store.value(key).is_some()).count());
            }
            Self::Expire(expire) => to.integer(expire.run(store)?.into()),
            Self::Expires { key, unit } => to.integer(time_of_expiry(store, key, unit)),
            Self::Persist { key } => {
                let place = store.place(key);
                let expires = store.expires(place).is_some_and(|expires| expires != NEVER);
                if expires {
                    store.set_expires(place, NEVER);
                }
                to.integer(expires.into());
            }
            Self::Type { key } => {
                to.put(Reply::Simple(store.value(key).map_or("none", Value::type_name)));
            }
            Self::Keys { pattern } => {
                let keys = store.iter().map(|(key, _)| key);
                let found: Vec<_> = keys.filter(|key| glob::matches(pattern, key)).collect();
                to.array(found.len());
                found.into_iter().for_each(|key| to.bulk(key));
            }
            Self::Scan(scan) => scan.run(store, to),
            Self::Rename { from, to: target, only_new } => {
                rename_key(store, from, target, only_new, to)?;
            }
            Self::Copy { from, to: target, replaces } => {
                to.integer(copy_key(store, from, target, replaces)?.into());
            }
            Self::Random => to.bulk_or_null(store.random_key()),
            Self::Encoding { key } => match store.value(key) {
                Some(value) => to.bulk(value.encoding().as_bytes()),
                None => to.put(Reply::Null),
            },
            Self::ReferenceCount { key } => match store.value(key) {
                Some(_) => to.integer(1),
                None => to.put(Reply::Null),
            },
        }
        Ok(())
    }
}

fn rename_key(
    store: &mut Store,
    from: &[u8],
    target: &[u8],
    only_new: bool,
    to: &mut impl Replies,
) -> Result<(), Refusal> {
    if store.value(from).is_none() {
        return Err(Refusal::NoSuchKey);
    }
    if only_new {
        let is_free = store.value(target).is_none();
        to.integer(is_free.into());
        if !is_free {
            return Ok(());
        }
    } else {
        to.ok();
    }
    store.transfer(from, target, false);
    Ok(())
}

fn copy_key(
    store: &mut Store,
    from: &[u8],
    target: &[u8],
    replaces: bool,
) -> Result<bool, Refusal> {
    if from == target {
        return Err(Refusal::Other("ERR source and destination objects are the same"));
    }
    let is_free = replaces || store.value(target).is_none();
    Ok(is_free && store.transfer(from, target, true))
}

/// When `key` expires, or in how long; -1 if it never does, -2 if it is not there.
fn time_of_expiry(store: &Store, key: &[u8], unit: Unit) -> i64 {
    let millis = match store.expires(store.place(key)) {
        None => return -2,
        Some(NEVER) => return -1,
        Some(expires) if matches!(unit, Unit::Seconds | Unit::Millis) => {
            expires.saturating_sub(store.now())
        }
        Some(expires) => expires,
    };
    let number = match unit {
        Unit::Seconds | Unit::UnixSeconds => millis.saturating_add(500) / 1000,
        Unit::Millis | Unit::UnixMillis => millis,
    };
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Which keys `EXPIRE` gives their time.
#[derive(Clone, Copy, Default, Debug)]
struct Only {
    without: bool,
    with: bool,
    greater: bool,
    less: bool,
}

impl Expire<'_> {
    /// Whether the key is there, and was given this time.
    fn run(self, store: &mut Store) -> Result<bool, Refusal> {
        let only = Only::read(self.options)?;
        let amount = integer(self.amount)?;
        let moment = self.unit.moment(amount, store.now()).ok_or(Refusal::BadExpiry(self.name))?;
        // Whatever was before 1970 was before now.
        let moment = u64::try_from(moment).unwrap_or(0);
        let place: Place<'_> = store.place(self.key);
        let is_wanted = store.expires(place).is_some_and(|before| only.admits(before, moment));
        if is_wanted {
            store.set_expires(place, moment);
        }
        Ok(is_wanted)
    }
}

impl Only {
    fn read(options: Arguments<'_>) -> Result<Self, Refusal> {
        let mut only = Self::default();
        for option in options {
            match option.to_ascii_uppercase().as_slice() {
                b"NX" => only.without = true,
                b"XX" => only.with = true,
                b"GT" => only.greater = true,
                b"LT" => only.less = true,
                _ => return Err(Refusal::UnsupportedOption),
            }
        }
        if only.without && (only.with || only.greater || only.less) {
            return Err(Refusal::Other(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if only.greater && only.less {
            return Err(Refusal::Other(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(only)
    }

    /// Whether a key that expires at one moment is to expire at another.
    const fn admits(self, before: u64, moment: u64) -> bool {
        !(self.without && before != NEVER
            || self.with && before == NEVER
            || self.greater && moment <= before
            || self.less && moment >= before)
    }
}

impl Scan<'_> {
    fn run(self, store: &Store, to: &mut impl Replies) {
        let mut found = Vec::new();
        let cursor = store.scan(self.cursor, self.count, |key, value| {
            let is_of_type = self.type_name.is_none_or(|name| name == value.type_name().as_bytes());
            if is_of_type && self.pattern.is_none_or(|pattern| glob::matches(pattern, key)) {
                found.push(key);
            }
        });
        to.array(2);
        // A cursor is the number of a slot, of which there are no more than 32 bits can tell.
        to.bulk(format_integer(i64::try_from(cursor).unwrap_or(0), &mut [0; 20]));
        to.array(found.len());
        found.into_iter().for_each(|key| to.bulk(key));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ask, store};

    #[test]
    fn a_time_is_given_only_to_the_keys_that_were_meant() {
        for (before, options, after) in [
            ("", "", 100_000),
            ("", "NX", 100_000),
            ("", "XX", -1),
            ("", "GT", -1),
            ("", "LT", 100_000),
            ("EX 50", "NX", 50_000),
            ("EX 50", "XX", 100_000),
            ("EX 50", "GT", 100_000),
            ("EX 50", "LT", 50_000),
            ("EX 100", "GT", 100_000),
            ("EX 200", "GT", 200_000),
            ("EX 200", "LT", 100_000),
            ("EX 200", "XX LT", 100_000),
        ] {
            let mut store = store();
            ask(&mut store, &format!("SET a 1 {before}"));
            ask(&mut store, &format!("EXPIRE a 100 {options}"));
            let answer = ask(&mut store, "PTTL a");
            assert_eq!(answer, format!(":{after}\\r\\n"), "{before:?} and {options:?}");
        }
    }

    #[test]
    fn a_time_beyond_the_clock_is_refused() {
        let mut store = store();
        ask(&mut store, "SET a 1");
        for amount in ["9223372036854775807", "9223372036854775", "-9223372036854775808"] {
            let answer = ask(&mut store, &format!("EXPIRE a {amount}"));
            assert_eq!(answer, "-ERR invalid expire time in 'expire' command\\r\\n", "{amount}");
        }
        assert_eq!(ask(&mut store, "PEXPIREAT a 9223372036854775807"), ":1\\r\\n");
        assert_eq!(ask(&mut store, "PEXPIRE a -9223372036854775808"), ":1\\r\\n");
        assert_eq!(ask(&mut store, "EXISTS a"), ":0\\r\\n");
    }

    #[test]
    fn a_scan_shows_the_keys_of_a_pattern_and_of_a_type() {
        let mut store = store();
        ask(&mut store, "MSET a1 x a2 x b1 x");
        ask(&mut store, "RPUSH a3 x");
        for (options, expected) in [
            ("", &["a1", "a2", "b1", "a3"][..]),
            ("MATCH a*", &["a1", "a2", "a3"]),
            ("TYPE list", &["a3"]),
            ("TYPE string MATCH *1", &["a1", "b1"]),
            ("TYPE nothing", &[]),
        ] {
            let answer = ask(&mut store, &format!("SCAN 0 {options}"));
            let elements: String =
                expected.iter().map(|key| format!("$2\\r\\n{key}\\r\\n")).collect();
            let head = format!("*2\\r\\n$1\\r\\n0\\r\\n*{}\\r\\n", expected.len());
            assert_eq!(answer, head + &elements, "{options}");
        }
    }

    #[test]
    fn what_is_renamed_takes_its_time_along() {
        let mut store = store();
        ask(&mut store, "SET a 1 EX 50");
        ask(&mut store, "SET b 2");
        assert_eq!(ask(&mut store, "RENAMENX a b"), ":0\\r\\n");
        assert_eq!(ask(&mut store, "RENAME a b"), "+OK\\r\\n");
        assert_eq!(ask(&mut store, "TTL b"), ":50\\r\\n");
        assert_eq!(ask(&mut store, "RENAME a b"), "-ERR no such key\\r\\n");
        assert_eq!(ask(&mut store, "RENAME b b"), "+OK\\r\\n");
        assert_eq!((store.len(), ask(&mut store, "GET b").as_str()), (1, "$1\\r\\n1\\r\\n"));
    }

    #[test]
    fn a_copy_is_another_value() {
        let mut store = store();
        ask(&mut store, "RPUSH a x");
        assert_eq!(ask(&mut store, "COPY a b"), ":1\\r\\n");
        ask(&mut store, "RPUSH b y");
        assert_eq!(ask(&mut store, "LLEN a"), ":1\\r\\n");
        assert_eq!(ask(&mut store, "COPY a b"), ":0\\r\\n");
        assert_eq!(ask(&mut store, "COPY a b REPLACE"), ":1\\r\\n");
        assert_eq!(ask(&mut store, "LLEN b"), ":1\\r\\n");
    }
}
