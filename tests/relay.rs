//! Connections that are tied to each other, on the simulated network: what the one peer sends, the
//! other receives as it is, and each end, pause and failure with it.
//!
//! Every test is the same each time it runs; one that tries many seeds says which of them failed,
//! and is run with that one alone if `WINDLASS_SEED` gives it.

#[path = "relay/ending.rs"]
mod ending;
mod fixture;
#[path = "relay/pairs.rs"]
mod pairs;
#[path = "relay/passing.rs"]
mod passing;
#[path = "relay/swarm.rs"]
mod swarm;
#[path = "relay/tying.rs"]
mod tying;
