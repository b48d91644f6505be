//! Opening sockets, with everything set that must be set before they are bound.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream, UdpSocket};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::errors::is_in_progress;
use crate::network::SocketOptions;

/// A listener, listening, and where.
///
/// On Linux, connections inherit from it what is set here (`TCP_NODELAY`, keepalive, the buffers'
/// sizes), so that accepting one costs no call for it.
pub(super) fn open_listener(
    address: SocketAddr,
    options: &SocketOptions,
) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = open_to_bind(Type::STREAM, Protocol::TCP, address, options)?;
    // So that a server that was restarted need not wait for its former connections to be forgotten.
    socket.set_reuse_address(true)?;
    set_stream_options(&socket, options)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    let listener = TcpListener::from_std(socket.into());
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// A connection that has begun, and whose outcome is not known.
pub(super) fn open_stream(address: SocketAddr, options: &SocketOptions) -> io::Result<TcpStream> {
    let socket = open(Type::STREAM, Protocol::TCP, address, options)?;
    set_stream_options(&socket, options)?;
    match socket.connect(&address.into()) {
        Err(error) if !is_in_progress(&error) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// A UDP socket, bound, and where.
pub(super) fn open_udp(
    address: SocketAddr,
    options: &SocketOptions,
) -> io::Result<(UdpSocket, SocketAddr)> {
    // Without SO_REUSEADDR: on Linux it would let two UDP sockets share an address unasked.
    let socket = open_to_bind(Type::DGRAM, Protocol::UDP, address, options)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into());
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

/// A socket for an address of this host.
fn open_to_bind(
    kind: Type,
    protocol: Protocol,
    address: SocketAddr,
    options: &SocketOptions,
) -> io::Result<Socket> {
    let socket = open(kind, protocol, address, options)?;
    if address.is_ipv6() {
        socket.set_only_v6(options.v6_only)?;
    }
    if options.reuse_port {
        set_reuse_port(&socket)?;
    }
    Ok(socket)
}

/// A socket that does not block and is not handed on to child processes.
fn open(
    kind: Type,
    protocol: Protocol,
    address: SocketAddr,
    options: &SocketOptions,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    // Before listening or connecting, since the handshake already announces a window that fits the
    // buffer.
    if let Some(len) = options.send_buffer_len {
        socket.set_send_buffer_size(len.min(MAX_BUFFER_LEN))?;
    }
    if let Some(len) = options.receive_buffer_len {
        socket.set_recv_buffer_size(len.min(MAX_BUFFER_LEN))?;
    }
    Ok(socket)
}

/// What a connection has, or inherits from its listener.
fn set_stream_options(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(options.nodelay)?;
    if let Some(silence) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(whole_seconds(silence)))?;
    }
    Ok(())
}

/// The kernel takes the size as a signed number of 32 bits.
const MAX_BUFFER_LEN: usize = i32::MAX as usize;

#[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
fn set_reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(any(target_os = "solaris", target_os = "illumos"))]
fn set_reuse_port(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The kernel counts the time to the first keepalive probe in seconds, from 1 to 32,767.
fn whole_seconds(silence: Duration) -> Duration {
    let started = u64::from(silence.subsec_nanos() > 0);
    Duration::from_secs(silence.as_secs().saturating_add(started).clamp(1, 32_767))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keepalive_is_rounded_up_to_what_the_kernel_takes() {
        assert_eq!(whole_seconds(Duration::ZERO), Duration::from_secs(1));
        assert_eq!(whole_seconds(Duration::from_millis(1)), Duration::from_secs(1));
        assert_eq!(whole_seconds(Duration::from_millis(2001)), Duration::from_secs(3));
        assert_eq!(whole_seconds(Duration::MAX), Duration::from_secs(32_767));
    }

    /// Options that no connection has by itself.
    #[cfg(target_os = "linux")]
    fn unusual() -> SocketOptions {
        SocketOptions {
            keepalive: Some(Duration::from_secs(77)),
            send_buffer_len: Some(8192),
            receive_buffer_len: Some(10_000),
            ..SocketOptions::default()
        }
    }

    #[cfg(target_os = "linux")]
    fn assert_unusual(stream: &TcpStream) {
        let stream = socket2::SockRef::from(stream);
        assert!(stream.tcp_nodelay().unwrap());
        assert!(stream.keepalive().unwrap());
        assert_eq!(stream.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
        // The kernel doubles both, for its own bookkeeping.
        assert_eq!(stream.send_buffer_size().unwrap(), 16_384);
        assert_eq!(stream.recv_buffer_size().unwrap(), 20_000);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_inherits_the_options_of_its_listener() {
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let (listener, address) = open_listener(anywhere, &unusual()).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        assert_unusual(&listener.accept().unwrap().0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_that_is_begun_has_the_options_of_a_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let options = SocketOptions { reuse_port: true, ..unusual() };
        let stream = open_stream(address, &options).unwrap();
        assert_unusual(&stream);
        assert!(!socket2::SockRef::from(&stream).reuse_port().unwrap());
    }

    #[test]
    fn a_connection_to_a_mapped_address_is_one_of_ipv4() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mapped = format!("[::ffff:127.0.0.1]:{port}").parse().unwrap();
        if let Err(error) = open_stream(mapped, &SocketOptions::default()) {
            // A machine without IPv6 has another reason.
            assert_ne!(error.kind(), io::ErrorKind::NetworkUnreachable);
        }
    }

    #[test]
    fn both_wildcards_can_be_bound_to_one_port() {
        let options = SocketOptions::default();
        let Ok((_six, address)) = open_listener("[::]:0".parse().unwrap(), &options) else {
            return; // A machine without IPv6.
        };
        let four = SocketAddr::from(([0, 0, 0, 0], address.port()));
        open_listener(four, &options).unwrap();
    }

    #[test]
    fn sharing_a_port_must_be_asked_for_by_both() {
        let shared = SocketOptions { reuse_port: true, ..SocketOptions::default() };
        let (_first, address) = open_listener("127.0.0.1:0".parse().unwrap(), &shared).unwrap();
        open_listener(address, &shared).unwrap();
        open_listener(address, &SocketOptions::default()).unwrap_err();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_socket_for_datagrams_has_the_buffers_it_was_given() {
        let (socket, _) = open_udp("127.0.0.1:0".parse().unwrap(), &unusual()).unwrap();
        let socket = socket2::SockRef::from(&socket);
        assert_eq!(socket.send_buffer_size().unwrap(), 16_384);
        assert_eq!(socket.recv_buffer_size().unwrap(), 20_000);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn as_many_wait_in_the_queue_as_the_backlog_says_and_one_more() {
        for backlog in [1, 5] {
            let options = SocketOptions { backlog, ..SocketOptions::default() };
            let (_listener, address) =
                open_listener("127.0.0.1:0".parse().unwrap(), &options).unwrap();
            let peers: Vec<_> = (0..2 * backlog + 5)
                .map(|_| open_stream(address, &SocketOptions::default()).unwrap())
                .collect();
            // Over loopback, whoever fits in is connected when the call returns.
            let connected = peers.iter().filter(|peer| peer.peer_addr().is_ok()).count();
            assert_eq!(connected, backlog as usize + 1);
        }
    }
}
