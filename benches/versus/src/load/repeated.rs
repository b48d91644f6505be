//! One message many times over, so that many are compared or sent at once.

/// So many are next to each other.
const COPIES: u64 = 64;

pub(super) struct Repeated {
    len: usize,
    copies: Box<[u8]>,
}

impl Repeated {
    pub(super) fn new(message: &[u8]) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is a small number")]
        let copies = message.repeat(COPIES as usize).into_boxed_slice();
        Self { len: message.len(), copies }
    }

    pub(super) fn one(&self) -> &[u8] {
        &self.copies[..self.len]
    }

    /// At least one of so many, and how many.
    pub(super) fn first(&self, wanted: u64) -> (&[u8], u64) {
        let count = wanted.min(COPIES);
        let len = count as usize * self.len;
        (&self.copies[..len], count)
    }

    /// Puts so many behind what is there.
    pub(super) fn append(&self, mut count: u64, bytes: &mut Vec<u8>) {
        while count > 0 {
            let (copies, these) = self.first(count);
            bytes.extend_from_slice(copies);
            count -= these;
        }
    }

    /// Changes a byte of each.
    pub(super) fn set(&mut self, place: usize, byte: u8) {
        for copy in self.copies.chunks_exact_mut(self.len) {
            copy[place] = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_appended_as_are_asked_for() {
        let repeated = Repeated::new(b"abc");
        for count in [0, 1, 63, 64, 65, 200] {
            let mut bytes = Vec::new();
            repeated.append(count, &mut bytes);
            assert_eq!(bytes, b"abc".repeat(count.try_into().unwrap()));
        }
    }

    #[test]
    fn a_byte_is_changed_in_every_copy() {
        let mut repeated = Repeated::new(b"abc");
        repeated.set(1, b'x');
        assert_eq!(repeated.one(), b"axc");
        let mut bytes = Vec::new();
        repeated.append(65, &mut bytes);
        assert_eq!(bytes, b"axc".repeat(65));
    }
}
