//! More cores: an engine on each of several threads, with nothing shared. It sends back what it is
//! sent, over TCP and UDP.
//!
//! ```text
//! cargo run --release --example multicore -- --threads 4
//! printf hello | nc -N 127.0.0.1 7000
//! printf hello | socat -t 1 - UDP:127.0.0.1:7000
//! ```
//!
//! All engines listen on the same addresses, and the kernel deals out who comes (`SO_REUSEPORT`):
//! by chance, so that with few peers one engine may have them all, and without looking at which
//! engine is idle or full. A peer stays where it is. What engines should know of each other they
//! would have to tell each other, by `Handle` and messages. The signals are the program's: the main
//! thread waits for them and passes them on to all engines, by a `Handle` of each.
//!
//! Threads are not pinned to cores. The scheduler spreads them well by itself; where cores were set
//! apart for the server, `taskset` keeps the process to them, and a crate such as `core_affinity`
//! each thread to its own.

pub(crate) mod common;

use std::io::{BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use common::{Addresses, Ending, Options, Stop};
use windlass::{
    Config, DatagramHandler, DatagramSession, DrainReport, Error, Handle, Handler, Raw, Server,
    Session,
};

const HELP: &str = "
Sends back what it is sent, with an engine on each of several threads.

usage: multicore [OPTION]...

  --tcp ADDR            listen for TCP on this address, any number of times
  --udp ADDR            receive UDP on this address, any number of times
                        (with neither: both on 127.0.0.1:7000; port 0: any free port)
  --threads N           how many engines there are (default: as many as there are cores)
  --max-connections N   how many TCP connections there can be, in equal shares for the engines
                        (default: as many as descriptors allow, 10000 at most)
  --drain-timeout D     how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help                print this

D is such as 500ms, 30s or 2m.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// Sends back whatever comes.
struct Echo;

impl Handler for Echo {
    type Codec = Raw;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, bytes: &mut [u8]) -> Result<(), Error> {
        session.send(bytes)
    }
}

impl DatagramHandler for Echo {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        session.send_to(sender, payload)
    }
}

/// What the options ask for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) addresses: Addresses,
    /// None: as many as there are cores.
    pub(crate) threads: Option<usize>,
    pub(crate) config: Config,
}

/// An engine that listens.
struct Ready {
    /// Where: with the ports that were free.
    addresses: Addresses,
    handle: Handle,
}

/// All engines, and what the main thread hears of them.
struct Engines {
    handles: Vec<Handle>,
    threads: Vec<JoinHandle<Result<DrainReport, Error>>>,
    /// A byte for each signal that has come, and one for each engine that has ended.
    bell: UnixStream,
    /// The end of it that is for engines.
    rope: UnixStream,
}

/// The byte for an engine that has ended; that of a signal is another.
const ENDED: u8 = b'E';

/// Rings when it goes away, even if that is by a panic.
struct Toll(UnixStream);

impl Drop for Toll {
    fn drop(&mut self) {
        // Who would hear it may have gone already.
        let _ = self.0.write_all(&[ENDED]);
    }
}

impl Engines {
    /// None yet. From here on, signals ring too.
    fn new() -> Result<Self, Error> {
        let failed = |error| Error::with_source("cannot watch for signals", error);
        let (bell, rope) = UnixStream::pair().map_err(failed)?;
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let rope = rope.try_clone().map_err(failed)?;
            signal_hook::low_level::pipe::register(signal, rope).map_err(failed)?;
        }
        Ok(Self { handles: Vec::new(), threads: Vec::new(), bell, rope })
    }

    /// Starts one more, and says where it listens.
    fn start(&mut self, addresses: &Addresses, config: &Config) -> Result<Addresses, Error> {
        let number = self.threads.len();
        let failed =
            |error| Error::with_source(format!("engine {number} cannot be started"), error);
        let toll = Toll(self.rope.try_clone().map_err(failed)?);
        let (addresses, config) = (addresses.clone(), config.clone());
        let (sender, ready) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name(format!("engine {number}"))
            .spawn(move || {
                let _toll = toll;
                run_one(&addresses, config, &sender)
            })
            .map_err(failed)?;
        let Ok(Ready { addresses, handle }) = ready.recv() else {
            // It has ended before it was ready.
            let report = ended(thread)?;
            return Err(Error::new(format!("engine {number} has ended: {report}")));
        };
        self.handles.push(handle);
        self.threads.push(thread);
        Ok(addresses)
    }

    /// Waits for the end of all: the first signal drains them, the second stops them.
    fn run(self) -> Result<DrainReport, Error> {
        let Self { handles, threads, bell, rope: _rope } = self;
        let (mut running, mut is_draining) = (threads.len(), false);
        for byte in BufReader::new(bell).bytes() {
            let byte =
                byte.map_err(|error| Error::with_source("cannot wait for signals", error))?;
            running -= usize::from(byte == ENDED);
            if running == 0 {
                break;
            }
            if !is_draining {
                // By a signal, or since an engine has failed: then the others are to end too.
                handles.iter().for_each(Handle::drain);
                is_draining = true;
            } else if byte != ENDED {
                handles.iter().for_each(Handle::stop);
            }
        }
        let mut reports = threads.into_iter().map(ended);
        reports.try_fold(DrainReport::default(), |all, one| Ok(all.merged(&one?)))
    }
}

/// What a thread has come to. Its panic goes on in this one.
fn ended(thread: JoinHandle<Result<DrainReport, Error>>) -> Result<DrainReport, Error> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The life of one engine, all of it on a thread of its own.
fn run_one(
    addresses: &Addresses,
    config: Config,
    ready: &SyncSender<Ready>,
) -> Result<DrainReport, Error> {
    let mut server = Server::with_config(config);
    server = addresses.tcp.iter().fold(server, |server, address| server.tcp(address, Echo));
    server = addresses.udp.iter().fold(server, |server, address| server.udp(address, Echo));
    let mut engine = server.build()?;
    let mut tcp: Vec<SocketAddr> = engine.local_addrs().collect();
    let udp = tcp.split_off(addresses.tcp.len());
    let handle = engine.handle()?;
    // The main thread waits for it.
    let _ = ready.send(Ready { addresses: Addresses { tcp, udp }, handle });
    engine.run()
}

/// How many connections each of so many engines may have: of what one alone could have an equal
/// share, since descriptors are the whole process's.
fn share(config: &Config, engines: usize) -> Result<usize, Error> {
    let alone = Server::with_config(config.clone()).outbound(Echo).build()?;
    Ok((alone.max_connections() / engines).max(1))
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let (mut addresses, mut threads) = (Addresses::default(), None);
    // The signals are the main thread's.
    let mut config = Config { signals: Vec::new(), ..Config::default() };
    config.socket.reuse_port = true;
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--threads" => threads = Some(options.number(1..=1024)?),
            "--max-connections" => config.max_connections = Some(options.number(1..=16_777_215)?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            other => {
                if !addresses.read(other, options)? {
                    return Err(options.unknown());
                }
            }
        }
    }
    Ok(Settings { addresses: addresses.or_both_on(common::PORT_7000), threads, config })
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let Settings { mut addresses, threads, mut config } = settings;
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let count = threads.unwrap_or_else(cores);
    let share = share(&config, count)?;
    config.max_connections = Some(share);
    let mut engines = Engines::new()?;
    for _ in 0..count {
        // Where a port was free for the first, the others share it.
        addresses = engines.start(&addresses, &config)?;
    }
    log::info!("engines: {count}, connections of each at most: {share}");
    addresses.tcp.iter().for_each(|address| common::print_listening("tcp", *address));
    addresses.udp.iter().for_each(|address| common::print_listening("udp", *address));
    Ok(common::ending(&engines.run()?))
}
