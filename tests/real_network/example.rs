//! An example server as a child process: started, asked, signalled, and never left behind.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// More than anything here takes, however busy the machine: who waits for longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running example. When a test fails, it says what was run and what that had to say.
pub(crate) struct Example {
    child: Child,
    command: String,
    listening: Vec<(String, SocketAddr)>,
    /// The lines of its standard output and error that were not looked at yet.
    stdout: Receiver<String>,
    log: Receiver<String>,
    /// The lines of its log that were.
    said: Vec<String>,
}

/// The options after which there is a listener more.
const LISTENING: [&str; 3] = ["--tcp", "--udp", "--metrics"];

/// Runs the echo server with options with which it does not serve: the exit status, and the lines
/// on standard error.
pub(crate) fn run_echo(options: &str) -> (Option<i32>, Vec<String>) {
    run("echo", options)
}

/// As [`run_echo`], of the example of this name.
pub(crate) fn run(name: &str, options: &str) -> (Option<i32>, Vec<String>) {
    let mut example = Example::start(name, options, Stdio::piped());
    (example.wait(), example.log.iter().collect())
}

/// The command for the example of this name.
fn command(name: &str, options: &str) -> Command {
    let mut command = Command::new(program(name));
    command.args(options.split_whitespace()).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Where the example of this name is. Cargo builds the examples before it runs all tests, but not
/// before it runs one file of them by its name.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let target = test.ancestors().nth(2).expect("it is in target/<profile>/deps");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "cargo build --examples in this profile: no {}", path.display());
    path
}

impl Example {
    /// Starts the echo server; it listens when this returns.
    pub(crate) fn echo(options: &str) -> Self {
        Self::of("echo", options)
    }

    /// Starts the example of this name; it listens when this returns.
    pub(crate) fn of(name: &str, options: &str) -> Self {
        Self::start(name, options, Stdio::piped()).listening(options)
    }

    /// As [`echo`](Self::echo), with a log that goes elsewhere.
    pub(crate) fn echo_with_stderr(options: &str, stderr: impl Into<Stdio>) -> Self {
        Self::start("echo", options, stderr).listening(options)
    }

    /// Starts what a shell is told: `$0` is the example of this name, which must be what is run in
    /// the end, in place of the shell.
    pub(crate) fn by_shell(script: &str, name: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program(name)).env_remove("RUST_LOG");
        Self::spawn(command.stdin(Stdio::null()), Stdio::piped(), script)
    }

    /// Waits until it listens wherever its options say.
    pub(crate) fn listening(mut self, options: &str) -> Self {
        for _ in LISTENING.iter().flat_map(|option| options.matches(option)) {
            let line = self.stdout.recv_timeout(PATIENCE).expect("it listens");
            self.listening.push(listening(&line));
        }
        self
    }

    /// Starts the example of this name, and waits for nothing.
    pub(crate) fn start(name: &str, options: &str, stderr: impl Into<Stdio>) -> Self {
        Self::spawn(&mut command(name, options), stderr, &format!("{name} {options}"))
    }

    fn spawn(command: &mut Command, stderr: impl Into<Stdio>, shown: &str) -> Self {
        let spawned = command.stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut child = spawned.expect("it can be started");
        let (stdout, log) = (lines_of(child.stdout.take()), lines_of(child.stderr.take()));
        let command = shown.to_owned();
        Self { child, command, listening: Vec::new(), stdout, log, said: Vec::new() }
    }

    /// The command that has started it, as it is told when a test fails.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens for TCP or receives UDP.
    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        let found = self.listening.iter().find(|(name, _)| name == protocol);
        found.expect("it was told to").1
    }

    /// Where it tells what it counts: after where it serves.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.listening.last().expect("it was told to").1
    }

    /// A TCP client that fails instead of waiting for ever.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address("tcp")).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        stream
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("Linux's are no larger");
        kill(Pid::from_raw(id), signal).expect("it was not waited for yet");
    }

    /// Waits until its log has a line with this text.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        self.wait_for_logs(1, text);
    }

    /// Waits until its log has so many lines with this text, and says what they are.
    pub(crate) fn wait_for_logs(&mut self, count: usize, text: &str) -> Vec<String> {
        loop {
            let found = self.said.iter().filter(|line| line.contains(text));
            let found: Vec<String> = found.cloned().collect();
            if found.len() >= count {
                return found;
            }
            let line = self.log.recv_timeout(PATIENCE);
            let missing = || panic!("the log never said, {count} times: {text}");
            self.said.push(line.unwrap_or_else(|_| missing()));
        }
    }

    /// Waits for its end: the exit status, if it was not killed. By then it has printed nothing but
    /// where it listens.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let status = self.status();
        assert_eq!(self.stdout.iter().next(), None, "printed");
        status.code()
    }

    /// Waits for its end, and says how that was.
    pub(crate) fn status(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("it ends", || {
            status = self.child.try_wait().expect("it is a child");
            status.is_some()
        });
        status.expect("it was waited for")
    }

    /// All that it has printed and nobody has looked at, after its end.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.stdout.iter().collect()
    }

    /// All lines of its log, after its end.
    pub(crate) fn logged(&mut self) -> &[String] {
        self.said.extend(self.log.iter());
        &self.said
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }
}

impl Drop for Example {
    #[expect(clippy::print_stderr, reason = "only so does it come with the failed test")]
    fn drop(&mut self) {
        // It may have ended, and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            // Its end has ended the log.
            self.said.extend(self.log.iter());
            eprintln!("{}\n{}", self.command, self.said.join("\n"));
        }
    }
}

/// Asks again and again until the answer is yes.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "this took too long: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What `listening tcp 127.0.0.1:7000` says.
fn listening(line: &str) -> (String, SocketAddr) {
    let words: Vec<&str> = line.split(' ').collect();
    let ["listening", protocol, address] = words[..] else { panic!("it prints: {line}") };
    (protocol.to_owned(), address.parse().expect("it prints an address"))
}

/// The lines as they come, from a thread that reads them so that none has to wait.
pub(crate) fn lines_of(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
            // Nobody may be interested any more.
            let _ = sender.send(line.unwrap_or_else(|error| error.to_string()));
        }
    });
    receiver
}

/// Reads as many bytes as `expected` has, which they must be.
pub(crate) fn expect(stream: &mut impl Read, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    stream.read_exact(&mut read).expect("an answer");
    // Not `assert_eq`: nobody reads megabytes of numbers.
    assert!(read == expected, "another answer than expected");
}
