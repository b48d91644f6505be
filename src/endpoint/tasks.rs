//! What is run with a handler and all of its connections, when none of them is at hand.

use super::StreamEndpoint;
use crate::command::AnyTask;
use crate::error::Error;
use crate::handler::{Handler, OtherConnections, PostedTask, Scope, Task};
use crate::panics::catch;
use crate::token::Token;
use crate::turn::Turn;

/// What to run with a handler as a whole.
pub(crate) enum Call {
    /// The loop begins to turn.
    Start,
    /// The timer under this key has come due.
    Timer(u32),
    /// A [`Task`] or [`PostedTask`], made for this handler.
    Task(AnyTask),
}

impl<H: Handler> StreamEndpoint<H> {
    pub(super) fn run_with_all<'a>(
        &'a mut self,
        turn: Turn<'a>,
        others: &'a dyn OtherConnections,
        call: Call,
    ) -> Result<(), Error> {
        let Self { handler, codec, connections, timers, number, .. } = self;
        let token = Token::endpoint(*number);
        if let Call::Timer(key) = call {
            timers.on_due(turn.shared, token, key);
        }
        let mut scope = Scope { connections, codec, timers, token, turn, others };
        let result = catch(|| match call {
            Call::Start => handler.on_start(&mut scope),
            Call::Timer(key) => handler.on_server_timer(&mut scope, key),
            Call::Task(task) => run_task(task, handler, &mut scope),
        });
        result.unwrap_or_else(|| {
            scope.turn.shared.metrics.panics += 1;
            Err(Error::new("a callback panicked"))
        })
    }
}

/// Runs the task that was made for this handler, here or in another thread.
fn run_task<H: Handler>(
    task: AnyTask,
    handler: &mut H,
    scope: &mut Scope<'_, H>,
) -> Result<(), Error> {
    match task.downcast::<Task<H>>() {
        Ok(task) => (task.0)(handler, scope),
        Err(task) => match task.downcast::<PostedTask<H>>() {
            Ok(posted) => posted.run(handler, scope),
            Err(_) => unreachable!("a task goes to the endpoint of its handler"),
        },
    }
}
