//! The real kernel, where it is unkind: the examples as processes of their own, under injected
//! faults, crowds, churn, signals and limits.
//!
//! The simulation tries every fault at every call; this tries that the kernel's are of that kind.
//! Nothing is judged by its speed: where a test waits, it gives up after a minute.
//!
//! By default each test takes the short form. The long one says what it did, in figures:
//!
//! ```text
//! WINDLASS_LONG=1 cargo test --release --test kernel -- --nocapture
//! ```
//!
//! What fails is told with the command that tries it again: a seed, or a fault as strace knows it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../real_network/example.rs"]
mod example;
#[path = "../fixture/quiet.rs"]
#[allow(dead_code, reason = "each test target uses a part of it")]
mod quiet;
#[path = "../fixture/random.rs"]
#[allow(dead_code, reason = "each test target uses a part of it")]
mod random;
#[path = "../fixture/seeds.rs"]
#[allow(dead_code, reason = "each test target uses a part of it")]
mod seeds;

mod client;
mod errnos;
mod form;
mod strace;
mod talks;

mod churn;
mod datagram_faults;
mod descriptors;
mod drain_faults;
mod held;
mod hostile;
mod idle;
mod serving_faults;
mod signals;
mod start_faults;
mod stopped;
