//! How datagrams are read: one by one as most do it, or many in a call.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, recv, recvmmsg};

use crate::trouble::{Trouble, Trying as _};

/// The longest that can come, joined or not.
const LONGEST: usize = 65_536;
/// So many are read in a call.
const MANY: usize = 32;

pub(super) enum Reader {
    Plain(Box<[u8]>),
    Batching(Box<[u8]>, MultiHeaders<()>),
}

impl Reader {
    pub(super) fn plain() -> Self {
        Self::Plain(vec![0; LONGEST].into_boxed_slice())
    }

    pub(super) fn batching() -> Self {
        let headers = MultiHeaders::preallocate(MANY, Some(cmsg_space!(i32)));
        Self::Batching(vec![0; LONGEST * MANY].into_boxed_slice(), headers)
    }

    /// Reads once, and gives each datagram to `each`; says whether there may be more.
    ///
    /// # Errors
    /// What the socket or `each` gives.
    pub(super) fn read(
        &mut self,
        socket: &UdpSocket,
        mut each: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<bool, Trouble> {
        match self {
            Self::Plain(buffer) => match recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(len) => each(&buffer[..len]).map(|()| true),
                Err(Errno::EAGAIN) => Ok(false),
                Err(error) => Err(error).trying("cannot receive"),
            },
            Self::Batching(buffer, headers) => {
                let mut parts = buffer.chunks_exact_mut(LONGEST);
                let mut slices: [[IoSliceMut<'_>; 1]; MANY] =
                    std::array::from_fn(|_| [IoSliceMut::new(parts.next().unwrap_or_default())]);
                let fd = socket.as_raw_fd();
                let flags = MsgFlags::MSG_DONTWAIT;
                let messages = match recvmmsg(fd, headers, slices.iter_mut(), flags, None) {
                    Ok(messages) => messages,
                    Err(Errno::EAGAIN) => return Ok(false),
                    Err(error) => return Err(error).trying("cannot receive"),
                };
                let mut count = 0;
                for message in messages {
                    let len = segment_len(&message)?;
                    if message.bytes == 0 {
                        each(&[])?;
                    }
                    for bytes in message.iovs() {
                        bytes.chunks(len).try_for_each(&mut each)?;
                    }
                    count += 1;
                }
                Ok(count == MANY)
            }
        }
    }
}

/// How long each of the joined datagrams is, but for the last.
fn segment_len(message: &RecvMsg<'_, '_, ()>) -> Result<usize, Trouble> {
    for control in message.cmsgs().trying("cannot read how datagrams were joined")? {
        if let ControlMessageOwned::UdpGroSegments(len) = control {
            return usize::try_from(len).trying("a length below nothing");
        }
    }
    Ok(LONGEST)
}
