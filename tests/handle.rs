//! What other threads ask of the loop by a `Handle`: on the simulated network, where it is known
//! what happens first, and with real threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "handle/board.rs"]
mod board;
#[path = "handle/end.rs"]
mod end;
mod fixture;
#[path = "handle/refusals.rs"]
mod refusals;
#[path = "handle/serving.rs"]
mod serving;
#[path = "handle/threads.rs"]
mod threads;
