//! The steps of a turn that serve connections and sockets: events, work left over, timers, closes.

use super::{EVENTS_LEN, Reactor, Service};
use crate::endpoint::{Call, Endpoint, Next};
use crate::error::CloseReason;
use crate::metrics::Work;
use crate::network::{Event, Readiness};
use crate::outside::Outside;
use crate::shared::Purpose;
use crate::token::Token;
use crate::turn::Turn;

impl Reactor {
    pub(super) fn serve_events(&mut self, network: &mut Outside<'_>) {
        for at in 0..self.events.len() {
            let Event { token, readiness } = self.events[at];
            let Some(service) = self.services.get_mut(token.endpoint_index()) else {
                self.on_own_event(network, token);
                continue;
            };
            let mut turn = self.tools.turn(network);
            match service {
                Service::Stream(_, endpoint) if token.is_connection() => {
                    serve(&mut **endpoint, &mut turn, token, readiness);
                }
                Service::Stream(acceptor, _) => {
                    acceptor.on_event();
                    self.may_accept = true;
                }
                Service::Datagram(endpoint) => {
                    endpoint.on_event(&mut turn, &mut self.incoming, readiness);
                }
            }
            self.keep_budget(network);
            self.measure(network, Work::Event, token);
        }
    }

    /// An event that is for no endpoint, but for the loop as a whole.
    #[cold]
    fn on_own_event(&mut self, network: &mut Outside<'_>, token: Token) {
        if token == Token::SIGNALS {
            for _ in 0..network.take_signals() {
                self.drain.on_signal();
            }
        } else if token == Token::WAKE
            && let Some(mailbox) = &mut self.mailbox
        {
            self.tools.shared.has_commands = true;
            self.tools.shared.metrics.wakes += 1;
            mailbox.take_wake().into_iter().for_each(|request| self.drain.request(request));
        }
    }

    /// Serves the first `waiting_len` of those that have work left: those of earlier turns. Whoever
    /// used up his budget in this one waits for the next.
    pub(super) fn serve_ready(&mut self, network: &mut Outside<'_>, waiting_len: usize) {
        for _ in 0..waiting_len {
            let Some(token) = self.tools.shared.ready.pop_front() else { break };
            let mut turn = self.tools.turn(network);
            match &mut self.services[token.endpoint_index()] {
                Service::Stream(_, endpoint) => {
                    if endpoint.unlist(token) {
                        serve(&mut **endpoint, &mut turn, token, Readiness::NONE);
                    }
                }
                Service::Datagram(endpoint) => endpoint.on_turn(&mut turn, &mut self.incoming),
            }
            self.keep_budget(network);
            self.measure(network, Work::Event, token);
        }
    }

    /// Not before all were looked at for whom something waited in the network, if the loop comes
    /// late: after a slow callback, or because its process was stopped.
    pub(super) fn fire_timers(&mut self, network: &mut Outside<'_>) {
        let may_have_more = self.events.len() == self.events.capacity();
        if may_have_more && self.put_off <= self.connections_len() / EVENTS_LEN {
            self.put_off += 1;
            return;
        }
        self.put_off = 0;
        for _ in 0..self.tools.shared.config.timer_budget {
            let Some(key) = self.tools.shared.timers.pop_due(self.tools.shared.now) else { break };
            self.tools.shared.metrics.timers_fired += 1;
            let mut turn = self.tools.turn(network);
            match (&mut self.services[key.token.endpoint_index()], key.purpose) {
                (Service::Stream(acceptor, _), Purpose::Retry) => {
                    acceptor.on_timer();
                    self.may_accept = true;
                }
                (Service::Stream(_, endpoint), purpose) if key.token.is_connection() => {
                    endpoint.on_timer(&mut turn, key.token, purpose);
                }
                (Service::Stream(..), Purpose::Handler(number)) => {
                    self.call_logged(network, key.token.endpoint_index(), Call::Timer(number));
                }
                (Service::Stream(..), Purpose::Deadline) => {}
                (Service::Datagram(endpoint), purpose) => {
                    endpoint.on_timer(&mut turn, &mut self.incoming, purpose);
                }
            }
            self.keep_budget(network);
            self.measure(network, Work::Timer, key.token);
        }
    }

    pub(super) fn endpoints(&mut self) -> impl Iterator<Item = &mut dyn Endpoint> {
        self.services.iter_mut().filter_map(Service::endpoint_mut)
    }

    pub(super) fn cut(&mut self, network: &mut Outside<'_>, token: Token, reason: CloseReason) {
        self.with_endpoint(network, token, |endpoint, turn| endpoint.cut(turn, token, reason));
    }

    /// Frees the slots of what closed, and lets those try again that failed for want of something.
    pub(super) fn free_closed(&mut self, network: &mut Outside<'_>) {
        let mut closed = std::mem::take(&mut self.tools.shared.closed);
        for token in closed.drain(..) {
            let freed =
                self.with_endpoint(network, token, |endpoint, turn| endpoint.free(turn, token));
            if let Some(reason) = freed.flatten() {
                log::debug!("connection {token:?} closed: {reason}");
                self.tools.shared.metrics.closed.add(&reason);
                self.drain.count(&reason);
            }
            self.measure(network, Work::Close, token);
        }
        self.tools.shared.closed = closed;
        for service in &mut self.services {
            if let Service::Stream(acceptor, _) = service {
                acceptor.retry(&mut self.tools.shared);
                self.may_accept |= acceptor.may_accept();
            }
        }
    }
}

/// Serves a connection within its budgets.
#[inline(always)]
fn serve(endpoint: &mut dyn Endpoint, turn: &mut Turn<'_>, token: Token, readiness: Readiness) {
    turn.shared.begin_event();
    let mut next = endpoint.on_event(turn, token, readiness);
    while next == Next::Again {
        next = endpoint.on_event(turn, token, Readiness::NONE);
    }
}
