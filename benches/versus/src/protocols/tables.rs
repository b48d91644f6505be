//! The tables of real protocols: what was measured, and how many times that of others it is.

use crate::figure::{Figure, show_ratio};
use crate::grid::Grid;
use crate::results::{Asked, Entered, OURS, Results};
use crate::table::{LEGEND, add_notes, of_workload};
use crate::workload::{self, Protocol};

use super::REAL;

/// What is compared, and how a row of it is called.
const COMPARED: &[(Figure, &str)] = &[
    (Figure::Throughput, "requests a second"),
    (Figure::Cpu, "CPU a request"),
    (Figure::Instructions, "instructions a request"),
    (Figure::SystemCalls, "system calls a request"),
    (Figure::Resident, "resident memory"),
];

/// All that was measured: a table for each workload, and one for each protocol.
pub(super) fn tables(results: &Results, width: usize) -> String {
    let mut text = String::new();
    for protocol in REAL {
        for asked in of_protocol(results, protocol) {
            if let Some(grid) = of_workload(results, asked) {
                text.push_str(&format!("{}: {}\n{}\n", asked.name, asked.about, grid.lines(width)));
            }
        }
        if let Some(grid) = beside(results, protocol) {
            text.push_str(&format!("{}\n{}\n", heading(protocol), grid.lines(width)));
        }
    }
    text.push_str(LEGEND);
    text.push('\n');
    for Entered { name, about } in &results.contenders {
        text.push_str(&format!("{name}: {about}\n"));
    }
    let (machine, taken) = (results.machine.describe(), &results.taken);
    let versions = results.machine.list_versions();
    text.push_str(&format!("\nMeasured on {taken}: {machine}; {versions}\n"));
    add_notes(results, &mut text);
    text
}

/// The tables of the protocols only, for a README.
pub(super) fn markdown(results: &Results) -> String {
    let table = |protocol| Some((protocol, beside(results, protocol)?));
    let tables = REAL.into_iter().filter_map(table);
    let shown = tables.map(|(it, grid)| format!("{}\n\n{}\n", heading(it), grid.markdown()));
    shown.collect()
}

fn heading(protocol: Protocol) -> String {
    format!("{}: windlass, and how many times the figure of others that is", protocol.name())
}

fn of_protocol(results: &Results, protocol: Protocol) -> impl Iterator<Item = &Asked> {
    let is_of = move |asked: &&Asked| {
        workload::named(&asked.name).is_some_and(|workload| workload.protocol == protocol)
    };
    results.workloads.iter().filter(is_of)
}

/// Our figures, and beside them a column for each of the others; none if we have none.
fn beside(results: &Results, protocol: Protocol) -> Option<Grid> {
    let others = others(results, protocol);
    let names = others.iter().map(|other| format!("× {}", other.name));
    let mut grid = Grid::new([String::new(), OURS.to_owned()].into_iter().chain(names));
    let mut is_empty = true;
    for asked in of_protocol(results, protocol) {
        for (figure, what) in COMPARED {
            let Some(ours) = results.spread(&asked.name, OURS, *figure) else { continue };
            let cells = others.iter().map(|other| {
                cell(results, asked, other, *figure).unwrap_or_else(|| "–".to_owned())
            });
            let is_bound = results.is_load_bound(&asked.name, OURS);
            let flag = if is_bound && *figure == Figure::Throughput { "†" } else { "" };
            let row = [format!("{}: {what}", asked.name), figure.show(ours.value) + flag];
            grid.push(row.into_iter().chain(cells));
            is_empty = false;
        }
    }
    (!is_empty).then_some(grid)
}

/// Who else has a figure that we have.
fn others(results: &Results, protocol: Protocol) -> Vec<&Entered> {
    let is_compared = |other: &&Entered| {
        let has = |asked: &Asked| {
            COMPARED.iter().any(|(figure, _)| cell(results, asked, other, *figure).is_some())
        };
        other.name != OURS && of_protocol(results, protocol).any(has)
    };
    results.contenders.iter().filter(is_compared).collect()
}

/// How many times the other's figure ours is: by rounds, then the median, behind it the least and
/// the most.
fn cell(results: &Results, asked: &Asked, other: &Entered, figure: Figure) -> Option<String> {
    let ratio = results.ratio_to(&other.name, &asked.name, OURS, figure)?;
    let median = show_ratio(ratio.value);
    Some(match ratio.least == ratio.most {
        true => median,
        false => format!("{median} ({}–{})", show_ratio(ratio.least), show_ratio(ratio.most)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    /// What was measured of echoes, as if it had been HTTP.
    fn results() -> Results {
        let mut results = example();
        let renamed = |name: &mut String| {
            if name == "echo-50" {
                *name = "http-1".to_owned();
            }
        };
        results.workloads.iter_mut().for_each(|asked| renamed(&mut asked.name));
        results.runs.iter_mut().for_each(|run| renamed(&mut run.workload));
        results.counts.iter_mut().for_each(|counted| renamed(&mut counted.workload));
        results
    }

    #[test]
    fn ours_is_shown_as_a_multiple_of_each_other() {
        let tables = tables(&results(), 200);
        let (_, beside) = tables.split_once("http: windlass, and how many times").unwrap();
        let rows: Vec<Vec<&str>> =
            beside.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["windlass", "×", "epoll", "×", "slow<er>"]);
        let cpu = rows.iter().find(|row| row.contains(&"CPU")).unwrap();
        assert_eq!(cpu[4..], ["2.00", "µs", "2.00", "0.20"]);
        let speed = rows.iter().find(|row| row.contains(&"second")).unwrap();
        assert_eq!(speed[4..], ["455", "k", "0.50", "5.00"]);
    }

    #[test]
    fn what_was_not_measured_has_no_table() {
        let tables = tables(&results(), 200);
        assert!(!tables.contains("kv: windlass") && !tables.contains("frames-16"), "{tables}");
        assert!(tables.contains("\nslow<er>: slow<er>, as its users write it\n"), "{tables}");
        assert!(markdown(&results()).starts_with("http: windlass"));
    }
}
