//! What the commands for sorted sets do.

use std::ops::Range;

use super::arguments::Arguments;
use super::members::Member;
use super::numbers::{format_double, parse_double};
use super::rank_tree::Scored;
use super::refusal::Refusal;
use super::reply::{Replies, Reply, Version};
use super::sorted_set::SortedSet;
use super::sorted_sets::{Rules, SortedSetCommand};
use super::spans::Selection;
use super::store::{Outcome, Store};

impl SortedSetCommand<'_> {
    #[inline]
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Add { key, scores, rules } => return run_add(store, key, scores, rules, to),
            Self::Remove { key, members } => {
                to.count(store.change(key, |set| remove(set, members))?.unwrap_or(0));
            }
            Self::Len { key } => to.count(store.read(key)?.map_or(0, SortedSet::len)),
            Self::Score { key, member } => answer_score(store.read(key)?, member, to),
            Self::Scores { key, members } => {
                let set = store.read::<SortedSet>(key)?;
                to.array(members.len());
                members.for_each(|member| answer_score(set, member, to));
            }
            Self::Rank { key, member, is_reverse, has_score } => {
                answer_rank(store.read(key)?, member, is_reverse, has_score, to);
            }
            Self::Count { key, span } => {
                let set = store.read::<SortedSet>(key)?;
                to.count(set.map_or(0, |set| set.ranks(span).len()));
            }
            Self::Range { key, selection } => answer_range(store.read(key)?, &selection, to),
            Self::RangeStore { destination, key, selection } => {
                let set = selected(store.read(key)?, &selection);
                to.count(set.len());
                store.put(destination, set);
            }
            Self::Clear { key, span } => {
                let clear = |set: &mut SortedSet| some(set.remove_ranks(set.ranks(span)));
                to.count(store.change(key, clear)?.unwrap_or(0));
            }
            Self::Pop { key, count, is_last } => {
                // The third version has an array for each pair, if a number was asked for.
                let is_nested = count.is_some() && to.version() == Version::Resp3;
                let pop = |set: &mut _| pop(set, count.unwrap_or(1), is_last, is_nested, to);
                if store.change(key, pop)?.is_none() {
                    to.array(0);
                }
            }
            Self::PopFirst { keys, count, is_last } => {
                return pop_first(store, keys, count, is_last, to);
            }
            Self::Random { key, picks, has_scores } => {
                let mut random = store.random.fork();
                let is_nested = to.version() == Version::Resp3;
                let members = store.read::<SortedSet>(key)?.map(SortedSet::members);
                let width = width(has_scores, is_nested);
                picks.answer(members, width, &mut random, to, |member, to| {
                    let score = has_scores.then_some(member.value);
                    answer(member.name.as_slice(), score, is_nested, to);
                });
            }
            Self::Scan { key, scan } => {
                let members = store.read::<SortedSet>(key)?.map(SortedSet::members);
                scan.answer(members, 2, to, answer_scanned)?;
            }
            Self::Combine { combination } => {
                let set = combination.run(store)?;
                answer_ranks(&set, 0..set.len(), false, combination.has_scores, to);
            }
            Self::CombineStore { destination, combination } => {
                let set = combination.run(store)?;
                to.count(set.len());
                store.put(destination, set);
            }
            Self::CombineCount { combination } => to.count(combination.count(store)?),
        }
        Ok(())
    }
}

/// A change of so many members.
fn some(count: usize) -> Outcome<usize> {
    if count == 0 { Outcome::Same(0) } else { Outcome::Changed(count) }
}

fn run_add(
    store: &mut Store,
    key: &[u8],
    scores: Arguments<'_>,
    rules: Rules,
    to: &mut impl Replies,
) -> Result<(), Refusal> {
    if rules.is_increment {
        let score = store.change_or_create(key, |set| increment(set, scores, rules))??;
        to.put(score.map_or(Reply::Null, Reply::Double));
    } else {
        to.count(store.change_or_create(key, |set| add(set, scores, rules))?);
    }
    Ok(())
}

impl Rules {
    /// Whether it matters what score a member has.
    fn has_conditions(&self) -> bool {
        self.only_new || self.only_old || self.only_greater || self.only_less
    }

    /// Whether a member that has this score, or is not there, gets a new one.
    fn allow(&self, old: Option<f64>, new: f64) -> bool {
        match old {
            Some(old) => {
                let is_refused = self.only_new
                    || self.only_greater && new <= old
                    || self.only_less && new >= old;
                !is_refused
            }
            None => !self.only_old,
        }
    }
}

/// How many members are new, or, by the rules, new or changed.
fn add(set: &mut SortedSet, scores: Arguments<'_>, rules: Rules) -> Outcome<usize> {
    let (mut new, mut changed) = (0, 0);
    for (score, member) in scores.pairs() {
        // All of them were found to be scores when the command was read.
        let Some(score) = parse_double(score) else { continue };
        if rules.has_conditions() && !rules.allow(set.score(member), score) {
            continue;
        }
        match set.insert(member, score) {
            Some(old) => changed += usize::from(old != score),
            None => new += 1,
        }
    }
    let answer = if rules.counts_changes { new + changed } else { new };
    if new + changed == 0 { Outcome::Same(answer) } else { Outcome::Changed(answer) }
}

/// The new score of the only member, if the rules allow it.
fn increment(
    set: &mut SortedSet,
    scores: Arguments<'_>,
    rules: Rules,
) -> Outcome<Result<Option<f64>, Refusal>> {
    let Some((by, member)) = scores.pairs().next() else { return Outcome::Same(Ok(None)) };
    let (old, by) = (set.score(member), parse_double(by).unwrap_or(0.0));
    let new = old.map_or(by, |old| old + by);
    if new.is_nan() {
        let refusal = "ERR resulting score is not a number (NaN)";
        return Outcome::Same(Err(Refusal::Other(refusal)));
    }
    if !rules.allow(old, new) {
        return Outcome::Same(Ok(None));
    }
    set.insert(member, new);
    Outcome::Changed(Ok(Some(new)))
}

/// How many members were there.
fn remove(set: &mut SortedSet, members: Arguments<'_>) -> Outcome<usize> {
    some(members.filter(|member| set.remove(member).is_some()).count())
}

fn pop(
    set: &mut SortedSet,
    count: usize,
    is_last: bool,
    is_nested: bool,
    to: &mut impl Replies,
) -> Outcome<usize> {
    let count = count.min(set.len());
    to.array(count * width(true, is_nested));
    for _ in 0..count {
        let Some(popped) = set.pop(is_last) else { break };
        answer(popped.member.as_slice(), Some(popped.score), is_nested, to);
    }
    some(count)
}

/// Pops from the first of the keys that there is.
fn pop_first(
    store: &mut Store,
    keys: Arguments<'_>,
    count: usize,
    is_last: bool,
    to: &mut impl Replies,
) -> Result<(), Refusal> {
    let Some(found) = store.first_of::<SortedSet>(keys)? else {
        to.put(Reply::NullArray);
        return Ok(());
    };
    to.array(2);
    to.bulk(found);
    store.change(found, |set| pop(set, count, is_last, true, to)).map(|_| ())
}

/// The members that are selected, as a set of their own.
fn selected(set: Option<&SortedSet>, selection: &Selection<'_>) -> SortedSet {
    let mut chosen = SortedSet::default();
    if let Some(set) = set {
        set.visit(selection.ranks(set), false, |scored| {
            chosen.insert(scored.member.clone(), scored.score);
        });
    }
    chosen
}

/// How many elements of an array a member takes.
fn width(has_score: bool, is_nested: bool) -> usize {
    if has_score && !is_nested { 2 } else { 1 }
}

/// Answers a member, with its score or without: as an array, or one after the other.
#[inline]
fn answer(name: &[u8], score: Option<f64>, is_nested: bool, to: &mut impl Replies) {
    if is_nested && score.is_some() {
        to.array(2);
    }
    to.bulk(name);
    if let Some(score) = score {
        to.put(Reply::Double(score));
    }
}

fn answer_score(set: Option<&SortedSet>, member: &[u8], to: &mut impl Replies) {
    let score = set.and_then(|set| set.score(member));
    to.put(score.map_or(Reply::Null, Reply::Double));
}

fn answer_rank(
    set: Option<&SortedSet>,
    member: &[u8],
    is_reverse: bool,
    has_score: bool,
    to: &mut impl Replies,
) {
    let Some((len, (rank, score))) = set.and_then(|set| Some((set.len(), set.rank(member)?)))
    else {
        return to.put(if has_score { Reply::NullArray } else { Reply::Null });
    };
    let rank = if is_reverse { len - 1 - rank } else { rank };
    if has_score {
        to.array(2);
    }
    to.count(rank);
    if has_score {
        to.put(Reply::Double(score));
    }
}

fn answer_range(set: Option<&SortedSet>, selection: &Selection<'_>, to: &mut impl Replies) {
    let Some(set) = set else { return to.array(0) };
    let ranks = selection.ranks(set);
    answer_ranks(set, ranks, selection.is_reverse, selection.has_scores, to);
}

fn answer_ranks(
    set: &SortedSet,
    ranks: Range<usize>,
    is_reverse: bool,
    has_scores: bool,
    to: &mut impl Replies,
) {
    let is_nested = to.version() == Version::Resp3;
    to.array(ranks.len() * width(has_scores, is_nested));
    set.visit(ranks, is_reverse, |Scored { score, member }| {
        answer(member.as_slice(), has_scores.then_some(*score), is_nested, to);
    });
}

/// In what is scanned, scores are bulk strings in both versions.
fn answer_scanned(member: &Member<f64>, to: &mut impl Replies) {
    to.bulk(member.name.as_slice());
    to.bulk(format_double(member.value, &mut [0; 32]));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_answers, assert_answers3};

    #[test]
    fn scores_are_set_by_rules() {
        assert_answers(
            "
            ZADD z 1 a 2 b 3 c => :3
            ZADD z CH 1 a 6 b 7 d => :2
            ZADD z NX 9 a 9 e => :1
            ZADD z XX 9 f => :0
            ZADD z GT CH 1 c => :0
            ZADD z LT CH 2 c => :1
            ZADD z INCR 1.5 c => $3 3.5
            ZADD z NX INCR 1.5 c => $-1
            ZADD z NX XX 1 a => -ERR XX and NX options at the same time are not compatible
            ZADD z GT LT 1 a => -ERR GT, LT, and/or NX options at the same time are not compatible
            ZADD z INCR 1 a 2 b => -ERR INCR option supports a single increment-element pair
            ZADD z 1 a 2 => -ERR syntax error
            ZADD z 1 x abc y => -ERR value is not a valid float
            ZADD none XX 1 a => :0
            EXISTS none => :0
            ZRANGE z 0 -1 WITHSCORES => *10 $1 a $1 1 $1 c $3 3.5 $1 b $1 6 $1 d $1 7 $1 e $1 9
            ZINCRBY z 0.1 a => $18 1.1000000000000001
            ZINCRBY z inf i => $3 inf
            ZINCRBY z -inf i => -ERR resulting score is not a number (NaN)
            ZMSCORE z a none => *2 $18 1.1000000000000001 $-1
            ZREM z a none => :1
            ZREVRANK z b => :3
            ZRANK z none => $-1
            ",
        );
    }

    #[test]
    fn members_are_selected_by_rank_or_score() {
        assert_answers(
            "
            ZADD z 1 a 2 b 3 c 4 d 5 e => :5
            ZRANGE z 1 2 => *2 $1 b $1 c
            ZRANGE z 0 1 REV WITHSCORES => *4 $1 e $1 5 $1 d $1 4
            ZRANGE z (2 +inf BYSCORE => *3 $1 c $1 d $1 e
            ZRANGE z 4 2 BYSCORE REV => *3 $1 d $1 c $1 b
            ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2 => *2 $1 d $1 c
            ZRANGE z -inf +inf BYSCORE LIMIT 3 -1 => *2 $1 d $1 e
            ZRANGE z -inf +inf BYSCORE LIMIT -1 2 => *0
            ZRANGE z a b BYSCORE => -ERR min or max is not a float
            ZRANGEBYSCORE z (2 (4 => *1 $1 c
            ZREVRANGEBYSCORE z 4 2 LIMIT 1 1 => *1 $1 c
            ZCOUNT z (2 4 => :2
            ZRANGESTORE d z 4 1 BYSCORE REV LIMIT 0 2 => :2
            ZRANGE d 0 -1 => *2 $1 c $1 d
            ZREMRANGEBYRANK z 0 0 => :1
            ZREMRANGEBYSCORE z (2 3 => :1
            ZRANGE z 0 -1 => *3 $1 b $1 d $1 e
            ZREMRANGEBYRANK z 0 -1 => :3
            EXISTS z => :0
            ",
        );
    }

    #[test]
    fn members_are_selected_by_name() {
        assert_answers(
            "
            ZADD z 0 a 0 b 0 bb 0 c => :4
            ZRANGEBYLEX z [b (c => *2 $1 b $2 bb
            ZRANGEBYLEX z (b + => *2 $2 bb $1 c
            ZREVRANGEBYLEX z [c [b LIMIT 1 1 => *1 $2 bb
            ZRANGE z [c [bb BYLEX REV => *2 $1 c $2 bb
            ZRANGEBYLEX z a b => -ERR min or max not valid string range item
            ZLEXCOUNT z - [b => :2
            ZREMRANGEBYLEX z [b (c => :2
            ZRANGE z 0 -1 => *2 $1 a $1 c
            ",
        );
    }

    #[test]
    fn the_first_and_the_last_are_popped() {
        assert_answers(
            "
            ZADD z 1 a 2 b 3 c 4 d => :4
            ZPOPMIN z => *2 $1 a $1 1
            ZPOPMAX z 2 => *4 $1 d $1 4 $1 c $1 3
            ZPOPMIN z 0 => *0
            ZPOPMIN z -1 => -ERR value is out of range, must be positive
            ZMPOP 2 none z MIN COUNT 3 => *2 $1 z *1 *2 $1 b $1 2
            ZMPOP 1 z MAX => *-1
            ZPOPMAX z => *0
            ZADD z 0.1 a => :1
            ZRANDMEMBER z => $1 a
            ZRANDMEMBER z -1 WITHSCORES => *2 $1 a $19 0.10000000000000001
            ZSCAN z 0 => *2 $1 0 *2 $1 a $19 0.10000000000000001
            ",
        );
    }

    #[test]
    fn scores_are_doubles_in_the_third_version() {
        assert_answers3(
            "
            ZADD z 1 a 2.5 b inf c => :3
            ZADD z INCR 1 a => ,2
            ZADD z XX INCR 1 none => _
            ZSCORE z c => ,inf
            ZMSCORE z b none => *2 ,2.5 _
            ZRANGE z 0 -1 => *3 $1 a $1 b $1 c
            ZRANGE z 0 1 WITHSCORES => *2 *2 $1 a ,2 *2 $1 b ,2.5
            ZPOPMIN z => *2 $1 a ,2
            ZPOPMAX z 1 => *1 *2 $1 c ,inf
            ZMPOP 1 z MIN => *2 $1 z *1 *2 $1 b ,2.5
            ZPOPMIN z 2 => *0
            ZSCORE z a => _
            ",
        );
    }
}
