//! A TCP proxy: whoever connects is connected to one of several upstreams, by way of tied
//! connections.
//!
//! ```text
//! cargo run --release --example echo -- --tcp 127.0.0.1:7001
//! cargo run --release --example proxy -- --upstream 127.0.0.1:7001 --upstream 127.0.0.1:7002
//! printf hello | nc -N 127.0.0.1 7000
//! ```
//!
//! A client is not read until there is an upstream for it: the one with the fewest connections of
//! those that are up. One that cannot be reached is down, and another is tried for the same client;
//! it is tried again after a while, by a connection for nobody. From then on the loop passes on
//! what comes, ends and resets included, and holds back whoever sends faster than the other takes.

pub(crate) mod common;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use common::{Ending, Options, Stop};
use windlass::{
    CloseReason, Config, ConnectError, ConnectionId, Error, Handler, MessageHandler, NotConnected,
    Raw, Scope, Server, Session,
};

const HELP: &str = "
Connects whoever comes to one of several upstreams.

usage: proxy --upstream ADDR [OPTION]...

  --upstream ADDR       where clients are connected to, any number of times: to the one with
                        the fewest connections of those that are up
  --tcp ADDR            listen on this address, any number of times
                        (without: on 127.0.0.1:7000; port 0: any free port)
  --connect-timeout D   an upstream that does not answer within this time is down (default 5s)
  --retry D             try an upstream that is down again after this time, and after twice as
                        long each further time, up to 32 times as long (default 1s)
  --max-connections N   how many clients there can be (default 1000)
  --high-watermark SIZE read no more for a peer that does not take this much (default 64KiB)
  --idle-timeout D      close both sides after this long without a byte (default 5m)
  --write-timeout D     reset both sides if one takes no byte for this long (default 30s)
  --drain-timeout D     how long SIGINT and SIGTERM wait for clients to end (default 30s)
  --help                print this

SIZE is in bytes, or such as 64KiB or 1MiB; D is such as 500ms, 30s or 2m.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// The most that the options take as a size, in bytes: just under 2 GiB.
const MAX_SIZE: usize = i32::MAX as usize;
/// An upstream that is down is left alone for so many times the shortest wait at most.
const MAX_WAITS: u32 = 32;

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) upstreams: Vec<SocketAddr>,
    pub(crate) retry: Duration,
    pub(crate) config: Config,
}

/// The clients of one listener.
struct Clients;

/// A client has come.
struct Arrival(ConnectionId);

/// All upstreams, and the connections to them.
struct Upstreams {
    all: Vec<Upstream>,
    /// How long an upstream that has just gone down is left alone.
    retry: Duration,
}

struct Upstream {
    address: SocketAddr,
    /// How many connections there are to it, those included that are being made.
    active: usize,
    /// How often it was chosen: of those with as few connections, it is the turn of the one that
    /// was chosen least often.
    chosen: u64,
    /// If it is down, how many waits the next trial is after the last.
    down: Option<u32>,
}

/// What is kept for a connection to an upstream.
#[derive(Clone, Copy, Default)]
struct Trip {
    /// Which of them.
    upstream: usize,
    /// For whom; nobody, if it is only to see whether the upstream is up again.
    client: Option<ConnectionId>,
}

impl Handler for Clients {
    type Codec = Raw;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        // Until it is tied: what it sends waits in the kernel.
        session.pause();
        let client = session.id();
        session.commands().post::<Upstreams, _>(Arrival(client))
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::new("a client was read before it was tied"))
    }
}

impl MessageHandler<Arrival> for Upstreams {
    fn on_message(&mut self, scope: &mut Scope<'_, Self>, client: Arrival) -> Result<(), Error> {
        self.connect(scope, client.0)
    }
}

impl Handler for Upstreams {
    type Codec = Raw;
    type State = Trip;

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let Trip { upstream, client } = *session.state();
        self.rise(upstream);
        let id = session.id();
        match client {
            Some(client) if session.commands().is_open(client) => {
                // Some upstreams speak first. Tying takes it up again.
                session.pause();
                session.commands().tie(client, id)
            }
            // The client has left, or there never was one.
            _ => {
                session.close();
                Ok(())
            }
        }
    }

    fn on_connect_failed(
        &mut self,
        scope: &mut Scope<'_, Self>,
        _: SocketAddr,
        trip: Trip,
        error: &ConnectError,
    ) -> Result<(), Error> {
        self.fall(scope, trip, error);
        match trip.client {
            Some(client) if self.all[trip.upstream].down.is_some() => self.connect(scope, client),
            // It is we who have run out of something.
            Some(client) if scope.commands().is_open(client) => scope.commands().close(client),
            _ => Ok(()),
        }
    }

    fn on_server_timer(&mut self, scope: &mut Scope<'_, Self>, key: u32) -> Result<(), Error> {
        // The timers bear the numbers of the upstreams.
        let upstream = key as usize;
        self.begin(scope, Trip { upstream, client: None });
        Ok(())
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::new("an upstream was read before it was tied"))
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
        let upstream = session.state().upstream;
        self.all[upstream].active -= 1;
    }
}

impl Upstreams {
    fn new(addresses: &[SocketAddr], retry: Duration) -> Self {
        let upstream = |address| Upstream { address, active: 0, chosen: 0, down: None };
        Self { all: addresses.iter().copied().map(upstream).collect(), retry }
    }

    /// Begins to connect a client, to one upstream after the other until that goes well.
    fn connect(&mut self, scope: &mut Scope<'_, Self>, client: ConnectionId) -> Result<(), Error> {
        while scope.commands().is_open(client) {
            let Some(upstream) = self.choose() else {
                log::warn!("{client} is closed: no upstream is up");
                return scope.commands().close(client);
            };
            if self.begin(scope, Trip { upstream, client: Some(client) }) {
                return Ok(());
            }
            if self.all[upstream].down.is_none() {
                // It is we who have run out of something.
                return scope.commands().close(client);
            }
        }
        Ok(())
    }

    /// The upstream that is next.
    fn choose(&self) -> Option<usize> {
        let up = self.all.iter().enumerate().filter(|(_, upstream)| upstream.down.is_none());
        let least = up.min_by_key(|(_, upstream)| (upstream.active, upstream.chosen));
        least.map(|(number, _)| number)
    }

    /// Begins to connect to an upstream; says whether that went well.
    fn begin(&mut self, scope: &mut Scope<'_, Self>, trip: Trip) -> bool {
        let upstream = &mut self.all[trip.upstream];
        upstream.active += 1;
        upstream.chosen += 1;
        match scope.connect(upstream.address, trip) {
            Ok(_) => true,
            Err(NotConnected { error, .. }) => {
                self.fall(scope, trip, &error);
                false
            }
        }
    }

    /// A connection to an upstream was made.
    fn rise(&mut self, number: usize) {
        let upstream = &mut self.all[number];
        if upstream.down.take().is_some() {
            log::info!("upstream {} is up again", upstream.address);
        }
    }

    /// A connection to an upstream could not be made: it is down for a while.
    fn fall(&mut self, scope: &mut Scope<'_, Self>, trip: Trip, error: &ConnectError) {
        let upstream = &mut self.all[trip.upstream];
        upstream.active -= 1;
        let is_probe = trip.client.is_none();
        if matches!(error, ConnectError::NoResources(_)) && !is_probe {
            log::error!("cannot connect to {}: {error}", upstream.address);
            return;
        }
        let waits = match upstream.down {
            None => {
                log::warn!("upstream {} is down: {error}", upstream.address);
                1
            }
            Some(waits) if is_probe => (2 * waits).min(MAX_WAITS),
            // Others that were on their way have found out before.
            Some(_) => return,
        };
        upstream.down = Some(waits);
        let key = u32::try_from(trip.upstream).expect("there are few upstreams");
        scope.set_timer(key, self.retry * waits);
    }
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let (mut tcp, mut upstreams) = (Vec::new(), Vec::new());
    let mut retry = Duration::from_secs(1);
    let mut config = Config {
        max_connections: Some(1000),
        connect_timeout: Duration::from_secs(5),
        // Whoever waits for an upstream is not to blame for having sent nothing.
        first_frame_timeout: None,
        ..Config::default()
    };
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => tcp.push(options.address()?),
            "--upstream" => upstreams.push(options.address()?),
            "--connect-timeout" => config.connect_timeout = options.duration()?,
            "--retry" => retry = options.duration()?,
            "--max-connections" => config.max_connections = Some(options.number(1..=1_000_000)?),
            "--high-watermark" => {
                config.high_watermark = options.size(1..=MAX_SIZE / 2)?;
                // Reading goes on at a quarter of where it stops.
                config.low_watermark = config.high_watermark / 4;
                config.write_limit = config.write_limit.max(2 * config.high_watermark);
            }
            "--idle-timeout" => config.idle_timeout = Some(options.duration()?),
            "--write-timeout" => config.write_timeout = Some(options.duration()?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            _ => return Err(options.unknown()),
        }
    }
    if upstreams.is_empty() {
        return Err(Stop::BadUsage("there is no --upstream".to_owned()));
    }
    // One for each client, and one to see whether each upstream is up.
    config.max_outbound = config.max_connections.map_or(0, |clients| clients + upstreams.len());
    Ok(Settings { tcp: common::or_port_7000(tcp), upstreams, retry, config })
}

/// The server that is asked for.
pub(crate) fn server(settings: Settings) -> Server {
    let Settings { tcp, upstreams, retry, config } = settings;
    let server = Server::with_config(config).outbound(Upstreams::new(&upstreams, retry));
    tcp.iter().fold(server, |server, address| server.tcp(address, Clients))
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let mut engine = server(settings).build()?;
    for address in engine.local_addrs() {
        common::print_listening("tcp", address);
    }
    Ok(common::ending(&engine.run()?))
}
