//! The order of a sorted set: by score, then by bytes, with the rank of everything at hand.

use std::cmp::Ordering;
use std::ops::Range;

use super::element::Element;

/// The most entries in a leaf, and children of an inner node: few enough to be moved within a
/// cache's reach, and the depth is 4 for a million.
const MAX_LEAF_LEN: usize = 64;
const MAX_INNER_LEN: usize = 32;

/// A member with its score, which is a number.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    pub(crate) score: f64,
    pub(crate) member: Element,
}

impl Scored {
    /// How this one and another stand in the order.
    fn compare(&self, score: f64, member: &Element) -> Ordering {
        // Zero and minus zero are the same score.
        let by_score = self.score.partial_cmp(&score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| self.member.cmp(member))
    }
}

/// A B+ tree that counts.
///
/// Inner nodes know of each child how many entries are below it, and a separator: none of the
/// entries before the child is greater, none of its own is less. (That of the first child is not
/// looked at; it is that of the node itself, except on the way to the very first entry.) All
/// questions are about ranks: how many entries are before some place, and which are at some ranks.
#[derive(Clone, Debug, Default)]
pub(crate) struct RankTree {
    root: Node,
    /// How many nodes there are besides the root, to know the memory they take.
    nodes: Nodes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Nodes {
    leaves: usize,
    inners: usize,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Scored>),
    Inner(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    separator: Scored,
    len: usize,
    node: Node,
}

impl RankTree {
    /// How many bytes of memory this takes besides itself; of the members, only what is in place.
    pub(crate) fn heap_len(&self) -> usize {
        let root = match &self.root {
            Node::Leaf(entries) => entries.capacity() * size_of::<Scored>(),
            Node::Inner(_) => MAX_INNER_LEN * size_of::<Child>(),
        };
        let leaves = self.nodes.leaves * MAX_LEAF_LEN * size_of::<Scored>();
        root + leaves + self.nodes.inners * MAX_INNER_LEN * size_of::<Child>()
    }

    /// How many entries are at the front of which `is_before` holds: it must hold of none behind
    /// one of which it does not.
    pub(crate) fn rank_where(&self, is_before: impl Fn(&Scored) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(entries) => return rank + entries.partition_point(is_before),
                Node::Inner(children) => {
                    let at = child_at(children, &is_before);
                    rank += children[..at].iter().map(|child| child.len).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// How many entries are before this one, which may be there or not.
    pub(crate) fn rank(&self, score: f64, member: &Element) -> usize {
        self.rank_where(|entry| entry.compare(score, member).is_lt())
    }

    /// Puts an entry in that is not there.
    pub(crate) fn insert(&mut self, entry: Scored) {
        let Some(right) = self.root.insert(entry, &mut self.nodes) else { return };
        let left = std::mem::replace(&mut self.root, Node::Inner(Vec::new()));
        self.nodes.count(&left, 1);
        let left = Child { separator: right.separator.clone(), len: left.len(), node: left };
        let mut children = Vec::with_capacity(MAX_INNER_LEN);
        children.extend([left, right]);
        self.root = Node::Inner(children);
    }

    /// Takes an entry out that is there.
    pub(crate) fn remove(&mut self, score: f64, member: &Element) {
        self.take(self.rank(score, member));
    }

    /// Takes out the entry at a rank, if there is one.
    pub(crate) fn take(&mut self, rank: usize) -> Option<Scored> {
        let taken = self.root.take(rank, &mut self.nodes)?;
        if let Node::Inner(children) = &mut self.root
            && children.len() == 1
            && let Some(only) = children.pop()
        {
            self.nodes.count(&only.node, -1);
            self.root = only.node;
        }
        Some(taken)
    }

    /// Visits the entries at these ranks, in order or in the opposite one.
    pub(crate) fn visit<'a, F: FnMut(&'a Scored)>(
        &'a self,
        ranks: Range<usize>,
        is_reverse: bool,
        visitor: &mut F,
    ) {
        self.root.visit(ranks, is_reverse, visitor);
    }
}

impl Nodes {
    /// A node has come or gone.
    fn count(&mut self, node: &Node, change: isize) {
        let count = match node {
            Node::Leaf(_) => &mut self.leaves,
            Node::Inner(_) => &mut self.inners,
        };
        *count = count.saturating_add_signed(change);
    }
}

/// The child in which the first entry is of which `is_before` does not hold, or would be.
fn child_at(children: &[Child], is_before: impl Fn(&Scored) -> bool) -> usize {
    children[1..].partition_point(|child| is_before(&child.separator))
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

impl Node {
    /// How many entries are in it and below it.
    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    /// None of its own entries is less.
    fn separator(&self) -> Option<&Scored> {
        match self {
            Self::Leaf(entries) => entries.first(),
            Self::Inner(children) => children.first().map(|child| &child.separator),
        }
    }

    /// Whether it is too empty to be left alone.
    fn is_sparse(&self) -> bool {
        match self {
            Self::Leaf(entries) => entries.len() < MAX_LEAF_LEN / 4,
            Self::Inner(children) => children.len() < MAX_INNER_LEN / 4,
        }
    }

    /// The second half of it, if it had to be split.
    fn insert(&mut self, entry: Scored, nodes: &mut Nodes) -> Option<Child> {
        let (score, member) = (entry.score, &entry.member);
        let right = match self {
            Self::Leaf(entries) => {
                let at = entries.partition_point(|one| one.compare(score, member).is_lt());
                Self::Leaf(insert_or_split(entries, at, entry, MAX_LEAF_LEN)?)
            }
            Self::Inner(children) => {
                let at = child_at(children, |one| one.compare(score, member).is_le());
                children[at].len += 1;
                let right = children[at].node.insert(entry, nodes)?;
                children[at].len -= right.len;
                Self::Inner(insert_or_split(children, at + 1, right, MAX_INNER_LEN)?)
            }
        };
        nodes.count(&right, 1);
        Some(Child { separator: right.separator()?.clone(), len: right.len(), node: right })
    }

    fn take(&mut self, mut rank: usize, nodes: &mut Nodes) -> Option<Scored> {
        match self {
            Self::Leaf(entries) => (rank < entries.len()).then(|| entries.remove(rank)),
            Self::Inner(children) => {
                let at = children.iter().position(|child| {
                    let is_below = rank < child.len;
                    rank -= if is_below { 0 } else { child.len };
                    is_below
                })?;
                let taken = children[at].node.take(rank, nodes)?;
                children[at].len -= 1;
                if children[at].node.is_sparse() {
                    even_out(children, at.max(1), nodes);
                }
                Some(taken)
            }
        }
    }

    fn visit<'a, F: FnMut(&'a Scored)>(
        &'a self,
        ranks: Range<usize>,
        is_reverse: bool,
        visitor: &mut F,
    ) {
        match self {
            Self::Leaf(entries) if is_reverse => entries[ranks].iter().rev().for_each(visitor),
            Self::Leaf(entries) => entries[ranks].iter().for_each(visitor),
            Self::Inner(children) => {
                let mut first = if is_reverse { self.len() } else { 0 };
                for index in 0..children.len() {
                    let at = if is_reverse { children.len() - 1 - index } else { index };
                    let child = &children[at];
                    first -= if is_reverse { child.len } else { 0 };
                    let from = ranks.start.max(first) - first;
                    let to = ranks.end.min(first + child.len).saturating_sub(first);
                    if from < to {
                        child.node.visit(from..to, is_reverse, visitor);
                    }
                    first += if is_reverse { 0 } else { child.len };
                }
            }
        }
    }
}

/// Inserts an item; if there are `max` already, the second half of them is split off and returned.
/// If it comes at the end, only an eighth is: who only ever appends fills the nodes.
fn insert_or_split<T>(items: &mut Vec<T>, at: usize, item: T, max: usize) -> Option<Vec<T>> {
    if items.len() < max {
        items.insert(at, item);
        return None;
    }
    let middle = if at == max { max - max / 8 } else { max / 2 };
    let mut right = Vec::with_capacity(max);
    right.extend(items.drain(middle..));
    match at.checked_sub(middle) {
        Some(at) => right.insert(at, item),
        None => items.insert(at, item),
    }
    Some(right)
}

/// Joins the child at `at` with the one before it, or, if that is too much for one, gives half to
/// each.
fn even_out(children: &mut Vec<Child>, at: usize, nodes: &mut Nodes) {
    let mut right = children.remove(at);
    let left = &mut children[at - 1];
    match (&mut left.node, &mut right.node) {
        (Node::Leaf(left), Node::Leaf(right)) => share(left, right, MAX_LEAF_LEN),
        (Node::Inner(left), Node::Inner(right)) => share(left, right, MAX_INNER_LEN),
        _ => unreachable!("all leaves are at one depth"),
    }
    left.len = left.node.len();
    match right.node.separator().cloned() {
        Some(separator) => {
            let len = right.node.len();
            children.insert(at, Child { separator, len, node: right.node });
        }
        None => nodes.count(&right.node, -1),
    }
}

/// All of `right` goes to the left, if that fits; otherwise each has half.
fn share<T>(left: &mut Vec<T>, right: &mut Vec<T>, max: usize) {
    let all = left.len() + right.len();
    let kept = if all <= max { all } else { all / 2 };
    match kept.checked_sub(left.len()) {
        Some(missing) => left.extend(right.drain(..missing)),
        None => _ = right.splice(..0, left.drain(kept..)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many share a score.
    fn entry(number: u32) -> Scored {
        let member = Element::from(format!("member {number}").as_bytes());
        Scored { score: f64::from(number % 10), member }
    }

    /// What a node says of itself is true, and it is neither too full nor too empty.
    fn audit(node: &Node, is_root: bool, found: &mut Nodes) -> (usize, usize) {
        match node {
            Node::Leaf(entries) => {
                assert!(entries.len() <= MAX_LEAF_LEN && entries.capacity() <= MAX_LEAF_LEN);
                assert!(is_root || !entries.is_empty());
                (entries.len(), 1)
            }
            Node::Inner(children) => {
                assert!((2..=MAX_INNER_LEN).contains(&children.len()));
                assert_eq!(children.capacity(), MAX_INNER_LEN);
                let below: Vec<_> = children
                    .iter()
                    .map(|child| {
                        found.count(&child.node, 1);
                        let (len, depth) = audit(&child.node, false, found);
                        assert_eq!(child.len, len);
                        (len, depth)
                    })
                    .collect();
                assert!(below.iter().all(|(_, depth)| *depth == below[0].1));
                for pair in children.windows(2) {
                    let Scored { score, member } = &pair[1].separator;
                    assert_eq!(rank_in(&pair[0].node, *score, member), pair[0].len);
                    assert_eq!(rank_in(&pair[1].node, *score, member), 0);
                }
                (below.iter().map(|(len, _)| len).sum(), below[0].1 + 1)
            }
        }
    }

    /// How many of all entries are less, one by one.
    fn rank_in(node: &Node, score: f64, member: &Element) -> usize {
        let mut rank = 0;
        node.visit(0..node.len(), false, &mut |entry| {
            rank += usize::from(entry.compare(score, member).is_lt());
        });
        rank
    }

    #[track_caller]
    fn assert_is(tree: &RankTree, model: &[Scored]) {
        let mut found = Nodes::default();
        assert_eq!(audit(&tree.root, true, &mut found).0, model.len());
        assert_eq!(found.leaves, tree.nodes.leaves);
        assert_eq!(found.inners, tree.nodes.inners);
        let mut entries = Vec::new();
        tree.visit(0..model.len(), false, &mut |entry| entries.push(entry.member.clone()));
        assert!(entries.iter().eq(model.iter().map(|entry| &entry.member)));
    }

    /// Plays insertions and removals, more of the one at first, more of the other then.
    fn play(seed: u32, steps: u32, members: u32) {
        let (mut tree, mut model) = (RankTree::default(), Vec::<Scored>::new());
        let mut next = seed;
        for step in 0..steps * 2 {
            next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let it = entry((next >> 8) % members);
            let place = model.binary_search_by(|one| one.compare(it.score, &it.member));
            let rank = place.unwrap_or_else(|rank| rank);
            assert_eq!(tree.rank(it.score, &it.member), rank, "seed {seed}");
            let may_grow = step < steps || next & 0x70 == 0;
            match place {
                Ok(rank) if step >= steps || next & 0x70 == 0 => {
                    tree.remove(it.score, &it.member);
                    model.remove(rank);
                }
                Err(rank) if may_grow => {
                    tree.insert(it.clone());
                    model.insert(rank, it);
                }
                _ => {}
            }
            if step % 1_000 == 0 {
                assert_is(&tree, &model);
            }
        }
        assert_is(&tree, &model);
    }

    #[test]
    fn entries_come_and_go_as_in_a_sorted_row() {
        (0..4).for_each(|seed| play(seed, 20_000, 8_000));
        (0..20).for_each(|seed| play(seed, 1_000, 150));
    }

    #[test]
    fn any_ranks_are_visited_in_both_directions() {
        let mut tree = RankTree::default();
        let mut model: Vec<_> = (0..3_000).map(entry).collect();
        model.iter().for_each(|entry| tree.insert(entry.clone()));
        model.sort_by(|one, other| one.compare(other.score, &other.member));
        let edges = [0, 1, 63, 64, 65, 1_500, 2_999, 3_000];
        for (from, to) in edges.iter().flat_map(|from| edges.map(|to| (*from, to))) {
            if from > to {
                continue;
            }
            let mut there: Vec<&[u8]> = Vec::new();
            tree.visit(from..to, false, &mut |entry| there.push(entry.member.as_slice()));
            assert!(there.iter().eq(
                model[from..to].iter().map(|it| it.member.as_slice()).collect::<Vec<_>>().iter()
            ));
            let mut back: Vec<&[u8]> = Vec::new();
            tree.visit(from..to, true, &mut |entry| back.push(entry.member.as_slice()));
            assert!(back.iter().rev().eq(there.iter()), "{from}..{to}");
        }
    }

    #[test]
    fn who_only_appends_fills_the_nodes() {
        let mut tree = RankTree::default();
        for number in 0..100_000 {
            let member = Element::from(&b"one"[..]);
            tree.insert(Scored { score: f64::from(number), member });
        }
        let least = 100_000 * size_of::<Scored>();
        assert!(tree.heap_len() < least + least / 4, "{} of {least}", tree.heap_len());
    }

    #[test]
    fn an_emptied_tree_takes_no_memory_but_a_leaf() {
        let mut tree = RankTree::default();
        (0..5_000).for_each(|number| tree.insert(entry(number)));
        (0..5_000).for_each(|number| {
            let it = entry(number);
            tree.remove(it.score, &it.member);
        });
        assert_is(&tree, &[]);
        assert!(tree.heap_len() <= MAX_LEAF_LEN * size_of::<Scored>());
    }

    #[test]
    fn zero_and_minus_zero_are_one_score() {
        let mut tree = RankTree::default();
        let score = |score, member: &str| Scored { score, member: member.as_bytes().into() };
        tree.insert(score(0.0, "b"));
        tree.insert(score(-0.0, "c"));
        tree.insert(score(-0.0, "a"));
        let rank = |score, member: &str| tree.rank(score, &member.as_bytes().into());
        assert_eq!((rank(-0.0, "b"), rank(0.0, "c")), (1, 2));
        assert_eq!(tree.take(1).map(|entry| entry.member), Some(Element::from(&b"b"[..])));
        assert!(tree.take(2).is_none());
    }
}
