//! The load's connections: opened in small groups, so that no server's queue of those that wait to
//! be accepted runs over.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};

use super::histogram::Histogram;
use super::talk::Talk;
use crate::trouble::{Trouble, Trying as _};

/// So many connections are opened before one of them is answered: less than any server's queue.
pub(super) const GROUP: usize = 64;

/// Whoever does not answer for so long does not answer at all. Under a tool that counts
/// instructions, a server is fifty times slower.
pub(super) const PATIENCE_NS: u64 = 20_000_000_000;

/// Lets this process have as many descriptors as it may.
pub(super) fn raise_descriptor_limit() -> Result<(), Trouble> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).trying("cannot read the limits")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).trying("cannot raise the descriptor limit")
}

pub(super) fn connect(address: SocketAddr) -> Result<TcpStream, Trouble> {
    TcpStream::connect(address).trying(format!("cannot connect to {address}"))
}

/// Makes closing a reset, which leaves no port taken for a minute.
pub(super) fn close_by_reset(stream: &TcpStream) -> Result<(), Trouble> {
    setsockopt(stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })
        .trying("cannot set how to close")
}

/// Sends single messages and takes their replies, on streams that block.
pub(super) struct Exchange {
    buffer: Box<[u8]>,
    histogram: Histogram,
}

impl Exchange {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; 64 * 1024].into_boxed_slice(), histogram: Histogram::new() }
    }

    /// Sends the next message, and compares its reply.
    pub(super) fn once<T: Talk>(
        &mut self,
        stream: &mut TcpStream,
        talk: &mut T,
        shared: &mut T::Shared,
    ) -> Result<(), Trouble> {
        talk.issue(1, 0, shared);
        for part in talk.unsent() {
            stream.write_all(&part).trying("cannot send")?;
        }
        talk.note_sent(talk.unsent().iter().map(|part| part.len()).sum());
        while talk.outstanding() > 0 {
            await_readable(stream)?;
            match stream.read(&mut self.buffer).trying("cannot receive")? {
                0 => return Err(talk.closed()),
                len => talk.note_received(&self.buffer[..len], 0, &mut self.histogram, shared)?,
            };
        }
        Ok(())
    }
}

/// Waits until something comes, but not forever.
pub(super) fn await_readable(stream: &TcpStream) -> Result<(), Trouble> {
    let mut sources = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    let patience =
        PollTimeout::try_from(Duration::from_nanos(PATIENCE_NS)).trying("too patient")?;
    match poll(&mut sources, patience).trying("cannot wait")? {
        0 => Err(no_reply(1)),
        _ => Ok(()),
    }
}

pub(super) fn no_reply(outstanding: u64) -> Trouble {
    let seconds = PATIENCE_NS / 1_000_000_000;
    Trouble::new(format!("no reply for {seconds} s: {outstanding} messages are unanswered"))
}
