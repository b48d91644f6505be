//! What the examples have in common: how they start, what they print, and how they end.
//!
//! An example ends with 0 if everything finished, 1 with one line on an error, 2 on bad usage and 3
//! if something was cut. On standard output stand the `listening` lines and nothing else.

#![allow(dead_code, unused_imports, reason = "each example uses a part of this")]

mod options;
mod stderr_log;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

pub(crate) use options::{Addresses, Networks, Options, Rate, Stop};
use stderr_log::StderrLog;
use windlass::DrainReport;

/// How the serving ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Everything that was owed was delivered.
    Finished,
    /// Something was cut.
    Cut,
}

/// Where an example listens unless it is told where.
pub(crate) const PORT_7000: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7000);

const FINISHED: u8 = 0;
const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const CUT: u8 = 3;

/// The whole of an example: reads its options, serves, and says how it ended.
///
/// `help` is what `--help` prints.
pub(crate) fn run<O, E: Display>(
    help: &str,
    read: impl FnOnce(&mut Options) -> Result<O, Stop>,
    serve: impl FnOnce(O) -> Result<Ending, E>,
) -> ExitCode {
    ExitCode::from(run_with(std::env::args_os().skip(1), help, read, serve))
}

/// As [`run`], with the arguments given, and with the code as a number.
pub(crate) fn run_with<O, E: Display>(
    arguments: impl IntoIterator<Item = OsString>,
    help: &str,
    read: impl FnOnce(&mut Options) -> Result<O, Stop>,
    serve: impl FnOnce(O) -> Result<Ending, E>,
) -> u8 {
    let log = StderrLog::default();
    let (code, last_words) = match read(&mut Options::new(arguments)) {
        Ok(options) => {
            log.start();
            match serve(options) {
                Ok(Ending::Finished) => (FINISHED, String::new()),
                Ok(Ending::Cut) => (CUT, String::new()),
                Err(error) => (FAILED, format!("error: {error}\n")),
            }
        }
        Err(Stop::Help) => {
            // If nobody reads what is said, there is nobody to complain to.
            let _ = writeln!(io::stdout(), "{}", help.trim());
            (FINISHED, String::new())
        }
        Err(Stop::BadUsage(what)) => (BAD_USAGE, format!("error: {what} (see --help)\n")),
    };
    log.finish(&last_words);
    code
}

/// Prints that a listener is ready, for whoever started the example, as in
/// `listening tcp 127.0.0.1:7000`. `protocol` is `tcp` or `udp`.
pub(crate) fn print_listening(protocol: &str, address: SocketAddr) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "listening {protocol} {address}").and_then(|()| stdout.flush());
}

/// Logs how a server ended, and says how the example does.
pub(crate) fn ending(report: &DrainReport) -> Ending {
    log::info!("{report}");
    if report.is_clean() { Ending::Finished } else { Ending::Cut }
}

/// These addresses, or, if there are none, the usual one.
pub(crate) fn or_port_7000(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if addresses.is_empty() { vec![PORT_7000] } else { addresses }
}
