//! A UDP socket, and how datagrams go in and out of it: in batches as far as the system can.

#[cfg(target_os = "linux")]
mod batched;
mod one_by_one;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

#[cfg(target_os = "linux")]
pub(super) use self::batched::Desk;
#[cfg(not(target_os = "linux"))]
pub(super) use self::portable::Desk;
use crate::config::SocketOptions;

/// A UDP socket, and what is known of what it can.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    /// Whether room to send is an event.
    is_room_watched: bool,
    #[cfg(target_os = "linux")]
    address: SocketAddr,
    #[cfg(target_os = "linux")]
    skill: batched::Skill,
}

impl Port {
    #[cfg(target_os = "linux")]
    pub(super) fn new(socket: UdpSocket, address: SocketAddr, options: &SocketOptions) -> Self {
        let skill = batched::Skill::of(&socket, address, options);
        Self { socket, is_room_watched: false, address, skill }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) const fn new(socket: UdpSocket, _: SocketAddr, _: &SocketOptions) -> Self {
        Self { socket, is_room_watched: false }
    }

    /// Has it be an event when there is room to send, or no more: only while something waits for
    /// that, since any datagram that has left the socket makes room.
    #[inline]
    pub(super) fn watch_room(
        &mut self,
        registry: &Registry,
        token: Token,
        waits: bool,
    ) -> io::Result<()> {
        if waits == self.is_room_watched {
            return Ok(());
        }
        let room = waits.then_some(Interest::WRITABLE);
        let interest = room.map_or(Interest::READABLE, |room| room.add(Interest::READABLE));
        registry.reregister(&mut self.socket, token, interest)?;
        self.is_room_watched = waits;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::event::Event;
    use mio::{Events, Poll};

    use super::*;
    use crate::network::os::sockets::open_udp;

    #[test]
    fn room_to_send_is_an_event_only_while_something_waits_for_it() {
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let options = SocketOptions::default();
        let (mut socket, bound) = open_udp(anywhere, &options).unwrap();
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
        poll.registry().register(&mut socket, Token(7), Interest::READABLE).unwrap();
        let mut port = Port::new(socket, bound, &options);
        for waits in [false, true, true, false, true, false] {
            let changes = waits != port.is_room_watched;
            port.watch_room(poll.registry(), Token(7), waits).unwrap();
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            let has_event = events.iter().any(Event::is_writable);
            assert_eq!(has_event, waits && changes);
        }
    }
}
