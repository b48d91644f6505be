//! The engine as a whole, on the simulated network: what a peer and a handler see of it.
//!
//! A test that fails prints the command that runs it again; there is no chance in it but that of
//! its seeds.

#[path = "engine/accept_errors.rs"]
mod accept_errors;
#[path = "engine/acceptor.rs"]
mod acceptor;
#[path = "engine/building.rs"]
mod building;
#[path = "engine/busy_poll.rs"]
mod busy_poll;
#[path = "engine/callbacks.rs"]
mod callbacks;
#[path = "engine/calls.rs"]
mod calls;
#[path = "engine/careless_codecs.rs"]
mod careless_codecs;
#[path = "engine/closing.rs"]
mod closing;
#[path = "engine/crowds.rs"]
mod crowds;
#[path = "engine/deferred.rs"]
mod deferred;
#[path = "engine/detours.rs"]
mod detours;
#[path = "engine/drain.rs"]
mod drain;
#[path = "engine/drain_datagrams.rs"]
mod drain_datagrams;
#[path = "engine/drain_signals.rs"]
mod drain_signals;
#[path = "engine/endless_queue.rs"]
mod endless_queue;
#[path = "engine/eviction.rs"]
mod eviction;
#[path = "engine/farewells.rs"]
mod farewells;
mod fixture;
#[path = "engine/histories.rs"]
mod histories;
#[path = "engine/metrics.rs"]
mod metrics;
#[path = "engine/panics.rs"]
mod panics;
#[path = "engine/pausing.rs"]
mod pausing;
#[path = "engine/portions.rs"]
mod portions;
#[path = "engine/timers.rs"]
mod timers;
