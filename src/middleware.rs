//! What the built-in layers are made of.
#![cfg_attr(not(test), expect(dead_code, reason = "the layers come next"))]

mod access_control; // who is let in by where he comes from
mod address_key; // what counts as one address
mod address_table; // a record for each address, in memory of a fixed size
mod cidr; // a network of addresses
mod constant_time; // comparing what is secret
mod escape; // what a peer sent, fit for a log
mod gcra; // how much of something per time
mod log_limit; // how many lines per time
#[cfg(test)]
mod random; // chance for the tests

pub use access_control::AccessControl;
pub use cidr::Cidr;
pub use constant_time::constant_time_eq;
pub use escape::Escaped;
