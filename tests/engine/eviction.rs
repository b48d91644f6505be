//! Closing whoever has been idle the longest for somebody new.

use windlass::network::{AcceptFailure, PeerState, SimPeer};
use windlass::{AtLimit, Config, Instant, SocketOptions};

use crate::fixture::{Call, World, address, at_most, echo, millis, secs};

fn evicting(max_connections: usize) -> Config {
    Config { at_limit: AtLimit::EvictIdle, ..at_most(max_connections) }
}

#[test]
fn the_longest_idle_is_closed_for_a_newcomer() {
    let mut world = World::new(evicting(3), echo);
    let old: Vec<SimPeer> = (0..3)
        .map(|_| {
            world.run_for(millis(10));
            world.join()
        })
        .collect();
    world.run_for(millis(10));
    world.network.send_from(old[0], b"still here\n");
    world.settle();
    let newcomer = world.connect_with(b"hello\n");
    world.settle();
    assert_eq!(world.received(newcomer), "hello\n");
    assert_eq!(world.reason(old[1]), Some("evicted"));
    assert_eq!(world.network.state(old[1]), PeerState::Finished);
    assert_eq!((world.reason(old[0]), world.reason(old[2])), (None, None));
    world.connect();
    world.settle();
    assert_eq!(world.reason(old[2]), Some("evicted"), "the next after it");
}

#[test]
fn the_longest_idle_is_found_on_whichever_listener_it_is() {
    let mut world = World::with_listeners(2, evicting(2), echo);
    let first = world.network.connect_to(address(1));
    world.run_for(millis(10));
    let second = world.join();
    world.run_for(millis(10));
    let newcomer = world.join();
    assert_eq!(world.reason(first), Some("evicted"));
    assert_eq!((world.reason(second), world.reason(newcomer)), (None, None));
}

#[test]
fn nobody_is_closed_in_the_middle_of_something() {
    let mut world = World::new(evicting(2), echo);
    world.network.set_pipe_len(1024);
    let (asking, slow) = (world.join(), world.join());
    world.network.send_from(asking, b"half a li");
    world.network.stall(slow);
    let long = "x".repeat(4000);
    world.network.send_from(slow, format!("{long}\n").as_bytes());
    world.run_for(secs(1));
    let newcomer = world.connect_with(b"hello\n");
    world.run_for(secs(5));
    assert_eq!(world.network.state(newcomer), PeerState::Connecting, "nobody is idle");
    world.network.send_from(asking, b"ne\n");
    world.settle();
    assert_eq!(world.received(asking), "half a line\n");
    assert_eq!(world.reason(asking), Some("evicted"), "it is idle now");
    assert_eq!(world.received(newcomer), "hello\n");
    world.network.resume(slow);
    world.run_for(secs(1));
    assert_eq!(world.received(slow), format!("{long}\n"));
}

#[test]
fn a_burst_of_newcomers_does_not_close_one_another_unheard() {
    for limit in 1..4 {
        let mut world = World::new(evicting(limit), echo);
        let peers: Vec<SimPeer> = (0..9).map(|_| world.connect_with(b"hear me\n")).collect();
        world.settle();
        for peer in peers {
            assert_eq!(world.received(peer), "hear me\n", "limit {limit}");
        }
    }
}

#[test]
fn newcomers_who_are_greeted_do_not_close_one_another_unheard_either() {
    let config = Config { accept_budget: 10_000, ..evicting(2000) };
    let socket = SocketOptions { backlog: 10_000, ..SocketOptions::default() };
    let mut world = World::new(Config { socket, ..config }, |session, call| {
        if let Call::Open = call {
            session.want_writable();
        }
        echo(session, call)
    });
    let peers: Vec<SimPeer> = (0..4000).map(|_| world.connect_with(b"hear me\n")).collect();
    world.settle();
    for peer in peers {
        assert_eq!(world.received(peer), "hear me\n");
    }
}

#[test]
fn whoever_has_sent_more_than_was_read_is_not_idle() {
    let config = Config { read_budget: 4, ..evicting(1) };
    let mut world = World::new(config, echo);
    let busy = world.join();
    world.network.send_from(busy, &b"one\n".repeat(8));
    let newcomer = world.connect_with(b"hello\n");
    world.settle();
    assert_eq!(world.received(busy), "one\n".repeat(8), "all it asked for");
    assert_eq!(world.reason(busy), Some("evicted"));
    assert_eq!(world.received(newcomer), "hello\n");
}

#[test]
fn whoever_waits_comes_in_though_nothing_else_happens() {
    let config = Config { accept_budget: 1, ..evicting(1) };
    let mut world = World::new(config, echo);
    let peers: Vec<SimPeer> = (0..5).map(|_| world.connect()).collect();
    world.settle();
    assert_eq!(world.network.state(peers[4]), PeerState::Open);
    assert_eq!(world.reactor.metrics().accepted, 5);
}

#[test]
fn a_handler_that_paused_its_connection_has_not_left_it_idle() {
    let mut world = World::new(evicting(1), |session, call| {
        if let Call::Frame(_) = call {
            session.pause();
            session.set_timer(0, secs(2));
        }
        if let Call::Timer(_) = call {
            session.resume();
            return session.send("here it is");
        }
        echo(session, call)
    });
    let patient = world.connect_with(b"take your time\n");
    world.settle();
    let newcomer = world.connect();
    world.run_for(secs(1));
    assert_eq!(world.network.state(newcomer), PeerState::Connecting);
    world.run_for(secs(2));
    assert_eq!(world.received(patient), "take your time\nhere it is\n");
    assert_eq!(world.reason(patient), Some("evicted"));
    assert_eq!(world.network.state(newcomer), PeerState::Open);
}

#[test]
fn whoever_stands_behind_many_that_have_gone_comes_in_though_nothing_else_happens() {
    let mut world = World::new(Config { accept_budget: 1, ..evicting(3) }, echo);
    let _early = [(); 3].map(|()| world.join());
    world.network.fail_accept(AcceptFailure::ConnAborted, 4);
    let late = [(); 5].map(|()| world.connect_with(b"a\n"));
    for _ in 0..6 {
        world.turn(secs(10));
    }
    assert_eq!((world.received(late[4]), world.network.clock()), ("a\n".into(), Instant::START));
}
