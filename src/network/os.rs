//! The operating system's network.

/// The operating system's network.
#[derive(Debug)]
pub struct OsNetwork;
