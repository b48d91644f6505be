//! The examples as processes of their own: each thing they show, as real clients see it. These are
//! of `std::net`, and for the chat there is `nc` as well, on machines that have it.
//!
//! Nothing is judged by its speed: a rate is so many in an hour, of which the test sees the first
//! few. Where a test waits, it gives up after a minute.

#![cfg(target_os = "linux")]

#[path = "examples_real/chat.rs"]
mod chat;
#[path = "examples_real/client.rs"]
mod client;
#[path = "examples_real/dns.rs"]
mod dns;
#[path = "examples_real/embedded.rs"]
mod embedded;
#[path = "real_network/example.rs"]
mod example;
#[path = "examples_real/files.rs"]
mod files;
#[path = "examples_real/layers.rs"]
mod layers;
#[path = "examples_real/multicore.rs"]
mod multicore;
