//! Work that takes long, done by a pool of threads while the loop goes on serving.
//!
//! ```text
//! cargo run --release --example offload
//! printf '1000\n10000000\n10\n' | nc -N 127.0.0.1 7000
//! ```
//!
//! Each line is a number, and is answered with how many primes there are below it. To count them
//! takes up to a tenth of a second, for which a callback must not hold up everybody. So it makes a
//! job of the line, a thread of the pool does it, and posts the answer to the handler by a
//! `Handle`. The handler sends it on the connection that asked, or nowhere if that has closed.
//!
//! *Order.* A client with several questions at once is answered in the order in which the answers
//! are found. With `--ordered`, it is in the order of the questions. There are two ways to that:
//!
//! * Pause the session until its answer is there. This is what is done here. It takes no memory,
//!   and a client has no more than one thread at a time, which is often wanted anyway.
//! * Number the questions of a connection, keep answers that come too early, and send each when all
//!   before it are sent. A client can then have many threads at a time, and many answers waiting.
//!
//! *Backpressure.* There are so many jobs at a time as `--queue` says. Who asks when there are as
//! many is paused, with the one question in hand; each answer lets the one continue who has waited
//! the longest. So a client that asks without end takes no memory, and its turn among others.
//!
//! *The end.* A connection that is owed an answer is marked as busy: a drain waits for it. Who has
//! finished sending is closed after the last answer. Jobs whose connection has closed are skipped.

pub(crate) mod common;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::ParseIntError;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use common::{Addresses, Ending, Options, Stop};
use windlass::{
    CloseReason, Config, ConnectionId, Error, Handle, Handler, Lines, MessageHandler, PostError,
    Scope, Server, Session,
};

const HELP: &str = "
Answers each line, a number, with how many primes there are below it.

usage: offload [OPTION]...

  --tcp ADDR          listen for TCP on this address, any number of times
                      (default: 127.0.0.1:7000; port 0: any free port)
  --workers N         how many threads compute (default 4)
  --queue N           how many questions of a listener are being answered or wait for that
                      (default 64); who asks more is not read meanwhile
  --ordered           answer the questions of a connection in their order
  --drain-timeout D   how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help              print this

D is such as 500ms, 30s or 2m. The first SIGINT or SIGTERM drains, the second stops now. Exit
status: 0 if everything finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// The greatest number that can be asked about: a tenth of a second, and ten megabytes.
const GREATEST: usize = 10_000_000;

/// A question, and whose it is.
pub(crate) struct Job {
    id: ConnectionId,
    question: String,
}

/// An answer, unless nobody was left to be answered.
pub(crate) struct Answer {
    id: ConnectionId,
    text: Option<String>,
}

/// Has questions answered by the pool.
struct Offload {
    jobs: SyncSender<Job>,
    is_ordered: bool,
    /// How many jobs there can be at a time.
    jobs_max: usize,
    /// How many there are, those of connections that have closed included.
    jobs_len: usize,
    /// Who waits for there to be fewer, the first first.
    waiting: VecDeque<ConnectionId>,
}

/// What is kept for a connection.
#[derive(Default)]
struct Client {
    /// How many answers it is owed.
    owed: usize,
    /// The question for which there was no room.
    held: Option<String>,
    has_finished: bool,
}

impl Handler for Offload {
    type Codec = Lines;
    type State = Client;

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        if self.jobs_len < self.jobs_max {
            return self.begin(session, line.to_owned());
        }
        session.state().held = Some(line.to_owned());
        session.set_busy(true);
        session.pause();
        self.waiting.push_back(session.id());
        Ok(())
    }

    fn on_end(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        session.state().has_finished = true;
        close_if_done(session);
        Ok(())
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
        if session.state().held.is_some() {
            let id = session.id();
            self.waiting.retain(|waiting| *waiting != id);
        }
    }
}

impl MessageHandler<Answer> for Offload {
    fn on_message(&mut self, scope: &mut Scope<'_, Self>, answer: Answer) -> Result<(), Error> {
        self.jobs_len -= 1;
        let Answer { id, text } = answer;
        // If its connection has closed, the answer goes nowhere.
        let sent = text.and_then(|text| scope.with(id, |session| self.answer(session, &text)));
        while self.jobs_len < self.jobs_max
            && let Some(id) = self.waiting.pop_front()
        {
            scope.with(id, |session| self.go_on(session)).unwrap_or(Ok(()))?;
        }
        sent.unwrap_or(Ok(()))
    }
}

impl Offload {
    const fn new(jobs: SyncSender<Job>, settings: &Settings) -> Self {
        let (is_ordered, jobs_max) = (settings.is_ordered, settings.queue_len);
        Self { jobs, is_ordered, jobs_max, jobs_len: 0, waiting: VecDeque::new() }
    }

    /// Has a question answered, for which there is room.
    fn begin(&mut self, session: &mut Session<'_, Self>, question: String) -> Result<(), Error> {
        let job = Job { id: session.id(), question };
        self.jobs.try_send(job).map_err(|_| Error::new("the pool takes no jobs"))?;
        self.jobs_len += 1;
        session.state().owed += 1;
        session.set_busy(true);
        if self.is_ordered {
            session.pause();
        }
        Ok(())
    }

    fn answer(&self, session: &mut Session<'_, Self>, text: &str) -> Result<(), Error> {
        session.state().owed -= 1;
        if self.is_ordered {
            session.resume();
        }
        let is_owing = session.state().owed > 0 || session.state().held.is_some();
        session.set_busy(is_owing);
        session.send(text)?;
        close_if_done(session);
        Ok(())
    }

    /// There is room for the question that was held back.
    fn go_on(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        session.resume();
        match session.state().held.take() {
            Some(question) => self.begin(session, question),
            None => Ok(()),
        }
    }
}

/// Closes a connection whose peer has finished, once it is owed nothing.
fn close_if_done(session: &mut Session<'_, Offload>) {
    if session.state().has_finished && session.state().owed == 0 {
        session.close();
    }
}

/// What a thread of the pool does, until the loop has ended.
fn work(jobs: &Mutex<Receiver<Job>>, handle: &Handle) {
    loop {
        // Whoever panicked with the lock held has only received.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if do_job(&job, handle).is_err() {
            return;
        }
    }
}

/// Answers a question, and fails if the loop has ended.
pub(crate) fn do_job(job: &Job, handle: &Handle) -> Result<(), PostError<Answer>> {
    let id = job.id;
    // The handler is told in any case: it counts the jobs.
    let text = handle.is_open(id).then(|| reply(&job.question));
    handle.post_to::<Offload, _>(id, Answer { id, text })
}

fn reply(question: &str) -> String {
    let number = question.trim().parse().map_err(|error: ParseIntError| error.to_string());
    match number {
        Ok(number) if number <= GREATEST => format!("{number}: {}", primes_below(number)),
        Ok(number) => format!("{number}: the greatest number is {GREATEST}"),
        Err(error) => format!("not a number: {error}"),
    }
}

/// How many primes there are below `end`, by the sieve of Eratosthenes.
fn primes_below(end: usize) -> usize {
    let mut is_prime = vec![true; end];
    is_prime.iter_mut().take(2).for_each(|is_prime| *is_prime = false);
    let mut number = 2;
    while number * number < end {
        if is_prime[number] {
            (number * number..end).step_by(number).for_each(|multiple| is_prime[multiple] = false);
        }
        number += 1;
    }
    is_prime.into_iter().filter(|is_prime| *is_prime).count()
}

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) addresses: Addresses,
    pub(crate) workers: usize,
    pub(crate) queue_len: usize,
    pub(crate) is_ordered: bool,
    pub(crate) drain_timeout: Duration,
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut addresses = Addresses::default();
    let (mut workers, mut queue_len, mut is_ordered) = (4, 64, false);
    let mut drain_timeout = Config::default().drain_timeout;
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => addresses.tcp.push(options.address()?),
            "--workers" => workers = options.number(1..=1024)?,
            "--queue" => queue_len = options.number(1..=65_536)?,
            "--ordered" => is_ordered = true,
            "--drain-timeout" => drain_timeout = options.duration()?,
            _ => return Err(options.unknown()),
        }
    }
    if addresses.tcp.is_empty() {
        addresses.tcp.push(SocketAddr::from(([127, 0, 0, 1], 7000)));
    }
    Ok(Settings { addresses, workers, queue_len, is_ordered, drain_timeout })
}

/// The server that is asked for, and the jobs that it has for others to do.
pub(crate) fn server(settings: &Settings) -> (Server, Receiver<Job>) {
    let config = Config { drain_timeout: settings.drain_timeout, ..Config::default() };
    let listeners = &settings.addresses.tcp;
    // Each listener's handler sees to it that it has no more jobs than this has room for.
    let (sender, jobs) = sync_channel(settings.queue_len * listeners.len());
    let server = listeners.iter().fold(Server::with_config(config), |server, address| {
        server.tcp(address, Offload::new(sender.clone(), settings))
    });
    (server, jobs)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given away by whoever calls")]
fn serve(settings: Settings) -> Result<Ending, Error> {
    let (server, jobs) = server(&settings);
    let mut engine = server.build()?;
    let (handle, jobs) = (engine.handle()?, Arc::new(Mutex::new(jobs)));
    for number in 0..settings.workers {
        let (handle, jobs) = (handle.clone(), Arc::clone(&jobs));
        // Nobody waits for its end: what it computes after the loop has ended is for nobody.
        let worker = thread::Builder::new().name(format!("worker {number}"));
        worker.spawn(move || work(&jobs, &handle)).map_err(|error| {
            Error::with_source(format!("worker {number} cannot be started"), error)
        })?;
    }
    for address in engine.local_addrs() {
        common::print_listening("tcp", address);
    }
    let report = engine.run()?;
    log::info!("{report}");
    Ok(if report.is_clean() { Ending::Finished } else { Ending::Cut })
}
