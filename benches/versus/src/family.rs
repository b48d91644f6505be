//! The processes that a server consists of: the one that was started, and those that it has started
//! itself.

use std::fs;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::trouble::{Trouble, Trying as _};

/// A process and its children, and theirs.
pub(crate) fn of(process: Pid) -> Vec<Pid> {
    let mut family = vec![process];
    let mut at = 0;
    while at < family.len() {
        family.extend(children(family[at]));
        at += 1;
    }
    family
}

fn children(process: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let texts = threads.into_iter().flatten().flatten().map(|thread| {
        // A thread that has just ended has no such file.
        fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    });
    texts.flat_map(|text| pids_in(&text)).collect()
}

fn pids_in(text: &str) -> Vec<Pid> {
    let words = text.split_ascii_whitespace();
    words.filter_map(|word| word.parse().ok()).map(Pid::from_raw).collect()
}

/// The clock of what the scheduler charges a process, all its threads together.
pub(crate) fn clock(process: Pid) -> Result<ClockId, Trouble> {
    clock_getcpuclockid(process).trying("a process has no clock")
}

/// What such a clock shows.
pub(crate) fn read(clock: ClockId) -> Result<u64, Trouble> {
    let time = clock_gettime(clock).trying("a process cannot be asked for its time")?;
    let [seconds, nanoseconds] =
        [time.tv_sec(), time.tv_nsec()].map(|part| u64::try_from(part).unwrap_or(0));
    Ok(seconds * 1_000_000_000 + nanoseconds)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_grandchild_is_of_the_family() {
        let script = "sh -c 'sleep 60 & echo there; wait' & wait";
        let mut shell = Command::new("sh");
        let mut shell = shell.args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let family = of(Pid::from_raw(shell.id().try_into().unwrap()));
        for process in family.iter().rev() {
            nix::sys::signal::kill(*process, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        shell.wait().unwrap();
        assert_eq!(family.len(), 3);
    }

    #[test]
    fn the_clock_of_this_process_goes_on() {
        let clock = clock(Pid::this()).unwrap();
        let before = read(clock).unwrap();
        while read(clock).unwrap() == before {}
    }

    #[test]
    fn children_are_read_as_numbers() {
        assert_eq!(pids_in("12 345 \n"), [12, 345].map(Pid::from_raw));
        assert_eq!(pids_in(""), []);
    }
}
