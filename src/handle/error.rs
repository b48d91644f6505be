//! Why something was not passed on to the loop, and the thing itself.

use std::{error, fmt};

/// Something did not get to the loop, and is given back.
///
/// ```
/// use windlass::{Broadcast, Error, PostFault, Server};
/// # use windlass::{Handler, Lines, Session};
/// # struct Chat;
/// # impl Handler for Chat {
/// #     type Codec = Lines;
/// #     type State = ();
/// #     fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
/// #         Ok(())
/// #     }
/// # }
/// # fn main() -> Result<(), Error> {
/// let mut engine = Server::new().tcp("127.0.0.1:0", Chat).build()?;
/// let handle = engine.handle()?;
/// drop(engine);
/// let error = handle.broadcast(Broadcast::to_all_of::<Chat>("news\n")).unwrap_err();
/// assert_eq!(error.fault, PostFault::Stopped);
/// assert_eq!(error.to_string(), "the loop has ended");
/// let _broadcast = error.into_item();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PostError<T> {
    /// Why.
    pub fault: PostFault,
    /// What did not get there.
    pub item: T,
}

/// Why something did not get to the loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PostFault {
    /// As much waits for the loop as [`mailbox_len`](crate::Config::mailbox_len) allows.
    Full,
    /// The loop has ended, or is no more.
    Stopped,
    /// The connection has closed.
    Closed,
    /// No listener of the loop, or not the one it was for, has a handler of this type.
    NoHandler,
    /// The loop has not answered in time.
    TimedOut,
}

impl<T> PostError<T> {
    pub(super) const fn new(fault: PostFault, item: T) -> Self {
        Self { fault, item }
    }

    /// What did not get there.
    pub fn into_item(self) -> T {
        self.item
    }

    pub(super) fn map<U>(self, of: impl FnOnce(T) -> U) -> PostError<U> {
        PostError { fault: self.fault, item: of(self.item) }
    }
}

// Derived, this would ask for an item that can be shown: few messages can, and no closure.
impl<T> fmt::Debug for PostError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostError").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PostError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fault, f)
    }
}

impl<T> error::Error for PostError<T> {}

impl fmt::Display for PostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too much waits for the loop already",
            Self::Stopped => "the loop has ended",
            Self::Closed => "the connection has closed",
            Self::NoHandler => "no listener that this could be for has such a handler",
            Self::TimedOut => "the loop has not answered in time",
        })
    }
}

impl error::Error for PostFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_posted_says_why() {
        for (fault, why) in [
            (PostFault::Full, "too much waits for the loop already"),
            (PostFault::Stopped, "the loop has ended"),
            (PostFault::NoHandler, "no listener that this could be for has such a handler"),
            (PostFault::TimedOut, "the loop has not answered in time"),
        ] {
            assert!(fault.to_string().contains(why), "{fault:?}");
        }
    }
}
