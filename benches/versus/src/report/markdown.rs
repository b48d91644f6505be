//! The table for a README, with all that must be said beside it.

use super::LOOPBACK;
use crate::comparison::where_others_are_better;
use crate::figure::{Figure, show_ratio};
use crate::grid::Grid;
use crate::results::{Entered, Results};

/// The columns, as far as they were measured: workload, figure, and what a heading calls it.
const COLUMNS: &[(&str, Figure, &str)] = &[
    ("echo-50", Figure::Cpu, "echo, 50"),
    ("echo-10k", Figure::Cpu, "echo, 10k"),
    ("frames-16", Figure::Cpu, "frames, 16"),
    ("frames-256", Figure::Cpu, "frames, 256"),
    ("lines-16", Figure::Cpu, "lines, 16"),
    ("raw-1m", Figure::Cpu, "1 MiB"),
    ("frames-1m", Figure::Cpu, "frames, 1 MiB"),
    ("udp-1", Figure::Cpu, "UDP, 32"),
    ("churn", Figure::Cpu, "churn"),
    ("idle", Figure::Memory(0), "idle memory"),
    ("echo-1", Figure::Instructions, "instructions, echo"),
    ("frames-16", Figure::Instructions, "instructions, frame"),
];

/// The table in Markdown, the best of each column in bold.
pub(crate) fn markdown(results: &Results) -> String {
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|(workload, figure, _)| results.contenders_with(workload, *figure).count() > 0)
        .collect();
    let headings = columns.iter().map(|(_, _, heading)| (*heading).to_owned());
    let mut grid = Grid::new([String::new()].into_iter().chain(headings));
    for contender in &results.contenders {
        let cells =
            columns.iter().map(|(workload, figure, _)| cell(results, workload, contender, *figure));
        grid.push([contender.name.clone()].into_iter().chain(cells));
    }
    let mut text = grid.markdown();
    text.push_str(&format!(
        "\nCPU per message as a multiple of the bare epoll loop's (median of {} rounds); memory of \
         an idle connection; instructions in user space. In bold the least of each column.\n\
         Measured {} on {}; {}.\n{LOOPBACK}\n",
        results.rounds,
        results.taken,
        results.machine.describe(),
        results.machine.list_versions(),
    ));
    let better = where_others_are_better(results);
    if !better.is_empty() {
        text.push_str(
            "\nWhere another is better than windlass by more than 3 % in every round:\n\n",
        );
        better.iter().for_each(|sentence| text.push_str(&format!("- {sentence}\n")));
    }
    text
}

fn cell(results: &Results, workload: &str, contender: &Entered, figure: Figure) -> String {
    let value = |contender: &Entered| {
        let spread = match figure {
            Figure::Cpu => results.ratio(workload, &contender.name, figure),
            _ => results.spread(workload, &contender.name, figure),
        };
        spread.map(|spread| spread.value)
    };
    let show = |value: f64| match figure {
        Figure::Cpu => show_ratio(value),
        _ => figure.show(value),
    };
    let Some(own) = value(contender).map(show) else { return "–".to_owned() };
    let least = results.contenders.iter().filter_map(value).min_by(f64::total_cmp).map(show);
    if least.as_ref() == Some(&own) { format!("**{own}**") } else { own }
}
