//! Connections of which each echoes one message, and then nothing happens. Whoever measures reads
//! the server's memory at every stage.

use std::net::TcpStream;

use super::dialogue::pause;
use super::layout::Layout;
use super::plan::Plan;
use super::socket::{Exchange, GROUP, connect};
use super::window::Window;
use crate::trouble::{Trouble, Trying as _};

/// So many messages go back and forth before anything is read: what a server allocates once is
/// then there.
const BEFORE: u32 = 1_000;
const MESSAGE_LEN: u32 = 64;

/// The stages, each said once it is reached, and left when a line comes.
pub(crate) const STAGES: [&str; 4] = ["warm", "open", "touched", "closed"];

/// Goes through the stages.
pub(super) fn play(plan: &Plan, connections: u32) -> Result<(), Trouble> {
    let layout = Layout::new(plan.protocol, MESSAGE_LEN);
    let [warm, open, touched, closed] = STAGES;
    let mut exchange = Exchange::new();
    let mut first = (connect(plan.address)?, Window::new(layout, 0, 1));
    for _ in 0..BEFORE {
        exchange.once(&mut first.0, &mut first.1, &mut ())?;
    }
    drop(first);
    pause(warm)?;
    let mut all = (0..connections)
        .map(|number| {
            let mut stream = connect(plan.address)?;
            let mut window = Window::new(layout, number, 1);
            if number as usize % GROUP == GROUP - 1 || number + 1 == connections {
                exchange.once(&mut stream, &mut window, &mut ())?;
            }
            Ok((stream, window))
        })
        .collect::<Result<Vec<_>, Trouble>>()?;
    pause(open)?;
    for (stream, window) in &mut all {
        exchange.once(stream, window, &mut ())?;
    }
    pause(touched)?;
    for (stream, _) in &mut all {
        check_is_open(stream)?;
    }
    drop(all);
    pause(closed)
}

/// Neither bytes nor an end may have come while nothing happened.
fn check_is_open(stream: &TcpStream) -> Result<(), Trouble> {
    stream.set_nonblocking(true).trying("cannot have a socket that does not block")?;
    match stream.peek(&mut [0]) {
        Ok(0) => Err(Trouble::new("the server closed an idle connection")),
        Ok(_) => Err(Trouble::new("an idle connection was sent something")),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error).trying("an idle connection"),
    }
}
