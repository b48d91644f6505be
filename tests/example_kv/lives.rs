//! How long keys live, and how many are removed at a time.

use super::fixture::{millis, secs};
use super::{EPOCH, ask, world};

#[test]
fn a_key_is_gone_to_the_millisecond() {
    let mut world = world("");
    let peer = world.join();
    assert_eq!(ask(&mut world, peer, "SET a 1 PX 100\r\nPTTL a\r\nTTL a"), "+OK :100 :0");
    world.let_pass(millis(99));
    assert_eq!(ask(&mut world, peer, "GET a\r\nPTTL a"), "$1 1 :1");
    world.let_pass(millis(1));
    assert_eq!(ask(&mut world, peer, "GET a\r\nTTL a\r\nEXISTS a\r\nTYPE a"), "$-1 :-2 :0 +none");
}

#[test]
fn a_moment_is_one_on_the_clock_of_the_wall() {
    let mut world = world("");
    let peer = world.join();
    let line = format!("SET a 1 EXAT {}\r\nPTTL a\r\nEXPIRETIME a", EPOCH / 1000 + 60);
    let (pttl, at) = (60_000, EPOCH / 1000 + 60);
    assert_eq!(ask(&mut world, peer, &line), format!("+OK :{pttl} :{at}"));
    world.let_pass(secs(60));
    assert_eq!(ask(&mut world, peer, "GET a"), "$-1");
}

#[test]
fn keys_are_removed_though_nobody_asks_for_them() {
    let mut world = world("");
    let peer = world.join();
    for at in 0..50 {
        ask(&mut world, peer, &format!("SET key{at} x PX {}", 1000 + at * 10));
    }
    ask(&mut world, peer, "SET stays x");
    assert_eq!(ask(&mut world, peer, "DBSIZE"), ":51");
    world.run_for(millis(1255));
    assert_eq!(ask(&mut world, peer, "DBSIZE"), ":25");
    world.run_for(secs(1));
    assert_eq!(ask(&mut world, peer, "DBSIZE\r\nINFO stats").split(' ').next(), Some(":1"));
    assert_eq!(world.reactor.next_deadline(), None, "nothing is left to wait for");
}

#[test]
fn a_key_that_expires_first_is_removed_first() {
    let mut world = world("");
    let peer = world.join();
    ask(&mut world, peer, "SET late x EX 1000\r\nSET early x PX 100");
    world.run_for(millis(200));
    assert_eq!(ask(&mut world, peer, "DBSIZE"), ":1");
}

#[test]
fn a_new_value_has_no_time_unless_it_keeps_the_old_one() {
    let mut world = world("");
    let peer = world.join();
    for (change, pttl) in [
        ("SET a 2", -1),
        ("SET a 2 KEEPTTL", 5000),
        ("GETSET a 2", -1),
        ("APPEND a 2", 5000),
        ("INCR a", 5000),
        ("SETRANGE a 0 x", 5000),
        ("PERSIST a", -1),
        ("RENAME a b\r\nRENAME b a", 5000),
        ("COPY a b\r\nDEL a\r\nRENAME b a", 5000),
        ("MSET a 2", -1),
        ("GETEX a", 5000),
        ("GETEX a PX 7000", 7000),
        ("DEL a\r\nSET a 1", -1),
    ] {
        ask(&mut world, peer, "SET a 1 PX 5000");
        ask(&mut world, peer, change);
        assert_eq!(ask(&mut world, peer, "PTTL a"), format!(":{pttl}"), "{change}");
    }
}

#[test]
fn however_many_keys_expire_none_waits_for_long() {
    let mut world = world("");
    let peer = world.join();
    for at in 0..100 {
        let pairs: Vec<String> = (0..50).map(|it| format!("SET {at}-{it} x PX 1000")).collect();
        ask(&mut world, peer, &pairs.join("\r\n"));
    }
    world.run_for(millis(1015));
    assert_eq!(ask(&mut world, peer, "DBSIZE"), ":0");
}
