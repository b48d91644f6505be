//! The front door: configure, listen, run.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::acceptor::Acceptor;
use crate::config::{AtLimit, Config, DEFAULT_MAX_CONNECTIONS};
use crate::datagram::{DatagramEndpoint, DatagramHandler};
use crate::drain::DrainReport;
use crate::endpoint::{Endpoint, StreamEndpoint};
use crate::engine::Engine;
use crate::error::Error;
use crate::handler::Handler;
use crate::network::{Network, OsNetwork};
use crate::reactor::{Reactor, Service, capacity};
use crate::token::Token;

/// Descriptors that are left to the rest of the program.
const RESERVED_DESCRIPTORS: usize = 32;

/// A server to be: its configuration and its listeners.
///
/// ```no_run
/// use windlass::{Error, Handler, Raw, Server, Session};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Codec = Raw;
///     type State = ();
///
///     fn on_frame(
///         &mut self,
///         session: &mut Session<'_, Self>,
///         bytes: &mut [u8],
///     ) -> Result<(), Error> {
///         session.send(bytes)
///     }
/// }
///
/// fn main() -> Result<(), Error> {
///     let report = Server::new().max_connections(500).tcp("127.0.0.1:7000", Echo).run()?;
///     println!("{report}");
///     Ok(())
/// }
/// ```
#[must_use = "a server does nothing until it is run or built"]
#[derive(Default)]
pub struct Server {
    config: Config,
    planned: Vec<(String, Planned)>,
}

/// A listener or UDP socket to be.
enum Planned {
    /// What makes the endpoint once its number is known, and for how many connections.
    Stream(Box<dyn FnOnce(u8, usize) -> Box<dyn Endpoint>>),
    Datagram(Box<dyn DatagramHandler>),
}

impl Server {
    /// A server with the default configuration and no listener.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server with this configuration and no listener.
    pub const fn with_config(config: Config) -> Self {
        Self { config, planned: Vec::new() }
    }

    /// Allows this many connections at a time, over all listeners. See
    /// [`Config::max_connections`].
    pub const fn max_connections(mut self, max_connections: usize) -> Self {
        self.config.max_connections = Some(max_connections);
        self
    }

    /// Says what happens to a peer that comes when there are as many connections as there may be.
    /// See [`Config::at_limit`].
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.config.at_limit = at_limit;
        self
    }

    /// Listens for TCP on `address`, such as `127.0.0.1:7000` or `[::]:7000`; port 0 is any free
    /// port. A name is looked up when the server is built, and the first address found is taken.
    /// The codec begins as its default.
    pub fn tcp<H: Handler<Codec: Default>>(self, address: impl fmt::Display, handler: H) -> Self {
        self.tcp_with(address, H::Codec::default(), handler)
    }

    /// Listens for TCP on `address`, as [`tcp`](Self::tcp) does, with the settings of `codec`, of
    /// which each connection gets a clone.
    pub fn tcp_with<H: Handler>(
        mut self,
        address: impl fmt::Display,
        codec: H::Codec,
        handler: H,
    ) -> Self {
        let make = move |endpoint, capacity| -> Box<dyn Endpoint> {
            Box::new(StreamEndpoint::new(endpoint, capacity, codec, handler))
        };
        self.planned.push((address.to_string(), Planned::Stream(Box::new(make))));
        self
    }

    /// Receives UDP on `address`, which is understood as by [`tcp`](Self::tcp).
    pub fn udp(mut self, address: impl fmt::Display, handler: impl DatagramHandler) -> Self {
        self.planned.push((address.to_string(), Planned::Datagram(Box::new(handler))));
        self
    }

    /// Builds the server and runs it until a signal drains it, and says how that ended.
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build) and [`Engine::turn`].
    pub fn run(self) -> Result<DrainReport, Error> {
        self.build()?.run()
    }

    /// Opens the listeners on the operating system's network.
    ///
    /// # Errors
    ///
    /// There is no listener, or more than 255 of them; settings do not fit together, or not with
    /// the descriptor limit; an address cannot be understood or bound; a signal cannot be caught.
    pub fn build(self) -> Result<Engine, Error> {
        let mut network = OsNetwork::new()
            .map_err(|error| Error::with_source("cannot open the system's event queue", error))?;
        let reactor = self.build_on(&mut network)?;
        Ok(Engine::new(reactor, network))
    }

    /// Opens the listeners on `network`, which must be the one that every turn is given.
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build).
    pub fn build_on(self, network: &mut dyn Network) -> Result<Reactor, Error> {
        let Self { config, planned } = self;
        config.check()?;
        if planned.is_empty() {
            return Err(Error::new("a server needs a listener: call tcp or udp"));
        }
        if planned.len() > Token::MAX_ENDPOINTS {
            let most = Token::MAX_ENDPOINTS;
            return Err(Error::new(format!("{} listeners: the most are {most}", planned.len())));
        }
        network
            .watch_signals(&config.signals)
            .map_err(|error| Error::with_source("cannot watch for signals", error))?;
        let max_connections = max_connections(&config, planned.len(), network)?;
        let mut services = Vec::with_capacity(planned.len());
        for (index, planned) in planned.into_iter().enumerate() {
            let index = u8::try_from(index).expect("their number was checked");
            services.push(open(network, &config, max_connections, index, planned)?);
        }
        let now = network.now();
        let reactor = Reactor::new(config, services, max_connections, now);
        log::info!(
            "{max_connections} connections at most, {} bytes of memory at most",
            reactor.memory_bound()
        );
        Ok(reactor)
    }
}

/// How many connections there can be: what was asked for, if there are descriptors for it.
fn max_connections(
    config: &Config,
    listeners: usize,
    network: &mut dyn Network,
) -> Result<usize, Error> {
    let wanted = config.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS);
    let needed = wanted.saturating_add(listeners + RESERVED_DESCRIPTORS);
    let Some(limit) = network.socket_limit(needed) else {
        return Ok(wanted);
    };
    let reserve = RESERVED_DESCRIPTORS.min(limit / 2) + listeners;
    let available = limit.saturating_sub(reserve);
    match config.max_connections {
        Some(wanted) if wanted > available => Err(Error::new(format!(
            "max_connections is {wanted}, but the limit of {limit} descriptors leaves {available} \
             after {reserve} for everything else: lower max_connections or raise the limit \
             (ulimit -n)"
        ))),
        None if available == 0 => Err(Error::new(format!(
            "the limit of {limit} descriptors leaves none for connections: raise it (ulimit -n)"
        ))),
        _ => Ok(wanted.min(available)),
    }
}

fn open(
    network: &mut dyn Network,
    config: &Config,
    max_connections: usize,
    index: u8,
    (address, planned): (String, Planned),
) -> Result<Service, Error> {
    let token = Token::endpoint(index);
    let wanted = resolve(&address)?;
    match planned {
        Planned::Stream(make) => {
            let endpoint = make(index, capacity(max_connections));
            config.check_budget(endpoint.max_frame_len())?;
            let bound = network.listen(token, wanted, &config.socket).map_err(|error| {
                Error::with_source(format!("cannot listen on tcp {address}"), error)
            })?;
            Ok(Service::Stream(Acceptor::new(token, bound), endpoint))
        }
        Planned::Datagram(handler) => {
            let bound = network
                .bind(token, wanted, &config.socket)
                .map_err(|error| Error::with_source(format!("cannot bind udp {address}"), error))?;
            Ok(Service::Datagram(DatagramEndpoint::new(token, bound, handler)))
        }
    }
}

fn resolve(address: &str) -> Result<SocketAddr, Error> {
    let what = || format!("cannot make an address of {address:?}, such as 127.0.0.1:7000");
    let mut found = address.to_socket_addrs().map_err(|error| Error::with_source(what(), error))?;
    found.next().ok_or_else(|| Error::new(what()))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.planned.iter().map(|(address, _)| address).collect();
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("addresses", &addresses)
            .finish()
    }
}
