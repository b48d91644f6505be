//! mio by hand, after its own examples `tcp_server` and `udp_server`.
//!
//! As there, connections are found in a map by their token, are read until the socket would block,
//! and are registered for writing only while something waits to be written.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, ErrorKind};

use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Registry, Token};

use super::mio_connection::{Buffers, Connection, echo_datagrams};
use super::{ALL, Contender, DATAGRAM_LEN, Threads, announce};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "mio",
    about: "mio by hand, after its own example",
    protocols: ALL,
    threads: Threads::One,
    serve,
};

const SERVER: Token = Token(0);
const EVENTS_LEN: usize = 1024;

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    match protocol {
        Protocol::Datagram => Ok(serve_datagrams()?),
        _ => Ok(serve_streams(protocol)?),
    }
}

/// What outlives an event.
struct Server {
    poll: Poll,
    listener: TcpListener,
    protocol: Protocol,
    connections: HashMap<Token, Connection>,
    next_token: Token,
    buffers: Buffers,
}

fn serve_streams(protocol: Protocol) -> io::Result<()> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::from_std(super::listen_nonblocking()?);
    poll.registry().register(&mut listener, SERVER, Interest::READABLE)?;
    announce(listener.local_addr()?, protocol);
    let mut server = Server {
        poll,
        listener,
        protocol,
        connections: HashMap::new(),
        next_token: Token(SERVER.0 + 1),
        buffers: Buffers::new(),
    };
    let mut events = Events::with_capacity(EVENTS_LEN);
    loop {
        poll_uninterrupted(&mut server.poll, &mut events)?;
        for event in &events {
            match event.token() {
                SERVER => server.accept_all()?,
                token => server.serve_connection(token)?,
            }
        }
    }
}

impl Server {
    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let token = self.next_token;
            self.next_token = Token(token.0 + 1);
            let mut connection = Connection::new(stream, self.protocol)?;
            let interest = connection.interest();
            self.poll.registry().register(&mut connection.stream, token, interest)?;
            self.connections.insert(token, connection);
        }
    }

    fn serve_connection(&mut self, token: Token) -> io::Result<()> {
        let registry = self.poll.registry();
        // Events for what is no more happen, and can be ignored.
        let Some(connection) = self.connections.get_mut(&token) else { return Ok(()) };
        let is_done = handle_connection_event(registry, token, connection, &mut self.buffers)
            // One peer's failure is not the server's.
            .unwrap_or(true);
        if is_done {
            registry.deregister(&mut connection.stream)?;
            self.connections.remove(&token);
        }
        Ok(())
    }
}

/// Says whether the connection is done.
fn handle_connection_event(
    registry: &Registry,
    token: Token,
    connection: &mut Connection,
    buffers: &mut Buffers,
) -> io::Result<bool> {
    let interest_before = connection.interest();
    let is_done = connection.make_progress(buffers)?;
    let interest = connection.interest();
    if interest != interest_before {
        registry.reregister(&mut connection.stream, token, interest)?;
    }
    Ok(is_done)
}

fn serve_datagrams() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut socket = UdpSocket::from_std(super::bind_udp_nonblocking()?);
    poll.registry().register(&mut socket, SERVER, Interest::READABLE)?;
    announce(socket.local_addr()?, Protocol::Datagram);
    let mut events = Events::with_capacity(1);
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        poll_uninterrupted(&mut poll, &mut events)?;
        // There is one socket only, so that any event is for it.
        echo_datagrams(&socket, &mut buffer)?;
    }
}

fn poll_uninterrupted(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    loop {
        match poll.poll(events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
