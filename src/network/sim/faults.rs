//! Faults of the simulated network: how often each happens, named for what it does.

use std::io;
use std::time::Duration;

use super::random::Random;
use crate::network::{AcceptError, ConnectError};

/// How often each fault happens, in times per thousand occasions: 0 is never, 1,000 always. All
/// of them keep the contract of [`network`](crate::network), which is what makes them worth
/// testing with.
///
/// A network that always blocks, or always resets, gets nowhere: for runs that are to end well,
/// stay below 1,000.
///
/// ```
/// use windlass::network::{Faults, SimNetwork};
///
/// let mut network = SimNetwork::new(7);
/// network.set_faults(Faults { partial_read: 500, spurious_event: 50, ..Faults::none() });
/// network.set_faults(Faults::random(7));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Faults {
    /// A read gives fewer bytes than have arrived, or a receive fewer datagrams; an event follows
    /// if one is owed.
    pub partial_read: u16,
    /// A write takes fewer bytes than there is room for, or a send fewer datagrams; an event
    /// follows.
    pub partial_write: u16,
    /// A read, receive or accept answers `Blocked` although something is there; an event follows.
    pub blocked_read: u16,
    /// A write or send answers `Blocked` although there is room, or a
    /// [`connected`](crate::network::Network::connected) although it is so; an event follows.
    pub blocked_write: u16,
    /// A poll gives an event that says nothing true, of a socket that is open or was closed of
    /// late.
    pub spurious_event: u16,
    /// An event comes later, by up to [`longest_delay`](Self::longest_delay), perhaps when its
    /// socket has been closed.
    pub delayed_event: u16,
    /// An event says all that is true of its socket at the time, not only what is new.
    pub merged_event: u16,
    /// What one event could say comes in two, the second behind the events of other sockets.
    pub split_event: u16,
    /// A poll whose timeout passes returns up to a millisecond late.
    pub late_timeout: u16,
    /// A poll that sleeps returns before anything has happened and before its timeout.
    pub interrupted_poll: u16,
    /// A connection is reset at a read or write, or while the loop sleeps.
    pub reset: u16,
    /// An accept fails because something has run out for the moment.
    pub exhausted_accept: u16,
    /// An accept fails because the peer that was next has gone, and is lost.
    pub aborted_accept: u16,
    /// A peer has reset its connection by the time it is accepted: the accept succeeds, and the
    /// first read or write fails.
    pub gone_at_accept: u16,
    /// A connection just accepted cannot be adopted.
    pub failed_adopt: u16,
    /// A connection that the loop begins fails, at once or later.
    pub failed_connect: u16,
    /// A datagram, either way, does not arrive.
    pub lost_datagram: u16,
    /// A datagram, either way, arrives twice.
    pub doubled_datagram: u16,
    /// A datagram, either way, comes later than those sent after it, by up to
    /// [`longest_delay`](Self::longest_delay).
    pub reordered_datagram: u16,
    /// A datagram, either way, arrives without its end.
    pub truncated_datagram: u16,
    /// A datagram to a peer does not arrive, and the socket is told that nobody listens there.
    pub refused_datagram: u16,
    /// A receive gives datagrams of one sender and one length joined, as a system may: it is then
    /// perhaps more than the batch was made for, and nothing else shows.
    pub joined_datagram: u16,
    /// The longest by which an event or a datagram is late. Default: 5 ms.
    pub longest_delay: Duration,
}

impl Faults {
    /// A network without a fault.
    pub const fn none() -> Self {
        Self {
            partial_read: 0,
            partial_write: 0,
            blocked_read: 0,
            blocked_write: 0,
            spurious_event: 0,
            delayed_event: 0,
            merged_event: 0,
            split_event: 0,
            late_timeout: 0,
            interrupted_poll: 0,
            reset: 0,
            exhausted_accept: 0,
            aborted_accept: 0,
            gone_at_accept: 0,
            failed_adopt: 0,
            failed_connect: 0,
            lost_datagram: 0,
            doubled_datagram: 0,
            reordered_datagram: 0,
            truncated_datagram: 0,
            refused_datagram: 0,
            joined_datagram: 0,
            longest_delay: Duration::from_millis(5),
        }
    }

    /// About half of the faults, each at a rate of its own, by `seed`: many such runs find more
    /// than many runs of one mild mixture. Faults that cost a connection stay below 30 in a
    /// thousand, so that some get through; the others below 400.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut faults = Self::none();
        for rate in faults.harmless() {
            *rate = any_rate(&mut random, 400);
        }
        for rate in faults.costly() {
            *rate = any_rate(&mut random, 30);
        }
        faults.longest_delay = Duration::from_micros(1 + random.below(20_000) as u64);
        faults
    }

    /// Those that a loop which keeps to the contract overcomes without loss, datagrams excepted.
    fn harmless(&mut self) -> [&mut u16; 17] {
        [
            &mut self.partial_read,
            &mut self.partial_write,
            &mut self.blocked_read,
            &mut self.blocked_write,
            &mut self.spurious_event,
            &mut self.delayed_event,
            &mut self.merged_event,
            &mut self.split_event,
            &mut self.late_timeout,
            &mut self.interrupted_poll,
            &mut self.exhausted_accept,
            &mut self.lost_datagram,
            &mut self.doubled_datagram,
            &mut self.reordered_datagram,
            &mut self.truncated_datagram,
            &mut self.refused_datagram,
            &mut self.joined_datagram,
        ]
    }

    /// Those that end a connection.
    fn costly(&mut self) -> [&mut u16; 5] {
        [
            &mut self.reset,
            &mut self.aborted_accept,
            &mut self.gone_at_accept,
            &mut self.failed_adopt,
            &mut self.failed_connect,
        ]
    }

    /// The same without those that cost a connection: what remains, a loop that keeps to the
    /// contract overcomes without losing a byte of TCP.
    #[must_use]
    pub fn lossless(mut self) -> Self {
        for rate in self.costly() {
            *rate = 0;
        }
        self
    }
}

fn any_rate(random: &mut Random, end: usize) -> u16 {
    if random.chance(500) {
        return 0;
    }
    u16::try_from(1 + random.below(end - 1)).expect("rates are below a thousand")
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

/// A way in which accepting fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AcceptFailure {
    /// The process has no descriptor left.
    Emfile,
    /// The system has no descriptor left.
    Enfile,
    /// The system has no socket buffer left.
    Enobufs,
    /// The system has no memory left.
    Enomem,
    /// The peer has gone before it was accepted.
    ConnAborted,
    /// The connection broke a rule of the protocol.
    Proto,
    /// A firewall forbids the connection.
    Perm,
    /// The listener is none any more, and stays so.
    Broken,
}

impl AcceptFailure {
    /// Those after which the same peer can be accepted a little later.
    pub(super) const EXHAUSTED: [Self; 4] =
        [Self::Emfile, Self::Enfile, Self::Enobufs, Self::Enomem];
    /// Those that lose the peer that was next.
    pub(super) const PEER_GONE: [Self; 3] = [Self::ConnAborted, Self::Proto, Self::Perm];

    /// Whether it is about the peer next in the queue, which is lost by it.
    pub(super) fn costs_a_peer(self) -> bool {
        Self::PEER_GONE.contains(&self)
    }

    /// The error as the contract sorts it.
    pub(super) fn error(self) -> AcceptError {
        let error = |kind, text: &str| io::Error::new(kind, format!("{text} (simulated)"));
        let other = io::ErrorKind::Other;
        match self {
            Self::Emfile => AcceptError::Exhausted(error(other, "EMFILE: too many open files")),
            Self::Enfile => {
                AcceptError::Exhausted(error(other, "ENFILE: too many open files in the system"))
            }
            Self::Enobufs => AcceptError::Exhausted(error(
                io::ErrorKind::OutOfMemory,
                "ENOBUFS: no buffer space available",
            )),
            Self::Enomem => AcceptError::Exhausted(error(
                io::ErrorKind::OutOfMemory,
                "ENOMEM: cannot allocate memory",
            )),
            Self::ConnAborted => AcceptError::PeerGone(error(
                io::ErrorKind::ConnectionAborted,
                "ECONNABORTED: connection aborted",
            )),
            Self::Proto => AcceptError::PeerGone(error(other, "EPROTO: protocol error")),
            Self::Perm => AcceptError::PeerGone(error(
                io::ErrorKind::PermissionDenied,
                "EPERM: operation not permitted",
            )),
            Self::Broken => AcceptError::Broken(error(other, "EBADF: bad file descriptor")),
        }
    }
}

/// A way in which connecting fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConnectFailure {
    /// Nobody listens at the address.
    Refused,
    /// There is no way to the address.
    Unreachable,
    /// Nobody has answered for too long.
    TimedOut,
    /// The connection has reached itself.
    SelfConnected,
    /// The process has no descriptor left.
    Emfile,
    /// There is no port left to connect from.
    AddrNotAvail,
    /// A firewall forbids the connection.
    Perm,
}

impl ConnectFailure {
    /// Those that chance takes for a connect that fails at once.
    pub(super) const AT_ONCE: [Self; 4] =
        [Self::Unreachable, Self::Emfile, Self::AddrNotAvail, Self::Perm];
    /// Those that it takes for one that fails later.
    pub(super) const LATER: [Self; 4] =
        [Self::Refused, Self::Unreachable, Self::TimedOut, Self::SelfConnected];

    /// The error as the contract sorts it.
    pub(super) fn error(self) -> ConnectError {
        let error = |kind, text: &str| io::Error::new(kind, format!("{text} (simulated)"));
        match self {
            Self::Refused => ConnectError::Refused(error(
                io::ErrorKind::ConnectionRefused,
                "ECONNREFUSED: connection refused",
            )),
            Self::Unreachable => ConnectError::Unreachable(error(
                io::ErrorKind::HostUnreachable,
                "EHOSTUNREACH: no route to host",
            )),
            Self::TimedOut => ConnectError::TimedOut(error(
                io::ErrorKind::TimedOut,
                "ETIMEDOUT: connection timed out",
            )),
            Self::SelfConnected => ConnectError::SelfConnected,
            Self::Emfile => ConnectError::NoResources(error(
                io::ErrorKind::Other,
                "EMFILE: too many open files",
            )),
            Self::AddrNotAvail => ConnectError::NoResources(error(
                io::ErrorKind::AddrNotAvailable,
                "EADDRNOTAVAIL: cannot assign requested address",
            )),
            Self::Perm => ConnectError::Other(error(
                io::ErrorKind::PermissionDenied,
                "EPERM: operation not permitted",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_mixture_is_the_same_for_a_seed_and_leaves_some_faults_out() {
        assert_eq!(Faults::random(5), Faults::random(5));
        assert_ne!(Faults::random(5), Faults::random(6));
        let mut counts = [0; 21];
        for seed in 0..200 {
            let mut faults = Faults::random(seed);
            let on = faults.harmless().map(|rate| *rate > 0);
            let costly = faults.costly().map(|rate| *rate);
            assert!(costly.iter().all(|rate| *rate < 30));
            for (count, on) in counts.iter_mut().zip(on.into_iter().chain(costly.map(|r| r > 0))) {
                *count += u32::from(on);
            }
        }
        assert!(counts.iter().all(|count| (50..150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_lossless_mixture_ends_no_connection() {
        let harmless = Faults { partial_read: 9, exhausted_accept: 9, ..Faults::none() };
        let mut faults = Faults { reset: 1, aborted_accept: 1, ..harmless.clone() };
        faults.gone_at_accept = 1;
        faults.failed_adopt = 1;
        faults.failed_connect = 1;
        assert_eq!(faults.lossless(), harmless);
    }
}
