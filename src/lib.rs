//! Windlass.

mod batch;
pub mod codec;
mod config;
mod error;
mod instant;
pub mod network;
mod output;
mod read_buffer;
mod timers;
mod token;
mod write_queue;

pub use batch::{Datagram, Incoming, Outgoing};
pub use codec::{Codec, Decoded, Lines, Raw};
pub use config::{AtLimit, Config, SocketOptions};
pub use error::{CloseReason, DrainReport, Error, FrameError, FrameFault};
pub use instant::Instant;
pub use output::Output;
pub use token::{ConnectionId, Token};
