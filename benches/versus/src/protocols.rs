//! Measures the crate's examples of real protocols beside servers of others on the same work.

mod options;
mod tables;

use std::env;
use std::error::Error;
use std::path::Path;

use crate::contenders::CONTENDERS;
use crate::entrants::Entrant;
use crate::examples::Example;
use crate::rivals::RIVALS;
use crate::versus;
use crate::workload::Protocol;

pub(crate) use options::{HELP, ProtocolOptions, REAL, read};

/// Measures, prints a table for each workload and one for each protocol, and writes what is asked
/// for.
///
/// # Errors
///
/// What could not be written, or that nothing could be measured. What else could not be measured is
/// noted with the tables.
pub(crate) fn run(options: &ProtocolOptions) -> Result<(), Box<dyn Error>> {
    let (entrants, missing) = entrants(options, &env::current_exe()?);
    let mut results = versus::measured(&options.measuring, &entrants)?;
    results.notes.splice(0..0, missing);
    versus::check(&results)?;
    print!("{}", tables::tables(&results, versus::terminal_width()));
    if let Some(path) = &options.measuring.files.json {
        results.write(path).map_err(|what| format!("cannot write {}: {what}", path.display()))?;
    }
    if let Some(path) = &options.measuring.files.markdown {
        versus::write(path, &tables::markdown(&results))?;
    }
    Ok(())
}

/// Who takes part, and who is left out and why. The floor comes first, and then the examples.
fn entrants(options: &ProtocolOptions, program: &Path) -> (Vec<Entrant>, Vec<String>) {
    let mut missing = Vec::new();
    let mut examples = Vec::new();
    for &protocol in &options.protocols {
        let given = options.examples.iter().find(|(other, _)| *other == protocol);
        let example = match given {
            Some((_, path)) => Ok(Example::at(protocol, path)),
            None => Example::build(protocol, program),
        };
        match example {
            Ok(example) => examples.push(example),
            Err(trouble) => missing.push(trouble.to_string()),
        }
    }
    let speaks = |protocol: &Protocol| options.protocols.contains(protocol);
    let mut own = CONTENDERS
        .iter()
        .filter(|contender| contender.protocols.iter().any(speaks))
        .map(Entrant::own);
    let mut entrants: Vec<Entrant> = own.next().into_iter().collect();
    entrants.push(Entrant::examples(&examples));
    entrants.extend(own);
    for rival in RIVALS.iter().filter(|rival| speaks(&rival.protocol)) {
        match rival.program() {
            Ok(_) => entrants.push(Entrant::rival(rival)),
            Err(trouble) => missing.push(trouble.to_string()),
        }
    }
    (entrants, missing)
}
