//! The loop's end, asked for by a handle, and what a handle does afterwards.

use std::time::Duration;

use windlass::network::PeerState;
use windlass::{Broadcast, Config, Handle, PostFault};

use crate::board::{Answer, Bench, Board};
use crate::fixture::{at_most, secs, timeless};

/// Whatever can be asked for is given back, since there is no loop any more.
fn assert_all_is_given_back(handle: &Handle, id: windlass::ConnectionId) {
    assert!(!handle.is_running());
    assert!(!handle.is_open(id));
    let message = || "an item".to_owned();
    for refused in [
        handle.post::<Board, _>(message()),
        handle.try_post::<Board, _>(message()),
        handle.post_to::<Board, _>(id, message()),
        handle.try_post_to::<Board, _>(id, message()),
    ] {
        let error = refused.unwrap_err();
        assert_eq!((error.fault, error.item), (PostFault::Stopped, message()));
    }
    for refused in [handle.send(id, "an item"), handle.try_send(id, "an item")] {
        let error = refused.unwrap_err();
        assert_eq!((error.fault, &error.item[..]), (PostFault::Stopped, &b"an item"[..]));
    }
    for refused in [handle.close(id), handle.try_close(id), handle.abort(id), handle.try_abort(id)]
    {
        let error = refused.unwrap_err();
        assert_eq!((error.fault, error.item), (PostFault::Stopped, id));
    }
    let broadcast = || Broadcast::to_all_of::<Board>("an item\n");
    assert_eq!(handle.broadcast(broadcast()).unwrap_err().fault, PostFault::Stopped);
    assert_eq!(handle.try_broadcast(broadcast()).unwrap_err().fault, PostFault::Stopped);
    let (sender, receiver) = std::sync::mpsc::channel();
    let task = move |_: &mut Board, _: &mut windlass::Scope<'_, Board>| {
        sender.send(()).map_err(|error| windlass::Error::new(error.to_string()))
    };
    let task = handle.run::<Board, _>(task).unwrap_err().into_item();
    let error = handle.try_run::<Board, _>(task).unwrap_err();
    assert_eq!(error.fault, PostFault::Stopped);
    assert_eq!(receiver.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty), "it is still there");
    assert_eq!(handle.metrics(Duration::MAX), Err(PostFault::Stopped));
    handle.drain();
    handle.stop();
}

#[test]
fn a_drain_by_handle_is_a_drain() {
    let mut bench = Bench::new(Config { mailbox_len: 1, ..at_most(10) });
    let (peer, id) = bench.join();
    bench.post("the queue is full");
    bench.handle.drain();
    bench.handle.drain();
    let report = bench.world.run_to_the_end(secs(2));
    assert_eq!((report.finished, report.is_clean()), (1, true));
    assert_eq!(bench.world.network.state(peer), PeerState::Finished);
    assert_eq!(bench.messages(), ["the queue is full"]);
    assert_all_is_given_back(&bench.handle, id);
}

#[test]
fn a_stop_by_handle_cuts_who_a_drain_waits_for() {
    let mut bench = Bench::new(Config { mailbox_len: 1, ..timeless() });
    let (peer, id) = bench.join();
    bench.world.network.send_from(peer, b"ask\n");
    bench.world.settle();
    bench.handle.drain();
    bench.world.run_for(secs(10));
    assert!(bench.handle.is_running(), "an answer is owed");
    bench.post("the queue is full");
    bench.handle.stop();
    bench.handle.drain();
    let report = bench.world.run_to_the_end(secs(1));
    assert_eq!(report.cut_by_stop, 1);
    assert_all_is_given_back(&bench.handle, id);
}

#[test]
fn a_drain_waits_for_an_answer_that_comes_by_handle() {
    let mut bench = Bench::new(timeless());
    let (asking, id) = bench.join();
    let (idle, _) = bench.join();
    bench.world.network.send_from(asking, b"ask\n");
    bench.world.settle();
    bench.handle.drain();
    bench.world.run_for(secs(10));
    assert_eq!(bench.world.network.state(idle), PeerState::Finished);
    assert_eq!(bench.world.network.state(asking), PeerState::Open);
    bench.handle.post::<Board, _>(Answer(id, "at last")).unwrap();
    let report = bench.world.run_to_the_end(secs(2));
    assert_eq!((report.finished, report.is_clean()), (2, true));
    assert_eq!(bench.world.received(asking), "at last\n");
}

#[test]
fn what_was_asked_for_before_a_drain_is_done_before_it() {
    let config = Config { command_budget: 8, ..timeless() };
    let mut bench = Bench::new(config);
    let peers = bench.world.join_many(50);
    for number in 0..20 {
        bench.post(&number.to_string());
    }
    bench.handle.broadcast(Broadcast::to_all_of::<Board>("goodbye\n")).unwrap();
    bench.post("last");
    bench.handle.drain();
    let report = bench.world.run_to_the_end(secs(2));
    assert_eq!(report.finished, 50);
    assert!(peers.iter().all(|peer| bench.world.received(*peer) == "goodbye\n"));
    assert_eq!(bench.messages().len(), 21);
    assert_eq!(bench.world.reactor.metrics().commands_dropped, 0);
}

#[test]
fn a_drain_without_a_deadline_does_what_is_asked_last_like_any_other() {
    for drain_timeout in [secs(30), Duration::MAX] {
        let mut bench = Bench::new(Config { command_budget: 8, drain_timeout, ..timeless() });
        let (asking, _) = bench.join();
        bench.world.network.send_from(asking, b"ask\n");
        bench.world.settle();
        bench.handle.drain();
        bench.world.run_for(secs(1));
        for number in 0..20 {
            bench.post(&number.to_string());
        }
        bench.world.network.finish(asking);
        bench.world.run_to_the_end(secs(2));
        assert_eq!(bench.messages().len(), 20, "{drain_timeout:?}");
    }
}

#[test]
fn what_is_left_at_the_end_is_dropped_and_counted() {
    let mut bench = Bench::new(Config { command_budget: 8, ..timeless() });
    for number in 0..20 {
        bench.post(&number.to_string());
    }
    bench.handle.stop();
    bench.world.run_to_the_end(secs(1));
    let metrics = bench.world.reactor.metrics();
    assert_eq!(metrics.commands_posted + metrics.commands_dropped, 20);
    assert_eq!(metrics.commands_posted, bench.messages().len() as u64);
    assert!(metrics.commands_dropped > 0, "a stop waits for nothing");
}

#[test]
fn a_handle_asked_for_after_the_end_gives_everything_back() {
    let mut bench = Bench::new(at_most(1));
    let (_, id) = bench.join();
    bench.world.reactor.stop();
    bench.world.run_to_the_end(secs(1));
    let late = bench.world.reactor.handle(&mut bench.world.network).unwrap();
    assert_all_is_given_back(&late, id);
    assert_all_is_given_back(&bench.handle, id);
}

#[test]
fn a_loop_that_fails_gives_everything_back() {
    let mut bench = Bench::new(timeless());
    let (_, id) = bench.join();
    bench.world.try_turn(None).expect_err("it would sleep for ever");
    assert_all_is_given_back(&bench.handle, id);
}

#[test]
fn a_loop_that_is_dropped_gives_everything_back() {
    let mut bench = Bench::new(at_most(1));
    let (_, id) = bench.join();
    bench.post("never taken");
    let Bench { world, handle, .. } = bench;
    drop(world);
    assert_all_is_given_back(&handle, id);
}

#[test]
fn a_loop_that_does_not_turn_does_not_answer() {
    let mut bench = Bench::new(at_most(1));
    assert_eq!(bench.handle.metrics(Duration::ZERO), Err(PostFault::TimedOut));
    // It answers all the same when it comes to it, though nobody waits any more.
    bench.world.settle();
    assert_eq!(bench.world.reactor.metrics().commands_posted, 1);
}
