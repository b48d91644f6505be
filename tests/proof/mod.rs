//! The proof: every fault tried, every order, and many worlds made by chance, with what must hold
//! checked after every turn; and bugs planted on purpose, each of which this must find.
//!
//! It is compiled into the tests of the crate itself, since only there bugs can be planted:
//! `cargo test --lib proof::` runs it. A debug build runs a part of it, a release build all.

mod bugs;
#[path = "../fixture/mod.rs"]
mod fixture;
mod shrink;
mod small_worlds;
mod swarm;

pub(crate) use bugs::{Bug, is_planted};
