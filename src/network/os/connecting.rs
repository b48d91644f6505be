//! What has become of a connection that was begun.

use std::io::ErrorKind;

use mio::net::TcpStream;

use super::errors::connect_error;
use crate::network::{ConnectError, Progress};

/// Whether it is connected by now, and if so to somebody.
///
/// That there is no error does not mean that it is: an event can be false, and only a connected
/// socket has a peer.
pub(super) fn outcome(stream: &TcpStream) -> Result<Progress<()>, ConnectError> {
    if let Some(error) = stream.take_error().map_err(connect_error)? {
        return Err(connect_error(error));
    }
    let peer = match stream.peer_addr() {
        Ok(peer) => peer,
        Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(Progress::Blocked),
        Err(error) => return Err(connect_error(error)),
    };
    let local = stream.local_addr().map_err(connect_error)?;
    // Not the whole addresses: those of IPv6 carry more than says who it is.
    if (local.ip(), local.port()) == (peer.ip(), peer.port()) {
        return Err(ConnectError::SelfConnected);
    }
    Ok(Progress::Done(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::{SocketAddr, TcpListener};

    fn unconnected() -> Socket {
        Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()
    }

    fn outcome_of(socket: Socket) -> Result<Progress<()>, ConnectError> {
        outcome(&TcpStream::from_std(socket.into()))
    }

    #[test]
    fn a_connection_that_reaches_itself_is_none() {
        let socket = unconnected();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        assert!(matches!(outcome_of(socket), Err(ConnectError::SelfConnected)));
    }

    #[test]
    fn a_connection_that_reaches_somebody_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = unconnected();
        socket.connect(&listener.local_addr().unwrap().into()).unwrap();
        assert_eq!(outcome_of(socket).unwrap(), Progress::Done(()));
    }

    #[test]
    fn without_an_error_it_may_still_be_on_its_way() {
        assert_eq!(outcome_of(unconnected()).unwrap(), Progress::Blocked);
    }
}
