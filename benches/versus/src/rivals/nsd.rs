//! nsd: one server process, no limit of its answers' rate, the zone that is asked about.

use std::ffi::OsString;
use std::io;

use super::{Rival, shown};
use crate::folder::Folder;
use crate::workload::Protocol;
use crate::zone;

pub(super) const RIVAL: Rival = Rival {
    name: "nsd",
    about: "Debian's nsd, one server process, minimal answers",
    protocol: Protocol::Dns,
    program: "nsd",
    package: "nsd",
    version: "-v",
    arguments,
};

fn arguments(folder: &Folder, port: u16) -> io::Result<Vec<OsString>> {
    folder.write("zone", &zone::file())?;
    let file = folder.write("nsd.conf", &configuration(&shown(folder.path()), port))?;
    Ok(vec!["-d".into(), "-c".into(), file.into()])
}

fn configuration(folder: &str, port: u16) -> String {
    let origin = zone::ORIGIN;
    format!(
        "server:
    server-count: 1
    ip-address: 127.0.0.1@{port}
    username: \"\"
    zonesdir: {folder}
    database: \"\"
    pidfile: {folder}/nsd.pid
    xfrdfile: {folder}/xfrd.state
    xfrdir: {folder}
    zonelistfile: {folder}/zone.list
    minimal-responses: yes
    rrl-ratelimit: 0
    verbosity: 0
remote-control:
    control-enable: no
zone:
    name: {origin}
    zonefile: zone
"
    )
}
