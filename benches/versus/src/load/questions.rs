//! Questions over DNS: each is asked once, to learn its answer, and then compared with that.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::epoll::EpollFlags;

use super::Work;
use super::inquiry::{Inquiry, Learned};
use super::plan::{Plan, Until};
use super::poller::Poller;
use super::post::{Outbox, Post};
use super::socket::{PATIENCE_NS, no_reply};
use super::stretch::{Allowance, Clock, Tally};
use crate::trouble::{Trouble, Trying as _};
use crate::zone;

/// What is not answered in this time is taken for lost, and asked again.
const LOST_AFTER_NS: u64 = 200_000_000;
/// How often is looked for that.
const LOOK_NS: u64 = 50_000_000;
/// No answer is longer that comes without EDNS (RFC 1035, section 4.2.1).
const LONGEST: usize = 512;
/// A server that has just been started may not hear the first question.
const FIRST_PATIENCE: Duration = Duration::from_millis(500);
const FIRST_TRIES: usize = 40;

pub(super) struct Questions {
    clock: Clock,
    poller: Poller,
    post: Post<LONGEST>,
    outbox: Outbox,
    learned: Learned,
    inquiries: Vec<(UdpSocket, Inquiry)>,
}

impl Questions {
    pub(super) fn open(plan: &Plan, sockets: u32, in_flight: u32) -> Result<Self, Trouble> {
        let clock = Clock::start();
        let poller = Poller::new(clock)?;
        let learned = learn(plan.address)?;
        let inquiries = (0..sockets)
            .map(|number| {
                let socket = connected(plan.address)?;
                socket.set_nonblocking(true).trying("cannot have a socket")?;
                let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
                poller.watch(&socket, flags, u64::from(number))?;
                Ok((socket, Inquiry::new(number, in_flight)?))
            })
            .collect::<Result<_, Trouble>>()?;
        let (post, outbox) = (Post::new(), Outbox::default());
        Ok(Self { clock, poller, post, outbox, learned, inquiries })
    }

    fn outstanding(&self) -> u64 {
        self.inquiries.iter().map(|(_, inquiry)| inquiry.outstanding()).sum()
    }

    /// Takes all answers that are there, and asks on.
    fn serve(
        &mut self,
        number: usize,
        allowance: &mut Allowance,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let Self { clock, post, outbox, learned, inquiries, .. } = self;
        let (socket, inquiry) = &mut inquiries[number];
        let mut now = clock.now();
        // One look after the last answer would be one for nothing.
        while inquiry.outstanding() > 0
            && post.receive(socket, |it| inquiry.note_answer(it, learned, now, tally))?
        {
            now = clock.now();
        }
        let count = allowance.take(inquiry.room(), now);
        (0..count).for_each(|_| outbox.push(inquiry.issue(learned, now)));
        post.send(socket, outbox)
    }

    fn ask_again(&mut self, now: u64, tally: &mut Tally) -> Result<(), Trouble> {
        for (socket, inquiry) in &mut self.inquiries {
            for id in inquiry.lost(now, LOST_AFTER_NS) {
                send(socket, inquiry.again(id, &mut self.learned, now))?;
                tally.resent += 1;
            }
        }
        Ok(())
    }
}

impl Work for Questions {
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble> {
        let mut allowance = Allowance::new(until, self.clock.now());
        for number in 0..self.inquiries.len() {
            self.serve(number, &mut allowance, tally)?;
        }
        let (mut last_answer, mut last_look) = (self.clock.now(), 0);
        while self.outstanding() > 0 {
            let count = self.poller.wait(LOOK_NS)?;
            for at in 0..count {
                let number = self.poller.ready(at);
                self.serve(number, &mut allowance, tally)?;
            }
            let now = self.clock.now();
            if count > 0 {
                last_answer = now;
            } else if now - last_answer > PATIENCE_NS {
                return Err(no_reply(self.outstanding()));
            }
            if now - last_look > LOOK_NS {
                last_look = now;
                self.ask_again(now, tally)?;
            }
        }
        tally.idle_ns += self.poller.take_idle_ns();
        Ok(())
    }

    /// Nothing may come after the last answer but to what was asked twice.
    fn finish(&mut self) -> Result<(), Trouble> {
        let mut tally = Tally::new();
        for (socket, inquiry) in &mut self.inquiries {
            let mut note = |it: &[u8]| inquiry.note_answer(it, &self.learned, 0, &mut tally);
            while self.post.receive(socket, &mut note)? {}
        }
        Ok(())
    }
}

fn connected(address: SocketAddr) -> Result<UdpSocket, Trouble> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect(address).map(|()| socket))
        .trying("cannot have a socket")
}

fn send(socket: &UdpSocket, message: &[u8]) -> Result<(), Trouble> {
    socket.send(message).map(drop).trying("cannot send")
}

/// Asks every question once, some at a time.
fn learn(address: SocketAddr) -> Result<Learned, Trouble> {
    const AT_ONCE: usize = 16;
    let socket = connected(address)?;
    socket.set_read_timeout(Some(FIRST_PATIENCE)).trying("cannot have a socket")?;
    let mut learned = Learned::new(zone::questions());
    let mut left: VecDeque<usize> = (0..learned.len()).collect();
    let mut tries = FIRST_TRIES;
    while !left.is_empty() {
        let asked = left.len().min(AT_ONCE);
        for &number in left.iter().take(asked) {
            send(&socket, learned.question(number))?;
        }
        let mut buffer = [0; LONGEST];
        for _ in 0..asked {
            match socket.recv(&mut buffer) {
                Ok(len) => {
                    let number = learned.learn(&buffer[..len])?;
                    left.retain(|&other| other != number);
                }
                Err(_) if tries > 0 => {
                    tries -= 1;
                    break;
                }
                Err(error) => return Err(error).trying("no answer came"),
            }
        }
    }
    Ok(learned)
}
