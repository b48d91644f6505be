//! The system's network, with peers on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::io::IoSlice;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::task::Waker;
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use signal_hook::low_level;
use socket2::{Domain, SockRef, Socket, Type};
use windlass::Reactor;
use windlass::network::{Network, OsNetwork};

use super::{End, Peer, World};

struct OsWorld {
    network: OsNetwork,
    peers: Vec<OsPeer>,
    servers: BTreeMap<SocketAddr, TcpListener>,
    /// Sockets that keep others from listening at their addresses, and do not listen themselves.
    silent: Vec<Socket>,
    mailboxes: BTreeMap<SocketAddr, UdpSocket>,
}

struct OsPeer {
    stream: Option<TcpStream>,
    address: SocketAddr,
    unsent: Vec<u8>,
    has_finished: bool,
    is_stalled: bool,
    received: Vec<u8>,
    end: Option<End>,
}

/// The system's network, and nobody there yet.
pub(crate) fn world() -> Box<dyn World> {
    let network = OsNetwork::new().unwrap();
    Box::new(OsWorld {
        network,
        peers: Vec::new(),
        servers: BTreeMap::new(),
        silent: Vec::new(),
        mailboxes: BTreeMap::new(),
    })
}

/// A socket with buffers that hold little.
fn short_socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    socket.set_send_buffer_size(8192).unwrap();
    socket
}

/// Such a socket at an address of its own.
fn bound_socket() -> (Socket, SocketAddr) {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let socket = short_socket(anywhere);
    socket.bind(&anywhere.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

impl OsPeer {
    fn new(address: SocketAddr) -> Self {
        Self {
            stream: None,
            address,
            unsent: Vec::new(),
            has_finished: false,
            is_stalled: false,
            received: Vec::new(),
            end: None,
        }
    }

    fn connect(socket: Socket, listener: SocketAddr) -> Self {
        let mut peer = Self::new(listener);
        match socket.connect(&listener.into()) {
            Ok(()) => {
                socket.set_nonblocking(true).unwrap();
                let stream = TcpStream::from(socket);
                peer.address = stream.local_addr().unwrap();
                peer.stream = Some(stream);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
                peer.end = Some(End::Refused);
            }
        }
        peer
    }

    fn go_on(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        while !self.unsent.is_empty() {
            // Why it fails, if not for want of room, is found by reading.
            let Ok(len) = stream.write(&self.unsent) else { break };
            self.unsent.drain(..len);
        }
        if self.has_finished && self.unsent.is_empty() {
            self.has_finished = false;
            // It fails if the other end has gone.
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut buffer = [0; 4096];
        while self.end.is_none() && !self.is_stalled {
            match stream.read(&mut buffer) {
                Ok(0) => self.end = Some(End::Finished),
                Ok(len) => self.received.extend(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                    self.end = Some(End::Reset);
                }
            }
        }
    }
}

impl World for OsWorld {
    fn network(&mut self) -> &mut dyn Network {
        &mut self.network
    }

    fn go_on(&mut self) {
        self.peers.iter_mut().for_each(OsPeer::go_on);
    }

    fn audit(&self, _: &Reactor) {}

    fn connect(&mut self, listener: SocketAddr) -> Peer {
        self.peers.push(OsPeer::connect(short_socket(listener), listener));
        self.peers.len() - 1
    }

    fn connect_from(&mut self, host: Ipv4Addr, listener: SocketAddr) -> Peer {
        let socket = short_socket(listener);
        socket.bind(&SocketAddr::from((host, 0)).into()).unwrap();
        self.peers.push(OsPeer::connect(socket, listener));
        self.peers.len() - 1
    }

    fn address(&self, peer: Peer) -> SocketAddr {
        self.peers[peer].address
    }

    fn serve(&mut self) -> SocketAddr {
        let (socket, address) = bound_socket();
        socket.listen(16).unwrap();
        socket.set_nonblocking(true).unwrap();
        self.servers.insert(address, socket.into());
        address
    }

    fn nobody(&mut self) -> SocketAddr {
        let (socket, address) = bound_socket();
        self.silent.push(socket);
        address
    }

    fn reached(&mut self, address: SocketAddr) -> Option<Peer> {
        let (stream, _) = match self.servers[&address].accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            answer => answer.unwrap(),
        };
        stream.set_nonblocking(true).unwrap();
        self.peers.push(OsPeer { stream: Some(stream), ..OsPeer::new(address) });
        Some(self.peers.len() - 1)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.peers[peer].unsent.extend(bytes);
        self.peers[peer].go_on();
    }

    fn finish(&mut self, peer: Peer) {
        self.peers[peer].has_finished = true;
        self.peers[peer].go_on();
    }

    fn reset(&mut self, peer: Peer) {
        let stream = self.peers[peer].stream.take().unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn stall(&mut self, peer: Peer) {
        self.peers[peer].is_stalled = true;
    }

    fn resume(&mut self, peer: Peer) {
        self.peers[peer].is_stalled = false;
    }

    fn received(&self, peer: Peer) -> &[u8] {
        &self.peers[peer].received
    }

    fn end(&self, peer: Peer) -> Option<End> {
        self.peers[peer].end
    }

    fn open_datagrams(&mut self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        self.mailboxes.insert(address, socket);
        address
    }

    fn closed_datagrams(&mut self) -> SocketAddr {
        UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    fn close_datagrams(&mut self, at: SocketAddr) {
        self.mailboxes.remove(&at);
    }

    fn send_datagram(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        assert_eq!(self.mailboxes[&from].send_to(payload, to).unwrap(), payload.len());
    }

    #[cfg(target_os = "linux")]
    fn send_joined(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], len: usize) {
        let len = u16::try_from(len).unwrap();
        let control = [ControlMessage::UdpGsoSegments(&len)];
        let to = SockaddrStorage::from(to);
        let (fd, parts) = (self.mailboxes[&from].as_raw_fd(), [IoSlice::new(bytes)]);
        let sent = sendmsg(fd, &parts, &control, MsgFlags::empty(), Some(&to));
        assert_eq!(sent, Ok(bytes.len()));
    }

    #[cfg(not(target_os = "linux"))]
    fn send_joined(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], len: usize) {
        bytes.chunks(len).for_each(|payload| self.send_datagram(from, to, payload));
    }

    fn take_datagrams(&mut self, at: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut buffer = vec![0; 65_536];
        let mut taken = Vec::new();
        while let Ok((len, from)) = self.mailboxes[&at].recv_from(&mut buffer) {
            taken.push((from, buffer[..len].to_vec()));
        }
        taken
    }

    fn raise(&mut self, signal: i32) {
        low_level::raise(signal).unwrap();
    }

    fn raise_soon(&mut self, signal: i32) {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            low_level::raise(signal).unwrap();
        });
    }

    fn wake_soon(&mut self, waker: Waker) {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            waker.wake();
        });
    }
}
