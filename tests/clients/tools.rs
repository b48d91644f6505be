//! Programs that are clients: whether they are there, and what they say.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

/// How long a client may take before it has failed, as `timeout` reads it.
const PATIENCE: &str = "120";

/// A command for this program of Debian's package, if it is installed. It is ended, and fails, if
/// it takes too long.
pub(crate) fn client(program: &str, package: &str) -> Option<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where servers are that clients are compared with.
    folders.push("/usr/sbin".into());
    let found = folders.iter().map(|folder| folder.join(program)).find(|path| path.exists());
    found_or_left_out(found, format_args!("{program}, of Debian's package {package},"))
}

/// A command for Python with the packages that `requirements.txt` names, if they are installed.
pub(crate) fn python() -> Option<Command> {
    let target = example_target();
    let python = target.join("clients/bin/python");
    found_or_left_out(python.exists().then_some(python), "Python, in target/clients,")
}

/// A script of this folder.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Where cargo builds: a test is in `<target>/<profile>/deps`.
fn example_target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

fn found_or_left_out(found: Option<PathBuf>, what: impl Display) -> Option<Command> {
    let must_be_there = std::env::var_os("WINDLASS_CLIENTS").is_some();
    let Some(path) = found else {
        assert!(!must_be_there, "{what} is missing");
        say(format_args!("left out: {what} is missing"));
        return None;
    };
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(path);
    Some(command)
}

/// Says what was left out, for whoever looks on.
#[expect(clippy::print_stderr, reason = "what is left out must not pass for tried")]
pub(crate) fn say(what: impl Display) {
    eprintln!("clients: {what}");
}

/// What a client says on its standard output, given this input.
///
/// # Panics
///
/// If it fails: with all that it said.
pub(crate) fn ask(command: &mut Command, input: &[u8]) -> String {
    let output = finish(command, input);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// How a client ends, given this input, and all that it says.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it is installed");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    thread::scope(|scope| {
        scope.spawn(move || {
            // A client may end before it has read everything.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("it was started")
    })
}
