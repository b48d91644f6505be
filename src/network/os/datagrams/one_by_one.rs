//! Datagrams in and out of a UDP socket, a system call for each.

use std::io;

use mio::net::UdpSocket;

use crate::batch::{Incoming, Outgoing};
use crate::network::Progress;
use crate::network::os::errors::progress;

/// Receives until the batch, which is empty, is full or no more is there.
///
/// An error that comes when there are datagrams already is dropped, being an earlier datagram's,
/// which nobody waits for: so no datagram is left behind it. A second one in a row is returned.
pub(super) fn receive(socket: &UdpSocket, batch: &mut Incoming) -> io::Result<Progress<()>> {
    let mut may_drop_error = false;
    while let Some(room) = batch.room() {
        match progress(|| socket.recv_from(room)) {
            Ok(Progress::Done((len, sender))) => {
                batch.push(sender, len);
                may_drop_error = true;
            }
            Ok(Progress::Blocked) if batch.is_empty() => return Ok(Progress::Blocked),
            Ok(Progress::Blocked) => break,
            Err(_) if may_drop_error => may_drop_error = false,
            Err(error) => return Err(error),
        }
    }
    Ok(Progress::Done(()))
}

/// Sends until the batch is empty or the socket takes no more.
pub(super) fn send(socket: &UdpSocket, batch: &mut Outgoing) -> io::Result<Progress<()>> {
    send_some(socket, batch, usize::MAX)
}

/// Sends so many datagrams, or fewer if there are no more or the socket takes no more.
///
/// A full queue of a device (`ENOBUFS`) is an error like others, not `Blocked`: no event would tell
/// of its end.
pub(super) fn send_some(
    socket: &UdpSocket,
    batch: &mut Outgoing,
    count: usize,
) -> io::Result<Progress<()>> {
    for sent in 0..count {
        let Some((receiver, payload)) = batch.front() else { break };
        match progress(|| socket.send_to(payload, receiver))? {
            Progress::Done(_) => batch.pop(),
            Progress::Blocked if sent > 0 => break,
            Progress::Blocked => return Ok(Progress::Blocked),
        }
    }
    Ok(Progress::Done(()))
}
