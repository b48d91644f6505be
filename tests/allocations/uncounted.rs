//! A simulated network whose own memory is not counted.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use allocation_counter::opt_out;
use windlass::network::{
    AcceptError, ConnectError, Event, Incoming, Network, Outgoing, Progress, SimNetwork, Token,
    Transfer,
};
use windlass::{Instant, SocketOptions};

pub(crate) struct Uncounted(pub(crate) SimNetwork);

impl Uncounted {
    /// What `call` answers.
    fn call<T>(&mut self, call: impl FnOnce(&mut SimNetwork) -> T) -> T {
        let mut answer = None;
        opt_out(|| answer = Some(call(&mut self.0)));
        answer.expect("it was called")
    }
}

impl Network for Uncounted {
    fn now(&mut self) -> Instant {
        self.call(Network::now)
    }

    fn poll(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.call(|net| net.poll(events, timeout))
    }

    fn socket_limit(&mut self, wanted: usize) -> Option<usize> {
        self.call(|net| net.socket_limit(wanted))
    }

    fn listen(
        &mut self,
        listener: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        self.call(|net| net.listen(listener, address, options))
    }

    fn accept(&mut self, listener: Token) -> Result<Progress<SocketAddr>, AcceptError> {
        self.call(|net| net.accept(listener))
    }

    fn adopt(&mut self, connection: Token) -> io::Result<()> {
        self.call(|net| net.adopt(connection))
    }

    fn refuse(&mut self, farewell: &[u8]) {
        self.call(|net| net.refuse(farewell));
    }

    fn connect(
        &mut self,
        connection: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<(), ConnectError> {
        self.call(|net| Network::connect(net, connection, address, options))
    }

    fn connected(&mut self, connection: Token) -> Result<Progress<()>, ConnectError> {
        self.call(|net| net.connected(connection))
    }

    fn read(&mut self, connection: Token, buffer: &mut [u8]) -> Transfer {
        self.call(|net| net.read(connection, buffer))
    }

    fn write(&mut self, connection: Token, bytes: &[u8]) -> Transfer {
        self.call(|net| net.write(connection, bytes))
    }

    fn write_vectored(&mut self, connection: Token, parts: &[IoSlice<'_>]) -> Transfer {
        self.call(|net| net.write_vectored(connection, parts))
    }

    fn shutdown_write(&mut self, connection: Token) -> io::Result<()> {
        self.call(|net| net.shutdown_write(connection))
    }

    fn local_addr(&self, connection: Token) -> io::Result<SocketAddr> {
        self.0.local_addr(connection)
    }

    fn bind(
        &mut self,
        socket: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        self.call(|net| net.bind(socket, address, options))
    }

    fn receive(&mut self, socket: Token, batch: &mut Incoming) -> io::Result<Progress<()>> {
        self.call(|net| net.receive(socket, batch))
    }

    fn send(&mut self, socket: Token, batch: &mut Outgoing) -> io::Result<Progress<()>> {
        self.call(|net| net.send(socket, batch))
    }

    fn close(&mut self, token: Token) {
        self.call(|net| net.close(token));
    }

    fn abort(&mut self, connection: Token) {
        self.call(|net| net.abort(connection));
    }

    fn waker(&mut self) -> io::Result<Waker> {
        self.call(Network::waker)
    }

    fn watch_signals(&mut self, signals: &[i32]) -> io::Result<()> {
        self.call(|net| net.watch_signals(signals))
    }

    fn take_signals(&mut self) -> usize {
        self.call(Network::take_signals)
    }
}
