//! One run: a server on its core, the load on another, and what both report.

use std::hint::black_box;
use std::io::{self, Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::{self, Cores};
use crate::load::{LoadChild, Outcome, Plan, STAGES_OF_IDLE, STAGES_OF_KEYS, Until};
use crate::sample::Sample;
use crate::server::{Server, Target, Waits};
use crate::trouble::{Trouble, Trying as _};
use crate::workload::{Shape, Workload};

/// The part of a run's length that it is warmed up for before.
const WARM_PART: u32 = 5;

/// Starts the server and the load, each on a core of its own, and measures for so long.
///
/// # Errors
/// A sentence, if there is only one core, the server does not start or dies, or a reply is wrong.
pub(crate) fn run(
    target: &Target,
    workload: &Workload,
    length: Duration,
) -> Result<Sample, Trouble> {
    let cores = Cores::share(target.cores)?;
    let server = Server::start(target, &[], workload.protocol, &cores.server)?;
    let plan = Plan {
        address: server.address(),
        protocol: workload.protocol,
        shape: workload.shape,
        warm: Until::Time(length / WARM_PART),
        stretch: Until::Time(length),
    };
    let sample = match workload.shape {
        Shape::Idle { connections } => idle(&server, &plan, &cores, connections, length),
        Shape::Keys { .. } => filled(&server, &plan, &cores),
        _ => busy(&server, &plan, &cores),
    };
    server.end(sample)
}

/// Measures while the load works.
fn busy(server: &Server, plan: &Plan, cores: &Cores) -> Result<Sample, Trouble> {
    let mut load = LoadChild::start(plan, cores.load)?;
    load.reach("warm")?;
    server.settle()?;
    let before = Reading::take(server, &load, cores)?;
    load.go_on()?;
    let outcome = load.outcome()?;
    if matches!(plan.shape, Shape::Accept { .. } | Shape::Churn { .. }) {
        // Connections are closed by the load before the server has heard of it.
        server.settle()?;
    }
    let after = Reading::take(server, &load, cores)?;
    load.finish()?;
    Ok(after.since(&before, &outcome, cores))
}

/// What is read before and after.
struct Reading {
    server_cpu_ns: u64,
    server: Waits,
    load: Waits,
    stolen_ns: u64,
}

impl Reading {
    fn take(server: &Server, load: &LoadChild, cores: &Cores) -> Result<Self, Trouble> {
        Ok(Self {
            server_cpu_ns: server.cpu_ns()?,
            server: server.waits()?,
            load: Waits::of(load.id())?,
            stolen_ns: cores::stolen_ns(cores.all())?,
        })
    }

    fn since(&self, before: &Self, outcome: &Outcome, cores: &Cores) -> Sample {
        let Outcome { replies, resent, elapsed_ns, cpu_ns, latency_ns } = *outcome;
        Sample {
            replies,
            elapsed_ns,
            server_cpu_ns: self.server_cpu_ns.saturating_sub(before.server_cpu_ns),
            load_cpu_ns: cpu_ns,
            server_cores: cores.server.len(),
            server_threads: self.server.threads,
            // Threads that have ended take what they waited with them.
            server_waited_ns: self.server.waited_ns.saturating_sub(before.server.waited_ns),
            load_waited_ns: self.load.waited_ns.saturating_sub(before.load.waited_ns),
            stolen_ns: self.stolen_ns.saturating_sub(before.stolen_ns),
            resent,
            latency_ns,
            ..Sample::default()
        }
    }
}

/// Reads the memory with no connection, with all, after each has echoed, and after all are closed;
/// and what the server does while nothing happens.
fn idle(
    server: &Server,
    plan: &Plan,
    cores: &Cores,
    connections: u32,
    length: Duration,
) -> Result<Sample, Trouble> {
    let mut load = LoadChild::start(plan, cores.load)?;
    let mut resident = [0_i64; STAGES_OF_IDLE.len()];
    let mut sample = Sample::default();
    for (stage, bytes) in STAGES_OF_IDLE.into_iter().zip(&mut resident) {
        load.reach(stage)?;
        server.settle()?;
        *bytes = i64::try_from(server.resident_bytes()?).trying("too much memory")?;
        if stage == "touched" {
            let (before, start) = (Reading::take(server, &load, cores)?, Instant::now());
            thread::sleep(length);
            let elapsed_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let replies = u64::from(connections);
            let outcome = Outcome { replies, elapsed_ns, ..Outcome::default() };
            sample = Reading::take(server, &load, cores)?.since(&before, &outcome, cores);
        }
        if stage != "closed" {
            load.go_on()?;
        }
    }
    load.finish()?;
    let [start, open, touched, closed] = resident;
    #[expect(clippy::cast_precision_loss, reason = "no memory is that large")]
    let added = |bytes: i64| (bytes - start) as f64 / f64::from(connections);
    sample.bytes_per_connection = Some(added(open));
    sample.kept_per_connection = Some([added(touched), added(closed)]);
    Ok(sample)
}

/// Reads the memory once all keys are set.
fn filled(server: &Server, plan: &Plan, cores: &Cores) -> Result<Sample, Trouble> {
    let mut load = LoadChild::start(plan, cores.load)?;
    let [warm, filled] = STAGES_OF_KEYS;
    load.reach(warm)?;
    load.go_on()?;
    load.reach(filled)?;
    server.settle()?;
    let resident_bytes = Some(server.resident_bytes()?);
    load.finish()?;
    Ok(Sample { resident_bytes, ..Sample::default() })
}

/// How long a fixed piece of work takes on the server's core, with and without system calls: much
/// more than at other times means that the host has a slow spell. It takes some milliseconds; of
/// several pieces it is the median, so that one interruption does not count.
///
/// # Errors
/// If there are too few cores.
pub(crate) fn probe() -> Result<Duration, Trouble> {
    const PIECES: usize = 9;
    let cores = Cores::share(1)?;
    let mut times = cores::on(&cores.server, || {
        (0..PIECES)
            .map(|_| {
                let start = Instant::now();
                piece_of_work().map(|()| start.elapsed())
            })
            .collect::<io::Result<Vec<_>>>()
    })?
    .trying("cannot try how fast the host is")?;
    times.sort_unstable();
    Ok(times[PIECES / 2])
}

fn piece_of_work() -> io::Result<()> {
    let (mut reader, mut writer) = io::pipe()?;
    let mut bytes = [0; 64];
    for _ in 0..300 {
        writer.write_all(&bytes)?;
        reader.read_exact(&mut bytes)?;
    }
    let mut number = 1_u64;
    for _ in 0..300_000 {
        number = black_box(number ^ number << 13 ^ number >> 7);
    }
    black_box(number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_difference_of_two_readings() {
        let waits = |threads, waited_ns| Waits { threads, waited_ns };
        let before =
            Reading { server_cpu_ns: 100, server: waits(3, 50), load: waits(1, 7), stolen_ns: 0 };
        let after =
            Reading { server_cpu_ns: 900, server: waits(2, 20), load: waits(1, 9), stolen_ns: 10 };
        let outcome = Outcome { replies: 4, elapsed_ns: 1_000, cpu_ns: 600, ..Outcome::default() };
        let cores = Cores { server: vec![0, 1], load: 2 };
        let sample = after.since(&before, &outcome, &cores);
        let expected = Sample {
            replies: 4,
            elapsed_ns: 1_000,
            server_cpu_ns: 800,
            load_cpu_ns: 600,
            server_cores: 2,
            server_threads: 2,
            load_waited_ns: 2,
            stolen_ns: 10,
            ..Sample::default()
        };
        assert_eq!(sample, expected);
    }
}
