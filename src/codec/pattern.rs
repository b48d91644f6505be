//! A byte string that is searched for while the bytes it may be in still arrive.

use crate::codec::{scan, stored_len};

/// A byte string, and what it takes to find it without ever looking at a byte twice (the way of
/// Knuth, Morris and Pratt).
#[derive(Debug)]
pub(super) struct Pattern {
    bytes: Box<[u8]>,
    /// For each count of bytes that have matched, how many still match when the next one does not:
    /// the length of the longest end of them that is also a beginning.
    fallbacks: Box<[u32]>,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    /// How many bytes have been looked at.
    scanned: u32,
    /// How many of them, at the end, are the beginning of the pattern.
    matched: u32,
}

impl Search {
    /// Where the pattern may begin at the earliest, if it is to be found after all.
    pub(super) const fn earliest_start(self) -> usize {
        (self.scanned - self.matched) as usize
    }
}

impl Pattern {
    /// The pattern `bytes`, which are not empty.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut fallbacks = vec![0; bytes.len()];
        let mut border = 0;
        for matched in 2..bytes.len() {
            let last = bytes[matched - 1];
            while border > 0 && bytes[border] != last {
                border = fallbacks[border] as usize;
            }
            border += usize::from(bytes[border] == last);
            fallbacks[matched] = stored_len(border);
        }
        Self { bytes: bytes.into(), fallbacks: fallbacks.into() }
    }

    /// The bytes that are searched for.
    pub(super) const fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Goes on with `search` in `input`, which begins with what it has seen, and says where the
    /// first occurrence ends. The search is then ready for another.
    #[inline]
    pub(super) fn find(&self, input: &[u8], search: &mut Search) -> Option<usize> {
        let [byte] = *self.bytes else { return self.find_many(input, search) };
        let found = scan::find(byte, input, search.scanned as usize);
        search.scanned = if found.is_some() { 0 } else { stored_len(input.len()) };
        found.map(|at| at + 1)
    }

    /// [`find`](Self::find), whatever the pattern's length.
    #[inline(never)]
    fn find_many(&self, input: &[u8], search: &mut Search) -> Option<usize> {
        let mut at = search.scanned as usize;
        let mut matched = search.matched as usize;
        while at < input.len() {
            if matched == 0 {
                let Some(start) = scan::find(self.bytes[0], input, at) else {
                    at = input.len();
                    break;
                };
                (at, matched) = (start, 1);
            } else {
                scan::looked_at(1);
                matched = self.matched_with(matched, input[at]);
            }
            at += 1;
            if matched == self.bytes.len() {
                *search = Search::default();
                return Some(at);
            }
        }
        *search = Search { scanned: stored_len(at), matched: stored_len(matched) };
        None
    }

    /// Where the pattern first ends in itself when its first `search.matched` bytes stand before it
    /// already.
    pub(super) fn find_in_itself(&self, search: Search) -> Option<usize> {
        self.find(&self.bytes, &mut Search { scanned: 0, ..search })
    }

    /// Whether the pattern begins nowhere in `input`: not even at its end, to go on behind it.
    #[inline]
    pub(super) fn is_far_from(&self, input: &[u8]) -> bool {
        !scan::contains(self.bytes[0], input)
    }

    /// How many bytes match after `byte`, where `matched` matched before it.
    #[inline]
    fn matched_with(&self, mut matched: usize, byte: u8) -> usize {
        while matched > 0 && self.bytes[matched] != byte {
            matched = self.fallbacks[matched] as usize;
        }
        matched + usize::from(self.bytes[matched] == byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All strings of `len` letters `a` and `b`.
    fn words(len: u32) -> impl Iterator<Item = Vec<u8>> {
        (0..1_u32 << len)
            .map(move |word| (0..len).map(|bit| b'a' + (word >> bit & 1) as u8).collect())
    }

    /// Where `needle` first ends in `input`, found the plain way.
    fn plain_find(needle: &[u8], input: &[u8]) -> Option<usize> {
        input.windows(needle.len()).position(|window| window == needle).map(|at| at + needle.len())
    }

    #[test]
    fn a_pattern_is_found_wherever_it_is_and_however_it_arrives() {
        for needle in (1..=5).flat_map(words) {
            let pattern = Pattern::new(&needle);
            for input in words(10) {
                let expected = plain_find(&needle, &input);
                for cut in 0..=input.len() {
                    let mut search = Search::default();
                    let found = pattern
                        .find(&input[..cut], &mut search)
                        .or_else(|| pattern.find(&input, &mut search));
                    assert_eq!(found, expected, "{needle:?} in {input:?} cut at {cut}");
                }
                let mut search = Search::default();
                let found =
                    (1..=input.len()).find_map(|to| pattern.find(&input[..to], &mut search));
                assert_eq!(found, expected, "{needle:?} in {input:?} byte by byte");
            }
        }
    }

    #[test]
    fn the_earliest_start_is_where_the_longest_beginning_stands_at_the_end() {
        let pattern = Pattern::new(b"aab");
        for (input, expected) in [(&b"x"[..], 1), (b"a", 0), (b"xaa", 1), (b"aaaa", 2)] {
            let mut search = Search::default();
            assert_eq!(pattern.find(input, &mut search), None);
            assert_eq!(search.earliest_start(), expected, "{input:?}");
        }
    }
}
