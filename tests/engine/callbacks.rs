//! Which callbacks a handler gets, in which order, and what becomes of their errors.

use std::collections::BTreeSet;

use windlass::network::{Faults, PeerState, Token};
use windlass::{CloseReason, Config, Error, Session};

use crate::fixture::{Call, Scripted, What, World, at_most, echo, millis, secs};

/// What a test does at one kind of callback.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    Open,
    Frame,
    End,
    Timer,
    Writable,
    Farewell,
    Drain,
    Close,
}

impl At {
    pub(crate) const ALL: [Self; 8] = [
        Self::Open,
        Self::Frame,
        Self::End,
        Self::Timer,
        Self::Writable,
        Self::Farewell,
        Self::Drain,
        Self::Close,
    ];

    /// Whether this is the call: of frames, it is the line `now`.
    pub(crate) fn is(self, call: &Call<'_>) -> bool {
        match call {
            Call::Open => self == Self::Open,
            Call::Frame(line) => self == Self::Frame && *line == "now",
            Call::End => self == Self::End,
            Call::Timer(_) => self == Self::Timer,
            Call::Writable => self == Self::Writable,
            Call::Farewell(_) => self == Self::Farewell,
            Call::Drain => self == Self::Drain,
            Call::Close(_) => self == Self::Close,
        }
    }

    /// Lets a connection live up to this callback: returns what its peer was answered before.
    pub(crate) fn provoke(self, world: &mut World) -> (windlass::network::SimPeer, &'static str) {
        let peer = world.connect();
        if self != Self::Open {
            world.network.send_from(peer, b"one\n");
            world.settle();
            world.network.send_from(peer, b"two\nnow\nlost\n");
        }
        match self {
            Self::End | Self::Close => world.network.finish(peer),
            Self::Farewell => world.network.send_from(peer, b"\xff\n"),
            Self::Drain => {
                world.settle();
                world.reactor.drain();
            }
            Self::Open | Self::Frame | Self::Timer | Self::Writable => {}
        }
        world.run_for(millis(100));
        let before = match self {
            Self::Open => "",
            Self::Frame => "one\ntwo\n",
            _ => "one\ntwo\nnow\nlost\n",
        };
        (peer, before)
    }
}

/// Echo, with a timer that is set at the opening, and the wish to write after the last frame.
pub(crate) fn echo_with_timer(
    session: &mut Session<'_, Scripted>,
    call: Call<'_>,
) -> Result<(), Error> {
    match call {
        Call::Open => session.set_timer(1, millis(50)),
        Call::Frame("lost") => session.want_writable(),
        _ => {}
    }
    echo(session, call)
}

#[test]
fn an_error_of_any_callback_closes_its_connection_after_what_was_sent() {
    for at in At::ALL.into_iter().filter(|at| *at != At::Close) {
        let mut world = World::new(at_most(10), move |session, call| {
            if at.is(&call) {
                session.send("sorry")?;
                return Err(Error::new("I cannot"));
            }
            echo_with_timer(session, call)
        });
        let (peer, before) = at.provoke(&mut world);
        assert_eq!(world.received(peer), format!("{before}sorry\n"), "{at:?}");
        assert_eq!(world.network.state(peer), PeerState::Finished, "{at:?}");
        world.run_for(secs(2));
        assert_eq!(world.reason(peer), Some("handler failed"), "{at:?}");
        assert_eq!(world.open_len(), 0, "{at:?}");
    }
}

#[test]
fn the_callbacks_come_in_the_order_of_what_happened() {
    let mut world = World::new(at_most(10), echo);
    let peer = world.connect_with(b"a\nb\nlast");
    world.network.finish(peer);
    world.settle();
    let frame = |line: &'static str| What::Frame(line.into());
    let expected = [
        What::Opened,
        frame("a"),
        frame("b"),
        frame("last"),
        What::Ended,
        What::Closed("peer finished"),
    ];
    assert_eq!(world.seen(peer), expected);
    assert_eq!(world.received(peer), "a\nb\nlast\n", "whatever was asked before the end");
    assert_eq!(world.network.state(peer), PeerState::Finished);
}

#[test]
fn the_close_tells_the_handler_the_error_it_gave() {
    let mut world = World::new(at_most(10), |_, call| match call {
        Call::Frame(_) => Err(Error::new("no such room")),
        Call::Close(CloseReason::Failed(error)) => {
            assert_eq!(error.to_string(), "no such room");
            Ok(())
        }
        Call::Close(reason) => panic!("{reason}"),
        _ => Ok(()),
    });
    let peer = world.connect_with(b"enter\n");
    world.run_for(secs(2));
    assert_eq!(world.reason(peer), Some("handler failed"));
    assert_eq!(world.reactor.metrics().panics, 0);
}

#[test]
fn no_frame_is_run_after_a_close() {
    for ending in ["quit", "fail", "abort", "\u{1}too long\u{1}"] {
        let mut world = World::new(at_most(10), |session, call| match call {
            Call::Frame("quit") => {
                session.close();
                assert!(session.send("more").is_err(), "nothing can be sent after a close");
                Ok(())
            }
            Call::Frame("fail") => Err(Error::new("as you wish")),
            Call::Frame("abort") => {
                session.abort();
                assert!(session.send("more").is_err(), "nothing can be sent after an abort");
                Ok(())
            }
            Call::Frame(line) if line.starts_with('\u{1}') => {
                session.send(&"x".repeat(1 << 20)).expect_err("too long for the codec");
                session.close();
                Ok(())
            }
            call => echo(session, call),
        });
        let peer = world.connect_with(format!("a\n{ending}\nb\nc\n").as_bytes());
        world.settle();
        world.network.send_from(peer, b"d\ne\n");
        world.settle();
        assert_eq!(world.frames(peer), ["a", ending]);
        let expected = if ending == "abort" { "" } else { "a\n" };
        assert_eq!(world.received(peer), expected, "{ending}");
    }
}

#[test]
fn bytes_that_are_no_frame_close_the_connection_after_earlier_answers() {
    for bad in [b"\xff\xfe\n".to_vec(), vec![b'x'; 70_000]] {
        let mut world = World::new(at_most(10), echo);
        let neighbour = world.join();
        let peer = world.connect_with(b"a\nb\n");
        world.network.send_from(peer, &bad);
        world.network.send_from(peer, b"\nc\n");
        world.settle();
        assert_eq!(world.received(peer), "a\nb\n");
        assert_eq!(world.network.state(peer), PeerState::Finished);
        world.run_for(secs(2));
        assert_eq!(world.reason(peer), Some("malformed frame"));
        assert_eq!(world.frames(peer), ["a", "b"]);
        world.network.send_from(neighbour, b"still here\n");
        world.settle();
        assert_eq!(world.received(neighbour), "still here\n");
    }
}

#[test]
fn a_handler_that_does_not_close_at_the_end_can_answer_later() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::End => {
            session.set_timer(7, secs(3));
            Ok(())
        }
        Call::Timer(7) => {
            session.send("at last")?;
            session.close();
            Ok(())
        }
        call => echo(session, call),
    });
    let peer = world.connect_with(b"a\n");
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.network.state(peer), PeerState::Open);
    let before = world.network.calls();
    world.run_for(millis(2999));
    assert!(world.network.calls().since(before).polls < 10, "nothing is polled for");
    assert_eq!(world.received(peer), "a\n");
    world.run_for(millis(1));
    assert_eq!(world.received(peer), "a\nat last\n");
    assert_eq!(world.reason(peer), Some("peer finished"));
    assert_eq!(world.open_len(), 0, "there is nobody to linger for");
}

#[test]
fn the_end_is_told_once_whatever_later_events_say_of_it() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame(_) => session.send(&"x".repeat(50_000)),
        _ => Ok(()),
    });
    world.network.set_pipe_len(1000);
    // As a system does it: whatever happens, an event says of an ended stream that it can be read.
    world.network.set_faults(Faults { merged_event: 1000, ..Faults::none() });
    let peer = world.connect_with(b"a\n");
    world.network.read_slowly(peer, 500, millis(1));
    world.network.finish(peer);
    world.run_for(millis(60));
    let before = world.network.calls();
    assert!(world.network.received(peer).len() > 10_000, "it is answered by and by");
    world.run_for(millis(60));
    let calls = world.network.calls().since(before);
    assert!(calls.writes > 10 && calls.reads == 0, "{calls:?}");
    let ends = world.seen(peer).iter().filter(|what| **what == What::Ended).count();
    assert_eq!(ends, 1);
}

#[test]
fn a_greeting_comes_before_anything_was_asked() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Open = call {
            session.send("welcome")?;
        }
        echo(session, call)
    });
    let peer = world.connect_with(b"a\n");
    world.turn(secs(1));
    assert_eq!(world.received(peer), "welcome\n", "in the turn that let it in");
    world.settle();
    assert_eq!(world.received(peer), "welcome\na\n");
}

#[test]
fn a_connection_can_be_closed_as_it_opens() {
    let mut world = World::new(at_most(10), |session, call| {
        if let Call::Open = call {
            session.send("we are closed")?;
            session.close();
        }
        echo(session, call)
    });
    let peer = world.connect_with(b"a\nb\n");
    world.settle();
    assert_eq!(world.received(peer), "we are closed\n");
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.seen(peer), [What::Opened, What::Closed("closed")]);
}

#[test]
fn a_kept_id_names_nobody_later() {
    let mut world = World::new(at_most(3), echo);
    for round in 0..40 {
        let peer = world.connect_with(b"a\n");
        world.settle();
        match round % 2 {
            0 => world.network.finish(peer),
            _ => world.network.reset(peer),
        }
        world.settle();
    }
    let entries = world.entries();
    let ids: BTreeSet<_> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(ids.len(), 40, "no id was given twice, which each turn checked too");
    let slots: BTreeSet<_> = ids.iter().map(ToString::to_string).collect();
    assert!(slots.iter().all(|name| name.starts_with("0:0#")), "the slot was the same: {slots:?}");
}

#[test]
fn an_event_for_a_connection_that_is_gone_is_passed_over() {
    let mut world = World::new(at_most(1), echo);
    let gone = world.join();
    let name = world.network.token(gone);
    let faults = Faults { delayed_event: 1000, longest_delay: millis(900), ..Faults::none() };
    world.network.set_faults(faults);
    // Its event is on the way, and comes when another has its slot.
    world.network.send_from(gone, b"late\n");
    world.turn_at_once();
    world.network.set_faults(Faults::none());
    let id = world.entries()[0].id;
    world.reactor.commands().abort(id).expect("it is open");
    let newcomer = world.connect();
    world.settle();
    let slot = |token: Option<Token>| token.map(|token| token.to_bits() & u64::from(u32::MAX));
    assert_eq!(slot(world.network.token(newcomer)), slot(name), "it is in the same slot");
    let before = world.network.calls();
    world.run_for(secs(1));
    let calls = world.network.calls().since(before);
    assert_eq!((calls.events, calls.reads), (1, 0), "it is nobody's");
    world.network.send_from(newcomer, b"mine\n");
    world.settle();
    assert_eq!(world.received(newcomer), "mine\n");
}

#[test]
fn budgets_without_an_end_are_budgets_too() {
    let config = Config {
        read_budget: usize::MAX,
        frame_budget: usize::MAX,
        write_budget: usize::MAX,
        accept_budget: usize::MAX,
        timer_budget: usize::MAX,
        linger_limit: usize::MAX,
        ..at_most(10)
    };
    let mut world = World::new(config, echo_with_timer);
    let peer = world.connect_with(b"one\ntw");
    world.settle();
    world.network.send_from(peer, b"o\nthree\nfour");
    world.run_for(millis(100));
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.received(peer), "one\ntwo\nthree\nfour\n");
    assert_eq!(world.reason(peer), Some("peer finished"));
}
