#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What tests/proof holds is compiled in here, and names the crate as any test does.
#[cfg(test)]
extern crate self as windlass;

// The files in the order in which bytes go through them. Each is named after the one thing it
// introduces, and opens with its role. tests/tidy.rs says who may import whom.

// The ground: what everybody may name.
#[macro_use]
mod planted; // bugs on purpose, for the tests to find
mod instant; // a point on the loop's own clock
mod token; // names of sockets
mod sync; // the few types that threads have in common
mod error; // what went wrong, sorted by whose fault it is
mod panics; // where panics of the application end
mod config; // every limit and timeout, with its default

// The outside world, lent to the loop for each turn.
pub mod network; // the seam and its contract; below it the system's network and the simulated one
mod batch; // datagrams, in and out

// From bytes to frames and back.
pub mod codec; // where frames begin and end; below it a file for each framing
mod read_buffer; // what a connection keeps of its input
mod output; // what the callbacks of one event have sent
mod write_queue; // what the kernel did not take yet of it

// What all endpoints share.
mod timers; // which deadline is next
mod stopwatch; // how long each piece of work takes
mod metrics; // what the loop knows about itself
mod tenants; // which connection ids are current, for other threads to see
mod roster; // who serves what, and who is there
mod command; // what is asked of the loop, to be done between callbacks
mod mailbox; // how other threads reach the loop: a queue, and one wake for a burst
mod shared; // the time, the buffers, the timers, and who is to be served
mod handler_timers; // the timers that handlers set, by key
mod backoff; // pauses before something that failed is tried again

// The machines.
mod outside; // the network of a turn, as it is handed on
mod turn; // what the loop lends them
mod connection; // one TCP peer: the only place where its state changes
mod context; // a connection as layers see it
pub mod middleware; // layers before the handler; below it a file for each built-in one
mod layers; // all layers of a loop, in chains
mod handler; // the application's side: Handler, and what it is lent
mod handle; // what other threads ask of the loop
mod connections; // all connections of a listener, in slots
mod endpoint; // a listener's protocol: from bytes to frames to the handler
mod datagram; // a UDP socket and its handler

// The loop.
mod acceptor; // takes peers off a listener's queue
mod drain; // coming to an end
mod reactor; // one turn of the loop

// The doors.
mod engine; // a loop on the system's network
mod listener; // where to listen, with which handler, behind which layers
mod server; // configure, listen, run
#[cfg(any(test, feature = "parts"))]
#[doc(hidden)]
pub mod parts; // what is private otherwise, to be measured and to be fuzzed

#[cfg(test)]
#[path = "../tests/fuzz/mod.rs"]
mod fuzz; // what the fuzzer runs, with the corpora and with chance

#[cfg(test)]
#[path = "../tests/proof/mod.rs"]
mod proof; // every fault, every order, and what chance makes

pub use codec::{ByteLines, Codec, Decoded, Delimited, Endian, Fixed};
pub use codec::{LengthPrefixed, Lines, Raw, Varint};
pub use command::{Broadcast, Slow};
pub use config::{AtLimit, Config, SocketOptions};
pub use connection::{ConnectionInfo, Phase};
pub use datagram::{DatagramHandler, DatagramSession};
pub use drain::DrainReport;
pub use engine::Engine;
pub use error::{CloseReason, Error, FrameError, FrameFault};
pub use handle::{Handle, PostError, PostFault};
pub use handler::{Commands, Handler, MessageHandler, NotConnected, Scope, Session};
pub use instant::Instant;
pub use listener::Listener;
pub use metrics::{Closes, Histogram, Metrics, Stall, Work};
pub use network::ConnectError;
pub use output::Output;
pub use reactor::{Breach, Reactor};
pub use server::Server;
pub use token::ConnectionId;
