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
