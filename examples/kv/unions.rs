//! New sorted sets out of others: what is in any of them, in all, or in the first alone.

use super::arguments::Arguments;
use super::element::Element;
use super::members::Members;
use super::numbers::parse_double;
use super::options::{integer, limit};
use super::refusal::Refusal;
use super::sets::{How, Set};
use super::sorted_set::SortedSet;
use super::store::Store;
use super::value::Value;

/// Which sets are combined, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combination<'a> {
    how: How,
    keys: Arguments<'a>,
    /// What the scores of each set are multiplied with.
    weights: Option<Arguments<'a>>,
    aggregate: Aggregate,
    pub(crate) has_scores: bool,
    /// How far members are counted.
    limit: usize,
    /// What is wrong with the options: it is only said if nothing is wrong with the keys.
    refusal: Option<Refusal>,
}

/// What becomes of the scores that a member has in several sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            // Opposite infinities, for instance.
            Self::Sum if (one + other).is_nan() => 0.0,
            Self::Sum => one + other,
            // Of zero and minus zero, the first one stays.
            Self::Min if other < one => other,
            Self::Max if other > one => other,
            Self::Min | Self::Max => one,
        }
    }
}

/// A set that is combined with others. The members of a plain one have the score 1.
#[derive(Clone, Copy)]
enum Source<'s> {
    Missing,
    Plain(&'s Set),
    Sorted(&'s SortedSet),
}

impl<'s> Source<'s> {
    fn of(store: &'s Store, key: &[u8]) -> Result<Self, Refusal> {
        match store.value(key) {
            None => Ok(Self::Missing),
            Some(Value::Set(set)) => Ok(Self::Plain(set)),
            Some(Value::SortedSet(set)) => Ok(Self::Sorted(set)),
            Some(_) => Err(Refusal::WrongType),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Plain(set) => set.len(),
            Self::Sorted(set) => set.len(),
        }
    }

    fn score(&self, name: &[u8]) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Plain(set) => set.get(name).map(|()| 1.0),
            Self::Sorted(set) => set.score(name),
        }
    }

    fn for_each(&self, mut visit: impl FnMut(&Element, f64)) {
        match self {
            Self::Missing => {}
            Self::Plain(set) => set.iter().for_each(|member| visit(&member.name, 1.0)),
            Self::Sorted(set) => {
                set.members().iter().for_each(|member| visit(&member.name, member.value));
            }
        }
    }
}

impl<'a> Combination<'a> {
    /// The number of keys, the keys, and options. `needs_keys` is what is said if there are none;
    /// what is stored is not asked for its scores.
    pub(crate) fn parse(
        words: Arguments<'a>,
        how: How,
        is_stored: bool,
        needs_keys: &'static str,
    ) -> Result<Self, Refusal> {
        let (keys, options) = keys(words, needs_keys)?;
        let mut it = Self::new(how, keys);
        it.refusal = it.read(options, is_stored).err();
        Ok(it)
    }

    fn read(&mut self, mut options: Arguments<'a>, is_stored: bool) -> Result<(), Refusal> {
        while let Some(option) = options.next() {
            if !is_stored && option.eq_ignore_ascii_case(b"withscores") {
                self.has_scores = true;
            } else if self.how == How::Difference {
                return Err(Refusal::Syntax);
            } else if option.eq_ignore_ascii_case(b"weights") {
                let (mut weights, rest) =
                    options.split_at(self.keys.len()).ok_or(Refusal::Syntax)?;
                (self.weights, options) = (Some(weights), rest);
                if weights.any(|weight| parse_double(weight).is_none()) {
                    return Err(Refusal::Other("ERR weight value is not a float"));
                }
            } else if option.eq_ignore_ascii_case(b"aggregate") {
                self.aggregate = aggregate_of(options.next().ok_or(Refusal::Syntax)?)?;
            } else {
                return Err(Refusal::Syntax);
            }
        }
        Ok(())
    }

    /// As [`parse`](Self::parse), for what is only counted.
    pub(crate) fn parse_count(
        words: Arguments<'a>,
        needs_keys: &'static str,
    ) -> Result<Self, Refusal> {
        let (keys, options) = keys(words, needs_keys)?;
        let mut it = Self::new(How::Intersection, keys);
        match limit(options) {
            Ok(limit) => it.limit = limit,
            Err(refusal) => it.refusal = Some(refusal),
        }
        Ok(it)
    }

    const fn new(how: How, keys: Arguments<'a>) -> Self {
        let (weights, aggregate, limit) = (None, Aggregate::Sum, usize::MAX);
        Self { how, keys, weights, aggregate, has_scores: false, limit, refusal: None }
    }

    /// How many members the set would have that comes out, up to the limit.
    pub(crate) fn count(&self, store: &Store) -> Result<usize, Refusal> {
        self.members(store).map(|members| members.len().min(self.limit))
    }

    /// The set that comes out.
    pub(crate) fn run(&self, store: &Store) -> Result<SortedSet, Refusal> {
        let mut set = SortedSet::default();
        for member in self.members(store)?.iter() {
            set.insert(member.name.clone(), member.value);
        }
        Ok(set)
    }

    fn members(&self, store: &Store) -> Result<Members<f64>, Refusal> {
        let mut weights = self.weights;
        let weighted = |key: &[u8]| {
            let weight = weights.as_mut().and_then(Iterator::next).and_then(parse_double);
            Ok((Source::of(store, key)?, weight.unwrap_or(1.0)))
        };
        let mut sources = self.keys.map(weighted).collect::<Result<Vec<_>, Refusal>>()?;
        self.refusal.map_or(Ok(()), Err)?;
        if self.how != How::Difference {
            // The smallest first: it has all that can be in an intersection. Sums of doubles depend
            // on the order, and other servers have this one.
            sources.sort_by_key(|(source, _)| source.len());
        }
        let mut members = Members::default();
        match self.how {
            How::Union => {
                for (source, weight) in &sources {
                    source.for_each(|name, score| {
                        let score = product(score, *weight);
                        let old = members.get(name.as_slice()).copied();
                        let score = old.map_or(score, |old| self.aggregate.of(old, score));
                        members.insert(name.clone(), score);
                    });
                }
            }
            How::Intersection => {
                let Some(((smallest, weight), others)) = sources.split_first() else {
                    return Ok(members);
                };
                smallest.for_each(|name, score| {
                    let sum = others.iter().try_fold(product(score, *weight), |sum, other| {
                        let score = other.0.score(name.as_slice())?;
                        // What is no number makes a sum zero, and is passed over otherwise.
                        Some(self.aggregate.of(sum, score * other.1))
                    });
                    if let Some(sum) = sum {
                        members.insert(name.clone(), sum);
                    }
                });
            }
            How::Difference => {
                let Some(((first, _), others)) = sources.split_first() else {
                    return Ok(members);
                };
                first.for_each(|name, score| {
                    let is_in =
                        |other: &(Source<'_>, f64)| other.0.score(name.as_slice()).is_some();
                    if !others.iter().any(is_in) {
                        members.insert(name.clone(), score);
                    }
                });
            }
        }
        Ok(members)
    }
}

/// Keys behind their number, and what follows them.
fn keys<'a>(
    mut words: Arguments<'a>,
    needs_keys: &'static str,
) -> Result<(Arguments<'a>, Arguments<'a>), Refusal> {
    match usize::try_from(integer(words.word())?) {
        Ok(count @ 1..) => words.split_at(count).ok_or(Refusal::Syntax),
        _ => Err(Refusal::Other(needs_keys)),
    }
}

fn aggregate_of(word: &[u8]) -> Result<Aggregate, Refusal> {
    if word.eq_ignore_ascii_case(b"sum") {
        Ok(Aggregate::Sum)
    } else if word.eq_ignore_ascii_case(b"min") {
        Ok(Aggregate::Min)
    } else if word.eq_ignore_ascii_case(b"max") {
        Ok(Aggregate::Max)
    } else {
        Err(Refusal::Syntax)
    }
}

/// Zero times an infinity is zero.
fn product(score: f64, weight: f64) -> f64 {
    let product = score * weight;
    if product.is_nan() { 0.0 } else { product }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_answers;

    #[test]
    fn sorted_sets_are_combined_with_weights() {
        assert_answers(
            "
            ZADD a 1 x 2 y => :2
            ZADD b 10 y 20 z => :2
            SADD s x y => :2
            ZUNION 2 a b WITHSCORES => *6 $1 x $1 1 $1 y $2 12 $1 z $2 20
            ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES => *6 $1 x $1 2 $1 y $1 9 $1 z $2 10
            ZUNION 2 a b AGGREGATE MAX WITHSCORES => *6 $1 x $1 1 $1 y $2 10 $1 z $2 20
            ZUNION 2 a b AGGREGATE min WITHSCORES => *6 $1 x $1 1 $1 y $1 2 $1 z $2 20
            ZUNION 2 a s WITHSCORES => *4 $1 x $1 2 $1 y $1 3
            ZINTER 2 a b WITHSCORES => *2 $1 y $2 12
            ZDIFF 2 a b WITHSCORES => *2 $1 x $1 1
            ZUNIONSTORE d 2 a b => :3
            ZINTERSTORE d 2 a none => :0
            EXISTS d => :0
            ZDIFFSTORE d 2 a b => :1
            ZINTERCARD 2 a s LIMIT 1 => :1
            ZADD i inf x => :1
            ZADD j -inf x => :1
            ZUNION 2 i j WITHSCORES => *2 $1 x $1 0
            ZUNION 1 i WEIGHTS 0 WITHSCORES => *2 $1 x $1 0
            ",
        );
    }

    #[test]
    fn combinations_are_refused_for_one_reason_at_a_time() {
        assert_answers(
            "
            ZUNION 0 a => -ERR at least 1 input key is needed for 'zunion' command
            ZUNION abc a => -ERR value is not an integer or out of range
            ZUNION 3 a b => -ERR syntax error
            ZUNION 1 a WEIGHTS => -ERR syntax error
            ZUNION 1 a WEIGHTS abc => -ERR weight value is not a float
            ZUNION 1 a AGGREGATE foo => -ERR syntax error
            ZUNIONSTORE d 1 a WITHSCORES => -ERR syntax error
            ZDIFF 1 a WEIGHTS 1 => -ERR syntax error
            ZINTERCARD 1 a LIMIT -1 => -ERR LIMIT can't be negative
            ",
        );
    }
}
