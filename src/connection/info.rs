//! A row of the table of all connections.

use std::net::SocketAddr;

use super::{Connection, Identity, Phase};
use crate::instant::Instant;
use crate::token::ConnectionId;

/// What is known of a connection, for whoever looks at all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo<'a> {
    /// Its name, which is never given to another.
    pub id: ConnectionId,
    /// The other end.
    pub peer: SocketAddr,
    /// Where it is on its way to the end.
    pub phase: Phase,
    /// When it was opened; of one that is still being made, when that began.
    pub opened: Instant,
    /// When bytes last came or went.
    pub last_active: Instant,
    /// The memory held for input that could not be used up at once, in bytes.
    pub buffered_in: usize,
    /// The output that waits for the peer, in bytes.
    pub buffered_out: usize,
    /// How many bytes were read from the peer.
    pub bytes_received: u64,
    /// How many bytes the kernel took for the peer.
    pub bytes_sent: u64,
    /// How many frames were run.
    pub frames: u64,
    /// Whether it is not read because it does not take its output.
    pub is_held_back: bool,
    /// Who was authenticated, if anybody.
    pub identity: Option<&'a Identity>,
}

impl Connection {
    /// Its row of the table.
    pub(crate) fn info(&self) -> ConnectionInfo<'_> {
        ConnectionInfo {
            id: ConnectionId(self.token),
            peer: self.peer(),
            phase: self.phase,
            opened: self.opened,
            last_active: self.last_active,
            buffered_in: self.input.as_ref().map_or(0, |input| input.held_len()),
            buffered_out: self.queued_len(),
            bytes_received: self.bytes_received(),
            bytes_sent: self.bytes_sent(),
            frames: self.frames,
            is_held_back: self.flags.contains(super::Flags::OUTPUT),
            identity: self.notes().and_then(|notes| notes.identity.as_ref()),
        }
    }
}
