//! All commands: their names, what clients are told about them, and how they are read.

use super::arguments::Arguments;
use super::channels::ChannelCommand;
use super::connection::ConnectionCommand;
use super::hashes::HashCommand;
use super::keys::KeyCommand;
use super::lists::ListCommand;
use super::refusal::Refusal;
use super::server::ServerCommand;
use super::sets::SetCommand;
use super::sorted_sets::SortedSetCommand;
use super::strings::StringCommand;
use super::transactions::TransactionCommand;

/// A command with its arguments, as a module of its own does it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command<'a> {
    Connection(ConnectionCommand<'a>),
    Server(ServerCommand<'a>),
    Transaction(TransactionCommand<'a>),
    Channel(ChannelCommand<'a>),
    Key(KeyCommand<'a>),
    String(StringCommand<'a>),
    List(ListCommand<'a>),
    Hash(HashCommand<'a>),
    Set(SetCommand<'a>),
    SortedSet(SortedSetCommand<'a>),
}

/// The lists that the modules have of their commands.
const GROUPS: [(&str, &[Spec]); 10] = [
    ("connection", super::connection::COMMANDS),
    ("server", super::server::COMMANDS),
    ("transactions", super::transactions::COMMANDS),
    ("pubsub", super::channels::COMMANDS),
    ("generic", super::keys::COMMANDS),
    ("string", super::strings::COMMANDS),
    ("list", super::lists::COMMANDS),
    ("hash", super::hashes::COMMANDS),
    ("set", super::sets::COMMANDS),
    ("sorted-set", super::sorted_sets::COMMANDS),
];

/// What is known of a command before it has arguments.
#[derive(Debug)]
pub(crate) struct Spec {
    /// In small letters, at most 16 of them.
    pub(crate) name: &'static str,
    /// How many words it has, its name included; if negative, at least as many.
    pub(crate) arity: i8,
    pub(crate) flags: Flags,
    pub(crate) keys: Keys,
    /// Reads the arguments, of which there are as many as there must be.
    pub(crate) parse: Parse,
}

pub(crate) type Parse = for<'a> fn(Arguments<'a>) -> Result<Command<'a>, Refusal>;

/// What a command does, in one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// It changes keys.
    pub(crate) const WRITE: Self = Self(1);
    /// It reads keys.
    pub(crate) const READ: Self = Self(2);
    /// It may take memory, and is refused when there is none.
    pub(crate) const GROW: Self = Self(4 | 1);
    /// It is done before the password was given.
    pub(crate) const OPEN: Self = Self(8);
    /// It is done for who has subscribed to a channel and speaks the second version.
    pub(crate) const SUBSCRIBED: Self = Self(16);
    /// It is not put off until `EXEC`.
    pub(crate) const AT_ONCE: Self = Self(32);
    /// It cannot be part of a transaction.
    pub(crate) const ALONE: Self = Self(64);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Which arguments are keys: the first, the last (if negative, counted from the end), and the
/// distance between two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Keys {
    pub(crate) first: i8,
    pub(crate) last: i8,
    pub(crate) step: i8,
}

impl Keys {
    pub(crate) const NONE: Self = Self { first: 0, last: 0, step: 0 };
    /// The first argument.
    pub(crate) const ONE: Self = Self { first: 1, last: 1, step: 1 };
    /// The first two arguments.
    pub(crate) const TWO: Self = Self { first: 1, last: 2, step: 1 };
    /// All arguments.
    pub(crate) const ALL: Self = Self { first: 1, last: -1, step: 1 };
    /// The first argument, and every second one after it.
    pub(crate) const PAIRS: Self = Self { first: 1, last: -1, step: 2 };
}

impl Spec {
    pub(crate) const fn new(
        name: &'static str,
        arity: i8,
        flags: Flags,
        keys: Keys,
        parse: Parse,
    ) -> Self {
        Self { name, arity, flags, keys, parse }
    }

    /// Whether a request can have so many words, the name of the command included.
    #[inline]
    pub(crate) const fn takes(&self, words: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { words >= least } else { words == least }
    }
}

/// All commands, with the names of their groups.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Spec)> {
    GROUPS.iter().flat_map(|(group, specs)| specs.iter().map(|spec| (*group, spec)))
}

/// The command of this name, in whatever letters.
#[inline]
pub(crate) fn find(name: &[u8]) -> Option<&'static Spec> {
    let mut padded = [0; MAX_NAME_LEN];
    padded.get_mut(..name.len())?.copy_from_slice(name);
    find_word(u128::from_le_bytes(padded), name.len())
}

/// As [`find`], of a name whose `len` letters are the lowest bytes of `word`; all others are zero.
#[inline]
pub(crate) fn find_word(word: u128, len: usize) -> Option<&'static Spec> {
    let word = word & CAPITALS;
    let mut place = place_of(word);
    loop {
        let (known, spec) = INDEX[place];
        if known == word {
            return spec.filter(|spec| spec.name.len() == len);
        }
        if known == 0 {
            return None;
        }
        place = (place + 1) % INDEX_LEN;
    }
}

/// The longest name of a command.
pub(crate) const MAX_NAME_LEN: usize = 16;
/// Makes capitals of letters. What is no letter never becomes one.
const CAPITALS: u128 = u128::from_le_bytes([!0x20; MAX_NAME_LEN]);
/// Several times as many as there are commands: most are found at once.
const INDEX_LEN: usize = 1024;

type Place = (u128, Option<&'static Spec>);

static INDEX: [Place; INDEX_LEN] = index();

/// Where a name is looked for first.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the bits that are cut off were used before")]
const fn place_of(word: u128) -> usize {
    let folded = (word as u64) ^ ((word >> 64) as u64).rotate_left(23);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - INDEX_LEN.ilog2())) as usize
}

const fn index() -> [Place; INDEX_LEN] {
    let mut index = [(0, None); INDEX_LEN];
    let mut group = 0;
    while group < GROUPS.len() {
        let specs = GROUPS[group].1;
        let mut at = 0;
        while at < specs.len() {
            let word = word_of(specs[at].name.as_bytes());
            let mut place = place_of(word);
            while index[place].0 != 0 {
                assert!(index[place].0 != word, "two commands of the same name");
                place = (place + 1) % INDEX_LEN;
            }
            index[place] = (word, Some(&specs[at]));
            at += 1;
        }
        group += 1;
    }
    index
}

const fn word_of(name: &[u8]) -> u128 {
    let mut bytes = [0; MAX_NAME_LEN];
    let mut at = 0;
    while at < name.len() {
        bytes[at] = name[at];
        at += 1;
    }
    u128::from_le_bytes(bytes) & CAPITALS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_small_letters_and_in_capitals() {
        for (_, spec) in all() {
            for name in [spec.name.to_owned(), spec.name.to_uppercase()] {
                assert!(std::ptr::eq(find(name.as_bytes()).unwrap(), spec), "{name}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_name_is_none() {
        let long = "g".repeat(17);
        for name in ["", "ge", "gett", "get\0", " get", "g\u{5}t", &long, "get               "] {
            assert!(find(name.as_bytes()).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_command_takes_as_many_words_as_its_arity_says() {
        let get = find(b"get").unwrap();
        assert_eq!([1, 2, 3].map(|words| get.takes(words)), [false, true, false]);
        let mget = find(b"mget").unwrap();
        assert_eq!([1, 2, 3].map(|words| mget.takes(words)), [false, true, true]);
    }

    #[test]
    fn hardly_any_command_is_looked_for_twice() {
        let word = |spec: &Spec| word_of(spec.name.as_bytes());
        let strays = all().filter(|(_, spec)| INDEX[place_of(word(spec))].0 != word(spec));
        assert!(strays.count() <= 20);
    }
}
