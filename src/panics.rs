//! Where panics of the application end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what is the application's: `None` if it panicked, which is for the caller to count and log.
/// What it leaves half done is the application's own, or closed for it.
#[inline(always)]
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(run)).map_err(let_go).ok()
}

/// What a panic carries is the application's too, and may panic when it is dropped.
#[cold]
fn let_go(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}
