//! Doing what callbacks and other threads asked for.

use bytes::Bytes;

use super::{Reactor, Service};
use crate::command::{Audience, Broadcast, Command, Slow};
use crate::connection::Connection;
use crate::connection::{ConnectionInfo, Delivery};
use crate::endpoint::{Call, Endpoint};
use crate::error::Error;
use crate::handler::OtherConnections;
use crate::mailbox::Mailbox;
use crate::metrics::Work;
use crate::outside::Outside;
use crate::token::Token;
use crate::turn::Turn;

/// How many commands may still be run at a time, of callbacks and of other threads.
struct Left {
    own: usize,
    posted: usize,
}

/// All services but the one that is lent.
struct OtherServices<'a> {
    before: &'a [Service],
    after: &'a [Service],
}

impl OtherServices<'_> {
    fn endpoints(&self) -> impl Iterator<Item = &dyn Endpoint> {
        self.before.iter().chain(self.after).filter_map(Service::endpoint)
    }
}

impl OtherConnections for OtherServices<'_> {
    fn for_each(&self, visit: &mut dyn FnMut(&ConnectionInfo<'_>)) {
        let visit = &mut |connection: &Connection| visit(&connection.info());
        self.endpoints().for_each(|endpoint| endpoint.for_each(visit));
    }

    fn len(&self) -> usize {
        self.endpoints().map(Endpoint::len).sum()
    }
}

impl Reactor {
    /// Lets all handlers begin.
    pub(crate) fn start(&mut self, network: &mut Outside<'_>) -> Result<(), Error> {
        for index in 0..self.services.len() {
            match &mut self.services[index] {
                Service::Stream(..) => self.call(network, index, Call::Start)?,
                Service::Datagram(endpoint) => endpoint.start(&mut self.tools.turn(network))?,
            }
        }
        Ok(())
    }

    /// Runs what waits now, within the budget of a turn: each receiver of a broadcast is a command
    /// for that. What this asks for in its turn waits for the next.
    pub(super) fn run_commands(&mut self, network: &mut Outside<'_>) {
        let mut left = Left { own: self.tools.shared.commands.len(), posted: usize::MAX };
        planted!(CommandBudgetOff, self.run_all_commands(network, usize::MAX));
        for _ in 0..self.tools.shared.config.command_budget {
            if !self.run_next(network, &mut left) {
                break;
            }
        }
        if let Some(request) = self.tools.shared.requested.take() {
            self.drain.request(request);
        }
        self.tools.shared.has_commands = !self.tools.shared.commands.is_empty()
            || !self.tools.shared.relays.is_empty()
            || self.mailbox.as_ref().is_some_and(Mailbox::may_have_more);
    }

    /// Runs all that waits now, without a budget: what was asked for before a drain is done before
    /// it. Of what other threads have left, `posted` commands at most.
    pub(super) fn run_all_commands(&mut self, network: &mut Outside<'_>, posted: usize) {
        let mut left = Left { own: self.tools.shared.commands.len(), posted };
        while self.run_next(network, &mut left) {}
    }

    /// Goes on with a broadcast, or runs one command: of callbacks and of other threads in turn, so
    /// that neither keep the others waiting. Says whether there was something to do.
    fn run_next(&mut self, network: &mut Outside<'_>, left: &mut Left) -> bool {
        let next = if self.is_broadcasting() {
            self.next_own(left)
        } else {
            self.is_posts_turn = !self.is_posts_turn;
            match self.is_posts_turn {
                true => self.next_posted(left).or_else(|| self.next_own(left)),
                false => self.next_own(left).or_else(|| self.next_posted(left)),
            }
        };
        let Some((work, command)) = next else { return false };
        let (token, rest) = self.run(network, command);
        if let Some(rest) = rest {
            self.tools.shared.commands.push_front(rest);
            left.own += 1;
        }
        self.keep_budget(network);
        self.measure(network, work, token);
        true
    }

    /// Whether a broadcast is under way, before which nothing else is done.
    fn is_broadcasting(&self) -> bool {
        let first = self.tools.shared.commands.front();
        matches!(first, Some(Command::Broadcast(broadcast)) if broadcast.is_under_way())
    }

    /// What a callback has asked for.
    fn next_own(&mut self, left: &mut Left) -> Option<(Work, Command)> {
        left.own = left.own.checked_sub(1)?;
        Some((Work::Command, self.tools.shared.commands.pop_front()?))
    }

    /// What another thread has asked for.
    fn next_posted(&mut self, left: &mut Left) -> Option<(Work, Command)> {
        left.posted = left.posted.checked_sub(1)?;
        let posted = self.mailbox.as_mut().filter(|mailbox| mailbox.may_have_more())?.next()?;
        self.tools.shared.metrics.commands_posted += 1;
        Some((Work::PostedCommand, posted.into()))
    }

    /// Runs a command; says whom it was for, and gives back what is left of it to be done.
    fn run(&mut self, network: &mut Outside<'_>, command: Command) -> (Token, Option<Command>) {
        let token = command.token();
        match command {
            Command::Send { to, bytes } => {
                self.deliver(network, to, &bytes, Slow::Count);
            }
            Command::Close(token) => {
                self.with_endpoint(network, token, |endpoint, turn| endpoint.close(turn, token));
            }
            Command::Abort(token) => {
                self.with_endpoint(network, token, |endpoint, turn| endpoint.abort(turn, token));
            }
            Command::Tie(one, other) => self.tie(network, one, other),
            Command::CloseIdle(token) => {
                self.with_endpoint(network, token, |endpoint, turn| {
                    endpoint.close_idle(turn, token);
                });
            }
            Command::Broadcast(mut broadcast) => {
                if let Some(receiver) = self.send_to_next(network, &mut broadcast) {
                    return (receiver, Some(Command::Broadcast(broadcast)));
                }
                self.tools.shared.metrics.broadcasts += 1;
            }
            Command::Run { endpoint, task } => {
                self.call_logged(network, endpoint.into(), Call::Task(task));
            }
            // There is room for one answer; whoever asked may have gone.
            Command::Report(to) => _ = to.try_send(Box::new(self.metrics())),
        }
        self.tools.shared.metrics.commands += 1;
        (token, None)
    }

    /// Sends a broadcast to the next of its receivers; says which, if there is one.
    fn send_to_next(
        &mut self,
        network: &mut Outside<'_>,
        broadcast: &mut Broadcast,
    ) -> Option<Token> {
        let token = self.next_receiver(broadcast)?;
        if broadcast.except == Some(token) {
            return Some(token);
        }
        let delivery = self.deliver(network, token, &broadcast.bytes, broadcast.slow);
        let counters = &mut self.tools.shared.metrics;
        match delivery {
            Delivery::Sent => counters.broadcast_deliveries += 1,
            Delivery::SentThoughSlow => {
                counters.broadcast_deliveries += 1;
                counters.broadcast_slow += 1;
            }
            Delivery::Skipped => counters.broadcast_skipped += 1,
            Delivery::Closed => counters.broadcast_closed += 1,
            Delivery::Gone => {}
        }
        Some(token)
    }

    fn next_receiver(&self, broadcast: &mut Broadcast) -> Option<Token> {
        let Broadcast { audience, reached, .. } = broadcast;
        let handler = match audience {
            Audience::Ids(ids) => {
                reached.next += 1;
                return ids.get(reached.next - 1).map(|id| id.0);
            }
            Audience::Handler(handler) => *handler,
        };
        let roster = &self.tools.shared.roster;
        for index in roster.endpoints_of(handler).skip(reached.endpoint) {
            let endpoint = self.services[usize::from(index)].endpoint();
            if let Some(token) = endpoint.and_then(|endpoint| endpoint.next_from(reached.next)) {
                reached.next = token.slot() + 1;
                return Some(token);
            }
            reached.endpoint += 1;
            reached.next = 0;
        }
        None
    }

    fn deliver(
        &mut self,
        network: &mut Outside<'_>,
        token: Token,
        bytes: &Bytes,
        slow: Slow,
    ) -> Delivery {
        let deliver = |endpoint: &mut dyn Endpoint, turn: &mut Turn<'_>| {
            endpoint.deliver(turn, token, bytes, slow)
        };
        self.with_endpoint(network, token, deliver).unwrap_or(Delivery::Gone)
    }

    /// Lends the endpoint of a connection to `call`.
    pub(super) fn with_endpoint<R>(
        &mut self,
        network: &mut Outside<'_>,
        token: Token,
        call: impl FnOnce(&mut dyn Endpoint, &mut Turn<'_>) -> R,
    ) -> Option<R> {
        let endpoint = self.services.get_mut(token.endpoint_index())?.endpoint_mut()?;
        Some(call(endpoint, &mut self.tools.turn(network)))
    }

    /// Runs something with a handler and all of its connections.
    fn call(&mut self, network: &mut Outside<'_>, index: usize, call: Call) -> Result<(), Error> {
        let (before, rest) = self.services.split_at_mut(index);
        let Some((this, after)) = rest.split_first_mut() else { return Ok(()) };
        let Some(endpoint) = this.endpoint_mut() else { return Ok(()) };
        endpoint.call(self.tools.turn(network), &OtherServices { before, after }, call)
    }

    /// As [`call`](Self::call), where an error ends nothing.
    pub(super) fn call_logged(&mut self, network: &mut Outside<'_>, index: usize, call: Call) {
        if let Err(error) = self.call(network, index, call) {
            log::error!("a callback for no connection failed: {error}");
        }
    }
}
