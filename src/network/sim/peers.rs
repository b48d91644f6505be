//! The peers of the simulated network: what a test makes them do, and what it sees of them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::SimNetwork;
use super::faults::ConnectFailure;
use super::link::{Link, PeerState, Place, Reading, SimPeer};
use super::schedule::Scheduled;
use super::trace::Act;
use crate::network::Readiness;
use crate::token::Token;

impl SimNetwork {
    /// The peer sends `bytes`: as much as the pipe holds now, the rest at the polls after the loop
    /// has made room. What is sent before there is a connection goes when there is one, and what is
    /// sent when it is over is lost.
    ///
    /// # Panics
    ///
    /// If the peer has [finished](Self::finish).
    pub fn send_from(&mut self, peer: SimPeer, bytes: &[u8]) {
        self.trace.act(Act::PeerSend, peer.0 as u64, self.clock);
        self.trace.add_bytes(bytes);
        let link = &mut self.links[peer.0];
        if !link.is_over() {
            link.inbound.send(bytes);
            self.flow_in(peer.0);
        }
    }

    /// The peer says that it sends no more, behind everything it has sent. It goes on receiving.
    pub fn finish(&mut self, peer: SimPeer) {
        self.trace.act(Act::PeerFinish, peer.0 as u64, self.clock);
        let link = &mut self.links[peer.0];
        if !link.is_over() {
            link.inbound.finish();
            self.flow_in(peer.0);
        }
    }

    /// The peer resets the connection. What the loop has not read is lost, and so is what the peer
    /// has not taken. In the listener's queue it stays, to be accepted and found broken.
    pub fn reset(&mut self, peer: SimPeer) {
        self.trace.act(Act::PeerReset, peer.0 as u64, self.clock);
        self.break_link(peer.0, io::ErrorKind::ConnectionReset);
    }

    /// The peer takes nothing more of what it is sent, until it is told to [resume](Self::resume).
    pub fn stall(&mut self, peer: SimPeer) {
        self.set_reading(peer, Reading::Stalled);
    }

    /// The peer takes everything, at each poll, as peers do from the start.
    pub fn resume(&mut self, peer: SimPeer) {
        self.set_reading(peer, Reading::Prompt);
    }

    /// The peer takes at most `bytes` at a time, and waits for `every` before each.
    ///
    /// # Panics
    ///
    /// If one of them is zero.
    pub fn read_slowly(&mut self, peer: SimPeer, bytes: usize, every: Duration) {
        assert!(bytes > 0 && !every.is_zero(), "a peer that reads nothing, or all the time");
        self.set_reading(peer, Reading::Slow { bytes, every });
    }

    /// Everything the peer has received and that was not [taken](Self::take_received) out. For a
    /// peer that reads at each poll this includes what is in flight, which it has as good as
    /// received: only a reset before the next poll can still destroy it.
    pub fn received(&self, peer: SimPeer) -> &[u8] {
        let link = &self.links[peer.0];
        match link.reading {
            Reading::Prompt => link.outbound.all(),
            Reading::Stalled | Reading::Slow { .. } => link.outbound.taken(),
        }
    }

    /// Takes out everything the peer has [received](Self::received). Bytes that were in flight have
    /// then arrived, and their room is free.
    pub fn take_received(&mut self, peer: SimPeer) -> Vec<u8> {
        self.trace.act(Act::PeerTake, peer.0 as u64, self.clock);
        self.flow_out(peer.0);
        self.links[peer.0].outbound.remove_taken()
    }

    /// How things stand with the peer.
    pub fn state(&self, peer: SimPeer) -> PeerState {
        self.links[peer.0].state()
    }

    /// How many bytes the peer wants to send that have not found room yet.
    pub fn unsent_len(&self, peer: SimPeer) -> usize {
        self.links[peer.0].inbound.unsent_len()
    }

    /// How many bytes of the peer have arrived and were not read by the loop.
    pub fn unread_len(&self, peer: SimPeer) -> usize {
        self.links[peer.0].inbound.unread_len()
    }

    /// The peer's address, as the loop sees it.
    pub fn address(&self, peer: SimPeer) -> SocketAddr {
        self.links[peer.0].address
    }

    /// The token under which the loop holds this peer's connection, while it does.
    pub fn token(&self, peer: SimPeer) -> Option<Token> {
        match self.links[peer.0].place {
            Place::Dialing(token) | Place::Held(token) => Some(token),
            Place::Outside | Place::Queued | Place::Hand | Place::Left => None,
        }
    }

    /// Every peer there ever was, in the order they were made. (A connection of the loop to itself
    /// has two, which pass on what they receive, and are not for a test to command.)
    pub fn peers(&self) -> impl Iterator<Item = SimPeer> + use<> {
        (0..self.links.len()).map(SimPeer)
    }

    /// The connection breaks off with an error of this kind, which the loop's next read or write
    /// finds, and an event says so: as [`reset`](Self::reset), but for instance with
    /// [`TimedOut`](std::io::ErrorKind::TimedOut).
    pub fn fail_read(&mut self, peer: SimPeer, kind: io::ErrorKind) {
        self.trace.act(Act::PeerReset, peer.0 as u64, self.clock);
        self.break_link(peer.0, kind);
    }

    /// The loop's next write to this peer fails with an error of this kind, and the connection has
    /// broken off. No event says so before, except to a loop that waits for room.
    pub fn fail_write(&mut self, peer: SimPeer, kind: io::ErrorKind) {
        self.trace.act(Act::PeerReset, peer.0 as u64, self.clock);
        self.links[peer.0].write_error = Some(kind);
        if let Place::Held(token) = self.links[peer.0].place {
            self.check(token);
        }
    }

    fn set_reading(&mut self, peer: SimPeer, reading: Reading) {
        self.trace.act(Act::PeerReading, peer.0 as u64, self.clock);
        self.links[peer.0].reading = reading;
        self.stir(peer.0);
    }

    /// Notes that bytes may flow on this link at the next poll.
    pub(super) fn stir(&mut self, link: usize) {
        if !std::mem::replace(&mut self.links[link].is_stirred, true) {
            self.stirred.push(link);
        }
    }

    /// Lets all bytes flow that can: those to the loop first, since some of them may meet a closed
    /// socket, and the reset that answers them destroys what flows the other way.
    pub(super) fn flow(&mut self) {
        while !self.stirred.is_empty() {
            for link in std::mem::take(&mut self.stirred) {
                self.links[link].is_stirred = false;
                self.flow_in(link);
                match self.links[link].twin {
                    Some(twin) => self.pass_on(link, twin),
                    None => self.flow_out(link),
                }
            }
        }
    }

    /// What the peer sends goes as far as it fits.
    pub(super) fn flow_in(&mut self, index: usize) {
        let link = &mut self.links[index];
        if link.is_over() || matches!(link.place, Place::Outside | Place::Dialing(_)) {
            return;
        }
        let arrival = link.inbound.flow();
        match link.place {
            Place::Held(token) => {
                if arrival.is_end {
                    self.owe(token, Readiness::READABLE.with(Readiness::HANGUP));
                }
                self.check(token);
            }
            Place::Left if arrival.has_bytes => self.reset_peer(index),
            Place::Left | Place::Queued | Place::Hand => {}
            Place::Outside | Place::Dialing(_) => unreachable!("nothing flows there, see above"),
        }
    }

    /// The peer takes what it takes at a poll, or the next portion of a slow one is scheduled.
    fn flow_out(&mut self, index: usize) {
        match self.links[index].reading {
            Reading::Prompt => self.take(index, usize::MAX),
            Reading::Slow { every, .. } => {
                let link = &mut self.links[index];
                if link.outbound.in_flight_len() > 0 && !link.is_ticking {
                    link.is_ticking = true;
                    let when = self.moment(every);
                    self.schedule.add(when, Scheduled::PeerTakes { link: index });
                }
            }
            Reading::Stalled => {}
        }
    }

    /// The time has come for a slow peer to take a portion.
    pub(super) fn take_portion(&mut self, index: usize) {
        let link = &mut self.links[index];
        link.is_ticking = false;
        if let Reading::Slow { bytes, .. } = link.reading {
            self.take(index, bytes);
            self.flow_out(index);
        }
    }

    pub(super) fn take(&mut self, index: usize, max_len: usize) {
        let link = &mut self.links[index];
        link.outbound.take(max_len);
        if let Place::Held(token) = link.place {
            self.check(token);
        }
    }

    /// The connection breaks off from the peer's side: nothing more gets to the peer, and the
    /// server's end finds `error`.
    pub(super) fn break_link(&mut self, index: usize, error: io::ErrorKind) {
        let link = &mut self.links[index];
        if link.is_over() {
            return;
        }
        if let Place::Dialing(_) = link.place {
            self.fail_dial(index, ConnectFailure::Refused);
            return;
        }
        link.fate = Some(PeerState::Broken);
        link.is_broken = true;
        link.error = Some(error);
        link.discard();
        if let Place::Held(token) = link.place {
            self.owe(token, Readiness::ALL);
        }
        self.stir_twin(index);
    }

    /// The server's end resets the connection.
    pub(super) fn reset_peer(&mut self, index: usize) {
        let link = &mut self.links[index];
        link.place = Place::Left;
        if !link.is_over() {
            link.fate = Some(PeerState::Reset);
            link.discard();
        }
        self.stir_twin(index);
    }

    /// The server's end closes as the system does by itself.
    pub(super) fn leave(&mut self, index: usize) {
        let link = &mut self.links[index];
        if link.inbound.unread_len() > 0 || matches!(link.place, Place::Dialing(_)) {
            self.reset_peer(index);
            return;
        }
        link.place = Place::Left;
        link.outbound.finish();
        self.stir(index);
    }

    pub(super) fn add_link(&mut self, link: Link) -> SimPeer {
        self.links.push(link);
        SimPeer(self.links.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{R, W, World};
    use super::*;
    use crate::network::{Network, Progress};

    #[test]
    fn what_does_not_fit_arrives_at_the_polls_after_the_loop_has_read() {
        let mut world = World::with_pipe(4);
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"abcdef");
        assert_eq!((world.net.unread_len(peer), world.net.unsent_len(peer)), (4, 2));
        assert_eq!(world.poll(), [(token, R)]);
        assert_eq!(world.read(token, 9).unwrap(), b"abcd");
        assert_eq!(world.read(token, 9), None, "not before the next poll");
        assert_eq!(world.poll(), [(token, R)]);
        assert_eq!(world.read(token, 9).unwrap(), b"ef");
        assert_eq!(world.net.unsent_len(peer), 0);
    }

    #[test]
    fn a_stalled_peer_takes_nothing_until_it_resumes() {
        let mut world = World::with_pipe(4);
        let (peer, token) = world.pair();
        world.net.stall(peer);
        assert_eq!(world.net.write(token, b"abcdef").progress().unwrap(), Progress::Done(4));
        assert_eq!(world.poll(), []);
        assert_eq!(world.net.received(peer), b"");
        assert_eq!(world.net.write(token, b"ef").progress().unwrap(), Progress::Blocked);
        world.net.resume(peer);
        assert_eq!(world.poll(), [(token, W)]);
        assert_eq!(world.net.take_received(peer), b"abcd");
        assert_eq!(world.net.received(peer), b"");
    }

    #[test]
    fn what_is_taken_out_has_left_the_pipe() {
        let mut world = World::with_pipe(4);
        let (peer, token) = world.pair();
        assert_eq!(world.net.write(token, b"abcde").progress().unwrap(), Progress::Done(4));
        assert_eq!(world.net.take_received(peer), b"abcd");
        assert_eq!(world.net.write(token, b"e").progress().unwrap(), Progress::Done(1));
        assert_eq!(world.net.received(peer), b"e");
    }

    #[test]
    fn a_slow_peer_takes_a_portion_every_so_often() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.read_slowly(peer, 3, Duration::from_secs(2));
        world.net.write(token, b"abcdefg").progress().unwrap();
        for expected in ["", "", "abc", "abc", "abcdef", "abcdef", "abcdefg"] {
            assert_eq!(world.net.received(peer), expected.as_bytes());
            world.poll_for(Duration::from_secs(1));
        }
    }

    #[test]
    fn a_close_with_input_unread_resets_the_peer_and_loses_the_answer() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.write(token, b"taken").progress().unwrap();
        world.poll();
        world.net.send_from(peer, b"unread");
        world.net.write(token, b"answer").progress().unwrap();
        world.net.close(token);
        assert_eq!(world.net.state(peer), PeerState::Reset);
        assert_eq!(world.net.received(peer), b"taken");
        assert_eq!(world.net.unsent_len(peer), 0);
    }

    #[test]
    fn bytes_that_meet_a_closed_socket_reset_the_peer_and_lose_the_answer() {
        let mut world = World::with_pipe(4);
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"abcdef");
        world.read(token, 4);
        world.net.write(token, b"no").progress().unwrap();
        world.net.close(token);
        assert_eq!(world.net.state(peer), PeerState::Finished, "not yet");
        world.poll();
        assert_eq!(world.net.state(peer), PeerState::Reset);
        assert_eq!(world.net.received(peer), b"");
    }

    #[test]
    fn a_close_with_everything_read_delivers_the_answer() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.send_from(peer, b"ab");
        world.net.finish(peer);
        world.read(token, 9);
        world.net.write(token, b"answer").progress().unwrap();
        world.net.close(token);
        world.poll();
        assert_eq!(world.net.state(peer), PeerState::Finished);
        assert_eq!(world.net.received(peer), b"answer");
        assert_eq!(world.net.token(peer), None);
    }

    #[test]
    fn an_abort_resets_the_peer_and_loses_what_is_in_flight() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        assert_eq!(world.net.token(peer), Some(token));
        world.net.write(token, b"answer").progress().unwrap();
        world.net.abort(token);
        assert_eq!(world.net.state(peer), PeerState::Reset);
        assert_eq!(world.net.received(peer), b"");
        assert_eq!(world.net.open_sockets(), 1);
    }

    #[test]
    fn what_is_sent_when_it_is_over_is_lost() {
        let mut world = World::new();
        let (peer, token) = world.pair();
        world.net.abort(token);
        world.net.send_from(peer, b"ab");
        world.net.finish(peer);
        assert_eq!((world.net.unsent_len(peer), world.net.unread_len(peer)), (0, 0));
    }

    #[test]
    #[should_panic(expected = "a peer that has finished sends nothing more")]
    fn a_peer_that_has_finished_cannot_send() {
        let mut world = World::new();
        let (peer, _) = world.pair();
        world.net.finish(peer);
        world.net.send_from(peer, b"ab");
    }
}
