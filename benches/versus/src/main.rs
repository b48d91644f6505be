//! Measures windlass beside a bare epoll loop and async runtimes, on the same work.
//!
//! One program plays all parts. Without a subcommand it measures, and starts itself for each part:
//! `serve CONTENDER PROTOCOL` is a server under test, `load WORKLOAD ADDR` is the load on it.
//! `protocols` measures the examples of real protocols beside servers of others, and `gate` checks
//! what windlass costs against its limits.

mod comparison;
mod contenders;
mod cores;
mod counting;
mod counts;
mod entrants;
mod examples;
mod family;
mod figure;
mod folder;
mod gate;
mod grid;
mod lines;
mod load;
mod machine;
mod measure;
mod options;
mod protocols;
mod report;
mod results;
mod rivals;
mod sample;
mod schedule;
mod server;
mod statistics;
mod table;
mod trouble;
mod versus;
mod workload;
mod zone;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use contenders::CONTENDERS;
use options::{HELP, Request};
use workload::{Protocol, REAL_WORKLOADS, WORKLOADS, Workload};

/// The exit status of bad usage.
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let names: Vec<&str> = CONTENDERS.iter().map(|contender| contender.name).collect();
    let request = match options::read(env::args_os().skip(1), &names) {
        Ok(request) => request,
        Err(what) => {
            eprintln!("windlass-versus: {what}");
            return ExitCode::from(BAD_USAGE);
        }
    };
    let done = match request {
        Request::Load(arguments) => return load::main_of_load(arguments.into_iter()),
        Request::Versus(options) => versus::run(&options).map(|()| true),
        Request::Protocols(options) if options.is_help => {
            print!("{}", protocols::HELP);
            Ok(true)
        }
        Request::Protocols(options) if options.is_list => {
            list_workloads(REAL_WORKLOADS);
            Ok(true)
        }
        Request::Protocols(options) => protocols::run(&options).map(|()| true),
        Request::Gate => gate::run(),
        Request::Serve(name, protocol) => serve(&name, protocol).map(|()| true),
        Request::List => {
            list();
            Ok(true)
        }
        Request::Help => {
            print!("{HELP}");
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("windlass-versus: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the process is ended.
fn serve(name: &str, protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let contender = CONTENDERS.iter().find(|contender| contender.name == name);
    let contender = contender.ok_or("there is no such contender")?;
    if !contender.protocols.contains(&protocol) {
        return Err(format!("{name} does not speak {}", protocol.name()).into());
    }
    contenders::raise_descriptor_limit()?;
    (contender.serve)(protocol)
}

fn list() {
    println!("workloads");
    list_workloads(WORKLOADS);
    println!("contenders");
    for contender in CONTENDERS.iter().filter(|contender| contender.echoes()) {
        println!("  {:<14}{}", contender.name, contender.about);
    }
}

fn list_workloads(workloads: &[Workload]) {
    for workload in workloads {
        let when = if options::is_usual(workload) { "" } else { " (only with --full)" };
        println!("  {:<14}{workload}{when}", workload.name);
    }
}
