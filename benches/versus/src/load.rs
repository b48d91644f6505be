//! The load: a bare epoll loop that asks, and compares every byte of every answer.

use std::ffi::OsString;
use std::process::ExitCode;

/// Plays the load, as the child process of who measures.
pub(crate) fn main_of_load(_args: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}
