//! The workloads of real protocols, for examples of the crate and their rivals.

use super::{Ask, Shape, Workload};

/// All of them, in the order in which they are measured and shown.
pub(crate) const REAL_WORKLOADS: &[Workload] = &[
    asks("http-16", Ask::Page, 50, 16),
    asks("http-1", Ask::Page, 50, 1),
    asks("ping-16", Ask::Ping, 50, 16),
    asks("set-16", Ask::Set, 50, 16),
    asks("get-16", Ask::Get, 50, 16),
    asks("mixed-16", Ask::Mixed, 50, 16),
    tool("tool-ping-16", Ask::Ping),
    tool("tool-set-16", Ask::Set),
    tool("tool-get-16", Ask::Get),
    of_kv("kv-memory", Shape::Keys { count: 1_000_000 }),
    asks("dns-32", Ask::Question, 1, 32),
];

const fn asks(name: &'static str, ask: Ask, connections: u32, in_flight: u32) -> Workload {
    let shape = Shape::Asks { ask, connections, in_flight };
    Workload { name, protocol: ask.protocol(), shape }
}

const fn tool(name: &'static str, ask: Ask) -> Workload {
    of_kv(name, Shape::Tool { ask, connections: 50, in_flight: 16 })
}

const fn of_kv(name: &'static str, shape: Shape) -> Workload {
    Workload { name, protocol: Ask::Ping.protocol(), shape }
}
