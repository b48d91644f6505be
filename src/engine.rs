//! A loop on the operating system's network: to be run, or to be driven by a loop of one's own.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::drain::DrainReport;
use crate::error::Error;
use crate::handle::Handle;
use crate::handler::Commands;
use crate::metrics::Metrics;
use crate::network::{Network, OsNetwork};
use crate::outside::Outside;
use crate::reactor::{Reactor, Turns};

/// A server whose listeners are open, on the operating system's network.
///
/// [`run`](Self::run) it, or own the loop: call [`turn`](Self::turn) again and again, with a
/// timeout or, in another event loop, whenever its descriptor is readable or
/// [`next_timeout`](Self::next_timeout) has passed.
///
/// ```no_run
/// # use std::time::Duration;
/// # use windlass::{Error, Handler, Raw, Server, Session};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Codec = Raw;
/// #     type State = ();
/// #     fn on_frame(
/// #         &mut self,
/// #         session: &mut Session<'_, Self>,
/// #         bytes: &mut [u8],
/// #     ) -> Result<(), Error> {
/// #         session.send(bytes)
/// #     }
/// # }
/// # fn draw_a_picture() {}
/// # fn main() -> Result<(), Error> {
/// let mut engine = Server::new().tcp("127.0.0.1:0", Echo).build()?;
/// println!("on {}", engine.local_addrs().next().unwrap());
/// loop {
///     draw_a_picture();
///     if let Some(report) = engine.turn(Some(Duration::from_millis(16)))? {
///         println!("{report}");
///         return Ok(());
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Engine {
    reactor: Reactor,
    network: OsNetwork,
}

impl Engine {
    /// The loop, and the network its sockets are in.
    pub(crate) const fn new(reactor: Reactor, network: OsNetwork) -> Self {
        Self { reactor, network }
    }

    /// Serves until a signal drains it, and says how that ended.
    ///
    /// # Errors
    ///
    /// As for [`turn`](Self::turn).
    pub fn run(&mut self) -> Result<DrainReport, Error> {
        let network = &mut Outside::System(&mut self.network);
        Ok(self.reactor.turn_on(network, None, Turns::All)?.unwrap_or_default())
    }

    /// Does what there is to do, after having waited for it for `timeout` at most (`None`: for as
    /// long as it takes). Once the loop has ended, it says how.
    ///
    /// # Errors
    ///
    /// Only what makes it pointless to go on: the system cannot be asked for events any more, or a
    /// listener has broken.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<Option<DrainReport>, Error> {
        self.reactor.turn_on(&mut Outside::System(&mut self.network), timeout, Turns::One)
    }

    /// How long from now until [`turn`](Self::turn) must be called, events apart: zero if there is
    /// work left, `None` if nothing is due.
    pub fn next_timeout(&mut self) -> Option<Duration> {
        let deadline = self.reactor.next_deadline()?;
        Some(deadline.since(self.network.now()))
    }

    /// By which other threads reach the loop. See [`Reactor::handle`].
    ///
    /// # Errors
    ///
    /// If there is no descriptor left for being woken by.
    pub fn handle(&mut self) -> Result<Handle, Error> {
        self.reactor.handle(&mut self.network)
    }

    /// For asking the loop, from outside of its callbacks, for what its next turn then does.
    pub const fn commands(&mut self) -> Commands<'_> {
        self.reactor.commands()
    }

    /// Begins to drain with the next turn. See [`Reactor::drain`].
    pub fn drain(&mut self) {
        self.reactor.drain();
    }

    /// Ends with the next turn. See [`Reactor::stop`].
    pub fn stop(&mut self) {
        self.reactor.stop();
    }

    /// Where the listeners and UDP sockets are, in the order they were added.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.reactor.local_addrs()
    }

    /// How many connections there are, accepted or made to others.
    pub fn connections_len(&self) -> usize {
        self.reactor.connections_len()
    }

    /// How many of them were made to others.
    pub const fn outbound_len(&self) -> usize {
        self.reactor.outbound_len()
    }

    /// How many connections can be accepted. See [`Reactor::max_connections`].
    pub const fn max_connections(&self) -> usize {
        self.reactor.max_connections()
    }

    /// The most bytes of memory that the loop will ever take. See [`Reactor::memory_bound`].
    pub fn memory_bound(&self) -> usize {
        self.reactor.memory_bound()
    }

    /// What has happened so far, and how things stand now. See [`Metrics`].
    pub fn metrics(&self) -> Metrics {
        self.reactor.metrics()
    }
}

impl AsFd for Engine {
    /// The descriptor of the loop's event queue, which is readable while there are events: for
    /// another loop to watch.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.network.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::Config;
    use crate::server::Server;
    use crate::server::tests::Mute;

    /// More than anything here takes: what waits for longer has failed.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Turns until `is_over`, of the engine and of its end.
    fn turn_until(
        engine: &mut Engine,
        is_over: impl Fn(&Engine, Option<&DrainReport>) -> bool,
    ) -> Option<DrainReport> {
        let began = std::time::Instant::now();
        loop {
            let report = engine.turn(Some(PATIENCE)).unwrap();
            if is_over(engine, report.as_ref()) {
                return report;
            }
            assert!(began.elapsed() < PATIENCE, "nothing comes of it");
        }
    }

    /// An engine with two peers that came and two that were called; they last as long as what is
    /// with it.
    fn busy() -> (Engine, [TcpStream; 2], TcpListener) {
        let config = Config { signals: Vec::new(), max_outbound: 2, ..Config::default() };
        let server = Server::with_config(config).max_connections(7).tcp("127.0.0.1:0", Mute);
        let mut engine = server.build().unwrap();
        let address = engine.local_addrs().next().unwrap();
        let peers = [(); 2].map(|()| TcpStream::connect(address).unwrap());
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        for _ in 0..2 {
            engine.commands().connect::<Mute>(upstream.local_addr().unwrap(), ()).unwrap();
        }
        let report = turn_until(&mut engine, |engine, _| engine.connections_len() == 4);
        assert_eq!(report, None);
        (engine, peers, upstream)
    }

    fn end(engine: &mut Engine) -> DrainReport {
        turn_until(engine, |_, report| report.is_some()).unwrap()
    }

    #[test]
    fn an_engine_tells_what_its_loop_has_and_may_have() {
        let (mut engine, ..) = busy();
        assert_eq!((engine.connections_len(), engine.outbound_len()), (4, 2));
        assert_eq!(engine.max_connections(), 7);
        assert!(engine.memory_bound() > Config::default().memory_budget);
        let timeout = engine.next_timeout().unwrap();
        assert!(!timeout.is_zero() && timeout <= Config::default().idle_timeout.unwrap());
    }

    #[test]
    fn an_engine_that_drains_ends_when_everybody_has_gone() {
        let (mut engine, peers, upstream) = busy();
        engine.drain();
        drop((peers, upstream));
        let report = end(&mut engine);
        assert!(report.is_clean(), "{report}");
        assert_eq!(engine.connections_len(), 0);
    }

    #[test]
    fn an_engine_that_is_stopped_cuts_whoever_is_left() {
        let (mut engine, _peers, _upstream) = busy();
        engine.stop();
        assert_eq!(end(&mut engine).cut_by_stop, 4);
    }
}
