//! Which connection ids are current, as far as other threads can know.

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, Ordering};

/// For each slot of a listener's connections, the generation of its present or next tenant. This is
/// the loop's own, which alone writes; [`TenantsView`] is what others read.
///
/// A generation only ever grows, and the last of them is no tenant's. So a name whose connection
/// has ended is never again the slot's.
///
/// All reads and writes are relaxed, which for the loop makes them plain ones. That is enough,
/// since a thread that looks at one number never sees it go back: whoever was given a name, by
/// whatever way, sees at least that generation, and whoever once saw that a connection has ended,
/// or was told so, never sees it open again.
pub(crate) struct Tenants {
    generations: Arc<[AtomicU32]>,
}

/// What other threads see of [`Tenants`].
#[derive(Clone)]
pub(crate) struct TenantsView {
    generations: Arc<[AtomicU32]>,
}

impl Tenants {
    /// What a slot's generation is when its names have run out.
    const RETIRED: u32 = u32::MAX;

    /// A table for `capacity` slots, which takes four bytes for each, at once.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::starting_at(0, capacity)
    }

    /// The same, with slots whose first tenant has this generation.
    pub(crate) fn starting_at(first: u32, capacity: usize) -> Self {
        Self { generations: (0..capacity).map(|_| AtomicU32::new(first)).collect() }
    }

    /// The generation of the slot's present or next tenant; `None` if there is no such slot, or
    /// none to come.
    #[inline]
    pub(crate) fn generation(&self, slot: usize) -> Option<u32> {
        let generation = self.generations.get(slot)?.load(Ordering::Relaxed);
        (generation != Self::RETIRED).then_some(generation)
    }

    /// The slot's tenant has gone. Says whether there can be another: if not, the slot must never
    /// be used again.
    ///
    /// # Panics
    ///
    /// If there is no such slot, or it was retired before.
    pub(crate) fn vacate(&mut self, slot: usize) -> bool {
        let generation = self.generation(slot).expect("whoever goes had a slot");
        planted!(NameIsGivenTwice, return true);
        self.generations[slot].store(generation + 1, Ordering::Relaxed);
        generation + 1 != Self::RETIRED
    }

    /// What other threads see of it.
    pub(crate) fn view(&self) -> TenantsView {
        TenantsView { generations: Arc::clone(&self.generations) }
    }
}

impl TenantsView {
    /// Whether the connection of this name is open, for all that is known here: it may have ended
    /// a moment ago. `false` is final for a name that was once given.
    pub(crate) fn is_current(&self, slot: usize, generation: u32) -> bool {
        self.generations.get(slot).is_some_and(|now| now.load(Ordering::Relaxed) == generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_current_until_its_tenant_goes_and_never_again() {
        let mut tenants = Tenants::new(2);
        let view = tenants.view();
        assert_eq!((tenants.generation(1), tenants.generation(2)), (Some(0), None));
        for generation in 0..100 {
            assert_eq!(tenants.generation(1), Some(generation));
            assert!((0..generation).all(|gone| !view.is_current(1, gone)));
            assert!(view.is_current(1, generation));
            assert!(tenants.vacate(1));
            assert!(!view.clone().is_current(1, generation));
        }
        assert!(view.is_current(0, 0), "the neighbour has stayed");
    }

    #[test]
    fn a_slot_beyond_the_last_has_no_tenant() {
        let tenants = Tenants::new(2);
        assert_eq!(tenants.generation(2), None);
        assert!(!tenants.view().is_current(2, 0));
    }

    #[test]
    fn the_last_tenant_of_a_slot_goes_like_all_others() {
        let mut tenants = Tenants::starting_at(u32::MAX - 2, 1);
        let view = tenants.view();
        assert!(tenants.vacate(0));
        assert!(!tenants.vacate(0), "its names have run out");
        assert_eq!(tenants.generation(0), None);
        assert!((u32::MAX - 2..u32::MAX).all(|gone| !view.is_current(0, gone)));
        assert!(!view.is_current(0, 0));
    }

    #[test]
    #[should_panic(expected = "whoever goes had a slot")]
    fn nobody_leaves_a_slot_whose_names_have_run_out() {
        let mut tenants = Tenants::starting_at(u32::MAX - 1, 1);
        tenants.vacate(0);
        tenants.vacate(0);
    }
}
