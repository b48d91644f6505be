//! Each call for datagrams fails, with each error that the kernel has for it: datagrams may be
//! lost, but what comes afterwards is answered, and the loop does not spin.

use std::net::UdpSocket;
use std::thread::sleep;

use nix::sys::signal::Signal;

use crate::errnos;
use crate::example::{Example, PATIENCE, wait_until};
use crate::form;
use crate::serving_faults::{LASTING, MANY_CALLS, SEVERAL};
use crate::strace::{self, Fault, Tracer, When};

/// As many at a time as make batches.
const BATCH: usize = 20;
/// After so many batches, what did not fail by then does not.
const ROUNDS: usize = 50;

struct Sender {
    socket: UdpSocket,
    sent: usize,
}

impl Sender {
    fn to(server: &Example) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server.address("udp")).unwrap();
        Self { socket, sent: 0 }
    }

    fn send(&mut self, count: usize) {
        for _ in 0..count {
            self.sent += 1;
            self.socket.send(format!("datagram {}", self.sent).as_bytes()).unwrap();
        }
    }

    /// Sends one and many in turn, until that is enough.
    fn send_until(&mut self, tracer: &Tracer, is_enough: impl Fn() -> bool) {
        for count in [1, BATCH].into_iter().cycle().take(ROUNDS) {
            if is_enough() {
                break;
            }
            let before = tracer.calls().len();
            self.send(count);
            wait_until("the server does something", || tracer.calls().len() > before);
            self.socket.set_nonblocking(true).unwrap();
            while self.socket.recv(&mut [0; 100]).is_ok() {}
            self.socket.set_nonblocking(false).unwrap();
        }
    }

    /// The number of the next that comes back.
    fn receive(&self) -> usize {
        let mut room = [0; 100];
        let len = self.socket.recv(&mut room).expect("a datagram is answered");
        let text = std::str::from_utf8(&room[..len]).unwrap();
        let number = text.strip_prefix("datagram ").and_then(|number| number.parse().ok());
        number.filter(|number| *number <= self.sent).unwrap_or_else(|| panic!("foreign: {text}"))
    }

    /// Sends one that is answered.
    fn ask(&mut self) {
        self.send(1);
        while self.receive() != self.sent {}
    }
}

/// One fault; says whether it came to that.
fn endure(fault: &Fault) -> bool {
    let mut server = Example::echo("--udp 127.0.0.1:0");
    let _replay = form::replay("WINDLASS_FAULT", fault);
    let base = server.descriptors();
    let mut sender = Sender::to(&server);
    sender.ask();
    let tracer = Tracer::attach(&server, &[*fault]);
    sender.send_until(&tracer, || tracer.calls().has_injected());
    if fault.when == When::Always {
        sleep(LASTING);
    }
    let is_over = fault.when != When::Always && tracer.calls().has_injected();
    let calls = if is_over {
        sender.ask();
        tracer.detach()
    } else {
        let calls = tracer.detach();
        sender.ask();
        calls
    };
    assert!(calls.len() < MANY_CALLS + 10 * sender.sent, "it spins:\n{calls}");
    sender.ask();
    assert_eq!(server.descriptors(), base);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    calls.has_injected()
}

#[test]
fn datagrams_are_answered_after_every_fault_of_every_call() {
    if !strace::is_there() {
        return;
    }
    let mut faults = Vec::new();
    for (call, errnos) in errnos::of_datagrams() {
        for errno in *errnos {
            let lasts = errnos::may_last("echo", call, errno);
            let long = if lasts { When::Always } else { When::Times(SEVERAL) };
            let whens = [When::Once(1), When::Once(2), long];
            faults.extend(whens.map(|when| Fault { call, errno, when }));
        }
    }
    faults.retain(|fault| form::is_wanted(*fault));
    let met = form::at_once(&faults, endure).into_iter().filter(|was_met| *was_met).count();
    form::say(format_args!("datagrams: {met} of {} faults met and endured", faults.len()));
    assert!(met * 10 >= faults.len() * 8, "too few faults were met");
}
