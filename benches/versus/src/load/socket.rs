//! The load's connections: opened in small groups, so that no server's queue of those that wait to
//! be accepted runs over.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;

use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};

use super::histogram::Histogram;
use super::window::Window;
use crate::trouble::{Trouble, Trying as _};

/// So many connections are opened before one of them is answered: less than any server's queue.
pub(super) const GROUP: u32 = 64;

/// Whoever does not answer for so long does not answer at all. Under a tool that counts
/// instructions, a server is fifty times slower.
pub(super) const PATIENCE_MS: u16 = 20_000;

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

/// Sends one message and takes its reply. The stream blocks.
pub(super) fn exchange(stream: &mut TcpStream, window: &mut Window) -> Result<(), Trouble> {
    let mut histogram = Histogram::new();
    let mut buffer = vec![0; 64 * 1024];
    window.issue(1, 0);
    for part in window.unsent() {
        stream.write_all(&part).trying("cannot send")?;
    }
    let len = window.unsent().iter().map(|part| part.len()).sum();
    window.note_sent(len);
    while window.outstanding() > 0 {
        await_readable(stream)?;
        let len = stream.read(&mut buffer).trying("cannot receive")?;
        if len == 0 {
            return Err(closed(0, 1));
        }
        window.note_received(&buffer[..len], 0, &mut histogram)?;
    }
    Ok(())
}

/// Waits until something comes, but not forever.
pub(super) fn await_readable(stream: &TcpStream) -> Result<(), Trouble> {
    let mut sources = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    match poll(&mut sources, PollTimeout::from(PATIENCE_MS)).trying("cannot wait")? {
        0 => Err(no_reply(1)),
        _ => Ok(()),
    }
}

pub(super) fn closed(connection: usize, outstanding: u64) -> Trouble {
    Trouble::new(format!(
        "the server closed connection {connection}, of which {outstanding} messages are unanswered"
    ))
}

pub(super) fn no_reply(outstanding: u64) -> Trouble {
    Trouble::new(format!("no reply for {PATIENCE_MS} ms: {outstanding} messages are unanswered"))
}
