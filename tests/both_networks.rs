//! The same scripts on the simulated and on the real network, with the same to be seen.
//!
//! A script is what clients do to a server: they connect, send, stop reading, reset, wait until
//! something has come. It is played on the simulated network, with its virtual clock, and on the
//! system's, with sockets on the loopback interface, each time with a new server; and on the
//! simulated one again with harmless faults, a few seeds of them (`WINDLASS_SEEDS`). What can be
//! seen must be what the script says, and must be the same every time: for each client, what
//! handlers were called for in their order, with all bytes of all frames; every byte it received,
//! and how its connection ended; the datagrams that came; the report of the drain; the counters.
//!
//! What a network may do in one way or another is left out, and nothing else:
//!
//! * in which order things happen to different clients, and in which order datagrams of different
//!   sockets come: nobody promises any;
//! * where the bytes were cut: it shows only where a codec has no frames of its own, or where very
//!   many are run, and such frames are joined;
//! * what was on its way at a reset: of what a client received whose connection ended so, only that
//!   counts for which the script has waited;
//! * how many bytes were written where a connection broke off, and how many were read where one was
//!   closed before its input ended: what is in the system's buffers is the system's matter;
//! * whether a UDP socket is told that nobody listens where it has sent to: systems may, Linux does
//!   not, and the simulated network does;
//! * how long anything took, and what is counted by the way, such as turns.
//!
//! A script may only wait for what is going to be seen, never for time that is hoped to suffice, so
//! that it comes out the same however busy the machine is. What does not happen within a minute of
//! the network's clock does not happen. Real deadlines are short, and it is only seen which of them
//! has passed.

mod fixture;
mod worlds;

#[path = "both_networks/beyond.rs"]
mod beyond;
#[path = "both_networks/callbacks.rs"]
mod callbacks;
#[path = "both_networks/datagrams.rs"]
mod datagrams;
#[path = "both_networks/deadlines.rs"]
mod deadlines;
#[path = "both_networks/draining.rs"]
mod draining;
#[path = "both_networks/ending.rs"]
mod ending;
#[path = "both_networks/framing.rs"]
mod framing;
#[path = "both_networks/limits.rs"]
mod limits;
#[path = "both_networks/play.rs"]
mod play;
#[path = "both_networks/proxying.rs"]
mod proxying;
#[path = "both_networks/run.rs"]
mod run;
#[path = "both_networks/trace.rs"]
mod trace;
