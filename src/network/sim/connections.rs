//! Reading and writing of the simulated network's connections.

use std::io::{self, IoSlice};

use super::SimNetwork;
use super::edges::{Kind, unknown};
use crate::network::Progress;
use crate::token::Token;

impl SimNetwork {
    /// The link of a connection that is open.
    fn link_of(&mut self, connection: Token) -> io::Result<usize> {
        match self.sockets.get(&connection).map(|socket| &socket.kind) {
            Some(Kind::Connection(link)) => Ok(*link),
            _ => {
                self.calls.unknown_tokens += 1;
                Err(unknown(connection, "connection"))
            }
        }
    }

    /// Fails if the connection has broken and nobody was told, or breaks now.
    fn check_unbroken(&mut self, index: usize) -> io::Result<()> {
        if self.random.chance(self.faults.reset) {
            self.break_link(index, io::ErrorKind::ConnectionReset);
        }
        match self.links[index].error.take() {
            Some(kind) => Err(io::Error::new(kind, format!("{kind} (simulated)"))),
            None => Ok(()),
        }
    }

    pub(super) fn read_connection(
        &mut self,
        token: Token,
        buffer: &mut [u8],
    ) -> io::Result<Progress<usize>> {
        assert!(!buffer.is_empty(), "a read without a buffer");
        let index = self.link_of(token)?;
        self.check_unbroken(index)?;
        let link = &self.links[index];
        let unread = link.inbound.unread_len();
        let is_at_end = unread == 0 && (link.is_broken || link.inbound.end_arrived());
        let is_empty = unread == 0 && !is_at_end;
        if is_empty || self.random.chance(self.faults.blocked_read) {
            self.edges(token).read_waits = true;
            self.check(token);
            return Ok(Progress::Blocked);
        }
        if is_at_end {
            return Ok(Progress::Done(0));
        }
        let len = self.part_of(unread.min(buffer.len()), self.faults.partial_read);
        let len = self.links[index].inbound.read(&mut buffer[..len]);
        let edges = self.edges(token);
        edges.read_waits = len < buffer.len() && !edges.hangup_told;
        self.stir(index);
        self.check(token);
        Ok(Progress::Done(len))
    }

    pub(super) fn write_connection(
        &mut self,
        token: Token,
        parts: &[IoSlice<'_>],
    ) -> io::Result<Progress<usize>> {
        let index = self.link_of(token)?;
        self.check_unbroken(index)?;
        if let Some(kind) = self.links[index].write_error.take() {
            self.break_link(index, kind);
            return self.check_unbroken(index).map(|()| Progress::Blocked);
        }
        let link = &self.links[index];
        if link.is_broken || link.outbound.is_finished() {
            let text = "EPIPE: broken pipe (simulated)";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, text));
        }
        let wanted = parts.iter().map(|part| part.len()).sum::<usize>();
        let room = link.outbound.room();
        if room == 0 || self.random.chance(self.faults.blocked_write) {
            self.edges(token).write_waits = true;
            self.check(token);
            return Ok(Progress::Blocked);
        }
        let len = self.part_of(wanted.min(room), self.faults.partial_write);
        let mut left = len;
        for part in parts {
            let taken = &part[..part.len().min(left)];
            self.links[index].outbound.write(taken);
            self.trace.add_bytes(taken);
            left -= taken.len();
        }
        self.edges(token).write_waits = len < wanted;
        self.stir(index);
        self.check(token);
        Ok(Progress::Done(len))
    }

    pub(super) fn shutdown_connection(&mut self, token: Token) -> io::Result<()> {
        let index = self.link_of(token)?;
        let link = &mut self.links[index];
        if link.is_broken {
            let text = "ENOTCONN: the connection has broken (simulated)";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        }
        link.outbound.finish();
        Ok(())
    }
}
