//! Wakes in the simulated network: a flag, of which the poll makes an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use super::SimNetwork;
use super::edges::Queued;
use super::schedule::Scheduled;
use crate::network::{Event, Readiness};
use crate::token::Token;

/// Whether there was a wake since the last look.
#[derive(Default, Debug)]
pub(super) struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl SimNetwork {
    pub(super) fn make_waker(&mut self) -> Waker {
        self.wake_flag.get_or_insert_default().clone().into()
    }

    /// Makes an event, now or late, of the wakes since the last look.
    pub(super) fn take_wake(&mut self) {
        let was_set = |flag: &Arc<WakeFlag>| flag.0.swap(false, Ordering::Acquire);
        if !self.wake_flag.as_ref().is_some_and(was_set) {
            return;
        }
        let (token, facts) = (Token::WAKE, Readiness::READABLE);
        if self.random.chance(self.faults.delayed_event) {
            let delay = self.any_delay();
            self.schedule.add(self.moment(delay), Scheduled::Event { token, facts });
        } else {
            self.events.push_back(Queued::Unfounded(Event { token, readiness: facts }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::super::harness::{LISTENER, R, World};
    use super::*;
    use crate::network::Network;

    const SECOND: Duration = Duration::from_secs(1);
    const WOKEN: (Token, Readiness) = (Token::WAKE, R);

    #[test]
    fn a_wake_ends_the_sleep_that_would_be_for_ever() {
        let mut world = World::new();
        let waker = world.net.waker().unwrap();
        let mut events = Vec::with_capacity(4);
        waker.wake_by_ref();
        world.net.poll(&mut events, None).unwrap();
        assert_eq!(events, [Event { token: Token::WAKE, readiness: R }]);
        let error = world.net.poll(&mut events, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Deadlock, "there was one wake");
        assert_eq!(world.net.open_sockets(), 1, "a waker is no socket");
    }

    #[test]
    fn a_wake_within_a_poll_is_an_event_of_it() {
        let mut world = World::new();
        let waker = world.net.waker().unwrap();
        world.net.after(SECOND, move |_| waker.wake());
        assert_eq!(world.poll_for(9 * SECOND), [WOKEN]);
        assert_eq!(world.net.clock().as_nanos(), 1_000_000_000);
    }

    #[test]
    fn wakes_before_a_poll_are_one_event_and_clones_wake_the_same() {
        let mut world = World::new();
        let wakers = [world.net.waker().unwrap(), world.net.waker().unwrap()];
        assert!(wakers[0].will_wake(&wakers[1]));
        wakers.iter().for_each(Waker::wake_by_ref);
        world.connect();
        assert_eq!(world.poll(), [(LISTENER, R), WOKEN]);
        assert_eq!(world.poll(), []);
    }

    #[test]
    fn a_wake_can_be_late_and_an_event_false() {
        let mut world = World::new();
        let waker = world.net.waker().unwrap();
        world.faults(|faults| faults.delayed_event = 1000);
        waker.wake();
        assert_eq!(world.poll(), []);
        assert_eq!(world.poll_for(SECOND), [WOKEN]);
        world.faults(|faults| faults.spurious_event = 1000);
        let events: Vec<_> = (0..50).flat_map(|_| world.poll()).collect();
        assert!(events.iter().any(|(token, _)| *token == Token::WAKE), "{events:?}");
    }
}
