//! Each call by which a server starts fails, with each error that the kernel has for it: it serves
//! all the same, or it ends with 1 and one line that says why.

use std::net::{SocketAddr, TcpStream};

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::errnos::STARTING;
use crate::example::{Example, wait_until};
use crate::form;
use crate::strace::{self, Calls, Fault, TERSE, TraceFile, When};

/// An example, and its options, with `ADDR` for where it can listen.
#[derive(Clone, Copy)]
struct Play {
    name: &'static str,
    options: &'static str,
}

const PLAYS: [Play; 3] = [
    Play { name: "echo", options: "--tcp ADDR --udp ADDR" },
    Play { name: "offload", options: "--tcp ADDR --workers 2" },
    Play { name: "proxy", options: "--tcp ADDR --upstream 127.0.0.1:1" },
];

/// What fails, and whether the server can do without it.
struct Trial {
    play: Play,
    fault: Fault,
    is_spared: bool,
}

/// An example that was started under strace.
struct Traced {
    server: Example,
    at: SocketAddr,
    file: TraceFile,
}

impl Play {
    fn start(self, fault: Option<Fault>) -> Traced {
        let (at, file) = (form::own_address(), TraceFile::new());
        let options = self.options.replace("ADDR", &at.to_string());
        let fault = fault.map_or_else(String::new, |fault| format!("-e {fault}"));
        let (terse, trace) = (TERSE.join(" "), file.path().display());
        // With -D, what is started is the example, and strace is its child.
        let script = format!("exec strace -D {terse} -o {trace} {fault} \"$0\" {options}");
        Traced { server: Example::by_shell(&script, self.name), at, file }
    }

    /// What it calls until it waits for clients.
    fn calls(self) -> Calls {
        let mut traced = self.start(None);
        wait_until("it waits", || traced.file.calls().count("epoll_wait") > 0);
        traced.end();
        traced.file.calls()
    }

    /// All that can fail.
    fn trials(self) -> Vec<Trial> {
        let calls = self.calls();
        let calls: Vec<(&str, &str)> =
            calls.of_first_thread().take_while(|(name, _)| *name != "epoll_wait").collect();
        // What comes before is the standard library's.
        let first = calls.iter().position(|(name, _)| *name == "epoll_create1").expect("it polls");
        let mut trials = Vec::new();
        for ((call, errnos), is_spared) in STARTING {
            let errnos = &errnos[..errnos.len().min(form::amount(1, usize::MAX))];
            let places = (0..calls.len()).filter(|place| calls[*place].0 == *call);
            let numbers = (1..).zip(places).filter(|(_, place)| {
                let (call, arguments) = calls[*place];
                *place >= first && self.is_tried(call, arguments)
            });
            for (number, _) in numbers {
                let fault = |errno| Fault { call, errno, when: When::Once(number) };
                let is_spared = *is_spared;
                let trial =
                    |errno: &&'static str| Trial { play: self, fault: fault(errno), is_spared };
                trials.extend(errnos.iter().map(trial));
            }
        }
        trials
    }

    /// Whether a call can fail at the start only, and may.
    fn is_tried(self, call: &str, arguments: &str) -> bool {
        match call {
            // From here on a signal is watched that ends a server. Others are the C library's own,
            // and to look how a signal was treated cannot fail.
            "rt_sigaction" => {
                ["SIGINT, {", "SIGTERM, {"].iter().any(|signal| arguments.starts_with(signal))
            }
            // Strace counts each thread's calls, and another's first may be to pass the signal on.
            "sendto" => self.name != "offload",
            _ => true,
        }
    }
}

impl Traced {
    fn end(&mut self) {
        self.server.signal(Signal::SIGTERM);
        assert_eq!(self.server.status().code(), Some(0));
    }
}

impl Trial {
    fn endure(&self) {
        let _replay = form::replay("WINDLASS_FAULT", self.fault);
        let mut traced = self.play.start(Some(self.fault));
        if self.is_spared {
            wait_until("it listens", || TcpStream::connect(traced.at).is_ok());
            if self.play.name == "echo" {
                let mut client = Client::to(traced.at);
                client.send(b"hello");
                client.finish();
                assert_eq!(client.rest(), b"hello");
            }
            traced.end();
        } else {
            assert_eq!(traced.server.wait(), Some(1), "{}", traced.file.calls());
            let log = traced.server.logged();
            let errors = log.iter().filter(|line| line.starts_with("error: ")).count();
            let why = log.last().unwrap();
            assert!(errors == 1 && why.starts_with("error: "), "{log:?}");
            assert!(why.contains("(os error "), "it does not say why: {why}");
        }
        assert!(traced.file.calls().has_injected());
    }
}

#[test]
fn a_server_that_cannot_start_says_why_and_one_that_can_does_without() {
    if !strace::is_there() {
        return;
    }
    let mut trials: Vec<Trial> = PLAYS.into_iter().flat_map(Play::trials).collect();
    trials.retain(|trial| form::is_wanted(trial.fault));
    form::at_once(&trials, Trial::endure);
    form::say(format_args!("starting: {} faults met and endured", trials.len()));
}
