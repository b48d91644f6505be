//! All layers before a handler, each by an option, and one of its own: who comes, how much of it
//! is served, who it is, and what is counted.
//!
//! ```text
//! cargo run --release --example middleware -- --max-per-address 2 --frame-rate 2/s --forbid spam
//! printf 'ham\nspam\neggs\n' | nc -N 127.0.0.1 7000
//! curl http://127.0.0.1:7001/metrics
//! ```
//!
//! With `echo sesame > password`, `--password-file password` lets in who knows it:
//!
//! ```text
//! printf 'ann sesame\nhello\n' | nc -N 127.0.0.1 7000
//! ```
//!
//! The log is a layer of the server: it is told of all that the others refuse. The others are
//! layers of the listener, so that the one for the numbers has its own. Layers are asked in the
//! order in which they are given, so those that cost the least come first. With the feature
//! `prometheus` (`cargo run --features prometheus …`), the numbers are in its text form.

pub(crate) mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use common::{Ending, Networks, Options, Rate, Stop};
use windlass::middleware::{
    Authenticate, ConnectionContext, Frame, Interest, Logging, Login, Middleware, Over,
    PerAddressLimit, RateLimit, Verdict, constant_time_eq,
};
use windlass::{Config, Error, Handler, Lines, Listener, Metrics, Server, Session};

const HELP: &str = "
Sends lines back to those whom its layers let in, and the lines they let through.

usage: middleware [OPTION]...

  --tcp ADDR             listen on this address, any number of times
                         (without: on 127.0.0.1:7000; port 0: any free port)
  --metrics ADDR         tell what is counted here, over HTTP (without: on 127.0.0.1:7001)
  --log-rate N           how many lines of a kind are logged in a second (default 100)
  --allow CIDR           let in only peers of this network, any number of times
  --deny CIDR            do not let in peers of this network, whatever is allowed
  --max-per-address N    how many connections one address may have
  --connection-rate N/s  how many connections of one address are let in in a second
  --frame-rate N/s       how many lines of one address are taken in a second
  --byte-rate SIZE/s     how many bytes of one address are taken in a second
  --over WHAT            what becomes of those over a rate: slow, no more is read from them until
                         they have made up for it (default); refuse, a line too many is answered
                         so, and dropped; or close. Connections too many are turned away, or, if
                         it is slow, let in and read later
  --password-file FILE   let in only who begins with his name, a space, and the first line of
                         this file
  --tries N              how many passwords one may try on a connection (default 3)
  --login-timeout D      how long that may take (default 10s)
  --forbid WORD          let no line through that has this word in it: a layer of its own
  --drain-timeout D      how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help                 print this

Without its option there is no such layer, but for the log.
SIZE is in bytes, or such as 64KiB or 1MiB; D is such as 500ms, 30s or 2m; /s can be /m or /h;
CIDR is such as 10.0.0.0/8 or 2001:db8::/32, or an address.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) metrics: SocketAddr,
    pub(crate) config: Config,
    pub(crate) log_rate: u32,
    pub(crate) gate: Gate,
}

/// The layers of a listener, as they are asked for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Gate {
    pub(crate) networks: Networks,
    pub(crate) max_per_address: Option<u32>,
    pub(crate) connection_rate: Option<Rate>,
    pub(crate) frame_rate: Option<Rate>,
    pub(crate) byte_rate: Option<Rate>,
    pub(crate) over: Over,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) tries: u32,
    pub(crate) login_timeout: Duration,
    pub(crate) forbidden: Option<String>,
}

/// The layer of its own: keeps lines with a word in them from the handler.
struct Forbid(String);

impl Middleware for Forbid {
    fn interest(&self) -> Interest {
        Interest::Bytes
    }

    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        if !frame.body.windows(self.0.len()).any(|part| part == self.0.as_bytes()) {
            return Verdict::Continue;
        }
        connection.send(Bytes::from_static(b"there is a word in it that is forbidden\n"));
        Verdict::Consume
    }
}

/// What all the layers are for: it greets whoever has a name, and sends lines back.
struct Echo;

impl Handler for Echo {
    type Codec = Lines;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let context = session.context();
        let Some(identity) = context.identity() else { return Ok(()) };
        let greeting = format!("welcome, {}", identity.name);
        session.send(&greeting)
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        session.send(line)
    }
}

/// Answers any request over HTTP with what is counted.
struct Numbers;

impl Handler for Numbers {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        // What was asked for does not matter; with an empty line, the request is over.
        if !line.is_empty() {
            return Ok(());
        }
        let id = session.id();
        session.defer(move |_, scope| {
            let body = text(&scope.metrics());
            let head = format!("HTTP/1.0 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\n");
            let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            // It may have closed meanwhile.
            scope.with(id, |session| session.send_encoded(answer.into()).map(|()| session.close()));
            Ok(())
        })
    }

    fn on_end(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        // After the answer, if there is to be one.
        let id = session.id();
        session.commands().close(id)
    }
}

#[cfg(feature = "prometheus")]
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
#[cfg(not(feature = "prometheus"))]
const CONTENT_TYPE: &str = "text/plain";

#[cfg(feature = "prometheus")]
fn text(metrics: &Metrics) -> String {
    metrics.to_prometheus()
}

/// The numbers that have to do with layers, and how connections ended.
#[cfg(not(feature = "prometheus"))]
fn text(metrics: &Metrics) -> String {
    let counts = [
        ("accepted", metrics.accepted),
        ("refused by layers", metrics.refused_by_layers),
        ("frames", metrics.frames),
        ("frames refused", metrics.frames_refused),
        ("frames consumed", metrics.frames_consumed),
        ("bytes received", metrics.bytes_received),
        ("bytes sent", metrics.bytes_sent),
        ("connections", metrics.connections),
    ];
    let counts = counts.map(|(name, count)| format!("{name}: {count}\n"));
    let closes = metrics.closed.iter().filter(|(_, count)| *count > 0);
    let closes = closes.map(|(label, count)| format!("closed, {label}: {count}\n"));
    counts.into_iter().chain(closes).collect()
}

impl Gate {
    /// Reads the option, if it is one of these. Otherwise says no.
    fn read(&mut self, option: &str, options: &mut Options) -> Result<bool, Stop> {
        match option {
            "--max-per-address" => self.max_per_address = Some(options.number(1..=u32::MAX)?),
            "--connection-rate" => self.connection_rate = Some(options.rate()?),
            "--frame-rate" => self.frame_rate = Some(options.rate()?),
            "--byte-rate" => self.byte_rate = Some(options.byte_rate()?),
            "--over" => {
                let choices =
                    [("slow", Over::Slow), ("refuse", Over::Refuse), ("close", Over::Close)];
                self.over = options.choice(&choices)?;
            }
            "--password-file" => self.password_file = Some(options.path()?),
            "--tries" => self.tries = options.number(1..=u32::MAX)?,
            "--login-timeout" => self.login_timeout = options.duration()?,
            "--forbid" => self.forbidden = Some(options.word("a word")?),
            other => return self.networks.read(other, options),
        }
        Ok(true)
    }

    /// Puts the layers before the handler of a listener.
    fn guard(self, mut listener: Listener) -> Result<Listener, Error> {
        if let Some(rules) = self.networks.layer() {
            listener = listener.middleware(rules);
        }
        if let Some(max) = self.max_per_address {
            let limit = PerAddressLimit::new(max).farewell("too many of you\n");
            listener = listener.middleware(limit);
        }
        if let Some(Rate { count, period }) = self.connection_rate {
            listener = listener.middleware(RateLimit::connections(count, period).over(self.over));
        }
        if let Some(Rate { count, period }) = self.byte_rate {
            let limit = RateLimit::bytes(count, period).over(self.over);
            listener = listener.middleware(limit.farewell("too many bytes\n"));
        }
        if let Some(Rate { count, period }) = self.frame_rate {
            let limit = RateLimit::frames(count, period).over(self.over);
            listener = listener.middleware(limit.farewell("too many lines\n"));
        }
        if let Some(file) = self.password_file {
            let login = by_password(read_password(&file)?);
            listener = listener.middleware(login.tries(self.tries).deadline(self.login_timeout));
        }
        if let Some(word) = self.forbidden {
            listener = listener.middleware(Forbid(word));
        }
        Ok(listener)
    }
}

/// Lets those in who send a name, a space, and the password.
fn by_password(password: String) -> Authenticate {
    let check = move |_: &mut ConnectionContext<'_>, line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        match line.split_once(' ') {
            Some((name, tried)) if constant_time_eq(tried.as_bytes(), password.as_bytes()) => {
                Login::Accepted(name.to_owned())
            }
            _ => Login::Rejected,
        }
    };
    Authenticate::new(check).rejected("send your name, a space, and the password\n")
}

fn read_password(file: &Path) -> Result<String, Error> {
    let what = || format!("cannot read a password from {}", file.display());
    let text = fs::read_to_string(file).map_err(|error| Error::with_source(what(), error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Error::with_source(what(), "its first line is empty")),
    }
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut gate = Gate {
        networks: Networks::default(),
        max_per_address: None,
        connection_rate: None,
        frame_rate: None,
        byte_rate: None,
        over: Over::Slow,
        password_file: None,
        tries: 3,
        login_timeout: Duration::from_secs(10),
        forbidden: None,
    };
    let (mut tcp, mut metrics) = (Vec::new(), SocketAddr::from(([127, 0, 0, 1], 7001)));
    let (mut config, mut log_rate) = (Config::default(), 100);
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => tcp.push(options.address()?),
            "--metrics" => metrics = options.address()?,
            "--log-rate" => log_rate = options.number(1..=1_000_000)?,
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            other => {
                if !gate.read(other, options)? {
                    return Err(options.unknown());
                }
            }
        }
    }
    Ok(Settings { tcp: common::or_port_7000(tcp), metrics, config, log_rate, gate })
}

/// The server that is asked for.
pub(crate) fn server(settings: Settings) -> Result<Server, Error> {
    let Settings { tcp, metrics, config, log_rate, gate } = settings;
    let log = Logging::new().lines_per_second(log_rate);
    let mut server = Server::with_config(config).middleware(log);
    for address in tcp {
        // Each listener has layers of its own, and counts for itself.
        server = server.listen(gate.clone().guard(Listener::tcp(address, Echo))?);
    }
    let few = RateLimit::connections(10, Duration::from_secs(1));
    Ok(server.listen(Listener::tcp(metrics, Numbers).middleware(few)))
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let mut engine = server(settings)?.build()?;
    engine.local_addrs().for_each(|address| common::print_listening("tcp", address));
    Ok(common::ending(&engine.run()?))
}
