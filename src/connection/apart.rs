//! What few connections need, apart from the rest: whoever needs none of it only pays for a
//! pointer. An address of IPv6 is there too, since most do not have one.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::notes::Notes;
use super::{Connection, Flags};
use crate::error::CloseReason;
use crate::handler_timers::HandlerTimers;
use crate::instant::Instant;
use crate::write_queue::WriteQueue;

/// What few connections need.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// Why it ends, once it does.
    pub(super) reason: Option<Box<CloseReason>>,
    /// Output the kernel did not take yet.
    pub(super) queue: Option<Box<WriteQueue>>,
    /// Timers the handler set.
    pub(super) timers: Option<Box<HandlerTimers>>,
    /// What layers noted, and what else is rare even here.
    pub(super) notes: Option<Box<Notes>>,
    /// An address of IPv6 but for its port, if the peer has one.
    host: [u8; 16],
    flow_info: u32,
    scope_id: u32,
}

// With what the allocator adds.
const _: () = assert!(size_of::<Apart>() + 8 == Connection::APART_LEN);

impl Apart {
    const fn is_empty(&self) -> bool {
        self.reason.is_none()
            && self.queue.is_none()
            && self.timers.is_none()
            && self.notes.is_none()
    }
}

/// What of the peer's address every connection has. It is all of an address of IPv4, as such or in
/// the guise of IPv6, in which a socket for both reports it; of any other, the rest is apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    host: [u8; 4],
    port: u16,
}

impl Address {
    /// Nobody's.
    pub(super) const NONE: Self = Self { host: [0; 4], port: 0 };
}

/// The peer's address.
impl Connection {
    pub(crate) fn peer(&self) -> SocketAddr {
        let Address { host, port } = self.address;
        let v4 = Ipv4Addr::from(host);
        if self.flags.contains(Flags::ADDRESS_MAPPED) {
            return SocketAddrV6::new(v4.to_ipv6_mapped(), port, 0, 0).into();
        }
        match self.apart.as_deref().filter(|_| self.flags.contains(Flags::ADDRESS_APART)) {
            Some(apart) => {
                let host = Ipv6Addr::from(apart.host);
                SocketAddrV6::new(host, port, apart.flow_info, apart.scope_id).into()
            }
            None => SocketAddrV4::new(v4, port).into(),
        }
    }

    pub(super) fn set_peer(&mut self, peer: SocketAddr) {
        self.address = Address { port: peer.port(), ..Address::NONE };
        match peer {
            SocketAddr::V4(peer) => self.address.host = peer.ip().octets(),
            SocketAddr::V6(peer) => match peer.ip().to_ipv4_mapped() {
                Some(host) if peer.flowinfo() == 0 && peer.scope_id() == 0 => {
                    self.address.host = host.octets();
                    self.flags.insert(Flags::ADDRESS_MAPPED);
                }
                _ => {
                    self.flags.insert(Flags::ADDRESS_APART);
                    let apart = self.apart_or_new();
                    apart.host = peer.ip().octets();
                    (apart.flow_info, apart.scope_id) = (peer.flowinfo(), peer.scope_id());
                }
            },
        }
    }
}

/// What is apart.
impl Connection {
    /// The memory that what is apart takes, with what the allocator adds: of each connection to or
    /// from an address of IPv6.
    pub(crate) const APART_LEN: usize = 64;

    pub(super) fn apart_or_new(&mut self) -> &mut Apart {
        self.apart.get_or_insert_default()
    }

    /// Gives up the place for what is apart, if nothing is there.
    pub(super) fn tidy_apart(&mut self) {
        let is_empty = self.apart.as_ref().is_some_and(|apart| apart.is_empty());
        if is_empty && !self.flags.contains(Flags::ADDRESS_APART) {
            self.apart = None;
        }
    }

    pub(super) fn has_reason(&self) -> bool {
        self.apart.as_ref().is_some_and(|apart| apart.reason.is_some())
    }

    pub(super) fn set_reason(&mut self, reason: CloseReason) {
        self.apart_or_new().reason = Some(Box::new(reason));
    }

    /// Whether output waits.
    #[inline]
    pub(super) fn has_queue(&self) -> bool {
        self.queue().is_some()
    }

    pub(super) fn queue(&self) -> Option<&WriteQueue> {
        self.apart.as_ref()?.queue.as_deref()
    }

    pub(super) fn queue_mut(&mut self) -> Option<&mut WriteQueue> {
        self.apart.as_mut()?.queue.as_deref_mut()
    }

    /// The output that waits, of which the first does so from `now` on.
    pub(super) fn queue_or_new(&mut self, now: Instant) -> &mut WriteQueue {
        self.flags.insert(Flags::BUFFERED);
        self.apart_or_new().queue.get_or_insert_with(|| Box::new(WriteQueue::new(now)))
    }

    /// No output waits any more.
    pub(super) fn forget_queue(&mut self) {
        if let Some(apart) = &mut self.apart {
            apart.queue = None;
        }
    }

    pub(super) fn timers_or_new(&mut self) -> &mut HandlerTimers {
        self.apart_or_new().timers.get_or_insert_default()
    }

    pub(super) fn timers_mut(&mut self) -> Option<&mut HandlerTimers> {
        self.apart.as_mut()?.timers.as_deref_mut()
    }

    pub(super) fn take_timers(&mut self) -> Option<Box<HandlerTimers>> {
        self.apart.as_mut()?.timers.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    fn to(peer: SocketAddr) -> Connection {
        Connection::new(Token::connection(0, 0, 0), peer, Instant::START)
    }

    #[test]
    fn a_connection_takes_eighty_bytes() {
        assert_eq!(size_of::<Connection>(), 80);
        // And its slot takes no more, whether it is taken, free, or never used again.
        assert_eq!(size_of::<Option<Option<Connection>>>(), 80);
    }

    #[test]
    fn any_address_is_kept_in_full() {
        for text in ["0.0.0.0:0", "192.0.2.1:9", "255.255.255.255:65535", "[::]:0", "[::1]:80"] {
            let peer: SocketAddr = text.parse().unwrap();
            assert_eq!(to(peer).peer(), peer);
        }
        for host in ["fe80::1", "2001:db8::ffff:1", "::ffff:192.0.2.1", "::192.0.2.1"] {
            for (flow_info, scope_id) in [(0, 0), (7, 0), (0, 3), (u32::MAX, u32::MAX)] {
                let host: Ipv6Addr = host.parse().unwrap();
                let peer = SocketAddrV6::new(host, 4711, flow_info, scope_id).into();
                assert_eq!(to(peer).peer(), peer);
            }
        }
    }

    #[test]
    fn an_address_of_ipv4_takes_nothing_besides_in_either_guise() {
        for text in ["192.0.2.1:9", "[::ffff:192.0.2.1]:9"] {
            assert!(to(text.parse().unwrap()).apart.is_none());
        }
    }

    #[test]
    fn what_is_apart_is_given_up_when_it_is_not_needed_but_for_an_address() {
        for (text, is_kept) in [("192.0.2.1:9", false), ("[2001:db8::1]:9", true)] {
            let peer = text.parse().unwrap();
            let mut connection = to(peer);
            connection.queue_or_new(Instant::START);
            connection.tidy_apart();
            assert!(connection.has_queue());
            connection.forget_queue();
            connection.tidy_apart();
            assert_eq!(connection.apart.is_some(), is_kept);
            assert_eq!(connection.peer(), peer);
        }
    }
}
