//! The system calls for many datagrams, and the memory they need, which the sockets of a network
//! share.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::{array, fmt};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, MultiResults, SockaddrIn,
    SockaddrIn6, SockaddrLike, cmsg_space, recvmmsg, recvmsg, sendmmsg,
};

use crate::batch::{Incoming, Message, Outgoing};
use crate::network::Progress;

/// How many messages one system call takes at most: at so many, its own cost no longer shows.
const MAX_MESSAGES: usize = 64;
/// Where so many will do, less is spent to prepare the call.
const FEW_MESSAGES: usize = 8;

/// The memory for the calls, made when a socket of the family first needs it.
#[derive(Default)]
pub(in crate::network::os) struct Desk {
    v4: Option<Box<Headers<SockaddrIn>>>,
    v6: Option<Box<Headers<SockaddrIn6>>>,
}

/// What came of receiving.
pub(super) enum Received {
    Some,
    Blocked,
    Failed(Errno),
}

/// What came of sending.
pub(super) enum Sent {
    /// This many messages of those that wait, at least one, were sent.
    Some(usize),
    Blocked,
    /// A signal came before anything was sent.
    Interrupted,
    /// The first message was not sent with others or joined, and is to be sent as the datagrams it
    /// is: this many.
    Refused {
        error: Errno,
        count: usize,
    },
    Failed(Errno),
}

impl Desk {
    /// Receives into a batch, which is empty, as many as it can take or are there.
    pub(super) fn receive(
        &mut self,
        fd: RawFd,
        local: SocketAddr,
        batch: &mut Incoming,
    ) -> Received {
        let result = if local.is_ipv4() {
            headers(&mut self.v4).receive(fd, batch)
        } else {
            headers(&mut self.v6).receive(fd, batch)
        };
        match result {
            Ok(()) => Received::Some,
            Err(Errno::EAGAIN) => Received::Blocked,
            Err(error) => Received::Failed(error),
        }
    }

    /// Receives pieces into a batch, which is empty, until it is full or no more is there. Of
    /// errors behind datagrams, one is dropped, as by [`one_by_one`](super::one_by_one).
    pub(super) fn receive_joined(
        &mut self,
        fd: RawFd,
        local: SocketAddr,
        batch: &mut Incoming,
    ) -> io::Result<Progress<()>> {
        let mut may_drop_error = false;
        while let Some(room) = batch.joined_room() {
            let piece = if local.is_ipv4() {
                receive_piece::<SockaddrIn>(fd, room)
            } else {
                receive_piece::<SockaddrIn6>(fd, room)
            };
            match piece {
                Ok(Piece { sender, len, segment_len }) => {
                    batch.push_joined(sender, len, segment_len);
                    may_drop_error = true;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if batch.is_empty() => return Ok(Progress::Blocked),
                Err(Errno::EAGAIN) => break,
                Err(_) if may_drop_error => may_drop_error = false,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Progress::Done(()))
    }

    /// Sends the first messages of what waits.
    pub(super) fn send(
        &mut self,
        fd: RawFd,
        local: SocketAddr,
        batch: &Outgoing,
        joined: bool,
    ) -> Sent {
        if local.is_ipv4() {
            headers(&mut self.v4).send(fd, batch, joined)
        } else {
            headers(&mut self.v6).send(fd, batch, joined)
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// A system's address of one family. An IPv6 socket that takes IPv4 as well has addresses of both
/// kinds as those of IPv6.
trait Address: SockaddrLike + Copy + PartialEq {
    fn new(address: &SocketAddr) -> Option<Self>;
    fn to_std(self) -> SocketAddr;
}

impl Address for SockaddrIn {
    #[inline]
    fn new(address: &SocketAddr) -> Option<Self> {
        match address {
            SocketAddr::V4(address) => Some((*address).into()),
            SocketAddr::V6(_) => None,
        }
    }

    #[inline]
    fn to_std(self) -> SocketAddr {
        SocketAddr::V4(self.into())
    }
}

impl Address for SockaddrIn6 {
    #[inline]
    fn new(address: &SocketAddr) -> Option<Self> {
        match address {
            SocketAddr::V4(_) => None,
            SocketAddr::V6(address) => Some((*address).into()),
        }
    }

    #[inline]
    fn to_std(self) -> SocketAddr {
        SocketAddr::V6(self.into())
    }
}

/// What the kernel is shown for each message. Those for receiving have nothing else than an address
/// to give back, which is always as long: so they can be used again.
struct Headers<A> {
    receiving: MultiHeaders<A>,
    /// How many datagrams the next call is to receive at most.
    offered: usize,
    sending: MultiHeaders<A>,
    sending_joined: MultiHeaders<A>,
    receivers: Vec<Option<A>>,
}

fn headers<A: Address>(place: &mut Option<Box<Headers<A>>>) -> &mut Headers<A> {
    place.get_or_insert_with(|| {
        let control = vec![0; cmsg_space::<u16>()];
        Box::new(Headers {
            receiving: MultiHeaders::preallocate(MAX_MESSAGES, None),
            offered: FEW_MESSAGES,
            sending: MultiHeaders::preallocate(MAX_MESSAGES, None),
            sending_joined: MultiHeaders::preallocate(MAX_MESSAGES, Some(control)),
            receivers: Vec::with_capacity(MAX_MESSAGES),
        })
    })
}

impl<A: Address> Headers<A> {
    /// Receives until the batch is full or a call finds no more, which says so with the error
    /// `EAGAIN` if there was none at all.
    fn receive(&mut self, fd: RawFd, batch: &mut Incoming) -> Result<(), Errno> {
        while !batch.is_full() {
            let before = batch.len();
            let offered = self.offered.min(batch.capacity() - before);
            let result = if offered <= FEW_MESSAGES {
                self.receive_some::<FEW_MESSAGES>(fd, batch, offered)
            } else {
                self.receive_some::<MAX_MESSAGES>(fd, batch, offered)
            };
            let received = batch.len() - before;
            // Room for some more, so that a call shows that these were all; less only by and by.
            let wanted =
                if received < offered { received + 4.max(received / 8) } else { 2 * offered };
            self.offered = wanted.max(self.offered - self.offered / 8).min(MAX_MESSAGES);
            match result {
                Ok(()) if received < offered => break,
                Ok(()) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if !batch.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes one call that receives up to `offered` datagrams, which are no more than `N`.
    #[inline(never)]
    fn receive_some<const N: usize>(
        &mut self,
        fd: RawFd,
        batch: &mut Incoming,
        offered: usize,
    ) -> Result<(), Errno> {
        let (rooms, mut slots) = batch.slots();
        let mut parts: [_; N] = array::from_fn(|_| [IoSliceMut::new(&mut [])]);
        let parts = &mut parts[..offered];
        for (part, room) in parts.iter_mut().zip(rooms) {
            part[0] = IoSliceMut::new(room);
        }
        // Most are like the one before, which costs no more than to see it.
        let (mut sender, mut len, mut alike) = (None, 0, 0);
        for message in recvmmsg(fd, &mut self.receiving, parts, MsgFlags::empty(), None)? {
            if message.bytes == len && message.address == sender {
                alike += 1;
                continue;
            }
            if alike > 0 {
                slots.repeat(alike);
                alike = 0;
            }
            if message.address != sender {
                sender = message.address;
                sender.into_iter().for_each(|sender| slots.push_sender(sender.to_std()));
            }
            len = message.bytes;
            slots.push(len);
        }
        slots.repeat(alike);
        Ok(())
    }

    /// Sends messages from the front of what waits.
    fn send(&mut self, fd: RawFd, batch: &Outgoing, joined: bool) -> Sent {
        let has_few = batch.len() <= FEW_MESSAGES || joined && batch.runs_len() <= FEW_MESSAGES;
        if has_few {
            self.send_some::<FEW_MESSAGES>(fd, batch, joined)
        } else {
            self.send_some::<MAX_MESSAGES>(fd, batch, joined)
        }
    }

    /// Makes one call that sends up to `N` messages.
    #[inline(never)]
    fn send_some<const N: usize>(&mut self, fd: RawFd, batch: &Outgoing, joined: bool) -> Sent {
        let mut parts = [[IoSlice::new(&[])]; N];
        let mut plan = Plan::default();
        self.receivers.clear();
        for (part, message) in parts.iter_mut().zip(batch.messages(joined)) {
            match A::new(message.receiver) {
                Some(receiver) if plan.admits(&message) => {
                    part[0] = IoSlice::new(message.bytes);
                    self.receivers.push(Some(receiver));
                }
                _ => break,
            }
        }
        if plan.count == 0 {
            return Sent::Refused { error: Errno::EAFNOSUPPORT, count: 1 };
        }
        let (parts, receivers) = (&parts[..plan.count], &self.receivers[..]);
        let flags = MsgFlags::empty();
        let result = match plan.segment_len {
            None => sendmmsg(fd, &mut self.sending, parts, receivers, [], flags),
            Some(ref len) => {
                let control = [ControlMessage::UdpGsoSegments(len)];
                sendmmsg(fd, &mut self.sending_joined, parts, receivers, control, flags)
            }
        };
        match result {
            Ok(_) if plan.count == 1 => Sent::Some(1),
            Ok(sent) => Sent::Some(count(sent)),
            Err(Errno::EAGAIN) => Sent::Blocked,
            Err(Errno::EINTR) => Sent::Interrupted,
            Err(error) if plan.segment_len.is_none() && error != Errno::ENOSYS => {
                Sent::Failed(error)
            }
            Err(error @ Errno::ECONNREFUSED) => Sent::Failed(error),
            Err(error) => Sent::Refused { error, count: plan.first_count },
        }
    }
}

/// How many messages were sent.
///
/// Nix tells it only by going through them, and copies for each the address that a received message
/// would have: when sending, out of memory that nothing was written to. By the letter of the
/// language that is undefined, inside of nix. It does no harm as it is compiled: the memory is
/// nix's own, the copy is of plain bytes, and nobody looks at it, neither nix nor this, so that
/// nothing depends on what it holds. One message, as to a single peer, is known to be one.
fn count<A: Address>(sent: MultiResults<'_, A>) -> usize {
    sent.count()
}

/// What one call sends. All its messages share one control message: what is joined is cut at the
/// same length, and what is not must be no longer, or it would be cut too.
#[derive(Default)]
struct Plan {
    count: usize,
    /// How many datagrams the first message is.
    first_count: usize,
    segment_len: Option<u16>,
    /// The longest message that is not joined.
    longest: usize,
}

impl Plan {
    /// Whether this message is sent too.
    #[inline]
    fn admits(&mut self, message: &Message<'_>) -> bool {
        let Message { bytes, segment_len, .. } = *message;
        let is_joined = bytes.len() > segment_len;
        match self.segment_len {
            Some(len) if is_joined && segment_len != usize::from(len) => return false,
            Some(len) if bytes.len() > usize::from(len) && !is_joined => return false,
            None if is_joined && self.longest > segment_len => return false,
            None if is_joined => self.segment_len = u16::try_from(segment_len).ok(),
            _ => {}
        }
        if !is_joined {
            self.longest = self.longest.max(bytes.len());
        }
        if self.count == 0 {
            self.first_count = bytes.len().div_ceil(segment_len.max(1)).max(1);
        }
        self.count += 1;
        true
    }
}

struct Piece {
    sender: SocketAddr,
    len: usize,
    segment_len: usize,
}

fn receive_piece<A: Address>(fd: RawFd, room: &mut [u8]) -> Result<Piece, Errno> {
    let mut control = [0; cmsg_space::<i32>()];
    let mut parts = [IoSliceMut::new(room)];
    let message = recvmsg::<A>(fd, &mut parts, Some(&mut control), MsgFlags::empty())?;
    let len = message.bytes;
    let mut segment_len = len;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::UdpGroSegments(joined_len) = control {
            segment_len = usize::try_from(joined_len).unwrap_or(len);
        }
    }
    let sender = message.address.ok_or(Errno::EINVAL)?.to_std();
    Ok(Piece { sender, len, segment_len })
}
