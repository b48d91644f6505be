//! What is asked for while the loop comes to its end.

use windlass::network::{PeerState, SimNetwork};
use windlass::{Broadcast, Config, Error, Scope};

use crate::fixture::{address, at_most, secs, timeless};
use crate::hub::{At, Hub};
use crate::stage::Stage;

#[test]
fn a_goodbye_to_all_reaches_all() {
    let mut stage = Stage::new(Config { command_budget: 3, ..at_most(50) });
    let members: [_; 20] = stage.join_many(0);
    stage.first.set_hook(|at, commands| match at {
        At::Drain => commands.broadcast(Broadcast::to_all_of::<Hub>("goodbye\n")),
        _ => Ok(()),
    });
    stage.world.reactor.drain();
    let report = stage.world.run_to_the_end(secs(10));
    assert_eq!((report.finished, report.is_clean()), (20, true));
    for member in members {
        assert_eq!(stage.received(member), "goodbye\n".repeat(20));
        assert_eq!(stage.reason(member), Some("drained"));
    }
}

#[test]
fn a_broadcast_that_is_under_way_reaches_all_before_they_are_closed() {
    let mut stage = Stage::new(Config { command_budget: 3, ..at_most(50) });
    let members: [_; 20] = stage.join_many(0);
    stage.leave(members[19], |session| {
        let news = Broadcast::to_all_of::<Hub>("news\n");
        session.commands().broadcast(news).unwrap();
    });
    stage.world.turn_at_once();
    assert_eq!(stage.received(members[3]), "", "it has only begun");
    stage.world.reactor.drain();
    stage.world.run_to_the_end(secs(10));
    members.iter().for_each(|member| assert_eq!(stage.received(*member), "news\n"));
}

#[test]
fn who_is_answered_by_a_task_is_answered_in_a_drain() {
    for rounds in 0..4 {
        let mut stage = Stage::new(timeless());
        let asker = stage.join(0);
        stage.leave(asker, move |session| {
            let id = session.id();
            let answer = move |_: &mut Hub, scope: &mut Scope<'_, Hub>| {
                scope.with(id, |session| session.send("here it is")).expect("it is there")
            };
            session.commands().defer::<Hub>(answer).unwrap();
        });
        (0..rounds).for_each(|_| stage.world.turn_at_once());
        stage.world.reactor.drain();
        let report = stage.world.run_to_the_end(secs(10));
        assert!(report.is_clean(), "{report}");
        assert_eq!(stage.received(asker), "here it is\n", "after {rounds} turns");
    }
}

#[test]
fn who_has_begun_something_meanwhile_is_served_before_it_is_closed() {
    let mut stage = Stage::new(Config { command_budget: 1, ..at_most(10) });
    let other = stage.join(0);
    let twin = stage.join(2);
    stage.first.set_hook(move |at, commands| match at {
        At::Drain => (0..9).try_for_each(|_| commands.send(twin.id, "x")),
        _ => Ok(()),
    });
    stage.world.reactor.drain();
    (0..3).for_each(|_| stage.world.turn_at_once());
    stage.world.network.send_from(other.peer, b"half a li");
    (0..15).for_each(|_| stage.world.turn_at_once());
    assert_eq!(stage.state(other), PeerState::Open, "it is in the middle of a line");
    stage.world.network.send_from(other.peer, b"ne\n");
    stage.world.run_to_the_end(secs(10));
    assert_eq!(stage.received(other), "half a line\n");
    assert_eq!(stage.received(twin), "x".repeat(9));
    assert_eq!(stage.reason(other), Some("drained"));
}

#[test]
fn the_last_close_may_still_ask_for_something() {
    for is_stopped in [false, true] {
        let mut stage = Stage::new(at_most(10));
        let _members: [_; 5] = stage.join_many(0);
        stage.first.set_hook(|at, commands| match at {
            At::Close => commands.post::<Hub<1>, _>("one has gone"),
            _ => Ok(()),
        });
        match is_stopped {
            true => stage.world.reactor.stop(),
            false => stage.world.reactor.drain(),
        }
        stage.world.run_to_the_end(secs(10));
        let calls = stage.second.calls();
        let notices = calls.iter().filter(|(at, _)| *at == At::Text("one has gone")).count();
        assert_eq!(notices, 5, "stopped: {is_stopped}");
    }
}

#[test]
fn a_task_that_defers_itself_for_ever_does_not_hold_up_the_end() {
    fn again(scope: &mut Scope<'_, Hub>) -> Result<(), Error> {
        scope.commands().defer::<Hub>(|_, scope| again(scope))
    }
    for is_stopped in [false, true] {
        let mut stage = Stage::new(at_most(10));
        let members: [_; 3] = stage.join_many(0);
        stage.leave(members[0], |session| {
            session.commands().defer::<Hub>(|_, scope| again(scope)).unwrap();
        });
        stage.world.turn_at_once();
        match is_stopped {
            true => stage.world.reactor.stop(),
            false => stage.world.reactor.drain(),
        }
        stage.world.turn_at_once();
        stage.world.turn_at_once();
        // Nobody makes it wait for anything but the task.
        members.iter().for_each(|member| stage.world.network.finish(member.peer));
        stage.world.turn_at_once();
        let report = stage.world.report.clone().expect("it has ended");
        let reason = if is_stopped { "stopped" } else { "drained" };
        members.iter().for_each(|member| assert_eq!(stage.reason(*member), Some(reason)));
        assert_eq!(report.is_clean(), !is_stopped);
    }
}

#[test]
fn a_callback_can_drain_the_loop_and_another_stop_it() {
    let mut stage = Stage::new(at_most(10));
    let [asker, busy] = stage.join_many(0);
    stage.world.network.send_from(busy.peer, b"unfinished");
    stage.world.settle();
    stage.act(asker, |session| {
        session.commands().drain();
        session.commands().drain();
        session.send("the last answer").unwrap();
    });
    assert_eq!(stage.received(asker), "the last answer\n");
    assert_eq!(stage.state(asker), PeerState::Finished);
    assert_eq!(stage.state(busy), PeerState::Open);
    assert!(!stage.world.network.is_listening(address(0)), "nobody is let in any more");
    stage.first.set_hook(|at, commands| {
        if at == At::Frame {
            commands.stop();
            commands.drain();
        }
        Ok(())
    });
    stage.world.network.send_from(busy.peer, b" business\n");
    let report = stage.world.run_to_the_end(secs(1));
    assert_eq!((report.finished, report.cut_by_stop), (2, 0), "nothing was owed any more");
    assert!(report.took < secs(1), "nobody was waited for");
    assert_eq!(stage.reason(asker), Some("drained"));
    assert_eq!(stage.received(busy), "unfinished business\n");
}

#[test]
fn a_stop_in_a_callback_cuts_everybody_in_the_same_turn() {
    let mut stage = Stage::new(at_most(10));
    let [asker, other] = stage.join_many(0);
    stage.leave(asker, |session| session.commands().stop());
    stage.world.turn_at_once();
    let report = stage.world.report.clone().expect("it has ended");
    assert_eq!(report.cut_by_stop, 2);
    assert_eq!(stage.reason(other), Some("stopped"));
}

#[test]
fn a_drain_asked_for_at_the_start_ends_the_loop_in_its_first_turn() {
    let mut stage = Stage::hooked(SimNetwork::new(1), at_most(10), |_, second| {
        second.set_hook(|at, commands| {
            if at == At::Start {
                commands.drain();
            }
            Ok(())
        });
    });
    stage.world.turn_at_once();
    assert!(stage.world.report.as_ref().is_some_and(windlass::DrainReport::is_clean));
    assert_eq!(stage.third.calls().len(), 1, "all were told of the start");
}
