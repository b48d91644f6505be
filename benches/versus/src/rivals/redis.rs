//! redis-server: nothing saved, one thread that reads and writes.

use std::ffi::OsString;
use std::io;

use super::{Rival, shown, words};
use crate::folder::Folder;
use crate::workload::Protocol;

pub(super) const RIVAL: Rival = Rival {
    name: "redis",
    about: "Debian's redis-server, nothing saved, one thread for input and output",
    protocol: Protocol::Kv,
    program: "redis-server",
    package: "redis-server",
    version: "--version",
    arguments,
};

fn arguments(folder: &Folder, port: u16) -> io::Result<Vec<OsString>> {
    let (folder, port) = (shown(folder.path()), port.to_string());
    Ok([
        words(["--port", &port, "--bind", "127.0.0.1", "--dir", &folder]),
        words(["--save", "", "--appendonly", "no", "--io-threads", "1"]),
        words(["--daemonize", "no", "--loglevel", "warning"]),
    ]
    .concat())
}
