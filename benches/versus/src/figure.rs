//! What is told of a contender at a workload, and how it is put into words.

use crate::results::Run;

/// Something that is told of a contender at a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Figure {
    /// Whole messages a second.
    Throughput,
    /// What the scheduler charged the server, in nanoseconds a message.
    Cpu,
    /// One of [`PERCENTILES`], in nanoseconds.
    Latency(usize),
    /// Bytes of resident memory a connection, at one of [`STAGES`].
    Memory(usize),
    /// Bytes of resident memory in all.
    Resident,
    /// Instructions in user space a message.
    Instructions,
    /// System calls a message.
    SystemCalls,
    /// The share of its cores that the server used.
    ServerShare,
    /// The share of its core that the load used.
    LoadShare,
}

/// The names of what [`Figure::Latency`] numbers.
pub(crate) const PERCENTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "most"];
/// The names of what [`Figure::Memory`] numbers.
pub(crate) const STAGES: [&str; 3] = ["while idle", "idle again after use", "after all closed"];

impl Figure {
    /// The figure of one run; none if the run does not tell it.
    pub(crate) fn of(self, run: &Run) -> Option<f64> {
        let sample = &run.sample;
        if let Some(bytes) = sample.resident_bytes {
            return (self == Self::Resident).then_some(bytes as f64);
        }
        // Connections that do nothing have neither speed nor a cost by message.
        if sample.bytes_per_connection.is_some() != matches!(self, Self::Memory(_)) {
            return None;
        }
        match self {
            Self::Throughput => positive(sample.replies_per_second()),
            Self::Cpu => positive(sample.server_cpu_ns_per_reply()),
            Self::Latency(at) => positive(*sample.latency_ns.get(at)? as f64),
            Self::Memory(0) => sample.bytes_per_connection,
            Self::Memory(at) => sample.kept_per_connection?.get(at - 1).copied(),
            Self::ServerShare => Some(sample.server_utilisation()),
            Self::LoadShare => Some(sample.load_utilisation()),
            Self::Resident | Self::Instructions | Self::SystemCalls => None,
        }
    }

    /// The value with its unit, to three digits or more.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Throughput => show_scaled(value, &[(1e9, "G"), (1e6, "M"), (1e3, "k")], ""),
            Self::Cpu | Self::Latency(_) => {
                show_scaled(value, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs")], "ns")
            }
            Self::Memory(_) | Self::Resident => {
                show_scaled(value, &[(1e6, "MB"), (1e3, "kB")], "B")
            }
            Self::Instructions if value >= 100.0 => grouped(value),
            Self::Instructions => format!("{value:.1}"),
            Self::SystemCalls => format!("{value:.3}"),
            Self::ServerShare | Self::LoadShare => format!("{:.0} %", value * 100.0),
        }
    }
}

/// The number unless it is zero, less, or none at all.
fn positive(number: f64) -> Option<f64> {
    (number.is_finite() && number > 0.0).then_some(number)
}

/// A value in the first unit that is not larger than it; `rest` is the unit below all.
fn show_scaled(value: f64, units: &[(f64, &str)], rest: &str) -> String {
    let rounded = units.iter().find(|(scale, _)| value.abs() >= scale * 0.9995);
    let (scale, unit) = rounded.copied().unwrap_or((1.0, rest));
    let scaled = value / scale;
    let digits = match scaled.abs() {
        _ if scale == 1.0 => 0,
        scaled if scaled >= 99.95 => 0,
        scaled if scaled >= 9.995 => 1,
        _ => 2,
    };
    let separator = if unit.is_empty() { "" } else { " " };
    format!("{scaled:.digits$}{separator}{unit}")
}

/// A whole number, its digits in groups of three.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// How many times another it is, to three digits.
pub(crate) fn show_ratio(ratio: f64) -> String {
    let digits = match ratio {
        ratio if ratio >= 99.95 => 0,
        ratio if ratio >= 9.995 => 1,
        ratio if ratio >= 0.0995 => 2,
        _ => 3,
    };
    format!("{ratio:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_to_three_digits() {
        let speed = |value| Figure::Throughput.show(value);
        assert_eq!(speed(31_250_000.0), "31.2 M");
        assert_eq!(speed(412_345.0), "412 k");
        assert_eq!(speed(999_700.0), "1.00 M");
        assert_eq!(speed(17.4), "17");
        assert_eq!(Figure::Cpu.show(427.4), "427 ns");
        assert_eq!(Figure::Cpu.show(2_301.0), "2.30 µs");
        assert_eq!(Figure::Latency(0).show(9_999.0), "10.0 µs");
        assert_eq!(Figure::Memory(0).show(64.0), "64 B");
        assert_eq!(Figure::Memory(2).show(-3_200.0), "-3.20 kB");
        assert_eq!(Figure::Instructions.show(97.04), "97.0");
        assert_eq!(Figure::Instructions.show(1_145_000.0), "1,145,000");
        assert_eq!(Figure::SystemCalls.show(0.1904), "0.190");
        assert_eq!(Figure::ServerShare.show(0.987), "99 %");
    }

    #[test]
    fn a_ratio_is_shown_to_three_digits() {
        let shown = [0.011, 0.63, 1.0, 9.999, 52.34, 151.7].map(show_ratio);
        assert_eq!(shown, ["0.011", "0.63", "1.00", "10.0", "52.3", "152"]);
    }
}
