//! Datagrams in batches, on Linux: many with one system call, and joined ones through the kernel as
//! one.
//!
//! *Sending.* What waits is sent with `sendmmsg`, and equal datagrams in a row to one receiver are
//! one message of it, which the kernel cuts (`UDP_SEGMENT`). What the kernel will not send like
//! that is sent one by one; an error is that of a datagram only if it comes up then.
//!
//! *Receiving.* At first `recvmmsg`. A socket that is sent as many at a time as one call takes, by
//! one sender and all of one length, again and again and nothing else, asks the kernel to join what
//! comes joined (`UDP_GRO`): up to 64 KiB are then one piece, which `recvmsg` takes with the length
//! to cut at.
//!
//! That is not done from the start: the length comes with a control message, the room for which nix
//! gives `recvmmsg` once only (nix-rust/nix#2813), so pieces have to be received one by one, which
//! is a loss for those who send one by one. Nor can it be taken back. What was joined before the
//! kernel was told otherwise may still wait, or be on its way into the queue on another core, and
//! is then shown without the length: it would be taken for one datagram. Who sends one by one, and
//! as many as this takes, is not told apart from who does not; there is an option for that.

mod desk;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mio::net::UdpSocket;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{UdpGroSegment, UdpGsoSegment};
use nix::sys::socket::{getsockopt, setsockopt};

pub(in crate::network::os) use self::desk::Desk;
use self::desk::{Received, Sent};
use super::{Port, one_by_one};
use crate::batch::{Incoming, Outgoing};
use crate::config::SocketOptions;
use crate::network::Progress;

/// So many datagrams of one kind at a time are a burst: as many as are joined at most.
const BURST_LEN: usize = 64;
/// After so many bursts, and nothing less between them, joining is worth it.
const MANY_BURSTS: u8 = 64;

/// What a socket can, as far as it is known.
#[derive(Debug)]
pub(super) struct Skill {
    receiving: Receiving,
    sending: Sending,
}

/// How datagrams are received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Receiving {
    /// Many with a call. The last calls were so many bursts of one kind, and perhaps joining them
    /// may be tried.
    Batched { bursts: u8, may_join: bool },
    /// Joined ones with a call.
    Joined,
    /// One with a call: the system knows no better.
    OneByOne,
}

/// How datagrams are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sending {
    /// Many with a call, equal ones joined.
    Joined,
    /// Many with a call.
    Batched,
    /// One with a call: the system knows no better.
    OneByOne,
}

impl Skill {
    pub(super) fn of(socket: &UdpSocket, address: SocketAddr, options: &SocketOptions) -> Self {
        // A kernel that does not know the option would send the joined ones as one.
        let sending = match getsockopt(socket, UdpGsoSegment) {
            Ok(_) => Sending::Joined,
            Err(error) => {
                log::info!("UDP {address}: datagrams cannot be sent joined: {error}");
                Sending::Batched
            }
        };
        let receiving = match options.udp_gro {
            Some(true) => Receiving::joined(socket, address),
            choice => Receiving::Batched { bursts: 0, may_join: choice.is_none() },
        };
        Self { receiving, sending }
    }
}

impl Receiving {
    /// Has the kernel join what comes from now on, if it can.
    #[cold]
    fn joined(socket: &UdpSocket, address: SocketAddr) -> Self {
        match setsockopt(socket, UdpGroSegment, &true) {
            Ok(()) => Self::Joined,
            Err(error) => {
                log::info!("UDP {address}: datagrams cannot be received joined: {error}");
                Self::Batched { bursts: 0, may_join: false }
            }
        }
    }
}

impl Port {
    /// Receives until the batch is full or no more is there.
    ///
    /// A call that finds fewer than it could take has found the queue empty, or an error behind
    /// them, which the next call returns. An error comes with an event of its own.
    pub(in crate::network::os) fn receive(
        &mut self,
        desk: &mut Desk,
        batch: &mut Incoming,
    ) -> io::Result<Progress<()>> {
        batch.clear();
        let fd = self.socket.as_raw_fd();
        match self.skill.receiving {
            Receiving::Batched { bursts, may_join } => {
                match desk.receive(fd, self.address, batch) {
                    Received::Some => {
                        if may_join && (batch.len() >= BURST_LEN || bursts > 0) {
                            self.note_burst(batch, bursts);
                        }
                        Ok(Progress::Done(()))
                    }
                    Received::Blocked => Ok(Progress::Blocked),
                    Received::Failed(Errno::ENOSYS) => {
                        self.receive_one_by_one();
                        one_by_one::receive(&self.socket, batch)
                    }
                    Received::Failed(error) => Err(error.into()),
                }
            }
            Receiving::Joined => desk.receive_joined(fd, self.address, batch),
            Receiving::OneByOne => one_by_one::receive(&self.socket, batch),
        }
    }

    /// Asks the kernel to join what comes, if there is much of one kind.
    fn note_burst(&mut self, batch: &Incoming, bursts: u8) {
        let is_burst = batch.len() >= BURST_LEN && batch.is_of_one_kind();
        self.skill.receiving = match if is_burst { bursts + 1 } else { 0 } {
            MANY_BURSTS => Receiving::joined(&self.socket, self.address),
            bursts => Receiving::Batched { bursts, may_join: true },
        };
    }

    #[cold]
    fn receive_one_by_one(&mut self) {
        log::warn!("UDP {}: datagrams can be received one by one only", self.address);
        self.skill.receiving = Receiving::OneByOne;
    }

    /// Sends until the batch is empty or the socket takes no more.
    pub(in crate::network::os) fn send(
        &mut self,
        desk: &mut Desk,
        batch: &mut Outgoing,
    ) -> io::Result<Progress<()>> {
        if self.skill.sending == Sending::OneByOne {
            return one_by_one::send(&self.socket, batch);
        }
        let mut has_sent = false;
        while !batch.is_empty() {
            match self.send_some(desk, batch)? {
                Progress::Done(()) => has_sent = true,
                Progress::Blocked if has_sent => break,
                Progress::Blocked => return Ok(Progress::Blocked),
            }
        }
        Ok(Progress::Done(()))
    }

    /// Sends at least one, if the socket takes it.
    fn send_some(&mut self, desk: &mut Desk, batch: &mut Outgoing) -> io::Result<Progress<()>> {
        let joined = self.skill.sending == Sending::Joined;
        if batch.len() == 1 {
            return one_by_one::send_some(&self.socket, batch, 1);
        }
        match desk.send(self.socket.as_raw_fd(), self.address, batch, joined) {
            Sent::Some(count) => {
                batch.pop_messages(count, joined);
                Ok(Progress::Done(()))
            }
            Sent::Interrupted => self.send_some(desk, batch),
            Sent::Blocked => Ok(Progress::Blocked),
            // Its error may be another's, or come of what was sent with it.
            Sent::Refused { error, count } => {
                self.note_refusal(error);
                one_by_one::send_some(&self.socket, batch, count)
            }
            Sent::Failed(error) => Err(error.into()),
        }
    }

    /// Gives up what can never succeed with this socket, and says so.
    #[cold]
    fn note_refusal(&mut self, error: Errno) {
        let address = self.address;
        match error {
            // The way out knows no checksums: the kernel joins nothing there.
            Errno::EIO if self.skill.sending == Sending::Joined => {
                log::info!("UDP {address}: datagrams cannot be sent joined: {error}");
                self.skill.sending = Sending::Batched;
            }
            Errno::ENOSYS => {
                log::warn!("UDP {address}: datagrams can be sent one by one only");
                self.skill.sending = Sending::OneByOne;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;
    use std::net::UdpSocket as Peer;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, cmsg_space, recvmsg};

    use super::*;
    use crate::network::os::sockets::open_udp;

    fn port_at(address: &str, options: &SocketOptions) -> Port {
        let (socket, bound) = open_udp(address.parse().unwrap(), options).unwrap();
        Port::new(socket, bound, options)
    }

    fn port() -> Port {
        port_at("127.0.0.1:0", &SocketOptions::default())
    }

    /// A socket that is shown what came joined as it came.
    fn peer() -> (Peer, SocketAddr) {
        let peer = Peer::bind("127.0.0.1:0").unwrap();
        peer.set_nonblocking(true).unwrap();
        setsockopt(&peer, UdpGroSegment, &true).unwrap();
        let address = peer.local_addr().unwrap();
        (peer, address)
    }

    /// What comes next: its length, and at what length it is to be cut, if it came joined.
    fn take(peer: &Peer) -> (usize, Option<i32>) {
        let mut room = vec![0; 65_536];
        let mut control = [0; cmsg_space::<i32>()];
        let mut parts = [IoSliceMut::new(&mut room)];
        let message =
            recvmsg::<()>(peer.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty());
        let message = message.unwrap();
        let segment_len = message.cmsgs().unwrap().find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(len) => Some(len),
            _ => None,
        });
        (message.bytes, segment_len)
    }

    fn outgoing(receiver: SocketAddr, lens: &[usize]) -> Outgoing {
        let mut batch = Outgoing::new();
        lens.iter().for_each(|len| batch.push(receiver, &vec![7; *len]));
        batch
    }

    fn send_all(port: &mut Port, batch: &mut Outgoing) {
        assert_eq!(port.send(&mut Desk::default(), batch).unwrap(), Progress::Done(()));
        assert!(batch.is_empty());
    }

    #[test]
    fn equal_datagrams_leave_joined_and_no_others() {
        let ((peer, address), mut port) = (peer(), port());
        let mut batch = outgoing(address, &[100, 100, 100, 40, 100, 0, 0, 30, 30, 2000, 2000]);
        send_all(&mut port, &mut batch);
        let expected = [
            (340, Some(100)),
            (100, None),
            (0, None),
            (0, None),
            (60, Some(30)),
            (2000, None),
            (2000, None),
        ];
        assert_eq!(expected.map(|_| take(&peer)), expected);
    }

    #[test]
    fn what_goes_to_others_between_them_keeps_datagrams_apart() {
        let ((peer, address), (other, elsewhere), mut port) = (peer(), peer(), port());
        let mut batch = outgoing(address, &[100, 100]);
        batch.push(elsewhere, &[7; 100]);
        [100, 100, 100].iter().for_each(|len| batch.push(address, &vec![7; *len]));
        send_all(&mut port, &mut batch);
        assert_eq!([take(&peer), take(&peer)], [(200, Some(100)), (300, Some(100))]);
        assert_eq!(take(&other), (100, None));
    }

    #[test]
    fn a_socket_that_cannot_join_sends_each_by_itself() {
        for sending in [Sending::Batched, Sending::OneByOne] {
            let ((peer, address), mut port) = (peer(), port());
            port.skill.sending = sending;
            send_all(&mut port, &mut outgoing(address, &[100; 100]));
            for _ in 0..100 {
                assert_eq!(take(&peer), (100, None), "{sending:?}");
            }
        }
    }

    #[test]
    fn what_a_way_out_refuses_is_given_up_for_good() {
        let mut port = port();
        port.note_refusal(Errno::EMSGSIZE);
        assert_eq!(port.skill.sending, Sending::Joined, "another receiver may be nearer");
        port.note_refusal(Errno::EIO);
        assert_eq!(port.skill.sending, Sending::Batched);
        port.note_refusal(Errno::ENOSYS);
        assert_eq!(port.skill.sending, Sending::OneByOne);
        port.note_refusal(Errno::EIO);
        assert_eq!(port.skill.sending, Sending::OneByOne);
    }

    #[test]
    fn what_cannot_be_sent_joined_with_others_is_sent_by_itself() {
        let options = SocketOptions { v6_only: false, ..SocketOptions::default() };
        let (mut port, (peer, address)) = (port_at("[::]:0", &options), peer());
        let mapped = match address {
            SocketAddr::V4(address) => (address.ip().to_ipv6_mapped(), address.port()).into(),
            SocketAddr::V6(_) => unreachable!("the peer has an address of IPv4"),
        };
        // An address of IPv4 is none that the calls for many take from a socket of IPv6.
        let mut batch = outgoing(mapped, &[100, 100]);
        (0..3).for_each(|_| batch.push(address, &[7; 100]));
        (0..2).for_each(|_| batch.push(mapped, &[7; 100]));
        send_all(&mut port, &mut batch);
        let expected = [(200, Some(100)), (100, None), (100, None), (100, None), (200, Some(100))];
        assert_eq!(expected.map(|_| take(&peer)), expected);
    }

    /// Receives this many datagrams of 10 bytes, which have come.
    fn receive(port: &mut Port, desk: &mut Desk, batch: &mut Incoming, count: usize) {
        let mut received = 0;
        while received < count {
            assert_eq!(port.receive(desk, batch).unwrap(), Progress::Done(()), "of {count}");
            assert!(batch.iter().all(|datagram| datagram.payload == [7; 10]));
            received += batch.len();
        }
        assert_eq!(received, count);
    }

    #[test]
    fn bursts_in_a_row_are_received_joined_from_then_on() {
        let (mut port, mut from, mut desk) = (port(), port(), Desk::default());
        let mut batch = Incoming::new(BURST_LEN, 100);
        for rounds in [1, usize::from(MANY_BURSTS) - 1, usize::from(MANY_BURSTS) + 1] {
            assert!(matches!(port.skill.receiving, Receiving::Batched { may_join: true, .. }));
            for _ in 0..rounds {
                send_all(&mut from, &mut outgoing(port.address, &[10; BURST_LEN]));
                receive(&mut port, &mut desk, &mut batch, BURST_LEN);
            }
            assert_eq!(port.receive(&mut desk, &mut batch).unwrap(), Progress::Blocked);
            // One less is the end of a row.
            send_all(&mut from, &mut outgoing(port.address, &[10; BURST_LEN - 1]));
            receive(&mut port, &mut desk, &mut batch, BURST_LEN - 1);
        }
        assert_eq!(port.skill.receiving, Receiving::Joined);
        send_all(&mut from, &mut outgoing(port.address, &[10; 3 * BURST_LEN]));
        let mut calls = 0;
        while port.receive(&mut desk, &mut batch).unwrap() == Progress::Done(()) {
            assert_eq!(batch.len(), BURST_LEN, "not in one piece");
            calls += 1;
        }
        assert_eq!(calls, 3);
    }

    #[test]
    fn datagrams_are_received_joined_at_once_or_never_if_that_is_asked_for() {
        for joined in [true, false] {
            let options = SocketOptions { udp_gro: Some(joined), ..SocketOptions::default() };
            let mut port = port_at("127.0.0.1:0", &options);
            let mut batch = Incoming::new(BURST_LEN, 100);
            for _ in 0..=MANY_BURSTS {
                send_all(&mut self::port(), &mut outgoing(port.address, &[10; BURST_LEN]));
                receive(&mut port, &mut Desk::default(), &mut batch, BURST_LEN);
                assert_eq!(port.skill.receiving == Receiving::Joined, joined);
            }
        }
    }

    #[test]
    fn a_socket_is_received_from_one_by_one_if_the_system_knows_no_better() {
        let (mut port, mut from, mut desk) = (port(), port(), Desk::default());
        port.receive_one_by_one();
        let mut batch = Incoming::new(BURST_LEN, 100);
        send_all(&mut from, &mut outgoing(port.address, &[10; 100]));
        receive(&mut port, &mut desk, &mut batch, 100);
        assert_eq!(port.receive(&mut desk, &mut batch).unwrap(), Progress::Blocked);
    }
}
