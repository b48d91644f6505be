//! The proof: every fault tried, every order, and many worlds made by chance, with what must hold
//! checked after every turn; and bugs planted on purpose, each of which this must find.
//!
//! It is compiled into the tests of the crate itself, since only there bugs can be planted:
//! `cargo test --lib proof::` runs it. A debug build runs a part of it, a release build all.

mod bugs;
mod faults;
#[path = "../fixture/mod.rs"]
pub(crate) mod fixture;
mod orders;
mod shrink;
mod signals;
mod small_worlds;
mod stage;
mod swarm;

pub(crate) use bugs::{Bug, is_planted};

/// One of how many runs is played: of `many` in a debug build, unless `WINDLASS_ALL` is set, and
/// otherwise each.
fn stride(many: usize) -> usize {
    let is_complete = !cfg!(debug_assertions) || std::env::var_os("WINDLASS_ALL").is_some();
    if is_complete { 1 } else { many }
}

/// Says of one run in `many` that it is played; of each where all are.
fn one_of(many: usize) -> impl FnMut() -> bool {
    let (stride, mut count) = (stride(many), 0);
    move || {
        count += 1;
        count % stride == 0
    }
}
