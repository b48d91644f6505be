//! What a reply costs in instructions and in system calls: counted, so that it does not depend on
//! how busy the machine is.
//!
//! Each is the difference of two runs of different lengths, so that start and end cost nothing. A
//! tool that counts makes the server slow, so that more is ready at a time than otherwise; with one
//! connection, that makes no difference.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Cores;
use crate::folder::Folder;
use crate::load::{LoadChild, Plan, Until};
use crate::server::{Server, Target};
use crate::trouble::{Trouble, Trying as _};
use crate::workload::{Shape, Workload};

/// So many replies come before it counts.
const WARM: u64 = 500;
/// How long a tool may take to write what it has counted after the server has ended.
const WRITE: Duration = Duration::from_secs(10);

/// How many replies the short run and the long run have, at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lengths {
    pub(crate) short: u64,
    pub(crate) long: u64,
}

impl Lengths {
    /// Enough for a gate: a few seconds for each count.
    pub(crate) const QUICK: Self = Self { short: 1_000, long: 5_000 };
    /// Enough for a report.
    pub(crate) const FULL: Self = Self { short: 4_000, long: 24_000 };

    /// As many that what is in flight at the beginning and at the end does not matter.
    fn for_shape(self, shape: Shape) -> Self {
        let window = match shape {
            Shape::Requests { connections, in_flight, .. }
            | Shape::Asks { connections, in_flight, .. }
            | Shape::Tool { connections, in_flight, .. } => [connections, in_flight],
            Shape::Datagrams { flows, in_flight, .. } => [flows, in_flight],
            Shape::Accept { connections } | Shape::Idle { connections } => [connections, 1],
            Shape::Churn { concurrent, .. } => [concurrent, 1],
            Shape::Keys { .. } => [1, 1],
        };
        let window: u64 = window.into_iter().map(u64::from).product();
        let short = self.short.max(2 * window);
        Self { short, long: short + (self.long - self.short).max(8 * window) }
    }
}

/// System calls for a reply.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct SystemCalls {
    pub(crate) total: f64,
    /// Of each name that makes a difference, most first.
    pub(crate) by_name: Vec<(String, f64)>,
}

/// User-space instructions for a reply, by callgrind; none if valgrind is not installed.
///
/// # Errors
/// A sentence, if the server does not run under valgrind (as with `io_uring`) or a reply is wrong.
pub(crate) fn instructions(
    target: &Target,
    workload: &Workload,
    lengths: Lengths,
) -> Result<Option<f64>, Trouble> {
    if !is_installed("valgrind") {
        return Ok(None);
    }
    let [short, long] = both(lengths, workload.shape, |replies| {
        let output = Output::new()?;
        let before = ["valgrind", "-q", "--tool=callgrind"].map(OsString::from).into_iter();
        // Each process of a server writes a file of its own.
        let option = output.option("--callgrind-out-file=", "%p");
        let before = before.chain([option]).collect::<Vec<_>>();
        let replies = run(target, &before, workload, replies)?;
        Ok((replies, output.read(instructions_in)?))
    })?;
    Ok(Some(per_reply(long.1, short.1, long.0 - short.0)))
}

/// System calls for a reply, by strace; none if that is not installed.
///
/// # Errors
/// A sentence, if the server does not run under strace or a reply is wrong.
pub(crate) fn system_calls(
    target: &Target,
    workload: &Workload,
    lengths: Lengths,
) -> Result<Option<SystemCalls>, Trouble> {
    if !is_installed("strace") {
        return Ok(None);
    }
    let [short, long] = both(lengths, workload.shape, |replies| {
        let output = Output::new()?;
        // With -D, the server is the child that is started, and strace is not in between.
        let before = ["strace", "-D", "-f", "-c", "-qq"].map(OsString::from).into_iter();
        let before = before.chain([output.option("--output=", "all")]).collect::<Vec<_>>();
        let replies = run(target, &before, workload, replies)?;
        Ok((replies, output.read(system_calls_in)?))
    })?;
    Ok(Some(SystemCalls::between(&short.1, &long.1, long.0 - short.0)))
}

impl SystemCalls {
    fn between(short: &BTreeMap<String, u64>, long: &BTreeMap<String, u64>, replies: u64) -> Self {
        let count = |calls: &BTreeMap<String, u64>, name| calls.get(name).copied().unwrap_or(0);
        let names: std::collections::BTreeSet<&String> = short.keys().chain(long.keys()).collect();
        let mut by_name: Vec<(String, f64)> = names
            .into_iter()
            .map(|name| (name, count(long, name), count(short, name)))
            .filter(|(_, long, short)| long != short)
            .map(|(name, long, short)| (name.clone(), per_reply(long, short, replies)))
            .collect();
        by_name.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Self { total: by_name.iter().map(|(_, calls)| calls).sum(), by_name }
    }
}

fn is_installed(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Does the short run and the long run.
fn both<T>(
    lengths: Lengths,
    shape: Shape,
    mut run: impl FnMut(u64) -> Result<T, Trouble>,
) -> Result<[T; 2], Trouble> {
    if matches!(shape, Shape::Idle { .. } | Shape::Keys { .. }) {
        return Err(Trouble::new("where only memory is weighed, there are no replies to count by"));
    }
    let lengths = lengths.for_shape(shape);
    Ok([run(lengths.short)?, run(lengths.long)?])
}

/// Starts the server by a tool and the load, and says how many replies there were.
fn run(
    target: &Target,
    before: &[OsString],
    workload: &Workload,
    replies: u64,
) -> Result<u64, Trouble> {
    let cores = Cores::share_to_count(target.cores)?;
    let server = Server::start(target, before, workload.protocol, &cores.server)?;
    let plan = Plan {
        address: server.address(),
        protocol: workload.protocol,
        shape: workload.shape,
        warm: Until::Replies(WARM),
        stretch: Until::Replies(replies),
    };
    let counted = LoadChild::start(&plan, cores.load).and_then(|mut load| {
        load.reach("warm")?;
        load.go_on()?;
        let outcome = load.outcome()?;
        load.finish()?;
        if outcome.resent > 0 {
            return Err(Trouble::new("datagrams were lost, so that nothing can be counted"));
        }
        Ok(outcome.replies)
    });
    server.end(counted)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far smaller")]
fn per_reply(long: u64, short: u64, replies: u64) -> f64 {
    (long as f64 - short as f64) / replies.max(1) as f64
}

/// The files that a tool writes. They are removed when this is dropped.
struct Output(Folder);

impl Output {
    fn new() -> Result<Self, Trouble> {
        Folder::new().map(Self).trying("cannot have a folder for a while")
    }

    /// The option of the tool with the path of such a file.
    fn option(&self, name: &str, file: &str) -> OsString {
        let mut option = OsString::from(name);
        option.push(self.0.path().join(file));
        option
    }

    /// What is read from all files once they are complete: that may be after the server has ended.
    fn read<T>(&self, parse: impl Fn(&[String]) -> Option<T>) -> Result<T, Trouble> {
        let deadline = Instant::now() + WRITE;
        loop {
            let files = fs::read_dir(self.0.path()).trying("cannot read what was counted")?;
            let texts: Vec<String> = files
                .flatten()
                .map(|file| fs::read_to_string(file.path()).unwrap_or_default())
                .collect();
            if let Some(result) = parse(&texts) {
                return Ok(result);
            }
            if Instant::now() > deadline {
                return Err(Trouble::new("nothing was counted: no sum was written"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The sum of the sums at the ends of what callgrind wrote.
fn instructions_in(callgrind: &[String]) -> Option<u64> {
    let sum = |text: &String| {
        let sum = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
        sum.trim().parse::<u64>().ok()
    };
    // Of nothing there is no sum.
    callgrind.first()?;
    callgrind.iter().map(sum).sum()
}

/// The calls of each name, if the table is complete.
fn system_calls_in(strace: &[String]) -> Option<BTreeMap<String, u64>> {
    let mut calls = BTreeMap::new();
    for line in strace.first()?.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if let [_, _, _, count, .., name] = words[..]
            && let Ok(count) = count.parse()
        {
            if name == "total" {
                return Some(calls);
            }
            calls.insert(name.to_owned(), count);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 45.10    0.001200           1      1010           sendto
 30.00    0.000800           0      1020        10 recvfrom
  0.00    0.000000           0         1         1 access
------ ----------- ----------- --------- --------- ----------------
100.00    0.002000           1      2031        11 total
";

    #[test]
    fn calls_are_read_with_and_without_errors() {
        let calls = system_calls_in(&[TABLE.to_owned()]).unwrap();
        let names = [("access", 1), ("recvfrom", 1_020), ("sendto", 1_010)];
        assert_eq!(calls, names.map(|(name, count)| (name.to_owned(), count)).into());
    }

    #[test]
    fn a_table_that_is_not_complete_is_not_read() {
        let end = TABLE.rfind("100.00").unwrap();
        assert_eq!(system_calls_in(&[TABLE[..end].to_owned()]), None);
        assert_eq!(system_calls_in(&[]), None);
    }

    #[test]
    fn what_both_runs_have_does_not_count() {
        let short = [("brk", 5), ("read", 10)].map(|(name, count)| (name.to_owned(), count));
        let long = [("brk", 5), ("read", 110), ("write", 50)]
            .map(|(name, count)| (name.to_owned(), count));
        let calls = SystemCalls::between(&short.into(), &long.into(), 100);
        assert_eq!(calls.by_name, [("read".to_owned(), 1.0), ("write".to_owned(), 0.5)]);
        assert_eq!(calls.total, 1.5);
    }

    #[test]
    fn the_instructions_of_all_processes_are_added() {
        let one = "# callgrind format\nevents: Ir\nsummary: 12\n\nfn=(1)\n\ntotals: 1234\n";
        let other = "events: Ir\ntotals: 4321\n";
        let unfinished = "events: Ir\n";
        let counted = |texts: &[&str]| {
            instructions_in(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(counted(&[one]), Some(1_234));
        assert_eq!(counted(&[one, other]), Some(5_555));
        assert_eq!(counted(&[one, unfinished]), None);
        assert_eq!(counted(&[]), None);
    }

    #[test]
    fn runs_are_longer_than_what_is_in_flight() {
        let shape = Shape::Requests { connections: 50, in_flight: 256, message_len: 64 };
        let Lengths { short, long } = Lengths::QUICK.for_shape(shape);
        assert_eq!((short, long), (25_600, 128_000));
        let shape = Shape::Requests { connections: 1, in_flight: 1, message_len: 64 };
        assert_eq!(Lengths::QUICK.for_shape(shape), Lengths::QUICK);
    }
}
