//! mill-io, in the mode that it recommends for fast handlers: on the thread of the loop.
//!
//! After its example of an echo server, but with a lock for each connection instead of one for all,
//! and with what the kernel does not take kept until it does.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mill_io::reactor::{DEFAULT_EVENTS_CAPACITY, DEFAULT_POLL_TIMEOUT_MS};
use mill_io::{Event, EventHandler, EventLoop};
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Interest, Token};

use super::mio_connection::{Buffers, Connection, echo_datagrams};
use super::{ALL, Contender, DATAGRAM_LEN, Threads, announce};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "mill-io",
    about: "mill-io, handlers on the loop's thread",
    protocols: ALL,
    threads: Threads::One,
    serve,
};

/// What all handlers use. They run one at a time, but have to be fit for more.
struct Shared {
    event_loop: EventLoop,
    protocol: Protocol,
    buffers: Mutex<Buffers>,
}

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let event_loop = EventLoop::new_low_latency(DEFAULT_EVENTS_CAPACITY, DEFAULT_POLL_TIMEOUT_MS)?;
    let shared = Arc::new(Shared { event_loop, protocol, buffers: Mutex::new(Buffers::new()) });
    if protocol == Protocol::Datagram {
        register_datagrams(&shared)?;
    } else {
        register_listener(&shared)?;
    }
    shared.event_loop.run()
}

fn register_listener(shared: &Arc<Shared>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::from_std(super::listen_nonblocking()?);
    announce(listener.local_addr()?, shared.protocol);
    let listener = Arc::new(Mutex::new(listener));
    let handler = ListenerHandler { listener: Arc::clone(&listener), shared: Arc::clone(shared) };
    let token = shared.event_loop.alloc_token();
    shared.event_loop.register(&mut *lock(&listener), token, Interest::READABLE, handler)
}

fn register_datagrams(shared: &Shared) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::from_std(super::bind_udp_nonblocking()?);
    announce(socket.local_addr()?, shared.protocol);
    let socket = Arc::new(Mutex::new(socket));
    let buffer = Mutex::new(vec![0; DATAGRAM_LEN]);
    let handler = DatagramHandler { socket: Arc::clone(&socket), buffer };
    let token = shared.event_loop.alloc_token();
    shared.event_loop.register(&mut *lock(&socket), token, Interest::READABLE, handler)
}

/// Accepts whoever comes.
struct ListenerHandler {
    listener: Arc<Mutex<TcpListener>>,
    shared: Arc<Shared>,
}

impl EventHandler for ListenerHandler {
    fn handle_event(&self, _event: &Event) {
        let listener = lock(&self.listener);
        loop {
            match listener.accept() {
                // Who cannot be registered is closed.
                Ok((stream, _)) => drop(open(&self.shared, stream)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    return;
                }
            }
        }
    }
}

fn open(shared: &Arc<Shared>, stream: TcpStream) -> mill_io::error::Result<()> {
    let connection = Connection::new(stream, shared.protocol)?;
    let interest = connection.interest();
    let token = shared.event_loop.alloc_token();
    let connection = Arc::new(Mutex::new(Some(connection)));
    let handler = ConnectionHandler {
        token,
        connection: Arc::clone(&connection),
        shared: Arc::clone(shared),
    };
    if let Some(connection) = lock(&connection).as_mut() {
        shared.event_loop.register(&mut connection.stream, token, interest, handler)?;
    }
    Ok(())
}

/// Echoes what one peer sends.
struct ConnectionHandler {
    token: Token,
    /// Taken out when it is done, since the loop may keep the handler for longer.
    connection: Arc<Mutex<Option<Connection>>>,
    shared: Arc<Shared>,
}

impl EventHandler for ConnectionHandler {
    fn handle_event(&self, _event: &Event) {
        let mut slot = lock(&self.connection);
        let Some(connection) = slot.as_mut() else { return };
        // A peer that fails is gone; nobody else is concerned.
        if self.make_progress(connection).unwrap_or(true) {
            let _ = self.shared.event_loop.deregister(&mut connection.stream, self.token);
            *slot = None;
        }
    }
}

impl ConnectionHandler {
    /// Says whether the connection is done.
    fn make_progress(&self, connection: &mut Connection) -> mill_io::error::Result<bool> {
        let interest_before = connection.interest();
        let is_done = connection.make_progress(&mut lock(&self.shared.buffers))?;
        let interest = connection.interest();
        if interest != interest_before {
            self.shared.event_loop.reregister(&mut connection.stream, self.token, interest)?;
        }
        Ok(is_done)
    }
}

/// Sends each datagram back.
struct DatagramHandler {
    socket: Arc<Mutex<UdpSocket>>,
    buffer: Mutex<Vec<u8>>,
}

impl EventHandler for DatagramHandler {
    fn handle_event(&self, _event: &Event) {
        if let Err(error) = echo_datagrams(&lock(&self.socket), &mut lock(&self.buffer)) {
            eprintln!("cannot receive: {error}");
        }
    }
}

/// A panic while it was held has ended no invariant of what is locked here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
