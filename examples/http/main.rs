//! An HTTP/1.1 server: short answers, bodies sent back as they come, files, and events.
//!
//! ```text
//! cargo run --release --example http -- --files .
//! curl http://127.0.0.1:7000/
//! curl -T Cargo.toml http://127.0.0.1:7000/echo
//! curl --range 0-99 http://127.0.0.1:7000/files/README.md
//! curl -N http://127.0.0.1:7000/events
//! ```
//!
//! A browser shows the events on <http://127.0.0.1:7000/page>.
//!
//! It shows a codec for a protocol as it is spoken, with typed frames that borrow from what has
//! come (`http1`); requests without a limit on their bodies' memory, since no body is ever held,
//! and those who do not read what they are sent are not read either; answers that are made once a
//! second, and only copied for each request; long answers sent in portions; and what is answered
//! when a client is too slow, or says what is no HTTP.
//!
//! What it does not do: TLS, HTTP/2, compression, more than one range of a file in an answer, and
//! the fields `If-Match` and `If-Unmodified-Since`, which are for those who change files.

#[path = "../common/mod.rs"]
pub(crate) mod common;
mod echo;
mod events;
mod exchange;
mod files;
#[allow(dead_code, reason = "the example `websocket` uses what is left")]
pub(crate) mod http1;
mod precondition;
mod ready;
mod site;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use common::{Ending, Options, Stop};
use files::Files;
use http1::{Clock, Http1, Limits};
use site::Site;
use windlass::middleware::{Logging, PerAddressLimit};
use windlass::{Config, Error, Server};

const HELP: &str = "
Serves HTTP/1.1: / and /json (short answers), /echo (a body sent back), /events (server-sent events)
and /page, which shows them in a browser, and /files/.

usage: http [OPTION]...

  --tcp ADDR            listen on this address, any number of times
                        (without: on 127.0.0.1:7000; port 0: any free port)
  --files DIR           serve what is in this directory as /files/..., but for what begins with a
                        dot, and what links lead out of it
  --event-interval D    how often there is an event (default 1s)
  --max-head SIZE       the longest head of a request, 16KiB at least (default 16KiB)
  --max-body SIZE       the longest body of a request (default 1GiB)
  --head-timeout D      how long a head may take (default 30s)
  --body-timeout D      how long the next 16KiB of a body may take (default 30s)
  --idle-timeout D      how long a connection waits for the next request (default 1m; two event
                        intervals at least)
  --write-timeout D     close if no answer is taken for this long (default 30s)
  --max-connections N   how many connections there can be (default: as many as descriptors allow,
                        10000 at most); each file that is being sent takes another descriptor
  --max-per-address N   how many connections one address may have
  --drain-timeout D     how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --log                 log who came, who was refused, and who went and why
  --help                print this

SIZE is in bytes, or such as 64KiB or 1MiB; D is such as 500ms, 30s or 2m.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) files: Option<PathBuf>,
    pub(crate) event_interval: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) limits: Limits,
    pub(crate) max_per_address: Option<u32>,
    pub(crate) has_log: bool,
    pub(crate) config: Config,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tcp: Vec::new(),
            files: None,
            event_interval: Duration::from_secs(1),
            body_timeout: Duration::from_secs(30),
            limits: Limits::default(),
            max_per_address: None,
            has_log: false,
            config: Config { idle_timeout: Some(Duration::from_secs(60)), ..Config::default() },
        }
    }
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut settings = Settings::default();
    while let Some(option) = options.next()? {
        let config = &mut settings.config;
        match option.as_str() {
            "--tcp" => settings.tcp.push(options.address()?),
            "--files" => settings.files = Some(options.path()?),
            "--event-interval" => settings.event_interval = options.duration()?,
            "--max-head" => settings.limits.head_len = options.size(16 << 10..=1 << 20)?,
            "--max-body" => {
                settings.limits.body_len = options.size(1..=i32::MAX as usize)? as u64;
            }
            "--head-timeout" => {
                config.frame_timeout = Some(options.duration()?);
                config.first_frame_timeout = config.frame_timeout;
            }
            "--body-timeout" => settings.body_timeout = options.duration()?,
            "--idle-timeout" => config.idle_timeout = Some(options.duration()?),
            "--write-timeout" => config.write_timeout = Some(options.duration()?),
            "--max-connections" => config.max_connections = Some(options.number(1..=16_777_215)?),
            "--max-per-address" => settings.max_per_address = Some(options.number(1..=u32::MAX)?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            "--log" => settings.has_log = true,
            _ => return Err(options.unknown()),
        }
    }
    settings.tcp = common::or_port_7000(settings.tcp);
    // Whoever waits for the next event is not idle.
    let least = settings.event_interval * 2;
    settings.config.idle_timeout = settings.config.idle_timeout.map(|time| time.max(least));
    Ok(settings)
}

/// The server that is asked for; `wall` tells the time of the world, for dates.
///
/// # Errors
///
/// If the directory of the files is none.
pub(crate) fn server(settings: Settings, wall: fn() -> SystemTime) -> Result<Server, Error> {
    let mut server = Server::with_config(settings.config);
    if settings.has_log {
        server = server.middleware(Logging::new());
    }
    if let Some(most) = settings.max_per_address {
        server = server.middleware(PerAddressLimit::new(most));
    }
    for address in settings.tcp {
        let files = settings.files.as_deref().map(Files::new).transpose()?;
        let pace = site::Pace {
            event_interval: settings.event_interval,
            body_timeout: settings.body_timeout,
        };
        let site = Site::new(Clock::new(wall), files, pace);
        server = server.tcp_with(address, Http1::new(settings.limits), site);
    }
    Ok(server)
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let mut engine = server(settings, SystemTime::now)?.build()?;
    engine.local_addrs().for_each(|address| common::print_listening("tcp", address));
    Ok(common::ending(&engine.run()?))
}
