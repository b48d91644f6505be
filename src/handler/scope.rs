//! What a handler is lent when no connection is at hand: all of its own, and the loop.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Commands, ConnectionsOf, Handler, Session, lend, panicked};
use crate::connection::{Connection, ConnectionInfo};
use crate::connections::Peer;
use crate::error::Error;
use crate::handler_timers::HandlerTimers;
use crate::instant::Instant;
use crate::metrics::Metrics;
use crate::network::ConnectError;
use crate::panics::catch;
use crate::token::{ConnectionId, Token};
use crate::turn::Turn;

/// A handler's connections and its loop, lent to a callback that is for none of them.
///
/// Its connections are those whose `on_open` was called and that have not ended. Who still stands
/// before a layer, is still being connected to, or has ended and waits for its `on_close`, is not
/// among them.
///
/// ```
/// use windlass::{Error, Handler, Lines, Scope, Session};
/// use std::time::Duration;
///
/// /// Tells everybody every minute how many there are.
/// struct Census;
///
/// impl Handler for Census {
///     type Codec = Lines;
///     type State = ();
///
///     fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
///         scope.set_interval(0, Duration::from_secs(60));
///         Ok(())
///     }
///
///     fn on_server_timer(&mut self, scope: &mut Scope<'_, Self>, _: u32) -> Result<(), Error> {
///         let text = format!("{} are here", scope.len());
///         for id in scope.ids() {
///             // Whoever is closing is told nothing.
///             scope.with(id, |session| session.send(&text).is_ok());
///         }
///         Ok(())
///     }
///
///     fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
///         Ok(())
///     }
/// }
/// ```
pub struct Scope<'a, H: Handler> {
    pub(crate) connections: &'a mut ConnectionsOf<H>,
    /// Of which each connection gets a clone.
    pub(crate) codec: &'a H::Codec,
    pub(crate) timers: &'a mut HandlerTimers,
    pub(crate) token: Token,
    pub(crate) turn: Turn<'a>,
    pub(crate) others: &'a dyn OtherConnections,
}

/// A connection that could not even be begun, with what the handler wanted to keep for it.
#[derive(Debug)]
pub struct NotConnected<S> {
    /// Where to.
    pub address: SocketAddr,
    /// What was to be kept for it.
    pub state: S,
    /// Why not.
    pub error: ConnectError,
}

impl<S> fmt::Display for NotConnected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: {}", self.address, self.error)
    }
}

impl<S: fmt::Debug> std::error::Error for NotConnected<S> {}

/// Work that is left for later, to be run with the handler.
pub(crate) struct Task<H: Handler>(pub(crate) Box<TaskFn<H>>);

type TaskFn<H> = dyn FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error>;

/// The connections of all other endpoints.
pub(crate) trait OtherConnections {
    /// Shows them one after the other.
    fn for_each(&self, visit: &mut dyn FnMut(&ConnectionInfo<'_>));

    /// How many there are.
    fn len(&self) -> usize;
}

impl<H: Handler> Scope<'_, H> {
    /// How many connections this handler has: they are counted each time.
    pub fn len(&self) -> usize {
        self.present().count()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.present().next().is_none()
    }

    fn present(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().filter(|connection| connection.is_present())
    }

    /// The names of this handler's connections, those left out that a layer keeps from it.
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.present().map(|connection| ConnectionId(connection.token())).collect()
    }

    /// The names of those [of this handler's connections](Self::ids) for which `is_wanted` holds:
    /// for a [`Broadcast`](crate::Broadcast).
    pub fn select(
        &mut self,
        mut is_wanted: impl FnMut(ConnectionInfo<'_>, &mut H::State) -> bool,
    ) -> Vec<ConnectionId> {
        let all = self.connections.iter_mut().filter(|peer| peer.connection.is_present());
        let wanted = all.filter_map(|Peer { connection, state, .. }| {
            is_wanted(connection.info(), state).then_some(ConnectionId(connection.token()))
        });
        wanted.collect()
    }

    /// Lends one of this handler's connections to `call`, as a callback of its own would have it;
    /// `None` if it has closed. What is sent leaves when `call` is done.
    ///
    /// A panic in it closes that connection, and is `None` too.
    pub fn with<R>(
        &mut self,
        id: ConnectionId,
        call: impl FnOnce(&mut Session<'_, H>) -> R,
    ) -> Option<R> {
        let peer = self.connections.get_mut(id.0).filter(|peer| peer.connection.is_present())?;
        lend(peer, &mut self.turn, |session, _| {
            session.shared.mark = session.shared.output.mark();
            let result = catch(|| call(session));
            if result.is_none() {
                panicked(session);
            }
            result
        })
    }

    /// What is known of one of this handler's connections.
    pub fn info(&self, id: ConnectionId) -> Option<ConnectionInfo<'_>> {
        let connection = &self.connections.get(id.0)?.connection;
        connection.is_present().then(|| connection.info())
    }

    /// Shows all connections of the loop one after the other, the listener's own first. Here those
    /// are shown too that still stand before a layer, are being made, or have just ended.
    pub fn for_each_connection(&self, mut visit: impl FnMut(&ConnectionInfo<'_>)) {
        self.connections.iter().for_each(|connection| visit(&connection.info()));
        self.others.for_each(&mut visit);
    }

    /// Connects to `address`, for this handler: with `state` and a clone of the listener's codec,
    /// as if a peer had been accepted. Once it is made, [`on_open`](Handler::on_open) is called for
    /// it; if it cannot be made within [`connect_timeout`](crate::Config::connect_timeout),
    /// [`on_connect_failed`](Handler::on_connect_failed) is. Until then it can already be sent to
    /// with [`Commands::send`], and be closed.
    ///
    /// Names are not looked up: that could take long.
    ///
    /// # Errors
    ///
    /// There are [`max_outbound`](crate::Config::max_outbound) of them already, the system refuses
    /// at once, or the loop ends: it has been stopped, or drains and nobody is left who was
    /// accepted. The state is given back, and `on_connect_failed` is not called.
    pub fn connect(
        &mut self,
        address: SocketAddr,
        state: H::State,
    ) -> Result<ConnectionId, NotConnected<H::State>> {
        // It may panic: before there is anything that could be lost.
        let codec = self.codec.clone();
        self.turn.shared.metrics.connects_begun += 1;
        match self.begin_to_connect(address) {
            Ok(token) => {
                let connection = Connection::connecting(token, address, self.now());
                let peer = self.connections.insert(Peer { connection, codec, state });
                self.turn.shared.outbound_len += 1;
                lend::<H, _>(peer, &mut self.turn, |_, _| ());
                Ok(ConnectionId(token))
            }
            Err(error) => {
                self.turn.shared.metrics.connects_failed += 1;
                Err(NotConnected { address, state, error })
            }
        }
    }

    fn begin_to_connect(&mut self, address: SocketAddr) -> Result<Token, ConnectError> {
        let Turn { network, shared, .. } = &mut self.turn;
        let most = shared.config.max_outbound;
        let used_up = |what: String| ConnectError::NoResources(io::Error::other(what));
        if !shared.may_connect {
            let what = "the loop ends: nobody is connected to any more";
            return Err(ConnectError::Other(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                what,
            )));
        }
        if shared.outbound_len >= most {
            return Err(used_up(format!("max_outbound is {most}: raise it to connect more often")));
        }
        let token = self.connections.next_token();
        let token = token.ok_or_else(|| used_up("there is no slot left".to_owned()))?;
        network.connect(token, address, &shared.config.socket)?;
        Ok(token)
    }

    /// What has happened in the loop so far, and how things stand now.
    pub fn metrics(&self) -> Metrics {
        self.turn.shared.snapshot(self.connections.len() + self.others.len())
    }

    /// For what is done between callbacks.
    pub const fn commands(&mut self) -> Commands<'_> {
        Commands::new(&mut *self.turn.shared)
    }

    /// Has [`Handler::on_server_timer`] called with `key` after `wait`, once. A timer set before
    /// under the same key is replaced. It is never early, and late by no more than a millisecond
    /// and what else the loop has to do.
    pub fn set_timer(&mut self, key: u32, wait: Duration) {
        self.timers.set(self.turn.shared, self.token, key, wait);
    }

    /// As [`set_timer`](Self::set_timer), again and again: each time from when it was due, so that
    /// it does not drift. Times that pass while the loop is held up are left out. With a period of
    /// zero it comes due in every turn, and the loop never sleeps.
    pub fn set_interval(&mut self, key: u32, period: Duration) {
        self.timers.set_periodic(self.turn.shared, self.token, key, period);
    }

    /// Forgets the timer under `key`; says whether there was one.
    pub fn cancel_timer(&mut self, key: u32) -> bool {
        self.timers.cancel(self.turn.shared, key)
    }

    /// The time of this turn, on the network's clock.
    pub const fn now(&self) -> Instant {
        self.turn.shared.now
    }
}

impl<H: Handler> fmt::Debug for Scope<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("connections", &self.len()).finish_non_exhaustive()
    }
}
