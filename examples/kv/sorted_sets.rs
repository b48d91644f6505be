//! The commands for sorted sets, and how they are read.

use super::arguments::Arguments;
use super::command::{Command, Flags, Keys, Spec};
use super::excerpts::{Picks, Scan};
use super::options::{count, double, numbered_keys, pop_count};
use super::refusal::Refusal;
use super::sets::How;
use super::sorted_set::Span;
use super::spans::{By, Form, Selection, span};
use super::unions::Combination;

type Parsed<'a> = Result<Command<'a>, Refusal>;

const GROW: Flags = Flags::GROW;
const WRITE: Flags = Flags::WRITE;
const READ: Flags = Flags::READ;

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("zadd", -4, GROW, Keys::ONE, parse_add),
    Spec::new("zincrby", 4, GROW, Keys::ONE, parse_increment),
    Spec::new("zrem", -3, WRITE, Keys::ONE, |mut words| {
        made(SortedSetCommand::Remove { key: words.word(), members: words })
    }),
    Spec::new("zcard", 2, READ, Keys::ONE, |mut words| {
        made(SortedSetCommand::Len { key: words.word() })
    }),
    Spec::new("zscore", 3, READ, Keys::ONE, |mut words| {
        made(SortedSetCommand::Score { key: words.word(), member: words.word() })
    }),
    Spec::new("zmscore", -3, READ, Keys::ONE, |mut words| {
        made(SortedSetCommand::Scores { key: words.word(), members: words })
    }),
    Spec::new("zrank", -3, READ, Keys::ONE, |words| parse_rank(words, false)),
    Spec::new("zrevrank", -3, READ, Keys::ONE, |words| parse_rank(words, true)),
    Spec::new("zcount", 4, READ, Keys::ONE, |words| parse_count(words, By::Score)),
    Spec::new("zlexcount", 4, READ, Keys::ONE, |words| parse_count(words, By::Name)),
    Spec::new("zrange", -4, READ, Keys::ONE, |words| parse_range(words, None, None)),
    Spec::new("zrevrange", -4, READ, Keys::ONE, |words| {
        parse_range(words, Some(By::Rank), Some(true))
    }),
    Spec::new("zrangebyscore", -4, READ, Keys::ONE, |words| {
        parse_range(words, Some(By::Score), Some(false))
    }),
    Spec::new("zrevrangebyscore", -4, READ, Keys::ONE, |words| {
        parse_range(words, Some(By::Score), Some(true))
    }),
    Spec::new("zrangebylex", -4, READ, Keys::ONE, |words| {
        parse_range(words, Some(By::Name), Some(false))
    }),
    Spec::new("zrevrangebylex", -4, READ, Keys::ONE, |words| {
        parse_range(words, Some(By::Name), Some(true))
    }),
    Spec::new("zrangestore", -5, GROW, Keys::TWO, |mut words| {
        let (destination, key) = (words.word(), words.word());
        let form = Form { by: None, is_reverse: None, may_score: false };
        let selection = Selection::parse(words, form)?;
        made(SortedSetCommand::RangeStore { destination, key, selection })
    }),
    Spec::new("zremrangebyrank", 4, WRITE, Keys::ONE, |words| parse_clear(words, By::Rank)),
    Spec::new("zremrangebyscore", 4, WRITE, Keys::ONE, |words| parse_clear(words, By::Score)),
    Spec::new("zremrangebylex", 4, WRITE, Keys::ONE, |words| parse_clear(words, By::Name)),
    Spec::new("zpopmin", -2, WRITE, Keys::ONE, |words| parse_pop(words, false)),
    Spec::new("zpopmax", -2, WRITE, Keys::ONE, |words| parse_pop(words, true)),
    Spec::new("zmpop", -4, WRITE, Keys::NONE, parse_pop_first),
    Spec::new("zrandmember", -2, READ, Keys::ONE, parse_random),
    Spec::new("zscan", -3, READ, Keys::ONE, |mut words| {
        let (key, scan) = (words.word(), Scan::parse(words)?);
        made(SortedSetCommand::Scan { key, scan })
    }),
    Spec::new("zunion", -3, READ, Keys::NONE, |words| combine(words, How::Union, NO_UNION)),
    Spec::new("zinter", -3, READ, Keys::NONE, |words| combine(words, How::Intersection, NO_INTER)),
    Spec::new("zdiff", -3, READ, Keys::NONE, |words| combine(words, How::Difference, NO_DIFF)),
    Spec::new("zunionstore", -4, GROW, Keys::ONE, |words| store(words, How::Union, NO_UNIONSTORE)),
    Spec::new("zinterstore", -4, GROW, Keys::ONE, |words| {
        store(words, How::Intersection, NO_INTERSTORE)
    }),
    Spec::new("zdiffstore", -4, GROW, Keys::ONE, |words| {
        store(words, How::Difference, NO_DIFFSTORE)
    }),
    Spec::new("zintercard", -3, READ, Keys::NONE, parse_count_common),
];

const NO_UNION: &str = "ERR at least 1 input key is needed for 'zunion' command";
const NO_INTER: &str = "ERR at least 1 input key is needed for 'zinter' command";
const NO_DIFF: &str = "ERR at least 1 input key is needed for 'zdiff' command";
const NO_UNIONSTORE: &str = "ERR at least 1 input key is needed for 'zunionstore' command";
const NO_INTERSTORE: &str = "ERR at least 1 input key is needed for 'zinterstore' command";
const NO_DIFFSTORE: &str = "ERR at least 1 input key is needed for 'zdiffstore' command";

/// A command for sorted sets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SortedSetCommand<'a> {
    /// Scores and members take turns.
    Add {
        key: &'a [u8],
        scores: Arguments<'a>,
        rules: Rules,
    },
    Remove {
        key: &'a [u8],
        members: Arguments<'a>,
    },
    Len {
        key: &'a [u8],
    },
    Score {
        key: &'a [u8],
        member: &'a [u8],
    },
    Scores {
        key: &'a [u8],
        members: Arguments<'a>,
    },
    Rank {
        key: &'a [u8],
        member: &'a [u8],
        is_reverse: bool,
        has_score: bool,
    },
    Count {
        key: &'a [u8],
        span: Span<'a>,
    },
    Range {
        key: &'a [u8],
        selection: Selection<'a>,
    },
    RangeStore {
        destination: &'a [u8],
        key: &'a [u8],
        selection: Selection<'a>,
    },
    Clear {
        key: &'a [u8],
        span: Span<'a>,
    },
    Pop {
        key: &'a [u8],
        count: Option<usize>,
        is_last: bool,
    },
    PopFirst {
        keys: Arguments<'a>,
        count: usize,
        is_last: bool,
    },
    Random {
        key: &'a [u8],
        picks: Picks,
        has_scores: bool,
    },
    Scan {
        key: &'a [u8],
        scan: Scan<'a>,
    },
    Combine {
        combination: Combination<'a>,
    },
    CombineStore {
        destination: &'a [u8],
        combination: Combination<'a>,
    },
    CombineCount {
        combination: Combination<'a>,
    },
}

/// Which scores `ZADD` sets, and what it answers.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Rules {
    pub(crate) only_new: bool,
    pub(crate) only_old: bool,
    pub(crate) only_greater: bool,
    pub(crate) only_less: bool,
    /// Whether those are counted whose score is another one, besides those that are new.
    pub(crate) counts_changes: bool,
    /// Whether the number is added to the score of the only member.
    pub(crate) is_increment: bool,
}

fn made(command: SortedSetCommand<'_>) -> Parsed<'_> {
    Ok(Command::SortedSet(command))
}

fn parse_add(mut words: Arguments<'_>) -> Parsed<'_> {
    let (key, mut rules) = (words.word(), Rules::default());
    let mut scores = words;
    while let Some(word) = words.next() {
        match rules.flag(word) {
            Some(flag) => *flag = true,
            None => break,
        }
        scores = words;
    }
    if scores.is_empty() || !scores.len().is_multiple_of(2) {
        return Err(Refusal::Syntax);
    }
    if rules.only_new && rules.only_old {
        return Err(Refusal::Other("ERR XX and NX options at the same time are not compatible"));
    }
    let bounds = [rules.only_greater, rules.only_less, rules.only_new];
    if bounds.into_iter().filter(|is_set| *is_set).count() > 1 {
        return Err(Refusal::Other(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if rules.is_increment && scores.len() > 2 {
        return Err(Refusal::Other("ERR INCR option supports a single increment-element pair"));
    }
    scores.pairs().try_for_each(|(score, _)| double(score).map(|_| ()))?;
    made(SortedSetCommand::Add { key, scores, rules })
}

fn parse_increment(mut words: Arguments<'_>) -> Parsed<'_> {
    let (key, scores) = (words.word(), words);
    double(words.word())?;
    let rules = Rules { is_increment: true, ..Rules::default() };
    made(SortedSetCommand::Add { key, scores, rules })
}

impl Rules {
    /// What an option of this name sets.
    fn flag(&mut self, name: &[u8]) -> Option<&mut bool> {
        let mut upper = [0; 4];
        upper.get_mut(..name.len())?.copy_from_slice(name);
        upper.make_ascii_uppercase();
        match &upper {
            b"NX\0\0" => Some(&mut self.only_new),
            b"XX\0\0" => Some(&mut self.only_old),
            b"GT\0\0" => Some(&mut self.only_greater),
            b"LT\0\0" => Some(&mut self.only_less),
            b"CH\0\0" => Some(&mut self.counts_changes),
            b"INCR" => Some(&mut self.is_increment),
            _ => None,
        }
    }
}

fn parse_rank(mut words: Arguments<'_>, is_reverse: bool) -> Parsed<'_> {
    let (key, member) = (words.word(), words.word());
    let has_score = words.next().map(|word| word.eq_ignore_ascii_case(b"withscore"));
    if has_score == Some(false) || !words.is_empty() {
        return Err(Refusal::Syntax);
    }
    made(SortedSetCommand::Rank { key, member, is_reverse, has_score: has_score.is_some() })
}

fn parse_count(mut words: Arguments<'_>, by: By) -> Parsed<'_> {
    let (key, span) = (words.word(), span(by, words.word(), words.word())?);
    made(SortedSetCommand::Count { key, span })
}

fn parse_clear(mut words: Arguments<'_>, by: By) -> Parsed<'_> {
    let (key, span) = (words.word(), span(by, words.word(), words.word())?);
    made(SortedSetCommand::Clear { key, span })
}

fn parse_range(mut words: Arguments<'_>, by: Option<By>, is_reverse: Option<bool>) -> Parsed<'_> {
    let key = words.word();
    let selection = Selection::parse(words, Form { by, is_reverse, may_score: true })?;
    made(SortedSetCommand::Range { key, selection })
}

fn parse_pop(mut words: Arguments<'_>, is_last: bool) -> Parsed<'_> {
    let (key, wanted) = (words.word(), words.next());
    if !words.is_empty() {
        return Err(Refusal::Syntax);
    }
    made(SortedSetCommand::Pop { key, count: wanted.map(count).transpose()?, is_last })
}

fn parse_pop_first(words: Arguments<'_>) -> Parsed<'_> {
    let (keys, mut words) = numbered_keys(words, Refusal::Syntax)?;
    let end = words.next().ok_or(Refusal::Syntax)?;
    let is_last = end.eq_ignore_ascii_case(b"max");
    if !is_last && !end.eq_ignore_ascii_case(b"min") {
        return Err(Refusal::Syntax);
    }
    let count = pop_count(words)?;
    made(SortedSetCommand::PopFirst { keys, count, is_last })
}

fn parse_random(mut words: Arguments<'_>) -> Parsed<'_> {
    let (key, picks) = (words.word(), Picks::parse(words.next())?);
    let has_scores = words.next().map(|word| word.eq_ignore_ascii_case(b"withscores"));
    if has_scores == Some(false) || !words.is_empty() {
        return Err(Refusal::Syntax);
    }
    made(SortedSetCommand::Random { key, picks, has_scores: has_scores.is_some() })
}

fn combine<'a>(words: Arguments<'a>, how: How, needs_keys: &'static str) -> Parsed<'a> {
    let combination = Combination::parse(words, how, false, needs_keys)?;
    made(SortedSetCommand::Combine { combination })
}

fn store<'a>(mut words: Arguments<'a>, how: How, needs_keys: &'static str) -> Parsed<'a> {
    let destination = words.word();
    let combination = Combination::parse(words, how, true, needs_keys)?;
    made(SortedSetCommand::CombineStore { destination, combination })
}

fn parse_count_common(words: Arguments<'_>) -> Parsed<'_> {
    let needs_keys = "ERR at least 1 input key is needed for 'zintercard' command";
    let combination = Combination::parse_count(words, needs_keys)?;
    made(SortedSetCommand::CombineCount { combination })
}
