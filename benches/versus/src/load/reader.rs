//! How datagrams are read: one by one as most do it, or those that come joined in a call.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, RecvMsg, recv, recvmsg};

use crate::trouble::{Trouble, Trying as _};

/// The longest that can come, joined or not.
const LONGEST: usize = 65_536;

pub(super) enum Reader {
    Plain(Box<[u8]>),
    /// With room for what is said of those that are joined. It is not `recvmmsg` that reads them,
    /// of which the safe binding cannot be used again where something was said.
    Batching(Box<[u8]>, Vec<u8>),
}

impl Reader {
    pub(super) fn plain() -> Self {
        Self::Plain(vec![0; LONGEST].into_boxed_slice())
    }

    pub(super) fn batching() -> Self {
        let mut controls = cmsg_space!(i32);
        controls.resize(controls.capacity(), 0);
        Self::Batching(vec![0; LONGEST].into_boxed_slice(), controls)
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
            Self::Batching(buffer, controls) => {
                let mut slices = [IoSliceMut::new(buffer)];
                let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
                let message = match recvmsg::<()>(fd, &mut slices, Some(controls), flags) {
                    Ok(message) => message,
                    Err(Errno::EAGAIN) => return Ok(false),
                    Err(error) => return Err(error).trying("cannot receive"),
                };
                let (len, segment_len) = (message.bytes, segment_len(&message)?);
                if len == 0 {
                    each(&[])?;
                }
                buffer[..len].chunks(segment_len).try_for_each(each)?;
                Ok(true)
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
