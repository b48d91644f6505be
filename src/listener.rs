//! A listener or UDP socket to be: where, with which handler, behind which layers.

use std::fmt;

use crate::datagram::DatagramHandler;
use crate::endpoint::{Endpoint, StreamEndpoint};
use crate::handler::Handler;
use crate::middleware::Middleware;

/// What a [`Server`](crate::Server) is given to listen on. `Server::tcp` and `Server::udp` are
/// enough for one without layers of its own.
///
/// ```
/// use windlass::middleware::{Arrival, Middleware, Refusal, Verdict};
/// use windlass::{Error, Handler, Lines, Listener, Server, Session};
///
/// struct Admin;
///
/// impl Handler for Admin {
///     type Codec = Lines;
///     type State = ();
///
///     fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
///         session.send(line)
///     }
/// }
///
/// struct LocalOnly;
///
/// impl Middleware for LocalOnly {
///     fn on_accept(&mut self, arrival: &Arrival) -> Verdict {
///         match arrival.ip().is_loopback() {
///             true => Verdict::Continue,
///             false => Verdict::Refuse(Refusal::new("not from this machine")),
///         }
///     }
/// }
///
/// let server = Server::new().listen(Listener::tcp("0.0.0.0:7001", Admin).middleware(LocalOnly));
/// ```
#[must_use = "a listener does nothing until a server is given it"]
pub struct Listener {
    /// Of one that only connects to others, none.
    pub(crate) address: Option<String>,
    pub(crate) layers: Vec<Box<dyn Middleware>>,
    pub(crate) kind: Kind,
}

/// Of which kind it is, with its handler.
pub(crate) enum Kind {
    Stream(MakeEndpoint),
    Datagram(Box<dyn DatagramHandler>),
}

/// What makes the endpoint once its number is known, and for how many connections.
pub(crate) type MakeEndpoint = Box<dyn FnOnce(u8, usize) -> Box<dyn Endpoint>>;

impl Listener {
    /// Listens for TCP on `address`, such as `127.0.0.1:7000` or `[::]:7000`; port 0 is any free
    /// port. A name is looked up when the server is built, and the first address found is taken.
    /// The codec begins as its default.
    pub fn tcp<H: Handler<Codec: Default>>(address: impl fmt::Display, handler: H) -> Self {
        Self::tcp_with(address, H::Codec::default(), handler)
    }

    /// Listens for TCP on `address`, as [`tcp`](Self::tcp) does, with the settings of `codec`, of
    /// which each connection gets a clone.
    pub fn tcp_with<H: Handler>(address: impl fmt::Display, codec: H::Codec, handler: H) -> Self {
        Self::new(address, Kind::Stream(make(codec, handler)))
    }

    /// Receives UDP on `address`, which is understood as by [`tcp`](Self::tcp).
    pub fn udp(address: impl fmt::Display, handler: impl DatagramHandler) -> Self {
        Self::new(address, Kind::Datagram(Box::new(handler)))
    }

    /// Listens nowhere: its connections are those that are made to others.
    pub(crate) fn outbound<H: Handler>(codec: H::Codec, handler: H) -> Self {
        Self { address: None, layers: Vec::new(), kind: Kind::Stream(make(codec, handler)) }
    }

    fn new(address: impl fmt::Display, kind: Kind) -> Self {
        Self { address: Some(address.to_string()), layers: Vec::new(), kind }
    }

    /// Puts a layer before the handler, behind those of the server and those given before.
    pub fn middleware(mut self, layer: impl Middleware) -> Self {
        self.layers.push(Box::new(layer));
        self
    }
}

fn make<H: Handler>(codec: H::Codec, handler: H) -> MakeEndpoint {
    Box::new(move |endpoint, max_len| {
        Box::new(StreamEndpoint::new(endpoint, max_len, codec, handler))
    })
}

impl fmt::Display for Listener {
    /// Where it listens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.address.as_deref().unwrap_or("connections to others"))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.name()).collect();
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("layers", &layers)
            .finish_non_exhaustive()
    }
}
