//! Coming to an end: in good order at first, and at once when told again.

use std::fmt;
use std::time::Duration;

use crate::config::Config;
use crate::error::CloseReason;
use crate::instant::Instant;
use crate::mailbox::Request;

/// How far the loop is on its way to the end, and what it has to report.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    /// What was asked for and not done yet.
    requested: Option<Request>,
    /// Whether anything was ever asked for.
    is_under_way: bool,
    began: Option<Instant>,
    deadline: Option<Instant>,
    /// Whether nothing is waited for any more. A drain may have no deadline either.
    is_stopped: bool,
    report: DrainReport,
    is_over: bool,
}

impl Drain {
    /// Notes what was asked for; more is never taken back by less.
    pub(crate) fn request(&mut self, request: Request) {
        self.requested = self.requested.max(Some(request));
        self.is_under_way = true;
    }

    /// A signal has come: the first drains, the second stops.
    pub(crate) fn on_signal(&mut self) {
        let is_first = self.began.is_none() && self.requested.is_none();
        let is_first = is_first || planted!(SecondSignalIsTheFirst);
        self.request(if is_first { Request::Drain } else { Request::Stop });
    }

    /// What is to be done now, if anything.
    pub(crate) fn take_request(&mut self) -> Option<Request> {
        self.requested.take()
    }

    /// Begins to drain; says whether that is news.
    pub(crate) fn begin(&mut self, now: Instant, config: &Config) -> bool {
        if self.began.is_some() {
            return false;
        }
        self.began = Some(now);
        self.deadline = now.after(config.drain_timeout).filter(|_| !planted!(DrainForEver));
        true
    }

    /// From now on nothing is waited for.
    pub(crate) const fn stop(&mut self) {
        self.deadline = None;
        self.is_stopped = true;
    }

    /// Whether nothing is waited for any more.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether there are steps to take.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Whether nothing is left.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) const fn is_draining(&self) -> bool {
        self.began.is_some()
    }

    /// When what is left is cut.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the deadline has passed: said once.
    pub(crate) fn take_expiry(&mut self, now: Instant) -> bool {
        self.deadline.take_if(|deadline| *deadline <= now).is_some()
    }

    /// A connection ended.
    pub(crate) const fn count(&mut self, reason: &CloseReason) {
        if !self.is_draining() {
            return;
        }
        match reason {
            CloseReason::DrainTimeout => self.report.cut_at_deadline += 1,
            CloseReason::Stopped => self.report.cut_by_stop += 1,
            CloseReason::PeerFinished | CloseReason::Closed | CloseReason::Drained => {
                self.report.finished += 1;
            }
            _ => self.report.failed += 1,
        }
    }

    /// Datagrams that waited were given up.
    pub(crate) const fn count_datagrams(&mut self, cut: usize) {
        self.report.datagrams_cut += cut;
    }

    /// Nothing is left.
    pub(crate) fn finish(&mut self, now: Instant) {
        if !self.is_over {
            self.is_over = true;
            self.report.took = now.since(self.began.unwrap_or(now));
        }
    }

    /// How it ended, once it has.
    pub(crate) fn report(&self) -> Option<&DrainReport> {
        self.is_over.then_some(&self.report)
    }
}

/// How a loop ended: what finished, what was cut and why, and how long it took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DrainReport {
    /// Connections that were open when the drain began and ended with nothing owed.
    pub finished: usize,
    /// Connections cut because the drain timeout passed.
    pub cut_at_deadline: usize,
    /// Connections cut because the loop was told to stop.
    pub cut_by_stop: usize,
    /// Connections that broke off during the drain by a fault of their own.
    pub failed: usize,
    /// Datagrams that were still waiting to be sent, and were not.
    pub datagrams_cut: usize,
    /// How long it took, from the first signal to the last close.
    pub took: Duration,
}

impl DrainReport {
    /// Whether everything that was owed was delivered: nothing was cut.
    pub const fn is_clean(&self) -> bool {
        self.cut_at_deadline == 0 && self.cut_by_stop == 0 && self.datagrams_cut == 0
    }

    /// One report for this loop and another, such as those of a program with a loop on each of
    /// several threads: what both have counted, and the longer of their times.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Self {
            finished: self.finished + other.finished,
            cut_at_deadline: self.cut_at_deadline + other.cut_at_deadline,
            cut_by_stop: self.cut_by_stop + other.cut_by_stop,
            failed: self.failed + other.failed,
            datagrams_cut: self.datagrams_cut + other.datagrams_cut,
            took: self.took.max(other.took),
        }
    }
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not as a float: what formats those is larger than all of the report.
        let (seconds, millis) = (self.took.as_secs(), self.took.subsec_millis());
        write!(f, "drained in {seconds}.{millis:03} s: {} finished", self.finished)?;
        for (count, why) in [
            (self.failed, "broke off"),
            (self.cut_at_deadline, "cut at the deadline"),
            (self.cut_by_stop, "cut by the stop"),
            (self.datagrams_cut, "datagrams not sent"),
        ] {
            if count > 0 {
                write!(f, ", {count} {why}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(counts: [usize; 5], secs: u64) -> DrainReport {
        let [finished, cut_at_deadline, cut_by_stop, failed, datagrams_cut] = counts;
        let took = Duration::from_secs(secs);
        DrainReport { finished, cut_at_deadline, cut_by_stop, failed, datagrams_cut, took }
    }

    #[test]
    fn a_report_says_what_finished_and_whatever_else_there_was() {
        let text = |counts, millis| {
            let took = Duration::from_millis(millis);
            DrainReport { took, ..report(counts, 0) }.to_string()
        };
        assert_eq!(text([0; 5], 0), "drained in 0.000 s: 0 finished");
        assert_eq!(
            text([1, 2, 3, 4, 5], 61_007),
            "drained in 61.007 s: 1 finished, 4 broke off, 2 cut at the deadline, \
             3 cut by the stop, 5 datagrams not sent"
        );
    }

    #[test]
    fn two_reports_are_one_of_both_and_of_the_longer_time() {
        let (one, other) = (report([1, 2, 3, 4, 5], 9), report([10, 20, 30, 40, 50], 7));
        assert_eq!(one.merged(&other), report([11, 22, 33, 44, 55], 9));
        assert_eq!(one.merged(&other), other.merged(&one));
        assert_eq!(DrainReport::default().merged(&one), one);
    }
}
