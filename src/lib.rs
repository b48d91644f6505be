//! Windlass.

mod batch;
pub mod codec;
mod error;
mod instant;
pub mod network;
mod output;
mod timers;
mod token;

pub use batch::{Datagram, Incoming, Outgoing};
pub use codec::{Codec, Decoded, Lines, Raw};
pub use error::{CloseReason, DrainReport, Error, FrameError, FrameFault};
pub use instant::Instant;
pub use output::Output;
pub use token::{ConnectionId, Token};
