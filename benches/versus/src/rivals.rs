//! Servers of others that speak a real protocol, as Debian packages them: each is given a
//! configuration of its own, and does all in one thread or as near to that as it can.

mod nginx;
mod nsd;
mod redis;

use std::env;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::Folder;
use crate::server::{Listens, Target};
use crate::trouble::{Trouble, Trying as _};
use crate::workload::Protocol;

/// A server of others.
#[derive(Debug)]
pub(crate) struct Rival {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    /// How it is set, in a few words.
    pub(crate) about: &'static str,
    pub(crate) protocol: Protocol,
    program: &'static str,
    /// Where Debian has it.
    package: &'static str,
    /// With this it says its version.
    version: &'static str,
    /// Writes what it needs into the folder, and gives the arguments with which it serves at this
    /// port of 127.0.0.1 and stays in the foreground.
    arguments: fn(&Folder, u16) -> io::Result<Vec<OsString>>,
}

/// All of them.
pub(crate) const RIVALS: &[Rival] = &[nginx::RIVAL, redis::RIVAL, nsd::RIVAL];

/// Where servers are that users do not start by hand, and that a user's path may not have.
const FOLDERS: &str = "/usr/sbin:/usr/local/sbin";

impl Rival {
    /// Its program.
    ///
    /// # Errors
    /// Where it is to be had, if it is not installed.
    pub(crate) fn program(&self) -> Result<PathBuf, Trouble> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(env::split_paths(FOLDERS));
        let found = folders.map(|folder| folder.join(self.program)).find(|path| path.is_file());
        found.ok_or_else(|| {
            Trouble::new(format!(
                "{} is left out: it is not installed (Debian has it as {})",
                self.name, self.package
            ))
        })
    }

    /// What is started to be measured.
    ///
    /// # Errors
    /// If it is not installed, or nothing can be written for it.
    pub(crate) fn target(&self) -> Result<Target, Trouble> {
        let folder = Folder::new().trying("cannot have a folder for a while")?;
        let address = free_address().trying("cannot have a port")?;
        let arguments = (self.arguments)(&folder, address.port()).trying(self.name)?;
        Ok(Target {
            name: self.name.to_owned(),
            command: [self.program()?.into()].into_iter().chain(arguments).collect(),
            listens: Listens::At(address),
            cores: 1,
            _folder: Some(folder),
        })
    }

    /// What it says of its version: the first words of its first line.
    pub(crate) fn version(&self) -> Option<String> {
        const WORDS: usize = 3;
        let mut command = Command::new(self.program().ok()?);
        let output = command.arg(self.version).stdin(Stdio::null()).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let words = text.lines().next()?.split_ascii_whitespace().take(WORDS);
        Some(words.collect::<Vec<_>>().join(" "))
    }
}

/// A port of 127.0.0.1 that is free for streams and for datagrams. Somebody else could take it
/// before it is used; then the server says so and that run fails.
fn free_address() -> io::Result<SocketAddr> {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

/// Words as arguments.
fn words<const COUNT: usize>(words: [&str; COUNT]) -> Vec<OsString> {
    words.map(OsString::from).to_vec()
}

/// A path as it is written into a configuration.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
