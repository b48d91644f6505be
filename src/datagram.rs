//! One UDP socket and its handler.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::backoff::Backoff;
use crate::batch::{Datagram, Incoming, Outgoing};
use crate::error::Error;
use crate::instant::Instant;
use crate::network::{Progress, Readiness};
use crate::shared::Shared;
use crate::token::Token;
use crate::turn::Turn;

/// A drain receives so many budgets of datagrams at most, so that a flood cannot put it off.
const MAX_LAST_ROUNDS: usize = 64;
/// So many errors in a row, and the socket pauses.
const MAX_ERRORS: usize = 16;
/// The longest payload that fits into a datagram over IPv4 (RFC 768 with RFC 791).
const MAX_PAYLOAD_LEN: usize = 65_507;

/// What an application does with the datagrams of a UDP socket.
///
/// A panic in a callback ends with it, is counted and logged: the socket goes on.
///
/// ```
/// use std::net::SocketAddr;
/// use windlass::{DatagramHandler, DatagramSession, Error};
///
/// struct Echo;
///
/// impl DatagramHandler for Echo {
///     fn on_datagram(
///         &mut self,
///         session: &mut DatagramSession<'_>,
///         sender: SocketAddr,
///         payload: &[u8],
///     ) -> Result<(), Error> {
///         session.send_to(sender, payload)
///     }
/// }
/// ```
pub trait DatagramHandler: 'static {
    /// A datagram has come from `sender`. It may be empty. Who claims to have sent it need not
    /// have: an answer that is longer than the question makes a weapon of the server.
    ///
    /// # Errors
    ///
    /// Are logged; the socket goes on.
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error>;

    /// A datagram has come that is longer than
    /// [`max_datagram_len`](crate::Config::max_datagram_len), of which only the beginning is here.
    /// Unless told otherwise, it is dropped.
    ///
    /// # Errors
    ///
    /// Are logged; the socket goes on.
    fn on_truncated(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        beginning: &[u8],
    ) -> Result<(), Error> {
        let _ = (session, sender, beginning);
        Ok(())
    }
}

/// A UDP socket, lent to a callback of its [`DatagramHandler`].
pub struct DatagramSession<'a> {
    outgoing: &'a mut Outgoing,
    shared: &'a mut Shared,
    address: SocketAddr,
}

impl DatagramSession<'_> {
    /// Sends `payload` to `receiver`, after the callback. UDP promises nothing, and neither does
    /// this: if more than [`datagram_queue_limit`](crate::Config::datagram_queue_limit) would wait
    /// to be sent, it is dropped and [counted](crate::Metrics::datagrams_dropped).
    ///
    /// # Errors
    ///
    /// A payload of more than 65,507 bytes, the most that a datagram over IPv4 carries.
    pub fn send_to(&mut self, receiver: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        let len = payload.len();
        if len > MAX_PAYLOAD_LEN {
            return Err(Error::new(format!(
                "a payload of {len} bytes for {receiver}: the longest is {MAX_PAYLOAD_LEN}"
            )));
        }
        if self.outgoing.waiting_len() + len > self.shared.config.datagram_queue_limit {
            self.shared.metrics.datagrams_dropped += 1;
        } else {
            self.outgoing.push(receiver, payload);
        }
        Ok(())
    }

    /// The address the socket is bound to.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The time of this turn.
    pub const fn now(&self) -> Instant {
        self.shared.now
    }
}

impl fmt::Debug for DatagramSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramSession").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A UDP socket with its handler and what it has still to send.
pub(crate) struct DatagramEndpoint {
    token: Token,
    address: SocketAddr,
    handler: Box<dyn DatagramHandler>,
    outgoing: Outgoing,
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

    /// The pause after too many errors is over.
    pub(crate) fn on_timer(&mut self, turn: &mut Turn<'_>, incoming: &mut Incoming) {
        self.backoff.on_timer();
        self.serve(turn, incoming);
    }

    /// Receives what has come until now, and no more after that.
    pub(crate) fn drain(&mut self, turn: &mut Turn<'_>, incoming: &mut Incoming) {
        if self.is_closed {
            return;
        }
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
            turn.network.close(self.token);
        }
        let cut = self.outgoing.len();
        self.outgoing = Outgoing::new();
        cut
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
        if self.may_receive() {
            self.is_listed_ready = true;
            turn.shared.ready.push_back(self.token);
        }
    }

    /// Receives and handles what has come, within the budget of a turn.
    fn receive(&mut self, turn: &mut Turn<'_>, incoming: &mut Incoming) {
        let mut budget = turn.shared.config.datagram_budget;
        while budget > 0 && self.may_receive() {
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
                    budget -= 1;
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
        if self.errors >= MAX_ERRORS && self.backoff.fail(turn.shared, self.token) {
            log::warn!("UDP {} cannot receive, and tries again: {error}", self.address);
        }
    }

    /// Gives each datagram to the handler. One that panics is one that was handled.
    fn handle(&mut self, turn: &mut Turn<'_>, incoming: &Incoming) {
        turn.shared.metrics.datagrams_received += incoming.len() as u64;
        let mut datagrams = incoming.iter();
        loop {
            let address = self.address;
            let worth_sending_len = turn.shared.config.datagram_queue_limit / 2;
            let outgoing = &mut self.outgoing;
            let mut session = DatagramSession { outgoing, shared: &mut *turn.shared, address };
            let handler = &mut *self.handler;
            let layers = &mut turn.bench.judges.layers;
            let endpoint = self.token.endpoint_index();
            let run = AssertUnwindSafe(|| {
                datagrams.by_ref().try_for_each(|datagram| {
                    let len = datagram.payload.len() as u64;
                    session.shared.metrics.datagram_bytes_received += len;
                    if layers.on_datagram(session.shared, endpoint, &datagram) {
                        handle_one(handler, &mut session, datagram);
                    } else {
                        session.shared.metrics.datagrams_rejected += 1;
                    }
                    match session.outgoing.waiting_len() > worth_sending_len {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                })
            });
            match catch_unwind(run) {
                Ok(ControlFlow::Continue(())) => return,
                // The limit is for what the network does not take, not for what it was not offered.
                Ok(ControlFlow::Break(())) => self.send(turn),
                Err(_) => {
                    turn.shared.metrics.panics += 1;
                    log::error!("a callback of UDP {address} panicked: the socket goes on");
                }
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
                Ok(_) => self.readiness = self.readiness.without(Readiness::WRITABLE),
                // Of a datagram sent before this one: that is tried once more.
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused
                        && refused_at.replace(self.outgoing.len()) != Some(self.outgoing.len()) => {
                }
                Err(error) => {
                    log::debug!("UDP {}: a datagram was not sent: {error}", self.address);
                    self.outgoing.pop();
                    turn.shared.metrics.datagrams_dropped += 1;
                }
            }
        }
    }
}

fn handle_one(
    handler: &mut dyn DatagramHandler,
    session: &mut DatagramSession<'_>,
    datagram: Datagram<'_>,
) {
    let Datagram { sender, payload, is_truncated } = datagram;
    // Port 0 cannot be answered, and nobody sends from it in good faith. Nor from our own address:
    // who answers there answers himself for ever.
    let is_forged = sender.port() == 0 || sender == session.address;
    if is_truncated || is_forged {
        session.shared.metrics.datagrams_rejected += 1;
    }
    if is_forged {
        return;
    }
    let result = if is_truncated {
        handler.on_truncated(session, sender, payload)
    } else {
        handler.on_datagram(session, sender, payload)
    };
    if let Err(error) = result {
        log::debug!("UDP {}: a datagram from {sender}: {error}", session.address);
    }
}
