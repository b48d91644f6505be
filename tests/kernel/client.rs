//! A client that keeps what it was sent, whatever becomes of its connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::example::PATIENCE;

/// A TCP client that fails instead of waiting for ever.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    end: Option<End>,
}

/// How a connection ended, seen from the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Finished,
    Broken,
}

impl Client {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        Self { stream, received: Vec::new(), end: None }
    }

    /// The socket, to be set up otherwise.
    pub(crate) fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.stream)
    }

    /// Sends, to a server that may have closed.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            assert!(is_break(error.kind()), "{error}");
        }
    }

    /// Sends no more.
    pub(crate) fn finish(&self) {
        // It may be broken already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes so that the server sees a reset.
    pub(crate) fn reset(self) {
        self.socket().set_linger(Some(Duration::ZERO)).expect("a socket can be told");
    }

    /// What has come, without waiting for more.
    pub(crate) fn received(&mut self) -> &[u8] {
        self.stream.set_nonblocking(true).expect("a socket can be told");
        self.read_until(usize::MAX);
        self.stream.set_nonblocking(false).expect("a socket can be told");
        &self.received
    }

    /// The next bytes are these.
    pub(crate) fn expect(&mut self, expected: &[u8]) {
        self.read_until(expected.len());
        // Not `assert_eq`: nobody reads megabytes of numbers.
        assert!(self.received.starts_with(expected), "another answer than expected");
        self.received.drain(..expected.len());
    }

    /// What has come, once it is as much as this or all there is.
    pub(crate) fn received_until(&mut self, len: usize) -> &[u8] {
        self.read_until(len);
        &self.received
    }

    /// All that comes until the server closes.
    pub(crate) fn rest(&mut self) -> &[u8] {
        self.read_until(usize::MAX);
        assert!(self.end.is_some(), "the server does not close");
        &self.received
    }

    /// How it has ended, as far as was looked.
    pub(crate) const fn end(&self) -> Option<End> {
        self.end
    }

    fn read_until(&mut self, len: usize) {
        let mut room = [0; 16_384];
        while self.end.is_none() && self.received.len() < len {
            match self.stream.read(&mut room) {
                Ok(0) => self.end = Some(End::Finished),
                Ok(read) => self.received.extend_from_slice(&room[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if is_break(error.kind()) => self.end = Some(End::Broken),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn is_break(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
