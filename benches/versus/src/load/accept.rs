//! Connections that are opened and kept, so many in all, and then closed together.

use std::net::{SocketAddr, TcpStream};

use super::Work;
use super::layout::Layout;
use super::plan::{Plan, Until};
use super::socket::{Exchange, GROUP, close_by_reset, connect};
use super::stretch::{Allowance, Clock, Tally};
use super::window::Window;
use crate::trouble::Trouble;

/// They come in groups, and the last of each group echoes a message, which says that all before it
/// are accepted. They are closed by a reset, so that ports do not run out; one that stays echoes
/// after that.
pub(super) struct Accept {
    clock: Clock,
    address: SocketAddr,
    open: Vec<TcpStream>,
    most: u64,
    exchange: Exchange,
    /// Whoever is the last of a group asks with this.
    probe: Window,
    /// The one that stays.
    witness: (TcpStream, Window),
}

impl Accept {
    pub(super) fn new(plan: &Plan, connections: u32) -> Result<Self, Trouble> {
        let layout = Layout::new(plan.protocol, 64);
        let mut witness = (connect(plan.address)?, Window::new(layout, 0, 1));
        let mut exchange = Exchange::new();
        exchange.once(&mut witness.0, &mut witness.1, &mut ())?;
        Ok(Self {
            clock: Clock::start(),
            address: plan.address,
            open: Vec::with_capacity(connections as usize),
            most: u64::from(connections),
            exchange,
            probe: Window::new(layout, 1, 1),
            witness,
        })
    }

    fn open_group(&mut self, count: u64, tally: &mut Tally) -> Result<(), Trouble> {
        for _ in 0..count {
            let before = self.clock.now();
            let stream = connect(self.address)?;
            tally.histogram.note(self.clock.now() - before, 1);
            close_by_reset(&stream)?;
            self.open.push(stream);
        }
        match self.open.last_mut() {
            Some(last) => self.exchange.once(last, &mut self.probe, &mut ()),
            None => Ok(()),
        }
    }

    fn close_all(&mut self, tally: &mut Tally) -> Result<(), Trouble> {
        tally.replies += self.open.len() as u64;
        self.open.clear();
        self.exchange.once(&mut self.witness.0, &mut self.witness.1, &mut ())
    }
}

impl Work for Accept {
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble> {
        let mut allowance = Allowance::new(until, self.clock.now());
        loop {
            let room = self.most - self.open.len() as u64;
            let count = allowance.take(room.min(GROUP as u64), self.clock.now());
            if count > 0 {
                self.open_group(count, tally)?;
            } else if !self.open.is_empty() {
                self.close_all(tally)?;
            } else {
                return Ok(());
            }
        }
    }

    fn finish(&mut self) -> Result<(), Trouble> {
        self.exchange.once(&mut self.witness.0, &mut self.witness.1, &mut ())
    }
}
