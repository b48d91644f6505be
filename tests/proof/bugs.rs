//! The bugs that can be planted: each is one that such a server was seen to have.

use std::cell::Cell;

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// A bug, named for what it does, after the row of `tests/hazards.md` that tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// C6: a close does not wait until what was sent has left.
    CloseDropsOutput,
}

/// Whether this bug is to be there, in this thread.
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Plants a bug until it is dropped.
pub(super) struct Planted(());

impl Planted {
    pub(super) fn new(bug: Bug) -> Self {
        PLANTED.set(Some(bug));
        Self(())
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}

#[test]
fn a_planted_bug_is_found() {
    let planted = Planted::new(Bug::CloseDropsOutput);
    let found = std::panic::catch_unwind(|| {
        for seed in 0..500 {
            super::swarm::run(seed);
        }
    });
    drop(planted);
    assert!(found.is_err(), "nobody has seen it");
}
