//! What is asked of every server.

mod ask;
mod real;

use std::fmt;

pub(crate) use ask::Ask;
pub(crate) use real::REAL_WORKLOADS;

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
    /// HTTP/1.1: one page, asked for again and again.
    Http,
    /// RESP2, as Redis speaks it.
    Kv,
    /// DNS over UDP.
    Dns,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Raw, Self::Length, Self::Line, Self::Datagram, Self::Http, Self::Kv, Self::Dns];
    /// Those in which what is sent comes back.
    pub(crate) const ECHOES: [Self; 4] = [Self::Raw, Self::Length, Self::Line, Self::Datagram];

    /// What it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Length => "length",
            Self::Line => "line",
            Self::Datagram => "datagram",
            Self::Http => "http",
            Self::Kv => "kv",
            Self::Dns => "dns",
        }
    }

    /// Whether it runs over UDP.
    pub(crate) fn is_by_datagram(self) -> bool {
        matches!(self, Self::Datagram | Self::Dns)
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
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
    /// Each connection, or socket, keeps so many of these in flight.
    Asks { ask: Ask, connections: u32, in_flight: u32 },
    /// The same, but it is redis-benchmark that asks.
    Tool { ask: Ask, connections: u32, in_flight: u32 },
    /// So many keys are set, and then nothing happens.
    Keys { count: u32 },
}

/// All workloads that are echoes, in the order in which they are measured and shown.
pub(crate) const WORKLOADS: &[Workload] = &[
    requests("echo-1", Protocol::Raw, 1, 1, 64),
    requests("echo-50", Protocol::Raw, 50, 1, 64),
    requests("echo-1k", Protocol::Raw, 1_000, 1, 64),
    requests("echo-10k", Protocol::Raw, 10_000, 1, 64),
    requests("frames-16", Protocol::Length, 1, 16, 64),
    requests("frames-256", Protocol::Length, 1, 256, 64),
    requests("lines-16", Protocol::Line, 1, 16, 64),
    requests("lines-256", Protocol::Line, 1, 256, 64),
    requests("raw-16k", Protocol::Raw, 1, 1, 16 << 10),
    requests("raw-1m", Protocol::Raw, 1, 1, 1 << 20),
    requests("frames-1m", Protocol::Length, 1, 1, 1 << 20),
    datagrams("udp-1", 1, 32, false),
    datagrams("udp-4", 4, 8, false),
    datagrams("udp-64", 64, 1, false),
    datagrams("udp-1-batch", 1, 32, true),
    datagrams("udp-4-batch", 4, 8, true),
    // Of one in flight there is nothing to batch.
    datagrams("udp-64-batch", 64, 2, true),
    over_raw("accept", Shape::Accept { connections: 5_000 }),
    over_raw("churn", Shape::Churn { concurrent: 16, message_len: 64 }),
    over_raw("idle", Shape::Idle { connections: 10_000 }),
];

const fn requests(
    name: &'static str,
    protocol: Protocol,
    connections: u32,
    in_flight: u32,
    message_len: u32,
) -> Workload {
    Workload { name, protocol, shape: Shape::Requests { connections, in_flight, message_len } }
}

const fn datagrams(name: &'static str, flows: u32, in_flight: u32, is_batching: bool) -> Workload {
    let shape = Shape::Datagrams { flows, in_flight, payload_len: 64, is_batching };
    Workload { name, protocol: Protocol::Datagram, shape }
}

const fn over_raw(name: &'static str, shape: Shape) -> Workload {
    Workload { name, protocol: Protocol::Raw, shape }
}

/// The workload of this name.
pub(crate) fn named(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().chain(REAL_WORKLOADS).find(|workload| workload.name == name)
}

/// Says in a few words what is done.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Requests { connections, in_flight, message_len } => {
                let kind = match self.protocol {
                    Protocol::Length => "length-prefixed frames",
                    Protocol::Line => "lines",
                    _ => "messages",
                };
                write!(f, "{} {kind}, {}", Size(message_len), Count(connections, "connection"))?;
                if in_flight > 1 { write!(f, ", {in_flight} in flight") } else { Ok(()) }
            }
            Shape::Datagrams { flows, in_flight, payload_len, is_batching } => {
                let client = if is_batching { ", client batches" } else { "" };
                let each = if flows > 1 { " each" } else { "" };
                let (size, flows) = (Size(payload_len), Count(flows, "flow"));
                write!(f, "{size} datagrams, {flows}, {in_flight} in flight{each}{client}")
            }
            Shape::Accept { connections } => {
                write!(f, "open {}, close them", Count(connections, "connection"))
            }
            Shape::Churn { concurrent, message_len } => {
                write!(f, "connect, echo {message_len} bytes, close; {concurrent} under way")
            }
            Shape::Idle { connections } => {
                write!(f, "{} that do nothing", Count(connections, "connection"))
            }
            Shape::Asks { ask, connections, in_flight } => {
                let kind = if ask == Ask::Question { "socket" } else { "connection" };
                write!(f, "{}, {}, {in_flight} in flight", ask.about(), Count(connections, kind))
            }
            Shape::Tool { ask, connections, in_flight } => {
                write!(f, "{} by redis-benchmark -c {connections} -P {in_flight}", ask.about())
            }
            Shape::Keys { count } => {
                write!(f, "the memory of {} with values of 64 bytes", Count(count, "16-byte key"))
            }
        }
    }
}

/// A number of bytes as it is said.
struct Size(u32);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            len if len > 0 && len.is_multiple_of(1 << 20) => write!(f, "{} MiB", len >> 20),
            len if len > 0 && len.is_multiple_of(1 << 10) => write!(f, "{} KiB", len >> 10),
            len => write!(f, "{len}-byte"),
        }
    }
}

/// So many of these, with an s unless it is one.
struct Count(u32, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.0 == 1 { "" } else { "s" };
        let (thousands, rest) = (self.0 / 1_000, self.0 % 1_000);
        match thousands {
            0 => write!(f, "{rest} {}{ending}", self.1),
            1.. if thousands < 1_000 => write!(f, "{thousands},{rest:03} {}{ending}", self.1),
            _ => {
                let (millions, thousands) = (thousands / 1_000, thousands % 1_000);
                write!(f, "{millions},{thousands:03},{rest:03} {}{ending}", self.1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_used_once() {
        let all = || WORKLOADS.iter().chain(REAL_WORKLOADS);
        let names: BTreeSet<_> = all().map(|workload| workload.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn a_protocol_is_found_by_its_own_name_only() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::named(protocol.name()), Some(protocol));
        }
        assert_eq!(Protocol::named("RAW"), None);
    }

    #[test]
    fn a_workload_says_what_is_done() {
        let said = |name| named(name).unwrap().to_string();
        assert_eq!(said("echo-1"), "64-byte messages, 1 connection");
        assert_eq!(said("echo-10k"), "64-byte messages, 10,000 connections");
        let frames = "64-byte length-prefixed frames, 1 connection, 16 in flight";
        assert_eq!(said("frames-16"), frames);
        assert_eq!(said("churn"), "connect, echo 64 bytes, close; 16 under way");
        assert_eq!(said("raw-1m"), "1 MiB messages, 1 connection");
        let datagrams = "64-byte datagrams, 4 flows, 8 in flight each, client batches";
        assert_eq!(said("udp-4-batch"), datagrams);
        assert_eq!(said("http-16"), "GET / of HTTP/1.1, 50 connections, 16 in flight");
        assert_eq!(said("dns-32"), "questions of one zone, 1 socket, 32 in flight");
        assert_eq!(said("tool-set-16"), "SET by redis-benchmark -c 50 -P 16");
        let memory = "the memory of 1,000,000 16-byte keys with values of 64 bytes";
        assert_eq!(said("kv-memory"), memory);
    }

    #[test]
    fn datagrams_in_flight_fit_the_usual_receive_buffer() {
        // 212,992 bytes by default, and the kernel charges 768 or more for the least datagram.
        for workload in WORKLOADS {
            if let Shape::Datagrams { flows, in_flight, .. } = workload.shape {
                assert!(flows * in_flight * 1_280 <= 212_992, "{}", workload.name);
            }
        }
    }
}
