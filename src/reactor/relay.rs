//! Passing on what tied connections have for each other: read from the one, written to the other.

use super::{Reactor, Service};
use crate::connection::Connection;
use crate::instant::Instant;
use crate::metrics::Work;
use crate::outside::Outside;
use crate::shared::{Relay, Shared};
use crate::token::Token;

impl Reactor {
    /// Ties two connections, unless one of them is tied already. If only one is left of the two,
    /// it has lost its partner.
    pub(super) fn tie(&mut self, network: &mut Outside<'_>, one: Token, other: Token) {
        let [one_is_tied, other_is_tied] = [one, other].map(|token| {
            let connection = find(&mut self.services, token)?;
            connection.stop_waiting_for_tie();
            let may_be_tied = connection.is_open() && connection.is_let_in();
            may_be_tied.then_some(connection.is_tied())
        });
        match (one_is_tied, other_is_tied) {
            (Some(true), _) | (_, Some(true)) => {
                log::error!("{one:?} and {other:?} are not tied: one of them was tied before");
                [one, other].into_iter().for_each(|token| self.change(network, token, |_, _| ()));
            }
            (Some(false), Some(false)) => {
                for (token, partner) in [(one, other), (other, one)] {
                    let tie = |this: &mut Connection, shared: &mut Shared| {
                        this.tie(partner, &shared.config);
                    };
                    self.change(network, token, tie);
                }
            }
            (Some(false), None) => self.change(network, one, |left, _| left.follow(false)),
            (None, Some(false)) => self.change(network, other, |left, _| left.follow(false)),
            (None, None) => {}
        }
    }

    /// Looks once at each pair that something has happened to.
    pub(super) fn relay(&mut self, network: &mut Outside<'_>) {
        for _ in 0..self.tools.shared.relays.len() {
            let Some(relay) = self.tools.shared.relays.pop_front() else { return };
            let (Relay::Serve(token) | Relay::Follow { survivor: token, .. }) = relay;
            match relay {
                Relay::Serve(one) => self.serve_pair(network, one),
                Relay::Follow { survivor, is_cut } => {
                    self.change(network, survivor, |survivor, _| survivor.follow(is_cut));
                }
            }
            self.keep_budget(network);
            self.measure(network, Work::Relay, token);
        }
    }

    /// Does whatever is possible between `one` and its partner.
    fn serve_pair(&mut self, network: &mut Outside<'_>, one: Token) {
        let partner = find(&mut self.services, one).and_then(Connection::begin_relay);
        let Some(other) = partner else { return };
        if let Some(other) = find(&mut self.services, other) {
            other.join_relay();
        }
        self.pass(network, one, other);
        self.pass(network, other, one);
        self.settle_pair(network, [one, other]);
        let has_more = self.may_pass(one, other) || self.may_pass(other, one);
        let shared = &mut self.tools.shared;
        for (token, has_more) in [(one, has_more), (other, false)] {
            if let Some(connection) = find(&mut self.services, token) {
                connection.end_relay(shared, has_more);
            }
        }
    }

    /// Both are idle only if neither was active, and both are done when their ends were passed on.
    fn settle_pair(&mut self, network: &mut Outside<'_>, pair: [Token; 2]) {
        let mut are_done = true;
        let mut active = Instant::START;
        for token in pair {
            let connection = find(&mut self.services, token);
            are_done &= connection.as_ref().is_some_and(|this| this.has_ended_output());
            active = connection.map_or(active, |this| this.last_active().max(active));
        }
        // What they could write in this turn was written.
        self.tools.shared.write_left = 0;
        for token in pair {
            let Some(connection) = find(&mut self.services, token) else { continue };
            connection.note_active(active);
            if are_done {
                connection.part();
            }
            connection.settle(&mut self.tools.shared, network);
        }
    }

    /// Passes on what `from` has for `to`, within the budgets of a turn: bytes, and the end behind
    /// them.
    fn pass(&mut self, network: &mut Outside<'_>, from: Token, to: Token) {
        let mut turn = self.tools.turn(network);
        let services = &mut self.services;
        let mut read_left = turn.shared.config.read_budget;
        turn.shared.write_left = find(services, to).map_or(0, |to| to.relay_budget());
        loop {
            let room = find(services, to).map_or(0, |to| to.relay_room(&turn.shared.config));
            let most = room.min(turn.bench.buffer.len());
            let Some(from) = find(services, from).filter(|_| most > 0) else { break };
            let buffer = &mut turn.bench.buffer[..most];
            let drawn = from.draw(turn.shared, &mut turn.network, buffer, &mut read_left);
            let Some(len) = drawn else { break };
            let Some(to) = find(services, to) else { break };
            to.pass_on(turn.shared, &mut turn.network, &buffer[..len]);
        }
        if find(services, from).is_some_and(|from| from.is_spent() && !planted!(EndNotPassedOn))
            && let Some(to) = find(services, to)
        {
            to.pass_end(&mut turn.network);
        }
    }

    /// Whether there may be something from `from` that `to` can take now.
    fn may_pass(&mut self, from: Token, to: Token) -> bool {
        find(&mut self.services, from).is_some_and(|from| from.may_draw())
            && find(&mut self.services, to)
                .is_some_and(|to| to.relay_room(&self.tools.shared.config) > 0)
    }

    /// Does something to a connection that is settled afterwards.
    fn change(
        &mut self,
        network: &mut Outside<'_>,
        token: Token,
        change: impl FnOnce(&mut Connection, &mut Shared),
    ) {
        let shared = &mut self.tools.shared;
        if let Some(connection) = find(&mut self.services, token) {
            change(connection, shared);
            shared.begin_event();
            connection.settle(shared, network);
        }
    }
}

/// The connection of this name, whichever endpoint it is of.
fn find(services: &mut [Service], token: Token) -> Option<&mut Connection> {
    services.get_mut(token.endpoint_index())?.endpoint_mut()?.connection_mut(token)
}
