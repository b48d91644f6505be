//! What sets, hashes and sorted sets have in common: distinct members, each with a value.

use std::collections::HashSet;

use super::element::Element;
use super::random::Random;
use super::table::{Keyed, Table};

/// So many are looked through about as fast as a hash is computed, and take less memory in a row
/// than in a table.
const MAX_FEW: usize = 16;

/// Members, each with a value. Few are kept in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Members<V> {
    form: Form<V>,
    /// What the members and values take besides themselves.
    elements_len: usize,
}

#[derive(Clone, Debug)]
enum Form<V> {
    Few(Vec<Member<V>>),
    Many(Box<Table<Member<V>>>),
}

#[derive(Clone, Debug)]
pub(crate) struct Member<V> {
    pub(crate) name: Element,
    pub(crate) value: V,
}

impl<V> Keyed for Member<V> {
    #[inline]
    fn key(&self) -> &[u8] {
        self.name.as_slice()
    }
}

/// What a member's value takes besides itself.
pub(crate) trait HeapLen {
    fn heap_len(&self) -> usize;
}

impl HeapLen for () {
    fn heap_len(&self) -> usize {
        0
    }
}

impl HeapLen for f64 {
    fn heap_len(&self) -> usize {
        0
    }
}

impl HeapLen for Element {
    fn heap_len(&self) -> usize {
        Self::heap_len(self)
    }
}

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self { form: Form::Few(Vec::new()), elements_len: 0 }
    }
}

impl<V: HeapLen> Members<V> {
    pub(crate) fn len(&self) -> usize {
        match &self.form {
            Form::Few(few) => few.len(),
            Form::Many(many) => many.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of memory this takes besides itself.
    pub(crate) fn heap_len(&self) -> usize {
        let own = match &self.form {
            Form::Few(few) => few.capacity() * size_of::<Member<V>>(),
            Form::Many(many) => size_of_val(&**many) + many.len() * Table::<Member<V>>::ENTRY_BYTES,
        };
        own + self.elements_len
    }

    /// What clients would call the way in which this is kept.
    pub(crate) const fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Few(_) => "listpack",
            Form::Many(_) => "hashtable",
        }
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Member<V>> {
        match &self.form {
            Form::Few(few) => few.iter().find(|member| member.key() == name),
            Form::Many(many) => many.get(name),
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&V> {
        self.find(name).map(|member| &member.value)
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Gives the member a value, and says which it had, if it was there.
    pub(crate) fn insert<N: AsRef<[u8]>>(&mut self, name: N, value: V) -> Option<V>
    where
        Element: From<N>,
    {
        self.elements_len += value.heap_len();
        let old = match &mut self.form {
            Form::Few(few) => match few.iter_mut().find(|one| one.key() == name.as_ref()) {
                Some(member) => Ok(&mut member.value),
                None => Err(None),
            },
            Form::Many(many) => {
                let hash = many.hash(name.as_ref());
                match many.find(hash, name.as_ref()) {
                    Some(slot) => Ok(&mut many.at_mut(slot).value),
                    None => Err(Some(hash)),
                }
            }
        };
        match old {
            Ok(old) => {
                let old = std::mem::replace(old, value);
                self.elements_len -= old.heap_len();
                Some(old)
            }
            Err(hash) => {
                self.add(hash, Member { name: Element::from(name), value });
                None
            }
        }
    }

    /// Puts in a member that is not there; of many, its hash is known.
    fn add(&mut self, hash: Option<u32>, member: Member<V>) {
        self.elements_len += member.name.heap_len();
        match &mut self.form {
            Form::Few(few) if few.len() < MAX_FEW => few.push(member),
            Form::Few(few) => {
                let mut many = Box::new(Table::default());
                for member in few.drain(..).chain([member]) {
                    many.insert(many.hash(member.key()), member);
                }
                self.form = Form::Many(many);
            }
            Form::Many(many) => {
                let hash = hash.unwrap_or_else(|| many.hash(member.key()));
                many.insert(hash, member);
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Member<V>> {
        let member = match &mut self.form {
            Form::Few(few) => {
                let at = few.iter().position(|member| member.key() == name)?;
                few.remove(at)
            }
            Form::Many(many) => many.take(name)?,
        };
        Some(self.removed(member))
    }

    fn removed(&mut self, member: Member<V>) -> Member<V> {
        self.elements_len -= member.name.heap_len() + member.value.heap_len();
        member
    }

    /// A member by chance, if there is any.
    pub(crate) fn random(&self, random: &mut Random) -> Option<&Member<V>> {
        match &self.form {
            Form::Few(few) if few.is_empty() => None,
            Form::Few(few) => few.get(random.below(few.len())),
            Form::Many(many) => many.random(random).map(|slot| many.at(slot)),
        }
    }

    /// Takes a member out by chance.
    pub(crate) fn take_random(&mut self, random: &mut Random) -> Option<Member<V>> {
        let member = match &mut self.form {
            Form::Few(few) if few.is_empty() => return None,
            Form::Few(few) => few.remove(random.below(few.len())),
            Form::Many(many) => {
                let slot = many.random(random)?;
                many.remove(slot)
            }
        };
        Some(self.removed(member))
    }

    /// So many different members by chance, or all, if there are no more.
    pub(crate) fn sample(&self, count: usize, random: &mut Random) -> Vec<&Member<V>> {
        let len = self.len();
        if count >= len / 4 {
            // Each is taken with the chance that the rest of the sample has among the rest of all.
            let (mut left, mut wanted) = (len, count.min(len));
            let mut is_taken = |_: &&Member<V>| {
                let is_taken = random.below(left) < wanted;
                left -= 1;
                wanted -= usize::from(is_taken);
                is_taken
            };
            return self.iter().filter(|member| is_taken(member)).collect();
        }
        let mut names = HashSet::with_capacity(count);
        let mut sample = Vec::with_capacity(count);
        while sample.len() < count {
            let Some(member) = self.random(random) else { break };
            if names.insert(member.key()) {
                sample.push(member);
            }
        }
        sample
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member<V>> {
        let (few, many) = match &self.form {
            Form::Few(few) => (&few[..], None),
            Form::Many(many) => (&[][..], Some(many.iter())),
        };
        few.iter().chain(many.into_iter().flatten())
    }

    /// Shows about `count` members from `cursor` on, or all, if they are few; says where to go on,
    /// or zero at the end. No member is passed over that is there from the beginning to the end.
    pub(crate) fn scan<'m>(
        &'m self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&'m Member<V>),
    ) -> u64 {
        match &self.form {
            Form::Few(few) => {
                few.iter().for_each(visit);
                0
            }
            Form::Many(many) => many.scan(cursor, count, &mut visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn name(number: usize) -> Vec<u8> {
        // Every fourth one is long.
        format!("{number}{}", "x".repeat(if number.is_multiple_of(4) { 40 } else { 0 }))
            .into_bytes()
    }

    fn numbered(count: usize) -> Members<()> {
        let mut members = Members::default();
        (0..count).for_each(|number| assert_eq!(members.insert(&name(number)[..], ()), None));
        members
    }

    /// What is counted while members come and go, counted anew.
    fn heap_len(members: &Members<Element>) -> usize {
        members.iter().map(|member| member.name.heap_len() + member.value.heap_len()).sum()
    }

    #[test]
    fn members_come_and_go_as_in_a_map() {
        let (mut members, mut model) = (Members::default(), BTreeMap::new());
        let mut random = Random::new(1);
        for step in 0..20_000_usize {
            // It grows to a table, shrinks again, and so on.
            let (key, grows) = (name(random.below(500)), step / 2_000 % 2 == 0);
            if grows || random.below(4) == 0 {
                let value = name(step);
                let old = members.insert(&key[..], Element::from(&value[..]));
                assert_eq!(old.map(|old| old.as_slice().to_vec()), model.insert(key, value));
            } else {
                let removed = members.remove(&key).map(|old| old.value.as_slice().to_vec());
                assert_eq!(removed, model.remove(&key));
            }
            assert_eq!(members.len(), model.len());
            assert_eq!(members.elements_len, heap_len(&members));
        }
        let all: BTreeMap<_, _> = members
            .iter()
            .map(|member| (member.key().to_vec(), member.value.as_slice().to_vec()))
            .collect();
        assert_eq!(all, model);
    }

    #[test]
    fn what_is_held_is_given_back_as_members_go() {
        let mut members = numbered(10_000);
        let most = members.heap_len();
        assert!(most > 10_000 * size_of::<Element>() + 2_500 * 40, "{most}");
        let mut random = Random::new(1);
        let taken: BTreeSet<_> = std::iter::from_fn(|| members.take_random(&mut random))
            .map(|member| member.key().to_vec())
            .collect();
        assert_eq!((taken.len(), members.len()), (10_000, 0));
        assert!(members.heap_len() < 200, "{}", members.heap_len());
    }

    #[test]
    fn a_sample_has_as_many_different_members_as_wanted() {
        let mut random = Random::new(1);
        for count in [0, 1, 5, 16, 17, 300] {
            let members = numbered(count);
            for wanted in [0, 1, 3, 16, 100, 1_000] {
                let sample = members.sample(wanted, &mut random);
                let names: BTreeSet<_> = sample.iter().map(|member| member.key()).collect();
                assert_eq!(sample.len(), wanted.min(count));
                assert_eq!(names.len(), sample.len());
            }
        }
    }

    #[test]
    fn every_member_gets_into_samples() {
        for (count, wanted) in [(10, 3), (100, 3), (100, 60)] {
            let (members, mut random) = (numbered(count), Random::new(1));
            let seen: BTreeSet<_> = (0..1_000)
                .flat_map(|_| members.sample(wanted, &mut random))
                .map(|member| member.key().to_vec())
                .collect();
            assert_eq!(seen.len(), count, "{wanted} of {count}");
        }
    }

    #[test]
    fn a_scan_passes_over_nobody_who_stays() {
        let mut random = Random::new(1);
        for round in 0..50 {
            let mut members = numbered(200);
            let (mut seen, mut cursor) = (BTreeSet::new(), 0);
            loop {
                cursor = members.scan(cursor, 7, |member| _ = seen.insert(member.key().to_vec()));
                if cursor == 0 {
                    break;
                }
                // Those below 100 stay, the others come and go.
                for _ in 0..10 {
                    let other = name(100 + random.below(200));
                    if members.remove(&other).is_none() {
                        members.insert(&other[..], ());
                    }
                }
            }
            let passed_over = (0..100).find(|number| !seen.contains(&name(*number)));
            assert_eq!(passed_over, None, "round {round}");
        }
    }

    #[test]
    fn few_are_scanned_at_once() {
        let members = numbered(16);
        let mut count = 0;
        assert_eq!(members.scan(0, 1, |_| count += 1), 0);
        assert_eq!(count, 16);
    }
}
