//! The promises about wakes.

use std::time::Duration;

use windlass::network::{Event, Readiness, Token};

use crate::trial::{FIRST, Trial, promises};

promises! {
    a_wake_ends_a_poll_that_has_begun
    a_wake_ends_a_poll_that_begins_later
    wakes_before_a_poll_are_one_event
    a_wake_after_an_event_makes_another
    all_wakers_of_a_network_are_one
    a_wake_leaves_the_events_of_others_alone
}

const WOKEN: Event = Event { token: Token::WAKE, readiness: Readiness::READABLE };

fn a_wake_ends_a_poll_that_has_begun(trial: &mut Trial) {
    let waker = trial.network().waker().unwrap();
    trial.world.wake_soon(waker);
    assert_eq!(trial.poll(None), [WOKEN]);
}

fn a_wake_ends_a_poll_that_begins_later(trial: &mut Trial) {
    let waker = trial.network().waker().unwrap();
    assert_eq!(trial.poll(Some(Duration::ZERO)), [], "nobody has woken it yet");
    waker.wake();
    assert_eq!(trial.poll(None), [WOKEN]);
}

fn wakes_before_a_poll_are_one_event(trial: &mut Trial) {
    let waker = trial.network().waker().unwrap();
    for _ in 0..100 {
        waker.wake_by_ref();
    }
    assert_eq!(trial.poll(None), [WOKEN]);
    assert_eq!(trial.poll(Some(Duration::from_millis(1))), []);
}

fn a_wake_after_an_event_makes_another(trial: &mut Trial) {
    let waker = trial.network().waker().unwrap();
    for _ in 0..10 {
        waker.wake_by_ref();
        assert_eq!(trial.poll(None), [WOKEN]);
    }
}

fn all_wakers_of_a_network_are_one(trial: &mut Trial) {
    let first = trial.network().waker().unwrap();
    let second = trial.network().waker().unwrap();
    assert!(first.will_wake(&second));
    drop(first);
    second.wake();
    assert_eq!(trial.poll(None), [WOKEN]);
}

fn a_wake_leaves_the_events_of_others_alone(trial: &mut Trial) {
    let peer = trial.first_peer();
    assert_eq!(trial.read(FIRST, 16), None);
    let waker = trial.network().waker().unwrap();
    trial.forget();
    waker.wake();
    trial.world.send(peer, b"ping");
    trial.wait(FIRST, Readiness::READABLE);
    trial.wait(Token::WAKE, Readiness::READABLE);
    assert_eq!(trial.read(FIRST, 16).unwrap(), b"ping");
}
