//! A simulated network.

/// Faults.
#[derive(Debug)]
pub struct Faults;
/// A simulated network.
#[derive(Debug)]
pub struct SimNetwork;
/// A simulated peer.
#[derive(Debug)]
pub struct SimPeer;
