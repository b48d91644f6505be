//! The scenarios: small, and the same each time they are played.

mod ends;
mod limits;
mod others;
mod streams;

use windlass::network::SimNetwork;

use crate::proof::stage::Staged;

/// A server and what its clients do.
pub(in crate::proof) struct Scenario {
    pub(in crate::proof) name: &'static str,
    /// Why connections end if nothing fails, the newcomer's at the end included, in the order of
    /// the alphabet.
    pub(in crate::proof) reasons: &'static [&'static str],
    pub(in crate::proof) stage: fn(SimNetwork) -> Staged,
}

/// All of them.
pub(in crate::proof) fn all() -> Vec<Scenario> {
    [streams::all(), limits::all(), ends::all(), others::all()].into_iter().flatten().collect()
}

/// Those in which the loop is told to end.
pub(in crate::proof) fn drains() -> Vec<Scenario> {
    ends::drains()
}

/// What a function is named and does.
macro_rules! scenario {
    ($name:ident, [$($reason:literal),* $(,)?]) => {
        crate::proof::faults::scenarios::Scenario {
            name: stringify!($name),
            reasons: &[$($reason),*],
            stage: $name,
        }
    };
}
use scenario;
