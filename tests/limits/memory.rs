//! Memory: what connections hold, and that it is never more than it may be.

use std::time::Duration;

use windlass::network::{Faults, PeerState, SimNetwork};
use windlass::{Config, LengthPrefixed, Raw, Server};

use crate::fixture::{
    KIB, MIB, Scripted, World, address, echo, for_each_seed, frame, ignore, pattern, timeless,
};

#[test]
fn announced_lengths_take_no_memory() {
    let codec = LengthPrefixed::default().max_len(16 * MIB);
    let mut world = World::with_codec(timeless(), codec, ignore);
    let peers = world.join_many(1000);
    let header = u32::try_from(16 * MIB).expect("16 MiB").to_be_bytes();
    for peer in &peers {
        world.network.send_from(*peer, &header);
    }
    world.settle();
    let held_len = world.reactor.held_len();
    assert!(held_len <= 1000 * 64, "{held_len} bytes for 1,000 headers");
    for peer in &peers {
        world.network.send_from(*peer, b"x");
    }
    world.settle();
    let held_len = world.reactor.held_len();
    assert!(held_len <= 1000 * 5 * KIB, "{held_len} bytes for 1,000 headers and a byte each");
    assert_eq!(world.reactor.connections_len(), 1000);
}

#[test]
fn the_bound_can_be_told_for_any_number_of_connections() {
    let config = Config { max_connections: Some(usize::MAX), ..timeless() };
    let world = World::new(config, ignore);
    assert_eq!(world.reactor.memory_bound(), usize::MAX);
}

#[test]
fn a_frame_takes_memory_as_it_arrives_and_gives_it_back() {
    let mut world = World::with_codec(timeless(), LengthPrefixed::default(), ignore);
    let peer = world.join();
    let stream = frame(&pattern(MIB));
    let mut sent = 0;
    for portion in stream.chunks(10_000) {
        world.network.send_from(peer, portion);
        world.settle();
        sent += portion.len();
        let held_len = world.reactor.held_len();
        assert!(held_len <= 2 * sent + 8 * KIB, "{held_len} bytes held of {sent} that came");
    }
    assert_eq!(world.frames_len(), 1);
    assert_eq!(world.reactor.held_len(), 0);
}

#[test]
fn a_beginning_behind_a_large_frame_does_not_keep_the_large_buffer() {
    for portion_len in [1000, 60_000, MIB] {
        let mut world = World::with_codec(timeless(), LengthPrefixed::default(), ignore);
        let peer = world.join();
        let stream = [&frame(&pattern(MIB))[..], b"\0\0\0\x09begun"].concat();
        for portion in stream.chunks(portion_len) {
            world.network.send_from(peer, portion);
            world.settle();
        }
        assert_eq!(world.frames_len(), 1);
        let held_len = world.reactor.held_len();
        assert!(held_len <= 64 * KIB, "{held_len} bytes held for 9");
        world.network.send_from(peer, b"done");
        world.settle();
        assert_eq!(world.frames(peer)[1], "begundone");
        assert_eq!(world.reactor.held_len(), 0);
    }
}

#[test]
fn unfinished_tails_are_given_back_when_they_are_finished() {
    let mut world = World::new(timeless(), echo);
    let peers = world.join_many(500);
    for round in 0..3 {
        for peer in &peers {
            world.network.send_from(*peer, b"whole\nunfin");
        }
        world.settle();
        assert!(world.reactor.held_len() > 0);
        for peer in &peers {
            world.network.send_from(*peer, b"ished\n");
        }
        world.settle();
        assert_eq!(world.reactor.held_len(), 0, "in round {round}");
    }
    assert_eq!(world.network.received(peers[7]), b"whole\nunfinished\n".repeat(3));
}

#[test]
fn a_connection_that_ends_gives_everything_back() {
    let mut world = World::with_codec(timeless(), LengthPrefixed::default(), echo);
    let peers = world.join_many(30);
    for (at, peer) in peers.iter().enumerate() {
        world.network.stall(*peer);
        world.network.send_from(*peer, &frame(&pattern(200 * KIB)));
        world.network.send_from(*peer, &frame(&pattern(200 * KIB))[..20 * KIB + at]);
    }
    world.settle();
    assert!(world.reactor.held_len() >= 30 * 100 * KIB);
    for peer in &peers {
        world.network.reset(*peer);
    }
    world.run_until_empty();
    assert_eq!(world.reactor.held_len(), 0);
}

/// A budget with room for little more than one connection at its most.
fn scarce() -> Config {
    let config = Config { read_buffer_len: KIB, high_watermark: 32 * KIB, ..timeless() };
    Config { write_limit: 64 * KIB, memory_budget: 300 * KIB, ..config }
}

#[test]
fn who_holds_most_is_closed_when_memory_is_short_and_the_others_live() {
    let codec = LengthPrefixed::default().max_len(64 * KIB);
    let mut world = World::with_codec(scarce(), codec, echo);
    let honest = world.join();
    let hogs = (0..20).map(|_| world.join()).collect::<Vec<_>>();
    for portion in 1..=10 {
        for hog in &hogs {
            let stream = frame(&pattern(64 * KIB));
            if world.network.token(*hog).is_some() {
                world.network.send_from(*hog, &stream[(portion - 1) * 6000..portion * 6000]);
            }
        }
        world.network.send_from(honest, &frame(b"still there?"));
        world.settle();
        assert_eq!(world.network.received(honest), frame(b"still there?").repeat(portion));
    }
    let reasons = world.reasons();
    assert!(reasons.len() >= 14, "{} hogs were closed", reasons.len());
    assert!(reasons.iter().all(|why| *why == "memory budget"), "{reasons:?}");
    assert!(world.reactor.connections_len() > 1, "more were closed than had to be");
}

#[test]
fn a_peer_that_takes_no_answers_is_closed_when_memory_is_short() {
    let config = Config { memory_budget: 128 * KIB + 64 * KIB, ..scarce() };
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(KIB);
    let mut world = World::on(net, config, Raw, Scripted::new(echo).without_frames());
    let peers = world.join_many(20);
    for peer in &peers {
        world.network.stall(*peer);
        world.network.send_from(*peer, &pattern(40 * KIB));
    }
    world.settle();
    let reset = peers.iter().filter(|peer| world.network.state(**peer) == PeerState::Reset).count();
    assert_eq!(world.reasons(), vec!["memory budget"; reset]);
    assert!((10..20).contains(&reset), "{reset} were closed");
}

#[test]
fn several_can_be_closed_for_want_of_memory_in_one_turn() {
    let codec = LengthPrefixed::default().max_len(64 * KIB);
    let mut world = World::with_codec(scarce(), codec, echo);
    let hogs = (0..40).map(|_| world.join()).collect::<Vec<_>>();
    // The later ones hold less than those closed before them.
    for (at, hog) in hogs.iter().enumerate() {
        let len = if at < 10 { 60 * KIB } else { 30 * KIB };
        world.network.send_from(*hog, &frame(&pattern(64 * KIB))[..len]);
    }
    world.turn_at_once();
    assert!(world.reasons().len() > 30);
}

#[test]
fn memory_stays_within_its_budget_whatever_comes() {
    for_each_seed(25, |seed| {
        let mut net = SimNetwork::new(seed);
        net.set_pipe_len(8 * KIB);
        net.set_faults(Faults::random(seed));
        let codec = LengthPrefixed::default().max_len(64 * KIB);
        let mut world = World::on(net, scarce(), codec, Scripted::new(echo).without_frames());
        assert!(world.reactor.memory_bound() > 300 * KIB);
        for number in 0..40_usize {
            let len = (number * 7919 + usize::try_from(seed).expect("small") * 104_729) % 65_536;
            let stream = frame(&pattern(len)).repeat(4);
            world.network.after(Duration::from_micros(number as u64 * 300), move |net| {
                let peer = net.connect_to(address(0));
                if number % 3 == 0 {
                    net.stall(peer);
                }
                net.send_from(peer, &stream);
                if number % 2 == 0 {
                    net.finish(peer);
                }
            });
        }
        // Each turn looks whether the budget is kept.
        world.run_for(Duration::from_secs(10));
    });
}

#[test]
fn settings_that_cannot_be_kept_are_refused_in_a_sentence() {
    let refusal = |config: Config, codec: LengthPrefixed| {
        let server = Server::with_config(config).tcp_with(address(0), codec, Scripted::new(ignore));
        server.build_on(&mut SimNetwork::new(1)).expect_err("it cannot be kept").to_string()
    };
    let small = LengthPrefixed::default().max_len(64 * KIB);
    let text = refusal(Config { memory_budget: 127 * KIB, ..scarce() }, small);
    assert_eq!(
        text,
        "memory_budget (130048) must hold what one connection may: an unfinished frame or a read \
         buffer (65540) and twice the write_limit (65536); raise it to 196612 or lower those"
    );
    let text = refusal(Config { memory_budget: 196_611, ..scarce() }, small);
    assert!(text.contains("raise it to 196612"), "{text}");
    let enough = Config { memory_budget: 196_612, ..scarce() };
    World::with_codec(enough, small, ignore);
    let text = refusal(scarce(), small.max_len(MIB));
    assert!(text.contains("an unfinished frame or a read buffer (1048580)"), "{text}");
}

#[test]
fn the_memory_bound_grows_with_what_may_be_held() {
    let bound = |config| World::with_codec(config, Raw, ignore).reactor.memory_bound();
    let least = bound(scarce());
    assert!(least > 300 * KIB + KIB + 2 * 64 * KIB);
    assert_eq!(bound(Config { memory_budget: 301 * KIB, ..scarce() }), least + KIB);
    let fewer = bound(Config { max_connections: Some(1), ..scarce() });
    assert!(fewer < least - 24_999 * 100, "each connection takes memory: {fewer} and {least}");
    let more = bound(Config { max_outbound: 1000, ..scarce() });
    assert!(more > least + 1000 * 100, "so does each that is made to others: {more}");
    for queues in [
        Config { mailbox_len: 100_000, ..scarce() },
        Config { command_queue_limit: 200_000, ..scarce() },
    ] {
        assert!(bound(queues) > least + 90_000 * 32, "each place of a queue takes memory");
    }
    let endless = Config { memory_budget: usize::MAX, ..timeless() };
    assert_eq!(bound(endless), usize::MAX, "it does not wrap");
}

#[test]
fn the_memory_bound_is_no_greater_than_it_need_be() {
    let bound = |config| World::with_codec(config, Raw, ignore).reactor.memory_bound();
    let config = Config { max_connections: Some(1), mailbox_len: 1, ..scarce() };
    let config = Config { command_queue_limit: 1, ..config };
    let configured = 300 * KIB + KIB + 2 * 64 * KIB;
    let least = bound(config.clone());
    // The loop's own are spare buffers, of 4 MiB, room for datagrams, and little else.
    let spare = least - configured;
    assert!((4 * MIB..4 * MIB + 192 * KIB).contains(&spare), "{spare}");
    let each = (bound(Config { max_connections: Some(1001), ..config }) - least) / 1000;
    // Room for twice as many as there may be.
    assert!((2 * 150..2 * 400).contains(&each), "{each} bytes for each connection");
}

#[test]
fn a_limit_beyond_all_counting_is_as_good_as_none() {
    let build = |limit, outbound, sockets| {
        let mut net = SimNetwork::new(1);
        net.set_socket_limit(sockets);
        let server_to_be = Server::new().max_connections(limit).max_outbound(outbound);
        server_to_be.tcp(address(0), Scripted::<Raw>::new(echo)).build_on(&mut net)
    };
    for limit in [usize::MAX, usize::MAX / 2] {
        let reactor = build(limit, 0, None).expect("the simulation sets no limit");
        assert_eq!((reactor.max_connections(), reactor.memory_bound()), (limit, usize::MAX));
        build(limit, 0, Some(100)).expect_err("so many descriptors there never are");
        let reactor = build(10, limit, None).expect("the simulation sets no limit");
        assert_eq!((reactor.max_connections(), reactor.memory_bound()), (10, usize::MAX));
        build(10, limit, Some(100)).expect_err("so many descriptors there never are");
    }
}

#[test]
fn as_many_are_let_in_as_there_are_descriptors_for() {
    let build = |limit, sockets| {
        let mut net = SimNetwork::new(1);
        net.set_socket_limit(Some(sockets));
        let config = Config { max_connections: limit, max_outbound: 7, ..Config::default() };
        let server = Server::with_config(config).tcp(address(0), Scripted::<Raw>::new(echo));
        server.build_on(&mut net).map(|reactor| reactor.max_connections())
    };
    // A reserve of 32, a listener and seven that may be made to others.
    assert_eq!(build(None, 1040).expect("there are enough"), 1000);
    assert_eq!(build(None, 1_000_000).expect("there are enough"), 10_000, "no more by itself");
    assert_eq!(build(Some(1000), 1040).expect("there are just enough"), 1000);
    let text = build(Some(1001), 1040).expect_err("one is missing").to_string();
    let reason = "max_connections is 1001, but the limit of 1040 descriptors leaves 1000 after 40";
    assert!(text.contains(reason), "{text}");
    build(None, 10).expect_err("none would be left");
}

#[test]
fn the_least_budget_has_room_for_all_that_one_connection_may_owe() {
    // Just above a power of two, to which the room of what waits is doubled.
    let (write_limit, owed) = (600_000, 530_000);
    let codec = LengthPrefixed::default().max_len(64 * KIB);
    let config = |memory_budget| {
        let limits = Config { read_buffer_len: KIB, write_limit, ..timeless() };
        Config { memory_budget, ..limits }
    };
    let handler = || {
        Scripted::on_frames(move |session, _| {
            (0..owed / 1000).try_for_each(|_| session.send_encoded(vec![b'x'; 1000].into()))
        })
    };
    let build = |memory_budget| {
        let mut net = SimNetwork::new(1);
        net.set_pipe_len(1000);
        let server =
            Server::with_config(config(memory_budget)).tcp_with(address(0), codec, handler());
        server.build_on(&mut net).map(|_| ())
    };
    let least = (0..200).map(|n| n * 16 * KIB).find(|budget| build(*budget).is_ok());
    let least = least.expect("there is enough memory");
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(1000);
    let mut world = World::on(net, config(least), codec, handler());
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, &frame(b"?"));
    world.settle();
    assert_eq!(world.reasons(), [""; 0]);
    world.network.resume(peer);
    world.settle();
    assert_eq!(world.network.received(peer).len(), owed);
}
