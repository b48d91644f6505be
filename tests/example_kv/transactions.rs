//! Transactions, with other connections beside them.

use super::fixture::millis;
use super::{ask, world};

#[test]
fn nothing_is_done_before_exec_and_everything_by_it() {
    let mut world = world("");
    let (one, other) = (world.join(), world.join());
    assert_eq!(ask(&mut world, one, "MULTI\r\nSET a 1\r\nINCR a"), "+OK +QUEUED +QUEUED");
    assert_eq!(ask(&mut world, other, "GET a"), "$-1");
    assert_eq!(ask(&mut world, one, "EXEC"), "*2 +OK :2");
    assert_eq!(ask(&mut world, other, "GET a"), "$1 2");
}

#[test]
fn a_key_that_another_has_changed_ends_a_transaction() {
    let mut world = world("");
    let (one, other) = (world.join(), world.join());
    for change in ["SET a 1", "DEL a", "SETRANGE a 0 x", "RENAME b a", "FLUSHALL", "LPUSH a x"] {
        ask(&mut world, other, "MSET a 0 b 0");
        if change.starts_with("LPUSH") {
            ask(&mut world, other, "DEL a");
        }
        assert_eq!(ask(&mut world, one, "WATCH a c"), "+OK");
        ask(&mut world, other, change);
        assert_eq!(ask(&mut world, one, "MULTI\r\nPING\r\nEXEC"), "+OK +QUEUED *-1", "{change}");
    }
}

#[test]
fn a_key_that_was_only_looked_at_ends_none() {
    let mut world = world("");
    let (one, other) = (world.join(), world.join());
    ask(&mut world, other, "SET a 1\r\nRPUSH l x");
    for look in ["GET a", "SETNX a 2", "PERSIST a", "EXPIRE a 5 XX", "DEL none", "LREM l 0 y"] {
        assert_eq!(ask(&mut world, one, "WATCH a l"), "+OK");
        ask(&mut world, other, look);
        let heard = ask(&mut world, one, "MULTI\r\nPING\r\nEXEC");
        assert_eq!(heard, "+OK +QUEUED *1 +PONG", "{look}");
    }
}

#[test]
fn a_watched_key_whose_time_has_come_ends_a_transaction() {
    let mut world = world("");
    let peer = world.join();
    assert_eq!(ask(&mut world, peer, "SET a 1 PX 50\r\nWATCH a"), "+OK +OK");
    world.let_pass(millis(51));
    assert_eq!(ask(&mut world, peer, "MULTI\r\nPING\r\nEXEC"), "+OK +QUEUED *-1");
}

#[test]
fn watches_end_with_their_connection() {
    let mut world = world("");
    let (one, other) = (world.join(), world.join());
    assert_eq!(ask(&mut world, one, "WATCH a a b\r\nMULTI\r\nSET a 1"), "+OK +OK +QUEUED");
    world.network.finish(one);
    world.settle();
    assert_eq!(
        ask(&mut world, other, "WATCH a\r\nMULTI\r\nGET a\r\nEXEC"),
        "+OK +OK +QUEUED *1 $-1"
    );
}

#[test]
fn a_transaction_is_no_longer_than_a_request() {
    let mut world = world("--max-request 1KiB");
    let peer = world.join();
    assert_eq!(ask(&mut world, peer, "MULTI"), "+OK");
    let set = format!("SET a {}", "x".repeat(500));
    assert_eq!(ask(&mut world, peer, &set), "+QUEUED");
    assert_eq!(ask(&mut world, peer, &set), "-ERR the transaction is too long");
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(ask(&mut world, peer, "EXEC"), aborted);
    assert_eq!(ask(&mut world, peer, "GET a"), "$-1");
}
