//! What a handle asks for is done: in order, in portions, and with one wake for a burst.

use std::time::Duration;

use windlass::network::{Faults, PeerState, SimNetwork};
use windlass::{AtLimit, Broadcast, Config, Handle, Scope, Server};

use crate::board::{Answer, Bench, Board};
use crate::fixture::{Random, World, address, at_most, for_each_seed, millis, secs, timeless};

#[test]
fn a_handle_can_be_shared_and_shown() {
    const fn is_for_all_threads<T: Send + Sync + Clone + std::fmt::Debug>() {}
    is_for_all_threads::<Handle>();
    let mut bench = Bench::new(at_most(1));
    assert_eq!(format!("{:?}", bench.handle), "Handle { is_running: true, .. }");
    bench.handle.stop();
    bench.world.run_to_the_end(secs(1));
    assert_eq!(format!("{:?}", bench.handle), "Handle { is_running: false, .. }");
}

#[test]
fn what_one_thread_asks_for_is_done_in_that_order() {
    let mut bench = Bench::new(at_most(2));
    let (peer, id) = bench.join();
    let (other, _) = bench.join();
    bench.handle.send(id, "one\n").unwrap();
    bench.handle.broadcast(Broadcast::to_all_of::<Board>("two\n")).unwrap();
    bench.handle.post::<Board, _>(Answer(id, "three")).unwrap();
    let four = move |_: &mut Board, scope: &mut Scope<'_, Board>| {
        scope.with(id, |session| session.send("four")).unwrap()
    };
    bench.handle.run::<Board, _>(four).unwrap();
    bench.handle.close(id).unwrap();
    bench.handle.send(id, "never\n").unwrap();
    bench.world.settle();
    assert_eq!(bench.world.received(peer), "one\ntwo\nthree\nfour\n");
    assert_eq!(bench.world.network.state(peer), PeerState::Finished);
    assert_eq!(bench.world.received(other), "two\n");
}

#[test]
fn what_follows_a_broadcast_is_done_when_all_have_it() {
    let mut bench = Bench::new(Config { command_budget: 3, ..timeless() });
    let peers = [(); 10].map(|()| bench.join());
    let (last, id) = peers[9];
    bench.handle.broadcast(Broadcast::to_all_of::<Board>("to all\n")).unwrap();
    bench.handle.send(id, "and to you\n").unwrap();
    bench.world.settle();
    assert_eq!(bench.world.received(last), "to all\nand to you\n");
    assert!(peers.iter().all(|(peer, _)| bench.world.received(*peer).starts_with("to all\n")));
}

#[test]
fn a_handler_that_serves_nobody_is_told_so() {
    let mut bench = Bench::new(at_most(2));
    for count in 0..2 {
        let check = move |_: &mut Board, scope: &mut Scope<'_, Board>| {
            assert_eq!((scope.len(), scope.is_empty()), (count, count == 0));
            Ok(())
        };
        bench.handle.run::<Board, _>(check).unwrap();
        bench.world.settle();
        bench.join();
    }
    assert_eq!(bench.world.reactor.metrics().panics, 0);
}

#[test]
fn an_abort_breaks_the_connection_off() {
    let mut bench = Bench::new(at_most(1));
    let (peer, id) = bench.join();
    bench.handle.abort(id).unwrap();
    bench.world.settle();
    assert_eq!(bench.world.network.state(peer), PeerState::Reset);
}

#[test]
fn a_burst_wakes_the_loop_once() {
    let mut bench = Bench::new(Config { mailbox_len: 1000, ..timeless() });
    for burst in 1..=3 {
        let before = bench.world.network.calls();
        for number in 0..1000 {
            let handle = bench.handle.clone();
            handle.post::<Board, _>(number.to_string()).unwrap();
        }
        // It would sleep for ever if it were not woken.
        bench.world.turn(None);
        assert_eq!(bench.world.network.calls().since(before).events, 1);
        assert_eq!(bench.world.reactor.metrics().wakes, burst);
        bench.world.settle();
    }
    assert_eq!(bench.messages().len(), 3000);
}

#[test]
fn a_flood_of_messages_leaves_others_their_turn() {
    let config = Config { mailbox_len: 1000, command_budget: 8, ..timeless() };
    let mut bench = Bench::new(config);
    let (peer, _) = bench.join();
    for number in 0..1000 {
        bench.post(&number.to_string());
    }
    for turn in 1..=125 {
        bench.world.network.send_from(peer, b"hi\n");
        // It does not sleep while messages wait, though nobody wakes it any more.
        bench.world.turn(None);
        assert_eq!(bench.messages().len(), turn * 8);
        assert_eq!(bench.world.received(peer), "hi\n".repeat(turn));
    }
    assert_eq!(bench.world.reactor.metrics().wakes, 1);
    let sent: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(bench.messages(), sent);
}

#[test]
fn many_broadcasts_of_callbacks_do_not_keep_other_threads_waiting() {
    let mut bench = Bench::new(Config { command_budget: 4, ..timeless() });
    let (peer, _) = bench.join();
    for _ in 0..100 {
        let broadcast = Broadcast::to_all_of::<Board>("news\n");
        bench.world.reactor.commands().broadcast(broadcast).unwrap();
    }
    bench.post("one");
    bench.post("two");
    for _ in 0..4 {
        bench.world.turn_at_once();
    }
    assert_eq!(bench.messages(), ["one", "two"], "each time a broadcast has come to its end");
    bench.world.settle();
    assert_eq!(bench.world.received(peer), "news\n".repeat(100));
}

/// A task that asks for itself again, twice.
fn breed(_: &mut Board, scope: &mut Scope<'_, Board>) -> Result<(), windlass::Error> {
    let mut commands = scope.commands();
    commands.defer::<Board>(breed).and_then(|()| commands.defer::<Board>(breed)).or(Ok(()))
}

#[test]
fn callbacks_that_ask_for_ever_more_do_not_keep_other_threads_waiting() {
    for command_budget in [1, 2, 100] {
        let mut bench = Bench::new(Config { command_budget, ..timeless() });
        bench.handle.run::<Board, _>(breed).unwrap();
        for _ in 0..10 {
            bench.world.turn_at_once();
        }
        bench.post("one");
        bench.post("two");
        for _ in 0..4 {
            bench.world.turn_at_once();
        }
        assert_eq!(bench.messages(), ["one", "two"], "with a budget of {command_budget}");
    }
}

#[test]
fn a_panic_or_an_error_in_on_message_ends_nothing() {
    let mut bench = Bench::new(at_most(1));
    let (peer, _) = bench.join();
    let messages = ["one", "panic", "two", "fail", "three"];
    messages.iter().for_each(|text| bench.post(text));
    bench.world.settle();
    assert_eq!(bench.messages(), messages);
    assert_eq!(bench.world.reactor.metrics().panics, 1);
    bench.world.network.send_from(peer, b"still here\n");
    bench.world.settle();
    assert_eq!(bench.world.received(peer), "still here\n");
    assert!(bench.handle.is_running());
}

#[test]
fn a_message_goes_to_the_handler_of_the_connection_it_is_about() {
    let boards = [Board::default(), Board::default()];
    let mut world = World::of(SimNetwork::new(1), at_most(10), None, |server: Server| {
        server.tcp(address(0), boards[0].clone()).tcp(address(1), boards[1].clone())
    });
    let handle = world.reactor.handle(&mut world.network).unwrap();
    let peer = world.network.connect_to(address(1));
    world.settle();
    let id = boards[1].ids.borrow()[0];
    handle.post::<Board, _>("for the first".to_owned()).unwrap();
    handle.post_to::<Board, _>(id, "for the second".to_owned()).unwrap();
    handle.post_to::<Board, _>(id, Answer(id, "hello")).unwrap();
    world.settle();
    assert_eq!(*boards[0].messages.borrow(), ["for the first"]);
    assert_eq!(*boards[1].messages.borrow(), ["for the second"]);
    assert_eq!(world.received(peer), "hello\n");
}

#[test]
fn who_is_owed_an_answer_does_not_make_room_for_a_newcomer() {
    let mut bench = Bench::new(Config { at_limit: AtLimit::EvictIdle, ..at_most(2) });
    let (asking, id) = bench.join();
    bench.world.network.send_from(asking, b"ask\n");
    bench.world.run_for(millis(10));
    let (idle, _) = bench.join();
    bench.world.run_for(millis(10));
    bench.world.join();
    assert_eq!(bench.world.network.state(idle), PeerState::Finished);
    bench.handle.post::<Board, _>(Answer(id, "here it is")).unwrap();
    bench.world.run_for(millis(10));
    assert_eq!(bench.world.received(asking), "here it is\n");
    bench.world.join();
    assert_eq!(bench.world.network.state(asking), PeerState::Open, "the other was idle for longer");
    bench.world.join();
    assert_eq!(bench.world.network.state(asking), PeerState::Finished);
}

#[test]
fn messages_come_in_order_whatever_the_network_does() {
    for_each_seed(200, |seed| {
        let mut random = Random::new(seed);
        let board = Board::default();
        let mut network = SimNetwork::new(seed);
        network.set_faults(Faults::random(seed));
        let command_budget = 1 + random.below(4);
        let config = Config { mailbox_len: 100, command_budget, ..timeless() };
        let listen = |server: Server| server.tcp(address(0), board.clone());
        let mut world = World::of(network, config, None, listen);
        let handle = world.reactor.handle(&mut world.network).unwrap();
        let mut when = Duration::ZERO;
        for number in 0..100 {
            // Some at the same moment, and some while the loop sleeps.
            if random.chance(50) {
                when += random.micros_below(100_000);
            }
            let handle = handle.clone();
            world.network.after(when, move |_| {
                handle.try_post::<Board, _>(number.to_string()).unwrap();
            });
        }
        // A loop that slept on a message would sleep for ever.
        world.run_until("the last message", None, |_| board.messages.borrow().len() == 100);
        let posted: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(*board.messages.borrow(), posted);
    });
}
