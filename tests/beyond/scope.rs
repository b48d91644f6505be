//! What a handler does with all of its connections, when none of them is at hand.

use std::cell::RefCell;
use std::rc::Rc;

use windlass::network::{PeerState, SimNetwork};
use windlass::{Broadcast, ConnectionInfo, Error, Phase, Server};

use crate::fixture::{Journal, World, address, at_most, millis, pattern, secs, timeless};
use crate::hub::{At, Hub};
use crate::stage::{Member, Stage, text};

#[test]
fn its_ids_are_those_of_its_own_connections() {
    let mut stage = Stage::new(at_most(20));
    let mine: [_; 3] = stage.join_many(0);
    let (_far, _twin) = (stage.join(1), stage.join(2));
    let (ids, len) = stage.scope(mine[0], |scope| (scope.ids(), scope.len()));
    assert_eq!((ids, len), (mine.map(|member| member.id).to_vec(), 3));
    stage.world.network.reset(mine[1].peer);
    stage.world.settle();
    let (ids, len) = stage.scope(mine[0], |scope| (scope.ids(), scope.len()));
    assert_eq!((ids, len), (vec![mine[0].id, mine[2].id], 2));
}

#[test]
fn one_of_its_connections_is_lent_as_to_a_callback() {
    let mut stage = Stage::new(at_most(20));
    let [asker, other] = stage.join_many(0);
    let answer = stage.scope(asker, move |scope| {
        scope.with(other.id, |session| {
            assert_eq!(session.id(), other.id);
            *session.state() = 5;
            session.send("a").unwrap();
            session.set_timer(3, secs(1));
            session.peer()
        })
    });
    assert_eq!(answer, Some(stage.world.network.address(other.peer)));
    assert_eq!(stage.received(other), "a\n");
    let state = stage.scope(asker, move |scope| {
        scope.with(other.id, |session| {
            session.close();
            assert!(session.send("too late").is_err());
            *session.state()
        })
    });
    assert_eq!(state, Some(5));
    assert_eq!(stage.state(other), PeerState::Finished);
    assert_eq!(stage.received(other), "a\n");
}

#[test]
fn what_has_ended_is_not_lent_even_before_its_close_was_told() {
    let mut stage = Stage::new(at_most(20));
    let [asker, other] = stage.join_many(0);
    let far = stage.join(1);
    stage.scope(asker, move |scope| {
        assert_eq!(scope.with(far.id, |_| ()), None, "of another handler");
        scope
            .with(other.id, |session| {
                session.abort();
            })
            .expect("it is open");
        assert_eq!(scope.with(other.id, |_| ()), None);
        assert!(scope.info(other.id).is_none());
        assert_eq!(scope.ids(), [asker.id]);
        assert_eq!(scope.len(), 1);
        assert_eq!(scope.select(|_, _| true), [asker.id]);
        let mut phases = Vec::new();
        scope.for_each_connection(|connection| phases.push(connection.phase));
        assert_eq!(phases, [Phase::Open, Phase::Closed, Phase::Open], "the table shows it");
    });
    assert_eq!(stage.reason(other), Some("aborted"));
    assert_eq!(stage.scope(asker, move |scope| scope.with(other.id, |_| ())), None);
}

#[test]
fn a_pause_can_be_ended_and_what_waited_is_run() {
    let mut stage = Stage::new(at_most(20));
    let [asker, other] = stage.join_many(0);
    stage.scope(asker, move |scope| {
        scope.with(other.id, |session| {
            session.pause();
        })
    });
    stage.world.network.send_from(other.peer, b"one\ntwo\nthree");
    stage.world.settle();
    assert_eq!(stage.received(other), "");
    stage.scope(asker, move |scope| {
        scope.with(other.id, |session| {
            session.resume();
        })
    });
    assert_eq!(stage.received(other), "one\ntwo\n");
}

#[test]
fn more_output_than_the_limit_closes_the_one_it_is_for() {
    let mut stage = Stage::new(timeless());
    let [asker, other] = stage.join_many(0);
    stage.world.network.stall(other.peer);
    let error = stage.scope(asker, move |scope| {
        scope.with(other.id, |session| session.send_encoded(vec![0; 20 << 20].into()))
    });
    assert!(text(error.expect("it was lent")).contains("above the write limit"));
    assert_eq!(stage.reason(other), Some("write limit"));
    assert!(stage.is_served(asker));
}

#[test]
fn those_selected_can_be_sent_to_together() {
    let mut stage = Stage::new(at_most(20));
    let members: [_; 6] = stage.join_many(0);
    stage.scope(members[0], move |scope| {
        for (at, member) in (0..).zip(members) {
            scope.with(member.id, |session| *session.state() = at);
        }
        let mut seen = Vec::new();
        let odd = scope.select(|info, state| {
            seen.push(info.id);
            *state += 10;
            *state % 2 == 1
        });
        assert_eq!(seen, members.map(|member| member.id));
        let broadcast = Broadcast::to(odd, "odd\n");
        scope.commands().broadcast(broadcast).unwrap();
        assert_eq!(scope.with(members[2].id, |session| *session.state()), Some(12));
    });
    let received = members.map(|member| stage.received(member));
    assert_eq!(received, ["", "odd\n", "", "odd\n", "", "odd\n"]);
}

fn info(stage: &mut Stage, by: Member, of: Member, check: fn(ConnectionInfo<'_>)) {
    stage.scope(by, move |scope| check(scope.info(of.id).expect("it is there")));
}

#[test]
fn the_row_of_a_connection_says_how_it_is() {
    let mut network = SimNetwork::new(1);
    network.set_pipe_len(1000);
    let mut stage = Stage::on(network, timeless());
    let asker = stage.join(0);
    stage.world.run_for(secs(7));
    let other = stage.join(0);
    stage.world.run_for(secs(2));
    stage.world.network.send_from(other.peer, b"one\ntwo\npart");
    stage.world.settle();
    stage.world.run_for(secs(3));
    info(&mut stage, asker, other, |info| {
        assert_eq!(info.phase, Phase::Open);
        assert_eq!((info.bytes_received, info.bytes_sent, info.frames), (12, 8, 2));
        assert_eq!(info.opened.as_nanos(), 7_000_000_000);
        assert_eq!(info.last_active.as_nanos(), 9_000_000_000);
        assert!(info.buffered_in >= 4, "{info:?}");
        assert_eq!((info.buffered_out, info.is_held_back), (0, false));
        assert_eq!(info.identity, None);
    });
    let address = stage.world.network.address(other.peer);
    stage.scope(asker, move |scope| assert_eq!(scope.info(other.id).unwrap().peer, address));
    stage.world.network.stall(other.peer);
    stage.act(asker, move |session| {
        session.commands().send(other.id, pattern(101_000)).unwrap();
    });
    info(&mut stage, asker, other, |info| {
        assert_eq!((info.buffered_out, info.is_held_back), (100_000, true));
        assert_eq!(info.bytes_sent, 1008);
    });
    stage.scope(asker, move |scope| {
        scope.with(other.id, |session| {
            session.close();
        })
    });
    info(&mut stage, asker, other, |info| assert_eq!(info.phase, Phase::Flushing));
    stage.world.network.resume(other.peer);
    stage.world.settle();
    info(&mut stage, asker, other, |info| {
        assert_eq!((info.phase, info.buffered_out), (Phase::Lingering, 0));
        assert_eq!(info.bytes_sent, 101_008);
    });
}

#[test]
fn the_table_shows_the_connections_of_all_handlers_its_own_first() {
    let mut stage = Stage::new(at_most(20));
    let (far, twin) = (stage.join(1), stage.join(2));
    let mine: [_; 2] = stage.join_many(0);
    let seen = stage.scope(mine[0], |scope| {
        let mut seen = Vec::new();
        scope.for_each_connection(|connection| seen.push(connection.id));
        seen
    });
    assert_eq!(seen, [mine[0].id, mine[1].id, far.id, twin.id]);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let list = seen.clone();
    stage.act(mine[0], move |session| {
        let task = move |_: &mut Hub<1>, scope: &mut windlass::Scope<'_, Hub<1>>| {
            scope.for_each_connection(|connection| list.borrow_mut().push(connection.id));
            Ok(())
        };
        session.commands().defer::<Hub<1>>(task).unwrap();
    });
    assert_eq!(*seen.borrow(), [far.id, mine[0].id, mine[1].id, twin.id]);
}

#[test]
fn the_start_is_told_once_before_anybody_is_let_in() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let note = order.clone();
    let mut stage = Stage::hooked(SimNetwork::new(1), at_most(20), |first, _| {
        first.set_hook(move |at, _| {
            note.borrow_mut().push(at);
            Ok(())
        });
    });
    stage.join(0);
    stage.world.run_for(secs(1));
    assert_eq!(*order.borrow(), [At::Start, At::Open]);
    for calls in [stage.first.calls(), stage.second.calls(), stage.third.calls()] {
        assert_eq!(calls.len(), 1);
    }
}

#[test]
fn an_error_at_the_start_fails_the_building() {
    let journal = Journal::default();
    let (first, second, third): (Hub, Hub<1>, Hub) =
        (Hub::new(&journal), Hub::new(&journal), Hub::new(&journal));
    second.set_hook(|at, _| match at {
        At::Start => Err(Error::new("no luck today")),
        _ => Ok(()),
    });
    let server = Server::new()
        .tcp(address(0), first.clone())
        .tcp(address(1), second)
        .tcp(address(2), third.clone());
    let result = server.build_on(&mut SimNetwork::new(1));
    assert_eq!(text(result.map(|_| ())), "no luck today");
    assert_eq!((first.calls().len(), third.calls().len()), (1, 0), "nobody behind it was told");
}

#[test]
fn timers_of_a_handler_come_on_time_and_to_it_alone() {
    let mut stage = Stage::new(at_most(20));
    let asker = stage.join(0);
    stage.scope(asker, |scope| {
        scope.set_timer(1, secs(3));
        scope.set_timer(2, millis(1500));
        scope.set_interval(3, secs(2));
        scope.set_timer(4, secs(1));
        assert!(scope.cancel_timer(4));
        assert!(!scope.cancel_timer(4));
        scope.set_timer(1, secs(5));
    });
    // The connection may go: the timers are the handler's.
    stage.world.network.reset(asker.peer);
    stage.world.run_for(secs(7));
    let times = |calls: Vec<(At, windlass::Instant)>| {
        calls.into_iter().skip(1).map(|(at, when)| (at, when.as_nanos() / 1_000_000)).collect()
    };
    let calls: Vec<_> = times(stage.first.calls());
    let timer = At::ServerTimer;
    let expected =
        [(timer(2), 1500), (timer(3), 2000), (timer(3), 4000), (timer(1), 5000), (timer(3), 6000)];
    assert_eq!(calls, expected);
    for calls in [stage.second.calls(), stage.third.calls()] {
        assert_eq!(times(calls), []);
    }
}

#[test]
fn an_error_of_a_timer_or_a_message_is_logged_and_no_more() {
    let mut stage = Stage::new(at_most(20));
    let asker = stage.join(0);
    stage.first.set_hook(|at, _| match at {
        At::ServerTimer(_) | At::Number(_) => Err(Error::new("it failed")),
        _ => Ok(()),
    });
    stage.scope(asker, |scope| {
        scope.set_interval(1, secs(1));
        scope.commands().post::<Hub, _>(5).unwrap();
    });
    stage.world.run_for(secs(3));
    assert_eq!(stage.first.calls().len(), 5);
    assert!(stage.is_served(asker));
}

#[test]
fn a_loop_without_peers_lives_on_its_timers() {
    let hub: Hub = Hub::new(&Journal::default());
    let handler = hub.clone();
    hub.set_hook(|at, commands| match at {
        At::Start => commands.defer::<Hub>(|_, scope| {
            scope.set_interval(9, secs(60));
            Ok(())
        }),
        At::ServerTimer(_) => commands.post::<Hub, _>("a minute"),
        _ => Ok(()),
    });
    let mut world =
        World::of(SimNetwork::new(1), at_most(9), None, |server| server.tcp(address(0), handler));
    let before = world.network.calls().polls;
    world.run_for(secs(3600));
    assert_eq!(hub.calls().len(), 1 + 2 * 60);
    let polls = world.network.calls().polls - before;
    assert!(polls <= 4 * 60 + 5, "{polls} polls in an hour");
}
