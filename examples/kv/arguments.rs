//! The words of a request, borrowed from the bytes it came in.

/// The words of a request that are not taken yet. The codec has seen that all of them are there.
///
/// It is as long as two words of memory and costs nothing to copy; each word is cut out of the
/// bytes when it is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments<'a> {
    /// What is left of the request, from the next word on.
    rest: &'a [u8],
    /// How many words are left.
    left: u32,
    form: Form,
}

/// How words are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// As bulk strings: `$3\r\nfoo\r\n`.
    Bulk,
    /// As text between blanks.
    Inline,
}

impl<'a> Arguments<'a> {
    /// No words at all.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { rest: &[], left: 0, form: Form::Bulk };

    /// `count` words, each a bulk string, of which the codec has seen the ends.
    #[inline]
    pub(crate) const fn bulk(rest: &'a [u8], count: u32) -> Self {
        Self { rest, left: count, form: Form::Bulk }
    }

    /// `count` words on a line, which the codec has put into the form of [`inline`](super::inline).
    pub(crate) const fn inline(rest: &'a [u8], count: u32) -> Self {
        Self { rest, left: count, form: Form::Inline }
    }

    /// How many words are left.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.left as usize
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// How many bytes the words take, about.
    pub(crate) const fn wire_len(&self) -> usize {
        self.rest.len()
    }

    /// The next word; none at all is an empty one, which the arity of a command rules out.
    #[inline]
    pub(crate) fn word(&mut self) -> &'a [u8] {
        self.next().unwrap_or_default()
    }

    /// The next `count` words, and those that follow them, if there are so many.
    pub(crate) fn split_at(mut self, count: usize) -> Option<(Self, Self)> {
        let first = Self { left: u32::try_from(count).ok()?, ..self };
        if let Some(skipped) = count.checked_sub(1) {
            self.nth(skipped)?;
        }
        Some((first, self))
    }

    /// As pairs, of which the command has made sure that no half is missing.
    pub(crate) fn pairs(mut self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        (0..self.len() / 2).map(move |_| (self.word(), self.word()))
    }
}

impl<'a> Iterator for Arguments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (word, rest) = match self.form {
            Form::Bulk => split_bulk(self.rest)?,
            Form::Inline => super::inline::split(self.rest)?,
        };
        self.rest = rest;
        Some(word)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Arguments<'_> {}

/// The bulk string at the beginning of `bytes`, which is known to be whole, and what follows it.
#[inline]
fn split_bulk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // Most have fewer than ten bytes, or fewer than a hundred.
    let (len, start) = match bytes {
        [_, one, b'\r', ..] => (usize::from(*one & 15), 4),
        [_, ten, one, b'\r', ..] => (usize::from(*ten & 15) * 10 + usize::from(*one & 15), 5),
        _ => long_header(bytes),
    };
    let (word, rest) = bytes.get(start..)?.split_at_checked(len)?;
    Some((word, rest.get(2..)?))
}

/// A length of three digits and more, and where its bytes begin.
#[cold]
fn long_header(bytes: &[u8]) -> (usize, usize) {
    let digits = bytes.iter().skip(1).take_while(|byte| byte.is_ascii_digit());
    let fold = |(len, start): (usize, usize), digit: &u8| {
        (len.wrapping_mul(10).wrapping_add(usize::from(digit & 15)), start + 1)
    };
    digits.fold((0, 3), fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_out_one_after_the_other() {
        let long = "x".repeat(1234);
        let wire = format!("$1\r\na\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\n$1234\r\n{long}\r\nmore");
        let mut words = Arguments::bulk(wire.as_bytes(), 4);
        assert_eq!(words.len(), 4);
        assert_eq!(words.word(), b"a");
        let rest: Vec<&[u8]> = words.collect();
        assert_eq!(rest, [b"", "hello\r\nworld".as_bytes(), long.as_bytes()]);
    }

    #[test]
    fn words_are_split_where_there_are_enough() {
        let words = Arguments::bulk(b"$1\r\na\r\n$1\r\nb\r\n", 2);
        let (first, rest) = words.split_at(1).unwrap();
        assert_eq!(
            (first.len(), first.last(), rest.len(), rest.last()),
            (1, Some(&b"a"[..]), 1, Some(&b"b"[..]))
        );
        let (first, rest) = words.split_at(0).unwrap();
        assert_eq!((first.len(), rest.len()), (0, 2));
        assert!(words.split_at(3).is_none());
    }

    #[test]
    fn pairs_are_taken_two_by_two() {
        let words = Arguments::bulk(b"$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", 4);
        let pairs: Vec<_> = words.pairs().collect();
        assert_eq!(pairs, [(&b"a"[..], &b"b"[..]), (b"c", b"d")]);
        assert_eq!(Arguments::NONE.pairs().len(), 0);
    }
}
