//! Keeps the name of the compiler, which a report must tell.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = match Command::new(rustc).arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(_) => String::new(),
    };
    let version = version.trim().trim_start_matches("rustc ");
    let known = if version.is_empty() { "unknown" } else { version };
    println!("cargo::rustc-env=VERSUS_RUSTC={known}");
}
