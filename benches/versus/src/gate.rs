//! What windlass may cost at most, counted: whoever makes it dearer hears of it before a merge.

use std::env;
use std::error::Error;
use std::path::Path;

use crate::counts::{self, Lengths};
use crate::entrants::{Entrant, entrants};
use crate::examples::Example;
use crate::figure::Figure;
use crate::grid::Grid;
use crate::results::OURS;
use crate::trouble::Trouble;
use crate::workload::{self, Protocol};

/// The most that a message may cost.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Limit {
    workload: &'static str,
    /// [`Figure::Instructions`] or [`Figure::SystemCalls`].
    figure: Figure,
    most: f64,
}

/// All limits. Instructions stand a little above what was counted last, since compilers differ.
/// Those of real protocols are of the examples: a whole request, from the wait to the answer.
const LIMITS: &[Limit] = &[
    instructions("echo-1", 612.0),
    instructions("echo-50", 345.0),
    instructions("frames-16", 130.0),
    instructions("lines-16", 409.0),
    instructions("udp-1", 215.0),
    system_calls("echo-1", 3.0),
    system_calls("frames-16", 0.19),
    system_calls("udp-1", 0.19),
    // A head is parsed and a route found; of 16 that come at once, the calls are shared.
    instructions("http-16", 450.0),
    system_calls("http-16", 0.13),
    instructions("http-1", 740.0),
    system_calls("http-1", 2.05),
    // Of a ping nearly all is the codec and the search for the command.
    instructions("ping-16", 125.0),
    system_calls("ping-16", 0.13),
    // A name is read, found and pointed to. Datagrams are received and sent many in a call.
    instructions("dns-32", 1_200.0),
    system_calls("dns-32", 0.12),
];

/// A count is a difference divided: so much above a limit is still the limit.
const ROUNDING: f64 = 0.0005;

const fn instructions(workload: &'static str, most: f64) -> Limit {
    Limit { workload, figure: Figure::Instructions, most }
}

const fn system_calls(workload: &'static str, most: f64) -> Limit {
    Limit { workload, figure: Figure::SystemCalls, most }
}

/// What came of one limit.
type Checked = (Limit, Result<f64, String>);

/// Counts, and prints each count beside its limit; says whether all are kept.
///
/// # Errors
///
/// If this program cannot tell where it is.
pub(crate) fn run() -> Result<bool, Box<dyn Error>> {
    let program = env::current_exe()?;
    let check =
        |limit: &Limit| (*limit, count(limit, &program).map_err(|trouble| trouble.to_string()));
    let checked: Vec<Checked> = LIMITS.iter().map(check).collect();
    print!("{}", table(&checked));
    Ok(checked.iter().all(is_kept))
}

fn count(limit: &Limit, program: &Path) -> Result<f64, Trouble> {
    let workload = workload::named(limit.workload);
    let workload = workload.ok_or_else(|| Trouble::new("there is no such workload"))?;
    let target = ours(workload.protocol, program)?.target(program, workload.protocol)?;
    let count = match limit.figure {
        Figure::Instructions => counts::instructions(&target, workload, Lengths::QUICK)?,
        _ => counts::system_calls(&target, workload, Lengths::QUICK)?.map(|calls| calls.total),
    };
    count.ok_or_else(|| Trouble::new("valgrind and strace must be installed"))
}

/// What of this crate speaks the protocol: the contender, or an example that is built first.
fn ours(protocol: Protocol, program: &Path) -> Result<Entrant, Trouble> {
    if Protocol::ECHOES.contains(&protocol) {
        let ours = entrants(Some(&[OURS.to_owned()]), &[]).pop();
        return ours.ok_or_else(|| Trouble::new("windlass is no contender"));
    }
    Ok(Entrant::examples(&[Example::build(protocol, program)?]))
}

fn is_kept((limit, count): &Checked) -> bool {
    count.as_ref().is_ok_and(|count| *count <= limit.most + ROUNDING)
}

/// A row for each limit.
fn table(checked: &[Checked]) -> String {
    let headings = ["a message of windlass", "", "counted", "limit", ""].map(str::to_owned);
    let mut grid = Grid::new(headings);
    for one in checked {
        let (limit, count) = one;
        let kind = match limit.figure {
            Figure::Instructions => "instructions",
            _ => "system calls",
        };
        let (counted, verdict) = match count {
            Ok(count) if is_kept(one) => (limit.figure.show(*count), "kept".to_owned()),
            Ok(count) => (limit.figure.show(*count), "PASSED".to_owned()),
            Err(why) => (String::new(), format!("not counted: {why}")),
        };
        let most = limit.figure.show(limit.most);
        grid.push([limit.workload.to_owned(), kind.to_owned(), counted, most, verdict]);
    }
    grid.lines(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_above_its_limit_fails_the_gate() {
        let limit = instructions("echo-1", 160.0);
        assert!(is_kept(&(limit, Ok(160.0))));
        assert!(!is_kept(&(limit, Ok(160.1))));
        assert!(!is_kept(&(limit, Ok(f64::NAN))));
    }

    #[test]
    fn three_calls_as_they_are_counted_are_three() {
        assert!(is_kept(&(system_calls("echo-1", 3.0), Ok(3.000_25))));
        assert!(!is_kept(&(system_calls("echo-1", 3.0), Ok(3.001))));
    }

    #[test]
    fn what_is_not_counted_fails_the_gate() {
        let checked = (LIMITS[0], Err("it died".to_owned()));
        assert!(!is_kept(&checked));
        assert!(table(&[checked]).contains("not counted: it died"));
    }

    #[test]
    fn the_table_names_what_was_passed() {
        let table = table(&[
            (instructions("echo-1", 160.0), Ok(200.4)),
            (system_calls("udp-1", 0.19), Ok(0.157)),
        ]);
        let rows: Vec<&str> = table.lines().collect();
        assert!(
            rows[1].starts_with("echo-1") && rows[1].ends_with("200    160  PASSED"),
            "{table}"
        );
        assert!(
            rows[2].starts_with("udp-1") && rows[2].ends_with("0.157  0.190    kept"),
            "{table}"
        );
    }

    #[test]
    fn every_limit_is_of_a_workload_that_is_there() {
        for limit in LIMITS {
            assert!(workload::named(limit.workload).is_some(), "{}", limit.workload);
            assert!(limit.most > 0.0);
        }
    }
}
