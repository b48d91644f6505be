//! Each call by which a server starts fails, with each error that the kernel has for it: it serves
//! all the same, or it ends with 1 and one line that says why.

use std::net::{SocketAddr, TcpStream};

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::errnos::STARTING;
use crate::example::{Example, wait_until};
use crate::form;
use crate::seeds::Replay;
use crate::strace::{self, Calls, Fault, TERSE, TraceFile, When};

/// What is started: an example and its options, `ADDR` being where it can listen.
const EXAMPLES: [(&str, &str); 3] = [
    ("echo", "--tcp ADDR --udp ADDR"),
    ("offload", "--tcp ADDR --workers 2"),
    ("proxy", "--tcp ADDR --upstream 127.0.0.1:1"),
];

/// Starts an example under strace.
fn start((name, options): (&str, &str), at: SocketAddr, fault: &str, file: &TraceFile) -> Example {
    let options = options.replace("ADDR", &at.to_string());
    let (terse, file) = (TERSE.join(" "), file.path().display());
    // With -D, what is started is the example, and strace is its child.
    let script = format!("exec strace -D {terse} -o {file} {fault} \"$0\" {options}");
    Example::by_shell(&script, name)
}

/// A fault, and whether the server does without.
type Trial = ((&'static str, &'static str), Fault, bool);

/// What it calls until it waits for clients.
fn calls_of(example: (&'static str, &'static str)) -> Calls {
    let (file, at) = (TraceFile::new(), form::own_address());
    let mut server = start(example, at, "", &file);
    wait_until("it waits", || file.calls().count("epoll_wait") > 0);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.status().code(), Some(0));
    file.calls()
}

/// All that can fail.
fn trials(example: (&'static str, &'static str)) -> Vec<Trial> {
    let calls = calls_of(example);
    let calls: Vec<(&str, &str)> =
        calls.of_first_thread().take_while(|(name, _)| *name != "epoll_wait").collect();
    let first = calls.iter().position(|(name, _)| *name == "epoll_create1").expect("it polls");
    let mut trials = Vec::new();
    for ((call, errnos), is_spared) in STARTING {
        let errnos = &errnos[..errnos.len().min(form::amount(1, usize::MAX))];
        let places = (0..calls.len()).filter(|place| calls[*place].0 == *call);
        for (number, place) in (1..).zip(places).filter(|(_, place)| *place >= first) {
            if *call != "rt_sigaction" || is_installation(calls[place].1) {
                let fault = |errno| Fault { call, errno, when: When::Once(number) };
                trials.extend(errnos.iter().map(|errno| (example, fault(errno), *is_spared)));
            }
        }
    }
    trials
}

/// Whether a signal that ends a server is caught from here on. Others are the C library's own, and
/// to look how a signal was treated cannot fail.
fn is_installation(arguments: &str) -> bool {
    ["SIGINT, {", "SIGTERM, {"].iter().any(|signal| arguments.starts_with(signal))
}

fn endure((example, fault, is_spared): &Trial) {
    let (file, at) = (TraceFile::new(), form::own_address());
    let mut server = start(*example, at, &format!("-e {fault}"), &file);
    let _replay = Replay(server.command().to_owned());
    if *is_spared || fault.errno == "EINTR" {
        wait_until("it listens", || TcpStream::connect(at).is_ok());
        if example.0 == "echo" {
            let mut client = Client::to(at);
            client.send(b"hello");
            client.finish();
            assert_eq!(client.rest(), b"hello");
        }
        server.signal(Signal::SIGTERM);
        assert_eq!(server.status().code(), Some(0));
    } else {
        assert_eq!(server.wait(), Some(1), "{}", file.calls());
        let log = server.logged();
        let errors = log.iter().filter(|line| line.starts_with("error: ")).count();
        let why = log.last().unwrap();
        assert!(errors == 1 && why.starts_with("error: "), "{log:?}");
        assert!(why.contains("(os error "), "it does not say why: {why}");
    }
    assert!(file.calls().has_injected());
}

#[test]
fn a_server_that_cannot_start_says_why_and_one_that_can_does_without() {
    if !strace::is_there() {
        return;
    }
    let trials: Vec<Trial> = EXAMPLES.into_iter().flat_map(trials).collect();
    form::at_once(&trials, endure);
    form::say(format_args!("starting: {} faults met and endured", trials.len()));
}
