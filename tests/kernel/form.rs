//! How much is tried: a little in every run of the tests, all of it when that is asked for.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::{iter, thread};

use crate::example::Example;
use crate::seeds::{Replay, command, number};
use crate::strace::Fault;

/// Whether all of it was asked for.
pub(crate) fn is_long() -> bool {
    is_set("WINDLASS_LONG")
}

/// The number for the short or for the long form.
pub(crate) fn amount(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

/// Says how to run this test again with the one thing that it fails with.
pub(crate) fn replay(variable: &str, value: impl Display) -> Replay {
    let long = if is_long() { "WINDLASS_LONG=1 " } else { "" };
    Replay(format!("{long}{variable}={value} {}", command()))
}

/// Whether a fault is to be tried: any, unless `WINDLASS_FAULT` names one.
pub(crate) fn is_wanted(fault: Fault) -> bool {
    std::env::var("WINDLASS_FAULT").map_or(true, |one| one == fault.to_string())
}

/// As many seeds as the form asks for, or the one that `WINDLASS_SEED` names.
pub(crate) fn seeds(short: u64, long: u64) -> Vec<u64> {
    let end = if is_long() { long } else { short };
    number("WINDLASS_SEED").map_or_else(|| (0..end).collect(), |seed| vec![seed])
}

/// Does something with each of these, a few at a time, since most of it is waiting; and says what
/// came of each.
pub(crate) fn at_once<T: Sync, R: Send>(things: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    const WORKERS: usize = 4;
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        numbers.map_while(|number| things.get(number)).map(&act).collect::<Vec<R>>()
    };
    thread::scope(|scope| {
        // By its name a thread is known to be of this test.
        let name = thread::current().name().unwrap_or("").to_owned();
        let worker = || thread::Builder::new().name(name.clone()).spawn_scoped(scope, work);
        let workers = [(); WORKERS].map(|()| worker().expect("a thread can be started"));
        let ends = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ends.flat_map(|end| end.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// An address that nobody else has: many in one network mean this machine.
pub(crate) fn own_address() -> SocketAddr {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 120).expect("below 120");
    SocketAddr::from((Ipv4Addr::new(127, 100 + process, high, low), 7000))
}

/// How many connections, or bytes of memory, a server says there are at most.
pub(crate) fn most(server: &mut Example, what: &str) -> usize {
    let line = server.wait_for_logs(1, "connections at most").remove(0);
    let words: Vec<&str> = line.split(' ').collect();
    let pair = words.windows(2).find(|pair| pair[1] == what).expect("it says how many");
    pair[0].parse().expect("it says a number")
}

/// Says what was done, for whoever looks on.
#[expect(clippy::print_stderr, reason = "figures that are asked for")]
pub(crate) fn say(what: impl Display) {
    eprintln!("kernel: {what}");
}

/// Whether a test has what it needs. Where everything must be tried, it is not left out.
pub(crate) fn is_there(what: &str, is_there: bool) -> bool {
    if !is_there {
        assert!(!is_long() && !is_set("CI"), "{what} is missing");
        say(format_args!("left out: {what} is missing"));
    }
    is_there
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}
