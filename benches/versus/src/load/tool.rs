//! redis-benchmark as the load: what it says of itself is what is reported.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

use super::dialogue::pause;
use super::plan::{Plan, Until};
use super::stretch::Outcome;
use crate::trouble::{Trouble, Trying as _};
use crate::workload::Ask;

const PROGRAM: &str = "redis-benchmark";
/// So many requests come first, and tell how many take as long as is wanted.
const FIRST: u64 = 100_000;
const VALUE_LEN: u32 = 64;

/// Lets it ask for as long as is planned.
pub(super) fn play(plan: &Plan, ask: Ask, clients: u32, in_flight: u32) -> Result<(), Trouble> {
    let test = Test { address: plan.address, ask, clients, in_flight };
    if ask == Ask::Get {
        // So that there is something to get.
        Test { ask: Ask::Set, ..test }.run(u64::from(Ask::KEYS) * 5)?;
    }
    let first = test.run(FIRST)?;
    let requests = match plan.stretch {
        Until::Replies(count) => count,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "no rate is below nothing, and none so high"
        )]
        Until::Time(time) => (first.per_second * time.as_secs_f64()) as u64,
    };
    pause("warm")?;
    let before = children_cpu_ns()?;
    let run = test.run(requests.max(1))?;
    let cpu_ns = children_cpu_ns()? - before;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a measurement does not last for centuries"
    )]
    let elapsed_ns = (requests as f64 / run.per_second * 1e9) as u64;
    let latency_ns = run.latency_ns;
    pause(Outcome { replies: requests, resent: 0, elapsed_ns, cpu_ns, latency_ns })
}

struct Test {
    address: SocketAddr,
    ask: Ask,
    clients: u32,
    in_flight: u32,
}

/// What it says in the end.
#[derive(PartialEq, Debug)]
struct Said {
    per_second: f64,
    /// At p50, p95 for want of p90, p99, the most for want of p99.9, and the most.
    latency_ns: [u64; 5],
}

impl Test {
    fn run(&self, requests: u64) -> Result<Said, Trouble> {
        let name = if self.ask == Ask::Ping { "ping_mbulk" } else { self.ask.name() };
        let mut command = Command::new(PROGRAM);
        command.args(["-h".to_owned(), self.address.ip().to_string()]);
        command.args(["-p".to_owned(), self.address.port().to_string()]);
        command.args(["-c".to_owned(), self.clients.to_string()]);
        command.args(["-P".to_owned(), self.in_flight.to_string()]);
        command.args(["-n".to_owned(), requests.to_string()]);
        command.args(["-r".to_owned(), Ask::KEYS.to_string()]);
        command.args(["-d".to_owned(), VALUE_LEN.to_string()]);
        command.args(["-t", name, "--csv"]).stdin(Stdio::null());
        let output = command.output().trying(format!("cannot run {PROGRAM} of redis-tools"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(Trouble::new(format!("{PROGRAM} failed: {text}{complaint}")));
        }
        said_in(&text).ok_or_else(|| Trouble::new(format!("{PROGRAM} said `{text}`")))
    }
}

/// Reads `"test","rps","avg","min","p50","p95","p99","max"`, of which latencies are milliseconds.
fn said_in(csv: &str) -> Option<Said> {
    let line = csv.lines().rfind(|line| !line.is_empty())?;
    let (_, numbers) = line.strip_prefix('"')?.split_once("\",\"")?;
    let numbers: Vec<f64> = numbers
        .trim_end_matches('"')
        .split("\",\"")
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let &[per_second, _, _, p50, p95, p99, most] = &numbers[..] else { return None };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a latency is neither negative nor centuries long"
    )]
    let latency_ns = [p50, p95, p99, most, most].map(|ms: f64| (ms * 1e6) as u64);
    (per_second > 0.0).then_some(Said { per_second, latency_ns })
}

/// What the scheduler has charged the children that have ended.
fn children_cpu_ns() -> Result<u64, Trouble> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).trying("cannot read processor times")?;
    let times = [usage.user_time(), usage.system_time()];
    let micros: i64 = times.iter().map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).sum();
    Ok(u64::try_from(micros).unwrap_or(0) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read_as_the_figures() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                   \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                   \"SET\",\"500000.00\",\"0.7\",\"0.1\",\"0.5\",\"1.5\",\"2.0\",\"3.0\"\n";
        let latency_ns = [500_000, 1_500_000, 2_000_000, 3_000_000, 3_000_000];
        assert_eq!(said_in(csv), Some(Said { per_second: 500_000.0, latency_ns }));
    }

    #[test]
    fn what_is_no_figure_is_not_taken_for_one() {
        for csv in ["", "ERR unknown command", "\"SET\",\"0.00\",\"nan\"", "\"SET\",\"x\""] {
            assert_eq!(said_in(csv), None, "{csv}");
        }
    }
}
