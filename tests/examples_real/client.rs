//! Clients that speak in lines, from whichever local address a test needs.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use socket2::{Domain, Socket, Type};

use crate::example::{PATIENCE, lines_of};

/// A TCP client.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn to(server: SocketAddr) -> Self {
        Self::from([127, 0, 0, 1].into(), server)
    }

    /// A client with this address, of those that all mean the machine itself.
    pub(crate) fn from(local: IpAddr, server: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((local, 0)).into()).expect("a local address");
        socket.connect(&server.into()).expect("it listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("the server reads");
    }

    /// Sends no more.
    pub(crate) fn finish(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).expect("it is connected");
    }

    /// The next line, without its end; empty if there is none any more.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line, or the end");
        line.trim_end().to_owned()
    }

    /// The next so many lines are these.
    pub(crate) fn expect(&mut self, lines: &[&str]) {
        lines.iter().for_each(|expected| assert_eq!(self.line(), *expected));
    }

    /// All that comes until the server closes, in whichever way: who is turned away at the door may
    /// see a reset.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
        String::from_utf8(rest).expect("text")
    }

    /// Nothing more has come, not even the end.
    pub(crate) fn is_waiting(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).expect("a socket can be told");
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).expect("a socket can be told");
        self.0.buffer().is_empty()
            && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The socket, to be set up otherwise.
    pub(crate) fn socket(&self) -> socket2::SockRef<'_> {
        socket2::SockRef::from(self.0.get_ref())
    }
}

/// What speaks to a server in lines: a [`Client`], or `nc`.
pub(crate) trait Speaker {
    fn send(&mut self, text: &str);
    fn line(&mut self) -> String;
    /// Whether the server has closed, and nothing came before.
    fn is_at_end(&mut self) -> bool;
}

impl Speaker for Client {
    fn send(&mut self, text: &str) {
        Self::send(self, text);
    }

    fn line(&mut self) -> String {
        Self::line(self)
    }

    fn is_at_end(&mut self) -> bool {
        self.rest().is_empty()
    }
}

/// A running `nc`.
pub(crate) struct Netcat {
    child: Child,
    output: Receiver<String>,
}

impl Netcat {
    /// One that is connected, unless there is no such program.
    pub(crate) fn to(server: SocketAddr) -> Option<Self> {
        let mut child = Command::new("nc")
            .args([server.ip().to_string(), server.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let output = lines_of(child.stdout.take());
        Some(Self { child, output })
    }
}

impl Speaker for Netcat {
    fn send(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(text.as_bytes()).expect("it reads");
    }

    fn line(&mut self) -> String {
        self.output.recv_timeout(PATIENCE).expect("a line")
    }

    fn is_at_end(&mut self) -> bool {
        // It waits for the end of both sides.
        drop(self.child.stdin.take());
        self.output.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected)
    }
}

impl Drop for Netcat {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
