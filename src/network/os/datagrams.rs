//! A UDP socket, and how datagrams go in and out of it: in batches as far as the system can.

#[cfg(target_os = "linux")]
mod batched;
mod one_by_one;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::net::SocketAddr;

use mio::net::UdpSocket;

#[cfg(target_os = "linux")]
pub(super) use self::batched::Desk;
#[cfg(not(target_os = "linux"))]
pub(super) use self::portable::Desk;

/// A UDP socket, and what is known of what it can.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    #[cfg(target_os = "linux")]
    address: SocketAddr,
    #[cfg(target_os = "linux")]
    skill: batched::Skill,
}

impl Port {
    #[cfg(target_os = "linux")]
    pub(super) fn new(socket: UdpSocket, address: SocketAddr) -> Self {
        let skill = batched::Skill::of(&socket, address);
        Self { socket, address, skill }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) const fn new(socket: UdpSocket, _: SocketAddr) -> Self {
        Self { socket }
    }
}
