//! The same bytes for many.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use windlass::middleware::{Authenticate, Login};
use windlass::network::{PeerState, SimNetwork};
use windlass::{Broadcast, Config, Listener, Slow};

use crate::fixture::{Journal, World, address, at_most, millis, pattern, timeless};
use crate::hub::Hub;
use crate::stage::{Member, Stage};

/// Little is held, so that whoever does not read is soon slow: 100 bytes in the pipe, then slow
/// from 1,000 bytes on.
fn scarce() -> Config {
    Config { high_watermark: 1000, low_watermark: 100, write_limit: 5000, ..timeless() }
}

fn scarce_stage() -> Stage {
    let mut network = SimNetwork::new(1);
    network.set_pipe_len(100);
    Stage::on(network, scarce())
}

fn send(stage: &mut Stage, by: Member, broadcast: Broadcast) {
    stage.act(by, |session| session.commands().broadcast(broadcast)).expect("there is room");
}

#[test]
fn all_of_a_handler_are_those_of_all_listeners_with_its_type() {
    let mut stage = Stage::new(at_most(20));
    let mine: [_; 3] = stage.join_many(0);
    let others: [_; 2] = stage.join_many(1);
    let twins: [_; 2] = stage.join_many(2);
    send(&mut stage, mine[0], Broadcast::to_all_of::<Hub>("news\n"));
    mine.iter().chain(&twins).for_each(|member| assert_eq!(stage.received(*member), "news\n"));
    others.iter().for_each(|member| assert_eq!(stage.received(*member), ""));
    let metrics = stage.world.reactor.metrics();
    assert_eq!((metrics.broadcasts, metrics.broadcast_deliveries), (1, 5));
}

#[test]
fn everybody_but_one_means_just_that() {
    let mut stage = Stage::new(at_most(20));
    let mine: [_; 3] = stage.join_many(0);
    let twin = stage.join(2);
    send(&mut stage, mine[0], Broadcast::to_all_of::<Hub>("a").except(mine[1].id));
    send(&mut stage, mine[0], Broadcast::to([mine[1].id, twin.id], "b").except(twin.id));
    let received = [mine[0], mine[1], mine[2], twin].map(|member| stage.received(member));
    assert_eq!(received, ["a", "b", "a", "a"]);
    assert_eq!(stage.world.reactor.metrics().broadcast_deliveries, 4);
}

#[test]
fn a_list_of_ids_is_of_any_handlers_in_its_order_and_those_gone_are_passed_over() {
    let mut stage = Stage::new(at_most(20));
    let [asker, gone] = stage.join_many(0);
    let (far, twin) = (stage.join(1), stage.join(2));
    stage.act(asker, move |session| session.commands().abort(gone.id)).unwrap();
    let heir = stage.join(0);
    let ids: Arc<[_]> = [gone.id, twin.id, far.id, twin.id].into();
    send(&mut stage, asker, Broadcast::to(ids.clone(), "x"));
    send(&mut stage, asker, Broadcast::to(ids, "y"));
    send(&mut stage, asker, Broadcast::to([], "z"));
    assert_eq!(stage.received(twin), "xxyy", "who is named twice gets it twice");
    assert_eq!(stage.received(far), "xy");
    assert_eq!(stage.received(heir), "", "a newcomer in the slot is somebody else");
}

#[test]
fn a_slow_receiver_is_skipped_closed_or_counted() {
    for (slow, counts) in
        [(Slow::Skip, [1, 1, 0, 0]), (Slow::Close, [1, 0, 1, 0]), (Slow::Count, [2, 0, 0, 1])]
    {
        let mut stage = scarce_stage();
        let [asker, lame] = stage.join_many(0);
        stage.world.network.stall(lame.peer);
        // 100 of them are in the pipe: what waits is just at the high watermark.
        let first = Bytes::from(pattern(1100));
        send(&mut stage, asker, Broadcast::to([lame.id], first.clone()).slow(slow));
        let before = stage.world.reactor.metrics();
        assert_eq!(before.broadcast_deliveries, 1, "nobody is slow for one long message");
        let both = Broadcast::to([lame.id, asker.id], "tail").slow(slow);
        send(&mut stage, asker, both);
        let metrics = stage.world.reactor.metrics();
        let after = [
            metrics.broadcast_deliveries - 1,
            metrics.broadcast_skipped,
            metrics.broadcast_closed,
            metrics.broadcast_slow,
        ];
        assert_eq!(after, counts, "{slow:?}");
        assert_eq!(stage.received(asker), "tail", "{slow:?}");
        stage.world.network.resume(lame.peer);
        stage.world.settle();
        let received = stage.world.network.received(lame.peer).to_vec();
        match slow {
            Slow::Skip => assert!(received == first),
            Slow::Count => assert!(received == [&first[..], b"tail"].concat()),
            Slow::Close => {
                assert_eq!(stage.reason(lame), Some("too slow"));
                assert_eq!(stage.state(lame), PeerState::Reset);
                assert!(first.starts_with(&received));
            }
        }
    }
}

#[test]
fn who_has_a_byte_less_waiting_than_the_high_watermark_is_not_slow() {
    let mut stage = scarce_stage();
    let [asker, lame] = stage.join_many(0);
    stage.world.network.stall(lame.peer);
    send(&mut stage, asker, Broadcast::to([lame.id], pattern(1099)).slow(Slow::Close));
    send(&mut stage, asker, Broadcast::to([lame.id], "x").slow(Slow::Close));
    assert_eq!(stage.reason(lame), None);
    send(&mut stage, asker, Broadcast::to([lame.id], "y").slow(Slow::Close));
    assert_eq!(stage.reason(lame), Some("too slow"));
}

#[test]
fn who_is_counted_is_closed_at_the_write_limit_and_counted_as_such() {
    let mut stage = scarce_stage();
    let [asker, lame] = stage.join_many(0);
    stage.world.network.stall(lame.peer);
    for _ in 0..6 {
        let broadcast = Broadcast::to([lame.id], pattern(1000)).slow(Slow::Count);
        send(&mut stage, asker, broadcast);
    }
    assert_eq!(stage.reason(lame), Some("write limit"));
    let metrics = stage.world.reactor.metrics();
    assert_eq!((metrics.broadcast_deliveries, metrics.broadcast_closed), (5, 1));
}

#[test]
fn a_receiver_that_breaks_is_neither_sent_to_nor_too_slow() {
    let mut stage = Stage::new(at_most(10));
    let [asker, broken] = stage.join_many(0);
    stage.world.network.fail_write(broken.peer, std::io::ErrorKind::BrokenPipe);
    send(&mut stage, asker, Broadcast::to([broken.id, asker.id], "x"));
    let metrics = stage.world.reactor.metrics();
    assert_eq!((metrics.broadcast_deliveries, metrics.broadcast_closed), (1, 0));
    assert_eq!(stage.reason(broken), Some("reset"));
    assert_eq!(stage.received(asker), "x");
}

#[test]
fn a_broadcast_is_done_in_portions_and_others_are_served_between() {
    let mut stage = Stage::new(Config { command_budget: 10, ..timeless() });
    let members: [_; 100] = stage.join_many(0);
    let far = stage.join(1);
    stage.leave(members[0], |session| {
        session.commands().broadcast(Broadcast::to_all_of::<Hub>("x")).unwrap();
    });
    let mut portions = Vec::new();
    let mut before = 0;
    while before < 100 {
        stage.world.network.send_from(far.peer, b"y\n");
        stage.world.turn_at_once();
        let delivered = stage.world.reactor.metrics().broadcast_deliveries;
        portions.push(delivered - before);
        before = delivered;
    }
    assert_eq!(portions, [10; 10]);
    stage.world.settle();
    assert_eq!(stage.received(far), "y\n".repeat(10), "served in each turn");
}

#[test]
fn of_two_broadcasts_everybody_gets_the_earlier_first() {
    let mut stage = Stage::new(Config { command_budget: 7, ..timeless() });
    let members: [_; 30] = stage.join_many(0);
    stage.leave(members[3], move |session| {
        let mut commands = session.commands();
        commands.broadcast(Broadcast::to_all_of::<Hub>("a")).unwrap();
        commands.send(members[29].id, "b").unwrap();
        commands.broadcast(Broadcast::to([members[29].id, members[0].id], "c")).unwrap();
    });
    stage.world.turn_at_once();
    // Asked for while the first is under way.
    stage.leave(members[5], |session| {
        session.commands().broadcast(Broadcast::to_all_of::<Hub>("d")).unwrap();
    });
    stage.world.settle();
    for (at, member) in members.iter().enumerate() {
        let expected = match at {
            0 => "acd",
            29 => "abcd",
            _ => "ad",
        };
        assert_eq!(stage.received(*member), expected, "member {at}");
    }
}

#[test]
fn newcomers_and_leavers_in_the_middle_disturb_nobody() {
    let mut stage = Stage::new(Config { command_budget: 2, ..timeless() });
    let members: [_; 20] = stage.join_many(0);
    stage.leave(members[0], |session| {
        session.commands().broadcast(Broadcast::to_all_of::<Hub>("a")).unwrap();
    });
    (0..3).for_each(|_| stage.world.turn_at_once());
    assert_eq!(stage.world.reactor.metrics().broadcast_deliveries, 6);
    // One that had it, the one that is next, and the last; then others in their slots.
    for leaver in [members[1], members[6], members[19]] {
        stage.world.network.reset(leaver.peer);
    }
    stage.world.turn_at_once();
    let newcomers: [_; 4] = stage.join_many(0);
    stage.world.settle();
    for (at, member) in members.iter().enumerate() {
        if ![1, 6, 19].contains(&at) {
            assert_eq!(stage.received(*member), "a", "member {at}");
        }
    }
    for newcomer in newcomers {
        assert!(["", "a"].contains(&stage.received(newcomer).as_str()), "once at most");
        assert!(stage.is_served(newcomer));
    }
}

#[test]
fn who_stands_before_a_layer_gets_nothing() {
    let journal = Journal::default();
    let hub: Hub = Hub::new(&journal);
    let login = Authenticate::new(|_, line| match line {
        b"password" => Login::Accepted("one".into()),
        _ => Login::Rejected,
    });
    let listener = Listener::tcp(address(0), hub.clone()).middleware(login);
    let mut world = World::of(SimNetwork::new(1), at_most(10), None, |s| s.listen(listener));
    let stranger = world.connect();
    let friend = world.connect_with(b"password\n");
    world.settle();
    hub.leave(|session| {
        let mut commands = session.commands();
        commands.broadcast(Broadcast::to_all_of::<Hub>("secret\n")).unwrap();
        let task = |_: &mut Hub, scope: &mut windlass::Scope<'_, Hub>| {
            assert_eq!((scope.len(), scope.ids().len(), scope.is_empty()), (1, 1, false));
            assert_eq!(scope.select(|_, _| true), scope.ids());
            let mut all = Vec::new();
            scope.for_each_connection(|connection| all.push(connection.id));
            assert_eq!(all.len(), 2, "the table shows everybody");
            for id in all {
                scope.with(id, |session| session.send("by name")).transpose()?;
                assert_eq!(scope.info(id).is_some(), scope.ids().contains(&id));
                scope.commands().send(id, "by command\n")?;
            }
            Ok(())
        };
        commands.defer::<Hub>(task).unwrap();
    });
    world.network.send_from(friend, b"act\n");
    world.settle();
    assert_eq!(world.received(friend), "secret\nby name\nby command\n");
    assert_eq!(world.received(stranger), "");
    world.network.send_from(stranger, b"password\n");
    world.settle();
    world.network.send_from(stranger, b"hello\n");
    world.settle();
    assert_eq!(world.received(stranger), "hello\n");
}

#[test]
fn long_bytes_reach_slow_readers_whole_and_in_order() {
    let mut stage = Stage::new(timeless());
    let members: [_; 10] = stage.join_many(0);
    let all: Vec<Bytes> = (1..=5).map(|at| Bytes::from(pattern(at * 20_001))).collect();
    for (at, member) in (1..).zip(&members) {
        stage.world.network.read_slowly(member.peer, 777 * at, millis(1));
    }
    let sent = all.clone();
    stage.act(members[0], move |session| {
        for bytes in sent {
            let broadcast = Broadcast::to_all_of::<Hub>(bytes).slow(Slow::Count);
            session.commands().broadcast(broadcast).unwrap();
        }
    });
    stage.world.run_for(Duration::from_secs(5));
    let expected = all.concat();
    for member in members {
        assert!(stage.world.network.received(member.peer) == expected);
    }
    assert_eq!(stage.world.reactor.held_len(), 0);
}
