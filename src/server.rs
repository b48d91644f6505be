//! The front door: configure, listen, run.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::acceptor::Acceptor;
use crate::config::{AtLimit, Config, DEFAULT_MAX_CONNECTIONS};
use crate::datagram::{DatagramEndpoint, DatagramHandler};
use crate::drain::DrainReport;
use crate::engine::Engine;
use crate::error::Error;
use crate::handler::Handler;
use crate::layers::Layers;
use crate::listener::{Kind, Listener};
use crate::middleware::Middleware;
use crate::network::{Network, OsNetwork};
use crate::outside::Outside;
use crate::reactor::{Reactor, Service};
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
    layers: Vec<Box<dyn Middleware>>,
    listeners: Vec<Listener>,
}

impl Server {
    /// A server with the default configuration and no listener.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server with this configuration and no listener.
    pub const fn with_config(config: Config) -> Self {
        Self { config, layers: Vec::new(), listeners: Vec::new() }
    }

    /// Allows this many connections at a time, over all listeners. See
    /// [`Config::max_connections`].
    pub const fn max_connections(mut self, max_connections: usize) -> Self {
        self.config.max_connections = Some(max_connections);
        self
    }

    /// Allows this many connections to others at a time. See [`Config::max_outbound`].
    pub const fn max_outbound(mut self, max_outbound: usize) -> Self {
        self.config.max_outbound = max_outbound;
        self
    }

    /// Says what happens to a peer that comes when there are as many connections as there may be.
    /// See [`Config::at_limit`].
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.config.at_limit = at_limit;
        self
    }

    /// Puts a layer before the layers and handlers of all listeners, behind those given before.
    pub fn middleware(mut self, layer: impl Middleware) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// Listens for TCP on `address`. See [`Listener::tcp`].
    pub fn tcp<H: Handler<Codec: Default>>(self, address: impl fmt::Display, handler: H) -> Self {
        self.listen(Listener::tcp(address, handler))
    }

    /// Listens for TCP on `address` with the settings of `codec`. See [`Listener::tcp_with`].
    pub fn tcp_with<H: Handler>(
        self,
        address: impl fmt::Display,
        codec: H::Codec,
        handler: H,
    ) -> Self {
        self.listen(Listener::tcp_with(address, codec, handler))
    }

    /// Receives UDP on `address`. See [`Listener::udp`].
    pub fn udp(self, address: impl fmt::Display, handler: impl DatagramHandler) -> Self {
        self.listen(Listener::udp(address, handler))
    }

    /// Adds a handler for connections that are [made](crate::Scope::connect) to others, which
    /// listens nowhere. Layers do not stand before them. The codec begins as its default.
    pub fn outbound<H: Handler<Codec: Default>>(self, handler: H) -> Self {
        self.outbound_with(H::Codec::default(), handler)
    }

    /// As [`outbound`](Self::outbound), with the settings of `codec`, of which each connection gets
    /// a clone.
    pub fn outbound_with<H: Handler>(self, codec: H::Codec, handler: H) -> Self {
        self.listen(Listener::outbound(codec, handler))
    }

    /// Adds a listener, which may have layers of its own.
    pub fn listen(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
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
    /// As for [`build`](Self::build). Whatever was opened until then is closed again; signals stay
    /// watched as long as `network` lasts.
    pub fn build_on(self, network: &mut dyn Network) -> Result<Reactor, Error> {
        let Self { config, layers, listeners } = self;
        config.check()?;
        check_listeners(layers.len(), &listeners)?;
        network
            .watch_signals(&config.signals)
            .map_err(|error| Error::with_source("cannot watch for signals", error))?;
        let max_connections = max_connections(&config, listeners.len(), network)?;
        let mut services = Vec::with_capacity(listeners.len());
        let common = layers.len();
        let mut layers = Layers::with_common(layers);
        let opened = listeners.into_iter().enumerate().try_for_each(|(index, mut listener)| {
            let index = u8::try_from(index).expect("their number was checked");
            layers.push_chain(common, std::mem::take(&mut listener.layers));
            services.push(open(network, &config, max_connections, index, listener)?);
            Ok(())
        });
        let now = network.now();
        let network = &mut Outside::Other(network);
        let mut reactor = Reactor::new(config, services, layers, max_connections, now);
        if let Err(error) = opened.and_then(|()| reactor.start(network)) {
            reactor.abandon(network);
            return Err(error);
        }
        log::info!(
            "{max_connections} connections at most, {} bytes of memory at most",
            reactor.memory_bound()
        );
        Ok(reactor)
    }
}

fn check_listeners(common: usize, listeners: &[Listener]) -> Result<(), Error> {
    if listeners.is_empty() {
        return Err(Error::new("a server needs a listener: call tcp, udp or outbound"));
    }
    if listeners.len() > Token::MAX_ENDPOINTS {
        let most = Token::MAX_ENDPOINTS;
        return Err(Error::new(format!("{} listeners: the most are {most}", listeners.len())));
    }
    let most = Layers::MAX_CHAIN_LEN;
    match listeners.iter().find(|listener| common + listener.layers.len() > most) {
        Some(listener) => Err(Error::new(format!(
            "{} layers before the handler of {listener}: the most are {most}",
            common + listener.layers.len()
        ))),
        None => Ok(()),
    }
}

/// How many connections there can be: what was asked for, if there are descriptors for it.
fn max_connections(
    config: &Config,
    listeners: usize,
    network: &mut dyn Network,
) -> Result<usize, Error> {
    let wanted = config.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS);
    let others = config.max_outbound.saturating_add(listeners);
    let needed = wanted.saturating_add(others).saturating_add(RESERVED_DESCRIPTORS);
    let Some(limit) = network.socket_limit(needed) else {
        return Ok(wanted);
    };
    let reserve = RESERVED_DESCRIPTORS.min(limit / 2).saturating_add(others);
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
    listener: Listener,
) -> Result<Service, Error> {
    let Listener { address, kind, .. } = listener;
    let token = Token::endpoint(index);
    match kind {
        Kind::Stream(make) => {
            let endpoint = make(index, max_connections.saturating_add(config.max_outbound));
            config.check_budget(endpoint.max_frame_len())?;
            let Some(address) = address else {
                return Ok(Service::Stream(Acceptor::nowhere(token), endpoint));
            };
            let wanted = resolve(&address)?;
            let bound = network.listen(token, wanted, &config.socket).map_err(|error| {
                Error::with_source(format!("cannot listen on tcp {address}"), error)
            })?;
            Ok(Service::Stream(Acceptor::new(token, bound), endpoint))
        }
        Kind::Datagram(handler) => {
            let address = address.expect("UDP is bound somewhere");
            let wanted = resolve(&address)?;
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
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::codec::Lines;
    use crate::handler::Session;
    use crate::network::SimNetwork;

    /// Does nothing with lines.
    pub(crate) struct Mute;

    impl Handler for Mute {
        type Codec = Lines;
        type State = ();

        fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
            Ok(())
        }
    }

    struct Nod;

    impl Middleware for Nod {}

    fn built(server: Server) -> Result<Reactor, Error> {
        server.build_on(&mut SimNetwork::new(1))
    }

    fn refusal(server: Server) -> String {
        built(server).unwrap_err().to_string()
    }

    #[test]
    fn a_server_of_nothing_is_refused() {
        assert!(refusal(Server::new()).contains("a server needs a listener"));
    }

    #[test]
    fn there_are_as_many_listeners_as_can_be_named_and_no_more() {
        let calling = |count| (0..count).fold(Server::new(), |server, _| server.outbound(Mute));
        built(calling(255)).unwrap();
        assert_eq!(refusal(calling(256)), "256 listeners: the most are 255");
    }

    #[test]
    fn there_are_as_many_layers_before_a_handler_as_fit_and_no_more() {
        let behind = |common, own, listener: Listener| {
            let server = (0..common).fold(Server::new(), |server, _| server.middleware(Nod));
            server.listen((0..own).fold(listener, |listener, _| listener.middleware(Nod)))
        };
        built(behind(10, 20, Listener::tcp("127.0.0.1:1", Mute))).unwrap();
        let text = refusal(behind(11, 20, Listener::tcp("127.0.0.1:1", Mute)));
        assert_eq!(text, "31 layers before the handler of 127.0.0.1:1: the most are 30");
        let text = refusal(behind(31, 0, Listener::outbound(Lines::default(), Mute)));
        assert!(text.contains("before the handler of connections to others"), "{text}");
    }

    #[test]
    fn without_descriptors_for_connections_there_is_no_server() {
        let mut network = SimNetwork::new(1);
        network.set_socket_limit(Some(1));
        let error = Server::new().tcp("127.0.0.1:1", Mute).build_on(&mut network).unwrap_err();
        assert!(error.to_string().contains("leaves none for connections"), "{error}");
    }

    #[test]
    fn there_are_as_many_connections_as_there_are_descriptors_for() {
        // One is the listener's, and 32, or half of few, are for everything else.
        for (limit, available) in [(1000, 967), (64, 31), (20, 9)] {
            let most = |wanted: Option<usize>| {
                let mut network = SimNetwork::new(1);
                network.set_socket_limit(Some(limit));
                let config = Config { max_connections: wanted, ..Config::default() };
                let server = Server::with_config(config).tcp("127.0.0.1:1", Mute);
                server.build_on(&mut network).map(|reactor| reactor.max_connections())
            };
            assert_eq!(most(None).unwrap(), available);
            assert_eq!(most(Some(5)).unwrap(), 5);
            assert_eq!(most(Some(available)).unwrap(), available);
            let error = most(Some(available + 1)).unwrap_err().to_string();
            let expected = format!("limit of {limit} descriptors leaves {available} after");
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for server in [Server::new().tcp("nowhere", Mute), Server::new().tcp("[::", Mute)] {
            let text = refusal(server);
            assert!(text.starts_with("cannot make an address of"), "{text}");
        }
    }

    #[test]
    fn what_was_set_is_shown() {
        let server = Server::new().at_limit(AtLimit::EvictIdle).max_outbound(3);
        let server = server.listen(Listener::tcp("127.0.0.1:1", Mute).middleware(Nod));
        let text = format!("{server:?}");
        for part in ["at_limit: EvictIdle", "max_outbound: 3", "127.0.0.1:1", "Nod"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}
