//! Connections of the loop to itself: two links, each peer of which passes on what it receives.

use std::io;

use super::SimNetwork;
use super::faults::ConnectFailure;
use super::link::{Link, Place, SimPeer};

impl SimNetwork {
    /// A connection of the loop reaches a listener of the same loop, or nobody.
    pub(super) fn reach_listener(&mut self, index: usize) {
        let Link { address, server, .. } = self.links[index];
        if self.listener_for(server, address).is_none() {
            self.fail_dial(index, ConnectFailure::Refused);
            return;
        }
        let SimPeer(twin) = self.add_link(Link::new(server, address));
        self.links[twin].twin = Some(index);
        self.links[index].twin = Some(twin);
        self.knock(twin, 0);
    }

    /// The end that connects learns whether the end that was to be accepted got in.
    pub(super) fn tell_twin(&mut self, index: usize, failure: Option<ConnectFailure>) {
        match (self.links[index].twin, failure) {
            (Some(twin), Some(failure)) => self.fail_dial(twin, failure),
            (Some(twin), None) => self.establish(twin),
            (None, _) => {}
        }
    }

    /// Notes that there is something to pass on, if there is anybody to pass it on to.
    pub(super) fn stir_twin(&mut self, index: usize) {
        if self.links[index].twin.is_some() {
            self.stir(index);
        }
    }

    /// What the loop has written at either end goes to the other.
    pub(super) fn pass_on(&mut self, index: usize, twin: usize) {
        self.pass_one_way(index, twin);
        self.pass_one_way(twin, index);
    }

    fn pass_one_way(&mut self, from: usize, to: usize) {
        if self.links[from].is_over() {
            self.break_link(to, io::ErrorKind::ConnectionReset);
            return;
        }
        if self.links[to].is_over() || !self.links[to].is_reached() {
            return;
        }
        self.take(from, self.links[to].inbound.room());
        let source = &mut self.links[from].outbound;
        let bytes = source.remove_taken();
        let is_end = source.is_finished() && source.in_flight_len() == 0;
        let target = &mut self.links[to].inbound;
        if !bytes.is_empty() {
            target.send(&bytes);
        }
        if is_end {
            target.finish();
        }
        self.flow_in(to);
    }
}

impl Link {
    /// Whether both ends are there.
    fn is_reached(&self) -> bool {
        !matches!(self.place, Place::Outside | Place::Dialing(_))
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{H, LISTENER, R, W, World};
    use super::*;
    use crate::config::SocketOptions;
    use crate::network::{ConnectError, Network, Progress, Readiness};
    use crate::token::Token;

    const HERE: Token = Token::connection(1, 0, 0);

    fn connect(world: &mut World) {
        let options = SocketOptions::default();
        Network::connect(&mut world.net, HERE, world.address, &options).unwrap();
    }

    /// Both ends of a connection of the loop to itself, with nothing left to tell.
    fn pair(world: &mut World) -> Token {
        connect(world);
        world.poll();
        let there = world.accept();
        assert_eq!(world.net.connected(HERE).unwrap(), Progress::Done(()));
        world.poll();
        assert_eq!((world.read(HERE, 9), world.read(there, 9)), (None, None));
        there
    }

    #[test]
    fn a_full_pipe_holds_up_the_writer_until_the_reader_has_read() {
        let mut world = World::with_pipe(4);
        let there = pair(&mut world);
        assert_eq!(world.net.write(HERE, b"abcdefghi").progress().unwrap(), Progress::Done(4));
        assert_eq!(world.poll(), [(HERE, W), (there, R)]);
        assert_eq!(world.net.write(HERE, b"efghi").progress().unwrap(), Progress::Done(4));
        assert_eq!(world.poll(), [], "the second pipe is full too");
        assert_eq!(world.read(there, 9).unwrap(), b"abcd");
        assert_eq!(world.poll(), [(HERE, W), (there, R)]);
        assert_eq!(world.read(there, 9).unwrap(), b"efgh");
    }

    #[test]
    fn the_end_comes_behind_all_bytes_also_through_a_full_pipe() {
        let mut world = World::with_pipe(4);
        let there = pair(&mut world);
        world.net.write(HERE, b"abcd").progress().unwrap();
        world.poll();
        world.net.write(HERE, b"ef").progress().unwrap();
        world.net.close(HERE);
        assert_eq!(world.poll(), []);
        assert_eq!(world.read(there, 9).unwrap(), b"abcd");
        assert_eq!(world.poll(), [(there, R.with(H))]);
        assert_eq!(world.read(there, 9).unwrap(), b"ef");
        assert_eq!(world.read(there, 9).unwrap(), b"");
    }

    #[test]
    fn an_end_without_bytes_before_it_comes_too() {
        let mut world = World::new();
        let there = pair(&mut world);
        world.net.shutdown_write(HERE).unwrap();
        assert_eq!(world.poll(), [(there, R.with(H))]);
        assert_eq!(world.read(there, 9).unwrap(), b"");
    }

    #[test]
    fn a_reset_of_either_end_is_found_at_the_other() {
        let mut world = World::new();
        let there = pair(&mut world);
        world.net.abort(there);
        assert_eq!(world.poll(), [(HERE, Readiness::ALL)]);
        let error = world.net.read(HERE, &mut [0; 9]).progress().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let mut world = World::new();
        let there = pair(&mut world);
        world.net.write(there, b"unread").progress().unwrap();
        world.poll();
        world.net.close(HERE);
        assert_eq!(world.poll(), [(there, Readiness::ALL)], "closed with bytes unread");
    }

    #[test]
    fn bytes_that_meet_a_closed_end_reset_the_other_in_the_same_poll() {
        let mut world = World::new();
        let there = pair(&mut world);
        world.net.close(HERE);
        assert_eq!(world.poll(), [(there, R.with(H))]);
        world.net.write(there, b"too late").progress().unwrap();
        assert_eq!(world.poll(), [(there, Readiness::ALL)]);
    }

    #[test]
    fn a_fault_breaks_both_ends() {
        let mut world = World::new();
        let there = pair(&mut world);
        world.faults(|faults| faults.reset = 1000);
        world.net.write(HERE, b"ab").progress().unwrap_err();
        world.faults(|_| ());
        assert!(world.poll().contains(&(there, Readiness::ALL)));
    }

    #[test]
    fn who_finds_the_queue_full_gets_in_later_or_not_at_all() {
        let mut world = World::with_backlog(0);
        world.connect();
        connect(&mut world);
        assert_eq!(world.poll(), [(LISTENER, R)]);
        world.accept();
        assert!(matches!(world.net.accept(LISTENER), Ok(Progress::Blocked)));
        world.poll();
        let second = std::time::Duration::from_secs(1);
        assert_eq!(world.poll_for(second), [(LISTENER, R), (HERE, W)]);

        let mut world = World::with_backlog(0);
        world.connect();
        connect(&mut world);
        world.poll();
        assert_eq!(world.poll_for(200 * second), [(HERE, Readiness::ALL)]);
        assert!(matches!(world.net.connected(HERE), Err(ConnectError::TimedOut(_))));
    }

    #[test]
    fn a_listener_that_closes_resets_who_waits_in_its_queue() {
        let mut world = World::new();
        connect(&mut world);
        world.poll();
        assert_eq!(world.net.connected(HERE).unwrap(), Progress::Done(()));
        world.net.close(LISTENER);
        assert_eq!(world.poll(), [(HERE, Readiness::ALL)]);
    }

    #[test]
    fn one_that_is_given_up_before_it_got_in_never_does() {
        let mut world = World::with_backlog(0);
        world.connect();
        connect(&mut world);
        world.poll();
        world.net.close(HERE);
        world.poll();
        world.accept();
        world.poll_for(std::time::Duration::from_secs(200));
        assert_eq!(world.net.queue_len(world.address), 0);
    }
}
