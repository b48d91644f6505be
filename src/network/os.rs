//! The operating system's network: the only place that knows mio, socket2, signal-hook and the
//! clock.

#[cfg(target_os = "linux")]
mod clock;
mod connecting;
mod datagrams;
mod descriptors;
mod errors;
mod events;
mod signals;
mod slots;
mod sockets;
mod waking;

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::Waker;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Poll, Registry};
use socket2::SockRef;

use self::clock::Clock;
use self::datagrams::{Desk, Port};
use self::errors::{accept_error, connect_error, not_found, progress, transfer};
use self::events::{interest, readiness, to_mio};
use self::signals::Signals;
use self::slots::Slots;
use super::{AcceptError, ConnectError, Event, Network, Progress, REFUSED_READ_LEN};
use super::{SocketOptions, Transfer};
use crate::batch::{Incoming, Outgoing};
use crate::instant::Instant;
use crate::token::Token;

#[cfg(not(all(unix, target_pointer_width = "64")))]
compile_error!("only Unix: signals need a pipe; only 64 bits: a token goes through mio as a usize");

/// How many events are asked for at a time if the caller's vector has no capacity.
const DEFAULT_EVENTS: usize = 1024;

/// `MSG_NOSIGNAL`: a write to a broken connection is an error, not a signal that kills a program
/// which has not asked to ignore it. Other systems' numbers are not known here.
const NO_SIGNAL: i32 =
    if cfg!(any(target_os = "linux", target_os = "android")) { 0x4000 } else { 0 };

/// The operating system's network.
///
/// Sockets are registered once, for both directions and edge-triggered, when they are opened or
/// adopted; but those of UDP for sending only while something waits to be sent. To close one is to
/// close its descriptor: no descriptor is ever duplicated, so the kernel then forgets the
/// registration by itself, and a system call is saved.
///
/// Signals that are [watched](Network::watch_signals) are counted until two have been taken; from
/// then on, and again once the network is dropped, they do what they do by default, so that a third
/// ends a process that hangs. The handler stays in place for that: a signal that was ignored, or
/// had another handler by other means than signal-hook's, does not get that back.
///
/// ```
/// use std::time::Duration;
/// use windlass::network::{Network, OsNetwork, Token};
/// use windlass::SocketOptions;
///
/// let mut network = OsNetwork::new()?;
/// let anywhere = "127.0.0.1:0".parse().unwrap();
/// let address = network.listen(Token::endpoint(0), anywhere, &SocketOptions::default())?;
/// let _client = std::net::TcpStream::connect(address)?;
/// let mut events = Vec::new();
/// network.poll(&mut events, Some(Duration::from_secs(5)))?;
/// assert_eq!(events[0].token, Token::endpoint(0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct OsNetwork {
    poll: Poll,
    events: mio::Events,
    clock: Clock,
    /// Listeners and UDP sockets, by endpoint.
    own: Vec<Option<OwnSocket>>,
    connections: Slots,
    desk: Desk,
    /// The peer that was accepted and is neither adopted nor refused yet.
    hand: Option<TcpStream>,
    signals: Option<Signals>,
    waker: Option<Waker>,
}

/// An endpoint's own socket.
#[derive(Debug)]
enum OwnSocket {
    Listener { socket: TcpListener, nodelay: bool },
    Udp(Port),
}

impl OsNetwork {
    /// A network without sockets, whose clock starts now.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left for the poll.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: mio::Events::with_capacity(0),
            clock: Clock::start()?,
            own: Vec::new(),
            connections: Slots::default(),
            desk: Desk::default(),
            hand: None,
            signals: None,
            waker: None,
        })
    }

    /// Sleeps until there are events or the timeout has passed. An interrupted sleep ends with
    /// whatever has happened by then.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut result = self.poll.poll(&mut self.events, timeout);
        while result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            result = self.poll.poll(&mut self.events, Some(Duration::ZERO));
        }
        result
    }

    /// Names a connection and watches it.
    fn insert(&mut self, connection: Token, mut stream: TcpStream) -> io::Result<()> {
        if !connection.is_connection() {
            return Err(ErrorKind::InvalidInput.into());
        }
        if self.connections.is_taken(connection) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.poll.registry().register(&mut stream, to_mio(connection), interest())?;
        self.connections.insert(connection, stream);
        Ok(())
    }

    fn listener(&self, token: Token) -> io::Result<(&TcpListener, bool)> {
        match self.own_socket(token) {
            Some(OwnSocket::Listener { socket, nodelay }) => Ok((socket, *nodelay)),
            _ => Err(not_found()),
        }
    }

    /// A UDP socket, and what it shares with others.
    fn udp(&mut self, token: Token) -> io::Result<(&mut Port, &mut Desk, &Registry)> {
        let own = if token.is_connection() { &mut [] } else { &mut self.own[..] };
        match own.get_mut(token.endpoint_index()) {
            Some(Some(OwnSocket::Udp(port))) => Ok((port, &mut self.desk, self.poll.registry())),
            _ => Err(not_found()),
        }
    }

    fn own_socket(&self, token: Token) -> Option<&OwnSocket> {
        if token.is_connection() { None } else { self.own.get(token.endpoint_index())?.as_ref() }
    }

    /// The place for an endpoint's own socket, if it is one and still empty.
    fn own_place(&mut self, token: Token) -> io::Result<&mut Option<OwnSocket>> {
        let endpoint = token.endpoint_index();
        if token.is_connection() || endpoint >= Token::MAX_ENDPOINTS {
            return Err(ErrorKind::InvalidInput.into());
        }
        if self.own.len() <= endpoint {
            self.own.resize_with(endpoint + 1, || None);
        }
        let place = &mut self.own[endpoint];
        if place.is_some() { Err(ErrorKind::AlreadyExists.into()) } else { Ok(place) }
    }
}

impl AsFd for OsNetwork {
    /// The poll's own descriptor, which is readable while there are events: to be watched, edge- or
    /// level-triggered, by another loop that calls this one.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}

impl Network for OsNetwork {
    #[inline(always)]
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn poll(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        if events.capacity() == 0 {
            events.reserve(DEFAULT_EVENTS);
        }
        if self.events.capacity() != events.capacity() {
            self.events = mio::Events::with_capacity(events.capacity());
        }
        self.wait(timeout)?;
        events.extend(self.events.iter().map(|event| Event {
            token: Token::from_bits(event.token().0 as u64),
            readiness: readiness(event),
        }));
        Ok(())
    }

    fn socket_limit(&mut self, wanted: usize) -> Option<usize> {
        #[cfg(target_os = "linux")]
        {
            let own = self.own.iter().flatten().count() + usize::from(self.hand.is_some());
            descriptors::socket_limit(wanted, own + self.connections.count())
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = wanted;
            None
        }
    }

    fn listen(
        &mut self,
        listener: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        let (mut socket, bound) = sockets::open_listener(address, options)?;
        self.poll.registry().register(&mut socket, to_mio(listener), Interest::READABLE)?;
        *self.own_place(listener)? = Some(OwnSocket::Listener { socket, nodelay: options.nodelay });
        Ok(bound)
    }

    fn accept(&mut self, listener: Token) -> Result<Progress<SocketAddr>, AcceptError> {
        self.hand = None;
        let (socket, nodelay) = self.listener(listener).map_err(AcceptError::Broken)?;
        match progress(|| socket.accept()).map_err(accept_error)? {
            Progress::Done((stream, peer)) => {
                if cfg!(not(target_os = "linux")) {
                    // Linux lets it inherit this. If it fails the peer has gone, as reading will
                    // tell.
                    let _ = stream.set_nodelay(nodelay);
                }
                self.hand = Some(stream);
                Ok(Progress::Done(peer))
            }
            Progress::Blocked => Ok(Progress::Blocked),
        }
    }

    fn adopt(&mut self, connection: Token) -> io::Result<()> {
        let stream = self.hand.take().ok_or_else(not_found)?;
        self.insert(connection, stream)
    }

    fn refuse(&mut self, farewell: &[u8]) {
        let Some(mut stream) = self.hand.take() else { return };
        if farewell.is_empty() || progress(|| stream.write(farewell)).is_err() {
            return;
        }
        if stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        // To close with bytes unread is to reset, and a reset can overtake the farewell.
        let mut scratch = [0; 8 * 1024];
        for _ in 0..REFUSED_READ_LEN / scratch.len() {
            match progress(|| stream.read(&mut scratch)) {
                Ok(Progress::Done(len)) if len == scratch.len() => {}
                _ => return,
            }
        }
    }

    fn connect(
        &mut self,
        connection: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<(), ConnectError> {
        // Watched only now: a socket that has not begun to connect is told to have hung up.
        let stream = sockets::open_stream(address, options).map_err(connect_error)?;
        self.insert(connection, stream).map_err(connect_error)
    }

    fn connected(&mut self, connection: Token) -> Result<Progress<()>, ConnectError> {
        connecting::outcome(
            self.connections.find(connection).ok_or_else(not_found).map_err(connect_error)?,
        )
    }

    #[inline(always)]
    fn read(&mut self, connection: Token, buffer: &mut [u8]) -> Transfer {
        transfer(self.connections.find(connection), |mut stream| stream.read(buffer))
    }

    #[inline(always)]
    fn write(&mut self, connection: Token, bytes: &[u8]) -> Transfer {
        transfer(self.connections.find(connection), |mut stream| stream.write(bytes))
    }

    fn write_vectored(&mut self, connection: Token, parts: &[IoSlice<'_>]) -> Transfer {
        // Not the standard library's vectored write, which raises SIGPIPE.
        transfer(self.connections.find(connection), |stream| {
            stream.try_io(|| SockRef::from(stream).send_vectored_with_flags(parts, NO_SIGNAL))
        })
    }

    fn shutdown_write(&mut self, connection: Token) -> io::Result<()> {
        match self.connections.find(connection).ok_or_else(not_found)?.shutdown(Shutdown::Write) {
            // The peer has reset the connection: it will see no more anyway.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            other => other,
        }
    }

    fn local_addr(&self, connection: Token) -> io::Result<SocketAddr> {
        self.connections.find(connection).ok_or_else(not_found)?.local_addr()
    }

    fn bind(
        &mut self,
        socket: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        let (mut udp, bound) = sockets::open_udp(address, options)?;
        self.poll.registry().register(&mut udp, to_mio(socket), Interest::READABLE)?;
        *self.own_place(socket)? = Some(OwnSocket::Udp(Port::new(udp, bound, options)));
        Ok(bound)
    }

    fn receive(&mut self, socket: Token, batch: &mut Incoming) -> io::Result<Progress<()>> {
        let (port, desk, _) = self.udp(socket)?;
        port.receive(desk, batch)
    }

    fn send(&mut self, socket: Token, batch: &mut Outgoing) -> io::Result<Progress<()>> {
        let (port, desk, registry) = self.udp(socket)?;
        let progress = port.send(desk, batch)?;
        port.watch_room(registry, to_mio(socket), !batch.is_empty())?;
        Ok(progress)
    }

    fn close(&mut self, token: Token) {
        if token.is_connection() {
            drop(self.connections.remove(token));
        } else if let Some(place) = self.own.get_mut(token.endpoint_index()) {
            *place = None;
        }
    }

    fn abort(&mut self, connection: Token) {
        if let Some(stream) = self.connections.remove(connection) {
            // If it fails there is no connection any more that could be reset.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }

    fn waker(&mut self) -> io::Result<Waker> {
        let waker = match &mut self.waker {
            Some(waker) => waker,
            none => none.insert(waking::waker(self.poll.registry(), to_mio(Token::WAKE))?),
        };
        Ok(waker.clone())
    }

    fn watch_signals(&mut self, signals: &[i32]) -> io::Result<()> {
        let watched = match &mut self.signals {
            Some(watched) => watched,
            none => none.insert(Signals::new(self.poll.registry(), to_mio(Token::SIGNALS))?),
        };
        signals.iter().try_for_each(|signal| watched.watch(*signal))
    }

    fn take_signals(&mut self) -> usize {
        self.signals.as_mut().map_or(0, Signals::take)
    }
}
