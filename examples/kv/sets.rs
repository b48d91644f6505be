//! The commands for sets.

use super::arguments::Arguments;
use super::bulks::Bulks;
use super::command::{Command, Flags, Keys, Spec};
use super::excerpts::{Picks, Scan};
use super::members::{Member, Members};
use super::options::{count, limit, numbered_keys};
use super::random::Random;
use super::refusal::Refusal;
use super::reply::{Replies, Reply};
use super::store::{Outcome, Store};
use super::value::kind;

/// Members without a value.
pub(crate) type Set = Members<()>;

kind!(Set);

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("sadd", -3, Flags::GROW, Keys::ONE, |mut words| {
        Ok(Command::Set(SetCommand::Add { key: words.word(), members: words }))
    }),
    Spec::new("srem", -3, Flags::WRITE, Keys::ONE, |mut words| {
        Ok(Command::Set(SetCommand::Remove { key: words.word(), members: words }))
    }),
    Spec::new("smembers", 2, Flags::READ, Keys::ONE, |words| {
        Ok(Command::Set(SetCommand::Combine { how: How::Union, keys: words }))
    }),
    Spec::new("sismember", 3, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Set(SetCommand::Has { key: words.word(), member: words.word() }))
    }),
    Spec::new("smismember", -3, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Set(SetCommand::HasEach { key: words.word(), members: words }))
    }),
    Spec::new("scard", 2, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::Set(SetCommand::Len { key: words.word() }))
    }),
    Spec::new("spop", -2, Flags::WRITE, Keys::ONE, |mut words| {
        let (key, wanted) = (words.word(), words.next());
        if !words.is_empty() {
            return Err(Refusal::Syntax);
        }
        Ok(Command::Set(SetCommand::Pop { key, count: wanted.map(count).transpose()? }))
    }),
    Spec::new("srandmember", -2, Flags::READ, Keys::ONE, |mut words| {
        let (key, wanted) = (words.word(), words.next());
        if !words.is_empty() {
            return Err(Refusal::Syntax);
        }
        Ok(Command::Set(SetCommand::Random { key, picks: Picks::parse(wanted)? }))
    }),
    Spec::new("smove", 4, Flags::GROW, Keys::TWO, |mut words| {
        let (source, destination, member) = (words.word(), words.word(), words.word());
        Ok(Command::Set(SetCommand::Move { source, destination, member }))
    }),
    Spec::new("sinter", -2, Flags::READ, Keys::ALL, |keys| combine(keys, How::Intersection)),
    Spec::new("sunion", -2, Flags::READ, Keys::ALL, |keys| combine(keys, How::Union)),
    Spec::new("sdiff", -2, Flags::READ, Keys::ALL, |keys| combine(keys, How::Difference)),
    Spec::new("sinterstore", -3, Flags::GROW, Keys::ALL, |keys| store(keys, How::Intersection)),
    Spec::new("sunionstore", -3, Flags::GROW, Keys::ALL, |keys| store(keys, How::Union)),
    Spec::new("sdiffstore", -3, Flags::GROW, Keys::ALL, |keys| store(keys, How::Difference)),
    Spec::new("sintercard", -3, Flags::READ, Keys::NONE, |words| {
        let too_few = "ERR Number of keys can't be greater than number of args";
        let (keys, words) = numbered_keys(words, Refusal::Other(too_few))?;
        let limit = limit(words)?;
        Ok(Command::Set(SetCommand::CountCommon { keys, limit }))
    }),
    Spec::new("sscan", -3, Flags::READ, Keys::ONE, |mut words| {
        let (key, scan) = (words.word(), Scan::parse(words)?);
        Ok(Command::Set(SetCommand::Scan { key, scan }))
    }),
];

/// A command for sets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SetCommand<'a> {
    Add {
        key: &'a [u8],
        members: Arguments<'a>,
    },
    Remove {
        key: &'a [u8],
        members: Arguments<'a>,
    },
    Has {
        key: &'a [u8],
        member: &'a [u8],
    },
    HasEach {
        key: &'a [u8],
        members: Arguments<'a>,
    },
    Len {
        key: &'a [u8],
    },
    Pop {
        key: &'a [u8],
        count: Option<usize>,
    },
    Random {
        key: &'a [u8],
        picks: Picks,
    },
    Move {
        source: &'a [u8],
        destination: &'a [u8],
        member: &'a [u8],
    },
    Combine {
        how: How,
        keys: Arguments<'a>,
    },
    CombineStore {
        how: How,
        destination: &'a [u8],
        keys: Arguments<'a>,
    },
    /// Counts no further than `limit`.
    CountCommon {
        keys: Arguments<'a>,
        limit: usize,
    },
    Scan {
        key: &'a [u8],
        scan: Scan<'a>,
    },
}

/// How sets are combined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Intersection,
    Union,
    /// What is in the first, and in none of the others.
    Difference,
}

fn combine(keys: Arguments<'_>, how: How) -> Result<Command<'_>, Refusal> {
    Ok(Command::Set(SetCommand::Combine { how, keys }))
}

fn store(mut words: Arguments<'_>, how: How) -> Result<Command<'_>, Refusal> {
    let destination = words.word();
    Ok(Command::Set(SetCommand::CombineStore { how, destination, keys: words }))
}

impl SetCommand<'_> {
    #[inline]
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Add { key, members } => {
                to.count(store.change_or_create(key, |set| add(set, members))?);
            }
            Self::Remove { key, members } => {
                to.count(store.change(key, |set| remove(set, members))?.unwrap_or(0));
            }
            Self::Has { key, member } => {
                let set = store.read::<Set>(key)?;
                to.integer(i64::from(set.is_some_and(|set| set.contains(member))));
            }
            Self::HasEach { key, members } => {
                let set = store.read::<Set>(key)?;
                to.array(members.len());
                let has = |member: &[u8]| set.is_some_and(|set| set.contains(member));
                members.for_each(|member| to.integer(i64::from(has(member))));
            }
            Self::Len { key } => to.count(store.read::<Set>(key)?.map_or(0, Set::len)),
            Self::Pop { key, count: None } => {
                let mut random = store.random.fork();
                let pop = |set: &mut Set| Outcome::Changed(set.take_random(&mut random));
                let popped = store.change(key, pop)?.flatten();
                to.bulk_or_null(popped.as_ref().map(|member| member.name.as_slice()));
            }
            Self::Pop { key, count: Some(count) } => {
                let mut random = store.random.fork();
                let pop = |set: &mut Set| pop_many(set, count, &mut random, to);
                if store.change(key, pop)?.is_none() {
                    to.put(Reply::Set(0));
                }
            }
            Self::Random { key, picks } => {
                let mut random = store.random.fork();
                picks.answer(store.read::<Set>(key)?, 1, &mut random, to, answer);
            }
            Self::Move { source, destination, member } => {
                to.integer(i64::from(move_one(store, source, destination, member)?));
            }
            Self::Combine { how, keys } => {
                let combined = combined(&sets(store, keys)?, how, usize::MAX);
                to.put(Reply::Set(combined.len()));
                Bulks::put_all(to, combined.into_iter().map(|member| &member.name));
            }
            Self::CombineStore { how, destination, keys } => {
                let mut set = Set::default();
                for member in combined(&sets(store, keys)?, how, usize::MAX) {
                    set.insert(member.name.clone(), ());
                }
                to.count(set.len());
                store.put(destination, set);
            }
            Self::CountCommon { keys, limit } => {
                to.count(combined(&sets(store, keys)?, How::Intersection, limit).len());
            }
            Self::Scan { key, scan } => scan.answer(store.read::<Set>(key)?, 1, to, answer)?,
        }
        Ok(())
    }
}

fn answer(member: &Member<()>, to: &mut impl Replies) {
    to.bulk(member.name.as_slice());
}

/// How many members are new.
fn add(set: &mut Set, members: Arguments<'_>) -> Outcome<usize> {
    match members.filter(|member| set.insert(*member, ()).is_none()).count() {
        0 => Outcome::Same(0),
        added => Outcome::Changed(added),
    }
}

/// How many members were there.
fn remove(set: &mut Set, members: Arguments<'_>) -> Outcome<usize> {
    match members.filter(|member| set.remove(member).is_some()).count() {
        0 => Outcome::Same(0),
        removed => Outcome::Changed(removed),
    }
}

fn pop_many(
    set: &mut Set,
    count: usize,
    random: &mut Random,
    to: &mut impl Replies,
) -> Outcome<()> {
    let count = count.min(set.len());
    to.put(Reply::Set(count));
    (0..count).filter_map(|_| set.take_random(random)).for_each(|member| answer(&member, to));
    if count == 0 { Outcome::Same(()) } else { Outcome::Changed(()) }
}

/// Whether the member was in `source`.
fn move_one(
    store: &mut Store,
    source: &[u8],
    destination: &[u8],
    member: &[u8],
) -> Result<bool, Refusal> {
    let Some(set) = store.read::<Set>(source)? else { return Ok(false) };
    let is_there = set.contains(member);
    store.read::<Set>(destination)?;
    if !is_there || source == destination {
        return Ok(is_there);
    }
    store.change(source, |set: &mut Set| {
        set.remove(member);
        Outcome::Changed(())
    })?;
    store.change_or_create(destination, |set: &mut Set| match set.insert(member, ()) {
        Some(()) => Outcome::Same(()),
        None => Outcome::Changed(()),
    })?;
    Ok(true)
}

/// The sets of these keys.
fn sets<'s>(store: &'s Store, keys: Arguments<'_>) -> Result<Vec<Option<&'s Set>>, Refusal> {
    keys.map(|key| store.read::<Set>(key)).collect()
}

/// The members that the sets have, combined like this; at most so many of them.
fn combined<'s>(sets: &[Option<&'s Set>], how: How, most: usize) -> Vec<&'s Member<()>> {
    let has = |set: &&Set, member: &Member<()>| set.contains(member.name.as_slice());
    match how {
        How::Intersection => {
            let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<_>>>() else {
                return Vec::new();
            };
            // The smallest one says what there can be, the next ones refuse most of the rest.
            sets.sort_by_key(|set| set.len());
            let Some((smallest, others)) = sets.split_first() else { return Vec::new() };
            let is_common = |member: &&Member<()>| others.iter().all(|set| has(set, member));
            smallest.iter().filter(is_common).take(most).collect()
        }
        How::Union => {
            let mut sets = sets.iter().flatten();
            let Some(first) = sets.next() else { return Vec::new() };
            let mut all: Vec<_> = first.iter().collect();
            let mut names = Set::default();
            for set in sets {
                for member in set.iter().filter(|member| !has(first, member)) {
                    if names.insert(member.name.clone(), ()).is_none() {
                        all.push(member);
                    }
                }
            }
            all
        }
        How::Difference => {
            let Some((Some(first), others)) = sets.split_first() else { return Vec::new() };
            let is_other =
                |member: &&Member<()>| !others.iter().flatten().any(|set| has(set, member));
            first.iter().filter(is_other).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_answers;

    #[test]
    fn members_are_added_and_removed() {
        assert_answers(
            "
            SADD s 1 2 3 => :3
            SADD s 3 4 => :1
            SMEMBERS s => *4 $1 1 $1 2 $1 3 $1 4
            SMISMEMBER s 1 9 => *2 :1 :0
            SREM s 1 9 => :1
            SCARD s => :3
            SMOVE s t 2 => :1
            SMOVE s t 9 => :0
            SMOVE s s 3 => :1
            SET x y => +OK
            SMOVE s x 3 => -WRONGTYPE Operation against a key holding the wrong kind of value
            SISMEMBER s 3 => :1
            SREM s 3 4 => :2
            EXISTS s => :0
            ",
        );
    }

    #[test]
    fn sets_are_combined_and_stored() {
        assert_answers(
            "
            SADD s 1 2 3 => :3
            SADD t 3 4 => :2
            SINTER s t => *1 $1 3
            SINTER s none => *0
            SDIFF s t => *2 $1 1 $1 2
            SDIFF none s => *0
            SUNION s none => *3 $1 1 $1 2 $1 3
            SUNIONSTORE d s t => :4
            SCARD d => :4
            SINTERSTORE d s t => :1
            SMEMBERS d => *1 $1 3
            SDIFFSTORE d s s => :0
            EXISTS d => :0
            SINTERCARD 2 s s LIMIT 2 => :2
            SINTERCARD 2 s t LIMIT -1 => -ERR LIMIT can't be negative
            SINTERCARD 3 s t => -ERR Number of keys can't be greater than number of args
            SET x y => +OK
            SINTER none x => -WRONGTYPE Operation against a key holding the wrong kind of value
            SUNIONSTORE x s t => :4
            TYPE x => +set
            ",
        );
    }

    #[test]
    fn some_members_are_picked_or_popped() {
        assert_answers(
            "
            SADD s a => :1
            SRANDMEMBER s => $1 a
            SRANDMEMBER s -3 => *3 $1 a $1 a $1 a
            SRANDMEMBER s 5 => *1 $1 a
            SRANDMEMBER none => $-1
            SRANDMEMBER none 2 => *0
            SSCAN s 0 MATCH a => *2 $1 0 *1 $1 a
            SPOP s -1 => -ERR value is out of range, must be positive
            SPOP s 0 => *0
            SPOP s => $1 a
            EXISTS s => :0
            SPOP s => $-1
            SPOP s 2 => *0
            SADD s 1 => :1
            SPOP s 5 => *1 $1 1
            EXISTS s => :0
            ",
        );
    }
}
