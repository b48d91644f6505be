//! Calls of a process as strace sees them, and made to fail as strace can.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fmt, fs, mem};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::example::{Example, wait_until};
use crate::form;

/// So that strace writes no more than it must.
pub(crate) const TERSE: [&str; 4] = ["-f", "-qq", "-s", "16"];

/// So long strace may take to detach.
const PATIENCE_WITH_STRACE: Duration = Duration::from_secs(2);

/// A server that waits is interrupted by an attaching strace, looks what there is, and waits again.
/// These are the most waits that are seen before anything happens.
pub(crate) const WAITS_OF_ATTACHING: usize = 2;

/// Whether strace is there and may trace a process that it has not started. A test that needs it
/// returns if it is not.
pub(crate) fn is_there() -> bool {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    form::is_there("strace, or the right to attach it,", *IS_THERE.get_or_init(can_attach))
}

/// Tries it on a process that does nothing.
fn can_attach() -> bool {
    let mut idle = Command::new("sleep").arg("60").spawn().expect("there is a sleep");
    let id = idle.id().to_string();
    let strace = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-p", &id])
        .stderr(Stdio::null())
        .spawn();
    let can_attach = strace.is_ok_and(|mut strace| {
        let status = || fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let (mut is_attached, mut has_ended) = (false, false);
        wait_until("strace attaches or gives up", || {
            is_attached = !status().contains("TracerPid:\t0");
            has_ended = strace.try_wait().is_ok_and(|end| end.is_some());
            is_attached || has_ended
        });
        let _ = (strace.kill(), strace.wait());
        is_attached
    });
    let _ = (idle.kill(), idle.wait());
    can_attach
}

/// A call that fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) call: &'static str,
    pub(crate) errno: &'static str,
    pub(crate) when: When,
}

/// Which of the calls of a name fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// This one, counted from 1.
    Once(usize),
    /// So many, the first among them.
    Times(usize),
    /// All.
    Always,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, errno, when } = self;
        write!(f, "inject={call}:error={errno}:when=")?;
        match when {
            When::Once(number) => write!(f, "{number}"),
            When::Times(count) => write!(f, "1..{count}"),
            When::Always => write!(f, "1+"),
        }
    }
}

/// A file that is gone with this.
pub(crate) struct TraceFile(PathBuf);

impl TraceFile {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("windlass-{}-{number}.strace", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The calls that are in it by now.
    pub(crate) fn calls(&self) -> Calls {
        match fs::read(&self.0) {
            Ok(text) => Calls(String::from_utf8_lossy(&text).into_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => Calls(String::new()),
            Err(error) => panic!("{}: {error}", self.0.display()),
        }
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Calls, one a line.
#[derive(Clone, Debug)]
pub(crate) struct Calls(String);

impl Calls {
    /// One after the other, without the number of the thread.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines().map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest.trim_start()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lines().count()
    }

    /// How many calls there are of this name, begun if not ended.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.names().filter(|called| *called == name).count()
    }

    /// The name of each call.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name)
    }

    /// Those of the first thread, each as a name and the rest.
    pub(crate) fn of_first_thread(&self) -> impl Iterator<Item = (&str, &str)> {
        let thread = self.0.split(' ').next().unwrap_or("");
        let lines = self.0.lines().filter_map(move |line| line.strip_prefix(thread));
        lines.filter_map(|line| line.trim_start().split_once('('))
    }

    /// Whether a wait for events has begun and not ended.
    fn is_waiting(&self) -> bool {
        let last = self.0.lines().rfind(|line| line.contains("epoll_wait"));
        last.is_some_and(|line| !line.contains(" = "))
    }

    pub(crate) fn has_injected(&self) -> bool {
        self.0.contains("(INJECTED)")
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The end tells the most.
        let skipped = self.len().saturating_sub(200);
        self.0.lines().skip(skipped).try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Whether a server sleeps, and does not only ask for events in passing.
fn is_asleep(server: &Example) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('S'))
}

/// A strace that is attached to a process.
pub(crate) struct Tracer {
    strace: Child,
    file: TraceFile,
}

impl Tracer {
    /// Attaches to a server that has nothing to do but to wait, and is seen to do so.
    pub(crate) fn attach(server: &Example, faults: &[Fault]) -> Self {
        let file = TraceFile::new();
        let mut command = Command::new("strace");
        command.args(TERSE).arg("-o").arg(&file.0);
        faults.iter().for_each(|fault| _ = command.args(["-e", &fault.to_string()]));
        command.args(["-p", &server.id().to_string()]);
        // What is wrong with strace itself is of no interest: it is found out by what is missing.
        let strace = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let tracer = Self { strace: strace.expect("strace can be started"), file };
        wait_until("strace attaches", || {
            let calls = tracer.calls();
            (calls.is_waiting() && is_asleep(server)) || calls.has_injected()
        });
        tracer
    }

    pub(crate) fn calls(&self) -> Calls {
        self.file.calls()
    }

    /// How many calls there are once all threads have come to rest, to which strace attaches one
    /// after the other.
    pub(crate) fn len_at_rest(&self) -> usize {
        let mut before = usize::MAX;
        wait_until("the server comes to rest", || {
            sleep(Duration::from_millis(100));
            let len = self.calls().len();
            mem::replace(&mut before, len) == len
        });
        before
    }

    /// Lets the server go on without faults; says what it has called until then.
    pub(crate) fn detach(mut self) -> Calls {
        self.end();
        self.calls()
    }

    fn end(&mut self) {
        let id = i32::try_from(self.strace.id()).expect("Linux's are no larger");
        // Asked to end, it detaches first. It may have ended with the server.
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let asked = Instant::now();
        while self.strace.try_wait().is_ok_and(|status| status.is_none()) {
            if asked.elapsed() > PATIENCE_WITH_STRACE {
                // It waits for a thread that does nothing. The kernel detaches it as well.
                let _ = self.strace.kill();
            }
            sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Tracer {
    #[expect(clippy::print_stderr, reason = "only so does it come with the failed test")]
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("{}", self.calls());
        }
    }
}
