//! Work for a handler that comes from another thread, and can be given back to it.

use std::any::Any;

use super::{Handler, MessageHandler, Scope};
use crate::command::AnyPostedTask;
use crate::error::Error;

/// As [`Task`](super::Task), from another thread: what that gave, and how the handler takes it.
///
/// No closure: nothing could be taken out of one again if the loop does not accept it.
pub(crate) struct PostedTask<H: Handler> {
    item: Box<dyn Any + Send>,
    run: RunFn<H>,
}

type RunFn<H> = fn(Box<dyn Any + Send>, &mut H, &mut Scope<'_, H>) -> Result<(), Error>;

impl<H: Handler> PostedTask<H> {
    /// A message for the handler.
    pub(crate) fn message<M: Send + 'static>(message: M) -> AnyPostedTask
    where
        H: MessageHandler<M>,
    {
        let run: RunFn<H> = |item, handler, scope| handler.on_message(scope, unpacked(item));
        Box::new(Self { item: Box::new(message), run })
    }

    /// A function to be called with the handler.
    pub(crate) fn function<F>(function: F) -> AnyPostedTask
    where
        F: FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), Error> + Send + 'static,
    {
        let run: RunFn<H> = |item, handler, scope| unpacked::<F>(item)(handler, scope);
        Box::new(Self { item: Box::new(function), run })
    }

    /// Has the handler do it.
    pub(crate) fn run(self, handler: &mut H, scope: &mut Scope<'_, H>) -> Result<(), Error> {
        (self.run)(self.item, handler, scope)
    }

    /// What `task`, which is one of this handler's, was made of.
    pub(crate) fn into_item<T: 'static>(task: AnyPostedTask) -> T {
        let task: Box<Self> = task.downcast().unwrap_or_else(|_| unreachable!("{OWN}"));
        unpacked(task.item)
    }
}

fn unpacked<T: 'static>(item: Box<dyn Any + Send>) -> T {
    *item.downcast().unwrap_or_else(|_| unreachable!("{OWN}"))
}

/// Why the types must be right.
const OWN: &str = "whoever packs an item unpacks it";
