//! Passwords, names, limits, and what is told of connections.

use super::{ask, heard, send, world};

const NO_AUTH: &str = "-NOAUTH Authentication required.";

#[test]
fn nothing_is_done_before_the_password_was_given() {
    let mut world = world("--password sesame");
    let peer = world.join();
    for line in ["GET a", "PING", "MULTI", "SUBSCRIBE a", "INFO", "FLUSHALL", "EXEC"] {
        assert_eq!(ask(&mut world, peer, line), NO_AUTH, "{line}");
    }
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(ask(&mut world, peer, "AUTH sesamf"), wrong);
    assert_eq!(ask(&mut world, peer, "AUTH other sesame"), wrong);
    assert_eq!(ask(&mut world, peer, "GET a"), NO_AUTH);
    assert_eq!(ask(&mut world, peer, "AUTH sesame\r\nGET a"), "+OK $-1");
    assert_eq!(ask(&mut world, peer, "RESET\r\nGET a"), format!("+RESET {NO_AUTH}"));
    let other = world.join();
    assert!(ask(&mut world, other, "HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert!(ask(&mut world, other, "HELLO 3 AUTH default sesame").starts_with("%7 "));
    assert_eq!(ask(&mut world, other, "GET a"), "_");
}

#[test]
fn little_is_taken_from_strangers() {
    let mut world = world("--password sesame");
    for (request, fault) in [
        ("*11\r\n", "unauthenticated multibulk length"),
        ("*1\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let peer = world.join();
        let heard = send(&mut world, peer, request.as_bytes());
        assert_eq!(heard, format!("-ERR Protocol error: {fault}"));
    }
    let peer = world.join();
    let request =
        format!("AUTH sesame\r\n*2\r\n$4\r\nECHO\r\n$16385\r\n{}\r\n", "x".repeat(16_385));
    assert!(send(&mut world, peer, request.as_bytes()).starts_with("+OK $16385 xxx"));
}

#[test]
fn what_needs_memory_is_refused_when_there_is_none() {
    let mut world = world("--max-memory 1000");
    let peer = world.join();
    let full = "-OOM command not allowed when used memory > 'maxmemory'.";
    let big = "x".repeat(1000);
    assert_eq!(ask(&mut world, peer, &format!("SET a {big}")), "+OK");
    for line in ["SET b 1", "APPEND a 1", "LPUSH l 1", "INCR n", "SADD s 1", "ZADD z 1 1"] {
        assert_eq!(ask(&mut world, peer, line), full, "{line}");
    }
    assert_eq!(ask(&mut world, peer, "STRLEN a\r\nDEL a\r\nSET b 1"), ":1000 :1 +OK");
}

#[test]
fn what_connections_keep_takes_memory_until_they_let_it_go() {
    let full = "-OOM command not allowed when used memory > 'maxmemory'.";
    let big = "x".repeat(1000);
    for (keep, let_go) in [
        (format!("SUBSCRIBE {big}"), "UNSUBSCRIBE"),
        (format!("PSUBSCRIBE {big}"), "RESET"),
        (format!("WATCH {big}"), "UNWATCH"),
        (format!("MULTI\r\nECHO {big}"), "DISCARD"),
        (format!("MULTI\r\nECHO {big}"), "EXEC"),
        (format!("MULTI\r\nECHO {big}"), "QUIT"),
    ] {
        let mut world = world("--max-memory 1000");
        let (keeper, other) = (world.join(), world.join());
        ask(&mut world, keeper, &keep);
        for line in ["SET a 1", "SUBSCRIBE a", "PSUBSCRIBE a", "WATCH a"] {
            assert_eq!(ask(&mut world, other, line), full, "{line} after {keep}");
        }
        let queued = ask(&mut world, other, "MULTI\r\nPING\r\nDISCARD\r\nFLUSHALL\r\nSET a 1");
        assert_eq!(queued, format!("+OK {full} +OK +OK {full}"), "{keep}");
        ask(&mut world, keeper, let_go);
        if let_go == "QUIT" {
            world.network.finish(keeper);
            world.settle();
        }
        assert_eq!(ask(&mut world, other, "SET a 1\r\nDEL a"), "+OK :1", "{let_go}");
        assert!(ask(&mut world, other, "INFO memory").contains("used_memory:0 "), "{let_go}");
    }
}

#[test]
fn a_pattern_too_long_is_refused() {
    let mut world = world("");
    let peer = world.join();
    ask(&mut world, peer, "SADD s a");
    let (long, longest) = ("x".repeat(1025), "x".repeat(1024));
    for line in ["KEYS", "SCAN 0 MATCH", "SSCAN s 0 MATCH", "PUBSUB CHANNELS", "PSUBSCRIBE"] {
        let refused = ask(&mut world, peer, &format!("{line} {long}"));
        assert_eq!(refused, "-ERR the pattern is too long", "{line}");
        assert!(!ask(&mut world, peer, &format!("{line} {longest}")).starts_with('-'), "{line}");
    }
}

#[test]
fn no_string_grows_beyond_its_limit() {
    let mut world = world("--max-value 100");
    let peer = world.join();
    let text = "x".repeat(60);
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    let heard = ask(&mut world, peer, &format!("APPEND a {text}\r\nAPPEND a {text}"));
    assert_eq!(heard, format!(":60 {too_long}"));
    let heard = ask(&mut world, peer, "SETRANGE a 99 xx\r\nSETRANGE a 99 x\r\nSTRLEN a");
    assert_eq!(heard, format!("{too_long} :100 :100"));
    let far = ask(&mut world, peer, "SETRANGE a 9223372036854775807 x");
    assert_eq!(far, too_long);
}

#[test]
fn the_table_of_connections_has_a_row_for_each() {
    let mut world = world("");
    let (one, other) = (world.join(), world.join());
    ask(&mut world, one, "CLIENT SETNAME ann\r\nCLIENT SETINFO LIB-NAME lib\r\nMULTI\r\nPING");
    ask(&mut world, other, "HELLO 3 SETNAME bob\r\nSUBSCRIBE a b\r\nPSUBSCRIBE c");
    assert_eq!(ask(&mut world, other, "CLIENT ID\r\nCLIENT GETNAME"), ":2 $3 bob");
    // What comes behind it waits for it.
    world.network.send_from(other, b"CLIENT LIST\r\nPING\r\n");
    world.settle();
    let list = heard(&mut world, other);
    let [ann, bob, end] = list.split('\n').collect::<Vec<_>>()[..] else { panic!("{list}") };
    assert!(ann.contains(" name=ann ") && ann.contains(" flags=N "), "{ann}");
    assert!(ann.contains(" multi=1 ") && ann.contains(" lib-name=lib "), "{ann}");
    assert!(bob.starts_with("id=2 ") && bob.contains(" flags=P db=0 sub=2 psub=1 "), "{bob}");
    assert!(bob.ends_with(" resp=3"), "{bob}");
    assert_eq!(end.trim(), "+PONG");
    let info = ask(&mut world, other, "CLIENT INFO");
    assert!(info.contains("id=2 ") && !info.contains("id=1 "), "{info}");
}

#[test]
fn nothing_behind_quit_is_done() {
    let mut world = world("");
    let (peer, other) = (world.join(), world.join());
    assert_eq!(ask(&mut world, peer, "QUIT\r\nSET a 1"), "+OK");
    assert_eq!(ask(&mut world, other, "GET a"), "$-1");
}

#[test]
fn info_tells_how_things_stand() {
    let mut world = world("--max-memory 1MiB");
    let peer = world.join();
    ask(&mut world, peer, "MSET a 1 b 2\r\nEXPIRE a 100");
    let info = ask(&mut world, peer, "INFO");
    for line in ["redis_version:7.0.15 ", "connected_clients:1 ", "maxmemory:1048576 "] {
        assert!(info.contains(line), "{line}: {info}");
    }
    assert!(info.contains("# Keyspace db0:keys=2,expires=1,avg_ttl=0"), "{info}");
    let clients = ask(&mut world, peer, "INFO clients nothing");
    assert_eq!(clients, "$32 # Clients connected_clients:1");
}

#[test]
fn settings_are_told_and_not_changed() {
    let mut world = world("--max-memory 1MiB");
    let peer = world.join();
    let told = ask(&mut world, peer, "CONFIG GET maxmemory* SAVE");
    assert_eq!(told, "*6 $9 maxmemory $7 1048576 $16 maxmemory-policy $10 noeviction $4 save $0");
    assert!(ask(&mut world, peer, "CONFIG SET maxmemory 1").starts_with("-ERR settings are"));
}

#[test]
fn commands_describe_themselves() {
    let mut world = world("");
    let peer = world.join();
    let told = ask(&mut world, peer, "COMMAND INFO get nothing");
    assert_eq!(told, "*2 *10 $3 get :2 *1 +readonly :1 :1 :1 *1 +@string *0 *0 *0 *-1");
    let told = ask(&mut world, peer, "COMMAND DOCS ZADD");
    assert_eq!(told, "*2 $4 zadd *2 $5 group $10 sorted-set");
    assert!(ask(&mut world, peer, "COMMAND COUNT")[1..].parse::<usize>().unwrap() > 100);
}
