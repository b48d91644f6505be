//! Worlds so small that it is plain what must happen in them: each shows what the swarm cannot see,
//! or sees too seldom.

pub(super) mod commands;
pub(super) mod datagrams;
pub(super) mod drains;
pub(super) mod layers;
pub(super) mod streams;
pub(super) mod times;

use windlass::ConnectionId;
use windlass::network::SimPeer;

use super::fixture::World;

/// The id of the connection of this peer, which was opened.
fn id(world: &World, peer: SimPeer) -> ConnectionId {
    let address = world.network.address(peer);
    let entries = world.entries();
    entries.iter().find(|entry| entry.peer == address).expect("it was opened").id
}
