//! The loop's own end: the steps of a drain and of a stop.

use super::{Reactor, Service};
use crate::error::CloseReason;
use crate::mailbox::Request;
use crate::metrics::Work;
use crate::outside::Outside;

impl Reactor {
    /// It will never turn: closes whatever was opened for it.
    pub(crate) fn abandon(&mut self, network: &mut Outside<'_>) {
        let connections: Vec<_> = self.endpoints().flat_map(|endpoint| endpoint.tokens()).collect();
        let own = self.services.iter().map(Service::token);
        own.chain(connections).for_each(|token| network.close(token));
    }

    pub(super) fn advance_drain(&mut self, network: &mut Outside<'_>) {
        // No more than can be in the mailbox, whatever is posted meanwhile.
        let mailbox_len = self.tools.shared.config.mailbox_len;
        match self.drain.take_request() {
            None => {}
            Some(Request::Drain) => {
                if !self.drain.is_draining() {
                    self.run_all_commands(network, mailbox_len);
                }
                self.begin_drain(network);
            }
            Some(Request::Stop) => {
                self.begin_drain(network);
                self.stop_all(network, || CloseReason::Stopped);
            }
        }
        if self.drain.take_expiry(self.tools.shared.now) {
            self.stop_all(network, || CloseReason::DrainTimeout);
        }
        self.free_closed(network);
        if self.accepted_len() == 0 {
            self.drain_outbound(network);
        }
        // What was asked for last: nobody may be left to ask again. A stop does what callbacks
        // asked for, and no more.
        if self.is_empty() {
            let posted = if self.drain.is_stopped() { 0 } else { mailbox_len };
            self.run_all_commands(network, posted);
        }
        // Whoever closed only now is freed after this: the next turn, which must not sleep, sees
        // whether anybody is left.
        self.tools.shared.has_commands |= !self.tools.shared.closed.is_empty();
        if self.is_empty() {
            self.drain.finish(self.tools.shared.now);
        }
    }

    /// Whether nobody is left to be served.
    fn is_empty(&self) -> bool {
        self.services.iter().all(|service| match service {
            Service::Stream(_, endpoint) => endpoint.len() == 0 || planted!(LeavesTooEarly),
            Service::Datagram(endpoint) => endpoint.is_closed(),
        })
    }

    /// Accepts who has already arrived, then nobody; tells everyone.
    fn begin_drain(&mut self, network: &mut Outside<'_>) {
        if !self.drain.begin(self.tools.shared.now, &self.tools.shared.config) {
            return;
        }
        log::info!("draining {} connections", self.connections_len());
        for index in 0..self.services.len() {
            self.drain_service(network, index);
        }
        self.free_closed(network);
        for index in 0..self.services.len() {
            if let Service::Stream(acceptor, _) = &mut self.services[index] {
                acceptor.on_event();
            }
            // No more than can have been in the queue, whoever comes meanwhile.
            let mut queue_len = u64::from(self.tools.shared.config.socket.backlog) + 1;
            while queue_len > 0 && self.accept_last(network, index) {
                planted!(DrainResetsTheQueue, break);
                queue_len -= 1;
            }
            let mut turn = self.tools.turn(network);
            if let Service::Stream(acceptor, _) = &mut self.services[index] {
                acceptor.close(&mut turn);
            }
        }
    }

    /// As [`accept_one`](Self::accept_one), of a listener that is closed next: that it has broken
    /// is no reason to break off with everybody else.
    fn accept_last(&mut self, network: &mut Outside<'_>, index: usize) -> bool {
        let accepted = self.accept_one(network, index);
        accepted.unwrap_or_else(|error| {
            log::warn!("{error}");
            false
        })
    }

    /// Tells an endpoint, or all its connections, that the loop drains.
    fn drain_service(&mut self, network: &mut Outside<'_>, index: usize) {
        let mut turn = self.tools.turn(network);
        let tokens = match &mut self.services[index] {
            Service::Stream(_, endpoint) => endpoint.tokens(),
            Service::Datagram(endpoint) => return endpoint.drain(&mut turn, &mut self.incoming),
        };
        for token in tokens {
            self.with_endpoint(network, token, |endpoint, turn| endpoint.drain(turn, token));
            self.keep_budget(network);
            self.measure(network, Work::Drain, token);
        }
    }

    /// Nobody is left for whom connections to others may be needed: they may close.
    fn drain_outbound(&mut self, network: &mut Outside<'_>) {
        self.tools.shared.may_connect = false;
        let tokens: Vec<_> = self.endpoints().flat_map(|endpoint| endpoint.tokens()).collect();
        for token in tokens {
            self.with_endpoint(network, token, |endpoint, turn| endpoint.release(turn, token));
        }
    }

    /// Ends everything that is left.
    fn stop_all(&mut self, network: &mut Outside<'_>, reason: fn() -> CloseReason) {
        self.drain.stop();
        self.tools.shared.may_connect = false;
        let tokens: Vec<_> = self.endpoints().flat_map(|endpoint| endpoint.tokens()).collect();
        for token in tokens {
            self.cut(network, token, reason());
        }
        for service in &mut self.services {
            let mut turn = self.tools.turn(network);
            if let Service::Datagram(endpoint) = service {
                self.drain.count_datagrams(endpoint.stop(&mut turn));
            }
        }
    }
}
