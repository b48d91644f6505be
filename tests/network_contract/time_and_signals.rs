//! The promises about time, the poll and signals.

use std::time::Duration;

use signal_hook::consts::{SIGALRM, SIGHUP, SIGUSR1, SIGUSR2};
use windlass::SocketOptions;
use windlass::network::{Event, Readiness, Token};

use crate::trial::{FIRST, Trial, promises};

// The tests of this file share one process, so each that needs a signal has one of its own.
promises! {
    time_never_goes_back
    a_poll_without_event_lasts_as_long_as_its_timeout
    a_poll_without_patience_returns_at_once
    events_beyond_the_capacity_come_with_the_next_poll
    an_unused_event_is_not_repeated
    a_signal_wakes_a_poll_that_has_begun
    a_signal_wakes_a_poll_that_begins_later
    each_signal_is_counted
    a_signal_ends_the_longest_poll
}

fn time_never_goes_back(trial: &mut Trial) {
    let mut last = trial.network().now();
    for wait in [0, 1, 0, 2] {
        for _ in 0..100 {
            let now = trial.network().now();
            assert!(last <= now);
            last = now;
        }
        trial.poll(Some(Duration::from_millis(wait)));
    }
}

fn a_poll_without_event_lasts_as_long_as_its_timeout(trial: &mut Trial) {
    for micros in [1, 300, 1_000, 1_300, 30_000] {
        let timeout = Duration::from_micros(micros);
        let start = trial.network().now();
        assert_eq!(trial.poll(Some(timeout)), []);
        let waited = trial.network().now().since(start);
        assert!(waited >= timeout, "{waited:?} instead of {timeout:?}");
    }
}

fn a_poll_without_patience_returns_at_once(trial: &mut Trial) {
    trial.listen();
    trial.forget();
    assert_eq!(trial.poll(Some(Duration::ZERO)), []);
}

fn events_beyond_the_capacity_come_with_the_next_poll(trial: &mut Trial) {
    for endpoint in 0..3 {
        let (token, options) = (Token::endpoint(endpoint), SocketOptions::default());
        let address = "127.0.0.1:0".parse().unwrap();
        let address = trial.network().listen(token, address, &options).unwrap();
        trial.world.connect(address);
    }
    let mut events = Vec::<Event>::with_capacity(1);
    let mut seen = Vec::new();
    for _ in 0..3 {
        trial.network().poll(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(events.len(), 1);
        seen.push(events[0].token);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2].map(Token::endpoint));
}

fn an_unused_event_is_not_repeated(trial: &mut Trial) {
    let peer = trial.first_peer();
    assert_eq!(trial.read(FIRST, 16), None);
    trial.world.send(peer, b"ping");
    trial.wait(FIRST, Readiness::READABLE);
    let events = trial.poll(Some(Duration::from_millis(1)));
    assert_eq!(events, [], "readiness is an edge");
}

fn a_signal_wakes_a_poll_that_has_begun(trial: &mut Trial) {
    trial.network().watch_signals(&[SIGUSR1]).unwrap();
    trial.forget();
    trial.world.raise_soon(SIGUSR1);
    let events = trial.poll(None);
    assert_eq!(events, [Event { token: Token::SIGNALS, readiness: Readiness::READABLE }]);
    assert_eq!(trial.network().take_signals(), 1);
}

fn a_signal_wakes_a_poll_that_begins_later(trial: &mut Trial) {
    trial.network().watch_signals(&[SIGUSR2]).unwrap();
    trial.forget();
    trial.world.raise(SIGUSR2);
    let events = trial.poll(None);
    assert_eq!(events, [Event { token: Token::SIGNALS, readiness: Readiness::READABLE }]);
    assert_eq!(trial.network().take_signals(), 1);
}

fn each_signal_is_counted(trial: &mut Trial) {
    assert_eq!(trial.network().take_signals(), 0);
    trial.network().watch_signals(&[SIGHUP]).unwrap();
    // The system's network lets a signal that comes after two were taken do what it does by
    // default, which would end the tests: all that are raised are raised before that.
    trial.world.raise(SIGHUP);
    assert_eq!(trial.network().take_signals(), 1);
    assert_eq!(trial.network().take_signals(), 0);
    for _ in 0..100 {
        trial.world.raise(SIGHUP);
    }
    assert_eq!(trial.network().take_signals(), 100);
    assert_eq!(trial.network().take_signals(), 0);
}

fn a_signal_ends_the_longest_poll(trial: &mut Trial) {
    trial.network().watch_signals(&[SIGALRM]).unwrap();
    trial.forget();
    trial.world.raise_soon(SIGALRM);
    assert_eq!(trial.poll(Some(Duration::MAX)).len(), 1);
    assert_eq!(trial.network().take_signals(), 1);
}
