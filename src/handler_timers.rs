//! The timers that handlers set, by key: once or again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::instant::Instant;
use crate::shared::{Purpose, Shared, TimerKey};
use crate::timers::TimerId;
use crate::token::Token;

/// The timers of one connection, or of one handler as a whole.
#[derive(Debug, Default)]
pub(crate) struct HandlerTimers(BTreeMap<u32, Armed>);

#[derive(Debug)]
struct Armed {
    timer: TimerId,
    due: Instant,
    /// Of one that is set again when it has come due.
    period: Option<Duration>,
}

impl HandlerTimers {
    /// Sets a timer for the owner of `token`, in place of one under the same key. It never comes
    /// due in the pass in which it was set, so that one that sets itself lets others run. A time
    /// beyond the clock is never.
    pub(crate) fn set(&mut self, shared: &mut Shared, token: Token, key: u32, wait: Duration) {
        planted!(ReplacedTimerStays, self.0.remove(&key));
        self.cancel(shared, key);
        self.arm(shared, token, key, shared.now.after(in_future(wait)), None);
    }

    /// As [`set`](Self::set), again and again.
    pub(crate) fn set_periodic(
        &mut self,
        shared: &mut Shared,
        token: Token,
        key: u32,
        period: Duration,
    ) {
        self.cancel(shared, key);
        let period = in_future(period);
        self.arm(shared, token, key, shared.now.after(period), Some(period));
    }

    /// Forgets the timer under `key`; says whether there was one.
    pub(crate) fn cancel(&mut self, shared: &mut Shared, key: u32) -> bool {
        let armed = self.0.remove(&key);
        armed.is_some_and(|armed| {
            shared.timers.cancel(armed.timer);
            true
        })
    }

    /// Forgets all of them.
    pub(crate) fn cancel_all(self, shared: &mut Shared) {
        self.0.into_values().for_each(|armed| shared.timers.cancel(armed.timer));
    }

    /// The timer under `key` has come due: sets it again if it is periodic, from when it was due,
    /// so that it does not drift. Times that have passed meanwhile are left out.
    pub(crate) fn on_due(&mut self, shared: &mut Shared, token: Token, key: u32) {
        let Some(Armed { due, period: Some(period), .. }) = self.0.remove(&key) else { return };
        let late = shared.now.nanos_since(due);
        let period_nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let missed = late / period_nanos;
        let next = period_nanos.checked_mul(missed + 1).map(Duration::from_nanos);
        self.arm(shared, token, key, next.and_then(|next| due.after(next)), Some(period));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn arm(
        &mut self,
        shared: &mut Shared,
        token: Token,
        key: u32,
        due: Option<Instant>,
        period: Option<Duration>,
    ) {
        let Some(due) = due else { return };
        let timer = shared.timers.arm(due, TimerKey { token, purpose: Purpose::Handler(key) });
        self.0.insert(key, Armed { timer, due, period });
    }
}

/// No less than the clock can tell from now.
fn in_future(wait: Duration) -> Duration {
    planted!(TimerStarvesTheRest, return wait);
    wait.max(Duration::from_nanos(1))
}
