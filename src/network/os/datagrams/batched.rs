//! Datagrams in batches, on Linux: many with one system call, and joined ones through the kernel as
//! one.
//!
//! *Sending.* What waits is sent with `sendmmsg`, and equal datagrams in a row to one receiver are
//! one message of it, which the kernel cuts (`UDP_SEGMENT`). What the kernel will not send like
//! that is sent one by one; an error is that of a datagram only if it comes up then.
//!
//! *Receiving.* At first `recvmmsg`. A socket that is sent more at a time than one call takes, by
//! one sender and all of one length, asks the kernel to join what comes joined (`UDP_GRO`): up to
//! 64 KiB are then one piece, which `recvmsg` takes with the length to cut at.
//!
//! That is never taken back, since what has come joined must be known to be. And it is not done
//! from the start: the length comes with a control message, the room for which nix gives `recvmmsg`
//! once only (nix-rust/nix#2813), so pieces have to be received one by one, which is no gain for
//! those who send one by one.

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
use crate::network::Progress;

/// So many datagrams of one kind at a time are a burst: as many as are joined at most.
const BURST_LEN: usize = 64;
/// After so many bursts in a row, joining is worth it.
const MANY_BURSTS: u8 = 4;

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
    pub(super) fn of(socket: &UdpSocket, address: SocketAddr) -> Self {
        // A kernel that does not know the option would send the joined ones as one.
        let sending = match getsockopt(socket, UdpGsoSegment) {
            Ok(_) => Sending::Joined,
            Err(error) => {
                log::info!("UDP {address}: datagrams cannot be sent joined: {error}");
                Sending::Batched
            }
        };
        Self { receiving: Receiving::Batched { bursts: 0, may_join: true }, sending }
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
                        if batch.len() >= BURST_LEN || bursts > 0 {
                            self.note_burst(batch, bursts, may_join);
                        }
                        Ok(Progress::Done(()))
                    }
                    Received::Blocked => {
                        self.skill.receiving = Receiving::Batched { bursts: 0, may_join };
                        Ok(Progress::Blocked)
                    }
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
    fn note_burst(&mut self, batch: &Incoming, bursts: u8, may_join: bool) {
        let is_burst = batch.len() >= BURST_LEN && batch.is_of_one_kind();
        let bursts = if is_burst { bursts + 1 } else { 0 };
        self.skill.receiving = Receiving::Batched { bursts, may_join };
        if bursts < MANY_BURSTS || !may_join {
            return;
        }
        self.skill.receiving = match setsockopt(&self.socket, UdpGroSegment, &true) {
            Ok(()) => Receiving::Joined,
            Err(error) => {
                let address = self.address;
                log::info!("UDP {address}: datagrams cannot be received joined: {error}");
                Receiving::Batched { bursts: 0, may_join: false }
            }
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
