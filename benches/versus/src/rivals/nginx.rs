//! nginx: one process, no log, a page from its configuration, connections that are kept.

use std::ffi::OsString;
use std::io;

use super::{Rival, shown};
use crate::contenders::{PAGE, PAGE_TYPE};
use crate::folder::Folder;
use crate::workload::Protocol;

pub(super) const RIVAL: Rival = Rival {
    name: "nginx",
    about: "Debian's nginx, one process, `return 200`, no log",
    protocol: Protocol::Http,
    program: "nginx",
    package: "nginx",
    version: "-v",
    arguments,
};

fn arguments(folder: &Folder, port: u16) -> io::Result<Vec<OsString>> {
    let file = folder.write("nginx.conf", &configuration(&shown(folder.path()), port))?;
    Ok(vec!["-e".into(), "stderr".into(), "-c".into(), file.into()])
}

fn configuration(folder: &str, port: u16) -> String {
    format!(
        "daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 4000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = / {{
            default_type '{PAGE_TYPE}';
            return 200 '{PAGE}';
        }}
    }}
}}
"
    )
}
