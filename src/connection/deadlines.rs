//! When a connection has taken too long, and the timers its handler set.

use std::time::Duration;

use super::{Connection, Flags, Phase};
use crate::config::Config;
use crate::error::CloseReason;
use crate::instant::Instant;
use crate::read_buffer::ReadBuffer;
use crate::shared::{Purpose, Shared, TimerKey};

impl Connection {
    /// When the earliest of its deadlines passes, and what that would mean.
    pub(super) fn next_deadline(&self, config: &Config) -> Option<(Instant, Expiry)> {
        let in_time = |from: Instant, timeout: Option<Duration>, expiry| {
            timeout.and_then(|timeout| from.after(timeout)).map(|deadline| (deadline, expiry))
        };
        let linger = Some(config.linger_timeout);
        if self.phase == Phase::Lingering {
            return in_time(self.last_active, linger, Expiry::Linger);
        }
        if self.phase == Phase::Connecting {
            planted!(ConnectForEver, return None);
            return in_time(self.opened, Some(config.connect_timeout), Expiry::Connect);
        }
        let queue = self.queue().filter(|_| !planted!(StalledReaderStays));
        let write = queue.and_then(|q| in_time(q.progress(), config.write_timeout, Expiry::Write));
        if !self.is_open() {
            // Without a deadline for output of its own, a peer that is gone must not stay for ever.
            let idle = || in_time(self.last_active, config.idle_timeout, Expiry::Idle);
            return if config.write_timeout.is_some() { write } else { idle() };
        }
        // As long as more of the frame is here and only waits for the next turn, it is we who are
        // late. That ends: a frame has a maximum.
        let is_behind = self.input.is_some() && self.may_read();
        let is_awaited = |input: &ReadBuffer| input.missing() > 0 && self.may_run() && !is_behind;
        let input = self.input.as_deref().filter(|input| is_awaited(input));
        let owes_first = self.frames == 0 && !self.is_outbound() && !self.is_tied();
        let first = (owes_first && !is_behind).then_some(self.opened);
        let notes = self.notes();
        let newcomer = self.flags.contains(Flags::NEWCOMER).then_some(self.opened);
        [
            write,
            input.and_then(|i| in_time(i.begun(), config.frame_timeout, Expiry::Frame)),
            first.and_then(|f| in_time(f, config.first_frame_timeout, Expiry::FirstFrame)),
            notes.and_then(|n| Some((n.notice.as_ref()?.at, Expiry::Notice))),
            notes.and_then(|n| Some((n.slowed_until?, Expiry::Slowed))),
            newcomer.and_then(|n| in_time(n, linger, Expiry::Newcomer)),
            in_time(self.opened, config.lifetime, Expiry::Lifetime),
            in_time(self.last_active, config.idle_timeout, Expiry::Idle),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(deadline, _)| *deadline)
    }

    /// Sees to it that it is looked at when the earliest deadline passes, or before. Deadlines that
    /// move into the future, as nearly all do with each event, cost nothing: they are found out
    /// when it is looked.
    pub(super) fn arm(&mut self, shared: &mut Shared) {
        let Some((deadline, _)) = self.next_deadline(&shared.config) else { return };
        match self.deadline {
            Some(_) if planted!(EarlierDeadlineUnseen) => {}
            Some(timer) if shared.timers.deadline_of(timer) <= deadline => {}
            Some(timer) => shared.timers.move_to(timer, deadline),
            None => {
                let key = TimerKey { token: self.token, purpose: Purpose::Deadline };
                self.deadline = Some(shared.timers.arm(deadline, key));
            }
        }
    }

    /// It is looked whether a deadline has passed, and done what that means. If the connection is
    /// to be closed in good order, it is said why, and left to who can tell the handler before.
    pub(crate) fn expire(&mut self, shared: &mut Shared) -> Option<CloseReason> {
        self.deadline = None;
        let (deadline, expiry) = self.next_deadline(&shared.config)?;
        if deadline > shared.due {
            return None;
        }
        match expiry {
            Expiry::Write => {
                self.flags.insert(Flags::ABORTED);
                self.cut(CloseReason::WriteTimeout);
            }
            Expiry::Frame => return Some(CloseReason::FrameTimeout),
            Expiry::FirstFrame => return Some(CloseReason::FirstFrameTimeout),
            // It has begun to ask, or the handler is at work, or it closes right after this.
            Expiry::Newcomer => self.set_draining(Flags::WHEN_IDLE),
            Expiry::Connect => self.give_up_connecting(),
            Expiry::Notice => self.act_on_notice(shared),
            Expiry::Slowed => self.quicken(shared.now),
            Expiry::Lifetime => return Some(CloseReason::LifetimeOver),
            Expiry::Idle if self.is_open() => return Some(CloseReason::IdleTimeout),
            Expiry::Idle => self.cut(CloseReason::IdleTimeout),
            Expiry::Linger => self.finish(),
        }
        None
    }

    pub(crate) fn set_timer(&mut self, shared: &mut Shared, key: u32, wait: Duration) {
        let token = self.token;
        self.timers_or_new().set(shared, token, key, wait);
    }

    pub(crate) fn set_interval(&mut self, shared: &mut Shared, key: u32, period: Duration) {
        let token = self.token;
        self.timers_or_new().set_periodic(shared, token, key, period);
    }

    pub(crate) fn cancel_timer(&mut self, shared: &mut Shared, key: u32) -> bool {
        self.timers_mut().is_some_and(|timers| timers.cancel(shared, key))
    }

    /// The handler's timer under `key` has come due.
    pub(crate) fn on_timer_due(&mut self, shared: &mut Shared, key: u32) {
        let token = self.token;
        if let Some(timers) = self.timers_mut() {
            timers.on_due(shared, token, key);
            if timers.is_empty() {
                self.take_timers();
            }
        }
    }
}

/// The deadlines a connection can miss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expiry {
    Write,
    Frame,
    FirstFrame,
    Connect,
    Notice,
    Slowed,
    Newcomer,
    Lifetime,
    Idle,
    Linger,
}
