//! Connections that each keep some messages in flight.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use nix::sys::epoll::EpollFlags;

use super::Work;
use super::asked::{Asked, Script};
use super::layout::Layout;
use super::plan::{Plan, Until};
use super::poller::Poller;
use super::socket::{Exchange, GROUP, PATIENCE_NS, connect, no_reply};
use super::stretch::{Allowance, Clock, Tally};
use super::talk::Talk;
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

struct Connection<T> {
    stream: TcpStream,
    talk: T,
}

pub(super) struct Requests<T: Talk> {
    clock: Clock,
    poller: Poller,
    connections: Vec<Connection<T>>,
    shared: T::Shared,
    buffer: Box<[u8]>,
    in_flight: u64,
}

impl Requests<Window> {
    /// Connections on which everything comes back.
    pub(super) fn open(
        plan: &Plan,
        connections: u32,
        in_flight: u32,
        message_len: u32,
    ) -> Result<Self, Trouble> {
        let layout = Layout::new(plan.protocol, message_len);
        let is_split = connections == 1 && in_flight >= SPLIT_FROM;
        let part_len = layout.wire_len() * in_flight as usize / PARTS;
        let read_len = if is_split { part_len.min(READ_LEN) } else { READ_LEN };
        let talks = (0..connections).map(|number| Window::new(layout, number, in_flight));
        Self::connect(plan, talks, (), in_flight, read_len)
    }
}

impl<S: Script> Requests<Asked<S>> {
    /// Connections on which a script is followed.
    pub(super) fn follow(
        plan: &Plan,
        connections: u32,
        in_flight: u32,
        script: S,
    ) -> Result<Self, Trouble> {
        let talks = (0..connections).map(|number| Asked::new(number, in_flight));
        Self::connect(plan, talks, script, in_flight, READ_LEN)
    }
}

impl<T: Talk> Requests<T> {
    fn connect(
        plan: &Plan,
        talks: impl ExactSizeIterator<Item = T>,
        mut shared: T::Shared,
        in_flight: u32,
        read_len: usize,
    ) -> Result<Self, Trouble> {
        let clock = Clock::start();
        let poller = Poller::new(clock)?;
        let mut exchange = Exchange::new();
        let buffer = vec![0; read_len].into_boxed_slice();
        let count = talks.len();
        let connections = talks
            .enumerate()
            .map(|(number, mut talk)| {
                let mut stream = connect(plan.address)?;
                stream.set_nodelay(true).trying("cannot set TCP_NODELAY")?;
                if number % GROUP == 0 || number + 1 == count {
                    exchange.once(&mut stream, &mut talk, &mut shared)?;
                }
                stream.set_nonblocking(true).trying("cannot have a socket that does not block")?;
                poller.watch(&stream, interest(), number as u64)?;
                Ok(Connection { stream, talk })
            })
            .collect::<Result<_, Trouble>>()?;
        let in_flight = u64::from(in_flight);
        Ok(Self { clock, poller, connections, shared, buffer, in_flight })
    }

    /// Reads, compares and asks again, until nothing is there or others must have their turn.
    fn serve(
        &mut self,
        number: usize,
        allowance: &mut Allowance,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let Self { connections, shared, buffer, clock, .. } = self;
        let connection = &mut connections[number];
        for _ in 0..PARTS {
            let len = match connection.stream.read(buffer) {
                Ok(0) => return Err(connection.talk.closed()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).trying(format!("connection {number}")),
            };
            let now = clock.now();
            let (bytes, histogram) = (&buffer[..len], &mut tally.histogram);
            let whole = connection.talk.note_received(bytes, now, histogram, shared)?;
            tally.replies += whole;
            connection.talk.issue(allowance.take(whole, now), now, shared);
            connection.push(number)?;
            if len < buffer.len() {
                return Ok(());
            }
        }
        // The edge is used up, but not what it was for: asking again for the same renews it.
        self.poller.watch_again(&self.connections[number].stream, interest(), number as u64)
    }

    fn outstanding(&self) -> u64 {
        self.connections.iter().map(|connection| connection.talk.outstanding()).sum()
    }
}

impl<T: Talk> Work for Requests<T> {
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble> {
        let mut allowance = Allowance::new(until, self.clock.now());
        for (number, connection) in self.connections.iter_mut().enumerate() {
            let now = self.clock.now();
            connection.talk.issue(allowance.take(self.in_flight, now), now, &self.shared);
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
                let before = self.connections[number].talk.outstanding();
                self.serve(number, &mut allowance, tally)?;
                self.connections[number].push(number)?;
                outstanding = outstanding + self.connections[number].talk.outstanding() - before;
            }
        }
        tally.idle_ns += self.poller.take_idle_ns();
        Ok(())
    }

    /// Nothing may come after the last reply.
    fn finish(&mut self) -> Result<(), Trouble> {
        for (number, connection) in self.connections.iter_mut().enumerate() {
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(connection.talk.closed()),
                Ok(len) => {
                    let (bytes, mut tally) = (&self.buffer[..len], Tally::new());
                    let histogram = &mut tally.histogram;
                    connection.talk.note_received(bytes, 0, histogram, &mut self.shared)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).trying(format!("connection {number}")),
            }
        }
        Ok(())
    }
}

impl<T: Talk> Connection<T> {
    /// Sends what is issued, as far as there is room.
    fn push(&mut self, number: usize) -> Result<(), Trouble> {
        loop {
            let [first, second] = self.talk.unsent();
            let sent = match (first.len(), second.len()) {
                (0, _) => return Ok(()),
                (_, 0) => self.stream.write(&first),
                _ => self.stream.write_vectored(&[first, second]),
            };
            match sent {
                Ok(len) => self.talk.note_sent(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).trying(format!("connection {number}")),
            }
        }
    }
}
