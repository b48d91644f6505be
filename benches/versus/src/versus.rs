//! Measures all that was asked for, counts, and writes what came of it.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::counting::count;
use crate::entrants::{Entrant, entrants};
use crate::machine::Machine;
use crate::measure;
use crate::options::{Counts, Files, Options};
use crate::report;
use crate::results::{Asked, Entered, Results};
use crate::sample::Sample;
use crate::schedule::{self, Bench, Turn};
use crate::table::table;
use crate::workload::Workload;

/// Where the report is written unless the options say so.
const REPORT: &str = "target/versus/report.html";
/// The width of the table if the terminal does not tell its own.
const WIDTH: usize = 132;
/// And no narrower than this.
const MIN_WIDTH: usize = 60;

/// How often the bar is drawn: rarely, since nothing else should run meanwhile.
const TICK: Duration = Duration::from_secs(1);

/// Measures, or reads what was measured; prints the table, and writes the files.
///
/// # Errors
///
/// What could not be read or written. What could not be measured is noted in the results.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let results = match &options.from {
        Some(path) => {
            Results::read(path).map_err(|what| format!("cannot read {}: {what}", path.display()))?
        }
        None => {
            let entrants = entrants(options.contenders.as_deref(), &options.extras);
            measured(options, &entrants)?
        }
    };
    check(&results)?;
    println!("{}", table(&results, terminal_width()));
    write_files(&options.files, &results)
}

/// That there is something to show.
///
/// # Errors
///
/// Why there is not.
pub(crate) fn check(results: &Results) -> Result<(), String> {
    if results.runs.is_empty() && results.counts.is_empty() {
        let why = results.notes.first().map_or("nobody speaks what was asked for", String::as_str);
        return Err(format!("nothing could be measured: {why}"));
    }
    Ok(())
}

/// How wide a table may be.
pub(crate) fn terminal_width() -> usize {
    let size = Term::stdout().size_checked();
    size.map_or(WIDTH, |(_, columns)| usize::from(columns).max(MIN_WIDTH))
}

fn write_files(files: &Files, results: &Results) -> Result<(), Box<dyn Error>> {
    if let Some(path) = &files.json {
        results.write(path).map_err(|what| format!("cannot write {}: {what}", path.display()))?;
    }
    if let Some(path) = &files.markdown {
        write(path, &report::markdown(results))?;
    }
    if let Some(path) = &files.svg {
        write(path, &report::picture(results))?;
    }
    let html = files.html.clone().unwrap_or_else(|| PathBuf::from(REPORT));
    write(&html, &report::page(results))?;
    println!("The report is {}", html.display());
    Ok(())
}

/// Writes the file, and the folders it is in.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = folder.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    Ok(written.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
}

/// Measures these, and counts.
///
/// # Errors
///
/// If this program cannot tell where it is.
pub(crate) fn measured(options: &Options, entrants: &[Entrant]) -> Result<Results, Box<dyn Error>> {
    let taken = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
    let seconds = options.run_time.as_secs_f64();
    let mut results = Results::new(taken, Machine::read(), options.rounds, seconds);
    let asked = |workload: &&Workload| Asked {
        name: workload.name.to_owned(),
        about: workload.to_string(),
    };
    results.workloads = options.workloads.iter().map(asked).collect();
    let entered =
        |entrant: &Entrant| Entered { name: entrant.name.clone(), about: entrant.about.clone() };
    results.contenders = entrants.iter().map(entered).collect();
    if options.counts != Counts::Only {
        let turns = schedule::turns(&options.workloads, entrants, options.rounds);
        let mut stand = Stand {
            workloads: &options.workloads,
            entrants,
            run_time: options.run_time,
            program: env::current_exe()?,
            bar: bar("measuring", turns.len()),
        };
        schedule::measure(&options.workloads, entrants, &turns, &mut stand, &mut results);
        stand.bar.finish_and_clear();
    }
    if options.counts != Counts::None {
        count(options, entrants, &mut results)?;
    }
    Ok(results)
}

/// The real servers and the real load.
struct Stand<'a> {
    workloads: &'a [&'static Workload],
    entrants: &'a [Entrant],
    run_time: Duration,
    program: PathBuf,
    bar: ProgressBar,
}

impl Bench for Stand<'_> {
    fn begin(&mut self, turn: &Turn, done: usize) {
        let workload = self.workloads[turn.workload].name;
        self.bar.set_message(format!("{workload} · {}", self.entrants[turn.entrant].name));
        self.bar.set_position(done as u64);
    }

    fn run(&mut self, turn: &Turn) -> Result<Sample, String> {
        let workload = self.workloads[turn.workload];
        let target = self.entrants[turn.entrant].target(&self.program, workload.protocol);
        let sample = target.and_then(|target| measure::run(&target, workload, self.run_time));
        sample.map_err(|trouble| trouble.to_string())
    }

    fn probe(&mut self) -> Option<f64> {
        measure::probe().ok().map(|time| time.as_secs_f64())
    }
}

/// A bar for so many steps, on standard error if that is a terminal.
pub(crate) fn bar(doing: &'static str, steps: usize) -> ProgressBar {
    let template = "{prefix} {bar:30} {pos}/{len}  {eta} left  {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    let bar = ProgressBar::new(steps as u64).with_style(style).with_prefix(doing);
    bar.enable_steady_tick(TICK);
    bar
}
