//! What the loop knows about itself: plain integers, counted where things happen.

mod closes;
mod histogram;
#[cfg(feature = "prometheus")]
mod prometheus;
mod stall;

pub use self::closes::Closes;
pub use self::histogram::Histogram;
pub use self::stall::{Stall, Work};

/// What has happened since the loop began, and how things stood when it was asked.
///
/// Counters only grow; gauges, further down, are as they were when the snapshot was taken. A loop
/// has its own: there are no globals, and to count is to add to a number.
///
/// ```
/// # use windlass::network::SimNetwork;
/// # use windlass::{Error, Handler, Raw, Server, Session};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Codec = Raw;
/// #     type State = ();
/// #     fn on_frame(
/// #         &mut self,
/// #         session: &mut Session<'_, Self>,
/// #         bytes: &mut [u8],
/// #     ) -> Result<(), Error> {
/// #         session.send(bytes)
/// #     }
/// # }
/// # fn main() -> Result<(), Error> {
/// let mut network = SimNetwork::new(42);
/// let mut reactor = Server::new().tcp("192.0.2.1:7000", Echo).build_on(&mut network)?;
/// network.connect_to("192.0.2.1:7000".parse().unwrap());
/// reactor.turn(&mut network, None)?;
/// let metrics = reactor.metrics();
/// assert_eq!((metrics.turns, metrics.accepted, metrics.connections), (1, 1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Turns of the loop.
    pub turns: u64,

    /// Peers that became connections.
    pub accepted: u64,
    /// Peers that were refused at the limit.
    pub refused: u64,
    /// Peers that a layer refused at the door.
    pub refused_by_layers: u64,
    /// Peers that had gone before they were accepted.
    pub gone: u64,
    /// Attempts to accept that failed for want of something, or because the connection's state
    /// panicked when it was made.
    pub accept_errors: u64,

    /// Outbound connections that were begun.
    pub connects_begun: u64,
    /// Those of them that were established.
    pub connects_succeeded: u64,
    /// Those of them that could not be.
    pub connects_failed: u64,

    /// Connections that closed, by reason.
    pub closed: Closes,

    /// Bytes read from connections.
    pub bytes_received: u64,
    /// Bytes written to connections.
    pub bytes_sent: u64,
    /// Frames that were decoded.
    pub frames: u64,
    /// Those of them for which a layer closed the connection.
    pub frames_refused: u64,
    /// Those of them that a layer kept from the handler, and no more.
    pub frames_consumed: u64,

    /// Datagrams that were received.
    pub datagrams_received: u64,
    /// Those of them that no [`on_datagram`](crate::DatagramHandler::on_datagram) was called for:
    /// truncated, without a sender that can be answered, or refused by a layer.
    pub datagrams_rejected: u64,
    /// The bytes of the datagrams received, without what was cut off of those truncated.
    pub datagram_bytes_received: u64,
    /// Datagrams that were sent.
    pub datagrams_sent: u64,
    /// The bytes of the datagrams sent.
    pub datagram_bytes_sent: u64,
    /// Datagrams that were to be sent and were dropped: the queue was full, or the network refused
    /// them.
    pub datagrams_dropped: u64,
    /// Errors reported by UDP sockets while receiving.
    pub receive_errors: u64,

    /// Callbacks that panicked.
    pub panics: u64,
    /// Commands of callbacks and other threads that were run.
    pub commands: u64,
    /// Those of them that came from other threads, by a [`Handle`](crate::Handle).
    pub commands_posted: u64,
    /// Commands of other threads that waited when the loop ended, and were never run.
    pub commands_dropped: u64,
    /// Times that other threads have woken the loop: once for all that they ask for until it looks.
    pub wakes: u64,
    /// Broadcasts that were run.
    pub broadcasts: u64,
    /// Connections that a broadcast was sent to.
    pub broadcast_deliveries: u64,
    /// Connections that a broadcast passed over, since they were too slow.
    pub broadcast_skipped: u64,
    /// Those of the deliveries whose receiver was slow.
    pub broadcast_slow: u64,
    /// Connections that a broadcast closed, since they were too slow, or more would have waited for
    /// them than the write limit.
    pub broadcast_closed: u64,
    /// Timers and deadlines that came due.
    pub timers_fired: u64,

    /// A gauge: the connections there are.
    pub connections: u64,
    /// A gauge: those of them that were begun on this side.
    pub outbound_connections: u64,
    /// A gauge: how many connections can be accepted.
    pub max_connections: u64,
    /// A gauge: the connections whose peer is not read, since it does not take its output.
    pub held_back: u64,
    /// A gauge: the memory that the buffers of all connections hold.
    pub buffered_bytes: u64,
    /// A gauge: the timers and deadlines that are set.
    pub timers_armed: u64,
    /// A gauge: the commands of callbacks that wait to be run.
    pub commands_waiting: u64,

    /// How long turns took, without the sleep.
    pub turn_time: Histogram,
    /// How long it took to serve an event, callbacks included.
    pub event_time: Histogram,
    /// What has held the loop up the longest so far.
    pub longest_stall: Option<Stall>,
}
