//! What threads have in common: the few types of `std::sync` that the engine uses.
//!
//! They are named here and nowhere else, so that `tests/mailbox_model.rs` can put a model checker's
//! in their place, which tries the orders in which threads can run.

pub(crate) use std::sync::Arc;

/// Numbers that several threads read and write.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
}

/// The queue.
pub(crate) mod mpsc {
    pub(crate) use std::sync::mpsc::{
        Receiver, RecvTimeoutError, SendError, SyncSender, TrySendError, sync_channel,
    };
}

/// Runs a test that uses these types: the model's can only be used under the model's eyes.
#[cfg(test)]
pub(crate) fn check(test: impl Fn() + Send + Sync + 'static) {
    test();
}
