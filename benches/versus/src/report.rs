//! The report: one page with everything in it, that loads nothing from anywhere.

mod axis;
mod figures;
mod markdown;
mod panel;
mod picture;
mod plot;

pub(crate) use markdown::markdown;
pub(crate) use picture::picture;

use crate::comparison::where_others_are_better;
use crate::figure::{Figure, STAGES, show_ratio};
use crate::results::{Asked, Entered, Results};
use panel::{kind, push};
use plot::plot;

const STYLE: &str = include_str!("report/style.css");

/// What a measurement over loopback is worth.
pub(crate) const LOOPBACK: &str = "Loopback shows what a server costs in processor time, system \
    calls and memory; it has no network card, no distance and no loss, so it does not show what \
    throughput or latency a network would give, and where the kernel's own work is most of the \
    time, all servers look alike.";

/// A part of the page about one figure.
struct Section {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    figure: Figure,
}

const SECTIONS: &[Section] = &[
    Section {
        id: "throughput",
        title: "Throughput",
        about: "Messages a second, or connections for accept and churn, beside the bare epoll \
                loop: further right is better. A dagger marks runs in which the load was busy and \
                the server was not; there the server could have done more.",
        figure: Figure::Throughput,
    },
    Section {
        id: "cpu",
        title: "CPU per message",
        about: "What the scheduler charged the server's threads for each message, kernel and all, \
                beside the bare epoll loop: further left is better.",
        figure: Figure::Cpu,
    },
    Section {
        id: "latency",
        title: "Latency",
        about: "From a message to its reply, under the same full load: the large mark is p50, \
                behind it p90, p99, p99.9 and, hollow, the longest; at the end of a row p50 and \
                p99. Further left is better. Of the rounds the best counts. With more in flight \
                each waits for those before it.",
        figure: Figure::Latency(0),
    },
    Section {
        id: "memory",
        title: "Memory per connection",
        about: "What a connection adds to the resident memory of the server, without what the \
                kernel keeps for it: further left is better.",
        figure: Figure::Memory(0),
    },
    Section {
        id: "instructions",
        title: "Instructions per message",
        about: "Executed in user space for each message, counted by callgrind as the difference \
                of two run lengths: further left is better. They do not depend on how busy the \
                machine is.",
        figure: Figure::Instructions,
    },
    Section {
        id: "system-calls",
        title: "System calls per message",
        about: "Counted by strace as the difference of two run lengths: further left is better.",
        figure: Figure::SystemCalls,
    },
];

/// The whole page.
pub(crate) fn page(results: &Results) -> String {
    let mut html = String::new();
    push(
        &mut html,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>windlass versus, {taken}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<h1>windlass versus</h1>\n\
             <p class=\"lead\">Servers that send back what they are sent, each beside a bare \
             epoll loop on the same work.</p>\n\
             <p class=\"where\">{taken}<br>{machine}<br>{versions}</p>\n",
            taken = escaped(&results.taken),
            machine = escaped(&results.machine.describe()),
            versions = escaped(&results.machine.list_versions()),
        ),
    );
    contents(&mut html, results);
    html.push_str("</header>\n<main>\n");
    if results.is_mostly_disturbed() {
        html.push_str(
            "<p class=\"warning\">The machine was busy with something else during most of the \
             runs, or slower than usual: trust the counts, and of the times only the ratios, with \
             care.</p>\n",
        );
    }
    overview(&mut html, results);
    for section in SECTIONS {
        section.write(&mut html, results);
    }
    contenders(&mut html, results);
    method(&mut html, results);
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// What is on the page, as far as there are figures.
fn contents(html: &mut String, results: &Results) {
    html.push_str("<nav><a href=\"#overview\">At a glance</a>");
    let is_there = |section: &&Section| results.workloads_with(section.figure).next().is_some();
    for Section { id, title, .. } in SECTIONS.iter().filter(is_there) {
        push(html, format_args!(" <a href=\"#{id}\">{title}</a>"));
    }
    html.push_str(
        " <a href=\"#contenders\">Who took part</a> <a href=\"#method\">Method</a></nav>\n",
    );
}

/// All CPU at a glance, and who is better than windlass.
fn overview(html: &mut String, results: &Results) {
    let workloads: Vec<&Asked> = results.workloads_with(Figure::Cpu).collect();
    html.push_str("<section id=\"overview\">\n<h2>At a glance</h2>\n");
    if !workloads.is_empty() {
        html.push_str(
            "<p>CPU per message as a multiple of the bare epoll loop's: the median of the rounds' \
             ratios. Green costs less, red more.</p>\n<div class=\"wide\"><table class=\"heat\">\n\
             <tr><th></th>",
        );
        for workload in &workloads {
            let (name, about) = (escaped(&workload.name), escaped(&workload.about));
            push(html, format_args!("<th title=\"{about}\"><span>{name}</span></th>"));
        }
        html.push_str("</tr>\n");
        for contender in &results.contenders {
            heat_row(html, results, &workloads, contender);
        }
        html.push_str("</table></div>\n");
    }
    better(html, results);
    html.push_str("</section>\n");
}

fn heat_row(html: &mut String, results: &Results, workloads: &[&Asked], contender: &Entered) {
    let name = escaped(&contender.name);
    let kind = kind(&contender.name);
    push(html, format_args!("<tr class=\"{kind}\"><th scope=\"row\">{name}</th>"));
    for workload in workloads {
        match results.ratio(&workload.name, &contender.name, Figure::Cpu) {
            Some(ratio) => {
                // Half or twice the CPU is a fifth of the whole colour.
                let heat = (ratio.value.log2() * 20.0).clamp(-60.0, 60.0);
                let (colour, part) = if heat < 0.0 { ("less", -heat) } else { ("more", heat) };
                let shown = show_ratio(ratio.value);
                push(
                    html,
                    format_args!("<td class=\"{colour}\" style=\"--part:{part:.0}%\">{shown}</td>"),
                );
            }
            None => html.push_str("<td class=\"none\">·</td>"),
        }
    }
    html.push_str("</tr>\n");
}

fn better(html: &mut String, results: &Results) {
    let sentences = where_others_are_better(results);
    html.push_str("<h3>Where another is better than windlass</h3>\n");
    if sentences.is_empty() {
        html.push_str("<p>Nowhere by more than 3 % in every round, on what was measured.</p>\n");
        return;
    }
    html.push_str("<p>By more than 3 % in every round; × is of windlass's figure.</p>\n<ul>\n");
    for sentence in sentences {
        let (what, where_and_who) = sentence.split_once(": ").unwrap_or(("", &sentence));
        let (what, where_and_who) = (escaped(what), escaped(where_and_who));
        push(html, format_args!("<li><b>{what}</b>: {where_and_who}</li>\n"));
    }
    html.push_str("</ul>\n");
}

impl Section {
    fn write(&self, html: &mut String, results: &Results) {
        let workloads: Vec<&Asked> = results.workloads_with(self.figure).collect();
        if workloads.is_empty() {
            return;
        }
        let Self { id, title, about, .. } = self;
        push(html, format_args!("<section id=\"{id}\">\n<h2>{title}</h2>\n<p>{about}</p>\n"));
        html.push_str("<div class=\"panels\">\n");
        for workload in workloads {
            match self.figure {
                Figure::Memory(_) => {
                    for (stage, name) in STAGES.iter().enumerate() {
                        plot(html, results, workload, Figure::Memory(stage), name);
                    }
                }
                other => plot(html, results, workload, other, title),
            }
        }
        html.push_str("</div>\n</section>\n");
    }
}

/// The marks of a figure that must be read with care.
pub(crate) fn flags(
    results: &Results,
    workload: &Asked,
    contender: &Entered,
    figure: Figure,
) -> &'static str {
    let is_bound =
        figure == Figure::Throughput && results.is_load_bound(&workload.name, &contender.name);
    let is_counted = matches!(figure, Figure::Instructions | Figure::SystemCalls);
    let is_disturbed = !is_counted && results.is_disturbed(&workload.name, &contender.name);
    match (is_bound, is_disturbed) {
        (false, false) => "",
        (true, false) => "†",
        (false, true) => "~",
        (true, true) => "†~",
    }
}

fn contenders(html: &mut String, results: &Results) {
    html.push_str("<section id=\"contenders\">\n<h2>Who took part</h2>\n<dl>\n");
    for contender in &results.contenders {
        let (name, about) = (escaped(&contender.name), escaped(&contender.about));
        push(html, format_args!("<dt>{name}</dt><dd>{about}</dd>\n"));
    }
    html.push_str("</dl>\n</section>\n");
}

fn method(html: &mut String, results: &Results) {
    push(
        html,
        format_args!(
            "<section id=\"method\">\n<h2>How it was measured</h2>\n\
             <p>Every server runs in a process of its own on one core, also those with many \
             threads; the load is a bare epoll loop in another process on another core, never \
             sleeps, so that no server pays for waking it, and compares every byte of every \
             reply. In each of {rounds} rounds every workload is given to one contender after \
             another for {seconds} seconds, and in each round another begins; idle connections are \
             weighed in the first only. Processor time is the scheduler's account of all threads \
             of the server. A ratio is taken within each round, against the bare loop of the same \
             round; shown are the medians, with the least and the most of the rounds as whiskers. \
             Between the runs a fixed piece of work is timed: if it takes more than 8 % longer \
             than usual, or a core was taken away for more than 8 % of a run, the run is made \
             again, at most twice; a run that was disturbed even then is marked ~.</p>\n\
             <p>{LOOPBACK}</p>\n",
            rounds = results.rounds,
            seconds = results.run_seconds,
        ),
    );
    if !results.notes.is_empty() {
        html.push_str("<h3>What did not go as it should</h3>\n<ul>\n");
        for note in &results.notes {
            push(html, format_args!("<li>{}</li>\n", escaped(note)));
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</section>\n");
}

/// The words with what HTML would read as its own replaced.
pub(crate) fn escaped(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A number of an axis, without zeros that say nothing.
pub(crate) fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn every_contender_is_in_the_report() {
        let page = page(&example());
        for (name, times) in [("epoll", "1.00"), ("windlass", "2.00"), ("slow&lt;er&gt;", "10.0")] {
            assert!(page.contains(&format!("<th scope=\"row\">{name}</th>")), "{name}");
            assert!(page.contains(&format!(">{name}</text>")), "{name}");
            assert!(page.contains(&format!("  {times} ×</text>")), "{times}");
        }
    }

    #[test]
    fn every_figure_has_its_plots() {
        let page = page(&example());
        for section in SECTIONS {
            assert!(page.contains(&format!("<section id=\"{}\">", section.id)), "{}", section.id);
        }
        // Two timed workloads in three sections, three stages of memory, two counts.
        assert_eq!(page.matches("<svg ").count(), 3 * 2 + 3 + 2);
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        for text in [page(&example()), picture(&example())] {
            let text = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            for outside in [
                "http", "//", "src=", "href=\"h", "href=\".", "url(", "@import", "<script", "<link",
            ] {
                assert!(!text.contains(outside), "{outside}");
            }
        }
    }

    #[test]
    fn words_of_others_are_not_read_as_html() {
        let page = page(&example());
        assert!(page.contains("A &amp; B processor"));
        assert!(!page.contains("slow<er>"));
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }

    #[test]
    fn what_is_opened_is_closed() {
        let page = page(&example());
        for tag in ["html", "section", "table", "tr", "td", "figure", "details", "svg", "g", "text"]
        {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn a_load_that_was_the_bottleneck_is_marked() {
        let mut results = example();
        let plain = page(&results).matches('†').count();
        for run in results.runs.iter_mut().filter(|run| run.contender == "slow<er>") {
            run.sample.load_cpu_ns = run.sample.elapsed_ns;
            run.sample.server_cpu_ns = run.sample.elapsed_ns / 2;
        }
        // In the plot and in the table of two workloads.
        assert_eq!(page(&results).matches('†').count(), plain + 4);
    }

    #[test]
    fn a_busy_machine_is_told_of_at_the_top() {
        let mut results = example();
        assert!(!page(&results).contains("class=\"warning\""));
        results.runs.iter_mut().for_each(|run| run.is_disturbed = true);
        assert!(page(&results).contains("class=\"warning\""));
    }

    #[test]
    fn without_figures_there_is_still_a_page() {
        let results = Results { runs: Vec::new(), counts: Vec::new(), ..example() };
        let page = page(&results);
        assert!(page.contains("Who took part") && !page.contains("<svg"), "{page}");
    }

    #[test]
    fn the_picture_shows_who_is_compared() {
        let picture = picture(&example());
        for words in ["windlass", "echo-50", "frames-16", ">2.00<"] {
            assert!(picture.contains(words), "{words}: {picture}");
        }
    }

    #[test]
    fn the_best_of_a_column_is_bold_in_markdown() {
        let text = markdown(&example());
        assert!(text.contains("| epoll | **1.00** |"), "{text}");
        assert!(text.contains("| windlass | 2.00 |"), "{text}");
        assert!(text.contains(LOOPBACK) && text.contains("A & B processor"), "{text}");
    }
}
