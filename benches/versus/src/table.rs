//! The table for the terminal.

use crate::figure::{Figure, show_ratio};
use crate::grid::Grid;
use crate::report::flags;
use crate::results::{Asked, Entered, Results};

/// The columns of a workload: their heading, what is shown, and whether beside the base as well.
const COLUMNS: &[(&str, Figure, bool)] = &[
    ("a second", Figure::Throughput, true),
    ("CPU each", Figure::Cpu, true),
    ("p50", Figure::Latency(0), false),
    ("p99", Figure::Latency(2), false),
    ("p99.9", Figure::Latency(3), false),
    ("server", Figure::ServerShare, false),
    ("load", Figure::LoadShare, false),
    ("idle", Figure::Memory(0), false),
    ("used", Figure::Memory(1), false),
    ("closed", Figure::Memory(2), false),
    ("resident", Figure::Resident, false),
    ("instructions", Figure::Instructions, true),
    ("calls", Figure::SystemCalls, false),
];

/// What the signs in a table of a workload say.
pub(crate) const LEGEND: &str = "\
× is of the bare epoll loop's figure: the median of the rounds' ratios, behind it the least and
the most. Of latencies the best round is shown. † the load was busy and the server was not; ~ the
machine was slow meanwhile.
";

/// All that was measured, workload by workload, and at the end the CPU of all at a glance; set for
/// a terminal of this width.
pub(crate) fn table(results: &Results, width: usize) -> String {
    let mut text = String::new();
    for workload in &results.workloads {
        if let Some(grid) = of_workload(results, workload) {
            text.push_str(&format!(
                "{}: {}\n{}\n",
                workload.name,
                workload.about,
                grid.lines(width)
            ));
        }
    }
    text.push_str(LEGEND);
    if let Some(grid) = glance(results) {
        text.push_str("\nCPU a message, × the bare epoll loop's\n");
        text.push_str(&grid.lines(width));
    }
    add_notes(results, &mut text);
    text
}

/// Puts what a reader must know at the end.
pub(crate) fn add_notes(results: &Results, text: &mut String) {
    for note in &results.notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    if !results.notes.is_empty() {
        text.push('\n');
    }
}

/// The table of one workload; none if nothing was measured.
pub(crate) fn of_workload(results: &Results, workload: &Asked) -> Option<Grid> {
    let has = |figure| results.contenders_with(&workload.name, figure).next().is_some();
    let columns: Vec<_> = COLUMNS.iter().filter(|(_, figure, _)| has(*figure)).collect();
    if columns.is_empty() {
        return None;
    }
    let headings = columns.iter().flat_map(|(heading, _, is_compared)| {
        let beside = is_compared.then(|| ["×".to_owned(), String::new()]);
        [(*heading).to_owned()].into_iter().chain(beside.into_iter().flatten())
    });
    let mut grid = Grid::new([String::new()].into_iter().chain(headings));
    for contender in &results.contenders {
        let is_shown = |figure| !shown(results, workload, contender, figure).is_empty();
        if columns.iter().any(|(_, figure, _)| is_shown(*figure)) {
            let cells = columns.iter().flat_map(|(_, figure, is_compared)| {
                let beside = is_compared.then(|| ratio(results, workload, contender, *figure));
                let shown = shown(results, workload, contender, *figure);
                [shown].into_iter().chain(beside.into_iter().flatten())
            });
            grid.push([contender.name.clone()].into_iter().chain(cells));
        }
    }
    Some(grid)
}

fn shown(results: &Results, workload: &Asked, contender: &Entered, figure: Figure) -> String {
    let flags = match figure {
        Figure::Throughput | Figure::Memory(0) => flags(results, workload, contender, figure),
        _ => "",
    };
    let spread = results.spread(&workload.name, &contender.name, figure);
    spread.map_or_else(String::new, |spread| figure.show(spread.value) + flags)
}

/// The ratio, and behind it between which it was.
fn ratio(results: &Results, workload: &Asked, contender: &Entered, figure: Figure) -> [String; 2] {
    match results.ratio(&workload.name, &contender.name, figure) {
        Some(ratio) if ratio.least == ratio.most => [show_ratio(ratio.value), String::new()],
        Some(ratio) => {
            let ends = format!("{}–{}", show_ratio(ratio.least), show_ratio(ratio.most));
            [show_ratio(ratio.value), ends]
        }
        None => [String::new(), String::new()],
    }
}

/// A row for each contender, a column for each workload; none if no CPU was measured.
fn glance(results: &Results) -> Option<Grid> {
    let workloads: Vec<&Asked> = results.workloads_with(Figure::Cpu).collect();
    if workloads.is_empty() {
        return None;
    }
    let names = workloads.iter().map(|workload| workload.name.clone());
    let mut grid = Grid::new([String::new()].into_iter().chain(names));
    for contender in &results.contenders {
        let cells = workloads.iter().map(|workload| {
            let ratio = results.ratio(&workload.name, &contender.name, Figure::Cpu);
            ratio.map_or_else(|| "·".to_owned(), |ratio| show_ratio(ratio.value))
        });
        grid.push([contender.name.clone()].into_iter().chain(cells));
    }
    Some(grid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn every_contender_has_a_row_with_its_ratio() {
        let table = table(&example(), 120);
        let (_, echo) = table.split_once("echo-50: 64-byte messages, 50 connections\n").unwrap();
        let rows: Vec<&str> = echo.lines().take(4).collect();
        assert!(rows[1].starts_with("epoll") && rows[1].contains("1.00 µs"), "{echo}");
        assert!(rows[2].starts_with("windlass") && rows[2].contains("2.00"), "{echo}");
        assert!(rows[3].starts_with("slow<er>") && rows[3].contains("10.0"), "{echo}");
    }

    #[test]
    fn memory_is_shown_of_idle_connections_only() {
        let table = table(&example(), 120);
        let (before, idle) = table.split_once("idle: 10,000 connections that do nothing").unwrap();
        assert!(idle.lines().nth(2).unwrap().contains("64 B"), "{idle}");
        assert!(!before.contains(" B "), "{before}");
    }

    #[test]
    fn a_wide_table_keeps_to_the_terminal() {
        let table = table(&example(), 60);
        let tables = table.lines().filter(|line| line.contains("1.00"));
        assert!(tables.clone().count() > 3);
        assert!(tables.clone().all(|line| line.chars().count() <= 60), "{table}");
    }

    #[test]
    fn notes_are_told_at_the_end() {
        let table = table(&example(), 80);
        assert!(
            table.ends_with("note: slow<er> failed at udp-1: it does not speak it\n"),
            "{table}"
        );
    }
}
