//! What a handle does not take, and gives back.

use bytes::Bytes;
use windlass::network::PeerState;
use windlass::{Broadcast, Config, PostFault};

use crate::board::{Answer, Bench, Board, Stranger};
use crate::fixture::{at_most, timeless};

#[test]
fn an_id_that_has_closed_is_given_back_and_reaches_nobody() {
    let mut bench = Bench::new(at_most(1));
    let (first, stale) = bench.join();
    assert!(bench.handle.is_open(stale));
    bench.world.network.reset(first);
    bench.world.settle();
    let (second, current) = bench.join();
    assert_eq!((bench.handle.is_open(stale), bench.handle.is_open(current)), (false, true));

    let bytes = Bytes::from_static(b"not for you\n");
    for refused in
        [bench.handle.send(stale, bytes.clone()), bench.handle.try_send(stale, bytes.clone())]
    {
        let error = refused.unwrap_err();
        assert_eq!(error.fault, PostFault::Closed);
        assert_eq!(error.to_string(), "the connection has closed");
        assert_eq!(error.into_item(), bytes);
    }
    for refused in [
        bench.handle.close(stale),
        bench.handle.try_close(stale),
        bench.handle.abort(stale),
        bench.handle.try_abort(stale),
    ] {
        let error = refused.unwrap_err();
        assert_eq!((error.fault, error.item), (PostFault::Closed, stale));
    }
    bench.world.settle();
    assert_eq!(bench.world.received(second), "");
    assert_eq!(bench.world.network.state(second), PeerState::Open);
}

#[test]
fn what_comes_too_late_for_a_connection_is_passed_over() {
    let mut bench = Bench::new(at_most(2));
    let (peer, id) = bench.join();
    let (other, _) = bench.join();
    bench.world.network.reset(peer);
    bench.handle.send(id, "nobody knows yet\n").unwrap();
    bench.handle.close(id).unwrap();
    bench.handle.abort(id).unwrap();
    bench.world.settle();
    assert!(!bench.handle.is_open(id));
    assert_eq!(bench.world.received(other), "");
    assert_eq!(bench.world.reactor.metrics().commands_posted, 3);
}

#[test]
fn a_full_queue_gives_everything_back() {
    let mut bench = Bench::new(Config { mailbox_len: 2, ..timeless() });
    let (peer, id) = bench.join();
    bench.post("one");
    bench.post("two");
    let handle = bench.handle.clone();

    let error = handle.try_post::<Board, _>("three".to_owned()).unwrap_err();
    assert_eq!((error.fault, error.item.as_str()), (PostFault::Full, "three"));
    let error = handle.try_post_to::<Board, _>(id, "three".to_owned()).unwrap_err();
    assert_eq!((error.fault, error.item.as_str()), (PostFault::Full, "three"));
    let kept = String::from("kept");
    let error = handle
        .try_run::<Board, _>(move |board, _| {
            board.messages.borrow_mut().push(kept);
            Ok(())
        })
        .unwrap_err();
    assert_eq!(error.fault, PostFault::Full);
    let error_of_bytes = handle.try_send(id, "bytes").unwrap_err();
    assert_eq!((error_of_bytes.fault, &error_of_bytes.item[..]), (PostFault::Full, &b"bytes"[..]));
    assert_eq!(handle.try_close(id).unwrap_err().fault, PostFault::Full);
    assert_eq!(handle.try_abort(id).unwrap_err().fault, PostFault::Full);
    let news = Broadcast::to_all_of::<Board>("news\n");
    let news = handle.try_broadcast(news).unwrap_err();
    assert_eq!(news.fault, PostFault::Full);
    assert_eq!(handle.metrics(std::time::Duration::ZERO).unwrap_err(), PostFault::Full);

    bench.world.settle();
    handle.try_run::<Board, _>(error.into_item()).unwrap();
    handle.try_broadcast(news.into_item()).unwrap();
    bench.world.settle();
    assert_eq!(bench.messages(), ["one", "two", "kept"]);
    assert_eq!(bench.world.received(peer), "news\n");
    assert_eq!(bench.world.network.state(peer), PeerState::Open);
}

#[test]
fn what_is_for_a_handler_that_is_not_there_is_given_back() {
    let mut bench = Bench::new(at_most(1));
    let (_, id) = bench.join();
    let message = || "for nobody".to_owned();
    for refused in [
        bench.handle.post::<Stranger, _>(message()),
        bench.handle.try_post::<Stranger, _>(message()),
        bench.handle.post_to::<Stranger, _>(id, message()),
        bench.handle.try_post_to::<Stranger, _>(id, message()),
    ] {
        let error = refused.unwrap_err();
        assert_eq!((error.fault, error.item), (PostFault::NoHandler, message()));
    }
    let refused = bench.handle.run::<Stranger, _>(|_, _| Ok(()));
    assert_eq!(refused.unwrap_err().fault, PostFault::NoHandler);
    let refused = bench.handle.try_run::<Stranger, _>(|_, _| Ok(()));
    assert_eq!(refused.unwrap_err().fault, PostFault::NoHandler);
    bench.world.settle();
    assert_eq!(bench.world.reactor.metrics().commands_posted, 0);
}

#[test]
fn a_handler_is_told_of_an_answer_for_a_connection_that_has_closed() {
    let mut bench = Bench::new(at_most(1));
    let (peer, id) = bench.join();
    bench.world.network.reset(peer);
    bench.world.settle();
    let told = "and still".to_owned();
    bench.handle.post_to::<Board, _>(id, told.clone()).unwrap();
    bench.handle.post_to::<Board, _>(id, Answer(id, "too late")).unwrap();
    bench.world.settle();
    assert_eq!(bench.messages(), [told]);
    assert_eq!(bench.world.reactor.metrics().commands_posted, 2);
}
