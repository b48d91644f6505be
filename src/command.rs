//! What callbacks and other threads ask of the loop, to be done between callbacks.

use std::any::{Any, TypeId};
use std::sync::Arc;

use bytes::Bytes;

use crate::metrics::Metrics;
use crate::sync::mpsc::SyncSender;
use crate::token::{ConnectionId, Token};

/// What is run with an endpoint's handler; only the endpoint knows its type.
pub(crate) type AnyTask = Box<dyn Any>;

/// The same, from another thread.
pub(crate) type AnyPostedTask = Box<dyn Any + Send>;

/// One thing to be done, with a task of the type `T`.
#[derive(Debug)]
pub(crate) enum Command<T = AnyTask> {
    Send {
        to: Token,
        bytes: Bytes,
    },
    Close(Token),
    Abort(Token),
    Tie(Token, Token),
    Broadcast(Broadcast),
    Run {
        endpoint: u8,
        task: T,
    },
    /// The loop drains: closes a connection that had nothing left to do when this was asked.
    CloseIdle(Token),
    /// Somebody waits to be told what has happened so far.
    Report(SyncSender<Box<Metrics>>),
}

impl<T> Command<T> {
    /// For whom it is: a connection, an endpoint, or the loop.
    pub(crate) const fn token(&self) -> Token {
        match self {
            Self::Send { to: token, .. }
            | Self::Close(token)
            | Self::Abort(token)
            | Self::CloseIdle(token)
            | Self::Tie(token, _) => *token,
            Self::Broadcast(_) | Self::Report(_) => Token::SIGNALS,
            Self::Run { endpoint, .. } => Token::endpoint(*endpoint),
        }
    }
}

impl From<Command<AnyPostedTask>> for Command {
    fn from(posted: Command<AnyPostedTask>) -> Self {
        match posted {
            Command::Send { to, bytes } => Self::Send { to, bytes },
            Command::Close(token) => Self::Close(token),
            Command::Abort(token) => Self::Abort(token),
            Command::Tie(one, other) => Self::Tie(one, other),
            Command::Broadcast(broadcast) => Self::Broadcast(broadcast),
            Command::Run { endpoint, task } => Self::Run { endpoint, task },
            Command::CloseIdle(token) => Self::CloseIdle(token),
            Command::Report(to) => Self::Report(to),
        }
    }
}

/// The same bytes for many connections: encoded once, and not copied for anybody.
///
/// The bytes go out as they are: [`Session::encode`](crate::Session::encode) makes a frame of a
/// message. A broadcast is done in portions, so that others are served between them; of two
/// broadcasts, every receiver gets the earlier first. Who is let in while one is under way may get
/// it or not. Who was not let in by all layers yet gets none.
///
/// ```
/// use bytes::Bytes;
/// use windlass::{Broadcast, Slow};
/// # use windlass::{Error, Handler, Lines, Session};
/// # struct Chat;
/// # impl Handler for Chat {
/// #     type Codec = Lines;
/// #     type State = ();
/// #     fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
/// #         Ok(())
/// #     }
/// # }
///
/// let news = Broadcast::to_all_of::<Chat>(Bytes::from_static(b"news\n")).slow(Slow::Close);
/// ```
#[must_use = "a broadcast is sent by `Commands::broadcast`"]
#[derive(Clone, Debug)]
pub struct Broadcast {
    pub(crate) audience: Audience,
    pub(crate) bytes: Bytes,
    pub(crate) except: Option<Token>,
    pub(crate) slow: Slow,
    pub(crate) reached: Reached,
}

/// How far a broadcast has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    /// Which of the endpoints with the handler is being sent to.
    pub(crate) endpoint: usize,
    /// The slot of it, or the place in the list of receivers, that is next.
    pub(crate) next: usize,
}

/// Who receives a broadcast.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// All connections of all endpoints with this handler.
    Handler(TypeId),
    /// These.
    Ids(Arc<[ConnectionId]>),
}

/// What becomes of a receiver that is slow: one that has not taken as much output as the
/// [high watermark](crate::Config::high_watermark) says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Slow {
    /// It does not get this broadcast.
    #[default]
    Skip,
    /// It is closed, at once and with a reset, as [too slow](crate::CloseReason::TooSlow).
    Close,
    /// It gets the broadcast, and is [counted](crate::Metrics::broadcast_slow). What waits for it
    /// may come to the [write limit](crate::Config::write_limit), beyond which it is closed.
    Count,
}

impl Broadcast {
    /// For all connections of handlers of the type `H`, whichever listeners they are at; those left
    /// out that a layer keeps from it.
    pub fn to_all_of<H: 'static>(bytes: impl Into<Bytes>) -> Self {
        Self::new(Audience::Handler(TypeId::of::<H>()), bytes.into())
    }

    /// For these connections, of whichever handlers, in this order. Those that have closed are
    /// passed over, and who is named twice gets it twice. A list that is kept as an `Arc` is
    /// shared, not copied.
    pub fn to(ids: impl Into<Arc<[ConnectionId]>>, bytes: impl Into<Bytes>) -> Self {
        Self::new(Audience::Ids(ids.into()), bytes.into())
    }

    fn new(audience: Audience, bytes: Bytes) -> Self {
        let reached = Reached::default();
        Self { audience, bytes, except: None, slow: Slow::Skip, reached }
    }

    /// Whether somebody has got it already.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.reached.next > 0 || self.reached.endpoint > 0
    }

    /// For everybody but this one.
    pub const fn except(mut self, id: ConnectionId) -> Self {
        self.except = Some(id.0);
        self
    }

    /// What becomes of slow receivers: unless told otherwise, they are skipped.
    pub const fn slow(mut self, slow: Slow) -> Self {
        self.slow = slow;
        self
    }
}
