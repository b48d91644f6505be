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

/// A sentence for each figure at which others did better than windlass by more than 3 %, in every
/// round: at which workloads, who, and how many times ours their figure is.
pub(crate) fn where_others_are_better(results: &Results) -> Vec<String> {
    COMPARED.iter().filter_map(|(figure, words)| sentence(results, *figure, words)).collect()
}

fn sentence(results: &Results, figure: Figure, words: &str) -> Option<String> {
    let mut places = Vec::new();
    for workload in results.workloads_with(figure) {
        let better: Vec<String> = results
            .contenders
            .iter()
            .filter_map(|contender| margin(results, &workload.name, contender, figure))
            .collect();
        if !better.is_empty() {
            places.push(format!("{} {}", workload.name, better.join(", ")));
        }
    }
    (!places.is_empty()).then(|| format!("{words}: {}", places.join("; ")))
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
    is_better.then(|| format!("{} {} ×", contender.name, show_ratio(ratio.value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn whoever_is_better_is_named() {
        let results = example();
        let sentences = where_others_are_better(&results);
        let expected = [
            "more messages a second: echo-50 epoll 2.00 ×; frames-16 epoll 2.00 ×",
            "less CPU a message: echo-50 epoll 0.50 ×; frames-16 epoll 0.50 ×",
            "less memory a connection: idle epoll 0.50 ×",
            "fewer instructions a message: echo-50 epoll 0.50 ×",
        ];
        for expected in expected {
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
