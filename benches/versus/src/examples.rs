//! The crate's examples of real protocols, as servers under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::Folder;
use crate::results::OURS;
use crate::server::{Listens, Target};
use crate::trouble::{Trouble, Trying as _};
use crate::workload::Protocol;
use crate::zone;

/// A free port of this machine.
const ANY: &str = "127.0.0.1:0";

/// An example, built.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) protocol: Protocol,
    program: PathBuf,
}

impl Example {
    /// The one that speaks this protocol, built with the profile that `program`, this one, was
    /// built with.
    ///
    /// # Errors
    /// If it could not be built.
    pub(crate) fn build(protocol: Protocol, program: &Path) -> Result<Self, Trouble> {
        let name = protocol.name();
        let folder = program.parent().unwrap_or(Path::new("."));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--example", name, "--manifest-path"]);
        cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let status = cargo.stdin(Stdio::null()).status().trying("cannot run cargo")?;
        let built = folder.join("examples").join(name);
        match status.success() && built.is_file() {
            true => Ok(Self { protocol, program: built }),
            false => Err(Trouble::new(format!(
                "the example {name} could not be built: name one that is, with --example \
                 {name}=PROGRAM"
            ))),
        }
    }

    /// One that is built elsewhere.
    pub(crate) fn at(protocol: Protocol, program: &Path) -> Self {
        Self { protocol, program: program.to_owned() }
    }

    /// What is started to be measured.
    ///
    /// # Errors
    /// If nothing can be written for it.
    pub(crate) fn target(&self) -> Result<Target, Trouble> {
        let mut command: Vec<OsString> = vec![self.program.clone().into()];
        let mut folder = None;
        match self.protocol {
            Protocol::Dns => {
                let made = Folder::new().trying("cannot have a folder for a while")?;
                let file = made.write("zone", &zone::file()).trying("cannot write a zone")?;
                command.extend(["--udp", ANY, "--zone"].map(OsString::from));
                command.push(file.into());
                folder = Some(made);
            }
            _ => command.extend(["--tcp", ANY].map(OsString::from)),
        }
        Ok(Target {
            name: OURS.to_owned(),
            command,
            listens: Listens::Says,
            cores: 1,
            _folder: folder,
        })
    }
}
