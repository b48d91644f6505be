//! What a string of bytes decides, one choice after the other.

/// Bytes from which choices are read. When there are none left, all choices are the first.
pub(crate) struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left to choose by.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub(crate) const fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number from 0 up to `end`, which is not among them.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = match end {
            0..=256 => u64::from(self.byte()),
            257..=65_536 => u64::from_le_bytes([self.byte(), self.byte(), 0, 0, 0, 0, 0, 0]),
            _ => self.number(),
        };
        usize::try_from(number % end as u64).expect("smaller than a usize")
    }

    /// Whether something that happens `percent` times in a hundred happens now.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        // The first choice is that it does not.
        self.below(100) + percent >= 100
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A number of up to 64 bits. The first byte says of how many bytes it is.
    pub(crate) fn number(&mut self) -> u64 {
        let len = self.below(9);
        (0..len).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// So many bytes, or as many as there are.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// All bytes that are left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }
}
