//! Connections that are opened, echo one message, and are closed.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::Work;
use super::layout::Layout;
use super::plan::{Plan, Until};
use super::socket::{await_readable, close_by_reset, connect};
use super::stretch::{Allowance, Clock, Tally};
use super::window::Window;
use crate::trouble::{Trouble, Trying as _};

/// So many are always under way, and the oldest is awaited: nothing is registered for sockets that
/// live for one message. They are closed by a reset, so that ports do not run out.
pub(super) struct Churn {
    clock: Clock,
    address: SocketAddr,
    under_way: VecDeque<(TcpStream, Window)>,
    /// Of those that are not under way.
    windows: Vec<Window>,
    buffer: Box<[u8]>,
}

impl Churn {
    pub(super) fn new(plan: &Plan, concurrent: u32, message_len: u32) -> Self {
        let layout = Layout::new(plan.protocol, message_len);
        Self {
            clock: Clock::start(),
            address: plan.address,
            under_way: VecDeque::with_capacity(concurrent as usize),
            windows: (0..concurrent).map(|number| Window::new(layout, number, 1)).collect(),
            buffer: vec![0; 64 * 1024].into_boxed_slice(),
        }
    }

    fn open(&mut self, mut window: Window) -> Result<(), Trouble> {
        window.issue(1, self.clock.now());
        let mut stream = connect(self.address)?;
        close_by_reset(&stream)?;
        while !window.unsent()[0].is_empty() {
            let len = stream.write(&window.unsent()[0]).trying("cannot send")?;
            window.note_sent(len);
        }
        self.under_way.push_back((stream, window));
        Ok(())
    }

    /// Takes the reply of a connection, which is closed with that.
    fn close(
        &mut self,
        (stream, mut window): (TcpStream, Window),
        tally: &mut Tally,
    ) -> Result<Window, Trouble> {
        while window.outstanding() > 0 {
            match recv(stream.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(window.closed()),
                Ok(len) => {
                    let (bytes, now) = (&self.buffer[..len], self.clock.now());
                    tally.replies += window.note_received(bytes, now, &mut tally.histogram)?;
                }
                Err(Errno::EAGAIN) => await_readable(&stream)?,
                Err(error) => return Err(error).trying("cannot receive"),
            }
        }
        Ok(window)
    }
}

impl Work for Churn {
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble> {
        let mut allowance = Allowance::new(until, self.clock.now());
        loop {
            while let Some(window) = self.windows.pop() {
                if allowance.take(1, self.clock.now()) == 0 {
                    self.windows.push(window);
                    break;
                }
                self.open(window)?;
            }
            let Some(oldest) = self.under_way.pop_front() else {
                return Ok(());
            };
            let window = self.close(oldest, tally)?;
            self.windows.push(window);
        }
    }

    fn finish(&mut self) -> Result<(), Trouble> {
        Ok(())
    }
}
