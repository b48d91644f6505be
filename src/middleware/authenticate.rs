//! Nothing reaches the handler before a peer has said who it is, and proved it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::address_rates::AddressRates;
use super::gcra::Gcra;
use super::{ConnectionContext, Frame, Identity, Interest, Middleware, Refusal, Verdict};
use crate::batch::Datagram;
use crate::instant::Instant;

/// Has every peer authenticate before the handler is told of it.
///
/// Each frame is given to a check of yours until that accepts one; the frames after it are the
/// handler's, which learns who it is from the
/// [identity](super::ConnectionContext::identity). Until then frames may be 1 KiB long and the
/// whole may take 10 seconds; three tries are allowed on a connection, after each of which nothing
/// is read for a second, and ten in a minute of one address. All of these can be set.
///
/// The check holds up the whole loop while it runs, so it must not wait, and a slow hash of a
/// password is at odds with it: check a token, or hash elsewhere. What is secret is to be
/// compared with [`constant_time_eq`](super::constant_time_eq). The credentials are in the clear
/// unless something before the server encrypts.
///
/// # Cost
///
/// For a connection that is not authenticated, a copy of what it sends, and one small allocation;
/// for one that is, nothing per frame. The memory is 26 bytes for each address there is a place
/// for, 4,096 unless told otherwise, and does not grow.
///
/// # Failure mode
///
/// It fails closed. A check that panics refuses the peer. Of datagrams nobody can say whether their
/// sender has been authenticated, so all are dropped: give this layer to TCP listeners only.
/// Whoever has failed too often locks out all those behind the same address translator, until the
/// rate lets them try again; those who are in are not bothered.
///
/// ```
/// use windlass::Server;
/// use windlass::middleware::{Authenticate, Login, constant_time_eq};
///
/// let authenticate = Authenticate::new(|_connection, line| match line {
///     line if constant_time_eq(line, b"token 6f1ed002") => Login::Accepted("operator".into()),
///     _ => Login::Rejected,
/// });
/// let server = Server::new().middleware(authenticate.rejected("who are you?\n"));
/// ```
pub struct Authenticate {
    check: Box<Check>,
    max_frame_len: usize,
    deadline: Duration,
    tries: u32,
    penalty: Duration,
    failures: AddressRates,
    accepted: Bytes,
    rejected: Bytes,
}

/// What is asked about each frame: its [body](Frame::body) is given.
type Check = dyn FnMut(&mut ConnectionContext<'_>, &[u8]) -> Login;

/// What a check makes of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Login {
    /// It proves that the peer is who this names.
    Accepted(String),
    /// It is in order, and the peer is to send more: a name before the password, say. What was seen
    /// so far can be kept as a [value](ConnectionContext::set_value), and an answer
    /// [sent](ConnectionContext::send). It counts as no try; the deadline goes on.
    Unfinished,
    /// It proves nothing.
    Rejected,
}

/// How often a connection was rejected.
struct Rejections(u32);

/// Only addresses that failed have a place.
const DEFAULT_PLACES: usize = 1 << 12;

impl Authenticate {
    /// Asks `check` about the body of each frame, until it accepts one.
    pub fn new(check: impl FnMut(&mut ConnectionContext<'_>, &[u8]) -> Login + 'static) -> Self {
        let failures = Gcra::new(10, Duration::from_secs(60));
        Self {
            check: Box::new(check),
            max_frame_len: 1024,
            deadline: Duration::from_secs(10),
            tries: 3,
            penalty: Duration::from_secs(1),
            failures: AddressRates::new(failures, DEFAULT_PLACES),
            accepted: Bytes::new(),
            rejected: Bytes::new(),
        }
    }

    /// Refuses frames that are longer on the wire, until one is accepted. The default is 1 KiB.
    #[must_use]
    pub const fn max_frame_len(mut self, len: usize) -> Self {
        self.max_frame_len = len;
        self
    }

    /// Refuses whoever is not accepted within this time after the opening. The default is 10
    /// seconds.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Refuses whoever has been rejected so often on one connection. The default is 3.
    #[must_use]
    pub const fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// Refuses whoever tries on when his address has been rejected `count` times in each `period`.
    /// The default is 10 in a minute.
    ///
    /// # Panics
    ///
    /// If either is zero, or the period longer than the clock's 584 years.
    #[must_use]
    pub fn tries_per_address(mut self, count: u32, period: Duration) -> Self {
        self.failures.rate = Gcra::new(count, period);
        self
    }

    /// Reads nothing from whoever was rejected for so long. The default is a second.
    #[must_use]
    pub const fn penalty(mut self, penalty: Duration) -> Self {
        self.penalty = penalty;
        self
    }

    /// Sends these bytes, as they are, to whoever is accepted.
    #[must_use]
    pub fn accepted(mut self, answer: impl Into<Bytes>) -> Self {
        self.accepted = answer.into();
        self
    }

    /// Sends these bytes, as they are, to whoever is rejected, each time.
    #[must_use]
    pub fn rejected(mut self, answer: impl Into<Bytes>) -> Self {
        self.rejected = answer.into();
        self
    }

    /// Keeps places for so many addresses that failed; four times as many as can be expected at a
    /// time are enough for nearly everybody to have one to himself.
    ///
    /// # Panics
    ///
    /// If there is no memory for them.
    #[must_use]
    pub fn addresses(mut self, places: usize) -> Self {
        self.failures.table = self.failures.table.resized(places);
        self
    }

    /// Makes it foreseeable which addresses share when there are too many, so that a simulation can
    /// be repeated. With real peers it lets them choose whom they share with.
    #[must_use]
    pub fn hash_seed(mut self, seed: u64) -> Self {
        self.failures.table = self.failures.table.seeded(seed);
        self
    }

    fn accept(&self, connection: &mut ConnectionContext<'_>, name: String) -> Verdict {
        connection.set_identity(Identity { name, by: self.name() });
        connection.cancel_close();
        connection.limit_frames(None);
        connection.ignore_frames();
        connection.send(self.accepted.clone());
        connection.admit();
        Verdict::Consume
    }

    fn reject(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        self.failures.charge(connection.ip(), connection.now(), 1);
        let rejections = connection.value().map_or(0, |Rejections(count)| *count) + 1;
        if rejections >= self.tries {
            return self.refuse("it was rejected too often");
        }
        connection.set_value(Rejections(rejections));
        connection.send(self.rejected.clone());
        connection.slow(self.penalty);
        Verdict::Consume
    }

    fn refuse(&self, why: &'static str) -> Verdict {
        Verdict::Refuse(Refusal::new(why).farewell(self.rejected.clone()))
    }
}

impl Middleware for Authenticate {
    fn interest(&self) -> Interest {
        Interest::Bytes
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        connection.withhold();
        connection.limit_frames(Some(self.max_frame_len));
        connection.close_after(self.deadline, Refusal::new("it did not authenticate in time"));
        Verdict::Continue
    }

    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        // Before the check, whose outcome is then not told, right or wrong.
        if !self.failures.has_left(connection.ip(), connection.now()) {
            return self.refuse("its address was rejected too often");
        }
        match (self.check)(connection, frame.body) {
            Login::Accepted(name) => self.accept(connection, name),
            Login::Unfinished => Verdict::Consume,
            Login::Rejected => self.reject(connection),
        }
    }

    fn on_datagram(&mut self, _: &Datagram<'_>, _: Instant) -> Verdict {
        Verdict::Refuse(Refusal::new("a datagram proves nothing"))
    }
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticate")
            .field("max_frame_len", &self.max_frame_len)
            .field("deadline", &self.deadline)
            .field("tries", &self.tries)
            .finish_non_exhaustive()
    }
}
