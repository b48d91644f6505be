//! The load: a bare loop of its own, in a process of its own, that asks and compares every byte of
//! every answer.
//!
//! It is closed: a new message is sent only for one that is answered. One stretch does not count,
//! so that everything is warm; then whoever measures says when the other begins.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::trouble::Trouble;
use crate::workload::Shape;
use accept::Accept;
use churn::Churn;
use datagrams::Datagrams;
use plan::USAGE;
use requests::Requests;
use stretch::{Clock, Tally, cpu_ns};

// What one does
mod accept;
mod churn;
mod datagrams;
mod idle;
mod requests;
// What they are made of
mod flight;
mod histogram;
mod layout;
mod reader;
mod socket;
mod window;
// What is asked of it, and what it says
mod child;
mod dialogue;
mod plan;
mod stretch;

pub(crate) use child::LoadChild;
pub(crate) use idle::STAGES as STAGES_OF_IDLE;
pub(crate) use plan::{Plan, Until};
pub(crate) use stretch::Outcome;

/// A kind of work that can be done for a while, and again.
trait Work {
    /// Works until so much is done, and all that was sent is answered.
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble>;

    /// Looks whether anything came that should not have.
    fn finish(&mut self) -> Result<(), Trouble>;
}

/// Plays the load, as the child process of who measures or by hand.
pub(crate) fn main_of_load(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let plan = match Plan::parse(&args) {
        Ok(plan) => plan,
        Err(trouble) => {
            eprintln!("load: {trouble}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match play(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("load: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn play(plan: &Plan) -> Result<(), Trouble> {
    socket::raise_descriptor_limit()?;
    let mut work: Box<dyn Work> = match plan.shape {
        Shape::Requests { connections, in_flight, message_len } => {
            Box::new(Requests::open(plan, connections, in_flight, message_len)?)
        }
        Shape::Datagrams { flows, in_flight, payload_len, is_batching } => {
            Box::new(Datagrams::open(plan, flows, in_flight, payload_len, is_batching)?)
        }
        Shape::Accept { connections } => Box::new(Accept::new(plan, connections)?),
        Shape::Churn { concurrent, message_len } => {
            Box::new(Churn::new(plan, concurrent, message_len))
        }
        Shape::Idle { connections } => return idle::play(plan, connections),
    };
    work.stretch(plan.warm, &mut Tally::new())?;
    let mut tally = Tally::new();
    dialogue::pause("warm")?;
    let (clock, cpu_before) = (Clock::start(), cpu_ns()?);
    work.stretch(plan.stretch, &mut tally)?;
    let (elapsed_ns, cpu_after) = (clock.now(), cpu_ns()?);
    dialogue::pause(Outcome::new(&tally, elapsed_ns, cpu_after - cpu_before))?;
    work.finish()
}
