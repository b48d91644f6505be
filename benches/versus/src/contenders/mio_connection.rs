//! A connection over a socket of mio's: shared by the contenders that leave the rest to their user.

use std::io::{self, ErrorKind, Read as _, Write as _};

use mio::Interest;
use mio::net::{TcpStream, UdpSocket};

use super::frames::Frames;
use crate::workload::Protocol;

/// One peer, and what the kernel has not taken of what is meant for it.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    protocol: Protocol,
    frames: Frames,
    unsent: Vec<u8>,
}

/// Where all connections are read into, and where answers are put together.
pub(super) struct Buffers {
    pub(super) input: Vec<u8>,
    pub(super) answers: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { input: vec![0; super::SHARED_BUFFER_LEN], answers: Vec::new() }
    }
}

impl Connection {
    /// A connection that has just been accepted.
    ///
    /// # Errors
    ///
    /// What the socket says.
    pub(super) fn new(stream: TcpStream, protocol: Protocol) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, protocol, frames: Frames::default(), unsent: Vec::new() })
    }

    /// What is waited for: as long as a peer does not take what it is owed, it is not read.
    pub(super) fn interest(&self) -> Interest {
        if self.unsent.is_empty() { Interest::READABLE } else { Interest::WRITABLE }
    }

    /// Sends what waits, then reads and answers until the socket has no more, or takes no more.
    /// Says whether the connection is done.
    ///
    /// # Errors
    ///
    /// What the socket says, or if a frame is too long.
    pub(super) fn make_progress(&mut self, buffers: &mut Buffers) -> io::Result<bool> {
        let waiting = std::mem::take(&mut self.unsent);
        self.send(&waiting)?;
        while self.unsent.is_empty() {
            let arrived = match self.stream.read(&mut buffers.input) {
                Ok(0) => return Ok(true),
                Ok(n) => &buffers.input[..n],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let answers = self.frames.answer(self.protocol, arrived, &mut buffers.answers)?;
            self.send(answers)?;
        }
        Ok(false)
    }

    /// Sends all that the kernel takes, and keeps the rest.
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }
}

/// Sends back each datagram that waits.
///
/// # Errors
///
/// What the socket says when it is read. What cannot be sent is lost, as datagrams may be.
pub(super) fn echo_datagrams(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match socket.recv_from(buffer) {
            Ok((len, sender)) => drop(socket.send_to(&buffer[..len], sender)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
