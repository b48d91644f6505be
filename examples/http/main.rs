//! Serves HTTP/1.1.
#![allow(dead_code, unused_imports, reason = "the server follows")]
pub(crate) mod http1;
fn main() {}
