//! Flows of datagrams: each is a socket of its own, so a peer of its own to the server.

use std::net::{Ipv4Addr, UdpSocket};

use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{setsockopt, sockopt};

use super::Work;
use super::flight::Flight;
use super::layout::Layout;
use super::plan::{Plan, Until};
use super::poller::Poller;
use super::reader::Reader;
use super::socket::{PATIENCE_NS, no_reply};
use super::stretch::{Allowance, Clock, Tally};
use crate::trouble::{Trouble, Trying as _};

/// What is not answered in this time is taken for lost, and sent again.
const LOST_AFTER_NS: u64 = 200_000_000;
/// How often is looked for that.
const LOOK_NS: u64 = 50_000_000;
/// What the kernel cuts from one call, at most: so many, of so many bytes together.
const MOST_SEGMENTS: usize = 64;
const MOST_SEGMENTED_LEN: usize = 65_000;

pub(super) struct Datagrams {
    clock: Clock,
    poller: Poller,
    flows: Vec<Flow>,
    reader: Reader,
}

/// One socket, what it has in flight, and how many it sends in a call.
struct Flow {
    socket: UdpSocket,
    flight: Flight,
    in_a_call: u64,
}

impl Datagrams {
    /// Sockets for so many flows. One that is batching leaves it to the kernel to cut and to join
    /// datagrams.
    pub(super) fn open(
        plan: &Plan,
        flows: u32,
        in_flight: u32,
        payload_len: u32,
        is_batching: bool,
    ) -> Result<Self, Trouble> {
        let clock = Clock::start();
        let poller = Poller::new(clock)?;
        let layout = Layout::new(plan.protocol, payload_len);
        let together = MOST_SEGMENTS.min(MOST_SEGMENTED_LEN / layout.wire_len()).max(1);
        let in_a_call = if is_batching { together as u64 } else { 1 };
        let flows = (0..flows)
            .map(|number| {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
                    .and_then(|socket| socket.connect(plan.address).map(|()| socket))
                    .trying("cannot have a socket")?;
                if is_batching {
                    let len = i32::try_from(payload_len).trying("a datagram is too long")?;
                    setsockopt(&socket, sockopt::UdpGsoSegment, &len)
                        .and_then(|()| setsockopt(&socket, sockopt::UdpGroSegment, &true))
                        .trying("cannot batch datagrams")?;
                }
                let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
                poller.watch(&socket, flags, u64::from(number))?;
                Ok(Flow { socket, flight: Flight::new(layout, number, in_flight), in_a_call })
            })
            .collect::<Result<_, Trouble>>()?;
        let reader = if is_batching { Reader::batching() } else { Reader::plain() };
        Ok(Self { clock, poller, flows, reader })
    }

    fn outstanding(&self) -> u64 {
        self.flows.iter().map(|flow| flow.flight.outstanding()).sum()
    }
}

impl Work for Datagrams {
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble> {
        let mut allowance = Allowance::new(until, self.clock.now());
        for flow in &mut self.flows {
            flow.refill(&mut allowance, self.clock.now())?;
        }
        let (mut last_reply, mut last_look) = (self.clock.now(), 0);
        while self.outstanding() > 0 {
            let count = self.poller.wait(LOOK_NS)?;
            for at in 0..count {
                let flow = &mut self.flows[self.poller.ready(at)];
                flow.receive(&mut self.reader, self.clock, tally)?;
                flow.refill(&mut allowance, self.clock.now())?;
            }
            let now = self.clock.now();
            if count > 0 {
                last_reply = now;
            } else if now - last_reply > PATIENCE_NS {
                return Err(no_reply(self.outstanding()));
            }
            if now - last_look > LOOK_NS {
                last_look = now;
                for flow in &mut self.flows {
                    tally.resent += flow.resend(now)?;
                }
            }
        }
        tally.idle_ns += self.poller.take_idle_ns();
        Ok(())
    }

    /// Nothing may come after the last reply but what was sent twice.
    fn finish(&mut self) -> Result<(), Trouble> {
        let mut tally = Tally::new();
        for flow in &mut self.flows {
            flow.receive(&mut self.reader, self.clock, &mut tally)?;
        }
        Ok(())
    }
}

impl Flow {
    /// Takes all that is there. Without anything outstanding, one look is enough.
    fn receive(
        &mut self,
        reader: &mut Reader,
        clock: Clock,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let Self { socket, flight, .. } = self;
        loop {
            let mut now = None;
            let is_more = reader.read(socket, |datagram| {
                flight.note_reply(datagram, *now.get_or_insert_with(|| clock.now()), tally)
            })?;
            if !is_more || flight.outstanding() == 0 {
                return Ok(());
            }
        }
    }

    fn refill(&mut self, allowance: &mut Allowance, now: u64) -> Result<(), Trouble> {
        let mut count = allowance.take(self.flight.room(), now);
        while count > 0 {
            let before = self.flight.outstanding();
            let bytes = self.flight.issue(count.min(self.in_a_call), now);
            self.socket.send(bytes).trying("cannot send")?;
            count -= self.flight.outstanding() - before;
        }
        Ok(())
    }

    fn resend(&mut self, now: u64) -> Result<u64, Trouble> {
        let Self { socket, flight, .. } = self;
        flight.resend(now, LOST_AFTER_NS, |datagram| {
            socket.send(datagram).map(drop).trying("cannot send")
        })
    }
}
