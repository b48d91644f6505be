//! What is asked of every server.

/// How bytes are sent back and forth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// Every byte comes back, whatever its place.
    Raw,
    /// Frames behind a length of four bytes, big-endian; each comes back as it was.
    Length,
    /// Frames that end with a line feed; each comes back as it was.
    Line,
    /// UDP: each datagram comes back to where it came from.
    Datagram,
}

/// One kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// What it is called on the command line and in the report, such as `echo-50`.
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) shape: Shape,
}

/// What the load does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Each connection keeps so many messages of so many bytes in flight.
    Requests { connections: u32, in_flight: u32, message_len: u32 },
    /// Each flow is a socket of its own that keeps so many datagrams in flight. A batching client
    /// sends and receives many in a call.
    Datagrams { flows: u32, in_flight: u32, payload_len: u32, is_batching: bool },
    /// Connections are opened and kept, so many in all, and closed together.
    Accept { connections: u32 },
    /// A connection is opened, echoes one message, and is closed; so many are under way.
    Churn { concurrent: u32, message_len: u32 },
    /// Connections are opened, each echoes one message, and then nothing happens.
    Idle { connections: u32 },
}
