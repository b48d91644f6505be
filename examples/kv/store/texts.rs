//! Strings, which are put and changed more often than anything else.

use super::super::refusal::Refusal;
use super::super::text::Text;
use super::super::value::{Kind, Value};
use super::{Place, Store};

impl Store {
    /// The string at a place, if there is anything.
    ///
    /// # Errors
    ///
    /// If it is no string.
    #[inline]
    pub(crate) fn text(&self, place: Place<'_>) -> Result<Option<&Text>, Refusal> {
        let Some(slot) = place.slot else { return Ok(None) };
        Text::of(&self.table.at(slot).value).map(Some).ok_or(Refusal::WrongType)
    }

    /// Puts a string there, whatever was there before: until `expires`, or as long as that.
    #[inline]
    pub(crate) fn set_text(&mut self, place: Place<'_>, text: &[u8], expires: Option<u64>) {
        self.watches.touch(place.key);
        let slot = match place.slot {
            Some(slot) => {
                self.replace(slot, text);
                slot
            }
            None => self.insert(place.hash, place.key, Value::Text(Text::from(text))),
        };
        if let Some(expires) = expires {
            self.set_expires_at(slot, expires);
        }
    }

    #[inline]
    fn replace(&mut self, slot: u32, text: &[u8]) {
        let value = &mut self.table.at_mut(slot).value;
        let before = value.held_bytes();
        if let Value::Text(old) = value {
            old.set(text);
        } else {
            *value = Value::Text(Text::from(text));
        }
        self.used_bytes = self.used_bytes - before + value.held_bytes();
    }

    /// Changes the string at a place, where there is one or nothing: as [`change`](Self::change).
    pub(crate) fn change_text(
        &mut self,
        place: Place<'_>,
        is_change: bool,
        change: impl FnOnce(&mut Text),
    ) {
        if is_change {
            self.watches.touch(place.key);
        }
        let slot = match place.slot {
            Some(slot) => slot,
            None => self.insert(place.hash, place.key, Value::Text(Text::default())),
        };
        let Value::Text(text) = &mut self.table.at_mut(slot).value else { return };
        let before = text.heap_len();
        change(text);
        self.used_bytes = self.used_bytes - before + text.heap_len();
    }

    /// Whether a string may be as long.
    ///
    /// # Errors
    ///
    /// If not.
    pub(crate) fn check_len(&self, len: usize) -> Result<(), Refusal> {
        const TOO_LONG: &str = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        if len > self.limits.max_len { Err(Refusal::Other(TOO_LONG)) } else { Ok(()) }
    }
}
