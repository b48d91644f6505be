//! The command line: what is asked for, or in one line what is wrong with it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short, Value};

use crate::protocols::{self, ProtocolOptions};
use crate::workload::{self, Protocol, WORKLOADS, Workload};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Measures windlass beside a bare epoll loop and async runtimes, on the same work.

usage: windlass-versus [OPTION]...       measure, print a table, write a report
       windlass-versus protocols ...     measure real protocols beside nginx, Redis and others:
                                         see protocols --help
       windlass-versus gate              check windlass's own counts against their limits

what is measured
  --workloads A,B,...     only these, in this order
  --contenders A,B,...    only these, in this order
  --extra NAME=COMMAND    another server too, any number of times: it prints the line
                          `listening tcp ADDR` or `listening udp ADDR` once it is ready, and sends
                          back what it is sent; `{protocol}` in the command stands for raw, length,
                          line or datagram
  --full                  all workloads, 5 rounds of 1 second (without: most, 3 of 0.3 seconds)
  --rounds N              how often each contender has its turn at each workload
  --seconds S             how long each of these runs is, such as 0.5
  --counts only|none      only count instructions and system calls, or do not count them
                          (needs valgrind and strace; what is missing is left out)

what is written
  --html FILE             the report (default: target/versus/report.html)
  --json FILE             all that was measured
  --markdown FILE         a table for a README
  --svg FILE              a picture for a README
  --from FILE             measure nothing: take what --json wrote

  --list                  print the names of workloads and contenders
  --help                  print this

Exit status: 0, or 1 on an error or if a limit is passed, or 2 on bad usage.
";

/// What the program was asked to do.
#[derive(Debug)]
pub(crate) enum Request {
    /// Measure, or show what was measured.
    Versus(Box<Options>),
    /// Measure examples of real protocols.
    Protocols(Box<ProtocolOptions>),
    /// Check the counts of windlass against their limits.
    Gate,
    /// Be a server under test.
    Serve(String, Protocol),
    /// Be the load; the rest is the load's to read.
    Load(Vec<OsString>),
    /// Print the names.
    List,
    /// Print the help.
    Help,
}

/// What is measured, and what is written.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) workloads: Vec<&'static Workload>,
    /// The names of contenders; `None` for all.
    pub(crate) contenders: Option<Vec<String>>,
    pub(crate) extras: Vec<Extra>,
    pub(crate) rounds: u32,
    /// How long each run is.
    pub(crate) run_time: Duration,
    pub(crate) counts: Counts,
    pub(crate) files: Files,
    /// Where results are taken from instead of measuring.
    pub(crate) from: Option<PathBuf>,
}

/// Somebody's own server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Extra {
    pub(crate) name: String,
    /// The command, word by word; `{protocol}` is still in it.
    pub(crate) command: Vec<String>,
}

/// Whether instructions and system calls are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counts {
    /// After what is timed.
    Also,
    /// And nothing is timed.
    Only,
    /// They are not.
    None,
}

/// Where results are written.
#[derive(Default, Debug)]
pub(crate) struct Files {
    pub(crate) html: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

const MAX_ROUNDS: u32 = 1_000;
const MAX_SECONDS: f64 = 600.0;
const MIN_SECONDS: f64 = 0.05;

/// Workloads that only `--full` measures, or whoever names them: each has a neighbour that says
/// nearly the same, and all are to be measured within a few minutes.
const ONLY_IN_FULL: &[&str] =
    &["echo-1k", "lines-256", "raw-16k", "udp-4", "udp-4-batch", "udp-64-batch"];
/// Rounds and milliseconds a run, usually and in full.
const USUAL: (u32, u64) = (3, 300);
const FULL: (u32, u64) = (5, 1_000);

/// Whether the workload is measured without being asked for.
pub(crate) fn is_usual(workload: &Workload) -> bool {
    !ONLY_IN_FULL.contains(&workload.name)
}

/// Reads the arguments, without the name of the program. `contenders` are the names there are.
///
/// # Errors
///
/// What is wrong, in one line.
pub(crate) fn read<I>(arguments: I, contenders: &[&str]) -> Result<Request, String>
where
    I: IntoIterator<Item = OsString>,
{
    let mut arguments = arguments.into_iter().peekable();
    match arguments.peek().and_then(|first| first.to_str()) {
        Some("load") => Ok(Request::Load(arguments.skip(1).collect())),
        Some("serve") => {
            let rest: Vec<OsString> = arguments.skip(1).collect();
            read_serve(&rest, contenders)
        }
        Some("protocols") => Ok(Request::Protocols(Box::new(protocols::read(arguments.skip(1))?))),
        Some("gate") => match arguments.nth(1) {
            Some(more) => Err(format!("gate takes no arguments, but there is {}", more.display())),
            None => Ok(Request::Gate),
        },
        _ => read_options(lexopt::Parser::from_args(arguments), contenders),
    }
}

fn read_serve(arguments: &[OsString], contenders: &[&str]) -> Result<Request, String> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let [name, protocol] = words[..] else {
        return Err("serve takes a contender and a protocol".to_owned());
    };
    let protocol = Protocol::named(protocol).ok_or_else(|| {
        format!("{protocol} is no protocol: raw, length, line, datagram, http, kv or dns")
    })?;
    known(name, contenders.iter().copied(), "contender")?;
    Ok(Request::Serve(name.to_owned(), protocol))
}

/// What was said so far; what was not has its default in the end.
#[derive(Default)]
struct Draft {
    workloads: Option<Vec<&'static Workload>>,
    contenders: Option<Vec<String>>,
    extras: Vec<Extra>,
    rounds: Option<u32>,
    run_time: Option<Duration>,
    counts: Option<Counts>,
    files: Files,
    from: Option<PathBuf>,
    is_full: bool,
    is_help: bool,
    is_list: bool,
}

fn read_options(mut parser: lexopt::Parser, contenders: &[&str]) -> Result<Request, String> {
    let mut draft = Draft::default();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long("help") | Short('h') => draft.is_help = true,
            Long("list") => draft.is_list = true,
            Long("full") => draft.is_full = true,
            Long(name) => {
                let name = name.to_owned();
                let value = parser.value().map_err(|error| error.to_string())?;
                draft.set(&name, value, contenders).map_err(|what| format!("--{name}: {what}"))?;
            }
            Value(word) => return Err(format!("{}: see --help", word.display())),
            Short(letter) => return Err(format!("-{letter}: see --help")),
        }
    }
    draft.finish()
}

impl Draft {
    fn set(&mut self, name: &str, value: OsString, contenders: &[&str]) -> Result<(), String> {
        match name {
            "html" => self.files.html = Some(value.into()),
            "json" => self.files.json = Some(value.into()),
            "markdown" => self.files.markdown = Some(value.into()),
            "svg" => self.files.svg = Some(value.into()),
            "from" => self.from = Some(value.into()),
            _ => {
                let text = value.string().map_err(|error| error.to_string())?;
                self.set_text(name, &text, contenders)?;
            }
        }
        Ok(())
    }

    fn set_text(&mut self, name: &str, text: &str, contenders: &[&str]) -> Result<(), String> {
        match name {
            "workloads" => self.workloads = Some(read_workloads(text)?),
            "contenders" => self.contenders = Some(read_contenders(text, contenders)?),
            "extra" => {
                let extra = read_extra(text)?;
                let mut taken =
                    contenders.iter().copied().chain(self.extras.iter().map(Extra::name));
                if taken.any(|name| name == extra.name) {
                    return Err(format!("{} is taken: give it another name", extra.name));
                }
                self.extras.push(extra);
            }
            "rounds" => self.rounds = Some(read_rounds(text)?),
            "seconds" => self.run_time = Some(read_seconds(text)?),
            "counts" => self.counts = Some(read_counts(text)?),
            _ => return Err("there is no such option: see --help".to_owned()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Request, String> {
        if self.is_help {
            return Ok(Request::Help);
        }
        if self.is_list {
            return Ok(Request::List);
        }
        let is_measuring = self.workloads.is_some()
            || self.contenders.is_some()
            || !self.extras.is_empty()
            || self.rounds.is_some()
            || self.run_time.is_some()
            || self.counts.is_some()
            || self.is_full;
        if self.from.is_some() && is_measuring {
            return Err("--from measures nothing: give it only files to write".to_owned());
        }
        let usual = if self.is_full { FULL } else { USUAL };
        let is_meant = |workload: &&Workload| self.is_full || is_usual(workload);
        Ok(Request::Versus(Box::new(Options {
            workloads: match self.workloads {
                Some(workloads) => workloads,
                None => WORKLOADS.iter().filter(is_meant).collect(),
            },
            contenders: self.contenders,
            extras: self.extras,
            rounds: self.rounds.unwrap_or(usual.0),
            run_time: self.run_time.unwrap_or(Duration::from_millis(usual.1)),
            counts: self.counts.unwrap_or(Counts::Also),
            files: self.files,
            from: self.from,
        })))
    }
}

impl Extra {
    fn name(&self) -> &str {
        &self.name
    }
}

fn read_workloads(text: &str) -> Result<Vec<&'static Workload>, String> {
    let names = WORKLOADS.iter().map(|workload| workload.name);
    let mut workloads: Vec<&'static Workload> = Vec::new();
    for name in text.split(',') {
        known(name, names.clone(), "workload")?;
        workloads.extend(workload::named(name));
    }
    no_twice(text)?;
    Ok(workloads)
}

fn read_contenders(text: &str, contenders: &[&str]) -> Result<Vec<String>, String> {
    for name in text.split(',') {
        known(name, contenders.iter().copied(), "contender")?;
    }
    no_twice(text)?;
    Ok(text.split(',').map(str::to_owned).collect())
}

fn known<'a>(
    name: &str,
    mut names: impl Iterator<Item = &'a str>,
    what: &str,
) -> Result<(), String> {
    match names.any(|known| known == name) {
        true => Ok(()),
        false => Err(format!("there is no {what} `{name}`: see --list")),
    }
}

fn no_twice(text: &str) -> Result<(), String> {
    let mut names: Vec<&str> = text.split(',').collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{} is named twice", pair[0])),
        None => Ok(()),
    }
}

fn read_extra(text: &str) -> Result<Extra, String> {
    let (name, command) =
        text.split_once('=').ok_or_else(|| format!("{text} is not NAME=COMMAND"))?;
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || !name.chars().all(is_fit) {
        return Err(format!("`{name}` is no name: letters, digits, - _ and . make one"));
    }
    let command = shlex::split(command)
        .ok_or_else(|| format!("a quotation mark in `{command}` has no second one"))?;
    if command.is_empty() {
        return Err(format!("{name} has no command"));
    }
    Ok(Extra { name: name.to_owned(), command })
}

/// # Errors
///
/// What is wrong with it.
pub(crate) fn read_rounds(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(rounds) if (1..=MAX_ROUNDS).contains(&rounds) => Ok(rounds),
        _ => Err(format!("{text} is no number from 1 to {MAX_ROUNDS}")),
    }
}

/// # Errors
///
/// What is wrong with it.
pub(crate) fn read_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (MIN_SECONDS..=MAX_SECONDS).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(format!("{text} is no number from {MIN_SECONDS} to {MAX_SECONDS}")),
    }
}

/// # Errors
///
/// What is wrong with it.
pub(crate) fn read_counts(text: &str) -> Result<Counts, String> {
    match text {
        "only" => Ok(Counts::Only),
        "none" => Ok(Counts::None),
        _ => Err(format!("{text} is neither only nor none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENDERS: &[&str] = &["epoll", "windlass", "tokio"];

    fn asked(arguments: &[&str]) -> Result<Request, String> {
        read(arguments.iter().map(OsString::from), CONTENDERS)
    }

    fn options(arguments: &[&str]) -> Options {
        match asked(arguments) {
            Ok(Request::Versus(options)) => *options,
            other => panic!("{arguments:?} gave {other:?}"),
        }
    }

    #[track_caller]
    fn assert_refused(arguments: &[&str], what: &str) {
        let refusal = asked(arguments).unwrap_err();
        assert!(refusal.contains(what), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }

    #[test]
    fn without_arguments_most_is_measured() {
        let options = options(&[]);
        assert_eq!(options.workloads.len(), WORKLOADS.len() - ONLY_IN_FULL.len());
        assert_eq!(options.contenders, None);
        assert_eq!(options.rounds, 3);
        assert_eq!(options.run_time, Duration::from_millis(300));
        assert_eq!(options.counts, Counts::Also);
    }

    #[test]
    fn a_full_run_leaves_no_workload_out() {
        let options = options(&["--full", "--rounds", "2"]);
        assert_eq!(options.workloads.len(), WORKLOADS.len());
        assert_eq!((options.rounds, options.run_time), (2, Duration::from_secs(1)));
    }

    #[test]
    fn names_are_taken_in_the_order_given() {
        let options = options(&["--workloads", "idle,echo-1", "--contenders=tokio,epoll"]);
        let names: Vec<_> = options.workloads.iter().map(|workload| workload.name).collect();
        assert_eq!(names, ["idle", "echo-1"]);
        assert_eq!(options.contenders.unwrap(), ["tokio", "epoll"]);
    }

    #[test]
    fn a_command_is_split_as_a_shell_would() {
        let options = options(&["--extra", "mine=./my server --with 'two words' {protocol}"]);
        let command = ["./my", "server", "--with", "two words", "{protocol}"];
        assert_eq!(options.extras[0].name, "mine");
        assert_eq!(options.extras[0].command, command);
    }

    #[test]
    fn every_option_of_the_help_is_read() {
        let value = |option: &str| match option {
            "--workloads" => Some("echo-1"),
            "--contenders" => Some("tokio"),
            "--extra" => Some("mine=server"),
            "--rounds" => Some("1"),
            "--seconds" => Some("0.5"),
            "--counts" => Some("only"),
            "--full" | "--list" | "--help" => None,
            _ => Some("file"),
        };
        let lines = HELP.lines().filter_map(|line| line.strip_prefix("  --"));
        let all: Vec<_> =
            lines.map(|line| format!("--{}", line.split(' ').next().unwrap())).collect();
        assert_eq!(all.len(), 14);
        for option in &all {
            let arguments: Vec<&str> = [option.as_str()].into_iter().chain(value(option)).collect();
            assert!(asked(&arguments).is_ok(), "{option}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        assert_refused(&["--workloads", "echo-2"], "no workload `echo-2`");
        assert_refused(&["--workloads", "echo-1,echo-1"], "named twice");
        assert_refused(&["--contenders", "libuv"], "no contender `libuv`");
        assert_refused(&["--contenders", ""], "no contender ``");
        assert_refused(&["--rounds", "0"], "1 to 1000");
        assert_refused(&["--seconds", "NaN"], "no number");
        assert_refused(&["--seconds", "0"], "0.05 to 600");
        assert_refused(&["--counts", "all"], "neither only nor none");
        assert_refused(&["--extra", "mine"], "not NAME=COMMAND");
        assert_refused(&["--extra", "mine="], "no command");
        assert_refused(&["--extra", "<b>=x"], "no name");
        assert_refused(&["--extra", "tokio=x"], "is taken");
        assert_refused(&["--extra", "a=x", "--extra", "a=y"], "is taken");
        assert_refused(&["--extra", "mine='x"], "quotation mark");
        assert_refused(&["--speed", "1"], "no such option");
        assert_refused(&["--json"], "--json");
        assert_refused(&["--list=1"], "--list");
        assert_refused(&["measure"], "measure");
        assert_refused(&["-x"], "-x");
        assert_refused(&["--from", "a.json", "--rounds", "2"], "measures nothing");
    }

    #[test]
    fn parts_of_the_program_are_asked_for_by_name() {
        assert!(matches!(asked(&["gate"]), Ok(Request::Gate)));
        assert_refused(&["gate", "now"], "now");
        let served = asked(&["serve", "tokio", "line"]);
        assert!(matches!(served, Ok(Request::Serve(name, Protocol::Line)) if name == "tokio"));
        assert_refused(&["serve", "tokio"], "a contender and a protocol");
        assert_refused(&["serve", "tokio", "morse"], "no protocol");
        let protocols = asked(&["protocols", "kv"]);
        assert!(matches!(protocols, Ok(Request::Protocols(it)) if it.protocols == [Protocol::Kv]));
        assert_refused(&["protocols", "raw"], "no protocol `raw`");
        assert_refused(&["serve", "nobody", "raw"], "no contender");
        let Ok(Request::Load(rest)) = asked(&["load", "echo-1", "--list"]) else {
            panic!("the load was not asked for");
        };
        assert_eq!(rest, ["echo-1", "--list"]);
    }
}
