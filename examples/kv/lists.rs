//! The commands for lists.

use super::arguments::Arguments;
use super::bulks::Bulks;
use super::command::{Command, Flags, Keys, Spec};
use super::element::Element;
use super::list::{End, List};
use super::options::{count, integer, least, numbered_keys, pop_count};
use super::places::{place, places};
use super::refusal::Refusal;
use super::reply::{Replies, Reply};
use super::store::{Outcome, Store};

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("lpush", -3, Flags::GROW, Keys::ONE, |words| parse_push(words, End::Left, false)),
    Spec::new("rpush", -3, Flags::GROW, Keys::ONE, |words| parse_push(words, End::Right, false)),
    Spec::new("lpushx", -3, Flags::GROW, Keys::ONE, |words| parse_push(words, End::Left, true)),
    Spec::new("rpushx", -3, Flags::GROW, Keys::ONE, |words| parse_push(words, End::Right, true)),
    Spec::new("lpop", -2, Flags::WRITE, Keys::ONE, |words| parse_pop(words, End::Left)),
    Spec::new("rpop", -2, Flags::WRITE, Keys::ONE, |words| parse_pop(words, End::Right)),
    Spec::new("llen", 2, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::List(ListCommand::Len { key: words.word() }))
    }),
    Spec::new("lrange", 4, Flags::READ, Keys::ONE, |mut words| {
        let (key, start, stop) = (words.word(), integer(words.word())?, integer(words.word())?);
        Ok(Command::List(ListCommand::Range { key, start, stop }))
    }),
    Spec::new("lindex", 3, Flags::READ, Keys::ONE, |mut words| {
        Ok(Command::List(ListCommand::Index { key: words.word(), index: words.word() }))
    }),
    Spec::new("lset", 4, Flags::GROW, Keys::ONE, |mut words| {
        let (key, index, element) = (words.word(), words.word(), words.word());
        Ok(Command::List(ListCommand::Set { key, index, element }))
    }),
    Spec::new("linsert", 5, Flags::GROW, Keys::ONE, parse_insert),
    Spec::new("lrem", 4, Flags::WRITE, Keys::ONE, |mut words| {
        let (key, count, element) = (words.word(), integer(words.word())?, words.word());
        Ok(Command::List(ListCommand::Remove { key, count, element }))
    }),
    Spec::new("ltrim", 4, Flags::WRITE, Keys::ONE, |mut words| {
        let (key, start, stop) = (words.word(), integer(words.word())?, integer(words.word())?);
        Ok(Command::List(ListCommand::Trim { key, start, stop }))
    }),
    Spec::new("lpos", -3, Flags::READ, Keys::ONE, parse_position),
    Spec::new("lmove", 5, Flags::GROW, Keys::TWO, |mut words| {
        let (source, destination) = (words.word(), words.word());
        let (from, to) = (end(words.word())?, end(words.word())?);
        Ok(Command::List(ListCommand::Move { source, destination, from, to }))
    }),
    Spec::new("rpoplpush", 3, Flags::GROW, Keys::TWO, |mut words| {
        let (source, destination) = (words.word(), words.word());
        let (from, to) = (End::Right, End::Left);
        Ok(Command::List(ListCommand::Move { source, destination, from, to }))
    }),
    Spec::new("lmpop", -4, Flags::WRITE, Keys::NONE, parse_pop_first),
];

/// A command for lists.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListCommand<'a> {
    Push { key: &'a [u8], elements: Arguments<'a>, end: End, must_exist: bool },
    Pop { key: &'a [u8], count: Option<usize>, end: End },
    PopFirst { keys: Arguments<'a>, count: usize, end: End },
    Len { key: &'a [u8] },
    Range { key: &'a [u8], start: i64, stop: i64 },
    // What is no number is only refused if there is a list.
    Index { key: &'a [u8], index: &'a [u8] },
    Set { key: &'a [u8], index: &'a [u8], element: &'a [u8] },
    Insert { key: &'a [u8], is_before: bool, pivot: &'a [u8], element: &'a [u8] },
    Remove { key: &'a [u8], count: i64, element: &'a [u8] },
    Trim { key: &'a [u8], start: i64, stop: i64 },
    Position { key: &'a [u8], element: &'a [u8], search: Search },
    Move { source: &'a [u8], destination: &'a [u8], from: End, to: End },
}

/// What `LPOS` looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// How many equal elements come before those that are wanted.
    skipped: usize,
    from: End,
    /// How many are wanted; zero is all of them. Without it, the first is, which is answered by
    /// itself.
    count: Option<usize>,
    /// How many elements are looked at; zero is all of them.
    max_len: usize,
}

fn parse_push(
    mut words: Arguments<'_>,
    end: End,
    must_exist: bool,
) -> Result<Command<'_>, Refusal> {
    let key = words.word();
    Ok(Command::List(ListCommand::Push { key, elements: words, end, must_exist }))
}

fn parse_pop(mut words: Arguments<'_>, end: End) -> Result<Command<'_>, Refusal> {
    let (key, wanted) = (words.word(), words.next());
    if !words.is_empty() {
        let name = if end == End::Left { "lpop" } else { "rpop" };
        return Err(Refusal::WrongArity(name));
    }
    Ok(Command::List(ListCommand::Pop { key, count: wanted.map(count).transpose()?, end }))
}

fn parse_pop_first(words: Arguments<'_>) -> Result<Command<'_>, Refusal> {
    // Who gives too few keys has left the end out.
    let (keys, mut words) = numbered_keys(words, Refusal::Syntax)?;
    let end = end(words.next().ok_or(Refusal::Syntax)?)?;
    Ok(Command::List(ListCommand::PopFirst { keys, count: pop_count(words)?, end }))
}

fn parse_insert(mut words: Arguments<'_>) -> Result<Command<'_>, Refusal> {
    let (key, side) = (words.word(), words.word());
    let is_before = side.eq_ignore_ascii_case(b"before");
    if !is_before && !side.eq_ignore_ascii_case(b"after") {
        return Err(Refusal::Syntax);
    }
    let (pivot, element) = (words.word(), words.word());
    Ok(Command::List(ListCommand::Insert { key, is_before, pivot, element }))
}

fn parse_position(mut words: Arguments<'_>) -> Result<Command<'_>, Refusal> {
    let (key, element) = (words.word(), words.word());
    let mut search = Search { skipped: 0, from: End::Left, count: None, max_len: 0 };
    while let Some(option) = words.next() {
        let value = words.next().ok_or(Refusal::Syntax)?;
        if option.eq_ignore_ascii_case(b"rank") {
            let rank = integer(value)?;
            let Some(skipped) = rank.unsigned_abs().checked_sub(1) else {
                return Err(Refusal::Other(ZERO_RANK));
            };
            search.skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
            search.from = if rank < 0 { End::Right } else { End::Left };
        } else if option.eq_ignore_ascii_case(b"count") {
            let refusal = Refusal::Other("ERR COUNT can't be negative");
            search.count = Some(least(value, 0, refusal)?);
        } else if option.eq_ignore_ascii_case(b"maxlen") {
            let refusal = Refusal::Other("ERR MAXLEN can't be negative");
            search.max_len = least(value, 0, refusal)?;
        } else {
            return Err(Refusal::Syntax);
        }
    }
    Ok(Command::List(ListCommand::Position { key, element, search }))
}

const ZERO_RANK: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
                         second ... or use negative to start from the end of the list";

fn end(word: &[u8]) -> Result<End, Refusal> {
    if word.eq_ignore_ascii_case(b"left") {
        Ok(End::Left)
    } else if word.eq_ignore_ascii_case(b"right") {
        Ok(End::Right)
    } else {
        Err(Refusal::Syntax)
    }
}

impl ListCommand<'_> {
    #[inline]
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Push { key, elements, end, must_exist } => {
                let push = |list: &mut List| {
                    elements.for_each(|element| list.push(end, Element::from(element)));
                    Outcome::Changed(list.len())
                };
                to.count(match must_exist {
                    true => store.change(key, push)?.unwrap_or(0),
                    false => store.change_or_create(key, push)?,
                });
            }
            Self::Pop { key, count: None, end } => {
                if store.change(key, |list| pop_one(list, end, to))?.is_none() {
                    to.put(Reply::Null);
                }
            }
            Self::Pop { key, count: Some(count), end } => {
                if store.change(key, |list| pop_many(list, count, end, to))?.is_none() {
                    to.put(Reply::NullArray);
                }
            }
            Self::PopFirst { keys, count, end } => return pop_first(store, keys, count, end, to),
            Self::Len { key } => to.count(store.read::<List>(key)?.map_or(0, List::len)),
            Self::Range { key, start, stop } => answer_range(store.read(key)?, start, stop, to),
            Self::Index { key, index } => {
                let element = match store.read::<List>(key)? {
                    Some(list) => place(integer(index)?, list.len()).and_then(|at| list.get(at)),
                    None => None,
                };
                to.bulk_or_null(element.map(Element::as_slice));
            }
            Self::Set { key, index, element } => {
                set(store, key, index, element)?;
                to.ok();
            }
            Self::Insert { key, is_before, pivot, element } => {
                let insert = |list: &mut List| insert_beside(list, is_before, pivot, element);
                to.integer(store.change(key, insert)?.unwrap_or(0));
            }
            Self::Remove { key, count, element } => {
                let removed = store.change(key, |list| remove_equal(list, count, element))?;
                to.count(removed.unwrap_or(0));
            }
            Self::Trim { key, start, stop } => {
                store.change(key, |list| trim(list, start, stop))?;
                to.ok();
            }
            Self::Position { key, element, search } => {
                search.answer(store.read(key)?, element, to);
            }
            Self::Move { source, destination, from, to: end } => {
                let moved = move_one(store, (source, from), (destination, end))?;
                to.bulk_or_null(moved.as_ref().map(Element::as_slice));
            }
        }
        Ok(())
    }
}

fn answer_range(list: Option<&List>, start: i64, stop: i64, to: &mut impl Replies) {
    let Some(list) = list else { return to.array(0) };
    let places = places(start, stop, list.len());
    to.array(places.len());
    Bulks::put_all(to, list.range(places));
}

fn set(store: &mut Store, key: &[u8], index: &[u8], element: &[u8]) -> Result<(), Refusal> {
    store.read::<List>(key)?.ok_or(Refusal::NoSuchKey)?;
    let index = integer(index)?;
    let set = |list: &mut List| {
        let place = place(index, list.len());
        match place.is_some_and(|place| list.set(place, Element::from(element))) {
            true => Outcome::Changed(true),
            false => Outcome::Same(false),
        }
    };
    match store.change(key, set)? {
        Some(true) => Ok(()),
        _ => Err(Refusal::OutOfRange),
    }
}

fn trim(list: &mut List, start: i64, stop: i64) -> Outcome<()> {
    list.trim(places(start, stop, list.len()));
    Outcome::Changed(())
}

/// Pops from the first of the keys that there is.
fn pop_first(
    store: &mut Store,
    keys: Arguments<'_>,
    count: usize,
    end: End,
    to: &mut impl Replies,
) -> Result<(), Refusal> {
    let Some(found) = store.first_of::<List>(keys)? else {
        to.put(Reply::NullArray);
        return Ok(());
    };
    to.array(2);
    to.bulk(found);
    store.change(found, |list| pop_many(list, count, end, to)).map(|_| ())
}

fn pop_one(list: &mut List, end: End, to: &mut impl Replies) -> Outcome<()> {
    to.bulk_or_null(list.pop(end).as_ref().map(Element::as_slice));
    Outcome::Changed(())
}

fn pop_many(list: &mut List, count: usize, end: End, to: &mut impl Replies) -> Outcome<()> {
    let count = count.min(list.len());
    to.array(count);
    for _ in 0..count {
        pop_one(list, end, to);
    }
    if count == 0 { Outcome::Same(()) } else { Outcome::Changed(()) }
}

/// How long the list is then, or -1 if there is no such pivot.
fn insert_beside(list: &mut List, is_before: bool, pivot: &[u8], element: &[u8]) -> Outcome<i64> {
    let place = list.iter().position(|one| one.as_slice() == pivot);
    match place {
        Some(place) => {
            list.insert(place + usize::from(!is_before), Element::from(element));
            Outcome::Changed(i64::try_from(list.len()).unwrap_or(i64::MAX))
        }
        None => Outcome::Same(-1),
    }
}

fn remove_equal(list: &mut List, count: i64, element: &[u8]) -> Outcome<usize> {
    let most = match count {
        0 => usize::MAX,
        _ => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    match list.remove(element, most, if count < 0 { End::Right } else { End::Left }) {
        0 => Outcome::Same(0),
        removed => Outcome::Changed(removed),
    }
}

fn move_one(
    store: &mut Store,
    (source, from): (&[u8], End),
    (destination, to): (&[u8], End),
) -> Result<Option<Element>, Refusal> {
    if store.read::<List>(source)?.is_none() {
        return Ok(None);
    }
    store.read::<List>(destination)?;
    let is_same = source == destination;
    let pop = |list: &mut List| {
        let element = list.pop(from);
        // A list that is only turned is never empty in between.
        if let (Some(element), true) = (&element, is_same) {
            list.push(to, element.clone());
        }
        Outcome::Changed(element)
    };
    let element = store.change(source, pop)?.flatten();
    if let (Some(element), false) = (&element, is_same) {
        store.change_or_create(destination, |list: &mut List| {
            list.push(to, element.clone());
            Outcome::Changed(())
        })?;
    }
    Ok(element)
}

impl Search {
    fn answer(&self, list: Option<&List>, element: &[u8], to: &mut impl Replies) {
        let mut found = list.map_or_else(Vec::new, |list| self.run(list, element));
        if self.count.is_some() {
            to.array(found.len());
            return found.into_iter().for_each(|place| to.count(place));
        }
        match found.pop() {
            Some(place) => to.count(place),
            None => to.put(Reply::Null),
        }
    }

    /// The places where `element` is, as they are wanted.
    fn run(&self, list: &List, element: &[u8]) -> Vec<usize> {
        let or_all = |count: usize| if count == 0 { usize::MAX } else { count };
        let (most, max_len) = (or_all(self.count.unwrap_or(1)), or_all(self.max_len));
        let elements = list.iter().enumerate();
        let is_equal =
            |(place, one): (usize, &Element)| (one.as_slice() == element).then_some(place);
        match self.from {
            End::Left => {
                elements.take(max_len).filter_map(is_equal).skip(self.skipped).take(most).collect()
            }
            End::Right => {
                let elements = elements.rev().take(max_len);
                elements.filter_map(is_equal).skip(self.skipped).take(most).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_answers;

    #[test]
    fn elements_are_pushed_and_popped_at_both_ends() {
        assert_answers(
            "
            RPUSH l a b c => :3
            LPUSH l z y => :5
            LRANGE l 0 -1 => *5 $1 y $1 z $1 a $1 b $1 c
            LLEN l => :5
            RPUSHX none a => :0
            LPUSHX l x => :6
            LPOP l => $1 x
            RPOP l => $1 c
            LPOP l 0 => *0
            LPOP none 0 => *-1
            LPOP none => $-1
            LPOP l 100 => *4 $1 y $1 z $1 a $1 b
            EXISTS l => :0
            LPOP l -1 => -ERR value is out of range, must be positive
            LPOP l 1 2 => -ERR wrong number of arguments for 'lpop' command
            ",
        );
    }

    #[test]
    fn places_count_from_both_ends() {
        assert_answers(
            "
            RPUSH l a b c d => :4
            LINDEX l -1 => $1 d
            LINDEX l 4 => $-1
            LINDEX l abc => -ERR value is not an integer or out of range
            LINDEX none abc => $-1
            LRANGE l -2 100 => *2 $1 c $1 d
            LRANGE l 3 1 => *0
            LRANGE l 9223372036854775807 -9223372036854775808 => *0
            LSET l -1 D => +OK
            LSET l 4 x => -ERR index out of range
            LSET none abc x => -ERR no such key
            LINSERT l BEFORE b ab => :5
            LINSERT l AFTER none x => :-1
            LINSERT none BEFORE a b => :0
            LINSERT l BESIDE a b => -ERR syntax error
            LTRIM l 1 -2 => +OK
            LRANGE l 0 -1 => *3 $2 ab $1 b $1 c
            LTRIM l 5 1 => +OK
            EXISTS l => :0
            ",
        );
    }

    #[test]
    fn equal_elements_are_found_and_removed() {
        assert_answers(
            "
            RPUSH l a b c a b c c => :7
            LPOS l c => :2
            LPOS l c RANK -2 => :5
            LPOS l c RANK 2 COUNT 0 MAXLEN 6 => *1 :5
            LPOS l x => $-1
            LPOS l x COUNT 1 => *0
            LPOS l c COUNT -1 => -ERR COUNT can't be negative
            LREM l -2 c => :2
            LREM l 1 a => :1
            LRANGE l 0 -1 => *4 $1 b $1 c $1 a $1 b
            LREM l 0 b => :2
            LREM l 0 c => :1
            LREM l 0 a => :1
            EXISTS l => :0
            ",
        );
    }

    #[test]
    fn elements_move_between_lists() {
        assert_answers(
            "
            RPUSH l a b c => :3
            LMOVE l m LEFT RIGHT => $1 a
            RPOPLPUSH l m => $1 c
            LRANGE m 0 -1 => *2 $1 c $1 a
            LMOVE m m LEFT RIGHT => $1 c
            LRANGE m 0 -1 => *2 $1 a $1 c
            EXPIRE l 100 => :1
            RPOPLPUSH l l => $1 b
            TTL l => :100
            RPOPLPUSH none l => $-1
            SET s x => +OK
            LLEN l => :1
            LMOVE l m UP LEFT => -ERR syntax error
            LMPOP 2 none m RIGHT COUNT 10 => *2 $1 m *2 $1 c $1 a
            LMPOP 1 m LEFT => *-1
            LMPOP 0 m LEFT => -ERR numkeys should be greater than 0
            LMPOP 1 s LEFT => -WRONGTYPE Operation against a key holding the wrong kind of value
            ",
        );
    }
}
