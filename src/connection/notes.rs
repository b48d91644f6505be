//! What layers have to do with a connection, and the place for what hardly any connection needs.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use super::tie::Tie;
use super::traffic::Carried;
use super::{Connection, Flags};
use crate::error::{CloseReason, Refusal};
use crate::instant::Instant;
use crate::network::ConnectError;
use crate::shared::Shared;

/// What hardly any connection needs.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) identity: Option<Identity>,
    /// At most one of each type.
    pub(crate) values: Vec<Box<dyn Any>>,
    /// The longest frame a layer lets through, on the wire.
    pub(crate) max_frame_len: Option<usize>,
    /// When a layer wants the connection closed.
    pub(super) notice: Option<Notice>,
    /// Until when nothing is read, because a layer says so.
    pub(super) slowed_until: Option<Instant>,
    /// Why it could not be made.
    pub(super) connect_error: Option<ConnectError>,
    pub(super) tie: Option<Tie>,
    /// The bytes discarded while lingering.
    pub(super) discarded_len: usize,
    pub(super) carried: Carried,
}

/// Who was authenticated, and by what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Who.
    pub name: String,
    /// The layer that says so.
    pub by: &'static str,
}

/// A layer wants a connection closed at some time.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) at: Instant,
    by: &'static str,
    refusal: Refusal,
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// On the list of the layers that see a connection's frames: the handler was not told of it yet.
const WITHHELD: u32 = 1 << 31;
/// On the same list: there is a limit for the length of frames.
const LIMITED: u32 = 1 << 30;

/// What layers have to do with a connection.
impl Connection {
    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.apart.as_ref()?.notes.as_deref()
    }

    pub(crate) fn notes_mut(&mut self) -> Option<&mut Notes> {
        self.apart.as_mut()?.notes.as_deref_mut()
    }

    pub(crate) fn notes_or_new(&mut self) -> &mut Notes {
        self.apart_or_new().notes.get_or_insert_default()
    }

    /// The longest frame that layers let through, on the wire.
    pub(crate) fn max_frame_len(&self) -> Option<usize> {
        self.notes()?.max_frame_len
    }

    /// Lets no longer frame through than this, on the wire.
    pub(crate) fn limit_frames(&mut self, len: Option<usize>) {
        self.notes_or_new().max_frame_len = len;
        self.watchers = self.watchers & !LIMITED | if len.is_some() { LIMITED } else { 0 };
    }

    /// It was opened, and these of the layers want to see its frames.
    pub(crate) const fn watch(&mut self, watchers: u32) {
        self.watchers = watchers;
    }

    pub(crate) const fn unwatch(&mut self, layer: u32) {
        self.watchers &= !layer;
    }

    /// The layers that want to see its frames.
    pub(crate) const fn watchers(&self) -> u32 {
        self.watchers & !(WITHHELD | LIMITED)
    }

    /// Whether anything must be seen to with frames before the handler.
    #[inline]
    pub(crate) const fn is_watched(&self) -> bool {
        self.watchers != 0
    }

    pub(crate) const fn withhold(&mut self) {
        self.watchers |= WITHHELD;
    }

    pub(crate) const fn admit(&mut self) {
        self.watchers &= !WITHHELD;
    }

    pub(crate) const fn is_withheld(&self) -> bool {
        self.watchers & WITHHELD != 0
    }

    /// One more layer was told of its opening.
    pub(crate) const fn note_seen(&mut self) {
        self.seen_by += 1;
    }

    /// How many of the layers were told of its opening.
    pub(crate) const fn seen_by(&self) -> usize {
        self.seen_by as usize
    }

    /// A layer refuses it: says farewell, and closes.
    pub(crate) fn refuse(&mut self, shared: &mut Shared, by: &'static str, refusal: Refusal) {
        if self.is_open() {
            if self.may_send() {
                shared.output.put_bytes(refusal.farewell);
            }
            self.close(CloseReason::Refused { by, why: refusal.why });
        }
    }

    /// Runs no frame for `wait`, if that is later than what was said before.
    pub(crate) fn slow(&mut self, shared: &mut Shared, wait: Duration) {
        let until = shared.now.after(wait).unwrap_or(Instant::END);
        let slowed_until = &mut self.notes_or_new().slowed_until;
        *slowed_until = (*slowed_until).max(Some(until));
        self.flags.insert(Flags::SLOWED);
        self.arm(shared);
    }

    /// Reads on after having been slowed.
    pub(super) fn quicken(&mut self, now: Instant) {
        self.notes_or_new().slowed_until = None;
        self.flags.remove(Flags::SLOWED);
        self.begin_again(now);
    }

    /// Closes it after `wait`, in the name of the layer `by`.
    pub(crate) fn set_notice(
        &mut self,
        shared: &mut Shared,
        wait: Duration,
        by: &'static str,
        refusal: Refusal,
    ) {
        let at = shared.now.after(wait).unwrap_or(Instant::END);
        self.notes_or_new().notice = Some(Notice { at, by, refusal });
        self.arm(shared);
    }

    pub(crate) fn cancel_notice(&mut self) {
        if let Some(notes) = self.notes_mut() {
            notes.notice = None;
        }
    }

    /// The time that a layer gave has passed.
    pub(super) fn act_on_notice(&mut self, shared: &mut Shared) {
        if let Some(Notice { by, refusal, .. }) = self.notes_or_new().notice.take() {
            self.refuse(shared, by, refusal);
        }
    }
}
