//! What must be true of a connection whenever the loop has finished a turn.

use super::{Connection, Flags, Phase};
use crate::network::Readiness;
use crate::shared::Shared;

/// What must be true, and whether it is.
type Rule = (&'static str, bool);

impl Connection {
    /// Enough of it to see what is wrong, without the bytes it holds.
    pub(crate) fn describe(&self) -> String {
        let Self { token, phase, flags, frames, last_active, .. } = self;
        let (queued, held) = (self.queued_len(), self.held_len());
        format!(
            "{token:?} is {phase:?}, {flags:?}, {frames} frames, {queued} bytes queued, \
             {held} held, active at {last_active:?}"
        )
    }

    /// The first rule that is broken, if any is. `promised` is what the network will tell of by
    /// itself as soon as it is so.
    pub(crate) fn broken_rule(&self, shared: &Shared, promised: Readiness) -> Option<&'static str> {
        let rules = self.work_rules(shared, promised).into_iter();
        let mut rules = rules.chain(self.buffer_rules(shared)).chain(self.end_rules(shared));
        rules.find(|(_, is_kept)| !is_kept).map(|(rule, _)| rule)
    }

    /// How many timers it has armed.
    pub(crate) fn timers_len(&self) -> usize {
        let timers = self.apart.as_ref().and_then(|apart| apart.timers.as_ref());
        usize::from(self.deadline.is_some()) + timers.map_or(0, |timers| timers.len())
    }

    /// Whatever is to be done for it, somebody will come and do it.
    fn work_rules(&self, shared: &Shared, promised: Readiness) -> [Rule; 5] {
        let has = |flag| self.flags.contains(flag);
        let is_told = |readiness| promised.contains(readiness);
        let (is_listed, is_open) = (self.is_listed_ready(), self.phase == Phase::Open);
        let reads = (is_open && self.may_run()) || self.phase == Phase::Lingering;
        let draws = is_open && self.is_tied();
        [
            (
                "I3: what waits for the peer is on the list, or is sent at an event",
                !self.has_queue()
                    || matches!(self.phase, Phase::Connecting | Phase::Closed)
                    || if has(Flags::WRITABLE) { is_listed } else { is_told(Readiness::WRITABLE) },
            ),
            (
                "I6: what can be read is on the list, or is read at an event",
                !(reads || draws)
                    || has(Flags::ENDED)
                    || match has(Flags::READABLE) {
                        true => is_listed || draws,
                        false => is_told(Readiness::READABLE),
                    },
            ),
            (
                "I6: frames that are whole, and an end that is not told, are on the list",
                !is_open
                    || !self.may_run()
                    || !(self.has_frames_waiting() || self.is_end_due())
                    || is_listed,
            ),
            (
                "I6: whose handler is to be told that there is room is on the list",
                !self.is_room_due(&shared.config) || is_listed,
            ),
            (
                "I6: who is not connected yet, or was not told what came before, is told",
                !has(Flags::CONNECTING.with(Flags::UNANNOUNCED))
                    || !is_open && self.phase != Phase::Connecting
                    || promised != Readiness::NONE,
            ),
        ]
    }

    /// It holds what it is counted to hold, and no more than it may.
    fn buffer_rules(&self, shared: &Shared) -> [Rule; 6] {
        let config = &shared.config;
        let queued = self.queued_len();
        let is_held = self.flags.contains(Flags::OUTPUT);
        [
            ("I7: output is below the limit", queued <= config.write_limit || self.is_closed()),
            ("I7: its memory is counted", self.counted_len as usize == self.held_len()),
            (
                "I7: its input takes no more memory than goes with what has come",
                self.input.as_ref().is_none_or(|input| input.is_earned(self.bytes_received())),
            ),
            (
                "I7: what little is left of its input does not keep a large buffer",
                self.input.as_ref().is_none_or(|input| self.is_tied() || input.is_fitting()),
            ),
            (
                "I7: a queue at the high watermark holds its peer back",
                queued < config.high_watermark || is_held || self.is_closed(),
            ),
            (
                "I6: nobody is held back by a queue that is no longer than the low watermark",
                !is_held || queued > config.low_watermark,
            ),
        ]
    }

    /// Its end comes.
    fn end_rules(&self, shared: &Shared) -> [Rule; 4] {
        let deadline = self.next_deadline(&shared.config).map(|(deadline, _)| deadline);
        let looked_at = self.deadline.map(|timer| shared.timers.deadline_of(timer));
        [
            (
                "I10: it is looked at no later than its earliest deadline",
                self.is_closed()
                    || deadline.is_none_or(|due| looked_at.is_some_and(|at| at <= due)),
            ),
            (
                "I2: who has closed is about to be freed",
                self.is_closed() == self.flags.contains(Flags::LISTED_CLOSED),
            ),
            (
                "I4: who is not open any more has a reason, and who is open has none",
                self.is_closed() || self.has_reason() != self.is_open(),
            ),
            (
                "I3: who has nothing to flush does not go on flushing",
                self.phase != Phase::Flushing || self.has_queue(),
            ),
        ]
    }
}
