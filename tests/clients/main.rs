//! The examples that speak known protocols, as clients see them that nobody here wrote.
//!
//! The clients are Debian's packages and, for Python, what `tests/clients/requirements.txt` names.
//! `.ci/run` installs them; the Python ones go into `target/clients`. Where a client is missing,
//! what needs it is left out with a line that says so, or, with `WINDLASS_CLIENTS` set, as it is in
//! `.ci/run`, fails.
//!
//! ```text
//! python3 -m venv target/clients
//! target/clients/bin/pip install -r tests/clients/requirements.txt
//! cargo test --test clients
//! ```

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dns;
#[path = "../real_network/example.rs"]
mod example;
mod http;
mod kv;
mod metrics;
mod tools;
mod websocket;
