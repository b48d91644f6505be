//! What a listener does to the loop on which somebody is always waiting.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use windlass::network::{
    AcceptError, ConnectError, Event, Incoming, Network, Outgoing, Progress, Readiness, Token,
    Transfer,
};
use windlass::{AtLimit, Config, Error, Handler, Instant, Lines, Server, Session, SocketOptions};

use crate::fixture::{address, at_most};

/// More peers than any turn lets in or refuses.
const FAR_TOO_MANY: usize = 100_000;

struct Silent;

impl Handler for Silent {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// A network on whose listener the next peer waits as soon as one was taken, and whose peers do
/// nothing.
#[derive(Default)]
struct Endless {
    accepts: usize,
    is_closed: bool,
}

impl Network for Endless {
    fn now(&mut self) -> Instant {
        Instant::START
    }

    fn poll(&mut self, events: &mut Vec<Event>, _: Option<Duration>) -> io::Result<()> {
        events.clear();
        if self.accepts == 0 {
            events.push(Event { token: Token::endpoint(0), readiness: Readiness::READABLE });
        }
        Ok(())
    }

    fn socket_limit(&mut self, _: usize) -> Option<usize> {
        None
    }

    fn listen(
        &mut self,
        _: Token,
        address: SocketAddr,
        _: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        Ok(address)
    }

    fn accept(&mut self, _: Token) -> Result<Progress<SocketAddr>, AcceptError> {
        assert!(!self.is_closed, "the listener is closed");
        self.accepts += 1;
        assert!(self.accepts < FAR_TOO_MANY, "the turn does not end");
        Ok(Progress::Done(address(99)))
    }

    fn adopt(&mut self, _: Token) -> io::Result<()> {
        Ok(())
    }

    fn refuse(&mut self, _: &[u8]) {}

    fn connect(&mut self, _: Token, _: SocketAddr, _: &SocketOptions) -> Result<(), ConnectError> {
        Ok(())
    }

    fn connected(&mut self, _: Token) -> Result<Progress<()>, ConnectError> {
        Ok(Progress::Blocked)
    }

    fn read(&mut self, _: Token, _: &mut [u8]) -> Transfer {
        Transfer::Blocked
    }

    fn write(&mut self, _: Token, bytes: &[u8]) -> Transfer {
        Transfer::Done(bytes.len())
    }

    fn write_vectored(&mut self, _: Token, _: &[IoSlice<'_>]) -> Transfer {
        Transfer::Blocked
    }

    fn shutdown_write(&mut self, _: Token) -> io::Result<()> {
        Ok(())
    }

    fn local_addr(&self, _: Token) -> io::Result<SocketAddr> {
        Ok(address(0))
    }

    fn bind(&mut self, _: Token, address: SocketAddr, _: &SocketOptions) -> io::Result<SocketAddr> {
        Ok(address)
    }

    fn receive(&mut self, _: Token, _: &mut Incoming) -> io::Result<Progress<()>> {
        Ok(Progress::Blocked)
    }

    fn send(&mut self, _: Token, _: &mut Outgoing) -> io::Result<Progress<()>> {
        Ok(Progress::Blocked)
    }

    fn close(&mut self, token: Token) {
        self.is_closed |= !token.is_connection();
    }

    fn abort(&mut self, _: Token) {}

    fn waker(&mut self) -> io::Result<Waker> {
        Ok(Waker::noop().clone())
    }

    fn watch_signals(&mut self, _: &[i32]) -> io::Result<()> {
        Ok(())
    }

    fn take_signals(&mut self) -> usize {
        0
    }
}

#[test]
fn a_queue_that_never_empties_keeps_neither_a_turn_nor_a_drain_from_ending() {
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"full"));
    let config = Config { at_limit, ..at_most(3) };
    let mut network = Endless::default();
    let server = Server::with_config(config.clone()).tcp(address(0), Silent);
    let mut reactor = server.build_on(&mut network).expect("the server can be built");

    reactor.turn(&mut network, None).expect("the loop goes on");
    assert_eq!(network.accepts, config.accept_budget);
    assert_eq!(reactor.connections_len(), 3);

    reactor.drain();
    reactor.turn(&mut network, None).expect("the loop goes on");
    // The backlog and one more is what a queue holds when the drain begins.
    let queue_len = config.socket.backlog as usize + 1;
    assert_eq!(network.accepts, config.accept_budget + queue_len);
    assert!(network.is_closed);
}
