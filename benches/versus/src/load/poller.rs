//! How the load waits for replies: without sleeping.
//!
//! On one machine, whoever sends to a sleeper has to wake it, and is charged for that; a server on
//! a network is not, as its peer is elsewhere. So the load does not sleep while it waits. The time
//! that it waits counts as idle all the same, or it would always seem to be the bottleneck.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::stretch::Clock;
use crate::trouble::{Trouble, Trying as _};

const EVENTS: usize = 1_024;

pub(super) struct Poller {
    clock: Clock,
    epoll: Epoll,
    events: Box<[EpollEvent]>,
    idle_ns: u64,
}

impl Poller {
    pub(super) fn new(clock: Clock) -> Result<Self, Trouble> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).trying("cannot have an epoll")?;
        let events = vec![EpollEvent::empty(); EVENTS].into_boxed_slice();
        Ok(Self { clock, epoll, events, idle_ns: 0 })
    }

    pub(super) fn watch(
        &self,
        socket: impl AsFd,
        flags: EpollFlags,
        number: u64,
    ) -> Result<(), Trouble> {
        let event = EpollEvent::new(flags, number);
        self.epoll.add(socket, event).trying("cannot watch a socket")
    }

    /// Asks for the same once more, so that an edge that was not used up comes again.
    pub(super) fn watch_again(
        &self,
        socket: impl AsFd,
        flags: EpollFlags,
        number: u64,
    ) -> Result<(), Trouble> {
        let mut event = EpollEvent::new(flags, number);
        self.epoll.modify(socket, &mut event).trying("cannot watch a socket")
    }

    /// Waits until something is ready, but not longer than so many nanoseconds, and gives how many
    /// are.
    pub(super) fn wait(&mut self, patience: u64) -> Result<usize, Trouble> {
        let mut count = self.poll()?;
        if count == 0 {
            let start = self.clock.now();
            let mut waited = 0;
            while count == 0 && waited < patience {
                count = self.poll()?;
                waited = self.clock.now() - start;
            }
            self.idle_ns += waited;
        }
        Ok(count)
    }

    /// Which is ready, of those that [`wait`](Self::wait) has found.
    #[expect(clippy::cast_possible_truncation, reason = "it was given as one")]
    pub(super) fn ready(&self, at: usize) -> usize {
        self.events[at].data() as usize
    }

    /// How long it has waited since this was asked.
    pub(super) fn take_idle_ns(&mut self) -> u64 {
        std::mem::take(&mut self.idle_ns)
    }

    fn poll(&mut self) -> Result<usize, Trouble> {
        match self.epoll.wait(&mut self.events, EpollTimeout::ZERO) {
            Err(Errno::EINTR) => Ok(0),
            result => result.trying("cannot wait"),
        }
    }
}
