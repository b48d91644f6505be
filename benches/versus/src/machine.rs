//! Where it was measured, and what with: a figure without these says nothing.

use std::fs;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// The libraries whose versions a reader asks for: what contenders are built on.
const LIBRARIES: &[&str] = &[
    "mio",
    "tokio",
    "tokio-util",
    "smol",
    "async-io",
    "monoio",
    "io-uring",
    "message-io",
    "mill-io",
    "hyper",
    "bytes",
];

/// The versions that this program was built with.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// A machine and its software.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The model of its processor.
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) is_virtual: bool,
    /// The release of its kernel.
    pub(crate) kernel: String,
    /// Name and version: the compiler, this crate, and what contenders are built on.
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    /// Looks at the machine that this runs on; what it does not tell is called unknown.
    pub(crate) fn read() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut versions = vec![("rustc".to_owned(), env!("VERSUS_RUSTC").to_owned())];
        versions.push(("windlass".to_owned(), own_version()));
        let libraries = LIBRARIES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), locked(LOCK, name)?.to_owned())));
        versions.extend(libraries);
        Self {
            processor: field(&cpus, "model name").unwrap_or("an unknown processor").to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            is_virtual: field(&cpus, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            kernel: match kernel.trim() {
                "" => "unknown".to_owned(),
                release => release.to_owned(),
            },
            versions,
        }
    }

    /// The machine in a few words.
    pub(crate) fn describe(&self) -> String {
        let kind = if self.is_virtual { ", virtual" } else { "" };
        format!("{}, {} cores{kind}, Linux {}", self.processor, self.cores, self.kernel)
    }

    /// All versions, each behind its name.
    pub(crate) fn list_versions(&self) -> String {
        let versions = self.versions.iter().map(|(name, version)| format!("{name} {version}"));
        versions.collect::<Vec<_>>().join(", ")
    }
}

/// The version of the crate, and which commit, where that can be told.
fn own_version() -> String {
    let version = locked(LOCK, "windlass").unwrap_or("unknown");
    let commit = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--exclude=*"])
        .output();
    match commit {
        Ok(output) if output.status.success() => {
            format!("{version} ({})", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => version.to_owned(),
    }
}

/// What is behind the first `name :` of /proc/cpuinfo.
fn field<'a>(cpus: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = cpus.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// The newest version of this name in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.rsplit_once(&entry)?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_what_it_is() {
        let machine = Machine::read();
        assert!(machine.cores > 0);
        assert!(machine.describe().contains("Linux "), "{}", machine.describe());
        let versions = machine.list_versions();
        assert!(versions.starts_with("rustc 1.") && versions.contains("mio 1."), "{versions}");
    }

    #[test]
    fn a_version_is_that_of_the_whole_name() {
        let lock = "[[package]]\nname = \"tokio-util\"\nversion = \"0.7.1\"\n\n\
                    [[package]]\nname = \"tokio\"\nversion = \"1.50.0\"\n";
        assert_eq!(locked(lock, "tokio"), Some("1.50.0"));
        assert_eq!(locked(lock, "tokio-util"), Some("0.7.1"));
        assert_eq!(locked(lock, "tok"), None);
    }

    #[test]
    fn the_first_processor_stands_for_all() {
        let cpus = "processor\t: 0\nmodel name\t: A: 1\nflags\t\t: fpu hypervisor\nmodel name: B\n";
        assert_eq!(field(cpus, "model name"), Some("A: 1"));
        assert_eq!(field(cpus, "cache size"), None);
    }
}
