//! Takes peers off a listener's queue, whatever goes wrong meanwhile.

use std::net::SocketAddr;

use crate::backoff::Backoff;
use crate::error::Error;
use crate::network::{AcceptError, Progress};
use crate::shared::Shared;
use crate::token::Token;
use crate::turn::Turn;

/// A listener, as the loop sees it.
#[derive(Debug)]
pub(crate) struct Acceptor {
    token: Token,
    /// Where; an endpoint that only connects to others listens nowhere.
    address: Option<SocketAddr>,
    /// Peers may be waiting: said by an event, and true until none is found. Stopping before, at a
    /// limit or a budget, leaves it true, so that nobody is forgotten.
    is_ready: bool,
    backoff: Backoff,
    is_closed: bool,
}

/// What an attempt to take the next peer came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// This peer.
    Peer(SocketAddr),
    /// It had gone. There may be another behind it.
    Gone,
    /// Nobody waits, or nobody can be taken now.
    Nobody,
}

impl Acceptor {
    pub(crate) fn new(token: Token, address: SocketAddr) -> Self {
        Self {
            token,
            address: Some(address),
            is_ready: false,
            backoff: Backoff::default(),
            is_closed: false,
        }
    }

    /// Of an endpoint that listens nowhere: nobody ever comes.
    pub(crate) fn nowhere(token: Token) -> Self {
        let backoff = Backoff::default();
        Self { token, address: None, is_ready: false, backoff, is_closed: true }
    }

    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether peers may be waiting.
    pub(crate) const fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether it pauses after a failure.
    pub(crate) const fn is_pausing(&self) -> bool {
        self.backoff.is_pausing()
    }

    /// Peers may be waiting.
    pub(crate) const fn on_event(&mut self) {
        self.is_ready = true;
    }

    /// The pause after a failure is over.
    pub(crate) const fn on_timer(&mut self) {
        self.backoff.on_timer();
    }

    /// Whether trying to accept may bring somebody.
    pub(crate) const fn may_accept(&self) -> bool {
        self.is_ready && !self.backoff.is_pausing() && !self.is_closed
    }

    /// Something was freed, perhaps what the last failure was for want of.
    pub(crate) fn retry(&mut self, shared: &mut Shared) {
        self.backoff.cut_short(shared);
    }

    /// Tries to take the next peer, who is then in the network's hand.
    pub(crate) fn take(&mut self, turn: &mut Turn<'_>) -> Result<Taken, Error> {
        match turn.network.accept(self.token) {
            Ok(Progress::Done(peer)) => {
                planted!(OnePeerPerEvent, self.is_ready = false);
                Ok(Taken::Peer(peer))
            }
            Ok(Progress::Blocked) => {
                self.is_ready = false;
                if self.backoff.succeed() {
                    log::info!("{} accepts again", self.place());
                }
                Ok(Taken::Nobody)
            }
            Err(AcceptError::PeerGone(error)) => {
                planted!(GoneIsFatal, return Err(Error::with_source("", error)));
                turn.shared.metrics.gone += 1;
                log::debug!("{}: a peer left before it was accepted: {error}", self.place());
                Ok(Taken::Gone)
            }
            Err(AcceptError::Exhausted(error)) => {
                planted!(ExhaustionIsFinal, self.is_ready = false);
                self.fail(turn, &error);
                Ok(Taken::Nobody)
            }
            Err(AcceptError::Broken(error)) => {
                let what = format!("cannot accept on {} any more", self.place());
                Err(Error::with_source(what, error))
            }
        }
    }

    /// Nobody can be taken for now: pauses.
    pub(crate) fn fail(&mut self, turn: &mut Turn<'_>, error: &std::io::Error) {
        turn.shared.metrics.accept_errors += 1;
        if self.backoff.fail(turn.shared, self.token) {
            log::warn!("{} cannot accept, and tries again: {error}", self.place());
        }
    }

    fn place(&self) -> String {
        self.address.map_or_else(|| "nowhere".to_owned(), |address| address.to_string())
    }

    /// Stops listening.
    pub(crate) fn close(&mut self, turn: &mut Turn<'_>) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.backoff.cut_short(turn.shared);
            turn.network.close(self.token);
        }
    }
}
