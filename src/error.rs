//! What went wrong, sorted by whose fault it is.
//!
//! "Not yet" is a value ([`Progress::Blocked`](crate::network::Progress),
//! [`Decoded::Incomplete`](crate::Decoded)). A peer's fault is a [`CloseReason`] and never ends the
//! loop; a fault in its bytes is a [`FrameError`]. An [`Error`] is for the program that embeds the
//! engine.

use std::borrow::Cow;
use std::fmt;
use std::io;

use bytes::Bytes;

/// What the embedding program is told: what was tried, and what came in the way.
///
/// A handler returns one to close the connection it was called for.
///
/// Both `Display` and `Debug` give the sentence, cause included, since a `main` that returns an
/// error has it printed with `Debug`.
///
/// ```
/// use windlass::Error;
///
/// let cause = "forty-two".parse::<u16>().unwrap_err();
/// let error = Error::with_source("no room has this number", cause);
/// assert_eq!(error.to_string(), "no room has this number: invalid digit found in string");
/// assert_eq!(format!("{error:?}"), error.to_string());
/// ```
pub struct Error(Box<Fault>);

struct Fault {
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error that consists of a sentence.
    pub fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Fault { what: what.into(), source: None }))
    }

    /// An error with the sentence for what was tried and the cause of its failure.
    pub fn with_source(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self(Box::new(Fault { what: what.into(), source: Some(source.into()) }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.source {
            Some(source) => write!(f, "{}: {source}", self.0.what),
            None => f.write_str(&self.0.what),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// No `source()`: the cause already stands in the sentence, and would be printed twice.
impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::new(error.to_string())
    }
}

/// A frame that cannot be: what is wrong with it, and where.
///
/// ```
/// use windlass::{FrameError, FrameFault};
///
/// let error = FrameError::new(FrameFault::TooLong { limit: 16 }, 16);
/// assert_eq!(error.to_string(), "byte 16: the frame is longer than the 16 bytes allowed");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameError {
    /// What is wrong.
    pub fault: FrameFault,
    /// Where: the offset, from the beginning of the frame, of the first byte that is wrong, one too
    /// many, or missing. A length that is wrong is at its own first byte.
    pub at: usize,
}

/// The ways in which a frame can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FrameFault {
    /// The frame is, or says it is, longer than its codec allows.
    TooLong {
        /// The most bytes the codec allows.
        limit: usize,
    },
    /// The bytes do not follow the codec's rules; the text says which.
    Malformed(&'static str),
    /// The stream ended inside a frame.
    Truncated,
}

impl FrameError {
    /// A frame with `fault`, `at` bytes from its beginning.
    pub const fn new(fault: FrameFault, at: usize) -> Self {
        Self { fault, at }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.at)?;
        match self.fault {
            FrameFault::TooLong { limit } => {
                write!(f, "the frame is longer than the {limit} bytes allowed")
            }
            FrameFault::Malformed(what) => f.write_str(what),
            FrameFault::Truncated => f.write_str("the stream ended inside a frame"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Why a layer refuses somebody, and what it says to him.
///
/// ```
/// use windlass::middleware::Refusal;
///
/// let refusal = Refusal::new("too many").farewell("try again later\r\n");
/// assert_eq!(refusal.why(), "too many");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub(crate) why: Cow<'static, str>,
    pub(crate) farewell: Bytes,
}

impl Refusal {
    /// A refusal of which the peer is told nothing; `why` is for logs and the [`CloseReason`].
    pub fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), farewell: Bytes::new() }
    }

    /// Sends these bytes, as they are, before the close.
    #[must_use]
    pub fn farewell(mut self, farewell: impl Into<Bytes>) -> Self {
        self.farewell = farewell.into();
        self
    }

    /// Why.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// Why a connection ended. There is exactly one for each connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer finished sending, and everything it asked for was answered.
    PeerFinished,
    /// The peer, or the network in its name, broke the connection off.
    Reset(io::ErrorKind),
    /// The handler closed it, while the peer might still have sent; what it had sent was flushed
    /// first.
    Closed,
    /// The handler aborted it.
    Aborted,
    /// The handler returned this error.
    Failed(Error),
    /// A callback panicked.
    Panicked,
    /// The peer sent bytes that are no frame.
    Malformed(FrameError),
    /// Nothing came or went for the idle timeout.
    IdleTimeout,
    /// No frame was completed within the first-frame timeout after the opening.
    FirstFrameTimeout,
    /// A frame was started and not completed within the frame timeout.
    FrameTimeout,
    /// Output was waiting and the peer took none of it for the write timeout.
    WriteTimeout,
    /// The connection reached its greatest age.
    LifetimeOver,
    /// The connection it was [tied](crate::Commands::tie) to ended first.
    PartnerGone,
    /// More output was waiting than the write limit allows.
    WriteLimit,
    /// It was to be made to another, and that failed. No `on_close` is given this: the handler is
    /// told by [`on_connect_failed`](crate::Handler::on_connect_failed).
    NotConnected,
    /// It was slow to take what was sent to many, and such are to be [closed](crate::Slow::Close).
    TooSlow,
    /// All buffers together would have outgrown the memory budget, and this connection held most.
    MemoryBudget,
    /// A layer refused it.
    Refused {
        /// The layer's name.
        by: &'static str,
        /// The reason it gave.
        why: Cow<'static, str>,
    },
    /// The connection limit was reached, and this connection was idle the longest.
    Evicted,
    /// The loop drained, and this connection had nothing left to do.
    Drained,
    /// The loop drained, and this connection was not done at the deadline.
    DrainTimeout,
    /// The loop was stopped.
    Stopped,
}

impl CloseReason {
    /// The [labels](Self::label) of all reasons, each in the reason's [place](Self::place).
    pub(crate) const LABELS: [&'static str; 22] = [
        "peer finished",
        "reset",
        "closed",
        "aborted",
        "handler failed",
        "handler panicked",
        "malformed frame",
        "idle timeout",
        "first frame timeout",
        "frame timeout",
        "write timeout",
        "lifetime over",
        "write limit",
        "memory budget",
        "refused",
        "evicted",
        "drained",
        "drain timeout",
        "stopped",
        "too slow",
        "not connected",
        "partner gone",
    ];

    /// The reason in a few words, the same for every connection that ended this way: a label for
    /// logs and metrics.
    pub const fn label(&self) -> &'static str {
        Self::LABELS[self.place()]
    }

    /// Where in a list of all reasons this one is.
    // A reason without a place does not compile, and neither does a place without a label.
    pub(crate) const fn place(&self) -> usize {
        match self {
            Self::PeerFinished => const { Self::labelled(0) },
            Self::Reset(_) => const { Self::labelled(1) },
            Self::Closed => const { Self::labelled(2) },
            Self::Aborted => const { Self::labelled(3) },
            Self::Failed(_) => const { Self::labelled(4) },
            Self::Panicked => const { Self::labelled(5) },
            Self::Malformed(_) => const { Self::labelled(6) },
            Self::IdleTimeout => const { Self::labelled(7) },
            Self::FirstFrameTimeout => const { Self::labelled(8) },
            Self::FrameTimeout => const { Self::labelled(9) },
            Self::WriteTimeout => const { Self::labelled(10) },
            Self::LifetimeOver => const { Self::labelled(11) },
            Self::PartnerGone => const { Self::labelled(21) },
            Self::WriteLimit => const { Self::labelled(12) },
            Self::TooSlow => const { Self::labelled(19) },
            Self::NotConnected => const { Self::labelled(20) },
            Self::MemoryBudget => const { Self::labelled(13) },
            Self::Refused { .. } => const { Self::labelled(14) },
            Self::Evicted => const { Self::labelled(15) },
            Self::Drained => const { Self::labelled(16) },
            Self::DrainTimeout => const { Self::labelled(17) },
            Self::Stopped => const { Self::labelled(18) },
        }
    }

    const fn labelled(place: usize) -> usize {
        assert!(place < Self::LABELS.len(), "a place without a label");
        place
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())?;
        match self {
            Self::Reset(kind) => write!(f, ": {kind}"),
            Self::Failed(error) => write!(f, ": {error}"),
            Self::Malformed(error) => write!(f, ": {error}"),
            Self::Refused { by, why } => write!(f, " by {by}: {why}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_and_a_label_of_its_own() {
        let malformed = FrameError::new(FrameFault::Truncated, 0);
        let reasons = [
            CloseReason::PeerFinished,
            CloseReason::Reset(io::ErrorKind::ConnectionReset),
            CloseReason::Closed,
            CloseReason::Aborted,
            CloseReason::Failed(Error::new("a fault")),
            CloseReason::Panicked,
            CloseReason::Malformed(malformed),
            CloseReason::IdleTimeout,
            CloseReason::FirstFrameTimeout,
            CloseReason::FrameTimeout,
            CloseReason::WriteTimeout,
            CloseReason::LifetimeOver,
            CloseReason::WriteLimit,
            CloseReason::MemoryBudget,
            CloseReason::Refused { by: "a layer", why: Cow::Borrowed("a reason") },
            CloseReason::Evicted,
            CloseReason::Drained,
            CloseReason::DrainTimeout,
            CloseReason::Stopped,
            CloseReason::TooSlow,
            CloseReason::NotConnected,
            CloseReason::PartnerGone,
        ];
        let places = reasons.each_ref().map(CloseReason::place);
        assert_eq!(places, std::array::from_fn(|place| place));
        assert_eq!(reasons.each_ref().map(CloseReason::label), CloseReason::LABELS);
        let labels: std::collections::BTreeSet<_> = CloseReason::LABELS.into_iter().collect();
        assert_eq!(labels.len(), reasons.len());
        assert_eq!(CloseReason::Evicted.label(), "evicted");
        assert_eq!(CloseReason::Stopped.label(), "stopped");
    }

    #[test]
    fn a_reason_says_whatever_is_known_of_it() {
        let broken = io::ErrorKind::ConnectionReset;
        for (reason, text) in [
            (CloseReason::Closed, "closed".to_owned()),
            (CloseReason::Reset(broken), format!("reset: {broken}")),
            (CloseReason::Failed(Error::new("a fault")), "handler failed: a fault".to_owned()),
            (
                CloseReason::Malformed(FrameError::new(FrameFault::Truncated, 7)),
                "malformed frame: byte 7: the stream ended inside a frame".to_owned(),
            ),
            (
                CloseReason::Refused { by: "a layer", why: Cow::Borrowed("a reason") },
                "refused by a layer: a reason".to_owned(),
            ),
        ] {
            assert_eq!(reason.to_string(), text);
        }
    }

    #[test]
    fn an_error_is_shown_as_it_reads_with_what_it_came_of() {
        let error = Error::with_source("cannot do it", Error::from(io::Error::other("no room")));
        assert_eq!(format!("{error}"), "cannot do it: no room");
        assert_eq!(format!("{error:?}"), format!("{error}"));
        assert_eq!(Refusal::new("not you").why(), "not you");
    }
}
