//! The steps of a turn that serve connections and sockets: events, work left over, timers, closes.

use std::time::Duration;

use super::{EVENTS_LEN, Reactor, Service};
use crate::endpoint::{Call, Endpoint};
use crate::error::CloseReason;
use crate::metrics::Work;
use crate::network::{Event, Readiness};
use crate::outside::Outside;
use crate::shared::Purpose;
use crate::token::Token;

/// A loop that looks at the clock later than this, after a deadline until which it slept or else
/// after it asked for events, did not only wake late. More than any clock's grain, so that no usual
/// deadline costs a second look for events.
const USUALLY_LATE: Duration = Duration::from_millis(10);

impl Reactor {
    pub(super) fn serve_events(&mut self, network: &mut Outside<'_>) {
        let mut at = 0;
        while let Some(event) = self.events.get(at).copied() {
            let service = self.services.get_mut(event.token.endpoint_index());
            at += match service {
                Some(Service::Stream(_, endpoint)) if event.token.is_connection() => {
                    endpoint.on_events(&mut self.tools.turn(network), &self.events[at..])
                }
                _ => {
                    self.on_other_event(network, event);
                    1
                }
            };
            if self.tools.shared.needs_attention() {
                self.attend(network, self.events[at - 1].token);
            }
        }
    }

    /// Somebody was served, the last of them `token`, after which there is something to see to.
    #[cold]
    fn attend(&mut self, network: &mut Outside<'_>, token: Token) {
        self.note_stall(Work::Event, token);
        self.keep_budget(network);
    }

    /// An event that is for no connection.
    fn on_other_event(&mut self, network: &mut Outside<'_>, event: Event) {
        let mut turn = self.tools.turn(network);
        match self.services.get_mut(event.token.endpoint_index()) {
            Some(Service::Stream(acceptor, _)) => {
                acceptor.on_event();
                self.may_accept = true;
            }
            Some(Service::Datagram(endpoint)) => {
                endpoint.on_event(&mut turn, &mut self.incoming, event.readiness);
            }
            None => return self.on_own_event(network, event.token),
        }
        turn.end_event();
    }

    /// An event that is for no endpoint, but for the loop as a whole.
    #[cold]
    fn on_own_event(&mut self, network: &mut Outside<'_>, token: Token) {
        if token == Token::SIGNALS {
            for _ in 0..network.take_signals() {
                planted!(SignalUnheard, continue);
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
                        let event = Event { token, readiness: Readiness::NONE };
                        endpoint.on_events(&mut turn, &[event]);
                    }
                }
                Service::Datagram(endpoint) => {
                    endpoint.on_turn(&mut turn, &mut self.incoming);
                    turn.end_event();
                }
            }
            if self.tools.shared.needs_attention() {
                self.attend(network, token);
            }
        }
    }

    /// Not before all were looked at for whom something waited in the network, if the loop comes
    /// late: after a slow callback, or because its process was stopped. That can have been between
    /// the events and the look at the clock: then what was due since waits until events are asked
    /// for once more.
    pub(super) fn fire_timers(&mut self, network: &mut Outside<'_>) {
        let shared = &mut self.tools.shared;
        let late = shared.now.since(self.asked.max(self.expected));
        shared.due = if late > USUALLY_LATE { self.asked } else { shared.now };
        if shared.due < self.expected {
            return;
        }
        let may_have_more = self.events.len() == self.events.capacity();
        if may_have_more && self.put_off <= self.connections_len() / EVENTS_LEN {
            self.put_off += 1;
            return;
        }
        self.put_off = 0;
        let budget = self.tools.shared.config.timer_budget;
        let budget = if planted!(TimerBudgetOff) { usize::MAX } else { budget };
        for _ in 0..budget {
            let Some(key) = self.tools.shared.timers.pop_due(self.tools.shared.due) else { break };
            self.tools.shared.metrics.timers_fired += 1;
            let mut turn = self.tools.turn(network);
            match (&mut self.services[key.token.endpoint_index()], key.purpose) {
                (Service::Stream(acceptor, _), Purpose::Retry) => {
                    acceptor.on_timer();
                    self.may_accept = !planted!(PauseWithoutEnd);
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
        if self.connections_len() == 0 {
            self.tools.shared.shrink();
        }
        for service in &mut self.services {
            if let Service::Stream(acceptor, _) = service {
                acceptor.retry(&mut self.tools.shared);
                self.may_accept |= acceptor.may_accept();
            }
        }
    }
}
