//! One listener's protocol: from bytes to frames to the handler, and back.

mod frames;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::frames::serve;
use crate::codec::Codec;
use crate::connection::Connection;
use crate::connections::{Connections, Peer};
use crate::error::{CloseReason, Error};
use crate::handler::{Handler, Session};
use crate::instant::Instant;
use crate::network::Readiness;
use crate::shared::{Purpose, Shared};
use crate::token::Token;
use crate::turn::{Bench, Turn};

/// The connections of one listener, whatever their protocol: the one place where the loop does not
/// know what it calls.
pub(crate) trait Endpoint {
    /// How many connections there are.
    fn len(&self) -> usize;

    /// The name for the next peer; `None` if there is no slot left.
    fn next_token(&self) -> Option<Token>;

    /// Makes what the application keeps for the next peer; says whether that could be made.
    fn prepare(&mut self, shared: &mut Shared) -> bool;

    /// The network has adopted `peer` under the [`next_token`](Self::next_token), for whom
    /// everything is [prepared](Self::prepare).
    fn open(&mut self, turn: &mut Turn<'_>, peer: SocketAddr, is_draining: bool);

    /// Something may be possible for the connection `token`.
    fn on_event(&mut self, turn: &mut Turn<'_>, token: Token, readiness: Readiness);

    /// The connection `token` is next on the list of those that have work left.
    fn on_turn(&mut self, turn: &mut Turn<'_>, token: Token);

    /// A timer of the connection `token` has come due.
    fn on_timer(&mut self, turn: &mut Turn<'_>, token: Token, purpose: Purpose);

    /// Frees the slot of a connection that closed; says why it did.
    fn free(&mut self, turn: &mut Turn<'_>, token: Token) -> Option<CloseReason>;

    /// Ends the connection `token` at once; if it is done but for lingering, it keeps its reason.
    fn cut(&mut self, turn: &mut Turn<'_>, token: Token, reason: CloseReason);

    /// The names of all connections.
    fn tokens(&self) -> Vec<Token>;

    /// Tells the connection `token` that the loop drains.
    fn drain(&mut self, turn: &mut Turn<'_>, token: Token);

    /// The connection that has been idle the longest, and since when.
    fn longest_idle(&mut self) -> Option<(Instant, Token)>;

    /// The connection that holds most memory, and how much.
    fn largest(&self) -> Option<(usize, Token)>;

    /// The memory of one slot, in bytes.
    fn slot_len(&self) -> usize;

    /// The most bytes that an unfinished frame can come to.
    fn max_frame_len(&self) -> usize;
}

/// A listener's handler and codec, with its connections.
pub(crate) struct StreamEndpoint<H: Handler> {
    handler: H,
    /// The codec that each connection gets a copy of.
    codec: H::Codec,
    /// What was made for the next peer.
    prepared: Option<(H::Codec, H::State)>,
    connections: Connections<H>,
}

impl<H: Handler> StreamEndpoint<H> {
    pub(crate) fn new(endpoint: u8, capacity: usize, codec: H::Codec, handler: H) -> Self {
        let connections = Connections::new(endpoint, capacity);
        Self { handler, codec, prepared: None, connections }
    }

    /// Lends the connection `token` to `call`, and settles what came of it.
    fn with_session(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        call: impl FnOnce(&mut H, &mut Session<'_, H>, &mut Bench<'_>),
    ) {
        if let Some(peer) = self.connections.get_mut(token) {
            lend(&mut self.handler, peer, turn, call);
        }
    }
}

impl<H: Handler> Endpoint for StreamEndpoint<H> {
    fn len(&self) -> usize {
        self.connections.len()
    }

    fn next_token(&self) -> Option<Token> {
        self.connections.next_token()
    }

    fn prepare(&mut self, shared: &mut Shared) -> bool {
        // Both are the application's, and may panic: a peer that is not adopted yet loses nothing.
        let make = || (self.codec.clone(), H::State::default());
        if self.prepared.is_none() {
            self.prepared = catch_unwind(AssertUnwindSafe(make)).ok();
        }
        if self.prepared.is_none() {
            shared.counters.panics += 1;
            log::error!("the state of a connection panicked when it was made");
        }
        self.prepared.is_some()
    }

    fn open(&mut self, turn: &mut Turn<'_>, peer: SocketAddr, is_draining: bool) {
        let token = self.connections.next_token().expect("the network adopted it by this name");
        let mut connection = Connection::new(token, peer, turn.shared.now);
        if is_draining {
            connection.drain_newcomer();
        }
        let (codec, state) = self.prepared.take().expect("it was prepared before the adoption");
        let peer = Peer { connection, codec, state };
        let peer = self.connections.insert(peer);
        lend(&mut self.handler, peer, turn, |handler, session, bench| {
            bench.layers.on_open(&mut session.context());
            announce(handler, session);
        });
    }

    #[inline]
    fn on_event(&mut self, turn: &mut Turn<'_>, token: Token, readiness: Readiness) {
        let Some(peer) = self.connections.get_mut(token) else { return };
        peer.connection.note(readiness);
        // Whoever is on the list is served when it is his turn, and once a turn.
        if !peer.connection.is_listed_ready() {
            lend(&mut self.handler, peer, turn, serve);
        }
    }

    fn on_turn(&mut self, turn: &mut Turn<'_>, token: Token) {
        let Some(peer) = self.connections.get_mut(token) else { return };
        if peer.connection.unlist_ready() {
            self.on_event(turn, token, Readiness::NONE);
        }
    }

    fn on_timer(&mut self, turn: &mut Turn<'_>, token: Token, purpose: Purpose) {
        self.with_session(turn, token, |handler, session, _| match purpose {
            Purpose::Handler(key) => {
                session.connection.forget_timer(key);
                if session.connection.is_open() && session.connection.is_announced() {
                    guard(session, |session| handler.on_timer(session, key));
                }
            }
            _ => session.connection.expire(session.shared),
        });
    }

    fn free(&mut self, turn: &mut Turn<'_>, token: Token) -> Option<CloseReason> {
        let peer = self.connections.get_mut(token)?;
        let reason = peer.connection.take_reason();
        lend(&mut self.handler, peer, turn, |handler, session, bench| {
            if session.connection.is_announced() {
                guard(session, |session| {
                    handler.on_close(session, &reason);
                    Ok(())
                });
            }
            bench.layers.on_close(&mut session.context(), &reason);
        });
        let Peer { mut connection, codec, state } = self.connections.remove(token)?;
        connection.release(turn.shared, turn.network);
        // What the application and its layers keep may panic when it is dropped.
        let kept = (codec, state, connection);
        if catch_unwind(AssertUnwindSafe(|| drop(kept))).is_err() {
            turn.shared.counters.panics += 1;
            log::error!("the state of connection {token:?} panicked when it was dropped");
        }
        Some(reason)
    }

    fn cut(&mut self, turn: &mut Turn<'_>, token: Token, reason: CloseReason) {
        self.with_session(turn, token, |_, session, _| session.connection.cut(reason));
    }

    fn tokens(&self) -> Vec<Token> {
        self.connections.tokens()
    }

    fn drain(&mut self, turn: &mut Turn<'_>, token: Token) {
        self.with_session(turn, token, |handler, session, _| {
            session.connection.drain();
            if session.connection.is_open() && session.connection.is_announced() {
                guard(session, |session| handler.on_drain(session));
            }
        });
    }

    fn longest_idle(&mut self) -> Option<(Instant, Token)> {
        self.connections.longest_idle()
    }

    fn largest(&self) -> Option<(usize, Token)> {
        self.connections.largest()
    }

    fn slot_len(&self) -> usize {
        Connections::<H>::SLOT_LEN
    }

    fn max_frame_len(&self) -> usize {
        self.codec.max_frame_len()
    }
}

/// Lends `peer` to `call`, and settles what came of it.
#[inline(always)]
fn lend<H: Handler>(
    handler: &mut H,
    peer: &mut Peer<H>,
    turn: &mut Turn<'_>,
    call: impl FnOnce(&mut H, &mut Session<'_, H>, &mut Bench<'_>),
) {
    let Peer { connection, codec, state } = peer;
    let (shared, network) = (&mut *turn.shared, &mut *turn.network);
    shared.write_left = shared.config.write_budget;
    let mut session = Session { connection, codec, state, shared, network };
    call(handler, &mut session, &mut turn.bench);
    session.connection.settle(session.shared, session.network);
}

/// Tells the handler of a connection, unless it was told before or is not to know yet.
pub(super) fn announce<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
    let connection = &mut *session.connection;
    if !connection.is_announced() && !connection.is_deferred() && connection.is_open() {
        connection.announce();
        guard(session, |session| handler.on_open(session));
    }
}

/// Runs a callback whose panic or error ends this connection only.
fn guard<H: Handler>(
    session: &mut Session<'_, H>,
    callback: impl FnOnce(&mut Session<'_, H>) -> Result<(), Error>,
) {
    session.shared.mark = session.shared.output.mark();
    match catch_unwind(AssertUnwindSafe(|| callback(session))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => session.connection.close(CloseReason::Failed(error)),
        Err(_) => panicked(session),
    }
}

/// A callback panicked: what it sent is taken back, what was sent before is flushed.
#[cold]
fn panicked<H: Handler>(session: &mut Session<'_, H>) {
    session.shared.counters.panics += 1;
    let mark = session.shared.mark;
    session.shared.output.truncate(mark);
    session.connection.close(CloseReason::Panicked);
    log::error!("a callback panicked: connection {} of {} is closed", session.id(), session.peer());
}
