//! Making a failing world smaller: whatever can be left out without the failure going away is.

use std::collections::BTreeSet;

/// Parts of a world, by number.
pub(super) type Parts = BTreeSet<usize>;

/// How often at most a failing world is tried again.
const MAX_TRIALS: usize = 400;

/// Of all `parts`, those that can be left out together so that it still `fails`: larger portions
/// first, then each, until no single one can be left out any more.
pub(super) fn needless_parts(parts: &[usize], fails: impl Fn(&Parts) -> bool) -> Parts {
    let mut left_out = Parts::new();
    let mut trials = 0;
    let mut portion = parts.len().div_ceil(2).max(1);
    loop {
        let before = left_out.len();
        let kept: Vec<_> = parts.iter().copied().filter(|part| !left_out.contains(part)).collect();
        for some in kept.chunks(portion) {
            trials += 1;
            let with_these: Parts = left_out.iter().chain(some).copied().collect();
            if fails(&with_these) {
                left_out = with_these;
            }
            if trials >= MAX_TRIALS {
                return left_out;
            }
        }
        match portion {
            1 if left_out.len() == before => return left_out,
            1 => {}
            _ => portion = portion.div_ceil(2),
        }
    }
}

/// Such as `0-3,7`.
pub(super) fn to_ranges(parts: &Parts) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for part in parts.iter().copied() {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == part => *last = part,
            _ => ranges.push((part, part)),
        }
    }
    let texts = ranges.into_iter().map(|(first, last)| match first == last {
        true => format!("{first}"),
        false => format!("{first}-{last}"),
    });
    texts.collect::<Vec<_>>().join(",")
}

/// The same back; `None` if it is nothing of the kind.
pub(super) fn from_ranges(text: &str) -> Option<Parts> {
    let mut parts = Parts::new();
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        parts.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(parts)
}

#[test]
fn parts_are_told_as_ranges() {
    let parts = Parts::from([0, 1, 2, 7, 9, 10]);
    assert_eq!(to_ranges(&parts), "0-2,7,9-10");
    assert_eq!(from_ranges("0-2,7,9-10"), Some(parts));
    assert_eq!((from_ranges(""), from_ranges("1-x")), (Some(Parts::new()), None));
}

#[test]
fn everything_that_is_not_needed_is_left_out() {
    let parts: Vec<_> = (0..100).collect();
    // It fails as long as both of these are there.
    let fails = |left_out: &Parts| !left_out.contains(&17) && !left_out.contains(&80);
    let left_out = needless_parts(&parts, fails);
    let kept: Vec<_> = parts.iter().filter(|part| !left_out.contains(part)).collect();
    assert_eq!(kept, [&17, &80]);
}

#[test]
fn parts_that_stand_in_for_each_other_are_not_both_left_out() {
    let parts: Vec<_> = (0..9).collect();
    let fails = |left_out: &Parts| !(left_out.contains(&3) && left_out.contains(&4));
    assert_eq!(needless_parts(&parts, fails).len(), 8);
}
