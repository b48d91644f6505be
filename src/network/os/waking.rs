//! Wakes from other threads as events.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};

use mio::Registry;

/// mio's waker, in the shape that the standard library knows.
struct PollWaker(mio::Waker);

/// The only waker that a poll can have, whose wakes are told under this token.
pub(super) fn waker(registry: &Registry, token: mio::Token) -> io::Result<Waker> {
    Ok(Arc::new(PollWaker(mio::Waker::new(registry, token)?)).into())
}

impl Wake for PollWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A counter that is full, the one error there is to overcome, mio sets back itself; whoever
        // wakes could do nothing about another.
        let _ = self.0.wake();
    }
}
