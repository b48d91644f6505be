//! A server under test: starts it on its cores, reads what it uses, ends it.

use std::ffi::OsString;

/// What is started to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// What it is called in reports and in what goes wrong.
    pub(crate) name: String,
    /// The program and its arguments. It says `listening tcp ADDR` or `listening udp ADDR` on
    /// standard output once it is ready.
    pub(crate) command: Vec<OsString>,
    /// How many cores it may use: 1, but for a server with many threads that is asked to show it.
    pub(crate) cores: usize,
}
