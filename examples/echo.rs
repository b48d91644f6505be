//! Sends back what it is sent, over TCP and UDP: the engine's main job with all its limits.
//!
//! ```text
//! cargo run --release --example echo
//! printf hello | nc -N 127.0.0.1 7000
//! printf hello | socat -t 1 - UDP:127.0.0.1:7000
//! ```
//!
//! It shows how a configuration is made, how one handler serves several framings, how layers are
//! put before all listeners, and how a drain is reported: stop it with SIGTERM while a client is
//! slow. To see a layer at work, start it with `-- --framing lines --rate-limit 2/s --log`, and
//! send it many lines:
//!
//! ```text
//! seq 10 | nc -N 127.0.0.1 7000
//! ```

pub(crate) mod common;

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use common::{Addresses, Ending, Networks, Options, Rate, Stop};
use windlass::middleware::{Logging, PerAddressLimit, RateLimit};
use windlass::{
    AtLimit, ByteLines, Codec, Config, DatagramHandler, DatagramSession, Error, Handler,
    LengthPrefixed, Raw, Server, Session,
};

const HELP: &str = "
Sends back what it is sent.

usage: echo [OPTION]...

  --tcp ADDR            listen for TCP on this address, any number of times
  --udp ADDR            receive UDP on this address, any number of times
                        (with neither: both on 127.0.0.1:7000; port 0: any free port)
  --framing FRAMING     raw (default), lines, or length: 4 bytes, big-endian
  --max-connections N   how many TCP connections there can be
                        (default: as many as descriptors allow, 10000 at most)
  --at-limit WHAT       wait (default), refuse, or evict whoever is idle the longest
  --backlog N           how many peers may wait to be accepted (default 1024)
  --max-frame SIZE      the longest line or message (default 64KiB for lines, 1MiB for length)
  --high-watermark SIZE stop reading from a peer that does not take this much (default 64KiB)
  --idle-timeout D      close after this long without a byte (default 5m)
  --frame-timeout D     close if a message takes longer than this (default 30s)
  --write-timeout D     close if no answer is taken for this long (default 30s)
  --drain-timeout D     how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --busy-poll D         look for what comes for so long before sleeping, 1s at most; takes a core
                        (default: sleep at once)
  --allow CIDR          serve only peers of this network, any number of times
  --deny CIDR           do not serve peers of this network, whatever is allowed
  --max-per-address N   how many TCP connections one address may have
  --rate-limit N/s      how many frames of one address are served in a second; of whoever sends
                        more, no connection is read until it has been made up for, and datagrams
                        are dropped; with raw framing, a frame is whatever is read at a time
  --log                 log who came, who was refused, and who went and why
  --help                print this

Without the last five there are no layers, and nothing is spent on them.
SIZE is in bytes, or such as 64KiB or 1MiB; D is such as 50us, 500ms, 30s or 2m;
CIDR is such as 10.0.0.0/8 or 2001:db8::/32, or an address; N/s can be N/m or N/h as well.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// The most that the codecs and the options take as a size, in bytes: just under 2 GiB.
const MAX_SIZE: usize = i32::MAX as usize;
/// The longest frame of any framing without `--max-frame`, in bytes.
const DEFAULT_MAX_FRAME: usize = 1 << 20;

/// Sends every frame back, whatever the framing.
struct Echo<C, M: ?Sized>(PhantomData<fn(&M) -> C>);

impl<C, M> Handler for Echo<C, M>
where
    C: for<'a> Codec<Message<'a> = &'a M> + Clone + 'static,
    for<'a> C::Frame<'a>: AsRef<M>,
    M: ?Sized + 'static,
{
    type Codec = C;
    type State = ();

    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        frame: C::Frame<'_>,
    ) -> Result<(), Error> {
        session.send(frame.as_ref())
    }
}

/// Sends every datagram back to where it says it came from.
struct EchoDatagrams;

impl DatagramHandler for EchoDatagrams {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        session.send_to(sender, payload)
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Framing {
    Raw,
    Lines,
    Length,
}

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) addresses: Addresses,
    pub(crate) framing: Framing,
    pub(crate) max_frame: Option<usize>,
    pub(crate) config: Config,
    pub(crate) gate: Gate,
}

/// Who is served, and how much: a layer for each that is asked for.
#[derive(PartialEq, Debug, Default)]
pub(crate) struct Gate {
    pub(crate) networks: Networks,
    pub(crate) max_per_address: Option<u32>,
    pub(crate) rate_limit: Option<Rate>,
    pub(crate) has_log: bool,
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut addresses = Addresses::default();
    let (mut framing, mut max_frame) = (Framing::Raw, None);
    let mut config = Config::default();
    let mut gate = Gate::default();
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--framing" => {
                let choices =
                    [("raw", Framing::Raw), ("lines", Framing::Lines), ("length", Framing::Length)];
                framing = options.choice(&choices)?;
            }
            "--max-connections" => config.max_connections = Some(options.number(1..=16_777_215)?),
            "--at-limit" => config.at_limit = read_at_limit(options)?,
            "--backlog" => config.socket.backlog = options.number(1..=u32::MAX)?,
            "--max-frame" => max_frame = Some(options.size(1..=MAX_SIZE)?),
            "--high-watermark" => {
                config.high_watermark = options.size(1..=MAX_SIZE)?;
                // Reading goes on at a quarter of where it stops.
                config.low_watermark = config.high_watermark / 4;
            }
            "--idle-timeout" => config.idle_timeout = Some(options.duration()?),
            "--frame-timeout" => config.frame_timeout = Some(options.duration()?),
            "--write-timeout" => config.write_timeout = Some(options.duration()?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            "--busy-poll" => config.busy_poll = options.duration()?,
            other => {
                let is_known = addresses.read(other, options)? || gate.read(other, options)?;
                if !is_known {
                    return Err(options.unknown());
                }
            }
        }
    }
    let addresses = addresses.or_both_on(common::PORT_7000);
    Ok(Settings { addresses, framing, max_frame, config, gate })
}

impl Gate {
    /// Reads the option, if it is one of these. Otherwise says no.
    fn read(&mut self, option: &str, options: &mut Options) -> Result<bool, Stop> {
        match option {
            "--max-per-address" => self.max_per_address = Some(options.number(1..=u32::MAX)?),
            "--rate-limit" => self.rate_limit = Some(options.rate()?),
            "--log" => self.has_log = true,
            other => return self.networks.read(other, options),
        }
        Ok(true)
    }

    /// Puts the layers before the listeners of a server: the log first, so that it is told of what
    /// those after it refuse, then the cheapest.
    fn guard(self, mut server: Server) -> Server {
        if self.has_log {
            server = server.middleware(Logging::new());
        }
        if let Some(rules) = self.networks.layer() {
            server = server.middleware(rules);
        }
        if let Some(max) = self.max_per_address {
            server = server.middleware(PerAddressLimit::new(max));
        }
        if let Some(Rate { count, period }) = self.rate_limit {
            // Over the rate this slows, unless told otherwise: nothing is lost, and no peer has to
            // be written so that it can be refused. TCP itself holds it back.
            server = server.middleware(RateLimit::frames(count, period));
        }
        server
    }
}

fn read_at_limit(options: &mut Options) -> Result<AtLimit, Stop> {
    options.choice(&[
        ("wait", AtLimit::Wait),
        ("refuse", AtLimit::Refuse(Bytes::from_static(b"the server is full\r\n"))),
        ("evict", AtLimit::EvictIdle),
    ])
}

/// Makes room for frames as long, and for their answers.
fn make_room(config: &mut Config, max_frame: usize) {
    // A frame is answered by one as long, on top of what may wait already.
    let answer = max_frame.saturating_add(config.high_watermark).saturating_add(64);
    config.write_limit = config.write_limit.max(answer);
    // Room for output grows by doubling.
    let output = config.write_limit.saturating_mul(2);
    let most = output.saturating_add(max_frame.max(config.read_buffer_len));
    config.memory_budget = config.memory_budget.max(most.saturating_add(64));
}

/// The server that is asked for.
pub(crate) fn server(settings: Settings) -> Server {
    let Settings { addresses, framing, max_frame, mut config, gate } = settings;
    make_room(&mut config, max_frame.unwrap_or(DEFAULT_MAX_FRAME));
    let mut server = gate.guard(Server::with_config(config));
    for address in &addresses.tcp {
        server = match framing {
            Framing::Raw => server.tcp(address, Echo::<Raw, _>(PhantomData)),
            Framing::Lines => {
                let codec = max_frame.into_iter().fold(ByteLines::default(), ByteLines::max_len);
                server.tcp_with(address, codec, Echo(PhantomData))
            }
            Framing::Length => {
                let codec =
                    max_frame.into_iter().fold(LengthPrefixed::default(), LengthPrefixed::max_len);
                server.tcp_with(address, codec, Echo(PhantomData))
            }
        };
    }
    for address in &addresses.udp {
        server = server.udp(address, EchoDatagrams);
    }
    server
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let addresses = settings.addresses.clone();
    let mut engine = server(settings).build()?;
    let protocols = addresses.tcp.iter().map(|_| "tcp").chain(addresses.udp.iter().map(|_| "udp"));
    for (protocol, address) in protocols.zip(engine.local_addrs()) {
        common::print_listening(protocol, address);
    }
    Ok(common::ending(&engine.run()?))
}
