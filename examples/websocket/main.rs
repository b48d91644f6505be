//! WebSockets: a chat for the browser, and an echo.
//!
//! ```text
//! cargo run --release --example websocket
//! chromium http://127.0.0.1:7000/
//! python3 -m websockets ws://127.0.0.1:7000/chat
//! python3 -m websockets ws://127.0.0.1:7000/echo
//! ```
//!
//! It shows a protocol that begins as another: a connection speaks HTTP, with the codec of the
//! `http` example, until a request asks for a socket; then the handler puts the codec for
//! WebSockets (RFC 6455) in its place, and what came behind the request is read by that. It shows
//! frames that are decoded where they lie, messages in fragments with a bound on what they hold, a
//! chat in which what is said is encoded once for everybody, and timers that find out who is gone.
//!
//! No subprotocol and no extension is spoken, compression included: offers of them are passed over.

mod codec;
#[path = "../common/mod.rs"]
pub(crate) mod common;
mod fragments;
mod frames;
pub(crate) mod handshake;
mod header;
#[path = "../http/http1/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the `http` example uses all of it")]
mod http1;
mod mask;
mod pages;
mod protocol;
mod service;
mod text;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::SystemTime;

pub(crate) use codec::Limits;
use common::{Ending, Options, Rate, Stop};
use http1::Http1;
use protocol::Protocol;
pub(crate) use service::Rules;
use service::Service;
use windlass::middleware::{Logging, RateLimit};
use windlass::{Config, Error, Server, Slow};

const HELP: &str = "
WebSockets: a chat for the browser at /, its socket at /chat, and a socket at /echo that sends back
what it is sent.

usage: websocket [OPTION]...

  --tcp ADDR            listen on this address (without: on 127.0.0.1:7000; port 0: any free
                        port)
  --origin ORIGIN       pages of which sites may open sockets: same, those of this server (default),
                        any, or one such as https://example.org; can be repeated. Whoever names no
                        site is no browser, and may
  --max-message SIZE    the longest message (default 1MiB; 125 bytes to 64MiB)
  --max-frame SIZE      the longest frame (default: as the longest message)
  --max-unfinished SIZE all messages of which only fragments have come hold no more than this
                        (default 64MiB)
  --max-guests N        how many can be in the chat (default 1000)
  --message-timeout D   a message in fragments ends this long after the first (default 30s)
  --frame-timeout D     a frame ends this long after its first byte (default 30s)
  --ping D              who says nothing for this long is sent a ping, and is closed if it is not
                        answered within as much (default 30s)
  --slow WHAT           what becomes of who does not read what is said in the chat, once more than
                        the high watermark waits for him: skip, he misses some (default), or close
  --high-watermark SIZE how much may wait for one who does not read (default 64KiB)
  --rate-limit N/s      how many frames and requests of one address are read in a second (without:
                        any number)
  --max-connections N   how many can be there (default: as descriptors allow, 10000 at most)
  --drain-timeout D     how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help                print this

SIZE is in bytes, or such as 64KiB or 1MiB; D is such as 500ms, 30s or 2m; N/s can be N/m or N/h.
The first SIGINT or SIGTERM drains: every socket is closed with 1001. The second stops now. Exit
status: 0 if everything finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// The longest message that can be asked for: the echo of it has to fit into the memory budget.
const GREATEST_MESSAGE: usize = 64 << 20;
const SIZES: RangeInclusive<usize> = Limits::LEAST..=GREATEST_MESSAGE;
/// A page is asked for in a few fields, and without a body.
const HTTP_LIMITS: http1::Limits = http1::Limits { head_len: 16 << 10, body_len: 0 };
/// The most that a frame adds to its payload.
const FRAMING_LEN: usize = 16;

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) tcp: SocketAddr,
    pub(crate) rules: Rules,
    pub(crate) rate_limit: Option<Rate>,
    pub(crate) config: Config,
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut tcp = common::PORT_7000;
    let (mut rate_limit, mut max_frame, mut config) = (None, None, Config::default());
    let mut rules = Rules::default();
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => tcp = options.address()?,
            "--origin" => rules.origins.add(options.word("same, any, or a site")?),
            "--max-message" => rules.limits.max_message = options.size(SIZES)?,
            "--max-frame" => max_frame = Some(options.size(SIZES)?),
            "--max-unfinished" => rules.max_unfinished = options.size(1..=usize::MAX)?,
            "--max-guests" => rules.max_guests = options.number(1..=usize::MAX)?,
            "--message-timeout" => rules.message_timeout = options.duration()?,
            "--frame-timeout" => config.frame_timeout = Some(options.duration()?),
            "--ping" => rules.ping_interval = options.duration()?,
            "--slow" => {
                rules.slow = options.choice(&[("skip", Slow::Skip), ("close", Slow::Close)])?;
            }
            "--high-watermark" => {
                config.high_watermark = options.size(2..=config.write_limit)?;
                config.low_watermark = config.high_watermark / 4;
            }
            "--rate-limit" => rate_limit = Some(options.rate()?),
            "--max-connections" => config.max_connections = Some(options.number(1..=16_777_215)?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            _ => return Err(options.unknown()),
        }
    }
    let Limits { max_message, .. } = rules.limits;
    rules.limits.max_frame = max_frame.unwrap_or(max_message).min(max_message);
    // An echo comes on top of what may wait before no frame is run any more.
    let answers_len = config.high_watermark + max_message + FRAMING_LEN;
    config.write_limit = config.write_limit.max(answers_len);
    // Nobody is idle before the second ping is due.
    config.idle_timeout = config.idle_timeout.map(|time| time.max(rules.ping_interval * 3));
    Ok(Settings { tcp, rules, rate_limit, config })
}

/// The server that is asked for. `wall` is what time it is in the world.
pub(crate) fn server(settings: Settings, wall: fn() -> SystemTime) -> Server {
    let Settings { tcp, rules, rate_limit, config } = settings;
    let mut server = Server::with_config(config).middleware(Logging::new());
    if let Some(Rate { count, period }) = rate_limit {
        server = server.middleware(RateLimit::frames(count, period));
    }
    let codec = Protocol::Http(Http1::new(HTTP_LIMITS), rules.limits);
    server.tcp_with(tcp, codec, Service::new(rules, wall))
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let mut engine = server(settings, SystemTime::now).build()?;
    engine.local_addrs().for_each(|address| common::print_listening("tcp", address));
    Ok(common::ending(&engine.run()?))
}
