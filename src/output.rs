//! The loop's shared write buffer: what the callbacks of one event have sent.

use bytes::Bytes;

/// Bytes from here on are queued as they are, not copied.
const WORTH_SHARING_LEN: usize = 4096;

/// Where answers are put: one buffer for the whole loop, filled by the callbacks of one event and
/// written in one go when they are done.
///
/// A [`Codec`](crate::Codec) encodes into it. Outside a loop, for instance in the test of a codec,
/// it works as well:
///
/// ```
/// use windlass::{Codec, Lines, Output};
///
/// let mut output = Output::new();
/// Lines::default().encode("hello", &mut output).unwrap();
/// assert_eq!(output.to_vec(), b"hello\n");
/// ```
#[derive(Debug, Default)]
pub struct Output {
    /// Room for what is put by copy, of which the first `copied_len` bytes are taken. It was all
    /// put there at some time: to put something again is to write over it.
    room: Vec<u8>,
    copied_len: usize,
    /// What was put uncopied, each with its place: how many of the copied bytes go before it.
    shared: Vec<(usize, Bytes)>,
    /// The length of all that is shared.
    shared_len: usize,
}

impl Output {
    /// More room than this is not kept from one event to the next: 4 MiB.
    pub(crate) const MAX_KEPT_LEN: usize = 4 << 20;

    /// An empty output.
    pub const fn new() -> Self {
        Self { room: Vec::new(), copied_len: 0, shared: Vec::new(), shared_len: 0 }
    }

    /// Puts a copy of `bytes` at the end.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.put_pair(bytes, &[]);
    }

    /// Puts a copy of `first` at the end, and one of `second` behind it: as two times
    /// [`put`](Self::put), with one look at how much room there is.
    #[inline]
    pub fn put_pair(&mut self, first: &[u8], second: &[u8]) {
        // No two slices are longer together than the memory there is.
        let end = self.copied_len.wrapping_add(first.len()).wrapping_add(second.len());
        if end > self.room.len() {
            return self.grow(first, second);
        }
        let (one, other) = self.room[self.copied_len..end].split_at_mut(first.len());
        one.copy_from_slice(first);
        other.copy_from_slice(second);
        self.copied_len = end;
    }

    #[cold]
    fn grow(&mut self, first: &[u8], second: &[u8]) {
        self.room.truncate(self.copied_len);
        self.room.extend_from_slice(first);
        self.room.extend_from_slice(second);
        self.copied_len = self.room.len();
    }

    /// What was put by copy.
    #[inline]
    fn copied(&self) -> &[u8] {
        &self.room[..self.copied_len]
    }

    /// Puts `bytes` at the end, without a copy if they are many.
    pub fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < WORTH_SHARING_LEN {
            self.put(&bytes);
        } else {
            self.shared_len += bytes.len();
            self.shared.push((self.copied_len, bytes));
        }
    }

    /// How many bytes were put and not taken yet.
    #[inline]
    pub const fn len(&self) -> usize {
        // Both are lengths of what is in memory: no sum of those can overflow.
        self.copied_len.wrapping_add(self.shared_len)
    }

    /// Whether nothing was put.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of everything that was put, in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        self.pieces().for_each(|piece| all.extend_from_slice(piece.as_slice()));
        all
    }

    /// Everything that was put, in one piece that can be shared.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        self.room.truncate(self.copied_len);
        match self.shared.is_empty() {
            true => Bytes::from(self.room),
            false => Bytes::from(self.to_vec()),
        }
    }

    /// Everything that was put, in order and in as few pieces as it has.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut from = 0;
        let spliced = self.shared.iter().flat_map(move |(at, shared)| {
            let before = &self.copied()[std::mem::replace(&mut from, *at)..*at];
            [Piece::Copied(before), Piece::Shared(shared)]
        });
        let last = self.shared.last().map_or(0, |(at, _)| *at);
        let all = spliced.chain(Some(Piece::Copied(&self.copied()[last..])));
        all.filter(|piece| piece.len() > 0)
    }

    /// Everything, if it is in one piece.
    #[inline]
    pub(crate) fn as_single(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(self.copied())
    }

    /// The buffer itself, if everything is in it, at least `least` bytes after the first `sent`,
    /// and it would not be kept alive by a small part of it.
    pub(crate) fn take_whole(&mut self, sent: usize, least: usize) -> Option<Vec<u8>> {
        let left = self.copied_len - sent.min(self.copied_len);
        let is_worth_it = left >= least.max(self.room.capacity() / 2);
        if !self.shared.is_empty() || !is_worth_it {
            return None;
        }
        self.room.truncate(self.copied_len);
        self.copied_len = 0;
        Some(std::mem::take(&mut self.room))
    }

    /// Forgets everything, and gives memory back that few outputs need.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.forget();
        if self.room.capacity() > Self::MAX_KEPT_LEN || !self.shared.is_empty() {
            self.give_back();
        }
    }

    /// Forgets everything, of which nothing is shared nor takes more room than is kept.
    #[inline]
    pub(crate) const fn forget(&mut self) {
        self.copied_len = 0;
    }

    /// Nobody is left to be sent anything: keeps room for `len` bytes at most. It is empty.
    pub(crate) fn shrink(&mut self, len: usize) {
        self.room.truncate(len);
        self.room.shrink_to(len);
    }

    #[cold]
    fn give_back(&mut self) {
        self.shrink(Self::MAX_KEPT_LEN);
        self.shared = Vec::new();
        self.shared_len = 0;
    }

    /// Where the next byte will be put.
    #[inline]
    pub(crate) const fn mark(&self) -> OutputMark {
        OutputMark { copied: self.copied_len, shared: self.shared.len() }
    }

    /// Takes back what was put after `mark`.
    pub(crate) fn truncate(&mut self, mark: OutputMark) {
        self.copied_len = self.copied_len.min(mark.copied);
        self.shared.truncate(mark.shared);
        self.shared_len = self.shared.iter().map(|(_, shared)| shared.len()).sum();
    }
}

/// A place in an [`Output`] to which it can be taken back.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct OutputMark {
    shared: usize,
    copied: usize,
}

/// A piece of an [`Output`].
pub(crate) enum Piece<'a> {
    /// Bytes that were copied into its buffer.
    Copied(&'a [u8]),
    /// Bytes that were put uncopied.
    Shared(&'a Bytes),
}

impl Piece<'_> {
    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_keeps_its_order() {
        let mut output = Output::new();
        output.put(b"a");
        output.put_bytes(Bytes::from(vec![b'b'; WORTH_SHARING_LEN]));
        output.put_bytes(Bytes::from_static(b"c"));
        let expected = [b"a".as_slice(), &[b'b'; WORTH_SHARING_LEN], b"c"].concat();
        assert_eq!(output.to_vec(), expected);
        assert_eq!(output.len(), expected.len());
        assert_eq!(output.pieces().count(), 3);
    }

    #[test]
    fn what_is_put_anew_is_all_there_is() {
        let mut output = Output::new();
        output.put(b"something longer");
        output.clear();
        output.put_pair(b"sho", b"rt");
        assert_eq!((output.to_vec(), output.as_single()), (b"short".to_vec(), Some(&b"short"[..])));
        output.put_pair(b", and longer", b" than ever before");
        assert_eq!(output.to_vec(), b"short, and longer than ever before");
        assert_eq!(output.take_whole(0, 1).unwrap(), b"short, and longer than ever before");
        assert_eq!((output.len(), output.to_vec()), (0, vec![]));
    }

    #[test]
    fn what_was_put_after_a_mark_can_be_taken_back() {
        let mut output = Output::new();
        output.put(b"kept");
        output.put_bytes(Bytes::from(vec![0; WORTH_SHARING_LEN]));
        let (mark, kept) = (output.mark(), output.to_vec());
        output.put(b"lost");
        output.put_bytes(Bytes::from(vec![1; WORTH_SHARING_LEN]));
        output.truncate(mark);
        assert_eq!((output.to_vec(), output.len()), (kept.clone(), kept.len()));
    }

    #[test]
    fn a_buffer_that_few_need_is_given_back() {
        let mut output = Output::new();
        output.put(&vec![0; Output::MAX_KEPT_LEN + 1]);
        output.clear();
        assert!(output.room.capacity() <= Output::MAX_KEPT_LEN);
        output.put(&[0; 100]);
        output.clear();
        assert!(output.room.capacity() >= 100);
    }

    #[test]
    fn a_buffer_is_given_away_only_if_most_of_it_is_still_to_be_sent() {
        let mut output = Output::new();
        output.put(&[7; 1000]);
        assert_eq!(output.take_whole(501, 500), None, "fewer than are worth it are left");
        assert_eq!(output.take_whole(2000, 1), None, "nothing is left");
        output.room.reserve_exact(10_000);
        assert_eq!(output.take_whole(0, 500), None, "most of the room is empty");
        assert_eq!(output.len(), 1000, "what is not given away is kept");
    }
}
