//! What can be seen of a run, without what a network is free to do in one way or another.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use windlass::{CloseReason, DrainReport, Metrics};

use crate::fixture::What;

/// What can be seen of a run.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// By client, in the order in which they came.
    pub(crate) lives: Vec<Life>,
    /// What has come to each UDP socket of a client: the number of the server's socket that it came
    /// from, and the payload.
    pub(crate) mail: Vec<Vec<(Option<usize>, Vec<u8>)>>,
    pub(crate) report: Option<DrainReport>,
    pub(crate) counts: Vec<(&'static str, u64)>,
}

/// What can be seen of a client.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Life {
    /// What handlers were called for on its behalf.
    pub(crate) calls: Vec<What>,
    pub(crate) received: Vec<u8>,
    pub(crate) end: &'static str,
}

/// The same calls, with frames that follow on each other made one.
pub(crate) fn merged(calls: Vec<What>) -> Vec<What> {
    let mut merged: Vec<What> = Vec::new();
    for call in calls {
        match (merged.last_mut(), call) {
            (Some(What::Frame(before)), What::Frame(frame)) => {
                *before = Bytes::from([&before[..], &frame].concat());
            }
            (_, call) => merged.push(call),
        }
    }
    merged
}

/// What is counted and does not depend on time, nor on how bytes were cut. How many bytes have gone
/// is a matter of chance where a connection broke off; how many have come, also where one was
/// closed before the end of its input; and how many frames, for a codec that has none.
pub(crate) fn counts(
    metrics: &Metrics,
    is_orderly: bool,
    has_frames: bool,
) -> Vec<(&'static str, u64)> {
    let mut counts = vec![
        ("accepted", metrics.accepted),
        ("refused", metrics.refused),
        ("refused by layers", metrics.refused_by_layers),
        ("gone", metrics.gone),
        ("accept errors", metrics.accept_errors),
        ("connects begun", metrics.connects_begun),
        ("connects succeeded", metrics.connects_succeeded),
        ("connects failed", metrics.connects_failed),
        ("frames refused", metrics.frames_refused),
        ("frames consumed", metrics.frames_consumed),
        ("datagrams received", metrics.datagrams_received),
        ("datagrams rejected", metrics.datagrams_rejected),
        ("datagram bytes received", metrics.datagram_bytes_received),
        ("datagrams sent", metrics.datagrams_sent),
        ("datagram bytes sent", metrics.datagram_bytes_sent),
        ("datagrams dropped", metrics.datagrams_dropped),
        ("panics", metrics.panics),
        ("commands", metrics.commands),
        ("commands posted", metrics.commands_posted),
        ("commands dropped", metrics.commands_dropped),
        ("broadcasts", metrics.broadcasts),
        ("broadcast deliveries", metrics.broadcast_deliveries),
        ("broadcast skipped", metrics.broadcast_skipped),
        ("broadcast slow", metrics.broadcast_slow),
        ("broadcast closed", metrics.broadcast_closed),
        ("connections", metrics.connections),
        ("buffered bytes", metrics.buffered_bytes),
    ];
    if has_frames {
        counts.push(("frames", metrics.frames));
    }
    if is_orderly {
        counts.push(("bytes sent", metrics.bytes_sent));
        if metrics.closed.of(&CloseReason::PeerFinished) == metrics.closed.total() {
            counts.push(("bytes received", metrics.bytes_received));
        }
    }
    counts.extend(metrics.closed.iter());
    counts.retain(|(_, count)| *count > 0);
    counts
}

/// A call in few words.
pub(crate) fn shown(call: &What) -> String {
    match call {
        What::Opened => "open".to_owned(),
        What::Frame(bytes) => brief(bytes),
        What::Ended => "end".to_owned(),
        What::Timer(key) => format!("timer {key}"),
        What::Drained => "drain".to_owned(),
        What::Writable => "writable".to_owned(),
        What::Farewell => "farewell".to_owned(),
        What::Closed(reason) => format!("closed: {reason}"),
    }
}

/// Bytes if they are few, and otherwise how many.
fn brief(bytes: &[u8]) -> String {
    match bytes.len() {
        0..=40 => format!("`{}`", bytes.escape_ascii()),
        len => format!("{len} bytes"),
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for call in &self.calls {
            write!(f, "{}, ", shown(call))?;
        }
        write!(f, "-> {}, {}", brief(&self.received), self.end)
    }
}

impl Trace {
    /// A line for each client, one for each UDP socket, and one for a drain in which anything was
    /// left to do.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lives = self.lives.iter().map(Life::to_string);
        let mail = self.mail.iter().map(|mail| {
            let texts = mail.iter().map(|(from, payload)| match from {
                Some(from) => format!("{from}: {}", brief(payload)),
                None => format!("a stranger: {}", brief(payload)),
            });
            texts.collect::<Vec<_>>().join(", ")
        });
        let report = self.timeless_report().filter(|report| *report != DrainReport::default());
        // Without the time, which is the first part of it.
        let report = report.map(|report| {
            report
                .to_string()
                .split_once(": ")
                .map_or_else(String::new, |(_, what)| what.to_owned())
        });
        lives.chain(mail).chain(report).collect()
    }

    /// The report without how long it took.
    fn timeless_report(&self) -> Option<DrainReport> {
        let mut report = self.report.clone()?;
        report.took = Duration::ZERO;
        Some(report)
    }

    /// Fails with the first difference, if there is one.
    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Self, which: &str) {
        assert_eq!(self.lines(), other.lines(), "{which}");
        assert!(self.lives == other.lives, "{which}: bytes differ that are not shown");
        assert!(self.mail == other.mail, "{which}: datagrams differ that are not shown");
        assert_eq!(self.timeless_report(), other.timeless_report(), "{which}");
        assert_eq!(self.counts, other.counts, "{which}");
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))?;
        write!(f, "{:?}", self.counts)
    }
}
