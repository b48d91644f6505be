//! Measures windlass beside a bare epoll loop and async runtimes, on the same work.
//!
//! One program plays all parts. Without a subcommand it measures, and starts itself for each part:
//! `serve CONTENDER PROTOCOL` is a server under test, `load WORKLOAD ADDR` is the load on it.

// Only until each part is called by the others.
#![allow(dead_code)]

mod comparison;
mod contenders;
mod counts;
mod entrants;
mod figure;
mod grid;
mod load;
mod machine;
mod measure;
mod options;
mod report;
mod results;
mod sample;
mod schedule;
mod server;
mod statistics;
mod table;
mod trouble;
mod workload;

fn main() {}
