//! The picture for a README: CPU per message beside the bare epoll loop, small and by itself.

use super::axis::Axis;
use super::panel::{kind, line, push, text};
use super::trimmed;
use crate::figure::{Figure, show_ratio};
use crate::results::{Asked, BASE, Entered, OURS, Results};

/// What is shown, as far as it was measured, one of each kind; and what is said of it.
const WORKLOADS: &[(&str, &str)] = &[
    ("echo-50", "64 B, 50 connections"),
    ("echo-10k", "64 B, 10,000 connections"),
    ("frames-16", "64 B frames, 16 in flight"),
    ("frames-256", "64 B frames, 256 in flight"),
    ("lines-16", "64 B lines, 16 in flight"),
    ("frames-1m", "1 MiB frames"),
    ("udp-1", "64 B, 32 in flight"),
    ("churn", "connect, 64 B, close"),
];
/// Who is shown, as far as they took part: what they are called, and under which names they are
/// measured. Of tokio, frames are for its codecs.
const CONTENDERS: &[(&str, &[&str])] = &[
    (OURS, &[OURS]),
    ("mio", &["mio"]),
    ("tokio", &["tokio", "tokio-batch"]),
    ("smol", &["smol"]),
    ("monoio-epoll", &["monoio-epoll"]),
    ("monoio-uring", &["monoio-uring"]),
    ("message-io", &["message-io"]),
    ("threads", &["threads"]),
];

const STYLE: &str = include_str!("picture.css");

const WIDTH: f64 = 800.0;
const COLUMNS: usize = 4;
/// The room for names, left of the first column.
const NAMES: f64 = 96.0;
/// The room around all.
const EDGE: f64 = 20.0;
/// The room above the panels, for what it is.
const HEAD: f64 = 62.0;
/// The room for the name of a panel.
const TITLE: f64 = 40.0;
const ROW: f64 = 19.0;
/// The room for the numbers of the axis.
const FOOT: f64 = 28.0;
/// The room for a ratio, right of its row.
const RATIO: f64 = 40.0;
/// How far from one another the numbers of the axis are at least.
const APART: f64 = 20.0;
/// The room between two panels.
const GAP: f64 = 14.0;

/// The picture as a file of its own, for light pages and dark ones.
pub(crate) fn picture(results: &Results) -> String {
    let workloads: Vec<&Asked> =
        results.workloads_with(Figure::Cpu).filter(|workload| brief(workload).is_some()).collect();
    let contenders = shown_contenders(results);
    let panel_len = TITLE + ROW * contenders.len() as f64 + FOOT;
    let lines = workloads.len().div_ceil(COLUMNS).max(1);
    let height = HEAD + panel_len * lines as f64 + 4.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<title>CPU per message as a multiple \
         of a bare epoll loop's</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    text(&mut svg, "title", EDGE, 30.0, "CPU per message, as a multiple of a bare epoll loop's");
    let day = results.taken.split(' ').next().unwrap_or_default();
    let cores = results.machine.cores;
    let has_codecs = contenders.iter().any(|(_, contenders)| contenders.len() > 1);
    let codecs = if has_codecs { "; tokio's frames: its codecs, batching" } else { "" };
    let about = format!(
        "left is better; loopback, server on one core of {cores}, median of {} rounds, {day}\
         {codecs}",
        results.rounds
    );
    text(&mut svg, "about", EDGE, 49.0, &about);
    for (at, workload) in workloads.iter().enumerate() {
        let (column, line) = (at % COLUMNS, at / COLUMNS);
        let top = HEAD + panel_len * line as f64;
        panel(&mut svg, results, workload, &contenders, (column, top), &workloads);
    }
    svg + "</svg>\n"
}

/// A row: what it is called, and the contenders of which one stands there.
type Shown<'a> = (&'a str, Vec<&'a Entered>);

fn shown_contenders(results: &Results) -> Vec<Shown<'_>> {
    let named = |names: &[&str]| {
        let is_named = |contender: &&Entered| names.contains(&contender.name.as_str());
        results.contenders.iter().filter(is_named).collect::<Vec<_>>()
    };
    let main = CONTENDERS.iter().map(|(name, names)| (*name, named(names)));
    let main: Vec<Shown<'_>> = main.filter(|(_, named)| !named.is_empty()).collect();
    if !main.is_empty() {
        return main;
    }
    let others = results.contenders.iter().filter(|contender| contender.name != BASE);
    others.map(|contender| (contender.name.as_str(), vec![contender])).collect()
}

/// The ratio of the first of them that was measured.
fn ratio(results: &Results, workload: &Asked, (_, contenders): &Shown<'_>) -> Option<f64> {
    contenders.iter().find_map(|contender| {
        Some(results.ratio(&workload.name, &contender.name, Figure::Cpu)?.value)
    })
}

/// One workload: a row for each contender, on the axis that all panels share.
fn panel(
    svg: &mut String,
    results: &Results,
    workload: &Asked,
    contenders: &[Shown<'_>],
    (column, top): (usize, f64),
    workloads: &[&Asked],
) {
    let columns = COLUMNS as f64;
    let width = (WIDTH - 2.0 * EDGE - NAMES - GAP * (columns - 1.0)) / columns;
    let left = EDGE + NAMES + (width + GAP) * column as f64;
    let all = workloads.iter().flat_map(|workload| {
        contenders.iter().filter_map(|contender| ratio(results, workload, contender))
    });
    let axis = Axis::over(all.chain([1.0]), left, left + width - RATIO);
    text(svg, "workload", left, top + 15.0, &workload.name);
    text(svg, "about", left, top + 30.0, brief(workload).unwrap_or_default());
    let bottom = top + TITLE + ROW * contenders.len() as f64;
    for tick in axis.ticks(APART) {
        let x = axis.place(tick);
        line(svg, "grid", [x, top + TITLE, x, bottom]);
        text(svg, "tick", x, bottom + 13.0, &trimmed(tick));
    }
    let x = axis.place(1.0);
    line(svg, "reference", [x, top + TITLE, x, bottom]);
    for (at, contender) in contenders.iter().enumerate() {
        let y = top + TITLE + ROW * (at as f64 + 0.5);
        push(svg, format_args!("<g class=\"row {}\">", kind(contender.0)));
        if column == 0 {
            text(svg, "name", EDGE + NAMES - 10.0, y + 4.0, contender.0);
        }
        let shown = match ratio(results, workload, contender) {
            Some(ratio) => {
                let end = axis.place(ratio);
                line(svg, "stem", [x, y, end, y]);
                push(
                    svg,
                    format_args!("<circle class=\"mark\" cx=\"{end:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
                );
                show_ratio(ratio)
            }
            None => "–".to_owned(),
        };
        text(svg, "figure", left + width, y + 4.0, &shown);
        svg.push_str("</g>\n");
    }
}

/// What is done, in the room that a panel has; none if it is not shown.
fn brief(workload: &Asked) -> Option<&'static str> {
    WORKLOADS.iter().find(|(name, _)| *name == workload.name).map(|(_, brief)| *brief)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn frames_of_tokio_are_those_of_its_codecs() {
        let mut results = example();
        assert!(!picture(&results).contains("its codecs"));
        results.contenders[2].name = "tokio".to_owned();
        results.contenders.push(Entered { name: "tokio-batch".to_owned(), about: String::new() });
        for run in results.runs.iter_mut().filter(|run| run.contender == "slow<er>") {
            let is_framed = run.workload == "frames-16";
            run.contender = if is_framed { "tokio-batch" } else { "tokio" }.to_owned();
        }
        let picture = picture(&results);
        assert!(picture.contains("its codecs") && !picture.contains(">–<"), "{picture}");
        assert_eq!(picture.matches(">10.0<").count(), 2, "{picture}");
        assert_eq!(picture.matches(">tokio<").count(), 1, "{picture}");
    }
}
