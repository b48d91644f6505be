//! A small world for the tests of the simulation: a listener, and connections through it.

use std::time::Duration;

use super::{Faults, SimNetwork, SimPeer};
use crate::config::SocketOptions;
use crate::network::{Event, Network, Progress, Readiness};
use crate::token::Token;

pub(super) const R: Readiness = Readiness::READABLE;
pub(super) const W: Readiness = Readiness::WRITABLE;
pub(super) const H: Readiness = Readiness::HANGUP;
pub(super) const LISTENER: Token = Token::endpoint(0);
pub(super) const SOCKET: Token = Token::endpoint(1);

pub(super) struct World {
    pub(super) net: SimNetwork,
    pub(super) address: std::net::SocketAddr,
    next_slot: u32,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_backlog(100)
    }

    pub(super) fn with_backlog(backlog: u32) -> Self {
        let mut net = SimNetwork::new(1);
        let options = SocketOptions { backlog, ..SocketOptions::default() };
        let address = "127.0.0.1:7000".parse().unwrap();
        net.listen(LISTENER, address, &options).unwrap();
        Self { net, address, next_slot: 0 }
    }

    /// With a pipe of this length.
    pub(super) fn with_pipe(bytes: usize) -> Self {
        let mut world = Self::new();
        world.net.set_pipe_len(bytes);
        world
    }

    pub(super) fn connect(&mut self) -> SimPeer {
        self.net.connect_to(self.address)
    }

    /// Accepts and adopts whoever is next.
    pub(super) fn accept(&mut self) -> Token {
        assert!(matches!(self.net.accept(LISTENER), Ok(Progress::Done(_))));
        let token = Token::connection(0, self.next_slot, 0);
        self.next_slot += 1;
        self.net.adopt(token).unwrap();
        token
    }

    /// A connection of which all is told: nothing to read was found, and there is room.
    pub(super) fn pair(&mut self) -> (SimPeer, Token) {
        let peer = self.connect();
        let token = self.accept();
        self.poll();
        assert_eq!(self.read(token, 9), None);
        (peer, token)
    }

    /// What a poll gives that does not wait.
    pub(super) fn poll(&mut self) -> Vec<(Token, Readiness)> {
        self.poll_for(Duration::ZERO)
    }

    pub(super) fn poll_for(&mut self, wait: Duration) -> Vec<(Token, Readiness)> {
        let mut events = Vec::<Event>::with_capacity(64);
        self.net.poll(&mut events, Some(wait)).unwrap();
        events.into_iter().map(|event| (event.token, event.readiness)).collect()
    }

    /// The bytes that a read with this much room gives, if it does not find itself blocked.
    pub(super) fn read(&mut self, token: Token, room: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; room];
        match self.net.read(token, &mut buffer).progress().unwrap() {
            Progress::Done(len) => Some(buffer[..len].to_vec()),
            Progress::Blocked => None,
        }
    }

    pub(super) fn faults(&mut self, change: impl FnOnce(&mut Faults)) {
        let mut faults = Faults::none();
        change(&mut faults);
        self.net.set_faults(faults);
    }
}
