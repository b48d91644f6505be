//! The loop's shared write buffer: what the callbacks of one event have sent.

use std::io::IoSlice;

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
    /// What was put by copy.
    bytes: Vec<u8>,
    /// What was put uncopied, each with its place: how many of `bytes` go before it.
    shared: Vec<(usize, Bytes)>,
    /// The length of all that is shared.
    shared_len: usize,
}

impl Output {
    /// An empty output.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), shared: Vec::new(), shared_len: 0 }
    }

    /// Puts a copy of `bytes` at the end.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts `bytes` at the end, without a copy if they are many.
    pub fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < WORTH_SHARING_LEN {
            self.put(&bytes);
        } else {
            self.shared_len += bytes.len();
            self.shared.push((self.bytes.len(), bytes));
        }
    }

    /// How many bytes were put and not taken yet.
    #[inline]
    pub const fn len(&self) -> usize {
        self.bytes.len() + self.shared_len
    }

    /// Whether nothing was put.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything that was put, in one piece: for tests.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        self.parts().for_each(|part| all.extend_from_slice(&part));
        all
    }

    /// Everything that was put, in order and in as few parts as it has.
    pub(crate) fn parts(&self) -> impl Iterator<Item = IoSlice<'_>> {
        let mut from = 0;
        let tail = self.shared.last().map_or(0, |(at, _)| *at);
        let with_shared = self.shared.iter().flat_map(move |(at, shared)| {
            let before = &self.bytes[std::mem::replace(&mut from, *at)..*at];
            [IoSlice::new(before), IoSlice::new(shared)]
        });
        let last = IoSlice::new(&self.bytes[tail..]);
        with_shared.chain(Some(last)).filter(|part| !part.is_empty())
    }
}
