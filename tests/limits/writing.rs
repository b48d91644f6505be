//! Writing: whatever the network takes at a time, the peer gets all of it, in order.

use bytes::Bytes;
use windlass::network::{Faults, SimNetwork};
use windlass::{Config, LengthPrefixed, Lines, Raw};

use crate::fixture::{
    KIB, MIB, Scripted, World, address, echo, for_each_seed, frame, millis, pattern, timeless,
};

/// A world whose network takes `pipe_len` bytes at a time.
fn narrow(pipe_len: usize) -> SimNetwork {
    let mut net = SimNetwork::new(1);
    net.set_pipe_len(pipe_len);
    net
}

#[test]
fn a_write_that_ends_at_any_byte_is_resumed_behind_it() {
    let answer = [frame(&pattern(50)), frame(b""), frame(&pattern(120))].concat();
    for pipe_len in 1..=answer.len() {
        let net = narrow(pipe_len);
        let handler = Scripted::<LengthPrefixed>::on_frames(|session, _| {
            session.send(&pattern(50))?;
            session.send(b"")?;
            session.send(&pattern(120))
        });
        let mut world = World::on(net, timeless(), LengthPrefixed::default(), handler);
        let peer = world.join();
        world.network.send_from(peer, &frame(b""));
        world.network.send_from(peer, &frame(b""));
        world.settle();
        assert_eq!(world.network.received(peer), answer.repeat(2), "{pipe_len} bytes at a time");
        assert_eq!(world.reactor.held_len(), 0);
    }
}

/// An answer of copied and shared parts, and what it looks like in one piece.
fn mixture() -> (Vec<(bool, Vec<u8>)>, Vec<u8>) {
    let parts: Vec<_> =
        [(false, 3), (true, 5000), (true, 4096), (false, 700), (true, 20), (true, 4099)]
            .map(|(is_shared, len)| (is_shared, pattern(len)))
            .to_vec();
    let whole = parts.iter().flat_map(|(_, part)| part.clone()).collect();
    (parts, whole)
}

fn send_mixture(pipe_len: usize) {
    let (parts, whole) = mixture();
    let handler = Scripted::<Raw>::on_frames(move |session, _| {
        for (is_shared, part) in &parts {
            match is_shared {
                true => session.send_encoded(Bytes::from(part.clone()))?,
                false => session.send(part)?,
            }
        }
        Ok(())
    });
    let mut world = World::on(narrow(pipe_len), timeless(), Raw, handler);
    let peer = world.join();
    world.network.send_from(peer, b"?");
    world.settle();
    assert!(world.network.received(peer) == whole, "{pipe_len} bytes at a time");
    assert_eq!(world.reactor.held_len(), 0);
}

#[test]
fn copied_and_shared_output_keep_their_order_however_little_is_taken() {
    let (_, whole) = mixture();
    (1..20).for_each(send_mixture);
    // Around every edge between two parts.
    let mut edge = 0;
    for len in [3, 5000, 4096, 700, 20, 4099] {
        edge += len;
        (edge - 2..=edge + 2).for_each(send_mixture);
    }
    send_mixture(whole.len() + 1);
}

#[test]
fn thousands_of_shared_parts_arrive_in_their_order() {
    let config = Config { write_limit: 64 * MIB, ..timeless() };
    let handler = Scripted::<Raw>::on_frames(|session, _| {
        for number in 0..3000_u16 {
            session.send(&number.to_be_bytes())?;
            let fill = number.to_le_bytes()[0];
            session.send_encoded(Bytes::from(vec![fill; 4096 + usize::from(number % 7)]))?;
        }
        Ok(())
    });
    let expected: Vec<u8> = (0..3000_u16)
        .flat_map(|number| {
            let part = vec![number.to_le_bytes()[0]; 4096 + usize::from(number % 7)];
            [number.to_be_bytes().to_vec(), part].concat()
        })
        .collect();
    let mut world = World::on(narrow(MIB), config, Raw, handler);
    let peer = world.join();
    world.network.send_from(peer, b"?");
    world.settle();
    assert!(world.network.received(peer) == expected, "the parts are not as they were sent");
    let writes = world.network.calls().writes;
    assert!(writes <= 200, "{writes} writes for 6,000 parts");
}

#[test]
fn shared_output_is_kept_as_long_as_it_waits_and_not_copied() {
    let shared = Bytes::from(pattern(100 * KIB));
    let sent = shared.clone();
    let handler = Scripted::<Raw>::on_frames(move |session, _| session.send_encoded(sent.clone()));
    let mut world = World::on(narrow(10 * KIB), timeless(), Raw, handler);
    let peers = world.join_many(50);
    for peer in &peers {
        world.network.stall(*peer);
        world.network.send_from(*peer, b"?");
    }
    let own = usize::from(shared.is_unique());
    assert_eq!(own, 0, "the handler holds it too");
    world.settle();
    // What waits is counted for each connection, though it is there once.
    let waiting = world.reactor.held_len();
    let shared_len = 50 * 100 * KIB;
    assert!((shared_len..shared_len + 50 * 100).contains(&waiting), "{waiting} bytes");
    for peer in &peers {
        world.network.resume(*peer);
    }
    world.settle();
    for peer in &peers {
        assert!(world.network.received(*peer) == shared, "an answer is not whole");
    }
    drop(world);
    assert!(shared.is_unique(), "somebody still holds what was sent");
}

#[test]
fn output_arrives_whole_whatever_the_network_does() {
    for_each_seed(50, |seed| {
        let mut net = narrow(1 + usize::try_from(seed * 977 % 9000).expect("below 9000"));
        net.set_faults(Faults::random(seed).lossless());
        let (parts, whole) = mixture();
        let handler = Scripted::<Lines>::on_frames(move |session, _| {
            for (_, part) in &parts {
                session.send_encoded(Bytes::from(part.clone()))?;
            }
            // Long after the second question has come, however the network delays it.
            session.set_timer(1, millis(10_000));
            Ok(())
        })
        .on_timer(|session, _| session.send("later"));
        let mut world = World::on(net, timeless(), Lines::default(), handler);
        let peer = world.network.connect_to(address(0));
        world.network.send_from(peer, b"?\n?\n");
        let expected = [&whole[..], &whole, b"later\n"].concat();
        world.run_until("the whole answer", None, |world| {
            world.network.received(peer).len() >= expected.len()
        });
        assert!(world.network.received(peer) == expected, "the answer has changed on its way");
    });
}

#[test]
fn an_answer_and_the_close_behind_it_both_arrive() {
    let config = Config { write_limit: 64 * MIB, ..timeless() };
    let handler = Scripted::<Raw>::on_frames(|session, _| {
        session.send(&pattern(512 * KIB))?;
        session.close();
        Ok(())
    });
    let mut world = World::on(narrow(3000), config, Raw, handler);
    let peer = world.join();
    world.network.read_slowly(peer, 2500, millis(1));
    world.network.send_from(peer, b"?");
    world.end_of(peer);
    assert!(world.network.received(peer) == pattern(512 * KIB), "the answer is not whole");
    world.network.finish(peer);
    world.run_until_empty();
    assert_eq!(world.reasons(), ["closed"]);
}

#[test]
fn an_echo_of_everything_is_everything() {
    let mut world = World::on(narrow(10), timeless(), Raw, Scripted::new(echo));
    let peer = world.join();
    let stream = pattern(20_000);
    world.network.send_from(peer, &stream);
    world.settle();
    assert!(world.network.received(peer) == stream, "the echo is not whole");
}
