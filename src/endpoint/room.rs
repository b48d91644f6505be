//! Telling a handler that there is room for more output, when it wants to know.

use crate::handler::{Handler, Session, guard};

/// Tells the handler that there is room for more output, if it wants to know. It may want to know
/// again and again, which its budget of frames bounds; the last of that is for what the peer sends,
/// or nobody would ever hear it.
pub(super) fn tell_of_room<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
    let mut is_due = session.connection.is_room_due(&session.shared.config);
    if is_due && session.shared.output.len() > session.shared.config.low_watermark {
        // What was just sent may have taken the room.
        session.flush();
        is_due = session.connection.is_room_due(&session.shared.config);
    }
    if is_due {
        session.connection.note_room_told();
        session.shared.frames_left = (session.shared.frames_left - 1).max(1);
        guard(session, |session| handler.on_writable(session));
    }
}

/// Whether the handler is to be told of room in this turn again.
pub(super) fn may_tell_of_room<H: Handler>(session: &Session<'_, H>) -> bool {
    session.connection.is_room_due(&session.shared.config)
        && session.shared.frames_left > 1
        && session.shared.write_left > 0
}
