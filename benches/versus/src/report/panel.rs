//! One plot: a row for each contender, on one axis.

use std::fmt::Write;

use super::axis::Axis;
use super::escaped;
use crate::results::{BASE, OURS};
use crate::statistics::Spread;

/// The width of a panel; its height depends on its rows.
const WIDTH: f64 = 480.0;
/// Where the axis begins, to the right of the names.
const LEFT: f64 = 118.0;
/// Where it ends, to the left of the figures.
const RIGHT: f64 = 350.0;
/// The height of a row.
const ROW: f64 = 22.0;
/// The room above the first row.
const HEAD: f64 = 6.0;
/// The room below the last row, for the numbers of the axis.
const FOOT: f64 = 24.0;

/// How far from one another the numbers of the axis are at least.
const APART: f64 = 42.0;

/// What one contender's row shows.
pub(crate) struct Row {
    pub(crate) name: String,
    /// The points on the axis, the first of them the main one.
    pub(crate) marks: Vec<f64>,
    /// Between which values the main point was.
    pub(crate) spread: Option<Spread>,
    /// The figures, as they stand at the end of the row.
    pub(crate) text: String,
    /// What is said of the row when it is pointed at.
    pub(crate) hint: String,
}

/// A plot.
pub(crate) struct Panel<'a> {
    /// What it shows, for whoever cannot see it.
    pub(crate) label: String,
    pub(crate) rows: Vec<Row>,
    /// The value that the others are compared with, if there is one.
    pub(crate) reference: Option<f64>,
    /// How a number of the axis is written.
    pub(crate) show: &'a dyn Fn(f64) -> String,
}

/// How a contender is drawn.
pub(crate) fn kind(name: &str) -> &'static str {
    match name {
        OURS => "ours",
        BASE => "base",
        _ => "other",
    }
}

impl Panel<'_> {
    /// The plot as SVG, for a page whose style knows its classes.
    pub(crate) fn draw(&self) -> String {
        let marks = self.rows.iter().flat_map(|row| {
            let ends = row.spread.map(|spread| [spread.least, spread.most]);
            row.marks.iter().copied().chain(ends.into_iter().flatten())
        });
        let axis = Axis::over(marks.chain(self.reference), LEFT, RIGHT);
        let bottom = HEAD + ROW * self.rows.len() as f64;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
            bottom + FOOT,
            escaped(&self.label)
        );
        self.draw_axis(&mut svg, &axis, bottom);
        for (row, at) in self.rows.iter().zip(0_u32..) {
            let y = HEAD + ROW * (f64::from(at) + 0.5);
            row.draw(&mut svg, &axis, self.reference, y);
        }
        svg + "</svg>\n"
    }

    fn draw_axis(&self, svg: &mut String, axis: &Axis, bottom: f64) {
        for tick in axis.ticks(APART) {
            let x = axis.place(tick);
            line(svg, "grid", [x, HEAD, x, bottom]);
            let (y, number) = (bottom + 15.0, (self.show)(tick));
            text(svg, "tick", x, y, &number);
        }
        if let Some(reference) = self.reference {
            let x = axis.place(reference);
            line(svg, "reference", [x, HEAD, x, bottom]);
        }
    }
}

impl Row {
    fn draw(&self, svg: &mut String, axis: &Axis, reference: Option<f64>, y: f64) {
        push(svg, format_args!("<g class=\"row {}\">", kind(&self.name)));
        push(svg, format_args!("<title>{}</title>", escaped(&self.hint)));
        text(svg, "name", LEFT - 10.0, y + 4.0, &self.name);
        let place = |value| axis.place(value);
        if let (Some(reference), Some(main)) = (reference, self.marks.first()) {
            line(svg, "stem", [place(reference), y, place(*main), y]);
        } else if let (Some(first), Some(last)) = (self.marks.first(), self.marks.last()) {
            line(svg, "range", [place(*first), y, place(*last), y]);
        }
        if let Some(spread) = self.spread {
            let (least, most) = (place(spread.least), place(spread.most));
            line(svg, "whisker", [least, y, most, y]);
            line(svg, "whisker", [least, y - 4.0, least, y + 4.0]);
            line(svg, "whisker", [most, y - 4.0, most, y + 4.0]);
        }
        for (mark, at) in self.marks.iter().zip(0..) {
            let (x, class, radius) = (place(*mark), format!("mark m{at}"), radius(at));
            push(
                svg,
                format_args!(
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>"
                ),
            );
        }
        text(svg, "figure", WIDTH - 4.0, y + 4.0, &self.text);
        svg.push_str("</g>\n");
    }
}

/// How large the mark of this place is.
fn radius(at: usize) -> f64 {
    if at == 0 { 4.5 } else { 3.0 }
}

pub(crate) fn line(svg: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    push(
        svg,
        format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ),
    );
}

pub(crate) fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let words = escaped(words);
    push(svg, format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"));
}

/// Appends what is formatted: a string takes everything.
pub(crate) fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes everything");
}
