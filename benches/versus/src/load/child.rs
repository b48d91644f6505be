//! The load as a child process, seen by who measures.

use std::env;
use std::fmt::Display;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::plan::{Plan, Until};
use super::stretch::Outcome;
use crate::cores::spawn_on;
use crate::lines::Lines;
use crate::trouble::{Trouble, Trying as _};

/// A load ends by itself if it is not answered; this is for one that does not even do that.
const PATIENCE: Duration = Duration::from_secs(120);

/// A load that runs. It is killed when this is dropped.
pub(crate) struct LoadChild {
    child: Child,
    input: ChildStdin,
    lines: Lines<ChildStdout>,
    patience: Duration,
}

impl LoadChild {
    /// Starts this program as a load on its core.
    pub(crate) fn start(plan: &Plan, core: usize) -> Result<Self, Trouble> {
        let program = env::current_exe().trying("cannot tell which program this is")?;
        let mut command = Command::new(program);
        command.arg("load").args(plan.arguments());
        Self::spawn(&mut command, plan, core)
    }

    fn spawn(command: &mut Command, plan: &Plan, core: usize) -> Result<Self, Trouble> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn_on(&[core], command)?;
        let input = child.stdin.take().expect("it was asked for");
        let lines = Lines::new(child.stdout.take().expect("it was asked for"));
        let patience = [plan.warm, plan.stretch].iter().fold(PATIENCE, |sum, until| match until {
            Until::Time(time) => sum + *time,
            Until::Replies(_) => sum,
        });
        Ok(Self { child, input, lines, patience })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says that it has come to a stage.
    ///
    /// # Errors
    /// What it complains of, if it ends instead.
    pub(crate) fn reach(&mut self, stage: &str) -> Result<(), Trouble> {
        let line = self.line()?;
        if line == stage {
            return Ok(());
        }
        Err(Trouble::new(format!("the load said `{line}`, not `{stage}`")))
    }

    /// Waits for what it has measured.
    ///
    /// # Errors
    /// What it complains of, such as a wrong reply.
    pub(crate) fn outcome(&mut self) -> Result<Outcome, Trouble> {
        Outcome::parse(&self.line()?)
    }

    /// Lets it go on.
    pub(crate) fn go_on(&mut self) -> Result<(), Trouble> {
        self.input.write_all(b"go\n").map_err(|error| self.complaint(error))
    }

    /// Lets it go on to its end.
    ///
    /// # Errors
    /// What it complains of.
    pub(crate) fn finish(mut self) -> Result<(), Trouble> {
        self.go_on()?;
        match self.lines.next(self.patience).trying("the load")? {
            Some(line) => Err(Trouble::new(format!("the load said `{line}` at its end"))),
            None if self.child.wait().trying("the load")?.success() => Ok(()),
            None => Err(self.complaint("it failed")),
        }
    }

    fn line(&mut self) -> Result<String, Trouble> {
        let line = self.lines.next(self.patience).trying("the load")?;
        line.ok_or_else(|| self.complaint("it ended too early"))
    }

    /// What the load said before it ended, or that it did.
    fn complaint(&mut self, what: impl Display) -> Trouble {
        let mut text = String::new();
        let _ = self.child.kill();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        match text.trim() {
            "" => Trouble::new(format!("the load: {what}")),
            text => Trouble::new(text),
        }
    }
}

impl Drop for LoadChild {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Protocol, Shape};

    fn shell(script: &str) -> LoadChild {
        let plan = Plan {
            address: "127.0.0.1:1".parse().unwrap(),
            protocol: Protocol::Raw,
            shape: Shape::Idle { connections: 1 },
            warm: Until::Replies(1),
            stretch: Until::Replies(1),
        };
        let mut command = Command::new("sh");
        LoadChild::spawn(command.args(["-c", script]), &plan, 0).unwrap()
    }

    #[test]
    fn a_load_goes_from_stage_to_stage() {
        let outcome = Outcome { replies: 5, ..Outcome::default() };
        let mut load = shell(&format!("echo warm; read x; echo '{outcome}'; read x"));
        load.reach("warm").unwrap();
        load.go_on().unwrap();
        assert_eq!(load.outcome(), Ok(outcome));
        assert_eq!(load.finish(), Ok(()));
    }

    #[test]
    fn what_a_load_complains_of_is_the_trouble() {
        let mut load = shell("echo warm; read x; echo wrong bytes came back >&2; exit 1");
        load.reach("warm").unwrap();
        load.go_on().unwrap();
        assert_eq!(load.outcome(), Err(Trouble::new("wrong bytes came back")));
    }

    #[test]
    fn a_load_that_fails_at_its_end_is_noticed() {
        let load = shell("read x; echo surplus >&2; exit 1");
        assert_eq!(load.finish(), Err(Trouble::new("surplus")));
    }

    #[test]
    fn a_load_that_says_something_else_is_noticed() {
        let trouble = shell("echo cold").reach("warm").unwrap_err();
        assert_eq!(trouble.to_string(), "the load said `cold`, not `warm`");
    }
}
