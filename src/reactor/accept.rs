//! Letting peers in, up to the limit, and what becomes of those who come beyond it.

use std::net::SocketAddr;

use super::{Reactor, Service};
use crate::acceptor::Taken;
use crate::config::AtLimit;
use crate::error::{CloseReason, Error};
use crate::network::Network;
use crate::shared::Turn;
use crate::token::Token;

impl Reactor {
    pub(super) fn accept(&mut self, network: &mut dyn Network) -> Result<(), Error> {
        let len = self.services.len();
        let first = self.accepts_first;
        self.may_evict = false;
        for index in (first..len).chain(0..first) {
            let mut budget = self.shared.config.accept_budget;
            while budget > 0 && self.accept_one(network, index)? {
                budget -= 1;
                self.accepts_first = (index + 1) % len;
            }
            self.may_evict |= budget == 0;
        }
        self.may_accept = self.services.iter().any(|service| match service {
            Service::Stream(acceptor, _) => acceptor.may_accept(),
            Service::Datagram(_) => false,
        });
        Ok(())
    }

    /// Lets the next peer of a listener in; says whether there may be another.
    pub(super) fn accept_one(
        &mut self,
        network: &mut dyn Network,
        index: usize,
    ) -> Result<bool, Error> {
        let Service::Stream(acceptor, _) = &self.services[index] else { return Ok(false) };
        if !acceptor.may_accept() {
            return Ok(false);
        }
        let is_full = self.connections_len() >= self.max_connections;
        let victim = match &self.shared.config.at_limit {
            AtLimit::Wait if is_full => return Ok(false),
            AtLimit::EvictIdle if is_full => match self.longest_idle() {
                None => return Ok(false),
                victim => victim,
            },
            _ => None,
        };
        let mut turn = Turn { network, shared: &mut self.shared, buffer: &mut self.buffer };
        let Service::Stream(acceptor, _) = &mut self.services[index] else { return Ok(false) };
        let peer = match acceptor.take(&mut turn)? {
            Taken::Peer(peer) => peer,
            Taken::Gone => return Ok(true),
            Taken::Nobody => return Ok(false),
        };
        match victim {
            Some(victim) => {
                self.cut(network, victim, CloseReason::Evicted);
                self.free_closed(network);
            }
            None if is_full => {
                self.refuse(network, peer);
                return Ok(true);
            }
            None => {}
        }
        Ok(self.admit(network, index, peer))
    }

    fn longest_idle(&mut self) -> Option<Token> {
        let idle = self.streams().filter_map(|endpoint| endpoint.longest_idle());
        idle.min().map(|(_, token)| token)
    }

    fn refuse(&mut self, network: &mut dyn Network, peer: SocketAddr) {
        self.shared.metrics.refused += 1;
        log::debug!("{peer} was refused: there are {} connections", self.max_connections);
        let farewell = match &self.shared.config.at_limit {
            AtLimit::Refuse(farewell) => farewell.clone(),
            AtLimit::Wait | AtLimit::EvictIdle => Default::default(),
        };
        network.refuse(&farewell);
    }

    /// Makes the peer in the network's hand a connection; says whether the next may be tried.
    fn admit(&mut self, network: &mut dyn Network, index: usize, peer: SocketAddr) -> bool {
        let Service::Stream(acceptor, endpoint) = &mut self.services[index] else { return false };
        let Some(token) = endpoint.next_token() else {
            self.refuse(network, peer);
            return true;
        };
        if !endpoint.prepare(&mut self.shared) {
            self.shared.metrics.accept_errors += 1;
            network.refuse(&[]);
            return true;
        }
        let adopted = network.adopt(token);
        let mut turn = Turn { network, shared: &mut self.shared, buffer: &mut self.buffer };
        match adopted {
            Ok(()) => {
                turn.shared.metrics.accepted += 1;
                endpoint.open(&mut turn, peer, self.drain.is_draining());
                self.keep_budget(network);
                true
            }
            Err(error) => {
                acceptor.fail(&mut turn, &error);
                false
            }
        }
    }
}
