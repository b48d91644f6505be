//! The simulated network as the loop sees it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use super::SimNetwork;
use super::calls::Call;
use super::edges::Kind;
use super::schedule::Scheduled;
use super::trace::Answer;
use crate::batch::{Incoming, Outgoing};
use crate::config::SocketOptions;
use crate::instant::Instant;
use crate::network::{AcceptError, ConnectError, Event, Network, Progress, Transfer};
use crate::token::Token;

/// How many events a poll gives if the list it is to fill has no capacity.
const EVENTS: usize = 1024;

impl SimNetwork {
    /// A call of the loop begins.
    fn begin(&mut self, call: Call, about: u64) {
        self.clock = self.clock.after(self.call_cost).unwrap_or(self.clock);
        self.trace.call(call, about, self.clock);
        self.begin_forced(call);
    }

    /// Notes whether a call has achieved anything, and what it answered.
    fn end<T: Answer>(&mut self, result: &io::Result<Progress<T>>) {
        self.trace.answer(result);
        self.has_achieved |= !matches!(result, Ok(Progress::Blocked));
    }

    /// Moves the clock from thing to thing until there is an event, or the deadline has passed.
    fn wait(&mut self, events: &mut Vec<Event>, deadline: Option<Instant>) -> io::Result<()> {
        if self.is_interrupted(deadline) {
            return Ok(());
        }
        loop {
            let Some(next) = self.next_moment(deadline) else { return Err(self.hang()) };
            self.clock = self.clock.max(next);
            self.run_due();
            self.deliver(events);
            if !events.is_empty() {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| deadline <= self.clock) {
                self.be_late();
                return Ok(());
            }
        }
    }

    /// When there is something to wake up for.
    fn next_moment(&self, deadline: Option<Instant>) -> Option<Instant> {
        match (self.schedule.next_time(), deadline) {
            (Some(next), Some(deadline)) => Some(next.min(deadline)),
            (next, deadline) => next.or(deadline),
        }
    }

    /// Whether a sleep is interrupted; if so, some of it has passed, but not all.
    fn is_interrupted(&mut self, deadline: Option<Instant>) -> bool {
        let next = self.next_moment(deadline);
        let sleep = next.map_or(Duration::from_millis(1), |next| next.since(self.clock));
        let nanos = usize::try_from(sleep.as_nanos()).unwrap_or(usize::MAX);
        if nanos < 2 || !self.is_blocked_now(self.faults.interrupted_poll) {
            return false;
        }
        let passed = Duration::from_nanos(1 + self.random.below(nanos - 1) as u64);
        self.clock = self.clock.after(passed).unwrap_or(self.clock);
        true
    }

    /// Everything happens that is due.
    fn run_due(&mut self) {
        let mark = self.schedule.mark();
        while let Some(thing) = self.schedule.take_due(self.clock, mark) {
            match thing {
                Scheduled::Action(action) => action(self),
                Scheduled::Event { token, facts } => self.arrive_late(token, facts),
                Scheduled::PeerTakes { link } => self.take_portion(link),
                Scheduled::Knock { link, attempt } => self.knock(link, attempt),
                Scheduled::Dial { link, attempt } => self.try_to_reach(link, attempt),
                Scheduled::Datagram { from, to, payload } => self.arrive(from, to, payload),
                Scheduled::Unblock { token } if self.sockets.contains_key(&token) => {
                    self.check(token);
                }
                Scheduled::Unblock { .. } => {}
            }
        }
        self.flow();
        self.take_wake();
    }

    /// What may happen at a poll by way of a fault.
    fn disturb(&mut self) {
        if self.random.chance(self.faults.spurious_event) {
            self.invent_event();
        }
        if !self.links.is_empty() && self.random.chance(self.faults.reset) {
            let index = self.random.below(self.links.len());
            self.break_link(index, io::ErrorKind::ConnectionReset);
        }
    }

    /// A real clock is read in other units than one waits in, so that one may wake up late.
    fn be_late(&mut self) {
        if self.random.chance(self.faults.late_timeout) {
            let delay = Duration::from_nanos(self.random.below(1_000_000) as u64);
            self.clock = self.clock.after(delay).unwrap_or(self.clock);
        }
    }

    fn hang(&self) -> io::Error {
        let text = format!(
            "the loop would sleep for ever: nothing is scheduled after {:?} of virtual time; \
             open sockets: {}",
            self.clock.since(Instant::START),
            self.describe_sockets(),
        );
        io::Error::new(io::ErrorKind::Deadlock, text)
    }

    fn close_socket(&mut self, kind: &Kind) {
        match kind {
            Kind::Connection(link) => self.leave(*link),
            Kind::Listener(listener) => {
                for link in &listener.queue {
                    self.reset_peer(*link);
                }
            }
            Kind::Udp(_) | Kind::Signals { .. } => {}
        }
    }
}

impl Network for SimNetwork {
    fn now(&mut self) -> Instant {
        self.begin(Call::Now, 0);
        self.clock
    }

    fn poll(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let nanos =
            timeout.map_or(u64::MAX, |wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        self.begin(Call::Poll, nanos);
        self.trace.add(events.capacity() as u64);
        self.calls.polls += 1;
        self.calls.most_read = 0;
        self.check_forced()?;
        let start = self.clock;
        let deadline = timeout.and_then(|timeout| start.after(timeout));
        events.clear();
        if events.capacity() == 0 {
            events.reserve(EVENTS);
        }
        self.flow();
        self.run_due();
        self.disturb();
        self.deliver(events);
        let result = if events.is_empty() { self.wait(events, deadline) } else { Ok(()) };
        if let Some(order) = &mut self.event_order {
            order(events);
        }
        self.record_moved(events.len());
        self.trace.add(self.clock.as_nanos());
        self.trace.answer(&result);
        if events.is_empty() && self.clock == start && !self.has_achieved {
            self.calls.idle_polls += 1;
        }
        self.has_achieved = false;
        result
    }

    fn socket_limit(&mut self, wanted: usize) -> Option<usize> {
        self.begin(Call::SocketLimit, wanted as u64);
        self.record_moved(wanted);
        self.socket_limit = self.forced_len(usize::MAX).or(self.socket_limit);
        self.socket_limit
    }

    fn listen(
        &mut self,
        listener: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        self.begin(Call::Listen, listener.to_bits());
        self.trace.add_bytes(format!("{address} {options:?}").as_bytes());
        let result = self.open_listener(listener, address, options);
        self.trace.answer(&result);
        self.has_achieved = true;
        result
    }

    fn accept(&mut self, listener: Token) -> Result<Progress<SocketAddr>, AcceptError> {
        self.begin(Call::Accept, listener.to_bits());
        self.calls.accepts += 1;
        let result = self.accept_peer(listener);
        match &result {
            Ok(progress) => self.trace.add(progress.word()),
            Err(
                AcceptError::PeerGone(error)
                | AcceptError::Exhausted(error)
                | AcceptError::Broken(error),
            ) => self.trace.error(error),
        }
        // Something that has run out is no progress.
        let is_in_vain = matches!(result, Ok(Progress::Blocked) | Err(AcceptError::Exhausted(_)));
        self.has_achieved |= !is_in_vain;
        result
    }

    fn adopt(&mut self, connection: Token) -> io::Result<()> {
        self.begin(Call::Adopt, connection.to_bits());
        self.calls.adopts += 1;
        let result = self.adopt_peer(connection);
        self.trace.answer(&result);
        self.has_achieved = true;
        result
    }

    fn refuse(&mut self, farewell: &[u8]) {
        self.begin(Call::Refuse, 0);
        self.trace.add_bytes(farewell);
        self.calls.refusals += 1;
        self.has_achieved = true;
        self.refuse_peer(farewell);
    }

    fn connect(
        &mut self,
        connection: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<(), ConnectError> {
        self.begin(Call::Connect, connection.to_bits());
        self.trace.add_bytes(format!("{address} {options:?}").as_bytes());
        self.calls.connects += 1;
        let result = self.dial(connection, address, options);
        self.trace.connect_answer(&result);
        self.has_achieved = true;
        result
    }

    fn connected(&mut self, connection: Token) -> Result<Progress<()>, ConnectError> {
        self.begin(Call::Connected, connection.to_bits());
        let result = self.outcome(connection);
        self.trace.connect_answer(&result);
        self.has_achieved |= !matches!(result, Ok(Progress::Blocked));
        result
    }

    fn read(&mut self, connection: Token, buffer: &mut [u8]) -> Transfer {
        self.begin(Call::Read, connection.to_bits());
        self.trace.add(buffer.len() as u64);
        self.calls.reads += 1;
        let result = self.read_connection(connection, buffer);
        self.record_transfer(&result);
        if let Ok(Progress::Done(len)) = result {
            self.trace.add_bytes(&buffer[..len]);
        }
        self.end(&result);
        result.into()
    }

    fn write(&mut self, connection: Token, bytes: &[u8]) -> Transfer {
        self.write_vectored(connection, &[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, connection: Token, parts: &[IoSlice<'_>]) -> Transfer {
        assert!((1..=1024).contains(&parts.len()), "{} parts to write", parts.len());
        assert!(parts.iter().all(|part| !part.is_empty()), "a write without bytes");
        self.begin(Call::Write, connection.to_bits());
        for part in parts {
            self.trace.add_bytes(part);
        }
        self.calls.writes += 1;
        let result = self.write_connection(connection, parts);
        self.record_transfer(&result);
        self.end(&result);
        result.into()
    }

    fn shutdown_write(&mut self, connection: Token) -> io::Result<()> {
        self.begin(Call::ShutdownWrite, connection.to_bits());
        self.calls.shutdowns += 1;
        let result = self.shutdown_connection(connection);
        self.trace.answer(&result);
        self.has_achieved = true;
        result
    }

    fn local_addr(&self, connection: Token) -> io::Result<SocketAddr> {
        let Some(Kind::Connection(link)) = self.sockets.get(&connection).map(|socket| &socket.kind)
        else {
            let text = format!("no connection {connection:?}");
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        };
        let link = &self.links[*link];
        if link.is_broken {
            let text = "ENOTCONN: the connection has broken (simulated)";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        }
        Ok(link.server)
    }

    fn bind(
        &mut self,
        socket: Token,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<SocketAddr> {
        self.begin(Call::Bind, socket.to_bits());
        self.trace.add_bytes(format!("{address} {options:?}").as_bytes());
        let result = self.open_udp(socket, address, options);
        self.trace.answer(&result);
        self.has_achieved = true;
        result
    }

    fn receive(&mut self, socket: Token, batch: &mut Incoming) -> io::Result<Progress<()>> {
        self.begin(Call::Receive, socket.to_bits());
        self.calls.receives += 1;
        let result = self.receive_batch(socket, batch);
        self.record_moved(batch.iter().count());
        self.trace.answer(&result);
        self.has_achieved |= matches!(result, Ok(Progress::Done(())));
        result
    }

    fn send(&mut self, socket: Token, batch: &mut Outgoing) -> io::Result<Progress<()>> {
        self.begin(Call::Send, socket.to_bits());
        self.trace.add(batch.len() as u64);
        self.calls.sends += 1;
        let waiting = batch.len();
        let result = self.send_batch(socket, batch);
        self.record_moved(waiting - batch.len());
        self.end(&result);
        result
    }

    fn close(&mut self, token: Token) {
        self.begin(Call::Close, token.to_bits());
        if let Some(kind) = self.forget(token) {
            self.calls.closes += 1;
            self.has_achieved = true;
            self.close_socket(&kind);
        }
    }

    fn abort(&mut self, connection: Token) {
        self.begin(Call::Abort, connection.to_bits());
        let kind = self.sockets.get(&connection).map(|socket| &socket.kind);
        if let Some(&Kind::Connection(link)) = kind {
            self.forget(connection);
            self.calls.closes += 1;
            self.has_achieved = true;
            self.reset_peer(link);
        }
    }

    fn waker(&mut self) -> io::Result<Waker> {
        self.begin(Call::Waker, 0);
        self.has_achieved = true;
        self.check_forced()?;
        Ok(self.make_waker())
    }

    fn watch_signals(&mut self, signals: &[i32]) -> io::Result<()> {
        self.begin(Call::WatchSignals, signals.len() as u64);
        self.trace.add_bytes(format!("{signals:?}").as_bytes());
        self.check_forced()?;
        if !self.sockets.contains_key(&Token::SIGNALS) && !signals.is_empty() {
            self.open(Token::SIGNALS, Kind::Signals { count: 0 });
        }
        Ok(())
    }

    fn take_signals(&mut self) -> usize {
        self.begin(Call::TakeSignals, 0);
        let taken = match self.sockets.get_mut(&Token::SIGNALS).map(|socket| &mut socket.kind) {
            Some(Kind::Signals { count }) => std::mem::take(count),
            _ => 0,
        };
        self.trace.add(taken as u64);
        self.has_achieved |= taken > 0;
        taken
    }
}
