//! What held the loop up the longest, and for whom.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::instant::Instant;
use crate::token::Token;

/// A piece of work that held the loop up, and everyone else with it.
///
/// ```
/// # fn show(metrics: &windlass::Metrics) {
/// if let Some(stall) = &metrics.longest_stall {
///     println!("{stall}");
/// }
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stall {
    /// How long it took.
    pub took: Duration,
    /// When it was over.
    pub at: Instant,
    /// What kind of work it was.
    pub work: Work,
    /// Whose: a connection's, a listener's, a UDP socket's, or the loop's own.
    pub token: Token,
    /// The other end, if it was a connection's.
    pub peer: Option<SocketAddr>,
}

/// The kinds of work that a turn of the loop is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Work {
    /// Something had become possible for a socket: its frames or datagrams were read and handled.
    Event,
    /// A timer or a deadline came due.
    Timer,
    /// A peer was let in, or refused.
    Accept,
    /// A connection closed.
    Close,
    /// Bytes were passed on between tied connections.
    Relay,
    /// A command was run that a callback had left.
    Command,
    /// A command was run that another thread had left.
    PostedCommand,
    /// Somebody was told that the loop drains.
    Drain,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "an event",
            Self::Timer => "a timer",
            Self::Accept => "an accept",
            Self::Close => "a close",
            Self::Relay => "a relay",
            Self::Command => "a command",
            Self::PostedCommand => "a posted command",
            Self::Drain => "a drain",
        })
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { took, at, work, token, peer } = self;
        match (token.is_connection(), *token == Token::SIGNALS) {
            (true, _) => write!(f, "{work} of connection {token:?}")?,
            (false, false) => write!(f, "{work} of listener or UDP socket {token:?}")?,
            (false, true) => write!(f, "{work} of the loop")?,
        }
        if let Some(peer) = peer {
            write!(f, " of {peer}")?;
        }
        write!(f, " took {took:?}, until {:?} after the start", at.since(Instant::START))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_names_the_work_the_socket_and_the_peer() {
        let stall = Stall {
            took: Duration::from_micros(12_300),
            at: Instant::from_nanos(4_500_000_000),
            work: Work::Event,
            token: Token::connection(0, 5, 1),
            peer: Some("192.0.2.7:4711".parse().unwrap()),
        };
        assert_eq!(
            stall.to_string(),
            "an event of connection 0:5#1 of 192.0.2.7:4711 took 12.3ms, until 4.5s after the start"
        );
        let stall = Stall { work: Work::Accept, token: Token::endpoint(3), peer: None, ..stall };
        assert_eq!(
            stall.to_string(),
            "an accept of listener or UDP socket 3 took 12.3ms, until 4.5s after the start"
        );
        let stall = Stall { work: Work::Drain, token: Token::SIGNALS, ..stall };
        assert_eq!(
            stall.to_string(),
            "a drain of the loop took 12.3ms, until 4.5s after the start"
        );
    }

    #[test]
    fn each_kind_of_work_is_called_by_a_name_of_its_own() {
        let kinds = [
            Work::Event,
            Work::Timer,
            Work::Accept,
            Work::Close,
            Work::Relay,
            Work::Command,
            Work::PostedCommand,
            Work::Drain,
        ];
        let names: std::collections::BTreeSet<_> = kinds.map(|work| work.to_string()).into();
        assert_eq!(names.len(), kinds.len());
        assert!(names.contains("a timer") && names.contains("a posted command"), "{names:?}");
    }
}
