//! The text form of [`Metrics`] for Prometheus.
//!
//! The encoder is `prometheus-client`, which the Prometheus project maintains. It writes a snapshot
//! as it is: no registry that lives on, no globals, and counters as the integers they are, where
//! the crate `prometheus` makes floating-point numbers of them. Both bring the same weight, a dozen
//! small packages, so the feature is off unless it is asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Histogram, Metrics};

impl Metrics {
    /// The snapshot as text in the OpenMetrics format, version 1.0, which Prometheus reads: an
    /// answer of the type `application/openmetrics-text; version=1.0.0; charset=utf-8`. It needs
    /// the feature `prometheus`.
    ///
    /// All names begin with `windlass_`, and times are in seconds. There are two labels, `verdict`
    /// of accepts and `reason` of closes, with the same few values for every peer that will ever
    /// come.
    ///
    /// ```
    /// let text = windlass::Metrics::default().to_prometheus();
    /// assert!(text.contains("\nwindlass_accepts_total{verdict=\"accepted\"} 0\n"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut registry = Registry::with_prefix("windlass");
        registry.register_collector(Box::new(Snapshot(self.clone())));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a string takes all that is written to it");
        text
    }
}

/// What the encoder is given: it wants to own it.
#[derive(Debug)]
struct Snapshot(Metrics);

/// A name, what it says, and a number.
type Row = (&'static str, &'static str, u64);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(metrics) = self;
        for (name, help, count) in traffic(metrics).into_iter().chain(work(metrics)) {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let help = "Peers that came, by what became of them";
        write_family(&mut encoder, ("accepts", help), "verdict", verdicts(metrics))?;
        let help = "Connections that closed, by the reason";
        write_family(&mut encoder, ("closes", help), "reason", metrics.closed.iter())?;
        for (name, help, value) in gauges(metrics) {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let stall = metrics.longest_stall.map_or(0.0, |stall| stall.took.as_secs_f64());
        let (name, help) = ("longest_stall_seconds", "What has held the loop up the longest");
        let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(stall).encode(gauge)?;
        let help = "How long turns took, without the sleep";
        write_histogram(&mut encoder, ("turn_duration_seconds", help), &metrics.turn_time)?;
        let help = "How long it took to serve an event, callbacks included";
        write_histogram(&mut encoder, ("event_duration_seconds", help), &metrics.event_time)
    }
}

const fn verdicts(metrics: &Metrics) -> [(&'static str, u64); 5] {
    [
        ("accepted", metrics.accepted),
        ("refused", metrics.refused),
        ("refused by a layer", metrics.refused_by_layers),
        ("gone", metrics.gone),
        ("error", metrics.accept_errors),
    ]
}

/// What came and went.
const fn traffic(metrics: &Metrics) -> [Row; 15] {
    let m = metrics;
    [
        ("connects_begun", "Outbound connections begun", m.connects_begun),
        ("connects_succeeded", "Outbound connections established", m.connects_succeeded),
        ("connects_failed", "Outbound connections that could not be", m.connects_failed),
        ("received_bytes", "Bytes read from connections", m.bytes_received),
        ("sent_bytes", "Bytes written to connections", m.bytes_sent),
        ("frames", "Frames decoded", m.frames),
        ("frames_refused", "Frames that a layer closed for", m.frames_refused),
        ("frames_consumed", "Frames that a layer kept from the handler", m.frames_consumed),
        ("datagrams_received", "Datagrams received", m.datagrams_received),
        ("datagrams_rejected", "Datagrams truncated or unanswerable", m.datagrams_rejected),
        ("datagram_received_bytes", "Bytes received in datagrams", m.datagram_bytes_received),
        ("datagrams_sent", "Datagrams sent", m.datagrams_sent),
        ("datagram_sent_bytes", "Bytes sent in datagrams", m.datagram_bytes_sent),
        ("datagrams_dropped", "Datagrams that were to be sent, and were not", m.datagrams_dropped),
        ("receive_errors", "Errors of UDP sockets while receiving", m.receive_errors),
    ]
}

/// What the loop did.
const fn work(metrics: &Metrics) -> [Row; 12] {
    let m = metrics;
    [
        ("turns", "Turns of the loop", m.turns),
        ("panics", "Callbacks that panicked", m.panics),
        ("commands", "Commands run", m.commands),
        ("commands_posted", "Commands run that came from other threads", m.commands_posted),
        ("commands_dropped", "Commands that waited when the loop ended", m.commands_dropped),
        ("wakes", "Times that other threads have woken the loop", m.wakes),
        ("broadcasts", "Broadcasts run", m.broadcasts),
        ("broadcast_deliveries", "Connections broadcast to", m.broadcast_deliveries),
        ("broadcast_skipped", "Connections too slow, passed over", m.broadcast_skipped),
        ("broadcast_slow", "Connections too slow, sent one all the same", m.broadcast_slow),
        ("broadcast_closed", "Connections too slow, closed", m.broadcast_closed),
        ("timers_fired", "Timers and deadlines that came due", m.timers_fired),
    ]
}

/// How things stand.
const fn gauges(metrics: &Metrics) -> [Row; 7] {
    let m = metrics;
    [
        ("connections", "Connections there are", m.connections),
        ("outbound_connections", "Connections begun on this side", m.outbound_connections),
        ("max_connections", "Connections that can be accepted", m.max_connections),
        ("held_back_connections", "Connections not read, held back by output", m.held_back),
        ("buffered_bytes", "Memory in the buffers of all connections", m.buffered_bytes),
        ("timers_armed", "Timers and deadlines set", m.timers_armed),
        ("commands_waiting", "Commands of callbacks that wait", m.commands_waiting),
    ]
}

/// A counter for each value of a label.
fn write_family(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    label: &str,
    counts: impl IntoIterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        ConstCounter::new(count).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}

fn write_histogram(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    histogram: &Histogram,
) -> fmt::Result {
    let mut buckets: Vec<_> =
        histogram.buckets().map(|(bound, count)| (bound.as_secs_f64(), count)).collect();
    if let Some((bound, _)) = buckets.last_mut() {
        *bound = f64::INFINITY;
    }
    let sum = histogram.sum().as_secs_f64();
    encoder
        .encode_descriptor(name, help, None, MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::error::CloseReason;
    use crate::instant::Instant;
    use crate::metrics::{Closes, Stall, Work};
    use crate::token::Token;

    fn stall_of(took: Duration) -> Stall {
        let (at, work, token) = (Instant::START, Work::Event, Token::endpoint(0));
        Stall { took, at, work, token, peer: None }
    }

    /// A snapshot in which every number is another, and the numbers. A field that is new does not
    /// compile until it has one here.
    fn distinct() -> (Metrics, Vec<u64>) {
        let mut numbers = Vec::new();
        let mut next = || {
            numbers.push(1_001 + numbers.len() as u64);
            1_000 + numbers.len() as u64
        };
        let mut histogram = || {
            let mut histogram = Histogram::default();
            (0..next()).for_each(|_| _ = histogram.record(5_000));
            histogram
        };
        let (turn_time, event_time) = (histogram(), histogram());
        let mut closed = Closes::default();
        (0..next()).for_each(|_| closed.add(&CloseReason::Evicted));
        let metrics = Metrics {
            turns: next(),
            accepted: next(),
            refused: next(),
            refused_by_layers: next(),
            gone: next(),
            accept_errors: next(),
            connects_begun: next(),
            connects_succeeded: next(),
            connects_failed: next(),
            closed,
            bytes_received: next(),
            bytes_sent: next(),
            frames: next(),
            frames_refused: next(),
            frames_consumed: next(),
            datagrams_received: next(),
            datagrams_rejected: next(),
            datagram_bytes_received: next(),
            datagrams_sent: next(),
            datagram_bytes_sent: next(),
            datagrams_dropped: next(),
            receive_errors: next(),
            panics: next(),
            commands: next(),
            commands_posted: next(),
            commands_dropped: next(),
            wakes: next(),
            broadcasts: next(),
            broadcast_deliveries: next(),
            broadcast_skipped: next(),
            broadcast_slow: next(),
            broadcast_closed: next(),
            timers_fired: next(),
            connections: next(),
            outbound_connections: next(),
            max_connections: next(),
            held_back: next(),
            buffered_bytes: next(),
            timers_armed: next(),
            commands_waiting: next(),
            turn_time,
            event_time,
            longest_stall: Some(stall_of(Duration::from_secs(next()))),
        };
        (metrics, numbers)
    }

    /// The samples of a text that keeps the rules of its format: each with its name, what stands in
    /// braces after it, and its value. Complains of the first rule that is broken.
    fn samples(text: &str) -> Result<Vec<(&str, &str, f64)>, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("no end")?;
        let mut types = BTreeMap::new();
        let (mut helped, mut family) = ("", ("", ""));
        let mut samples = Vec::new();
        for line in body.lines() {
            let bad = |what: &str| format!("{what}: {line}");
            if let Some(help) = line.strip_prefix("# HELP ") {
                helped = help.split_once(' ').ok_or(bad("no help"))?.0;
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                family = kind.split_once(' ').ok_or(bad("no type"))?;
                let is_new = types.insert(family.0, family.1).is_none();
                is_new.then_some(()).ok_or(bad("twice the same name"))?;
                (helped == family.0).then_some(()).ok_or(bad("a type without help"))?;
            } else {
                let (series, value) = line.rsplit_once(' ').ok_or(bad("no value"))?;
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let labels = labels.strip_suffix('}').ok_or(bad("labels without an end"))?;
                let suffix = name.strip_prefix(family.0).ok_or(bad("of another family"))?;
                let is_legal = match family.1 {
                    "counter" => suffix == "_total",
                    "gauge" => suffix.is_empty(),
                    "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                    _ => false,
                };
                let of_name = |c: char| c.is_ascii_lowercase() || c == '_';
                let is_legal = is_legal && name.chars().all(of_name);
                is_legal.then_some(()).ok_or(bad("a name that is not legal"))?;
                let value = value.parse().map_err(|_| bad("no number"))?;
                samples.push((name, labels, value));
            }
        }
        Ok(samples)
    }

    /// The lines about `name`, and what belongs to it.
    fn about(text: &str, name: &str) -> String {
        let lines = text.lines().filter(|line| line.contains(name));
        lines.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn every_number_of_a_snapshot_is_in_the_text_once() {
        let (metrics, numbers) = distinct();
        let text = metrics.to_prometheus();
        let samples = samples(&text).unwrap();
        for number in numbers {
            let with = samples.iter().filter(|(name, labels, value)| {
                let is_bucket = name.ends_with("_bucket") || labels.contains("le=");
                *value == number as f64 && !is_bucket
            });
            assert_eq!(with.count(), 1, "{number} in\n{text}");
        }
    }

    #[test]
    fn the_text_of_a_snapshot_is_as_it_always_was() {
        let mut metrics =
            Metrics { turns: u64::MAX, accepted: 3, buffered_bytes: 4_096, ..Metrics::default() };
        metrics.closed.add(&CloseReason::PeerFinished);
        let text = metrics.to_prometheus();
        assert_eq!(
            about(&text, "windlass_turns"),
            "# HELP windlass_turns Turns of the loop\n\
             # TYPE windlass_turns counter\n\
             windlass_turns_total 18446744073709551615\n"
        );
        assert_eq!(
            about(&text, "windlass_accepts"),
            "# HELP windlass_accepts Peers that came, by what became of them\n\
             # TYPE windlass_accepts counter\n\
             windlass_accepts_total{verdict=\"accepted\"} 3\n\
             windlass_accepts_total{verdict=\"refused\"} 0\n\
             windlass_accepts_total{verdict=\"refused by a layer\"} 0\n\
             windlass_accepts_total{verdict=\"gone\"} 0\n\
             windlass_accepts_total{verdict=\"error\"} 0\n"
        );
        assert_eq!(
            about(&text, "windlass_buffered"),
            "# HELP windlass_buffered_bytes Memory in the buffers of all connections\n\
             # TYPE windlass_buffered_bytes gauge\n\
             windlass_buffered_bytes 4096\n"
        );
        assert!(text.contains("\nwindlass_closes_total{reason=\"peer finished\"} 1\n"), "{text}");
        assert!(text.contains("\nwindlass_longest_stall_seconds 0.0\n"), "{text}");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }

    #[test]
    fn a_histogram_is_cumulative_in_seconds_and_ends_without_bound() {
        let mut metrics = Metrics::default();
        for nanos in [1, 1_500, 1_000_000_000, u64::MAX / 4] {
            metrics.turn_time.record(nanos);
        }
        let text = metrics.to_prometheus();
        let samples = samples(&text).unwrap();
        let of = |wanted: &str| {
            let found = samples.iter().filter(|(name, ..)| {
                name.strip_prefix("windlass_turn_duration_seconds") == Some(wanted)
            });
            found.map(|(_, labels, value)| (*labels, *value)).collect::<Vec<_>>()
        };
        let buckets = of("_bucket");
        assert_eq!(buckets.len(), metrics.turn_time.buckets().count());
        assert_eq!(buckets[0], ("le=\"0.000001024\"", 1.0));
        assert_eq!(buckets[1], ("le=\"0.000002048\"", 2.0));
        assert_eq!(buckets[19], ("le=\"0.536870912\"", 2.0));
        assert_eq!(buckets[20], ("le=\"1.073741824\"", 3.0));
        assert_eq!(buckets.last(), Some(&("le=\"+Inf\"", 4.0)));
        assert!(buckets.is_sorted_by_key(|(_, count)| *count));
        assert_eq!(of("_count"), [("", 4.0)]);
        assert_eq!(of("_sum"), [("", metrics.turn_time.sum().as_secs_f64())]);
    }

    #[test]
    fn a_text_that_breaks_the_rules_is_noticed() {
        let head = "# HELP a Help\n# TYPE a counter\n";
        let good = format!("{head}a_total{{b=\"c\"}} 1\n# EOF\n");
        assert_eq!(samples(&good), Ok(vec![("a_total", "b=\"c\"", 1.0)]));
        let bad = [
            (format!("{head}a_total 1\n"), "no end"),
            (format!("{head}a 1\n# EOF\n"), "a name that is not legal"),
            (format!("{head}{head}# EOF\n"), "twice the same name"),
            (format!("{head}a_total x\n# EOF\n"), "no number"),
            (format!("{head}b_total 1\n# EOF\n"), "of another family"),
            ("# TYPE a counter\n# EOF\n".to_owned(), "a type without help"),
        ];
        for (text, complaint) in bad {
            let said = samples(&text).unwrap_err();
            assert!(said.starts_with(complaint), "{said}");
        }
    }
}
