//! `protocols` from its command line to its tables, with stand-ins for the examples.
//!
//! What it says of speed is not looked at: that depends on the machine.

use std::process::Command;
use std::thread;

const PROGRAM: &str = env!("CARGO_BIN_EXE_windlass-versus");

/// What stands in for an example: it does not look at an example's options, and runs what is in the
/// variable `STAND_IN`.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in.sh");

/// What `protocols` prints for one workload, with this command in place of the example.
fn measured(protocol: &str, workload: &str, stand_in: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["protocols", protocol, "--workloads", workload, "--rounds", "2"]);
    command.args(["--seconds", "0.05", "--counts", "none", "--example"]);
    command.arg(format!("{protocol}={STAND_IN}")).env("STAND_IN", stand_in);
    let output = command.output().expect("the program is built for its tests");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{protocol}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The words of the first line that begins like this, behind a line that does like that.
fn row(text: &str, after: &str, name: &str) -> Vec<String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(after));
    let row = lines.find(|line| line.starts_with(name));
    let row = row.unwrap_or_else(|| panic!("no row `{name}` after `{after}` in:\n{text}"));
    row.split_whitespace().map(str::to_owned).collect()
}

/// Of one that runs on the core of its load, nothing is measured.
fn has_two_cores() -> bool {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        eprintln!("nothing is measured on one core");
    }
    cores >= 2
}

#[test]
fn every_protocol_has_its_table_with_a_column_for_each_other() {
    if !has_two_cores() {
        return;
    }
    for (protocol, workload, others) in [
        ("http", "http-16", &["epoll", "hyper", "nginx"][..]),
        ("kv", "ping-16", &["epoll", "redis"]),
        ("dns", "dns-32", &["epoll", "nsd"]),
    ] {
        let stand_in = format!("'{PROGRAM}' serve epoll {protocol}");
        let text = measured(protocol, workload, &stand_in);
        let heading = row(&text, &format!("{protocol}: windlass"), "  ");
        let is_missing = |other: &&&str| text.contains(&format!("{other} is left out"));
        let there: Vec<_> = others.iter().filter(|other| !is_missing(other)).collect();
        let columns = there.iter().flat_map(|other| ["×", other]);
        let expected: Vec<&str> = ["windlass"].into_iter().chain(columns).collect();
        assert_eq!(heading, expected, "{text}");
        for what in ["requests a second", "CPU a request"] {
            let name = format!("{workload}: {what}");
            assert!(row(&text, &format!("{protocol}: windlass"), &name).len() > 4, "{text}");
        }
        assert!(!text.contains("failed at"), "{text}");
    }
}

#[test]
fn an_example_that_does_not_start_spoils_no_other() {
    if !has_two_cores() {
        return;
    }
    let text = measured("http", "http-1", "sh -c 'echo the port is taken >&2; exit 1'");
    assert!(row(&text, "http-1", "hyper").len() > 4, "{text}");
    let note = text.lines().find(|line| line.starts_with("note: windlass failed at http-1"));
    assert!(note.is_some_and(|note| note.ends_with("it said: the port is taken")), "{text}");
}

#[test]
fn bad_usage_is_told_by_the_exit_status() {
    let output = Command::new(PROGRAM).args(["protocols", "gopher"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    let line = "windlass-versus: there is no protocol `gopher`: http, kv or dns\n";
    assert_eq!(complaint, line);
}
