//! One listener's protocol: from bytes to frames to the handler, and back.

mod frames;
mod input;
mod malformed;
mod outbound;
mod room;
mod tasks;

use std::any::TypeId;
use std::net::SocketAddr;

use bytes::Bytes;

use self::frames::{Next, serve, serve_on};
pub(crate) use self::tasks::Call;
use crate::codec::Codec;
use crate::command::Slow;
use crate::connection::{Connection, Delivery};
use crate::connections::{Connections, Peer};
use crate::error::{CloseReason, Error};
use crate::handler::{ConnectionsOf, Handler, OtherConnections, Session, guard, lend, take_leave};
use crate::handler_timers::HandlerTimers;
use crate::instant::Instant;
use crate::network::Event;
use crate::panics::catch;
use crate::shared::{Purpose, Shared};
use crate::tenants::TenantsView;
use crate::token::Token;
use crate::turn::Turn;

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

    /// The type of the handler.
    fn handler(&self) -> TypeId;

    /// Runs something with the handler and all of its connections.
    ///
    /// # Errors
    ///
    /// The handler's, or that it panicked.
    fn call<'a>(
        &'a mut self,
        turn: Turn<'a>,
        others: &'a dyn OtherConnections,
        call: Call,
    ) -> Result<(), Error>;

    /// Sends `bytes` on the connection `token`; what becomes of a slow receiver, `slow` says.
    fn deliver(&mut self, turn: &mut Turn<'_>, token: Token, bytes: &Bytes, slow: Slow)
    -> Delivery;

    /// The connection `token` itself, which whoever changes it settles.
    fn connection_mut(&mut self, token: Token) -> Option<&mut Connection>;

    /// The name of the first connection in the slots from `slot` on that its handler has.
    fn next_from(&self, slot: usize) -> Option<Token>;

    /// Closes the connection `token`, as if its handler did.
    fn close(&mut self, turn: &mut Turn<'_>, token: Token);

    /// The loop drains: closes the connection `token` if it has nothing to do.
    fn close_idle(&mut self, turn: &mut Turn<'_>, token: Token);

    /// Breaks the connection `token` off, as if its handler did.
    fn abort(&mut self, turn: &mut Turn<'_>, token: Token);

    /// Shows all connections one after the other.
    fn for_each(&self, visit: &mut dyn FnMut(&Connection));

    /// The other end of the connection `token`, if that is there.
    fn peer(&self, token: Token) -> Option<SocketAddr>;

    /// What other threads may know of who is there.
    fn tenants(&self) -> TenantsView;

    /// Something may be possible for those that the first of `events` are for. They are served one
    /// after the other, each within its budgets, up to the first that is for somebody else, or
    /// after which the loop has something to see to. Says how many were.
    fn on_events(&mut self, turn: &mut Turn<'_>, events: &[Event]) -> usize;

    /// Takes the connection `token` off the list of those that have work left, if it is still
    /// there: it is then to be served, as if there were an event for it.
    fn unlist(&mut self, token: Token) -> bool;

    /// A timer of the connection `token` has come due.
    fn on_timer(&mut self, turn: &mut Turn<'_>, token: Token, purpose: Purpose);

    /// Frees the slot of a connection that closed; says why it did.
    fn free(&mut self, turn: &mut Turn<'_>, token: Token) -> Option<CloseReason>;

    /// Ends the connection `token` at once; if it is done but for lingering, it keeps its reason.
    fn cut(&mut self, turn: &mut Turn<'_>, token: Token, reason: CloseReason);

    /// The names of all connections.
    fn tokens(&self) -> Vec<Token>;

    /// Lets the connection `token`, if it was made to another, close as soon as it has nothing left
    /// to do: nobody needs it any more.
    fn release(&mut self, turn: &mut Turn<'_>, token: Token);

    /// Tells the connection `token` that the loop drains. One that was made to another stays, since
    /// others may need it for what they have left to do.
    fn drain(&mut self, turn: &mut Turn<'_>, token: Token);

    /// The connection that has been idle the longest, and since when.
    fn longest_idle(&mut self) -> Option<(Instant, Token)>;

    /// The connection that holds most memory, and how much.
    fn largest(&self) -> Option<(usize, Token)>;

    /// The memory of one slot, in bytes.
    fn slot_len(&self) -> usize;

    /// The most bytes that an unfinished frame can come to.
    fn max_frame_len(&self) -> usize;

    /// How many timers of the handler as a whole are armed.
    fn timers_len(&self) -> usize;
}

/// A listener's handler and codec, with its connections.
pub(crate) struct StreamEndpoint<H: Handler> {
    handler: H,
    /// The codec that each connection gets a copy of.
    codec: H::Codec,
    /// What was made for the next peer.
    prepared: Option<(H::Codec, H::State)>,
    connections: ConnectionsOf<H>,
    /// Timers of the handler as a whole.
    timers: HandlerTimers,
    /// Which of the endpoints this is.
    number: u8,
}

impl<H: Handler> StreamEndpoint<H> {
    pub(crate) fn new(endpoint: u8, max_len: usize, codec: H::Codec, handler: H) -> Self {
        let connections = Connections::new(endpoint, max_len);
        let timers = HandlerTimers::default();
        Self { handler, codec, prepared: None, connections, timers, number: endpoint }
    }

    /// Lends the connection `token` to `call`, and settles what came of it; `None` if it is gone.
    fn with_session<R>(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        call: impl FnOnce(&mut H, &mut Session<'_, H>) -> R,
    ) -> Option<R> {
        let peer = self.connections.get_mut(token)?;
        Some(lend(peer, turn, |session, _| call(&mut self.handler, session)))
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
            self.prepared = catch(make);
        }
        if self.prepared.is_none() {
            shared.metrics.panics += 1;
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
        lend(peer, turn, |session, bench| {
            bench.layers.on_open(&mut session.context());
            announce(&mut self.handler, session);
        });
    }

    fn on_events(&mut self, turn: &mut Turn<'_>, events: &[Event]) -> usize {
        for (at, event) in events.iter().enumerate() {
            if !event.token.is_connection_of(self.number) {
                return at;
            }
            if let Some(peer) = self.connections.get_mut(event.token) {
                turn.shared.begin_event();
                peer.connection.note(event.readiness);
                if serve(&mut self.handler, peer, turn) == Next::Again {
                    serve_on(&mut self.handler, peer, turn);
                }
            }
            if turn.end_event() {
                return at + 1;
            }
        }
        events.len()
    }

    fn unlist(&mut self, token: Token) -> bool {
        self.connections.get_mut(token).is_some_and(|peer| peer.connection.unlist_ready())
    }

    fn on_timer(&mut self, turn: &mut Turn<'_>, token: Token, purpose: Purpose) {
        self.with_session(turn, token, |handler, session| match purpose {
            Purpose::Handler(key) => {
                session.connection.on_timer_due(session.shared, key);
                if session.connection.is_open() && session.connection.is_announced() {
                    guard(session, |session| handler.on_timer(session, key));
                }
            }
            _ => {
                if let Some(reason) = session.connection.expire(session.shared) {
                    take_leave(handler, session, reason);
                }
            }
        });
    }

    fn free(&mut self, turn: &mut Turn<'_>, token: Token) -> Option<CloseReason> {
        let peer = self.connections.get_mut(token)?;
        let reason = peer.connection.take_reason();
        if peer.connection.is_outbound() && !peer.connection.is_announced() {
            self.free_unconnected(turn, token, &reason);
            return None;
        }
        lend(peer, turn, |session, bench| {
            if session.connection.is_announced() && !planted!(CloseIsNotTold) {
                guard(session, |session| {
                    planted!(CloseIsToldTwice, self.handler.on_close(session, &reason));
                    self.handler.on_close(session, &reason);
                    Ok(())
                });
            }
            bench.layers.on_close(&mut session.context(), &reason);
        });
        let Peer { mut connection, codec, state } = self.connections.remove(token)?;
        connection.release(turn.shared, &mut turn.network);
        drop_kept(turn.shared, token, (codec, state, connection));
        Some(reason)
    }

    fn cut(&mut self, turn: &mut Turn<'_>, token: Token, reason: CloseReason) {
        self.with_session(turn, token, |_, session| session.connection.cut(reason));
    }

    fn handler(&self) -> TypeId {
        TypeId::of::<H>()
    }

    fn call<'a>(
        &'a mut self,
        turn: Turn<'a>,
        others: &'a dyn OtherConnections,
        call: Call,
    ) -> Result<(), Error> {
        self.run_with_all(turn, others, call)
    }

    fn deliver(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        bytes: &Bytes,
        slow: Slow,
    ) -> Delivery {
        let delivery = self.with_session(turn, token, |_, session| {
            session.connection.deliver(session.shared, &mut session.network, bytes, slow)
        });
        delivery.unwrap_or(Delivery::Gone)
    }

    fn connection_mut(&mut self, token: Token) -> Option<&mut Connection> {
        Some(&mut self.connections.get_mut(token)?.connection)
    }

    fn next_from(&self, slot: usize) -> Option<Token> {
        self.connections.next_from(slot)
    }

    fn close(&mut self, turn: &mut Turn<'_>, token: Token) {
        self.with_session(turn, token, |_, session| session.close());
    }

    fn close_idle(&mut self, turn: &mut Turn<'_>, token: Token) {
        self.with_session(turn, token, |_, session| session.connection.close_idle());
    }

    fn abort(&mut self, turn: &mut Turn<'_>, token: Token) {
        self.with_session(turn, token, |_, session| session.abort());
    }

    fn for_each(&self, visit: &mut dyn FnMut(&Connection)) {
        self.connections.iter().for_each(visit);
    }

    fn peer(&self, token: Token) -> Option<SocketAddr> {
        Some(self.connections.get(token)?.connection.peer())
    }

    fn tenants(&self) -> TenantsView {
        self.connections.tenants()
    }

    fn tokens(&self) -> Vec<Token> {
        self.connections.tokens()
    }

    fn release(&mut self, turn: &mut Turn<'_>, token: Token) {
        self.with_session(turn, token, |_, session| {
            if !session.connection.is_draining() {
                session.connection.drain();
            }
        });
    }

    fn drain(&mut self, turn: &mut Turn<'_>, token: Token) {
        self.with_session(turn, token, |handler, session| {
            if !session.connection.is_outbound() && !planted!(DrainLeavesTheIdle) {
                session.connection.drain();
            }
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
        ConnectionsOf::<H>::SLOT_LEN
    }

    fn max_frame_len(&self) -> usize {
        self.codec.max_frame_len()
    }

    fn timers_len(&self) -> usize {
        self.timers.len()
    }
}

/// Drops what the application and its layers kept for a connection, which may panic.
fn drop_kept(shared: &mut Shared, token: Token, kept: impl Sized) {
    if catch(|| drop(kept)).is_none() {
        shared.metrics.panics += 1;
        log::error!("the state of connection {token:?} panicked when it was dropped");
    }
}

/// Tells the handler of a connection, unless it was told before or is not to know yet.
pub(super) fn announce<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
    let connection = &mut *session.connection;
    if !connection.is_announced() && !connection.is_withheld() && connection.is_open() {
        connection.announce();
        guard(session, |session| handler.on_open(session));
    }
}
