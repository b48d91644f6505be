//! The bodies of the targets, which `cargo test` runs as well.

#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;

/// Does what the target of this name does with a string of bytes, and panics if that breaks a
/// promise.
///
/// # Panics
///
/// Also if there is no target of this name.
pub fn run(target: &str, bytes: &[u8]) {
    fuzz::body(target)(bytes);
}
