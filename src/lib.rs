//! Windlass.

mod acceptor;
mod backoff;
mod batch;
pub mod codec;
mod config;
mod connection;
mod connections;
mod datagram;
mod drain;
mod endpoint;
mod engine;
mod error;
mod handler;
mod instant;
pub mod network;
mod output;
mod reactor;
mod read_buffer;
mod server;
mod shared;
mod timers;
mod token;
mod write_queue;

pub use batch::{Datagram, Incoming, Outgoing};
pub use codec::{Codec, Decoded, Delimited, Endian, Fixed, LengthPrefixed, Lines, Raw, Varint};
pub use config::{AtLimit, Config, MAX_CONNECTIONS_CAP, SocketOptions};
pub use datagram::{DatagramHandler, DatagramSession};
pub use engine::Engine;
pub use error::{CloseReason, DrainReport, Error, FrameError, FrameFault};
pub use handler::{Handler, Session};
pub use instant::Instant;
pub use output::Output;
pub use reactor::Reactor;
pub use server::Server;
pub use shared::Counters;
pub use token::{ConnectionId, Token};
