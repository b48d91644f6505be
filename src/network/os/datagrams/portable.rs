//! Datagrams in and out of a UDP socket, where nothing is known of batches.

use std::io;

use super::{Port, one_by_one};
use crate::batch::{Incoming, Outgoing};
use crate::network::Progress;

/// What the sockets of a network have in common for the work.
#[derive(Debug, Default)]
pub(in crate::network::os) struct Desk;

impl Port {
    /// Receives until the batch is full or no more is there.
    pub(in crate::network::os) fn receive(
        &mut self,
        _: &mut Desk,
        batch: &mut Incoming,
    ) -> io::Result<Progress<()>> {
        batch.clear();
        one_by_one::receive(&self.socket, batch)
    }

    /// Sends until the batch is empty or the socket takes no more.
    pub(in crate::network::os) fn send(
        &mut self,
        _: &mut Desk,
        batch: &mut Outgoing,
    ) -> io::Result<Progress<()>> {
        one_by_one::send(&self.socket, batch)
    }
}
