//! Each promise of the network's contract, stated once and run on both networks.
//!
//! A promise is a function that is given a [`Trial`]: one of the two networks, and peers that can
//! be told what to do. No wait here is measured by a clock, except that a poll must not return
//! early.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "network_contract/connecting.rs"]
mod connecting;
#[path = "network_contract/datagrams.rs"]
mod datagrams;
#[path = "network_contract/listeners.rs"]
mod listeners;
#[path = "network_contract/streams.rs"]
mod streams;
#[path = "network_contract/time_and_signals.rs"]
mod time_and_signals;
#[path = "network_contract/trial.rs"]
mod trial;
#[path = "network_contract/waking.rs"]
mod waking;
mod worlds;
