//! What the load is told on its command line: by who measures, or by hand.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::trouble::{Trouble, Trying as _};
use crate::workload::{Ask, Protocol, Shape};

/// How the arguments are written.
pub(super) const USAGE: &str = "\
usage: load ADDR PROTOCOL SHAPE WARM STRETCH

  PROTOCOL  raw, length, line or datagram, or http, kv or dns
  SHAPE     requests:CONNECTIONS:IN_FLIGHT:LEN, flows:FLOWS:IN_FLIGHT:LEN,
            batches:FLOWS:IN_FLIGHT:LEN, accept:CONNECTIONS, churn:CONCURRENT:LEN
            or idle:CONNECTIONS; of http, kv and dns, page, ping, set, get, mixed or question,
            each with :CONNECTIONS:IN_FLIGHT, and `tool-` before it to let redis-benchmark ask,
            or keys:COUNT
  WARM      how long or how much before it counts: micros:N or replies:N
  STRETCH   how long or how much counts

Says `warm`, awaits a line, says `result` and what it was, awaits another line, and ends.
Exit status: 0 if every byte came back as it must, 1 if not, 2 on bad usage.";

/// All that the load is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) shape: Shape,
    pub(crate) warm: Until,
    pub(crate) stretch: Until,
}

/// When a stretch ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// So many messages are answered, or connections are closed.
    Replies(u64),
    /// So much time has passed.
    Time(Duration),
}

impl Plan {
    /// The arguments that say this.
    pub(crate) fn arguments(&self) -> [String; 5] {
        let shape = match self.shape {
            Shape::Requests { connections, in_flight, message_len } => {
                format!("requests:{connections}:{in_flight}:{message_len}")
            }
            Shape::Datagrams { flows, in_flight, payload_len, is_batching } => {
                let name = if is_batching { "batches" } else { "flows" };
                format!("{name}:{flows}:{in_flight}:{payload_len}")
            }
            Shape::Accept { connections } => format!("accept:{connections}"),
            Shape::Churn { concurrent, message_len } => format!("churn:{concurrent}:{message_len}"),
            Shape::Idle { connections } => format!("idle:{connections}"),
            Shape::Asks { ask, connections, in_flight } => {
                format!("{}:{connections}:{in_flight}", ask.name())
            }
            Shape::Tool { ask, connections, in_flight } => {
                format!("{TOOL}{}:{connections}:{in_flight}", ask.name())
            }
            Shape::Keys { count } => format!("keys:{count}"),
        };
        let protocol = self.protocol.name().to_owned();
        let [warm, stretch] = [self.warm, self.stretch].map(|until| match until {
            Until::Replies(count) => format!("replies:{count}"),
            Until::Time(time) => format!("micros:{}", time.as_micros()),
        });
        [self.address.to_string(), protocol, shape, warm, stretch]
    }

    /// # Errors
    /// What is wrong with the arguments.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Trouble> {
        let [address, protocol, shape, warm, stretch] = arguments else {
            return Err(Trouble::new("five arguments are needed"));
        };
        let plan = Self {
            address: address.parse().trying(format!("`{address}` is no address"))?,
            protocol: Protocol::named(protocol)
                .ok_or_else(|| Trouble::new(format!("`{protocol}` is no protocol")))?,
            shape: shape_of(shape)
                .ok_or_else(|| Trouble::new(format!("`{shape}` is no shape of a load")))?,
            warm: until_of(warm)?,
            stretch: until_of(stretch)?,
        };
        plan.check()?;
        Ok(plan)
    }

    /// Whether the shape and the protocol fit each other.
    fn check(&self) -> Result<(), Trouble> {
        let is_by_datagram = matches!(self.shape, Shape::Datagrams { .. });
        if is_by_datagram != (self.protocol == Protocol::Datagram) {
            return Err(Trouble::new("datagrams have flows, and only they have"));
        }
        let asked_in = match self.shape {
            Shape::Asks { ask, .. } | Shape::Tool { ask, .. } => Some(ask.protocol()),
            Shape::Keys { .. } => Some(Protocol::Kv),
            _ => None,
        };
        if asked_in.map_or(!Protocol::ECHOES.contains(&self.protocol), |it| it != self.protocol) {
            return Err(Trouble::new("this is not asked in this protocol"));
        }
        let counts = match self.shape {
            Shape::Requests { connections, in_flight, message_len } => {
                [connections, in_flight, message_len]
            }
            Shape::Datagrams { flows, in_flight, payload_len, .. } => {
                if payload_len < 8 {
                    return Err(Trouble::new("a datagram needs 8 bytes to say which it is"));
                }
                [flows, in_flight, payload_len]
            }
            Shape::Churn { concurrent, message_len } => [concurrent, message_len, 1],
            Shape::Accept { connections } | Shape::Idle { connections } => [connections, 1, 1],
            Shape::Asks { connections, in_flight, .. }
            | Shape::Tool { connections, in_flight, .. } => [connections, in_flight, 1],
            Shape::Keys { count } => [count, 1, 1],
        };
        if counts.contains(&0) {
            return Err(Trouble::new("nothing of something is no load"));
        }
        Ok(())
    }
}

/// What is before the name of what redis-benchmark asks.
const TOOL: &str = "tool-";

fn shape_of(text: &str) -> Option<Shape> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let numbers: Vec<u32> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
    match (name, &numbers[..]) {
        ("requests", &[connections, in_flight, message_len]) => {
            Some(Shape::Requests { connections, in_flight, message_len })
        }
        ("flows" | "batches", &[flows, in_flight, payload_len]) => {
            let is_batching = name == "batches";
            Some(Shape::Datagrams { flows, in_flight, payload_len, is_batching })
        }
        ("accept", &[connections]) => Some(Shape::Accept { connections }),
        ("churn", &[concurrent, message_len]) => Some(Shape::Churn { concurrent, message_len }),
        ("idle", &[connections]) => Some(Shape::Idle { connections }),
        ("keys", &[count]) => Some(Shape::Keys { count }),
        (_, &[connections, in_flight]) => Some(match name.strip_prefix(TOOL) {
            Some(name) => Shape::Tool { ask: Ask::named(name)?, connections, in_flight },
            None => Shape::Asks { ask: Ask::named(name)?, connections, in_flight },
        }),
        _ => None,
    }
}

fn until_of(text: &str) -> Result<Until, Trouble> {
    let until = match text.split_once(':') {
        Some(("replies", count)) => u64::from_str(count).ok().map(Until::Replies),
        Some(("micros", count)) => {
            u64::from_str(count).ok().map(Duration::from_micros).map(Until::Time)
        }
        _ => None,
    };
    until.ok_or_else(|| Trouble::new(format!("`{text}` is neither replies:N nor micros:N")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(protocol: Protocol, shape: Shape) -> Plan {
        Plan {
            address: "127.0.0.1:7000".parse().unwrap(),
            protocol,
            shape,
            warm: Until::Replies(10),
            stretch: Until::Time(Duration::from_millis(1_500)),
        }
    }

    #[test]
    fn a_plan_survives_its_arguments() {
        let [connections, in_flight, message_len] = [50, 16, 64];
        let [flows, payload_len, concurrent] = [4, 32, 5];
        for (protocol, shape) in [
            (Protocol::Line, Shape::Requests { connections, in_flight, message_len }),
            (
                Protocol::Datagram,
                Shape::Datagrams { flows, in_flight, payload_len, is_batching: true },
            ),
            (
                Protocol::Datagram,
                Shape::Datagrams { flows, in_flight, payload_len, is_batching: false },
            ),
            (Protocol::Raw, Shape::Accept { connections }),
            (Protocol::Length, Shape::Churn { concurrent, message_len }),
            (Protocol::Raw, Shape::Idle { connections }),
            (Protocol::Http, Shape::Asks { ask: Ask::Page, connections, in_flight }),
            (Protocol::Dns, Shape::Asks { ask: Ask::Question, connections, in_flight }),
            (Protocol::Kv, Shape::Tool { ask: Ask::Set, connections, in_flight }),
            (Protocol::Kv, Shape::Keys { count: 10 }),
        ] {
            let plan = plan(protocol, shape);
            let again = Plan::parse(&plan.arguments()).unwrap();
            assert_eq!(format!("{plan:?}"), format!("{again:?}"));
        }
    }

    #[test]
    fn a_plan_that_cannot_be_is_refused() {
        let good = plan(Protocol::Raw, Shape::Idle { connections: 1 }).arguments();
        for (place, bad) in [
            (0, "nowhere"),
            (1, "morse"),
            (1, "datagram"),
            (2, "idle"),
            (2, "idle:0"),
            (2, "idle:1:2"),
            (2, "requests:1:2"),
            (2, "flows:1:1:64"),
            (2, "page:50:16"),
            (2, "keys:10"),
            (1, "http"),
            (3, "forever"),
            (4, "micros:-1"),
        ] {
            let mut arguments = good.to_vec();
            arguments[place] = bad.to_owned();
            assert!(Plan::parse(&arguments).is_err(), "{bad}");
        }
        assert!(Plan::parse(&good[..4]).is_err());
        assert!(Plan::parse(&good).is_ok());
    }
}
