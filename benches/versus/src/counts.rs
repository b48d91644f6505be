//! What a reply costs in instructions and in system calls: counted, so that it does not depend on
//! how busy the machine is. Each is the difference of two run lengths, so that start and end cost
//! nothing.

use crate::server::Target;
use crate::trouble::Trouble;
use crate::workload::Workload;

/// How many replies the short run and the long run have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lengths {
    pub(crate) short: u64,
    pub(crate) long: u64,
}

impl Lengths {
    /// Enough for a gate: a few seconds for each count.
    pub(crate) const QUICK: Self = Self { short: 1_000, long: 5_000 };
    /// Enough for a report.
    pub(crate) const FULL: Self = Self { short: 4_000, long: 24_000 };
}

/// System calls for a reply.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct SystemCalls {
    pub(crate) total: f64,
    /// Of each name that makes a difference, most first.
    pub(crate) by_name: Vec<(String, f64)>,
}

/// User-space instructions for a reply, by callgrind; none if valgrind is not installed.
///
/// # Errors
/// A sentence, if the server does not run under valgrind (as with `io_uring`) or a reply is wrong.
pub(crate) fn instructions(
    _target: &Target,
    _workload: &Workload,
    _lengths: Lengths,
) -> Result<Option<f64>, Trouble> {
    Err(Trouble::new("not yet"))
}

/// System calls for a reply, by strace; none if that is not installed.
///
/// # Errors
/// A sentence, if the server does not run under strace or a reply is wrong.
pub(crate) fn system_calls(
    _target: &Target,
    _workload: &Workload,
    _lengths: Lengths,
) -> Result<Option<SystemCalls>, Trouble> {
    Err(Trouble::new("not yet"))
}
