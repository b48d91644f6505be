//! How clients say which members of a sorted set they want: from where to where, in which
//! direction, and how many of them.

use std::ops::Range;

use super::arguments::Arguments;
use super::options::integer;
use super::refusal::Refusal;
use super::sorted_set::{NameBound, ScoreBound, SortedSet, Span};

const NOT_A_SCORE: Refusal = Refusal::Other("ERR min or max is not a float");
const NOT_A_NAME: Refusal = Refusal::Other("ERR min or max not valid string range item");

/// What two bounds are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Rank,
    Score,
    Name,
}

/// What the name of a command says of its selection: `None` is left to its options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) by: Option<By>,
    pub(crate) is_reverse: Option<bool>,
    /// Whether scores can be asked for.
    pub(crate) may_score: bool,
}

/// The members that are wanted, and what of them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Selection<'a> {
    span: Span<'a>,
    pub(crate) is_reverse: bool,
    /// How many of them are left out first, and how many are wanted then; if negative, none and
    /// all.
    limit: Option<(i64, i64)>,
    pub(crate) has_scores: bool,
}

/// Two bounds: the least and the greatest.
pub(crate) fn span<'a>(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Span<'a>, Refusal> {
    Ok(match by {
        By::Rank => Span::Ranks(integer(min)?, integer(max)?),
        By::Score => Span::Scores(score_bound(min)?, score_bound(max)?),
        By::Name => Span::Names(name_bound(min)?, name_bound(max)?),
    })
}

fn score_bound(word: &[u8]) -> Result<ScoreBound, Refusal> {
    let (is_open, number) = match word {
        [b'(', number @ ..] => (true, number),
        number => (false, number),
    };
    Ok(ScoreBound { score: lenient(number).ok_or(NOT_A_SCORE)?, is_open })
}

/// A bound is read as C's `strtod` does: no digits at all are zero, too many are an infinity.
fn lenient(number: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(number).ok()?.trim_ascii_start();
    let score: f64 = if text.is_empty() { 0.0 } else { text.parse().ok()? };
    (!score.is_nan()).then_some(score)
}

fn name_bound(word: &[u8]) -> Result<NameBound<'_>, Refusal> {
    match word {
        b"-" => Ok(NameBound::BeforeAll),
        b"+" => Ok(NameBound::AfterAll),
        [b'[', name @ ..] => Ok(NameBound::Closed(name)),
        [b'(', name @ ..] => Ok(NameBound::Open(name)),
        _ => Err(NOT_A_NAME),
    }
}

impl<'a> Selection<'a> {
    /// Two bounds, and options behind them.
    pub(crate) fn parse(mut words: Arguments<'a>, form: Form) -> Result<Self, Refusal> {
        let (first, second) = (words.word(), words.word());
        let (mut by, mut is_reverse) = (form.by, form.is_reverse);
        let (mut limit, mut has_scores) = (None, false);
        while let Some(option) = words.next() {
            if form.may_score && option.eq_ignore_ascii_case(b"withscores") {
                has_scores = true;
            } else if option.eq_ignore_ascii_case(b"limit") && words.len() >= 2 {
                limit = Some((integer(words.word())?, integer(words.word())?));
            } else if is_reverse.is_none() && option.eq_ignore_ascii_case(b"rev") {
                is_reverse = Some(true);
            } else if by.is_none() && option.eq_ignore_ascii_case(b"bylex") {
                by = Some(By::Name);
            } else if by.is_none() && option.eq_ignore_ascii_case(b"byscore") {
                by = Some(By::Score);
            } else {
                return Err(Refusal::Syntax);
            }
        }
        let (by, is_reverse) = (by.unwrap_or(By::Rank), is_reverse.unwrap_or(false));
        // A limit that is none is let through.
        if by == By::Rank && limit.take().is_some_and(|(_, count)| count != -1) {
            return Err(Refusal::Other(RANKS_HAVE_NO_LIMIT));
        }
        if by == By::Name && has_scores {
            return Err(Refusal::Other(NAMES_HAVE_NO_SCORES));
        }
        // Backwards, the greatest comes first.
        let is_swapped = is_reverse && by != By::Rank;
        let (min, max) = if is_swapped { (second, first) } else { (first, second) };
        Ok(Self { span: span(by, min, max)?, is_reverse, limit, has_scores })
    }

    /// The ranks of what is wanted of `set`.
    pub(crate) fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let Range { mut start, mut end } = set.ranks(self.span);
        if let (Span::Ranks(..), true) = (self.span, self.is_reverse) {
            (start, end) = (set.len() - end, set.len() - start);
        }
        if let Some((offset, count)) = self.limit {
            let Ok(offset) = usize::try_from(offset) else { return 0..0 };
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if self.is_reverse {
                end = end.saturating_sub(offset).max(start);
                start = start.max(end.saturating_sub(count));
            } else {
                start = start.saturating_add(offset).min(end);
                end = end.min(start.saturating_add(count));
            }
        }
        start..end
    }
}

const RANKS_HAVE_NO_LIMIT: &str = "ERR syntax error, LIMIT is only supported in combination with \
                                   either BYSCORE or BYLEX";
const NAMES_HAVE_NO_SCORES: &str = "ERR syntax error, WITHSCORES not supported in combination with \
                                    BYLEX";
