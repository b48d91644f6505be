//! The beginning of a connection that is made to another.

use std::io;

use super::{Connection, Flags, Phase};
use crate::error::CloseReason;
use crate::network::{ConnectError, Progress, Readiness};
use crate::outside::Outside;
use crate::shared::Shared;

impl Connection {
    /// Whether it was made to another, and not accepted.
    pub(crate) const fn is_outbound(&self) -> bool {
        self.flags.contains(Flags::OUTBOUND)
    }

    /// Something has happened while it was being made; says whether it is made now.
    pub(crate) fn check_connected(
        &mut self,
        shared: &mut Shared,
        network: &mut Outside<'_>,
    ) -> bool {
        match network.connected(self.token) {
            Ok(Progress::Done(())) => {
                self.phase = Phase::Open;
                self.flags.remove(Flags::CONNECTING);
                // Nobody could have paused it: what comes already is not for the handler.
                self.flags.set(Flags::TO_BE_TIED, shared.is_to_be_tied(self.token));
                (self.opened, self.last_active) = (shared.now, shared.now);
                // Whether it really takes anything, writing will tell.
                self.note(Readiness::WRITABLE);
                // What is due now may be due before the connect would have been.
                self.arm(shared);
                true
            }
            Ok(Progress::Blocked) => {
                planted!(ConnectIsTrusted, return true);
                self.flags.remove(Flags::WRITABLE);
                false
            }
            Err(error) => {
                self.fail_to_connect(error);
                false
            }
        }
    }

    /// It cannot be made.
    pub(crate) fn fail_to_connect(&mut self, error: ConnectError) {
        self.notes_or_new().connect_error = Some(error);
        self.cut(CloseReason::NotConnected);
    }

    /// Nobody has answered for long enough.
    pub(super) fn give_up_connecting(&mut self) {
        self.fail_to_connect(ConnectError::TimedOut(io::ErrorKind::TimedOut.into()));
    }

    /// Why it was never made, given the reason it was closed for.
    pub(crate) fn take_connect_error(&mut self, reason: &CloseReason) -> ConnectError {
        let noted = self.notes_mut().and_then(|notes| notes.connect_error.take());
        noted.unwrap_or_else(|| {
            let text = format!("it was closed before it was made: {reason}");
            ConnectError::Other(io::Error::new(io::ErrorKind::ConnectionAborted, text))
        })
    }
}
