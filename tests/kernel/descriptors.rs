//! The limit of descriptors, and which of them are whose.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::example::{Example, wait_until};
use crate::form;
use crate::strace::{self, Tracer};

/// More than there are descriptors.
const CLIENTS: usize = 200;

/// A server that the shell has limited before it starts.
fn limited(limit: &str, options: &str) -> Example {
    let options = format!("--tcp 127.0.0.1:0 {options}");
    Example::by_shell(&format!("ulimit {limit}; exec \"$0\" {options}"), "echo")
}

fn listening(limit: &str, options: &str) -> Example {
    limited(limit, options).listening("--tcp")
}

fn clients(server: &Example) -> Vec<Client> {
    (0..CLIENTS).map(|_| Client::to(server.address("tcp"))).collect()
}

#[test]
fn who_is_over_the_limit_of_descriptors_waits_and_costs_nothing() {
    let mut server = listening("-n 64", "");
    let (base, most) = (server.descriptors(), form::most(&mut server, "connections"));
    let mut clients = clients(&server);
    clients.iter_mut().for_each(|client| client.send(b"let me in"));
    clients.iter_mut().take(most).for_each(|client| client.expect(b"let me in"));
    assert_eq!(server.descriptors(), base + most);
    if strace::is_there() {
        let tracer = Tracer::attach(&server, &[]);
        let before = tracer.len_at_rest();
        sleep(Duration::from_secs(form::amount(1, 10) as u64));
        assert_eq!(tracer.calls().len(), before, "it does something:\n{}", tracer.calls());
        clients[0].send(b"still there?");
        clients[0].expect(b"still there?");
        let calls = tracer.detach();
        assert!(calls.count("accept4") == 0 && calls.len() < before + 20, "{calls}");
    }
    // Who leaves makes room for the next.
    let mut clients = VecDeque::from(clients);
    while clients.len() > most {
        let mut first = clients.pop_front().unwrap();
        first.finish();
        assert!(first.rest().is_empty());
        clients[most - 1].expect(b"let me in");
    }
    drop(clients);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

/// Sets the limit of a process that runs.
fn set_limit(server: &Example, soft: usize) -> bool {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &server.id().to_string(), &format!("--nofile={soft}:")]);
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn a_server_whose_descriptors_run_out_pauses_and_forgets_nobody() {
    if !strace::is_there() {
        return;
    }
    let mut server = Example::echo("--tcp 127.0.0.1:0");
    let base = server.descriptors();
    let mut first = Client::to(server.address("tcp"));
    first.send(b"let me in");
    first.expect(b"let me in");
    // Ten more, below the limit that it has counted on.
    if !form::is_there("prlimit", set_limit(&server, base + 11)) {
        return;
    }
    let mut clients = clients(&server);
    clients.iter_mut().for_each(|client| client.send(b"let me in"));
    server.wait_for_log("cannot accept, and tries again: ");
    let tracer = Tracer::attach(&server, &[]);
    sleep(Duration::from_secs(form::amount(1, 10) as u64));
    first.send(b"still there?");
    first.expect(b"still there?");
    let calls = tracer.detach();
    assert!(calls.count("accept4") <= 20 && calls.len() < 100, "it spins:\n{calls}");
    assert!(set_limit(&server, 1_000));
    clients.iter_mut().for_each(|client| client.expect(b"let me in"));
    server.wait_for_log("accepts again");
    drop((first, clients));
    wait_until("nothing leaks", || server.descriptors() == base);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn more_connections_than_descriptors_are_refused_in_one_line() {
    let mut server = limited("-n 64", "--max-connections 1000");
    assert_eq!(server.wait(), Some(1));
    let said = server.logged();
    assert!(said.len() == 1 && said[0].contains("max_connections is 1000"), "{said:?}");
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_as_far_as_needed() {
    let mut server = listening("-S -n 64", "--max-connections 1000");
    let mut clients = clients(&server);
    clients.iter_mut().for_each(|client| client.send(b"let me in"));
    clients.iter_mut().for_each(|client| client.expect(b"let me in"));
    drop(clients);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

/// What a descriptor is.
fn link(server: &Example, descriptor: &str) -> PathBuf {
    fs::read_link(format!("/proc/{}/fd/{descriptor}", server.id())).unwrap()
}

#[test]
fn a_server_that_was_started_without_standard_streams_gives_none_to_a_client() {
    let at = form::own_address();
    let script = format!("exec \"$0\" --tcp {at} --udp {at} --log 0<&- 1>&- 2>&-");
    let mut server = Example::by_shell(&script, "echo");
    wait_until("it listens", || std::net::TcpStream::connect(at).is_ok());
    let mut client = Client::to(at);
    client.send(b"hello");
    client.expect(b"hello");
    for stream in ["0", "1", "2"] {
        assert_eq!(link(&server, stream), Path::new("/dev/null"));
    }
    // What it has to say goes to nobody.
    client.finish();
    assert!(client.rest().is_empty());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn every_descriptor_of_a_server_is_closed_in_its_children() {
    /// As `/proc` shows it.
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let upstream = Example::echo("--tcp 127.0.0.1:0 --udp 127.0.0.1:0");
    let to = upstream.address("tcp");
    let proxy = Example::of("proxy", &format!("--tcp 127.0.0.1:0 --upstream {to}"));
    let offload = Example::of("offload", "--tcp 127.0.0.1:0");
    let mut client = Client::to(proxy.address("tcp"));
    client.send(b"hello");
    client.expect(b"hello");
    for server in [&upstream, &proxy, &offload] {
        let mut sockets = 0;
        for entry in fs::read_dir(format!("/proc/{}/fdinfo", server.id())).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let what = link(server, &name).display().to_string();
            if what.starts_with("socket:") || what.starts_with("anon_inode:") {
                let info = fs::read_to_string(entry.path()).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
                let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
                assert!(flags & CLOSE_ON_EXEC != 0, "{what}");
                sockets += 1;
            }
        }
        assert!(sockets > 3, "it has a poll, the signals' pipe, and a listener");
    }
}
