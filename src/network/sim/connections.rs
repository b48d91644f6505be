//! Reading and writing of the simulated network's connections.

use std::io::{self, IoSlice};

use super::SimNetwork;
use super::edges::{Kind, unknown};
use super::link::Traffic;
use crate::network::Progress;
use crate::token::Token;

impl SimNetwork {
    /// The link of a connection that is open.
    pub(super) fn link_of(&mut self, connection: Token) -> io::Result<usize> {
        match self.sockets.get(&connection).map(|socket| &socket.kind) {
            Some(Kind::Connection(link)) => Ok(*link),
            _ => {
                self.calls.unknown_tokens += 1;
                Err(unknown(connection, "connection"))
            }
        }
    }

    /// The same, of one that can be used.
    fn proven_link_of(&mut self, connection: Token) -> io::Result<usize> {
        let index = self.link_of(connection)?;
        let is_proven = self.links[index].is_proven;
        assert!(is_proven, "{connection:?} is used before it is known to be connected");
        Ok(index)
    }

    /// Fails if the connection has broken and nobody was told, or breaks now.
    pub(super) fn check_unbroken(&mut self, index: usize) -> io::Result<()> {
        if let Some(kind) = self.forced_error() {
            self.break_link(index, kind);
        } else if self.random.chance(self.faults.reset) {
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
        let index = self.proven_link_of(token)?;
        self.check_unbroken(index)?;
        let link = &self.links[index];
        let unread = link.inbound.unread_len();
        let is_at_end = unread == 0 && (link.is_broken || link.inbound.end_arrived());
        let is_empty = unread == 0 && !is_at_end;
        if is_empty || self.is_blocked_now(self.faults.blocked_read) {
            // Whatever there is yet to be told comes with a new event.
            let edges = self.edges(token);
            (edges.read_waits, edges.hangup_told) = (true, false);
            self.check(token);
            return Ok(Progress::Blocked);
        }
        if is_at_end {
            return Ok(Progress::Done(0));
        }
        let len = self.part_of(unread.min(buffer.len()), self.faults.partial_read);
        let len = self.links[index].inbound.read(&mut buffer[..len]);
        self.count_read(index, len);
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
        let index = self.proven_link_of(token)?;
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
        if room == 0 || self.is_blocked_now(self.faults.blocked_write) {
            self.edges(token).write_waits = true;
            self.check(token);
            return Ok(Progress::Blocked);
        }
        let len = self.part_of(wanted.min(room), self.faults.partial_write);
        let mut left = len;
        for part in parts {
            let taken = &part[..part.len().min(left)];
            self.links[index].outbound.write(taken);
            left -= taken.len();
        }
        self.edges(token).write_waits = len < wanted;
        self.stir(index);
        self.check(token);
        Ok(Progress::Done(len))
    }

    /// What has happened on a connection since the last poll.
    pub(super) fn traffic(&mut self, index: usize) -> &mut Traffic {
        let poll = self.calls.polls;
        let traffic = &mut self.links[index].traffic;
        if traffic.poll != poll {
            *traffic = Traffic { poll, events: 0, read_len: 0 };
        }
        traffic
    }

    /// So much was read.
    fn count_read(&mut self, index: usize, len: usize) {
        let traffic = self.traffic(index);
        traffic.read_len += len;
        let per_event = traffic.read_len.div_ceil(traffic.events.max(1)) as u64;
        self.calls.most_read = self.calls.most_read.max(per_event);
    }

    pub(super) fn shutdown_connection(&mut self, token: Token) -> io::Result<()> {
        let index = self.proven_link_of(token)?;
        if let Some(kind) = self.forced_error() {
            self.break_link(index, kind);
            self.check_forced()?;
        }
        let link = &mut self.links[index];
        if link.is_broken {
            let text = "ENOTCONN: the connection has broken (simulated)";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        }
        link.outbound.finish();
        self.stir_twin(index);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::PeerState;
    use super::super::harness::{R, W, World};
    use super::*;
    use crate::network::Network;

    #[test]
    fn a_partial_read_is_owed_an_event() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.faults(|faults| faults.partial_read = 1000);
        world.net.send_from(peer, b"abcdefgh");
        let mut bytes = Vec::new();
        let mut turns = 0;
        while bytes.len() < 8 {
            assert_eq!(world.poll(), [(token, R)]);
            bytes.extend(world.read(token, 9).unwrap());
            turns += 1;
        }
        assert_eq!(bytes, b"abcdefgh");
        assert!(turns > 1);
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn a_partial_write_is_owed_an_event() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.faults(|faults| faults.partial_write = 1000);
        let Progress::Done(len) = world.net.write(token, b"abcdefgh").progress().unwrap() else {
            panic!()
        };
        assert!(len < 8, "{len}");
        assert_eq!(world.poll(), [(token, W)]);
        assert_eq!(world.net.received(peer), &b"abcdefgh"[..len]);
    }

    #[test]
    fn a_blocked_read_is_owed_an_event() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        world.net.finish(peer);
        world.poll();
        world.faults(|faults| faults.blocked_read = 1000);
        assert_eq!(world.read(token, 9), None);
        world.faults(|_| ());
        assert!(world.poll()[0].1.contains(R));
        assert_eq!(world.read(token, 9).unwrap(), b"ab");
    }

    #[test]
    fn a_blocked_write_is_owed_an_event() {
        let mut world = World::new();
        let (_, token) = world.pair();
        world.faults(|faults| faults.blocked_write = 1000);
        assert_eq!(world.net.write(token, b"ab").progress().unwrap(), Progress::Blocked);
        assert_eq!(world.poll(), [(token, W)]);
    }

    #[test]
    fn parts_are_written_one_after_the_other_as_far_as_they_fit() {
        let mut world = World::with_pipe(5);
        let (peer, token) = world.pair();
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cd"), IoSlice::new(b"ef")];
        assert_eq!(world.net.write_vectored(token, &parts).progress().unwrap(), Progress::Done(5));
        assert_eq!(world.net.received(peer), b"abcde");
        assert_eq!(world.net.write(token, b"f").progress().unwrap(), Progress::Blocked);
        assert_eq!(world.poll(), [(token, W)], "the peer has taken all of it meanwhile");
    }

    #[test]
    fn a_reset_by_chance_breaks_the_connection_for_both() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.faults(|faults| faults.reset = 1000);
        let error = world.net.write(token, b"ab").progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(world.net.state(peer), PeerState::Broken);
        assert_eq!(world.net.received(peer), b"");
        world.net.connect_to(world.address);
        let (peer, _) = (world.connect(), world.poll());
        assert!(world.net.peers().any(|other| world.net.state(other) == PeerState::Broken));
        assert_ne!(world.net.state(peer), PeerState::Open);
    }

    #[test]
    fn an_error_of_any_kind_can_be_had_at_the_next_read_or_write() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.fail_read(peer, io::ErrorKind::TimedOut);
        assert!(world.poll()[0].1.contains(R));
        let error = world.net.read(token, &mut [0; 9]).progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let (peer, token) = world.pair();
        world.net.fail_write(peer, io::ErrorKind::HostUnreachable);
        assert_eq!(world.poll(), []);
        assert_eq!(world.read(token, 9), None, "reading goes on till then");
        let error = world.net.write(token, b"ab").progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::HostUnreachable);
        assert_eq!(world.net.state(peer), PeerState::Broken);
    }

    #[test]
    fn a_failing_write_wakes_a_loop_that_waits_for_room() {
        let mut world = World::with_pipe(4);
        let (peer, token) = world.pair();
        world.net.stall(peer);
        assert_eq!(world.net.write(token, b"01234").progress().unwrap(), Progress::Done(4));
        assert_eq!(world.poll(), []);
        world.net.fail_write(peer, io::ErrorKind::TimedOut);
        assert_eq!(world.poll(), [(token, W)]);
    }

    #[test]
    fn after_the_shutdown_nothing_is_written_and_reading_goes_on() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.write(token, b"bye").progress().unwrap();
        world.net.shutdown_write(token).unwrap();
        assert_eq!(world.net.state(peer), PeerState::Finished);
        assert_eq!(world.net.received(peer), b"bye");
        let error = world.net.write(token, b"more").progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        world.net.send_from(peer, b"still");
        assert_eq!(world.poll(), [(token, R)]);
        assert_eq!(world.read(token, 9).unwrap(), b"still");
        assert_eq!(world.net.state(peer), PeerState::Finished);
    }

    #[test]
    fn a_broken_connection_has_no_address_and_cannot_be_shut_down() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        assert_eq!(world.net.local_addr(token).unwrap(), world.address);
        world.net.reset(peer);
        let error = world.net.local_addr(token).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        let error = world.net.shutdown_write(token).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    }

    #[test]
    fn a_token_that_names_nothing_is_not_found_and_counted() {
        let mut world = World::new();
        let (_, token) = world.pair();
        world.net.close(token);
        world.net.close(token);
        world.net.abort(token);
        assert_eq!(world.net.calls().unknown_tokens, 0, "closing twice is allowed");
        let error = world.net.read(token, &mut [0; 9]).progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = world.net.write(super::super::harness::LISTENER, b"ab").progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(world.net.shutdown_write(token).is_err());
        assert!(world.net.local_addr(token).is_err());
        assert!(world.net.accept(token).is_err());
        assert_eq!(world.net.calls().unknown_tokens, 4);
    }

    #[test]
    fn a_slow_peer_sees_the_end_behind_all_bytes() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.read_slowly(peer, 2, Duration::from_secs(1));
        world.net.write(token, b"abc").progress().unwrap();
        world.net.close(token);
        assert_eq!(world.poll_for(Duration::from_millis(1500)), []);
        assert_eq!(world.net.received(peer), b"ab");
        assert_eq!(world.net.state(peer), PeerState::Open);
        assert_eq!(world.poll_for(Duration::from_secs(1)), []);
        assert_eq!(world.net.received(peer), b"abc");
        assert_eq!(world.net.state(peer), PeerState::Finished);
    }
}
