//! The system calls of the bare loop, made safe to call.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;

use libc::{c_int, epoll_event, sockaddr_in, socklen_t};

/// The peer is done, or the connection has failed.
pub(super) struct Over;

/// Reads once, into the beginning of `room`, and says how much; nothing if nothing waits.
#[inline]
pub(super) fn recv(fd: RawFd, room: &mut [u8]) -> Result<Option<usize>, Over> {
    // SAFETY: the pointer and the length are those of a buffer that is lent for writing.
    moved(|| unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), 0) })
}

/// The same behind what `bytes` holds, until it holds `len` at most.
pub(super) fn recv_behind(
    fd: RawFd,
    bytes: &mut Vec<u8>,
    len: usize,
) -> Result<Option<usize>, Over> {
    let held_len = bytes.len();
    bytes.reserve_exact(len - held_len);
    let room = &mut bytes.spare_capacity_mut()[..len - held_len];
    // SAFETY: the pointer and the length are those of a buffer that is lent for writing.
    let moved = moved(|| unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), 0) })?;
    // SAFETY: so many bytes behind those held have just been written, within the capacity.
    unsafe { bytes.set_len(held_len + moved.unwrap_or(0)) };
    Ok(moved)
}

/// Writes once, from the beginning of `bytes`, and says how much; nothing if none is taken.
#[inline]
pub(super) fn send(fd: RawFd, bytes: &[u8]) -> Result<Option<usize>, Over> {
    let flags = libc::MSG_NOSIGNAL;
    // SAFETY: the pointer and the length are those of a buffer that is lent for reading.
    moved(|| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// Calls until it is not interrupted.
#[inline]
fn moved(mut call: impl FnMut() -> isize) -> Result<Option<usize>, Over> {
    loop {
        match call() {
            len @ 1.. => return Ok(Some(len.unsigned_abs())),
            0 => return Err(Over),
            _ => match last_error_kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => return Ok(None),
                _ => return Err(Over),
            },
        }
    }
}

#[cold]
fn last_error_kind() -> ErrorKind {
    io::Error::last_os_error().kind()
}

/// Accepts a peer, if one waits.
pub(super) fn accept(listener: RawFd) -> io::Result<Option<RawFd>> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    loop {
        // SAFETY: no address is asked for, so that nothing is written.
        let fd = unsafe { libc::accept4(listener, ptr::null_mut(), ptr::null_mut(), flags) };
        match checked(fd) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if is_passing(&error) => {}
            outcome => return outcome.map(Some),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

/// Closes a connection.
pub(super) fn close(fd: RawFd) {
    // SAFETY: the loop has accepted this descriptor, closes it nowhere else, and now forgets it.
    unsafe { libc::close(fd) };
}

/// An epoll instance.
pub(super) struct Poll(OwnedFd);

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// From now on edges of the socket are told, by its descriptor, until it is closed.
    pub(super) fn add(&self, fd: RawFd) -> io::Result<()> {
        let flags = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event =
            epoll_event { events: flags.cast_unsigned(), u64: fd.cast_unsigned().into() };
        let epoll = self.0.as_raw_fd();
        // SAFETY: the event is lent for the call, which copies it.
        checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        Ok(())
    }

    /// Waits for events, and says how many there are.
    #[inline]
    pub(super) fn wait(&self, events: &mut [epoll_event]) -> io::Result<usize> {
        let epoll = self.0.as_raw_fd();
        let most = c_int::try_from(events.len()).unwrap_or(c_int::MAX);
        loop {
            // SAFETY: the pointer and the length are those of a buffer that is lent for writing.
            match checked(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), most, -1) }) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return outcome.map(|count| count.unsigned_abs() as usize),
            }
        }
    }
}

/// Where a datagram came from, as the kernel has it.
pub(super) struct Sender {
    address: MaybeUninit<sockaddr_in>,
    len: socklen_t,
}

#[expect(clippy::cast_possible_truncation, reason = "it is sixteen")]
const ADDRESS_LEN: socklen_t = size_of::<sockaddr_in>() as socklen_t;

/// Receives a datagram, and says how long it is and where it came from.
pub(super) fn recv_from(fd: RawFd, room: &mut [u8]) -> io::Result<(usize, Sender)> {
    let mut sender = Sender { address: MaybeUninit::uninit(), len: ADDRESS_LEN };
    let (start, room_len) = (room.as_mut_ptr().cast(), room.len());
    loop {
        let address = sender.address.as_mut_ptr().cast();
        // SAFETY: the pointers and the lengths are those of buffers that are lent for writing.
        let outcome =
            unsafe { libc::recvfrom(fd, start, room_len, 0, address, &raw mut sender.len) };
        match usize::try_from(outcome) {
            Ok(len) => return Ok((len, sender)),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// Sends a datagram. What cannot be sent is lost, as datagrams may be.
pub(super) fn send_to(fd: RawFd, payload: &[u8], receiver: &Sender) {
    let (address, len) = (receiver.address.as_ptr().cast(), receiver.len);
    // SAFETY: the payload is lent for reading, and the kernel has written `len` bytes of address.
    unsafe { libc::sendto(fd, payload.as_ptr().cast(), payload.len(), 0, address, len) };
}

/// What a call answered, unless that is that it failed.
fn checked(answer: c_int) -> io::Result<c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
