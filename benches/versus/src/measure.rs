//! One run: a server on its core, the load on another, and what both report.

use std::time::Duration;

use crate::sample::Sample;
use crate::server::Target;
use crate::trouble::Trouble;
use crate::workload::Workload;

/// Starts the server and the load, each on a core of its own, and measures for so long.
///
/// # Errors
/// A sentence, if there is only one core, the server does not start or dies, or a reply is wrong.
pub(crate) fn run(
    _target: &Target,
    _workload: &Workload,
    _length: Duration,
) -> Result<Sample, Trouble> {
    Err(Trouble::new("not yet"))
}

/// How long a fixed piece of work takes on the server's core, with and without system calls: much
/// more than at other times means that the host has a slow spell.
pub(crate) fn probe() -> Result<Duration, Trouble> {
    Err(Trouble::new("not yet"))
}
