//! The command line of `protocols`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short, Value};

use crate::options::{Counts, Files, Options, read_counts, read_rounds, read_seconds};
use crate::workload::{Protocol, REAL_WORKLOADS, Workload};

/// What `protocols --help` prints.
pub(crate) const HELP: &str = "\
Measures the examples of real protocols beside servers of others, on the same work.

usage: windlass-versus protocols [http|kv|dns]... [OPTION]...

Without a protocol, all are measured. The examples are built first. Others take part that are
installed: nginx, redis-server and nsd, as Debian has them; redis-benchmark of redis-tools asks too.

  --workloads A,B,...       only these, in this order
  --example NAME=PROGRAM    do not build this example, but start this program in its place
  --rounds N                how often each has its turn at each workload (default 3)
  --seconds S               how long each of these runs is (default 0.5)
  --counts only|none        only count instructions and system calls, or do not count them
  --json FILE               write all that was measured
  --markdown FILE           write the tables of the protocols
  --list                    print the names of the workloads
  --help                    print this
";

/// The protocols that are measured.
pub(crate) const REAL: [Protocol; 3] = [Protocol::Http, Protocol::Kv, Protocol::Dns];

const ROUNDS: u32 = 3;
const RUN_TIME: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Debug)]
pub(crate) struct ProtocolOptions {
    pub(crate) protocols: Vec<Protocol>,
    /// Examples that are not to be built, but are there.
    pub(crate) examples: Vec<(Protocol, PathBuf)>,
    pub(crate) measuring: Options,
    pub(crate) is_help: bool,
    pub(crate) is_list: bool,
}

/// Reads the arguments behind `protocols`.
///
/// # Errors
///
/// What is wrong, in one line.
pub(crate) fn read(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<ProtocolOptions, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut options = ProtocolOptions {
        protocols: Vec::new(),
        examples: Vec::new(),
        measuring: Options {
            workloads: Vec::new(),
            contenders: None,
            extras: Vec::new(),
            rounds: ROUNDS,
            run_time: RUN_TIME,
            counts: Counts::Also,
            files: Files::default(),
            from: None,
        },
        is_help: false,
        is_list: false,
    };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long("help") | Short('h') => options.is_help = true,
            Long("list") => options.is_list = true,
            Long(name) => {
                let name = name.to_owned();
                let value = parser.value().map_err(|error| error.to_string())?;
                options.set(&name, value).map_err(|what| format!("--{name}: {what}"))?;
            }
            Value(word) => options.protocols.push(real(&word.to_string_lossy())?),
            Short(letter) => return Err(format!("-{letter}: see protocols --help")),
        }
    }
    options.finish();
    Ok(options)
}

impl ProtocolOptions {
    fn set(&mut self, name: &str, value: OsString) -> Result<(), String> {
        let measuring = &mut self.measuring;
        match name {
            "json" => measuring.files.json = Some(value.into()),
            "markdown" => measuring.files.markdown = Some(value.into()),
            _ => {
                let text = value.string().map_err(|error| error.to_string())?;
                match name {
                    "workloads" => measuring.workloads = read_workloads(&text)?,
                    "example" => self.examples.push(read_example(&text)?),
                    "rounds" => measuring.rounds = read_rounds(&text)?,
                    "seconds" => measuring.run_time = read_seconds(&text)?,
                    "counts" => measuring.counts = read_counts(&text)?,
                    _ => return Err("there is no such option: see protocols --help".to_owned()),
                }
            }
        }
        Ok(())
    }

    /// What was not said follows from what was: the protocols from the workloads, or the other way
    /// round, or all.
    fn finish(&mut self) {
        let workloads = &mut self.measuring.workloads;
        if self.protocols.is_empty() {
            let is_asked = |protocol: &Protocol| {
                workloads.is_empty() || workloads.iter().any(|it| it.protocol == *protocol)
            };
            self.protocols = REAL.into_iter().filter(is_asked).collect();
        }
        if workloads.is_empty() {
            workloads.extend(REAL_WORKLOADS);
        }
        workloads.retain(|workload| self.protocols.contains(&workload.protocol));
    }
}

fn real(name: &str) -> Result<Protocol, String> {
    let protocol = Protocol::named(name).filter(|protocol| REAL.contains(protocol));
    protocol.ok_or_else(|| format!("there is no protocol `{name}`: http, kv or dns"))
}

fn read_workloads(text: &str) -> Result<Vec<&'static Workload>, String> {
    let named = |name: &str| REAL_WORKLOADS.iter().find(|workload| workload.name == name);
    let found = |name| {
        named(name).ok_or_else(|| format!("there is no workload `{name}`: see protocols --list"))
    };
    text.split(',').map(found).collect()
}

fn read_example(text: &str) -> Result<(Protocol, PathBuf), String> {
    let (name, program) =
        text.split_once('=').ok_or_else(|| format!("{text} is not NAME=PROGRAM"))?;
    Ok((real(name)?, program.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<ProtocolOptions, String> {
        read(arguments.iter().map(OsString::from))
    }

    fn names(options: &ProtocolOptions) -> Vec<&'static str> {
        options.measuring.workloads.iter().map(|workload| workload.name).collect()
    }

    #[test]
    fn without_arguments_all_is_measured() {
        let options = asked(&[]).unwrap();
        assert_eq!(options.protocols, REAL);
        assert_eq!(options.measuring.workloads.len(), REAL_WORKLOADS.len());
    }

    #[test]
    fn a_protocol_has_its_workloads_and_they_have_it() {
        let options = asked(&["http"]).unwrap();
        assert_eq!(names(&options), ["http-16", "http-1"]);
        let options = asked(&["--workloads", "dns-32,ping-16"]).unwrap();
        assert_eq!(names(&options), ["dns-32", "ping-16"]);
        assert_eq!(options.protocols, [Protocol::Kv, Protocol::Dns]);
    }

    #[test]
    fn an_example_may_be_a_program_from_elsewhere() {
        let options = asked(&["--example", "kv=/a/b=c"]).unwrap();
        assert_eq!(options.examples, [(Protocol::Kv, PathBuf::from("/a/b=c"))]);
    }

    #[test]
    fn every_option_of_the_help_is_read() {
        let lines = HELP.lines().filter_map(|line| line.strip_prefix("  --"));
        let all: Vec<_> = lines.map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(all.len(), 9);
        for name in all {
            let value = match name {
                "workloads" => "http-1",
                "example" => "http=program",
                "rounds" | "seconds" => "1",
                "counts" => "only",
                _ => "file",
            };
            let option = match name {
                "list" | "help" => format!("--{name}"),
                _ => format!("--{name}={value}"),
            };
            assert!(asked(&[&option]).is_ok(), "{option}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (argument, what) in [
            ("raw", "no protocol `raw`"),
            ("--workloads=echo-1", "no workload `echo-1`"),
            ("--example=http", "not NAME=PROGRAM"),
            ("--example=line=program", "no protocol `line`"),
            ("--full=1", "no such option"),
            ("--rounds=0", "1 to 1000"),
            ("-x", "-x"),
        ] {
            let refusal = asked(&[argument]).unwrap_err();
            assert!(refusal.contains(what) && !refusal.contains('\n'), "{refusal}");
        }
    }
}
