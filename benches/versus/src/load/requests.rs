//! Connections that each keep some messages in flight.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use nix::sys::epoll::EpollFlags;

use super::Work;
use super::layout::Layout;
use super::plan::{Plan, Until};
use super::poller::Poller;
use super::socket::{Exchange, GROUP, PATIENCE_NS, connect, no_reply};
use super::stretch::{Allowance, Clock, Tally};
use super::window::Window;
use crate::trouble::{Trouble, Trying as _};

/// At most so much is read at a time: it stays in the nearer caches.
const READ_LEN: usize = 256 * 1024;
/// A single connection with so many in flight is read and refilled in parts, so that the server has
/// something to do while the load compares: else the two would take turns, and neither would ever
/// be busy. With more connections, that is so anyway.
const SPLIT_FROM: u32 = 64;
const PARTS: usize = 4;

/// Everything is an edge, and both directions are asked for once.
fn interest() -> EpollFlags {
    EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET
}

struct Connection {
    stream: TcpStream,
    window: Window,
}

pub(super) struct Requests {
    clock: Clock,
    poller: Poller,
    connections: Vec<Connection>,
    buffer: Box<[u8]>,
    in_flight: u64,
}

impl Requests {
    pub(super) fn open(
        plan: &Plan,
        connections: u32,
        in_flight: u32,
        message_len: u32,
    ) -> Result<Self, Trouble> {
        let layout = Layout::new(plan.protocol, message_len);
        let clock = Clock::start();
        let poller = Poller::new(clock)?;
        let mut exchange = Exchange::new();
        let is_split = connections == 1 && in_flight >= SPLIT_FROM;
        let part_len = layout.wire_len() * in_flight as usize / PARTS;
        let read_len = if is_split { part_len.min(READ_LEN) } else { READ_LEN };
        let buffer = vec![0; read_len].into_boxed_slice();
        let connections = (0..connections)
            .map(|number| {
                let mut stream = connect(plan.address)?;
                stream.set_nodelay(true).trying("cannot set TCP_NODELAY")?;
                let mut window = Window::new(layout, number, in_flight);
                if number % GROUP == 0 || number + 1 == connections {
                    exchange.once(&mut stream, &mut window)?;
                }
                stream.set_nonblocking(true).trying("cannot have a socket that does not block")?;
                poller.watch(&stream, interest(), u64::from(number))?;
                Ok(Connection { stream, window })
            })
            .collect::<Result<_, Trouble>>()?;
        let in_flight = u64::from(in_flight);
        Ok(Self { clock, poller, connections, buffer, in_flight })
    }

    /// Reads, compares and asks again, until nothing is there or others must have their turn.
    fn serve(
        &mut self,
        number: usize,
        allowance: &mut Allowance,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let Self { connections, buffer, clock, .. } = self;
        let connection = &mut connections[number];
        for _ in 0..PARTS {
            let len = match connection.stream.read(buffer) {
                Ok(0) => return Err(connection.window.closed()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).trying(format!("connection {number}")),
            };
            let now = clock.now();
            let whole =
                connection.window.note_received(&buffer[..len], now, &mut tally.histogram)?;
            tally.replies += whole;
            connection.window.issue(allowance.take(whole, now), now);
            connection.push(number)?;
            if len < buffer.len() {
                return Ok(());
            }
        }
        // The edge is used up, but not what it was for: asking again for the same renews it.
        self.poller.watch_again(&self.connections[number].stream, interest(), number as u64)
    }

    fn outstanding(&self) -> u64 {
        self.connections.iter().map(|connection| connection.window.outstanding()).sum()
    }
}

impl Work for Requests {
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble> {
        let mut allowance = Allowance::new(until, self.clock.now());
        for (number, connection) in self.connections.iter_mut().enumerate() {
            let now = self.clock.now();
            connection.window.issue(allowance.take(self.in_flight, now), now);
            connection.push(number)?;
        }
        let mut outstanding = self.outstanding();
        while outstanding > 0 {
            let count = self.poller.wait(PATIENCE_NS)?;
            if count == 0 {
                return Err(no_reply(self.outstanding()));
            }
            for at in 0..count {
                let number = self.poller.ready(at);
                let window = &self.connections[number].window;
                let before = window.outstanding();
                self.serve(number, &mut allowance, tally)?;
                self.connections[number].push(number)?;
                outstanding = outstanding + self.connections[number].window.outstanding() - before;
            }
        }
        tally.idle_ns += self.poller.take_idle_ns();
        Ok(())
    }

    /// Nothing may come after the last reply.
    fn finish(&mut self) -> Result<(), Trouble> {
        for (number, connection) in self.connections.iter_mut().enumerate() {
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(connection.window.closed()),
                Ok(len) => {
                    let bytes = &self.buffer[..len];
                    let mut tally = Tally::new();
                    connection.window.note_received(bytes, 0, &mut tally.histogram)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).trying(format!("connection {number}")),
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Sends what is issued, as far as there is room.
    fn push(&mut self, number: usize) -> Result<(), Trouble> {
        loop {
            let [first, second] = self.window.unsent();
            let sent = match (first.len(), second.len()) {
                (0, _) => return Ok(()),
                (_, 0) => self.stream.write(&first),
                _ => self.stream.write_vectored(&[first, second]),
            };
            match sent {
                Ok(len) => self.window.note_sent(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).trying(format!("connection {number}")),
            }
        }
    }
}
