//! Places in a row as clients number them: from 0 on, or from -1 backwards.

use std::ops::Range;

/// The place `index` in a row of `len`, if it is in it.
pub(crate) fn place(index: i64, len: usize) -> Option<usize> {
    let place = match index {
        0.. => usize::try_from(index).ok()?,
        _ => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (place < len).then_some(place)
}

/// The places from `start` to `stop`, both included, as far as they are in a row of `len`.
pub(crate) fn places(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |index: i64| len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?);
    let clamp = |index: i64| match index {
        0.. => Some(usize::try_from(index).unwrap_or(usize::MAX)),
        // There may be nothing there: before the first.
        _ => from_end(index),
    };
    let start = clamp(start).unwrap_or(0);
    let end = clamp(stop).map_or(0, |stop| stop.saturating_add(1).min(len));
    if start < end { start..end } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_either_end() {
        assert_eq!(
            [0, 2, 3, -1, -3, -4].map(|index| place(index, 3)),
            [Some(0), Some(2), None, Some(2), Some(0), None]
        );
        assert_eq!([i64::MIN, i64::MAX, 0].map(|index| place(index, 0)), [None; 3]);
    }

    #[test]
    fn places_beyond_the_row_are_left_out() {
        assert_eq!(places(0, -1, 3), 0..3);
        assert_eq!(places(-100, 100, 3), 0..3);
        assert_eq!(places(1, 1, 3), 1..2);
        assert_eq!(places(-2, -1, 3), 1..3);
        for (start, stop) in [(3, 5), (2, 1), (0, -4), (-9, -8), (i64::MAX, i64::MIN)] {
            assert_eq!(places(start, stop, 3), 0..0, "{start} to {stop}");
        }
        assert_eq!(places(i64::MIN, i64::MAX, 3), 0..3);
        assert_eq!(places(0, -1, 0), 0..0);
    }
}
