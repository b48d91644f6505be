//! What a peer is answered by a server that sends everything back, however its bytes are cut.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use windlass::Output;
use windlass::network::{PeerState, SimNetwork, SimPeer};

use crate::feed::{Bytewise, Outcome};
use crate::fixture::{Framing, Scripted, World, all_cuts, echo, pieces, timeless};

/// Asserts that whoever sends `stream` is answered with the frames in it, however it is cut, before
/// it has finished sending and after; and that its connection ends for the same reason.
///
/// All peers are there at the same time: each sends a piece, the loop turns until all is done, and
/// each sends its next piece.
pub(crate) fn assert_same_for_every_cut<C: Bytewise + Framing>(
    codec: &C,
    stream: &[u8],
    expected: &Outcome,
) {
    let handler = Scripted::new(echo).without_frames();
    let mut world = World::on(SimNetwork::new(1), timeless(), codec.clone(), handler);
    let all_cuts: Vec<_> = all_cuts(stream.len()).collect();
    let peers = world.join_many(all_cuts.len());
    let all_pieces: Vec<_> = all_cuts.iter().map(|cuts| pieces(stream, cuts)).collect();
    for round in 0..all_pieces.iter().map(Vec::len).max().unwrap_or(0) {
        for (peer, pieces) in peers.iter().zip(&all_pieces) {
            world.network.send_from(*peer, pieces.get(round).copied().unwrap_or_default());
        }
        world.settle();
    }
    let (answers, reason) = answers(codec, expected);
    // What a codec makes of the end of a stream, it makes of it at the end.
    let before = world.network.received(peers[0]).to_vec();
    assert!(answers.starts_with(&before), "{codec:?}: {}", stream.escape_ascii());
    for (peer, cuts) in peers.iter().zip(&all_cuts) {
        let received = world.network.received(*peer);
        assert_eq!(received, before, "{codec:?}: {} cut at {cuts:?}", stream.escape_ascii());
        world.network.finish(*peer);
    }
    world.settle();
    let reasons = reasons(&world);
    for (peer, cuts) in peers.iter().zip(&all_cuts) {
        let end = End::of(&world, &reasons, *peer);
        let expected = End { received: &answers, state: PeerState::Finished, reason };
        assert_eq!(end, expected, "{codec:?}: {} cut at {cuts:?}", stream.escape_ascii());
    }
}

/// How it ended for a peer.
#[derive(PartialEq, Debug)]
struct End<'a> {
    received: &'a [u8],
    state: PeerState,
    reason: &'static str,
}

impl<'a> End<'a> {
    fn of(world: &'a World, reasons: &BTreeMap<SocketAddr, &'static str>, peer: SimPeer) -> Self {
        let reason = reasons[&world.network.address(peer)];
        Self { received: world.network.received(peer), state: world.network.state(peer), reason }
    }
}

/// Why each connection ended, by the peer's address.
fn reasons(world: &World) -> BTreeMap<SocketAddr, &'static str> {
    let entries = world.entries();
    entries.iter().filter_map(|entry| Some((entry.peer, entry.what.reason()?))).collect()
}

/// What a server that sends back all frames answers, and how the connection ends.
fn answers<C: Bytewise + Framing>(codec: &C, stream: &Outcome) -> (Vec<u8>, &'static str) {
    let (mut codec, mut output) = (codec.clone(), Output::new());
    for frame in &stream.frames {
        // A line may end in a CR, but none can be sent that does.
        if codec.encode(C::of_bytes(frame), &mut output).is_err() {
            return (output.to_vec(), "handler failed");
        }
    }
    (output.to_vec(), if stream.end.is_ok() { "peer finished" } else { "malformed frame" })
}
