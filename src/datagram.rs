//! One UDP socket and its handler.

mod audit;
mod handler;
mod session;

use std::io;
use std::net::SocketAddr;

pub use self::handler::DatagramHandler;
pub use self::session::DatagramSession;
use crate::backoff::Backoff;
use crate::batch::{Datagram, Incoming, Outgoing, Place};
use crate::error::Error;
use crate::handler_timers::HandlerTimers;
use crate::layers::Layers;
use crate::network::{Progress, Readiness};
use crate::panics::catch;
use crate::shared::Purpose;
use crate::token::Token;
use crate::turn::Turn;

/// A drain receives so many budgets of datagrams at most, so that a flood cannot put it off.
const MAX_LAST_ROUNDS: usize = 64;
/// So many errors in a row, and the socket pauses.
const MAX_ERRORS: usize = 16;

/// A UDP socket with its handler and what it has still to send.
pub(crate) struct DatagramEndpoint {
    token: Token,
    address: SocketAddr,
    handler: Box<dyn DatagramHandler>,
    outgoing: Outgoing,
    timers: HandlerTimers,
    readiness: Readiness,
    backoff: Backoff,
    /// Receiving failed this many times in a row.
    errors: usize,
    is_listed_ready: bool,
    is_draining: bool,
    is_closed: bool,
}

impl DatagramEndpoint {
    pub(crate) fn new(
        token: Token,
        address: SocketAddr,
        handler: Box<dyn DatagramHandler>,
    ) -> Self {
        Self {
            token,
            address,
            handler,
            outgoing: Outgoing::new(),
            timers: HandlerTimers::default(),
            readiness: Readiness::WRITABLE,
            backoff: Backoff::default(),
            errors: 0,
            is_listed_ready: false,
            is_draining: false,
            is_closed: false,
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    pub(crate) const fn is_listed_ready(&self) -> bool {
        self.is_listed_ready
    }

    /// How many timers it has armed.
    pub(crate) fn timers_len(&self) -> usize {
        usize::from(self.backoff.is_pausing()) + self.timers.len()
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(crate) fn on_event(
        &mut self,
        turn: &mut Turn<'_>,
        incoming: &mut Incoming,
        readiness: Readiness,
    ) {
        self.readiness = self.readiness.with(readiness);
        if !self.is_listed_ready {
            self.serve(turn, incoming);
        }
    }

    pub(crate) fn on_turn(&mut self, turn: &mut Turn<'_>, incoming: &mut Incoming) {
        if std::mem::replace(&mut self.is_listed_ready, false) {
            self.serve(turn, incoming);
        }
    }

    /// The server was built, and will turn.
    ///
    /// # Errors
    ///
    /// The handler's, or that it panicked.
    pub(crate) fn start(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        self.call(turn, DatagramHandler::on_start)
    }

    /// The pause after too many errors is over, or a timer of the handler has come due.
    pub(crate) fn on_timer(
        &mut self,
        turn: &mut Turn<'_>,
        incoming: &mut Incoming,
        purpose: Purpose,
    ) {
        let Purpose::Handler(key) = purpose else {
            self.backoff.on_timer();
            return self.serve(turn, incoming);
        };
        self.timers.on_due(turn.shared, self.token, key);
        self.call_logged(turn, |handler, session| handler.on_timer(session, key));
    }

    /// Receives what has come until now, and no more after that.
    pub(crate) fn drain(&mut self, turn: &mut Turn<'_>, incoming: &mut Incoming) {
        if self.is_closed {
            return;
        }
        self.call_logged(turn, DatagramHandler::on_drain);
        self.readiness = self.readiness.with(Readiness::READABLE);
        for _ in 0..MAX_LAST_ROUNDS {
            self.receive(turn, incoming);
        }
        self.is_draining = true;
        self.close_when_sent(turn);
    }

    /// Closes at once; says how many datagrams were still to be sent.
    pub(crate) fn stop(&mut self, turn: &mut Turn<'_>) -> usize {
        if !self.is_closed {
            self.is_closed = true;
            self.backoff.cut_short(turn.shared);
            std::mem::take(&mut self.timers).cancel_all(turn.shared);
            turn.network.close(self.token);
        }
        let cut = self.outgoing.len();
        self.outgoing = Outgoing::new();
        cut
    }

    /// Lends the socket to a callback that is for no datagram, and sends what that sends.
    fn call(
        &mut self,
        turn: &mut Turn<'_>,
        call: impl FnOnce(&mut dyn DatagramHandler, &mut DatagramSession<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Self { handler, outgoing, timers, token, address, .. } = self;
        let (token, address, shared) = (*token, *address, &mut *turn.shared);
        let mut session = DatagramSession { outgoing, timers, shared, token, address };
        let result = catch(|| call(&mut **handler, &mut session));
        let result = result.unwrap_or_else(|| {
            turn.shared.metrics.panics += 1;
            Err(Error::new(format!("a callback of UDP {address} panicked")))
        });
        self.send(turn);
        result
    }

    /// As [`call`](Self::call), where an error ends nothing.
    fn call_logged(
        &mut self,
        turn: &mut Turn<'_>,
        call: impl FnOnce(&mut dyn DatagramHandler, &mut DatagramSession<'_>) -> Result<(), Error>,
    ) {
        if let Err(error) = self.call(turn, call) {
            log::error!("UDP {}: {error}", self.address);
        }
    }

    fn close_when_sent(&mut self, turn: &mut Turn<'_>) {
        if self.outgoing.is_empty() {
            self.stop(turn);
        }
    }

    /// Receives, handles and sends, within the budget of a turn.
    fn serve(&mut self, turn: &mut Turn<'_>, incoming: &mut Incoming) {
        if self.is_closed {
            return;
        }
        self.send(turn);
        if self.is_draining {
            self.close_when_sent(turn);
            return;
        }
        self.receive(turn, incoming);
        if self.may_receive() && !planted!(DatagramsForgottenAtBudget) {
            self.is_listed_ready = true;
            turn.shared.ready.push_back(self.token);
        }
    }

    /// Receives and handles what has come, within the budget of a turn.
    fn receive(&mut self, turn: &mut Turn<'_>, incoming: &mut Incoming) {
        let mut budget = turn.shared.config.datagram_budget;
        while (budget > 0 || planted!(DatagramBudgetOff)) && self.may_receive() {
            incoming.clear();
            match turn.network.receive(self.token, incoming) {
                Ok(Progress::Done(())) => {
                    budget = budget.saturating_sub(incoming.len().max(1));
                    self.works_again();
                    self.handle(turn, incoming);
                    self.send(turn);
                    if !incoming.is_full() {
                        self.readiness = self.readiness.without(Readiness::READABLE);
                    }
                }
                Ok(Progress::Blocked) => {
                    self.works_again();
                    self.readiness = self.readiness.without(Readiness::READABLE);
                }
                Err(error) => {
                    budget = budget.saturating_sub(incoming.len().max(1));
                    self.handle(turn, incoming);
                    self.send(turn);
                    self.on_error(turn, &error);
                }
            }
        }
    }

    const fn may_receive(&self) -> bool {
        self.readiness.contains(Readiness::READABLE) && !self.backoff.is_pausing()
    }

    fn works_again(&mut self) {
        self.errors = 0;
        if self.backoff.succeed() {
            log::info!("UDP {} receives again", self.address);
        }
    }

    /// A receive failed. One error or a few are those of earlier datagrams; one that does not end
    /// must not make the loop spin.
    fn on_error(&mut self, turn: &mut Turn<'_>, error: &io::Error) {
        turn.shared.metrics.receive_errors += 1;
        log::debug!("UDP {}: {error}", self.address);
        self.errors += 1;
        planted!(ReceiveErrorSpins, self.errors = 0);
        if self.errors >= MAX_ERRORS && self.backoff.fail(turn.shared, self.token) {
            log::warn!("UDP {} cannot receive, and tries again: {error}", self.address);
        }
    }

    /// Gives each datagram to the handler. One that panics is one that was handled.
    fn handle(&mut self, turn: &mut Turn<'_>, incoming: &Incoming) {
        turn.shared.metrics.datagrams_received += incoming.len() as u64;
        turn.shared.metrics.datagram_bytes_received += incoming.payload_len() as u64;
        let mut place = Place::default();
        let mut is_done = false;
        while !is_done {
            let Self { handler, outgoing, timers, token, address, .. } = self;
            let (token, address, shared) = (*token, *address, &mut *turn.shared);
            let mut session = DatagramSession { outgoing, timers, shared, token, address };
            let layers = &mut *turn.bench.layers;
            let result =
                catch(|| handle_some(&mut **handler, &mut session, layers, incoming, &mut place));
            is_done = result.unwrap_or_else(|| {
                turn.shared.metrics.panics += 1;
                log::error!("a callback of UDP {address} panicked: the socket goes on");
                false
            });
            if !is_done {
                self.send(turn);
            }
        }
    }

    /// Sends as much of what waits as the network takes.
    fn send(&mut self, turn: &mut Turn<'_>) {
        let mut refused_at = None;
        while !self.outgoing.is_empty() && self.readiness.contains(Readiness::WRITABLE) {
            let (len, bytes) = (self.outgoing.len(), self.outgoing.payload_len());
            let progress = turn.network.send(self.token, &mut self.outgoing);
            let metrics = &mut turn.shared.metrics;
            metrics.datagrams_sent += (len - self.outgoing.len()) as u64;
            metrics.datagram_bytes_sent += (bytes - self.outgoing.payload_len()) as u64;
            match progress {
                Ok(Progress::Done(())) if self.outgoing.is_empty() => {}
                Ok(_) => {
                    planted!(BlockedSendLosesAll, self.outgoing = Outgoing::new());
                    self.readiness = self.readiness.without(Readiness::WRITABLE);
                }
                // Of a datagram sent before this one: that is tried once more.
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused
                        && !planted!(RefusalCostsAnother)
                        && refused_at.replace(self.outgoing.len()) != Some(self.outgoing.len()) => {
                }
                Err(error) => {
                    log::debug!("UDP {}: a datagram was not sent: {error}", self.address);
                    self.outgoing.pop();
                    planted!(SendErrorLosesAll, self.outgoing = Outgoing::new());
                    turn.shared.metrics.datagrams_dropped += 1;
                }
            }
        }
    }
}

/// Gives those datagrams to the handler that were not handled yet, until so much is to be sent that
/// it is worth it: the limit is for what the network does not take, not for what it was not
/// offered. Says whether it has come to the end. A function of its own, since its loop is what a
/// datagram costs.
#[inline(never)]
fn handle_some(
    handler: &mut dyn DatagramHandler,
    session: &mut DatagramSession<'_>,
    layers: &mut Layers,
    incoming: &Incoming,
    place: &mut Place,
) -> bool {
    let has_layers = layers.has_any(session.token.endpoint_index());
    let worth_sending_len = session.shared.config.datagram_queue_limit / 2;
    while let Some(stretch) = incoming.rest(place) {
        let sender = stretch.sender;
        let is_plain = !has_layers && stretch.is_whole() && !is_forged(sender, &session.address);
        for payload in stretch.payloads() {
            // Before it is handled: one that panics is not handled again.
            place.pass_one(&stretch);
            let result = if is_plain {
                handler.on_datagram(session, *sender, payload)
            } else {
                handle_odd(handler, session, layers, stretch.datagram(payload))
            };
            if let Err(error) = result {
                note_error(session, *sender, &error);
            }
            if session.outgoing.waiting_len() > worth_sending_len {
                return false;
            }
        }
    }
    true
}

/// Port 0 cannot be answered, and nobody sends from it in good faith. Nor from our own address: who
/// answers there answers himself for ever.
fn is_forged(sender: &SocketAddr, own: &SocketAddr) -> bool {
    (sender.port() == 0 || sender == own) && !planted!(AnswersItself)
}

/// One that layers are to see first, or that is truncated or forged.
#[inline(never)]
fn handle_odd(
    handler: &mut dyn DatagramHandler,
    session: &mut DatagramSession<'_>,
    layers: &mut Layers,
    datagram: Datagram<'_>,
) -> Result<(), Error> {
    let endpoint = session.token.endpoint_index();
    let Datagram { sender, payload, is_truncated } = datagram;
    let is_refused = !layers.on_datagram(session.shared, endpoint, &datagram);
    let is_refused = is_refused || is_forged(&sender, &session.address);
    if is_refused || is_truncated {
        session.shared.metrics.datagrams_rejected += 1;
    }
    if is_refused {
        Ok(())
    } else if is_truncated && !planted!(TruncatedIsDelivered) {
        handler.on_truncated(session, sender, payload)
    } else {
        handler.on_datagram(session, sender, payload)
    }
}

#[cold]
fn note_error(session: &DatagramSession<'_>, sender: SocketAddr, error: &Error) {
    log::debug!("UDP {}: a datagram from {sender}: {error}", session.address);
}
