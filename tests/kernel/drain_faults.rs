//! Each call of a drain fails, with each error that the kernel has for it: the server still ends,
//! and by its deadline.

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::errnos;
use crate::example::Example;
use crate::form;
use crate::strace::{self, Calls, Fault, Tracer, WAITS_OF_ATTACHING, When};

/// A server that is about to drain: one client has nothing to come, another is owed more than fits
/// into the kernel, and waits for it in vain.
struct Scene {
    server: Example,
    idle: Client,
    _creditor: Client,
}

const HELLO: &[u8] = b"\0\0\0\x05hello";
const OWED_LEN: u32 = 6 << 20;

impl Scene {
    fn set() -> Self {
        let options = "--framing length --max-frame 6MiB --drain-timeout 200ms";
        let server = Example::echo(&format!("--tcp 127.0.0.1:0 --udp 127.0.0.1:0 {options}"));
        let [mut idle, mut creditor] = [(); 2].map(|()| Client::to(server.address("tcp")));
        idle.send(HELLO);
        idle.expect(HELLO);
        creditor.socket().set_recv_buffer_size(65_536).expect("a common size");
        creditor.send(&OWED_LEN.to_be_bytes());
        creditor.send(&vec![b'x'; OWED_LEN as usize]);
        creditor.received_until(1);
        Self { server, idle, _creditor: creditor }
    }

    /// Drains under these faults: the exit status, and what was called.
    fn drain(&mut self, faults: &[Fault]) -> (Option<i32>, Calls) {
        let tracer = Tracer::attach(&self.server, faults);
        self.server.signal(Signal::SIGTERM);
        let code = self.server.wait();
        (code, tracer.detach())
    }
}

fn faults() -> Vec<Fault> {
    let (code, calls) = Scene::set().drain(&[]);
    assert_eq!(code, Some(3));
    let mut faults = Vec::new();
    for (call, errnos) in errnos::of_draining() {
        // The first waits are from before the signal.
        let first = if *call == "epoll_wait" { 1 + WAITS_OF_ATTACHING } else { 1 };
        let numbers = (first..=calls.count(call)).take(form::amount(1, usize::MAX));
        assert!(numbers.clone().count() > 0, "{call} is never called");
        for errno in *errnos {
            let when = numbers.clone().map(When::Once);
            faults.extend(when.map(|when| Fault { call, errno, when }));
        }
    }
    faults.retain(|fault| form::is_wanted(*fault));
    faults
}

fn endure(fault: &Fault) {
    let mut scene = Scene::set();
    let _replay = form::replay("WINDLASS_FAULT", fault);
    let (code, calls) = scene.drain(&[*fault]);
    if errnos::ends_a_drain(fault.call, fault.errno) && calls.has_injected() {
        assert_eq!(code, Some(1));
        assert!(scene.server.logged().last().unwrap().starts_with("error: cannot "));
    } else {
        assert_eq!(code, Some(3));
        assert!(scene.idle.rest().is_empty(), "who was idle was sent something");
    }
}

#[test]
fn a_drain_ends_whatever_fails_on_the_way() {
    if strace::is_there() {
        let faults = faults();
        form::at_once(&faults, endure);
        form::say(format_args!("draining: {} faults endured", faults.len()));
    }
}
