//! Who does better than windlass, and where: found in the figures, not chosen.

use crate::figure::{Figure, show_ratio};
use crate::results::{Entered, OURS, Results};

/// What is compared, and how a sentence calls it.
const COMPARED: &[(Figure, &str)] = &[
    (Figure::Throughput, "more messages a second"),
    (Figure::Cpu, "less CPU a message"),
    (Figure::Latency(0), "a shorter latency at p50"),
    (Figure::Latency(2), "a shorter latency at p99"),
    (Figure::Memory(0), "less memory a connection"),
    (Figure::Instructions, "fewer instructions a message"),
    (Figure::SystemCalls, "fewer system calls a message"),
];

/// Less than this much apart is not told: it would be another tomorrow.
const NOTABLE: f64 = 1.03;

/// A sentence for each workload and figure at which others did better than windlass by more than
/// 3 %, in every round.
pub(crate) fn where_others_are_better(results: &Results) -> Vec<String> {
    let mut sentences = Vec::new();
    for (figure, words) in COMPARED {
        for workload in results.workloads_with(*figure) {
            let better: Vec<String> = results
                .contenders
                .iter()
                .filter_map(|contender| margin(results, &workload.name, contender, *figure))
                .collect();
            if !better.is_empty() {
                sentences.push(format!("{}: {words} by {}", workload.name, better.join(", ")));
            }
        }
    }
    sentences
}

/// How many times ours the contender's figure is, if that is better.
fn margin(
    results: &Results,
    workload: &str,
    contender: &Entered,
    figure: Figure,
) -> Option<String> {
    let ratio = results.ratio_to(OURS, workload, &contender.name, figure)?;
    let is_better = match figure {
        Figure::Throughput => ratio.least > NOTABLE,
        _ => ratio.least > 0.0 && ratio.most < 1.0 / NOTABLE,
    };
    is_better.then(|| format!("{} ({} ×)", contender.name, show_ratio(ratio.value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn whoever_is_better_is_named() {
        let results = example();
        let sentences = where_others_are_better(&results);
        for expected in [
            "echo-50: less CPU a message by epoll (0.50 ×)",
            "frames-16: more messages a second by epoll (2.00 ×)",
            "idle: less memory a connection by epoll (0.50 ×)",
            "echo-50: fewer instructions a message by epoll (0.50 ×)",
        ] {
            assert!(sentences.iter().any(|said| said == expected), "{sentences:#?}");
        }
        assert!(!sentences.iter().any(|said| said.contains("slow<er>")), "{sentences:#?}");
        assert!(!sentences.iter().any(|said| said.contains("system calls")), "{sentences:#?}");
    }

    #[test]
    fn whoever_is_better_in_most_rounds_only_is_not_named() {
        let mut results = example();
        for run in results.runs.iter_mut().filter(|run| run.contender == OURS && run.round == 2) {
            run.sample.server_cpu_ns /= 2;
        }
        let sentences = where_others_are_better(&results);
        assert!(!sentences.iter().any(|said| said.contains("CPU")), "{sentences:#?}");
    }
}
