//! The figures under a plot: a table with all that the plot shows.

use super::panel::{kind, push};
use super::{escaped, flags};
use crate::figure::{Figure, PERCENTILES, show_ratio};
use crate::results::{Asked, Entered, Results};

/// The columns of a table, each with its heading.
fn columns(figure: Figure) -> Vec<(&'static str, Figure)> {
    match figure {
        Figure::Latency(_) => {
            PERCENTILES.iter().zip(0..).map(|(name, at)| (*name, Figure::Latency(at))).collect()
        }
        Figure::Throughput => vec![
            ("median", figure),
            ("server busy", Figure::ServerShare),
            ("load busy", Figure::LoadShare),
        ],
        Figure::Instructions | Figure::SystemCalls => vec![("count", figure)],
        _ => vec![("median", figure)],
    }
}

/// A row for each contender, behind it the least and the most of the rounds.
pub(super) fn figures(
    html: &mut String,
    results: &Results,
    workload: &Asked,
    contenders: &[&Entered],
    figure: Figure,
) {
    let has_spread = matches!(figure, Figure::Throughput | Figure::Cpu);
    let has_ratio = !matches!(figure, Figure::Latency(_) | Figure::Memory(_));
    let has_ratio_spread = has_spread && has_ratio;
    html.push_str("<table>\n<tr><th></th>");
    for (heading, _) in columns(figure) {
        push(html, format_args!("<th>{heading}</th>"));
    }
    html.push_str(if has_spread { "<th>least to most</th>" } else { "" });
    html.push_str(if has_ratio { "<th>× epoll</th>" } else { "" });
    html.push_str(if has_ratio_spread { "<th>least to most</th>" } else { "" });
    html.push_str("</tr>\n");
    for contender in contenders {
        let (name, kind) = (escaped(&contender.name), kind(&contender.name));
        push(html, format_args!("<tr class=\"{kind}\"><th scope=\"row\">{name}</th>"));
        let spread = |figure| results.spread(&workload.name, &contender.name, figure);
        for (_, column) in columns(figure) {
            let shown = spread(column).map_or_else(String::new, |spread| column.show(spread.value));
            let mark =
                if column == figure { flags(results, workload, contender, figure) } else { "" };
            push(html, format_args!("<td>{shown}{mark}</td>"));
        }
        if has_spread {
            range(html, spread(figure).map(|s| [figure.show(s.least), figure.show(s.most)]));
        }
        if has_ratio {
            let ratio = results.ratio(&workload.name, &contender.name, figure);
            let shown = ratio.map_or_else(String::new, |ratio| show_ratio(ratio.value));
            push(html, format_args!("<td>{shown}</td>"));
            range(html, ratio.map(|ratio| [show_ratio(ratio.least), show_ratio(ratio.most)]));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
}

fn range(html: &mut String, ends: Option<[String; 2]>) {
    let shown = ends.map_or_else(String::new, |[least, most]| format!("{least} – {most}"));
    push(html, format_args!("<td>{shown}</td>"));
}
