//! Batches of datagrams, in and out of a UDP socket.

use std::io;

use mio::net::UdpSocket;

use super::errors::progress;
use crate::batch::{Incoming, Outgoing};
use crate::network::Progress;

/// Receives until the batch is full or no more is there.
///
/// An error that comes when there are datagrams already is dropped, being an earlier datagram's,
/// which nobody waits for: so no datagram is left behind it. A second one in a row is returned.
pub(super) fn receive(socket: &UdpSocket, batch: &mut Incoming) -> io::Result<Progress<()>> {
    batch.clear();
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
///
/// A full queue of a device (`ENOBUFS`) is an error like others, not `Blocked`: no event would tell
/// of its end.
pub(super) fn send(socket: &UdpSocket, batch: &mut Outgoing) -> io::Result<Progress<()>> {
    let mut sent = false;
    while let Some((receiver, payload)) = batch.front() {
        match progress(|| socket.send_to(payload, receiver))? {
            Progress::Done(_) => batch.pop(),
            Progress::Blocked if sent => break,
            Progress::Blocked => return Ok(Progress::Blocked),
        }
        sent = true;
    }
    Ok(Progress::Done(()))
}
