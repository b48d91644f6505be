//! What one connection of a load says, and what it has to hear.

use std::io::IoSlice;

use super::histogram::Histogram;
use crate::trouble::Trouble;

/// The messages that one connection has in flight.
pub(super) trait Talk {
    /// What the connections of a load have together.
    type Shared;

    /// How many messages are not yet answered.
    fn outstanding(&self) -> u64;

    /// Prepares so many messages to be sent.
    fn issue(&mut self, count: u64, now: u64, shared: &Self::Shared);

    /// What is to be sent, in one part or two.
    fn unsent(&self) -> [IoSlice<'_>; 2];

    fn note_sent(&mut self, len: usize);

    /// Compares what came with what has to, and gives how many answers are whole with it.
    ///
    /// # Errors
    /// Which byte is wrong, or that nothing more was to come.
    fn note_received(
        &mut self,
        bytes: &[u8],
        now: u64,
        histogram: &mut Histogram,
        shared: &mut Self::Shared,
    ) -> Result<u64, Trouble>;

    /// That the server closed the connection.
    fn closed(&self) -> Trouble;
}
