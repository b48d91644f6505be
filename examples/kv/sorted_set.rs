//! A sorted set: members with a score each, in the order of the scores.

use std::ops::Range;

use super::element::Element;
use super::members::Members;
use super::places::places;
use super::rank_tree::{RankTree, Scored};
use super::value::kind;

/// Members with a score each: by name in a table, and by rank in a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct SortedSet {
    scores: Members<f64>,
    order: RankTree,
}

kind!(SortedSet);

/// Which members are asked for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Span<'a> {
    /// From one rank to another, both included; negative ones count from the end.
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    /// By their bytes, among members of the same score.
    Names(NameBound<'a>, NameBound<'a>),
}

/// The least or the greatest score that is asked for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct ScoreBound {
    pub(crate) score: f64,
    /// Whether the score itself is not asked for.
    pub(crate) is_open: bool,
}

/// The least or the greatest name that is asked for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum NameBound<'a> {
    BeforeAll,
    AfterAll,
    Closed(&'a [u8]),
    Open(&'a [u8]),
}

impl ScoreBound {
    /// Whether `score` is less than all that this, as the least, lets in.
    fn is_above(&self, score: f64) -> bool {
        score < self.score || self.is_open && score == self.score
    }

    /// Whether `score` is no greater than what this, as the greatest, lets in.
    fn reaches(&self, score: f64) -> bool {
        score < self.score || !self.is_open && score == self.score
    }
}

impl NameBound<'_> {
    fn is_above(&self, name: &[u8]) -> bool {
        match *self {
            Self::BeforeAll => false,
            Self::AfterAll => true,
            Self::Closed(bound) => name < bound,
            Self::Open(bound) => name <= bound,
        }
    }

    fn reaches(&self, name: &[u8]) -> bool {
        match *self {
            Self::BeforeAll => false,
            Self::AfterAll => true,
            Self::Closed(bound) => name <= bound,
            Self::Open(bound) => name < bound,
        }
    }
}

impl SortedSet {
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// How many bytes of memory this takes besides itself.
    pub(crate) fn heap_len(&self) -> usize {
        // What the members take besides themselves is shared by both.
        self.scores.heap_len() + self.order.heap_len()
    }

    /// What clients would call the way in which this is kept.
    pub(crate) fn encoding(&self) -> &'static str {
        match self.scores.encoding() {
            "hashtable" => "skiplist",
            few => few,
        }
    }

    pub(crate) fn score(&self, name: &[u8]) -> Option<f64> {
        self.scores.get(name).copied()
    }

    /// Gives the member a score, which is a number; says which it had, if it was there.
    pub(crate) fn insert<N: Into<Element>>(&mut self, name: N, score: f64) -> Option<f64> {
        let member: Element = name.into();
        let old = self.scores.insert(member.clone(), score);
        match old {
            Some(old) if old == score => return Some(old),
            Some(old) => self.order.remove(old, &member),
            None => {}
        }
        self.order.insert(Scored { score, member });
        old
    }

    /// Removes the member; says which score it had, if it was there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<f64> {
        let member = self.scores.remove(name)?;
        self.order.remove(member.value, &member.name);
        Some(member.value)
    }

    /// Takes out the first or the last in the order.
    pub(crate) fn pop(&mut self, is_last: bool) -> Option<Scored> {
        self.take(if is_last { self.len().checked_sub(1)? } else { 0 })
    }

    fn take(&mut self, rank: usize) -> Option<Scored> {
        let scored = self.order.take(rank)?;
        self.scores.remove(scored.member.as_slice());
        Some(scored)
    }

    /// How many are before this member, and its score, if it is there.
    pub(crate) fn rank(&self, name: &[u8]) -> Option<(usize, f64)> {
        let member = self.scores.find(name)?;
        Some((self.order.rank(member.value, &member.name), member.value))
    }

    /// The ranks of the members that are asked for.
    pub(crate) fn ranks(&self, span: Span<'_>) -> Range<usize> {
        let (start, end) = match span {
            Span::Ranks(start, stop) => return places(start, stop, self.len()),
            Span::Scores(min, max) => (
                self.order.rank_where(|scored| min.is_above(scored.score)),
                self.order.rank_where(|scored| max.reaches(scored.score)),
            ),
            Span::Names(min, max) => (
                self.order.rank_where(|scored| min.is_above(scored.member.as_slice())),
                self.order.rank_where(|scored| max.reaches(scored.member.as_slice())),
            ),
        };
        start..end.max(start)
    }

    /// Visits the members of these ranks, which are no more than there are, in order or in the
    /// opposite one.
    pub(crate) fn visit<'s>(
        &'s self,
        ranks: Range<usize>,
        is_reverse: bool,
        mut visit: impl FnMut(&'s Scored),
    ) {
        self.order.visit(ranks, is_reverse, &mut visit);
    }

    /// Removes the members of these ranks; says how many.
    pub(crate) fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let removed = ranks.len();
        for _ in ranks.clone() {
            self.take(ranks.start);
        }
        removed
    }

    /// The members with their scores, in no order, to scan them and to pick some by chance.
    pub(crate) fn members(&self) -> &Members<f64> {
        &self.scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[(&str, f64)]) -> SortedSet {
        let mut set = SortedSet::default();
        members.iter().for_each(|(name, score)| _ = set.insert(name.as_bytes(), *score));
        set
    }

    #[track_caller]
    fn assert_has(set: &SortedSet, span: Span<'_>, names: &[&str]) {
        let mut found = Vec::new();
        set.visit(set.ranks(span), false, |scored| found.push(scored.member.as_slice()));
        assert_eq!(found, names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>());
    }

    const ALL: Span<'_> = Span::Ranks(0, -1);

    #[test]
    fn a_new_score_moves_a_member() {
        let mut set = set(&[("a", 1.0), ("b", 2.0), ("c", 3.0)]);
        assert_eq!(set.insert(&b"a"[..], 9.0), Some(1.0));
        assert_eq!(set.insert(&b"d"[..], 2.0), None);
        assert_has(&set, ALL, &["b", "d", "c", "a"]);
        assert_eq!((set.rank(b"a"), set.rank(b"x")), (Some((3, 9.0)), None));
        assert_eq!((set.remove(b"d"), set.remove(b"d")), (Some(2.0), None));
        assert_has(&set, ALL, &["b", "c", "a"]);
        assert_eq!(set.pop(true).map(|scored| scored.score), Some(9.0));
        assert_eq!(set.pop(false).map(|scored| scored.score), Some(2.0));
        assert_has(&set, ALL, &["c"]);
    }

    #[test]
    fn spans_of_scores_are_open_or_closed() {
        let set = set(&[("a", 1.0), ("b", 2.0), ("c", 2.0), ("d", f64::INFINITY)]);
        let closed = |score| ScoreBound { score, is_open: false };
        let open = |score| ScoreBound { score, is_open: true };
        assert_has(&set, Span::Scores(closed(1.0), closed(2.0)), &["a", "b", "c"]);
        assert_has(&set, Span::Scores(open(1.0), closed(f64::INFINITY)), &["b", "c", "d"]);
        assert_has(&set, Span::Scores(closed(1.0), open(2.0)), &["a"]);
        assert_has(&set, Span::Scores(open(2.0), open(f64::INFINITY)), &[]);
        assert_has(&set, Span::Scores(closed(3.0), closed(1.0)), &[]);
    }

    #[test]
    fn spans_of_names_are_open_or_closed() {
        let set = set(&[("a", 0.0), ("b", 0.0), ("bb", 0.0), ("c", 0.0)]);
        use NameBound::{AfterAll, BeforeAll, Closed, Open};
        assert_has(&set, Span::Names(BeforeAll, AfterAll), &["a", "b", "bb", "c"]);
        assert_has(&set, Span::Names(Open(b"a"), Closed(b"bb")), &["b", "bb"]);
        assert_has(&set, Span::Names(Closed(b"b"), Open(b"c")), &["b", "bb"]);
        assert_has(&set, Span::Names(AfterAll, BeforeAll), &[]);
    }

    #[test]
    fn members_of_some_ranks_are_removed() {
        let members: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
        let mut set = SortedSet::default();
        members.iter().for_each(|name| _ = set.insert(name.as_bytes(), 0.0));
        let before = set.heap_len();
        assert_eq!(set.remove_ranks(1..199), 198);
        assert_has(&set, ALL, &["000", "199"]);
        assert!(set.heap_len() < before / 5, "{} of {before}", set.heap_len());
    }
}
