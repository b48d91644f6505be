//! Many short bulk strings in one piece: a long answer is mostly made of them.

use super::element::Element;
use super::reply::{Replies, Reply};

/// So many bytes are gathered before they go on.
const ROOM_LEN: usize = 1024;
/// More than a short element takes: a head of five bytes, the element, and the end of its line.
const MOST_LEN: usize = 32;

/// Gathers elements as bulk strings, on their way to `to`.
pub(crate) struct Bulks<'t, R> {
    to: &'t mut R,
    room: [u8; ROOM_LEN],
    len: usize,
}

impl<'t, R: Replies> Bulks<'t, R> {
    /// Answers with all elements of `elements`.
    pub(crate) fn put_all<'e>(to: &'t mut R, elements: impl Iterator<Item = &'e Element>) {
        let mut bulks = Self { to, room: [0; ROOM_LEN], len: 0 };
        elements.for_each(|element| bulks.put(element));
        bulks.flush();
    }

    #[inline]
    fn put(&mut self, element: &Element) {
        let Some((bytes, len)) = element.short() else {
            self.flush();
            return self.to.bulk(element.as_slice());
        };
        if self.room.len() - self.len < MOST_LEN {
            self.flush();
        }
        let Some(room) = self.room[self.len..].first_chunk_mut::<MOST_LEN>() else { return };
        let start = head(len, room);
        // All that could be there is copied, since that takes no loop.
        room[start..start + bytes.len()].copy_from_slice(bytes);
        let line_end = start + usize::from(len);
        room[line_end..line_end + 2].copy_from_slice(b"\r\n");
        self.len += line_end + 2;
    }

    fn flush(&mut self) {
        if self.len > 0 {
            self.to.put(Reply::Encoded(&self.room[..self.len]));
            self.len = 0;
        }
    }
}

/// Puts the length of a bulk string of fewer than a hundred bytes; says where its bytes begin.
#[inline]
fn head(len: u8, room: &mut [u8; MOST_LEN]) -> usize {
    if len < 10 {
        room[..4].copy_from_slice(&[b'$', b'0' + len, b'\r', b'\n']);
        return 4;
    }
    room[..5].copy_from_slice(&[b'$', b'0' + len / 10, b'0' + len % 10, b'\r', b'\n']);
    5
}

#[cfg(test)]
mod tests {
    use windlass::Output;

    use super::super::reply::Version;
    use super::*;

    struct Encoded(Output);

    impl Replies for Encoded {
        fn put(&mut self, reply: Reply<'_>) {
            reply.encode(Version::Resp2, &mut self.0);
        }

        fn version(&mut self) -> Version {
            Version::Resp2
        }
    }

    #[test]
    fn gathered_elements_are_the_same_as_single_ones() {
        let text = "x".repeat(200);
        // Short ones alone, and then long ones between them.
        let lens = (0..1000).map(|number| number * 7 % if number < 500 { 23 } else { 41 });
        let elements: Vec<Element> = lens.map(|len| text.as_bytes()[..len].into()).collect();
        let (mut one_by_one, mut gathered) = (Encoded(Output::new()), Encoded(Output::new()));
        elements.iter().for_each(|element| one_by_one.bulk(element.as_slice()));
        Bulks::put_all(&mut gathered, elements.iter());
        assert_eq!(gathered.0.to_vec(), one_by_one.0.to_vec());
    }
}
