//! Handlers and peers that do anything at any time: the promises about callbacks hold all the same.
//!
//! What is checked is in the fixture, after each turn: each connection is opened once and closed
//! once, with nothing before or after; no socket, slot or byte leaks; the loop never spins.

use std::time::Duration;

use windlass::network::{Faults, PeerState, SimNetwork, SimPeer};
use windlass::{AtLimit, Config, Error, Session};

use crate::fixture::{
    Call, Random, Scripted, World, address, at_most, for_each_seed, millis, panic_quietly, secs,
};

/// How many histories there are.
const SEEDS: u64 = 150;

/// Does one to three of all the things that a callback can do.
fn anything(
    random: &mut Random,
    session: &mut Session<'_, Scripted>,
    call: Call<'_>,
) -> Result<(), Error> {
    for _ in 0..1 + random.below(3) {
        match random.below(30) {
            0 => session.close(),
            1 => session.abort(),
            2 => return Err(Error::new("any error")),
            3 => panic_quietly(),
            4 | 5 => {
                session.pause();
                // So that it goes on some time.
                session.set_timer(0, random.micros_below(20_000));
            }
            6 => session.resume(),
            7..10 => {
                let key = u32::try_from(random.below(3)).expect("small");
                session.set_timer(key, random.micros_below(10_000));
            }
            10 => {
                session.cancel_timer(1);
            }
            11 => {
                let _ = session.send(&"long ".repeat(random.below(1000)));
            }
            12 => {
                let _ = (session.local_addr(), session.queued_len(), session.opened());
            }
            13..15 => session.want_writable(),
            _ => {
                let _ = session.send("an answer");
            }
        }
    }
    match call {
        Call::Timer(0) => session.resume(),
        Call::End if random.chance(50) => session.close(),
        _ => {}
    }
    Ok(())
}

/// Something happens to any of the peers, or another comes.
fn disturb(random: &mut Random, network: &mut SimNetwork, finished: &mut Vec<SimPeer>) {
    let peers: Vec<SimPeer> = network.peers().filter(|peer| !finished.contains(peer)).collect();
    if peers.is_empty() || (peers.len() < 40 && random.chance(30)) {
        network.connect_to(address(0));
        return;
    }
    let peer = random.pick(&peers);
    match random.below(12) {
        0 => {
            network.finish(peer);
            finished.push(peer);
        }
        1 => network.reset(peer),
        2 => network.stall(peer),
        3 => network.resume(peer),
        4 => network.read_slowly(peer, 1 + random.below(100), millis(1)),
        5 => network.send_from(peer, b"half a "),
        6 => network.send_from(peer, b"\xff\n"),
        7 => network.send_from(peer, &b"many\nlines\nat\nonce\n".repeat(random.below(50))),
        _ => network.send_from(peer, b"a line\n"),
    }
}

fn world(seed: u64, random: &mut Random) -> World {
    let low_watermark = random.pick(&[0, 100, 1000]);
    let timeout = |random: &mut Random| {
        random.chance(50).then(|| Duration::from_millis(1) + random.micros_below(50_000))
    };
    let config = Config {
        at_limit: if random.chance(30) { AtLimit::EvictIdle } else { AtLimit::Wait },
        low_watermark,
        high_watermark: low_watermark + random.pick(&[1, 100, 10_000]),
        write_limit: random.pick(&[11_000, 1 << 20]),
        read_buffer_len: random.pick(&[1, 10, 4096]),
        read_budget: random.pick(&[1, 100, 1 << 18]),
        frame_budget: random.pick(&[1, 3, 1024]),
        timer_budget: random.pick(&[1, 4, 1024]),
        idle_timeout: timeout(random),
        first_frame_timeout: timeout(random),
        frame_timeout: timeout(random),
        write_timeout: timeout(random),
        lifetime: timeout(random),
        linger_timeout: random.micros_below(30_000),
        drain_timeout: random.micros_below(50_000),
        ..at_most(random.pick(&[1, 2, 5, 20]))
    };
    let mut script = random.clone();
    let mut world = World::new(config, move |session, call| anything(&mut script, session, call));
    world.network.set_pipe_len(random.pick(&[1, 50, 5000]));
    world.network.set_faults(Faults::random(seed));
    world
}

#[test]
fn any_history_keeps_the_promises_about_callbacks() {
    for_each_seed(SEEDS, |seed| {
        let mut random = Random::new(seed);
        let mut world = world(seed, &mut random);
        let mut finished = Vec::new();
        for _ in 0..200 {
            disturb(&mut random, &mut world.network, &mut finished);
            for _ in 0..random.below(4) {
                world.turn(random.micros_below(3000));
            }
        }
        world.network.raise_signal();
        let report = world.run_to_the_end(secs(2));
        assert!(report.took <= millis(52), "{report}");
        world.let_pass(secs(1));
        let waits = |peer: &SimPeer| world.network.state(*peer) == PeerState::Connecting;
        assert!(!world.network.peers().any(|peer| waits(&peer)), "a peer waits for ever");
    });
}
