//! Windlass.

mod batch;
pub mod codec;
mod error;
mod instant;
pub mod network;
mod output;
mod token;

pub use batch::{Datagram, Incoming, Outgoing};
pub use codec::{Codec, Decoded, Delimited, Endian, Fixed, LengthPrefixed, Lines, Raw, Varint};
pub use error::{CloseReason, DrainReport, Error, FrameError, FrameFault};
pub use instant::Instant;
pub use output::Output;
pub use token::{ConnectionId, Token};
