//! A server under test: starts it on its cores, reads what it uses, ends it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::cores::spawn_on;
use crate::family;
use crate::folder::Folder;
use crate::lines::Lines;
use crate::trouble::{Trouble, Trying as _};
use crate::workload::Protocol;

/// Under a tool that counts, a start takes seconds.
const START: Duration = Duration::from_secs(30);
/// Whoever is asked to end has so long before it is made to.
const END: Duration = Duration::from_secs(10);
/// A peer hears of a death before whoever waits for it.
const DYING: Duration = Duration::from_millis(200);
const SETTLE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// What is started to be measured.
#[derive(Debug)]
pub(crate) struct Target {
    /// What it is called in reports and in what goes wrong.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) command: Vec<OsString>,
    pub(crate) listens: Listens,
    /// How many cores it may use: 1, but for a server with many threads that is asked to show it.
    pub(crate) cores: usize,
    /// What its command names, to be there as long as this is.
    pub(crate) _folder: Option<Folder>,
}

/// How it is told that a server is ready, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listens {
    /// It says `listening tcp ADDR` or `listening udp ADDR` on standard output.
    Says,
    /// It takes connections here, whatever else it speaks, and does its work in processes of its
    /// own if it is one that does.
    At(SocketAddr),
}

/// A server that runs. It is killed when this is dropped.
pub(crate) struct Server {
    name: String,
    child: Child,
    clock: ClockId,
    /// Whether it may have processes of its own.
    is_family: bool,
    address: SocketAddr,
    complaints: File,
    /// Kept, so that whoever says more than one line is not stopped by that.
    _lines: Lines<ChildStdout>,
}

impl Server {
    /// Starts it on some cores, and waits until it listens. `before` is what runs it, if not the
    /// system alone.
    ///
    /// # Errors
    /// If it does not listen in time, with what it said.
    pub(crate) fn start(
        target: &Target,
        before: &[OsString],
        protocol: Protocol,
        cores: &[usize],
    ) -> Result<Self, Trouble> {
        let mut words = before.iter().chain(&target.command);
        let name = &target.name;
        let program = words.next().ok_or_else(|| Trouble::new(format!("{name} has no command")))?;
        let complaints = File::from(
            memfd_create("complaints", MFdFlags::MFD_CLOEXEC)
                .trying("cannot keep what the server says")?,
        );
        let stderr = complaints.try_clone().trying("cannot keep what the server says")?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = spawn_on(cores, &mut command).trying(name)?;
        let clock = family::clock(pid_of(&child)).trying(name)?;
        let mut lines = Lines::new(child.stdout.take().expect("it was asked for"));
        let is_family = target.listens != Listens::Says;
        let awaited = match target.listens {
            Listens::Says => await_listening(&mut lines, protocol),
            Listens::At(address) => await_accepting(&mut child, address).map(|()| address),
        };
        let name = name.clone();
        let server =
            |address| Self { name, child, clock, is_family, address, complaints, _lines: lines };
        match awaited {
            Ok(address) => Ok(server(address)),
            Err(trouble) => {
                let mut failed = server(SocketAddr::from(([0; 4], 0)));
                Err(failed.complain(&format!("did not start to listen: {trouble}")))
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the scheduler has charged all its threads, also those that ended.
    pub(crate) fn cpu_ns(&self) -> Result<u64, Trouble> {
        let mut sum = family::read(self.clock).trying(&self.name)?;
        for process in self.children() {
            sum += family::clock(process).and_then(family::read).trying(&self.name)?;
        }
        Ok(sum)
    }

    /// How its threads have waited for a core.
    pub(crate) fn waits(&self) -> Result<Waits, Trouble> {
        let mut sum = Waits::of(self.child.id()).trying(&self.name)?;
        for process in self.children() {
            let waits = Waits::of(process.as_raw().unsigned_abs()).trying(&self.name)?;
            sum.threads += waits.threads;
            sum.waited_ns += waits.waited_ns;
        }
        Ok(sum)
    }

    /// The memory that is resident.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Trouble> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(&path).trying(format!("cannot read {path}"))?;
        resident_in(&text).ok_or_else(|| Trouble::new(format!("{path} says nothing of `Rss:`")))
    }

    /// The processes that it has started itself.
    fn children(&self) -> Vec<Pid> {
        if !self.is_family {
            return Vec::new();
        }
        family::of(pid_of(&self.child)).split_off(1)
    }

    /// Waits until it has nothing to do, since it is charged for nothing; but not for long, as one
    /// that polls without a pause is always busy.
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        let deadline = Instant::now() + SETTLE;
        let mut before = self.cpu_ns()?;
        let mut quiet = 0;
        while quiet < 5 && Instant::now() < deadline {
            thread::sleep(LOOK);
            let now = self.cpu_ns()?;
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    /// Ends it, and gives what was measured. If that failed and the server has died, this is why.
    pub(crate) fn end<T>(mut self, measured: Result<T, Trouble>) -> Result<T, Trouble> {
        match measured {
            Ok(result) => self.stop().map(|()| result),
            Err(trouble) => match self.wait(DYING)? {
                Some(status) => Err(self.complain(&format!("died ({status}): {trouble}"))),
                None => Err(Trouble::new(format!("{}: {trouble}", self.name))),
            },
        }
    }

    /// Asks it to end, and makes it if it does not. It may have ended by itself before: then what
    /// it said is the trouble.
    fn stop(mut self) -> Result<(), Trouble> {
        if let Some(status) = self.child.try_wait().trying(&self.name)? {
            return Err(self.complain(&format!("ended by itself ({status})")));
        }
        kill(pid_of(&self.child), Signal::SIGTERM).trying(&self.name)?;
        // Who does not end by then is killed when it is dropped.
        self.wait(END).map(drop)
    }

    /// Waits for its end, but not longer than this.
    fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>, Trouble> {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.child.try_wait().trying(&self.name)?;
            if status.is_some() || Instant::now() > deadline {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
    }

    /// What went wrong, with the last that the server said about it.
    fn complain(&mut self, what: &str) -> Trouble {
        const LINES: usize = 5;
        let mut text = Vec::new();
        let read = self.complaints.rewind().and_then(|()| self.complaints.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let said = lines[lines.len().saturating_sub(LINES)..].join("; ");
        let said = match read {
            Ok(_) if said.is_empty() => "; it said nothing about it".to_owned(),
            Ok(_) => format!("; it said: {said}"),
            Err(_) => String::new(),
        };
        Trouble::new(format!("{} {what}{said}", self.name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // These fail only if it has ended and was waited for.
        for process in self.children() {
            let _ = kill(process, Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the threads of a process have waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Waits {
    /// How many threads there are.
    pub(crate) threads: usize,
    /// How long they could have run while another thread, of whatever process, had the core.
    pub(crate) waited_ns: u64,
}

impl Waits {
    /// # Errors
    /// If there is no such process.
    pub(crate) fn of(process: u32) -> Result<Self, Trouble> {
        let path = format!("/proc/{process}/task");
        let mut waits = Self::default();
        for thread in fs::read_dir(&path).trying(format!("cannot read {path}"))? {
            let thread = thread.trying(format!("cannot read {path}"))?;
            // One that has just ended has no such file.
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            waits.threads += 1;
            waits.waited_ns += waited_in(&text);
        }
        Ok(waits)
    }
}

/// The second number of what the scheduler says of a thread.
fn waited_in(schedstat: &str) -> u64 {
    schedstat.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn resident_in(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

fn await_listening(
    lines: &mut Lines<ChildStdout>,
    protocol: Protocol,
) -> Result<SocketAddr, Trouble> {
    while let Some(line) = lines.next(START)? {
        if let Some(address) = listening_in(&line, protocol) {
            return Ok(address);
        }
    }
    Err(Trouble::new("it closed its standard output"))
}

fn await_accepting(child: &mut Child, address: SocketAddr) -> Result<(), Trouble> {
    let deadline = Instant::now() + START;
    while TcpStream::connect(address).is_err() {
        if let Some(status) = child.try_wait().trying("it cannot be waited for")? {
            return Err(Trouble::new(format!("it ended ({status})")));
        }
        if Instant::now() > deadline {
            return Err(Trouble::new(format!("it did not do so for {} s", START.as_secs())));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// The address, if the line says that the right kind of socket listens.
fn listening_in(line: &str, protocol: Protocol) -> Option<SocketAddr> {
    let kind = if protocol.is_by_datagram() { "udp" } else { "tcp" };
    line.strip_prefix("listening ")?.strip_prefix(kind)?.trim().parse().ok()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, words: &[&str], listens: Listens) -> Target {
        let command = words.iter().map(OsString::from).collect();
        Target { name: name.to_owned(), command, listens, cores: 1, _folder: None }
    }

    fn cores() -> Vec<usize> {
        crate::cores::Cores::share_to_count(1).map_or(vec![0], |cores| cores.server)
    }

    fn shell(script: &str) -> Result<Server, Trouble> {
        let target = target("shell", &["sh", "-c", script], Listens::Says);
        Server::start(&target, &[], Protocol::Raw, &cores())
    }

    fn trouble(script: &str) -> String {
        shell(script).err().map_or_else(|| "it started".to_owned(), |trouble| trouble.to_string())
    }

    #[test]
    fn a_server_that_dies_at_start_is_quoted() {
        let said = trouble("echo the port is taken >&2; exit 1");
        assert!(said.starts_with("shell did not start to listen"), "{said}");
        assert!(said.ends_with("it said: the port is taken"), "{said}");
    }

    #[test]
    fn a_server_that_listens_elsewhere_is_not_measured() {
        let said = trouble("echo listening udp 127.0.0.1:7000");
        assert!(said.ends_with("it said nothing about it"), "{said}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let target = target("none", &["/nowhere/server"], Listens::Says);
        let trouble = Server::start(&target, &[], Protocol::Raw, &cores()).err().unwrap();
        assert_eq!(trouble.to_string(), "none: there is no program `/nowhere/server`");
    }

    #[test]
    fn a_server_that_listens_is_found_and_ended() {
        let server = shell("echo hello; echo listening tcp 127.0.0.1:7001; exec sleep 60").unwrap();
        assert_eq!(server.address().port(), 7001);
        assert!(server.resident_bytes().unwrap() > 0);
        server.settle().unwrap();
        assert!(server.cpu_ns().unwrap() > 0);
        assert_eq!(server.waits().unwrap().threads, 1);
        assert_eq!(server.stop(), Ok(()));
    }

    #[test]
    fn a_server_that_says_nothing_is_found_by_its_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listens = Listens::At(listener.local_addr().unwrap());
        let script = "sh -c 'while :; do :; done' & wait";
        let target = target("quiet", &["sh", "-c", script], listens);
        let server = Server::start(&target, &[], Protocol::Kv, &cores()).unwrap();
        assert_eq!(Listens::At(server.address()), listens);
        // It waits, and its child works: that counts as its own.
        while server.cpu_ns().unwrap() < 50_000_000 {}
        assert!(family::read(server.clock).unwrap() < 50_000_000);
        let children = server.children();
        drop(server);
        assert_eq!(children.len(), 1);
        // Who has ended has no command line, even if nobody has asked for its status.
        let deadline = Instant::now() + END;
        let line = || fs::read(format!("/proc/{}/cmdline", children[0])).unwrap_or_default();
        while !line().is_empty() {
            assert!(Instant::now() < deadline, "a child of the server still runs");
        }
    }

    #[test]
    fn a_server_that_says_nothing_and_dies_is_noticed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let target = target("quiet", &["sh", "-c", "echo oh >&2; exit 3"], Listens::At(address));
        let trouble =
            Server::start(&target, &[], Protocol::Kv, &cores()).err().unwrap().to_string();
        assert!(trouble.contains("it ended (exit status: 3); it said: oh"), "{trouble}");
    }

    #[test]
    fn a_server_that_ended_by_itself_is_trouble() {
        let server =
            shell("echo listening tcp 127.0.0.1:1; echo oh >&2; sleep 0.05; exit 7").unwrap();
        nix::sys::wait::waitid(
            nix::sys::wait::Id::Pid(pid_of(&server.child)),
            nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
        )
        .unwrap();
        let trouble = server.stop().unwrap_err().to_string();
        assert!(trouble.contains("ended by itself (exit status: 7)"), "{trouble}");
        assert!(trouble.ends_with("it said: oh"), "{trouble}");
    }

    #[test]
    fn the_second_number_of_the_schedule_is_the_wait() {
        assert_eq!(waited_in("344020649 422990429 11762\n"), 422_990_429);
        assert_eq!(waited_in(""), 0);
    }

    #[test]
    fn resident_memory_is_read_in_kibibytes() {
        let text = "5558e000-7ffd9000 ---p 00000000 00:00 0    [rollup]\n\
                    Rss:                1948 kB\nPss:                 290 kB\n";
        assert_eq!(resident_in(text), Some(1_948 * 1_024));
        assert_eq!(resident_in("Pss: 1 kB\n"), None);
    }

    #[test]
    fn only_the_right_kind_of_address_is_taken() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 7000)));
        assert_eq!(listening_in("listening tcp 127.0.0.1:7000", Protocol::Line), address);
        assert_eq!(listening_in("listening udp 127.0.0.1:7000", Protocol::Datagram), address);
        assert_eq!(listening_in("listening udp 127.0.0.1:7000", Protocol::Raw), None);
        assert_eq!(listening_in("listening tcp somewhere", Protocol::Raw), None);
    }
}
