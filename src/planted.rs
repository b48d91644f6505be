//! Bugs on purpose, which the tests must find: `planted!(Name)` is true in the tests of the crate
//! while the bug of this name is planted, and `false` in everything that is delivered.
//!
//! `tests/proof/bugs.rs` names them all, and plants one after the other.

#[cfg(test)]
macro_rules! planted {
    ($bug:ident) => {
        crate::proof::is_planted(crate::proof::Bug::$bug)
    };
}

#[cfg(not(test))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}
