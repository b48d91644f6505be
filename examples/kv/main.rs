//! A key-value server that speaks RESP, for the clients of Redis.
//!
//! ```text
//! cargo run --release --example kv
//! redis-cli -p 7000
//! ```
//!
//! The bytes of a request go through these files, in this order: `resp` finds its end and the name
//! of its command, of which `command` has the list; the command's own module makes a typed command
//! of its `arguments`, and does it: with the `store`, and with `reply` for the answer.
//!
//! A command is added in the module of its group, such as `strings`: a variant of the module's
//! command type, a line in its `COMMANDS` (the name, how many words, what it does, where its keys
//! are, and how the variant is made of its arguments), and an arm in its `run`. A value of a type
//! of its own is added in `value`. `testing` asks a store for the answer to a command.

#[path = "../common/mod.rs"]
pub(crate) mod common;

mod arguments;
mod bulks;
mod channels;
pub(crate) mod client;
pub(crate) mod command;
mod connection;
mod deadlines;
pub(crate) mod dispatch;
mod element;
mod excerpts;
mod expiry;
mod glob;
mod hashes;
mod head;
mod inline;
mod keys;
pub(crate) mod handler;
mod list;
mod lists;
mod members;
mod numbers;
mod options;
mod places;
mod random;
mod rank_tree;
mod rankings;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod resp;
mod server;
mod sets;
mod sorted_set;
mod sorted_sets;
mod spans;
pub(crate) mod store;
mod strings;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod unions;
mod transactions;
mod value;
mod watches;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use common::{Ending, Options, Stop};
use handler::Kv;
use resp::{Limits, Resp};
use store::{Store, StoreLimits};
use windlass::{Config, Error, Server};

const HELP: &str = "
A key-value server that speaks RESP, for the clients of Redis.

usage: kv [OPTION]...

  --tcp ADDR             listen on this address (without: on 127.0.0.1:7000; port 0: any free
                         port)
  --password WORD        what AUTH and HELLO must say before anything is done
  --max-memory SIZE      how much the keys and their values may take (default 1GiB): beyond it,
                         commands that take more are refused
  --max-value SIZE       the longest argument and the longest string (default 16MiB)
  --max-request SIZE     the longest request, all of its arguments together, and the longest
                         transaction (default 64MiB)
  --max-output SIZE      how much may wait for one who does not read, beyond which the connection
                         is closed, and so the longest answer (default 64MiB)
  --idle-timeout D       who neither asks nor is told anything for this long is closed (default:
                         nobody is)
  --max-connections N    how many can be there (default: as descriptors allow, 10000 at most)
  --drain-timeout D      how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help                 print this

SIZE is in bytes, or such as 64KiB or 1MiB; D is such as 500ms, 30s or 2m.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) tcp: SocketAddr,
    pub(crate) password: Option<String>,
    pub(crate) max_memory: usize,
    pub(crate) limits: Limits,
    pub(crate) config: Config,
    /// The time now, in milliseconds since 1970.
    pub(crate) epoch: u64,
    /// Where chance begins.
    pub(crate) seed: u64,
}

fn main() -> ExitCode {
    common::run(HELP, read, |settings| serve(at_this_time(settings)))
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    const MIB: usize = 1 << 20;
    let (mut tcp, mut password, mut max_memory) = (common::PORT_7000, None, 1024 * MIB);
    let (mut max_value, mut max_request) = (16 * MIB, 64 * MIB);
    // Who keeps a connection open for later, and says nothing, is no burden.
    let mut config = Config {
        first_frame_timeout: None,
        idle_timeout: None,
        write_limit: 64 * MIB,
        ..Config::default()
    };
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => tcp = options.address()?,
            "--password" => password = Some(options.word("a word")?),
            "--max-memory" => max_memory = options.size(1..=usize::MAX)?,
            "--max-value" => max_value = options.size(1..=512 * MIB)?,
            "--max-request" => max_request = options.size(1024..=1024 * MIB)?,
            "--max-output" => config.write_limit = options.size(64 * 1024..=1024 * MIB)?,
            "--idle-timeout" => config.idle_timeout = Some(options.duration()?),
            "--max-connections" => config.max_connections = Some(options.number(1..=16_777_215)?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            _ => return Err(options.unknown()),
        }
    }
    // What one connection may make the loop hold, and some more.
    let most = max_request + 2 * config.write_limit;
    config.memory_budget = config.memory_budget.max(most + most / 2);
    let limits = Limits { max_value_len: max_value.min(max_request), max_request_len: max_request };
    Ok(Settings { tcp, password, max_memory, limits, config, epoch: 0, seed: 0 })
}

/// The same, with the time at which the server starts, from which chance begins as well.
fn at_this_time(settings: Settings) -> Settings {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since_1970 = since_1970.unwrap_or(Duration::ZERO);
    let epoch = u64::try_from(since_1970.as_millis()).unwrap_or(0);
    Settings { epoch, seed: u64::from(since_1970.subsec_nanos()), ..settings }
}

/// The server that is asked for.
pub(crate) fn server(settings: Settings) -> Server {
    let Settings { tcp, password, max_memory, limits, config, epoch, seed } = settings;
    let store_limits = StoreLimits {
        max_bytes: max_memory,
        max_len: limits.max_value_len,
        max_request_len: limits.max_request_len,
    };
    let codec = Resp::new(limits, password.is_some());
    let kv = Kv::new(Store::new(store_limits, seed), password, epoch);
    Server::with_config(config).tcp_with(tcp, codec, kv)
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let mut engine = server(settings).build()?;
    engine.local_addrs().for_each(|address| common::print_listening("tcp", address));
    Ok(common::ending(&engine.run()?))
}
