//! A DNS server that is the authority for one zone, over UDP and TCP.
//!
//! ```text
//! cargo run --release --example dns
//! dig @127.0.0.1 -p 7000 www.example.com
//! dig @127.0.0.1 -p 7000 +tcp any.name.wild.example.com TXT
//! ```
//!
//! It shows one protocol on datagrams and on a stream, with the same code behind both, and what a
//! server has to do against those who forge senders: it answers no answer, and over UDP no more
//! than `--max-amplification` times as many bytes as it was asked with. An answer that would be
//! longer is sent without its records and marked as truncated, so that whoever did ask comes again
//! over TCP, where he has to be who he says.
//!
//! `message` reads queries and `reply` writes answers; `authority` decides what there is to say.
//! `zone` is what is known, and `zone_file`, `tokens`, `rdata` and `records` make it of a file. A
//! query is answered without taking memory: the records of a name lie there as they are sent, but
//! for the pointers to names, which are put in when it is known where those are.
//!
//! Not here: DNSSEC, cookies, transfers, updates, and more than one zone.

#[path = "../common/mod.rs"]
pub(crate) mod common;

pub(crate) mod authority;
mod message;
mod name;
#[cfg(test)]
mod plain_reader;
mod rdata;
mod records;
mod reply;
mod tokens;
mod zone;
mod zone_file;

use std::borrow::Cow;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, Limits, Transport};
use common::{Addresses, Ending, Options, Rate, Stop};
use tokens::Word;
use windlass::middleware::{PerAddressLimit, RateLimit};
use windlass::{
    Config, DatagramHandler, DatagramSession, Error, Handler, LengthPrefixed, Server, Session,
};
use zone::Zone;

const HELP: &str = "
A DNS server that is the authority for one zone, over UDP and TCP.

usage: dns [OPTION]...

  --tcp ADDR            listen on this address; can be repeated (without --tcp and --udp: both on
                        127.0.0.1:7000; port 0: any free port)
  --udp ADDR            the same for UDP
  --zone FILE           answer from this zone file (default: examples/dns/example.zone, which is
                        built in)
  --origin NAME         what relative names go on with until the file has an $ORIGIN
  --max-udp-payload SIZE
                        the longest answer over UDP, for those who can take it (default 1232)
  --max-amplification N
                        no answer over UDP is longer than N times its query (default 8): a longer
                        one is truncated, and has to be asked for over TCP
  --rate-limit N/s      over UDP, drop what one address asks beyond this; over TCP, let it wait
                        (default: no limit)
  --max-connections N   how many TCP connections there can be (default: as descriptors allow, 10000
                        at most)
  --max-per-address N   how many of them one address can have (default: no limit)
  --idle-timeout D      close connections over which nothing is asked for this long (default 10s)
  --drain-timeout D     how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help                print this

SIZE is in bytes, or such as 4KiB; D is such as 500ms, 30s or 2m; N/s can be N/m or N/h.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// The zone that is served unless another one is named, and what it is called in messages.
const SAMPLE: (&str, &[u8]) = ("examples/dns/example.zone", include_bytes!("example.zone"));
/// The longest answer over UDP in bytes, unless told otherwise: with its headers it fits into any
/// packet of IPv6, and is never fragmented (RFC 9715, section 3.1).
const DEFAULT_PAYLOAD_LEN: u16 = 1232;
/// A query with EDNS for a name such as www.example.com has 44 bytes. Eight times that is room for
/// what is usual: any address, no such name, a mail server or a referral to four servers with their
/// addresses. Whoever forges senders has 8 times his bandwidth from it, and not the 18 times that
/// 512 bytes for the shortest query would be, or the 31 times of 1232 bytes for the shortest with
/// EDNS.
const DEFAULT_AMPLIFICATION: u16 = 8;
/// The longest query that is read over UDP, in bytes. There is room for a name, a signature and
/// padding many times over; what is longer is dropped.
const MAX_QUERY_LEN: usize = 4096;
/// A connection is kept for the next query for a few seconds (RFC 7766, section 6.2.3).
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) addresses: Addresses,
    pub(crate) zone: Option<PathBuf>,
    pub(crate) origin: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) rate_limit: Option<Rate>,
    pub(crate) max_per_address: Option<u32>,
    pub(crate) config: Config,
}

/// Answers over TCP, where a message comes behind its length (RFC 1035, section 4.2.2). Answers
/// leave in the order of their queries, and those to several that came at once leave together (RFC
/// 7766, section 6.2.1.1).
struct Streams(Authority);

impl Handler for Streams {
    type Codec = LengthPrefixed;
    type State = ();

    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        message: &mut [u8],
    ) -> Result<(), Error> {
        match self.0.answer(message, Transport::Tcp) {
            Some(answer) => session.send(answer),
            // Who sends that will not understand what comes next.
            None => Err(Error::new("a message that is no query")),
        }
    }
}

/// Answers over UDP.
struct Datagrams(Authority);

impl DatagramHandler for Datagrams {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        message: &[u8],
    ) -> Result<(), Error> {
        match self.0.answer(message, Transport::Udp) {
            Some(answer) => session.send_to(sender, answer),
            None => Ok(()),
        }
    }
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut addresses = Addresses::default();
    let (mut zone, mut origin) = (None, None);
    let mut limits =
        Limits { payload_len: DEFAULT_PAYLOAD_LEN, amplification: DEFAULT_AMPLIFICATION };
    let (mut rate_limit, mut max_per_address) = (None, None);
    let mut config = Config { max_datagram_len: MAX_QUERY_LEN, ..Config::default() };
    set_idle_timeout(&mut config, DEFAULT_IDLE_TIMEOUT);
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--zone" => zone = Some(options.path()?),
            "--origin" => origin = Some(options.word("a name, such as example.com")?),
            "--max-udp-payload" => limits.payload_len = options.number(512..=4096)?,
            "--max-amplification" => limits.amplification = options.number(1..=1000)?,
            "--rate-limit" => rate_limit = Some(options.rate()?),
            "--max-connections" => config.max_connections = Some(options.number(1..=16_777_215)?),
            "--max-per-address" => max_per_address = Some(options.number(1..=u32::MAX)?),
            "--idle-timeout" => set_idle_timeout(&mut config, options.duration()?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            other if addresses.read(other, options)? => {}
            _ => return Err(options.unknown()),
        }
    }
    let addresses = addresses.or_both_on(common::PORT_7000);
    Ok(Settings { addresses, zone, origin, limits, rate_limit, max_per_address, config })
}

/// Whoever connects and does not ask, asks no more, or does not finish a query, is closed after
/// this.
const fn set_idle_timeout(config: &mut Config, timeout: Duration) {
    config.first_frame_timeout = Some(timeout);
    config.frame_timeout = Some(timeout);
    config.idle_timeout = Some(timeout);
}

/// The zone of the file that is named, or the sample.
fn load(file: Option<&PathBuf>, origin: Option<&str>) -> Result<Zone, Error> {
    let (path, text) = match file {
        None => (SAMPLE.0.to_owned(), Cow::Borrowed(SAMPLE.1)),
        Some(file) => {
            let path = file.display().to_string();
            let text = fs::read(file).map_err(|error| Error::new(format!("{path}: {error}")))?;
            (path, Cow::Owned(text))
        }
    };
    let origin = origin.map(|origin| {
        let word = Word { raw: origin.as_bytes(), is_quoted: false };
        word.name(Some(&[0])).map_err(|what| Error::new(format!("--origin {what}")))
    });
    let zone = zone_file::read(&text, origin.transpose()?.as_deref());
    zone.map_err(|error| Error::new(format!("{path}:{}: {}", error.line, error.what)))
}

/// The server that is asked for.
pub(crate) fn server(settings: Settings) -> Result<Server, Error> {
    let Settings { addresses, zone, origin, limits, rate_limit, max_per_address, config } =
        settings;
    let zone = Arc::new(load(zone.as_ref(), origin.as_deref())?);
    log::info!("{} names of {}", zone.nodes.len(), name::Shown(&zone.apex));
    let mut server = Server::with_config(config);
    if let Some(max) = max_per_address {
        server = server.middleware(PerAddressLimit::new(max));
    }
    if let Some(Rate { count, period }) = rate_limit {
        server = server.middleware(RateLimit::frames(count, period));
    }
    let authority = || Authority::new(Arc::clone(&zone), limits);
    let codec = LengthPrefixed::default().width(2).max_len(reply::MAX_MESSAGE_LEN);
    for address in &addresses.tcp {
        server = server.tcp_with(address, codec, Streams(authority()));
    }
    for address in &addresses.udp {
        server = server.udp(address, Datagrams(authority()));
    }
    Ok(server)
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let addresses = settings.addresses.clone();
    let mut engine = server(settings)?.build()?;
    let protocols = addresses.tcp.iter().map(|_| "tcp").chain(addresses.udp.iter().map(|_| "udp"));
    for (protocol, address) in protocols.zip(engine.local_addrs()) {
        common::print_listening(protocol, address);
    }
    Ok(common::ending(&engine.run()?))
}
