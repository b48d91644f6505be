//! Waiting before something that failed is tried again, longer each time.

use std::time::Duration;

use crate::shared::{Purpose, Shared, TimerKey};
use crate::timers::TimerId;
use crate::token::Token;

const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The pauses of a listener or UDP socket that fails for reasons that pass: 10 ms, doubling to 1 s,
/// until it works again.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// The last pause of the current episode of failures; `None` between episodes.
    wait: Option<Duration>,
    timer: Option<TimerId>,
}

impl Backoff {
    /// Whether it is not to be tried now.
    pub(crate) const fn is_pausing(&self) -> bool {
        self.timer.is_some()
    }

    /// It failed: pauses. Says whether this begins an episode, which is worth a line in the log.
    pub(crate) fn fail(&mut self, shared: &mut Shared, token: Token) -> bool {
        let is_first = self.wait.is_none();
        let wait = self.wait.map_or(FIRST_WAIT, |wait| LONGEST_WAIT.min(2 * wait));
        self.wait = Some(wait);
        self.cut_short(shared);
        planted!(FailureWithoutPause, return is_first);
        let key = TimerKey { token, purpose: Purpose::Retry };
        let deadline = shared.now.after(wait);
        self.timer = deadline.map(|deadline| shared.timers.arm(deadline, key));
        is_first
    }

    /// The timer fired.
    pub(crate) const fn on_timer(&mut self) {
        self.timer = None;
    }

    /// There is reason to try at once.
    pub(crate) fn cut_short(&mut self, shared: &mut Shared) {
        if let Some(timer) = self.timer.take() {
            shared.timers.cancel(timer);
        }
    }

    /// It works again: the episode is over. Says whether there was one.
    pub(crate) const fn succeed(&mut self) -> bool {
        self.wait.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::instant::Instant;
    use crate::roster::Roster;

    #[test]
    fn pauses_double_to_a_second_and_begin_again_after_success() {
        let mut shared = Shared::new(Config::default(), 0, Roster::default(), Instant::START);
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for round in 0..9 {
            assert_eq!(backoff.fail(&mut shared, Token::endpoint(0)), round == 0);
            assert!(backoff.is_pausing());
            let due = shared.timers.next_deadline().unwrap();
            assert_eq!(shared.timers.pop_due(due).unwrap().purpose, Purpose::Retry);
            waits.push(due.since(Instant::START).as_millis());
            backoff.on_timer();
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert!(backoff.succeed() && !backoff.succeed());
        assert!(backoff.fail(&mut shared, Token::endpoint(0)), "a new episode");
        backoff.cut_short(&mut shared);
        assert!(!backoff.is_pausing() && shared.timers.is_empty());
    }
}
