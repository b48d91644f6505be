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
mod command;
mod connection;
mod deadlines;
mod dispatch;
mod element;
mod expiry;
mod glob;
mod hashes;
mod inline;
mod keys;
mod handler;
mod lists;
mod numbers;
mod random;
mod refusal;
mod reply;
mod resp;
mod server;
mod sets;
mod sorted_sets;
mod store;
mod strings;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod value;
mod watches;

use std::net::SocketAddr;
use std::process::ExitCode;

use common::{Ending, Options, Stop};
use handler::Kv;
use resp::{Limits, Resp};
use store::{Store, StoreLimits};
use windlass::{Config, Error, Server};

const HELP: &str = "";

pub(crate) struct Settings {
    pub(crate) tcp: SocketAddr,
    pub(crate) config: Config,
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut tcp = common::PORT_7000;
    let config = Config::default();
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => tcp = options.address()?,
            _ => return Err(options.unknown()),
        }
    }
    Ok(Settings { tcp, config })
}

/// The server that is asked for.
pub(crate) fn server(settings: Settings) -> Server {
    let Settings { tcp, config } = settings;
    let kv = Kv { store: Store::new(StoreLimits { max_bytes: usize::MAX, max_len: 1 << 20 }, 1) };
    let limits = Limits { max_bulk_len: 1 << 20, max_request_len: 1 << 24 };
    Server::with_config(config).tcp_with(tcp, Resp::new(limits, false), kv)
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let mut engine = server(settings).build()?;
    engine.local_addrs().for_each(|address| common::print_listening("tcp", address));
    Ok(common::ending(&engine.run()?))
}
