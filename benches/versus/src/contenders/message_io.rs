//! message-io, with its plain TCP and UDP transports.
//!
//! Its framed transport has lengths of another kind, so that frames are cut by hand. The library
//! binds the listener itself, lets 1,024 peers wait, and has no way to turn Nagle's algorithm off.
//! It waits actively for a peer that does not take its answers, and serves nobody meanwhile. Of a
//! peer that has sent all and finished, it sometimes loses what came just before the end.

use std::collections::HashMap;
use std::error::Error;

use message_io::network::{Endpoint, NetEvent, Transport};
use message_io::node;

use super::frames::Frames;
use super::{ALL, Contender, Threads, announce, any_port};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "message-io",
    about: "message-io, plain TCP and UDP",
    protocols: ALL,
    threads: Threads::One,
    serve,
};

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let (handler, listener) = node::split::<()>();
    let is_datagram = protocol == Protocol::Datagram;
    let transport = if is_datagram { Transport::Udp } else { Transport::Tcp };
    let (_, address) = handler.network().listen(transport, any_port())?;
    announce(address, protocol);
    let mut peers = HashMap::<Endpoint, Frames>::new();
    let mut answers = Vec::new();
    listener.for_each(move |event| match event.network() {
        NetEvent::Connected(..) => {}
        NetEvent::Accepted(peer, _) => {
            peers.insert(peer, Frames::default());
        }
        NetEvent::Message(peer, arrived) => match peers.get_mut(&peer) {
            Some(frames) => match frames.answer(protocol, arrived, &mut answers) {
                Ok([]) => {}
                Ok(bytes) => {
                    handler.network().send(peer, bytes);
                }
                Err(_) => {
                    handler.network().remove(peer.resource_id());
                    peers.remove(&peer);
                }
            },
            // A datagram: its sender is no connection.
            None => {
                handler.network().send(peer, arrived);
            }
        },
        NetEvent::Disconnected(peer) => {
            peers.remove(&peer);
        }
    });
    Ok(())
}
