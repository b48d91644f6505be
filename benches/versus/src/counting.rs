//! Counts instructions and system calls: what does not depend on how busy the machine is.

use std::env;
use std::error::Error;
use std::path::Path;

use crate::counts::{self, Lengths};
use crate::entrants::Entrant;
use crate::options::{Counts, Options};
use crate::results::{Counted, Results};
use crate::trouble::Trouble;
use crate::versus::bar;
use crate::workload::{Protocol, Shape, Workload};

/// What is counted unless workloads are named or nothing but counts is asked for.
const USUAL: &[&str] = &["echo-1", "frames-16", "udp-1", "http-16", "http-1", "ping-16", "dns-32"];
/// More connections cost the same for each message, and take long to count.
const MAX_CONNECTIONS: u32 = 64;
/// And of longer messages nearly all is the kernel's work.
const MAX_MESSAGE_LEN: u32 = 1 << 10;

/// A tool that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tool {
    Valgrind,
    Strace,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Valgrind => "valgrind",
            Self::Strace => "strace",
        }
    }

    /// What is left out without it.
    fn column(self) -> &'static str {
        match self {
            Self::Valgrind => "instructions",
            Self::Strace => "system calls",
        }
    }
}

/// Counts for each entrant at each workload that can be counted; what could not be is noted.
///
/// # Errors
///
/// If this program cannot tell where it is.
pub(crate) fn count(
    options: &Options,
    entrants: &[Entrant],
    results: &mut Results,
) -> Result<(), Box<dyn Error>> {
    let program = env::current_exe()?;
    let is_asked = |workload: &&&Workload| {
        is_countable(workload) && (options.counts == Counts::Only || USUAL.contains(&workload.name))
    };
    let pairs: Vec<(&Workload, &Entrant)> = options
        .workloads
        .iter()
        .filter(is_asked)
        .flat_map(|workload| entrants.iter().map(|entrant| (*workload, entrant)))
        .filter(|(workload, entrant)| entrant.takes(workload))
        .collect();
    let bar = bar("counting", pairs.len());
    let lengths = if options.counts == Counts::Only { Lengths::FULL } else { Lengths::QUICK };
    let mut counter = Counter::new(lengths);
    for (workload, entrant) in pairs {
        bar.set_message(format!("{} · {}", workload.name, entrant.name));
        results.counts.extend(counter.count(&program, workload, entrant));
        bar.inc(1);
    }
    bar.finish_and_clear();
    results.notes.extend(counter.notes);
    Ok(())
}

/// Whether it is messages of a few connections, one like the other.
fn is_countable(workload: &Workload) -> bool {
    match workload.shape {
        Shape::Requests { connections, message_len, .. } => {
            connections <= MAX_CONNECTIONS && message_len <= MAX_MESSAGE_LEN
        }
        Shape::Asks { connections, .. } => connections <= MAX_CONNECTIONS,
        Shape::Datagrams { .. } => true,
        Shape::Accept { .. }
        | Shape::Churn { .. }
        | Shape::Idle { .. }
        | Shape::Tool { .. }
        | Shape::Keys { .. } => false,
    }
}

/// Counts, and remembers which tools there are not and what was said of it.
struct Counter {
    lengths: Lengths,
    missing: Vec<Tool>,
    /// Who could not be counted by which tool in which protocol: it is not tried again.
    failed: Vec<(String, Protocol, Tool)>,
    notes: Vec<String>,
}

impl Counter {
    fn new(lengths: Lengths) -> Self {
        Self { lengths, missing: Vec::new(), failed: Vec::new(), notes: Vec::new() }
    }

    fn count(&mut self, program: &Path, workload: &Workload, entrant: &Entrant) -> Option<Counted> {
        let target = || entrant.target(program, workload.protocol);
        let lengths = self.lengths;
        let (name, protocol) = (&entrant.name, workload.protocol);
        let instructions = self.ask(Tool::Valgrind, name, protocol, || {
            counts::instructions(&target()?, workload, lengths)
        });
        let system_calls = self.ask(Tool::Strace, name, protocol, || {
            let calls = counts::system_calls(&target()?, workload, lengths)?;
            Ok(calls.map(|calls| calls.total))
        });
        (instructions.is_some() || system_calls.is_some()).then(|| Counted {
            workload: workload.name.to_owned(),
            contender: entrant.name.clone(),
            instructions,
            system_calls,
        })
    }

    fn ask(
        &mut self,
        tool: Tool,
        contender: &str,
        protocol: Protocol,
        count: impl FnOnce() -> Result<Option<f64>, Trouble>,
    ) -> Option<f64> {
        let this = (contender.to_owned(), protocol, tool);
        if self.missing.contains(&tool) || self.failed.contains(&this) {
            return None;
        }
        match count() {
            Ok(Some(count)) => Some(count),
            Ok(None) => {
                self.missing.push(tool);
                let (name, column) = (tool.name(), tool.column());
                self.notes.push(format!("{name} is not installed: no {column} are counted"));
                None
            }
            Err(trouble) => {
                self.failed.push(this);
                self.notes.push(format!("{} of {contender} not counted: {trouble}", tool.column()));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload;

    #[test]
    fn what_is_usually_counted_can_be() {
        for name in USUAL {
            assert!(is_countable(workload::named(name).unwrap()), "{name}");
        }
        for name in ["echo-10k", "raw-1m", "accept", "churn", "idle"] {
            assert!(!is_countable(workload::named(name).unwrap()), "{name}");
        }
    }

    #[test]
    fn a_missing_tool_is_told_once() {
        let mut counter = Counter::new(Lengths::QUICK);
        for contender in ["a", "b"] {
            assert_eq!(counter.ask(Tool::Strace, contender, Protocol::Raw, || Ok(None)), None);
            assert_eq!(
                counter.ask(Tool::Valgrind, contender, Protocol::Raw, || Ok(Some(7.0))),
                Some(7.0)
            );
        }
        assert_eq!(counter.notes, ["strace is not installed: no system calls are counted"]);
    }

    #[test]
    fn a_contender_that_cannot_be_counted_spoils_no_other() {
        let mut counter = Counter::new(Lengths::QUICK);
        let fails = || Err(Trouble::new("an unknown system call"));
        let mut ask = |name, protocol, count: fn() -> Result<Option<f64>, Trouble>| {
            counter.ask(Tool::Valgrind, name, protocol, count)
        };
        assert_eq!(ask("a", Protocol::Raw, fails), None);
        assert_eq!(ask("a", Protocol::Raw, || panic!("asked again")), None);
        assert_eq!(ask("a", Protocol::Http, || Ok(Some(7.0))), Some(7.0));
        assert_eq!(ask("b", Protocol::Raw, || Ok(Some(7.0))), Some(7.0));
        assert_eq!(counter.notes, ["instructions of a not counted: an unknown system call"]);
    }
}
