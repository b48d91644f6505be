//! What one callback asks the loop to do to others.

use bytes::Bytes;
use windlass::network::PeerState;
use windlass::{Broadcast, Config, Error, Handler, Lines, Session};

use crate::fixture::{at_most, pattern, secs};
use crate::hub::{At, Hub};
use crate::stage::{Stage, text};

#[test]
fn bytes_go_to_others_as_they_are_and_in_order() {
    let mut stage = Stage::new(at_most(10));
    let [asker, near] = stage.join_many(0);
    let (far, twin) = (stage.join(1), stage.join(2));
    stage.act(asker, move |session| {
        for to in [near.id, far.id, twin.id] {
            for part in ["a", "b\n", "", "c"] {
                session.commands().send(to, part).unwrap();
            }
        }
    });
    for member in [near, far, twin] {
        assert_eq!(stage.received(member), "ab\nc");
    }
    assert_eq!(stage.received(asker), "");
    assert_eq!(stage.world.reactor.metrics().commands, 12);
}

#[test]
fn what_is_asked_for_oneself_comes_after_the_callback() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    stage.act(asker, |session| {
        let id = session.id();
        session.commands().send(id, "second\n").unwrap();
        session.send("first").unwrap();
    });
    assert_eq!(stage.received(asker), "first\nsecond\n");
}

#[test]
fn a_close_comes_after_what_was_sent_before() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    let other = stage.join(1);
    stage.world.network.read_slowly(other.peer, 1000, secs(1));
    let bytes = Bytes::from(pattern(200_000));
    let sent = bytes.clone();
    stage.act(asker, move |session| {
        session.commands().send(other.id, sent).unwrap();
        session.commands().close(other.id).unwrap();
        session.commands().send(other.id, "never").unwrap();
    });
    stage.world.run_for(secs(300));
    assert!(stage.world.network.received(other.peer) == bytes, "exactly what was sent");
    assert_eq!(stage.state(other), PeerState::Finished);
    assert_eq!(stage.reason(other), Some("closed"));
}

#[test]
fn an_abort_drops_what_waits_and_is_seen_as_a_reset() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    let other = stage.join(1);
    stage.world.network.stall(other.peer);
    stage.act(asker, move |session| {
        session.commands().send(other.id, pattern(200_000)).unwrap();
        session.commands().abort(other.id).unwrap();
    });
    assert!(matches!(stage.state(other), PeerState::Reset), "{:?}", stage.state(other));
    assert_eq!(stage.reason(other), Some("aborted"));
}

#[test]
fn an_id_that_has_closed_is_an_error_for_ever() {
    let mut stage = Stage::new(at_most(10));
    let [asker, gone] = stage.join_many(0);
    assert!(stage.act(asker, move |session| session.commands().is_open(gone.id)));
    stage.act(asker, move |session| session.commands().abort(gone.id)).unwrap();
    // Another in its slot.
    let heir = stage.join(0);
    let expected = format!("connection {} has closed", gone.id);
    let errors = stage.act(asker, move |session| {
        let mut commands = session.commands();
        assert!(!commands.is_open(gone.id));
        [commands.send(gone.id, "lost"), commands.close(gone.id), commands.abort(gone.id)]
    });
    assert_eq!(errors.map(text), [(); 3].map(|()| expected.clone()));
    assert!(stage.is_served(heir));
    assert_eq!(stage.received(heir), "hello?\n");
}

#[test]
fn whoever_closes_before_the_command_is_run_is_passed_over() {
    let mut stage = Stage::new(at_most(10));
    let [asker, other] = stage.join_many(0);
    stage.act(asker, move |session| {
        for command in 0..3 {
            session.commands().abort(other.id).unwrap();
            match command {
                0 => session.commands().send(other.id, "lost").unwrap(),
                1 => session.commands().close(other.id).unwrap(),
                _ => session.commands().broadcast(Broadcast::to([other.id], "lost")).unwrap(),
            }
        }
    });
    assert_eq!(stage.reason(other), Some("aborted"));
    assert!(stage.is_served(asker));
}

#[test]
fn more_than_the_write_limit_closes_the_receiver() {
    let config = Config {
        write_limit: 100_000,
        high_watermark: 50_000,
        low_watermark: 10_000,
        ..at_most(10)
    };
    let mut stage = Stage::new(config);
    let [asker, other] = stage.join_many(0);
    stage.world.network.stall(other.peer);
    stage.act(asker, move |session| {
        (0..20).for_each(|_| session.commands().send(other.id, pattern(10_000)).unwrap());
    });
    assert_eq!(stage.reason(other), Some("write limit"));
    assert_eq!(stage.state(other), PeerState::Reset);
    assert!(stage.is_served(asker));
}

#[test]
fn a_task_runs_after_the_callback_with_the_first_handler_of_its_type() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    let (far, twin) = (stage.join(1), stage.join(2));
    stage.act(asker, move |session| {
        let task = move |_: &mut Hub, scope: &mut windlass::Scope<'_, Hub>| {
            assert_eq!(scope.ids(), [asker.id], "the connections of the first listener");
            assert!(scope.with(twin.id, |_| ()).is_none(), "that is the third's");
            scope.with(asker.id, |session| session.send("in the task")).unwrap()
        };
        session.commands().defer::<Hub>(task).unwrap();
        session
            .commands()
            .defer::<Hub<1>>(move |_, scope| {
                scope.with(far.id, |session| session.send("in the other task")).unwrap()
            })
            .unwrap();
        session.send("in the callback").unwrap();
    });
    assert_eq!(stage.received(asker), "in the callback\nin the task\n");
    assert_eq!(stage.received(far), "in the other task\n");
}

struct Absent;

impl Handler for Absent {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_task_for_a_handler_that_is_not_there_is_an_error() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    let result = stage.act(asker, |session| session.commands().defer::<Absent>(|_, _| Ok(())));
    let expected = "no listener of this server has the handler ";
    let message = text(result);
    assert!(message.starts_with(expected) && message.ends_with("Absent"), "{message}");
    assert!(stage.act(asker, |session| {
        session.commands().broadcast(Broadcast::to_all_of::<Absent>("nobody")).is_ok()
    }));
}

#[test]
fn a_message_of_each_type_reaches_its_handler_once() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    stage.act(asker, |session| {
        let mut commands = session.commands();
        commands.post::<Hub<1>, _>(7).unwrap();
        commands.post::<Hub<1>, _>("seven").unwrap();
        commands.post::<Hub, _>(8).unwrap();
    });
    let calls = |calls: Vec<(At, _)>| calls.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(calls(stage.first.calls()), [At::Start, At::Number(8)]);
    assert_eq!(calls(stage.second.calls()), [At::Start, At::Number(7), At::Text("seven")]);
    assert_eq!(calls(stage.third.calls()), [At::Start]);
}

#[test]
fn the_queue_of_commands_has_a_limit_and_says_so() {
    let mut stage = Stage::new(Config { command_queue_limit: 5, ..at_most(10) });
    let [asker, other] = stage.join_many(0);
    let results: Vec<_> = stage.act(asker, move |session| {
        (0..8).map(|at| session.commands().send(other.id, at.to_string())).collect()
    });
    let (done, refused) = results.split_at(5);
    assert!(done.iter().all(Result::is_ok));
    for result in refused {
        assert_eq!(result.as_ref().unwrap_err().to_string(), "5 commands wait already");
    }
    assert_eq!(stage.received(other), "01234", "and none of what was refused");
    let all_kinds = stage.act(asker, |session| {
        let mut commands = session.commands();
        (0..5).for_each(|_| commands.post::<Hub, _>(1).unwrap());
        let id = session.id();
        let mut commands = session.commands();
        [
            commands.send(id, "x"),
            commands.close(id),
            commands.abort(id),
            commands.broadcast(Broadcast::to([id], "x")),
            commands.defer::<Hub>(|_, _| Ok(())),
            commands.post::<Hub, _>(2),
        ]
    });
    assert!(all_kinds.iter().all(Result::is_err), "there is room for none");
    assert!(stage.is_served(asker), "and it is free again");
}

#[test]
fn commands_are_run_in_portions_and_those_that_wait_are_shown() {
    let mut stage = Stage::new(Config { command_budget: 10, ..at_most(10) });
    let [asker, other] = stage.join_many(0);
    stage.leave(asker, move |session| {
        (0..35).for_each(|_| session.commands().send(other.id, "x").unwrap());
    });
    let mut waiting = Vec::new();
    while waiting.last() != Some(&0) {
        stage.world.turn_at_once();
        let metrics = stage.world.reactor.metrics();
        waiting.push(metrics.commands_waiting);
        assert_eq!(metrics.commands + metrics.commands_waiting, 35);
    }
    assert_eq!(waiting, [25, 15, 5, 0]);
    stage.world.settle();
    assert_eq!(stage.received(other), "x".repeat(35));
}

#[test]
fn a_task_that_defers_itself_for_ever_keeps_nobody_waiting() {
    fn again(scope: &mut windlass::Scope<'_, Hub>) -> Result<(), Error> {
        scope.commands().defer::<Hub>(|_, scope| again(scope))
    }
    let mut stage = Stage::new(at_most(10));
    let [asker, other] = stage.join_many(0);
    let begun = stage.leave(asker, |session| {
        (0..3).for_each(|_| session.commands().defer::<Hub>(|_, scope| again(scope)).unwrap());
    });
    stage.world.turn_at_once();
    assert!(begun.take().is_some());
    for round in 1..=50 {
        stage.world.network.send_from(other.peer, b"x\n");
        stage.world.turn_at_once();
        stage.world.turn_at_once();
        assert_eq!(stage.received(other), "x\n".repeat(round), "two turns are enough");
        let newcomer = stage.world.network.connect_to(crate::fixture::address(1));
        stage.world.turn_at_once();
        assert!(stage.id_of(newcomer).is_some(), "also to let somebody in");
        stage.world.network.reset(newcomer);
    }
    let metrics = stage.world.reactor.metrics();
    assert_eq!(metrics.commands_waiting, 3);
    assert!(metrics.commands <= 3 * metrics.turns, "each of them once a turn");
}

#[test]
fn an_error_of_a_task_costs_nobody_anything() {
    let mut stage = Stage::new(at_most(10));
    let asker = stage.join(0);
    stage.act(asker, |session| {
        session.commands().defer::<Hub>(|_, _| Err(Error::new("it failed"))).unwrap();
    });
    assert!(stage.is_served(asker));
    assert_eq!(stage.world.reactor.metrics().panics, 0);
}

#[test]
fn a_message_encoded_once_is_a_frame_for_all_of_its_codec() {
    let mut stage = Stage::new(at_most(10));
    let [asker, other] = stage.join_many(0);
    stage.act(asker, move |session| {
        let frame = session.encode("many words").unwrap();
        assert_eq!(frame, "many words\n");
        session.send_encoded(frame.clone()).unwrap();
        session.commands().send(other.id, frame).unwrap();
        assert!(session.encode("no\nline").is_err(), "the codec refuses it");
    });
    assert_eq!(stage.received(asker), "many words\n");
    assert_eq!(stage.received(other), "many words\n");
}
