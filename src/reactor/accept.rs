//! Letting peers in, up to the limit, and what becomes of those who come beyond it.

use super::{Reactor, Service};
use crate::acceptor::Taken;
use crate::config::AtLimit;
use crate::endpoint::Endpoint;
use crate::error::{CloseReason, Error};
use crate::layers::Admission;
use crate::metrics::Work;
use crate::middleware::Arrival;
use crate::outside::Outside;
use crate::token::Token;

impl Reactor {
    pub(super) fn accept(&mut self, network: &mut Outside<'_>) -> Result<(), Error> {
        let len = self.services.len();
        let first = self.accepts_first;
        self.may_evict = false;
        for index in (first..len).chain(0..first) {
            let mut budget = self.tools.shared.config.accept_budget;
            while budget > 0 && self.accept_one(network, index)? {
                planted!(AcceptBudgetOff, budget += 1);
                budget -= 1;
                self.accepts_first = (index + 1) % len;
            }
            self.may_evict |= budget == 0;
        }
        self.may_accept = self.services.iter().any(|service| match service {
            Service::Stream(acceptor, _) => {
                acceptor.may_accept() && !planted!(ListenerForgottenAtBudget)
            }
            Service::Datagram(_) => false,
        });
        Ok(())
    }

    /// Lets the next peer of a listener in; says whether there may be another.
    pub(super) fn accept_one(
        &mut self,
        network: &mut Outside<'_>,
        index: usize,
    ) -> Result<bool, Error> {
        let Service::Stream(acceptor, _) = &self.services[index] else { return Ok(false) };
        if !acceptor.may_accept() {
            return Ok(false);
        }
        let is_full = self.accepted_len() >= self.max_connections;
        let victim = match &self.tools.shared.config.at_limit {
            AtLimit::Wait if is_full => return Ok(false),
            AtLimit::EvictIdle if is_full => match self.longest_idle() {
                None => return Ok(false),
                victim => victim,
            },
            _ => None,
        };
        let mut turn = self.tools.turn(network);
        let Service::Stream(acceptor, _) = &mut self.services[index] else { return Ok(false) };
        let peer = match acceptor.take(&mut turn)? {
            Taken::Peer(peer) => peer,
            Taken::Gone => return Ok(true),
            Taken::Nobody => return Ok(false),
        };
        let door = acceptor.token();
        let listener = acceptor.address().expect("a peer has come to a listener");
        let arrival = Arrival { peer, listener, now: turn.shared.now };
        if let Admission::Refused(refusal) =
            turn.bench.layers.on_accept(turn.shared, index, &arrival)
            && !planted!(RefusalUnheard)
        {
            turn.shared.metrics.refused_by_layers += 1;
            network.refuse(&refusal.farewell);
            self.measure(network, Work::Accept, door);
            return Ok(true);
        }
        match victim {
            Some(victim) => {
                self.cut(network, victim, CloseReason::Evicted);
                self.free_closed(network);
            }
            None if is_full => {
                self.refuse(network, index, &arrival);
                self.measure(network, Work::Accept, door);
                return Ok(true);
            }
            None => {}
        }
        Ok(self.admit(network, index, &arrival))
    }

    fn longest_idle(&mut self) -> Option<Token> {
        let idle = self.endpoints().filter_map(Endpoint::longest_idle);
        idle.min().map(|(_, token)| token)
    }

    /// There is no room for the peer in the network's hand.
    fn refuse(&mut self, network: &mut Outside<'_>, index: usize, arrival: &Arrival) {
        let mut turn = self.tools.turn(network);
        planted!(RefusedPeerIsKept, return);
        turn.shared.metrics.refused += 1;
        log::debug!("{} was refused: there are {} connections", arrival.peer, self.max_connections);
        turn.bench.layers.on_refused(
            turn.shared,
            index,
            arrival,
            "the limit",
            "there are as many connections as there may be",
        );
        match &turn.shared.config.at_limit {
            AtLimit::Refuse(farewell) => turn.network.refuse(farewell),
            AtLimit::Wait | AtLimit::EvictIdle => turn.network.refuse(&[]),
        }
    }

    /// Makes the peer in the network's hand a connection; says whether the next may be tried.
    fn admit(&mut self, network: &mut Outside<'_>, index: usize, arrival: &Arrival) -> bool {
        let Service::Stream(acceptor, endpoint) = &mut self.services[index] else { return false };
        let Some(token) = endpoint.next_token() else {
            self.refuse(network, index, arrival);
            return true;
        };
        if !endpoint.prepare(&mut self.tools.shared) {
            self.tools.shared.metrics.accept_errors += 1;
            network.refuse(&[]);
            return true;
        }
        let adopted = network.adopt(token);
        let adopted = if planted!(AdoptionUnchecked) { Ok(()) } else { adopted };
        let mut turn = self.tools.turn(network);
        match adopted {
            Ok(()) => {
                turn.shared.metrics.accepted += 1;
                let is_draining = self.drain.is_draining() && !planted!(NewcomerOfTheDrain);
                endpoint.open(&mut turn, arrival.peer, is_draining);
                self.keep_budget(network);
                self.measure(network, Work::Accept, token);
                true
            }
            Err(error) => {
                acceptor.fail(&mut turn, &error);
                false
            }
        }
    }
}
