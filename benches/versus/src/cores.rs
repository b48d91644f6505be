//! Which processor cores there are, who runs on which, and what the host takes from them.

use std::fs;
use std::io;
use std::process::{Child, Command};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::trouble::{Trouble, Trying as _};

/// The kernel counts what the host takes in ticks of this length.
const TICK_NS: u64 = 10_000_000;

/// Who runs where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cores {
    pub(crate) server: Vec<usize>,
    pub(crate) load: usize,
}

impl Cores {
    /// Gives the server as many cores as it may have, and the load one of its own: the last.
    ///
    /// # Errors
    /// If there are too few.
    pub(crate) fn share(for_server: usize) -> Result<Self, Trouble> {
        Self::share_of(&available()?, for_server)
    }

    /// The same, but both on one core if there is only one: where nothing but calls or instructions
    /// is counted, that makes no difference.
    ///
    /// # Errors
    /// If this process cannot tell which cores there are.
    pub(crate) fn share_to_count(for_server: usize) -> Result<Self, Trouble> {
        let available = available()?;
        match available[..] {
            [only] => Ok(Self { server: vec![only], load: only }),
            _ => Self::share_of(&available, for_server),
        }
    }

    /// Those of both.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> {
        self.server.iter().copied().chain([self.load])
    }

    fn share_of(available: &[usize], for_server: usize) -> Result<Self, Trouble> {
        match available {
            [server @ .., load] if server.len() >= for_server.max(1) => {
                Ok(Self { server: server[..for_server.max(1)].to_vec(), load: *load })
            }
            _ => Err(Trouble::new(format!(
                "{} needed, one of them for the load, but this process may use {}: what runs on \
                 the same core as its load is not measured by it",
                match for_server.max(1) + 1 {
                    2 => "two cores are".to_owned(),
                    count => format!("{count} cores are"),
                },
                match available.len() {
                    1 => "only one".to_owned(),
                    count => format!("only {count}"),
                },
            ))),
        }
    }
}

/// The cores that this process may use.
fn available() -> Result<Vec<usize>, Trouble> {
    let set = sched_getaffinity(Pid::from_raw(0)).trying("cannot tell which cores there are")?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}

/// Does something with this thread on some cores only; what it starts stays on them.
pub(crate) fn on<T>(cores: &[usize], work: impl FnOnce() -> T) -> Result<T, Trouble> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this).trying("cannot tell which cores there are")?;
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core).trying(format!("there is no core {core}"))?;
    }
    sched_setaffinity(this, &set).trying(format!("cannot run on the cores {cores:?}"))?;
    let result = work();
    sched_setaffinity(this, &before).trying("cannot run on all cores again")?;
    Ok(result)
}

/// Starts a child that stays on some cores.
pub(crate) fn spawn_on(cores: &[usize], command: &mut Command) -> Result<Child, Trouble> {
    let name = command.get_program().to_string_lossy().into_owned();
    on(cores, || command.spawn())?.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Trouble::new(format!("there is no program `{name}`")),
        _ => Trouble::new(format!("cannot start `{name}`: {error}")),
    })
}

/// What the host has taken from some cores since it began, in nanoseconds.
pub(crate) fn stolen_ns(cores: impl IntoIterator<Item = usize>) -> Result<u64, Trouble> {
    let stat = fs::read_to_string("/proc/stat").trying("cannot read /proc/stat")?;
    Ok(cores.into_iter().map(|core| stolen_in(&stat, core)).sum())
}

/// The eighth number of a core's line; kernels too old to have it have no host either.
fn stolen_in(stat: &str, core: usize) -> u64 {
    let name = format!("cpu{core}");
    stat.lines()
        .map(str::split_ascii_whitespace)
        .find_map(|mut words| (words.next() == Some(&name)).then_some(words))
        .and_then(|mut words| words.nth(7)?.parse::<u64>().ok())
        .map_or(0, |ticks| ticks * TICK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_has_a_core_that_no_server_has() {
        let cores = Cores::share_of(&[0, 1], 1).unwrap();
        assert_eq!(cores, Cores { server: vec![0], load: 1 });
        let cores = Cores::share_of(&[2, 3, 5, 7], 2).unwrap();
        assert_eq!(cores, Cores { server: vec![2, 3], load: 7 });
    }

    #[test]
    fn too_few_cores_are_refused_in_a_sentence() {
        let trouble = Cores::share_of(&[4], 1).unwrap_err().to_string();
        assert!(trouble.starts_with("two cores are needed"), "{trouble}");
        assert!(trouble.contains("only one"), "{trouble}");
        assert!(Cores::share_of(&[0, 1], 2).is_err());
        assert!(Cores::share_of(&[], 0).is_err());
    }

    #[test]
    fn stolen_time_is_that_of_the_core_asked_for() {
        let stat = "cpu  10 0 0 0 0 0 0 99 0 0\ncpu1 1 2 3 4 5 6 7 8 9 0\n\
                    cpu10 1 2 3 4 5 6 7 80 9 0\ncpu2 1 2 3\nintr 5";
        assert_eq!(stolen_in(stat, 1), 8 * TICK_NS);
        assert_eq!(stolen_in(stat, 10), 80 * TICK_NS);
        assert_eq!(stolen_in(stat, 2), 0);
        assert_eq!(stolen_in(stat, 3), 0);
    }
}
