//! One plot with the figures under it.

use super::figures::figures;
use super::panel::{Panel, Row, push};
use super::{escaped, flags, trimmed};
use crate::figure::{Figure, PERCENTILES, STAGES, show_ratio};
use crate::results::{Asked, BASE, Entered, Results};

/// One plot with its table.
pub(super) fn plot(
    html: &mut String,
    results: &Results,
    workload: &Asked,
    figure: Figure,
    title: &str,
) {
    let contenders: Vec<&Entered> = results.contenders_with(&workload.name, figure).collect();
    let has_base =
        results.spread(&workload.name, BASE, figure).is_some_and(|base| base.value > 0.0);
    let is_relative = has_base && !matches!(figure, Figure::Latency(_) | Figure::Memory(_));
    let relative = |value: f64| format!("{} ×", trimmed(value));
    let absolute = |value: f64| short(&figure.show(value));
    let panel = Panel {
        label: format!("{title}, {}: {}", workload.name, workload.about),
        rows: contenders
            .iter()
            .filter_map(|contender| row(results, workload, contender, figure, is_relative))
            .collect(),
        reference: is_relative.then_some(1.0),
        show: if is_relative { &relative } else { &absolute },
    };
    let heading = match figure {
        Figure::Memory(stage) => format!("{}: {}", workload.name, STAGES[stage]),
        _ => workload.name.clone(),
    };
    push(
        html,
        format_args!(
            "<figure>\n<figcaption><b>{}</b> {}</figcaption>\n{}",
            escaped(&heading),
            escaped(&workload.about),
            panel.draw()
        ),
    );
    html.push_str("<details><summary>Figures</summary>\n<div class=\"wide\">");
    figures(html, results, workload, &contenders, figure);
    html.push_str("</div></details>\n</figure>\n");
}

fn row(
    results: &Results,
    workload: &Asked,
    contender: &Entered,
    figure: Figure,
    is_relative: bool,
) -> Option<Row> {
    let spread = |figure| results.spread(&workload.name, &contender.name, figure);
    let main = spread(figure)?;
    let mark = flags(results, workload, contender, figure);
    let shown = figure.show(main.value);
    let (marks, spread, text) = match figure {
        Figure::Latency(_) => {
            let all = (0..PERCENTILES.len()).map(|at| spread(Figure::Latency(at)));
            let marks: Vec<f64> = all.map_while(|spread| Some(spread?.value)).collect();
            let p99 = marks.get(2).map(|p99| figure.show(*p99)).unwrap_or_default();
            (marks, None, format!("{shown} / {p99}{mark}"))
        }
        _ if is_relative => {
            let ratio = results.ratio(&workload.name, &contender.name, figure)?;
            let text = format!("{shown}{mark}  {} ×", show_ratio(ratio.value));
            (vec![ratio.value], Some(ratio), text)
        }
        _ => (vec![main.value], Some(main), format!("{shown}{mark}")),
    };
    let hint =
        format!("{}: {} to {}", contender.name, figure.show(main.least), figure.show(main.most));
    Some(Row { name: contender.name.clone(), marks, spread, text, hint })
}

/// A shown value of an axis, without zeros that say nothing: `2.00 µs` is `2 µs`.
fn short(shown: &str) -> String {
    let (number, unit) = shown.split_once(' ').unwrap_or((shown, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {unit}").trim_end().to_owned()
}
