//! Signals at any moment after the start: the process always ends, and never by halves.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread::sleep;

use nix::sys::signal::Signal;

use crate::example::Example;
use crate::form;
use crate::random::Random;
use crate::strace;

/// How a server ended that was signalled once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// By the signal, which came before the server watched for it.
    Killed,
    /// In good order, before it told where it listens, or after.
    Drained { has_listened: bool },
}

/// What is started: some of it has threads.
const EXAMPLES: [(&str, &str); 4] =
    [("echo", ""), ("echo", "--udp 127.0.0.1:0"), ("chat", ""), ("offload", "")];

/// The signals that end a server before it watches for them. Whatever runs the tests may ignore
/// SIGINT, as shells have what they run in the background do, and whom it starts does so too.
fn heard() -> Vec<Signal> {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set, 16).ok()).expect("a set of bits");
    let is_heard = |signal: &Signal| ignored >> (*signal as i32 - 1) & 1 == 0;
    [Signal::SIGTERM, Signal::SIGINT].into_iter().filter(is_heard).collect()
}

/// Signals a server that is about to start.
fn interrupt(seed: u64) -> End {
    let mut random = Random::new(seed);
    let signal = random.pick(&heard());
    let (name, options) = random.pick(&EXAMPLES);
    let end = random.pick(&[500, 2_000, 5_000, 20_000]);
    let options = format!("--tcp 127.0.0.1:0 {options}");
    let mut server = Example::start(name, &options, Stdio::piped());
    sleep(random.micros_below(end));
    server.signal(signal);
    let status = server.status();
    let has_listened = !server.printed().is_empty();
    match (status.code(), status.signal()) {
        (Some(0), _) => End::Drained { has_listened },
        (_, Some(number)) if number == signal as i32 && !has_listened => End::Killed,
        _ => panic!("{status}, after {signal}; has it listened? {has_listened}"),
    }
}

/// Strace sends it as the call is made that has it caught: nothing comes in between.
#[test]
fn a_signal_is_not_lost_right_after_it_is_first_caught() {
    if !strace::is_there() {
        return;
    }
    form::at_once(&heard(), |signal| {
        for number in 1..=9 {
            let at = form::own_address();
            let inject = format!("inject=rt_sigaction:signal={signal}:when={number}");
            let script = format!("exec strace -D -o /dev/null -e {inject} \"$0\" --tcp {at}");
            let mut server = Example::by_shell(&script, "echo");
            let status = server.status();
            assert!(status.success() || status.signal().is_some(), "{status}: {script}");
        }
    });
}

#[test]
fn a_signal_at_any_moment_ends_it() {
    let ends = form::at_once(&form::seeds(60, 2_000), |seed| {
        let _replay = form::replay("WINDLASS_SEED", seed);
        interrupt(*seed)
    });
    let killed = ends.iter().filter(|end| **end == End::Killed).count();
    let listened = ends.iter().filter(|end| **end == End::Drained { has_listened: true }).count();
    form::say(format_args!(
        "signals: {} starts, {killed} killed before they watched, {listened} drained that had \
         listened, {} that had not",
        ends.len(),
        ends.len() - killed - listened
    ));
}
