//! Lists: elements in a row, to which more are added at both ends.

use std::collections::VecDeque;
use std::ops::Range;

use super::element::Element;
use super::value::kind;

/// Room for so many elements is kept even if few of them are there.
const MIN_KEPT: usize = 64;

/// Elements in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    elements: VecDeque<Element>,
    /// What the elements take besides themselves.
    elements_len: usize,
}

kind!(List);

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Left,
    Right,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// How many bytes of memory this takes besides itself.
    pub(crate) fn heap_len(&self) -> usize {
        self.elements.capacity() * size_of::<Element>() + self.elements_len
    }

    /// What clients would call the way in which this is kept.
    pub(crate) const fn encoding(&self) -> &'static str {
        "quicklist"
    }

    pub(crate) fn push(&mut self, end: End, element: Element) {
        self.elements_len += element.heap_len();
        self.grow();
        match end {
            End::Left => self.elements.push_front(element),
            End::Right => self.elements.push_back(element),
        }
    }

    pub(crate) fn pop(&mut self, end: End) -> Option<Element> {
        let element = match end {
            End::Left => self.elements.pop_front(),
            End::Right => self.elements.pop_back(),
        }?;
        self.elements_len -= element.heap_len();
        self.shrink();
        Some(element)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Element> {
        self.elements.get(index)
    }

    /// Replaces the element at a place where there is one; says whether there is.
    pub(crate) fn set(&mut self, index: usize, element: Element) -> bool {
        let Some(place) = self.elements.get_mut(index) else { return false };
        self.elements_len += element.heap_len();
        self.elements_len -= std::mem::replace(place, element).heap_len();
        true
    }

    /// Inserts an element before the one at `index`, or behind the last.
    pub(crate) fn insert(&mut self, index: usize, element: Element) {
        self.elements_len += element.heap_len();
        self.grow();
        self.elements.insert(index.min(self.elements.len()), element);
    }

    /// Keeps the elements at these places alone, which are there.
    pub(crate) fn trim(&mut self, places: Range<usize>) {
        self.elements.truncate(places.end);
        self.elements.drain(..places.start);
        self.settle();
    }

    /// Removes the elements that are equal to `element`, at most so many of them, from one end on;
    /// says how many.
    pub(crate) fn remove(&mut self, element: &[u8], most: usize, from: End) -> usize {
        let equal = self.iter().filter(|one| one.as_slice() == element).count();
        let (removed, mut index) = (equal.min(most), 0);
        if removed == 0 {
            return 0;
        }
        // The first or the last of the equal ones go.
        let gone = match from {
            End::Left => 0..removed,
            End::Right => equal - removed..equal,
        };
        self.elements.retain(|one| {
            let is_equal = one.as_slice() == element;
            index += usize::from(is_equal);
            !(is_equal && gone.contains(&(index - 1)))
        });
        self.settle();
        removed
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Element> + ExactSizeIterator {
        self.elements.iter()
    }

    /// The elements at these places, which are there.
    pub(crate) fn range(&self, places: Range<usize>) -> impl Iterator<Item = &Element> {
        self.elements.range(places)
    }

    /// Makes room for one more: by a quarter, since to double it could take much more memory than
    /// the store has left.
    fn grow(&mut self) {
        let len = self.elements.len();
        if len == self.elements.capacity() {
            self.elements.reserve_exact((len / 4).max(4));
        }
    }

    /// After much was removed.
    fn settle(&mut self) {
        self.elements_len = self.iter().map(Element::heap_len).sum();
        self.shrink();
    }

    fn shrink(&mut self) {
        let (len, room) = (self.elements.len(), self.elements.capacity());
        if room > MIN_KEPT && len < room / 4 {
            self.elements.shrink_to(len * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Element {
        Element::from(text.as_bytes())
    }

    fn list(texts: &[&str]) -> List {
        let mut list = List::default();
        texts.iter().for_each(|text| list.push(End::Right, element(text)));
        list
    }

    #[track_caller]
    fn assert_has(list: &List, texts: &[&str]) {
        assert!(list.iter().eq(texts.iter().map(|text| element(text)).collect::<Vec<_>>().iter()));
        assert_eq!(list.elements_len, list.iter().map(Element::heap_len).sum::<usize>());
    }

    const LONG: &str = "an element that is too long to be kept in place";

    #[test]
    fn elements_come_and_go_at_both_ends() {
        let mut list = list(&["b", LONG]);
        list.push(End::Left, element("a"));
        assert_has(&list, &["a", "b", LONG]);
        assert_eq!(list.pop(End::Right), Some(element(LONG)));
        assert_eq!(list.pop(End::Left), Some(element("a")));
        assert_has(&list, &["b"]);
        assert_eq!((list.pop(End::Left), list.pop(End::Left)), (Some(element("b")), None));
    }

    #[test]
    fn elements_are_replaced_and_put_between() {
        let mut list = list(&["a", LONG, "c"]);
        assert!(list.set(1, element("b")) && !list.set(3, element("d")));
        list.insert(1, element(LONG));
        list.insert(4, element("z"));
        assert_has(&list, &["a", LONG, "b", "c", "z"]);
    }

    #[test]
    fn equal_elements_are_removed_from_either_end() {
        let texts = [LONG, "a", LONG, "b", LONG];
        for (most, from, left) in [
            (0, End::Left, &texts[..]),
            (1, End::Left, &["a", LONG, "b", LONG][..]),
            (2, End::Right, &[LONG, "a", "b"]),
            (usize::MAX, End::Left, &["a", "b"]),
        ] {
            let mut list = list(&texts);
            assert_eq!(list.remove(LONG.as_bytes(), most, from), texts.len() - left.len());
            assert_has(&list, left);
        }
    }

    #[test]
    fn a_list_is_trimmed_to_what_is_there() {
        for (places, left) in
            [(0..3, &["a", LONG, "c"][..]), (1..2, &[LONG][..]), (2..2, &[][..]), (0..0, &[][..])]
        {
            let mut list = list(&["a", LONG, "c"]);
            list.trim(places);
            assert_has(&list, left);
        }
    }

    #[test]
    fn no_more_room_is_taken_than_a_quarter_of_what_is_there() {
        let mut list = List::default();
        for number in 1..10_000 {
            list.push(End::Right, element("a"));
            assert!(list.elements.capacity() <= number + number / 4 + 4);
        }
    }

    #[test]
    fn memory_is_given_back_when_few_are_left() {
        let mut list = List::default();
        (0..10_000).for_each(|_| list.push(End::Left, element("a")));
        let most = list.heap_len();
        (0..9_999).for_each(|_| _ = list.pop(End::Right));
        assert!(list.heap_len() < most / 50, "{}", list.heap_len());
    }
}
