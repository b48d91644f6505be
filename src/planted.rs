//! Bugs on purpose, which the tests must find: `planted!(Name)` is true in the tests of the crate
//! while the bug of this name is planted, and `false` in everything that is delivered;
//! `planted!(Name, statement)` does something then, and is nothing at all in what is delivered.
//!
//! `tests/proof/bugs.rs` names them all, and plants one after the other.

#[cfg(test)]
macro_rules! planted {
    ($bug:ident) => {
        crate::proof::is_planted(crate::proof::Bug::$bug)
    };
    ($bug:ident, $statement:expr) => {
        if planted!($bug) {
            $statement;
        }
    };
}

#[cfg(not(test))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
    ($bug:ident, $statement:expr) => {};
}
