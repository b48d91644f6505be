//! What comes before the frames of an event: what waits is flushed, the handler told of room for
//! more, and input read or taken up again.

use super::announce;
use super::input::{may_read, read, read_on};
use crate::connection::Phase;
use crate::handler::{Handler, Session, guard};
use crate::read_buffer::ReadBuffer;

/// Does what comes before the frames of a connection that is not open, or has something waiting.
/// Makes input ready to be decoded, if possible: at the beginning of the shared buffer, as many
/// bytes as this says; or, if it says zero, where it was kept.
#[inline(never)]
pub(super) fn prepare<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    buffer: &mut [u8],
) -> (Option<Box<ReadBuffer>>, usize) {
    session.shared.room = session.output_room();
    match session.connection.phase() {
        Phase::Open => {}
        Phase::Connecting => {
            connect(handler, session);
            return (None, 0);
        }
        Phase::Lingering => {
            session.connection.linger(session.shared, &mut session.network, buffer);
            return (None, 0);
        }
        // What waits is flushed when the event is settled.
        Phase::Flushing | Phase::Closed => return (None, 0),
    }
    if session.connection.queued_len() > 0 {
        session.flush();
    }
    tell_of_room(handler, session);
    match session.connection.take_input() {
        Some(kept) => read_on(session, buffer, kept),
        None if may_read(session) => (None, read(session, buffer)),
        None => (None, 0),
    }
}

/// Tells the handler that there is room for more output, if it wants to know. It may want to know
/// again and again, which its budget of frames bounds; the last of that is for what the peer sends,
/// or nobody would ever hear it.
fn tell_of_room<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
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

/// Something has happened to a connection that is being made. If it is made now, it is announced,
/// and served like any other from then on.
fn connect<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
    if session.connection.check_connected(session.shared, &mut session.network) {
        session.shared.metrics.connects_succeeded += 1;
        announce(handler, session);
    }
}
