//! Input that could not be used up at once: kept after the frames, and made ready before the next.

use super::frames::Ran;
use super::malformed::check_frame_len;
use crate::handler::{Handler, Session};
use crate::read_buffer::ReadBuffer;

/// A short beginning of a frame is put before what is read next, in the shared buffer; a longer one
/// is read on where it is.
const JOIN_LEN: usize = 4096;

/// Whether reading may bring something, and is within the budgets.
pub(super) fn may_read<H: Handler>(session: &Session<'_, H>) -> bool {
    session.shared.read_left > 0 && session.shared.frames_left > 0 && session.connection.may_read()
}

/// Reads into `buffer`, within the budget; says how many bytes came, if any.
pub(super) fn read<H: Handler>(session: &mut Session<'_, H>, buffer: &mut [u8]) -> usize {
    let room = buffer.len().min(session.shared.read_left);
    let (now, buffer) = (session.shared.now, &mut buffer[..room]);
    let read = session.connection.read(&mut session.network, buffer, now);
    let len = read.unwrap_or_default();
    planted!(ReadBudgetOff, session.shared.read_left += len);
    session.shared.read_left -= len;
    session.count_read(len);
    len
}

/// Makes input that was kept worth decoding, if possible. Whoever is served has a frame left to
/// run.
pub(super) fn read_on<H: Handler>(
    session: &mut Session<'_, H>,
    buffer: &mut [u8],
    mut kept: Box<ReadBuffer>,
) -> (Option<Box<ReadBuffer>>, usize) {
    while kept.missing() > 0 && may_read(session) {
        let before = kept.len();
        let is_short = kept.is_short(JOIN_LEN, buffer.len());
        let space = if is_short {
            buffer[..before].copy_from_slice(kept.filled());
            &mut buffer[before..]
        } else {
            kept.space()
        };
        let read = read(session, space);
        if read == 0 {
            break;
        } else if !is_short {
            kept.fill(read);
        } else if read < kept.missing() {
            kept.append(&buffer[before..before + read]);
        } else {
            return (Some(kept), before + read);
        }
    }
    if kept.missing() == 0 && session.connection.may_run() {
        return (Some(kept), 0);
    }
    session.connection.keep_input(kept);
    (None, 0)
}

/// Keeps what was not consumed with the connection. The input was the first `len` bytes of the
/// shared buffer or, if that is zero, what was kept before.
#[inline(never)]
pub(super) fn keep<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    buffer: &[u8],
    kept: Option<Box<ReadBuffer>>,
    len: usize,
    ran: Ran,
) {
    let spares = &mut session.shared.spares;
    let mut kept = kept.unwrap_or_else(|| spares.take());
    // The frame that was the first is not the first any more, or never was.
    let is_new = ran.consumed > 0 || kept.len() == 0;
    if len == 0 {
        kept.consume(ran.consumed);
    } else if is_new {
        kept.clear();
        kept.append(&buffer[ran.consumed..len]);
    } else {
        let known = kept.len();
        kept.append(&buffer[known..len]);
    }
    check_frame_len(handler, session, ran.need);
    let spares = &mut session.shared.spares;
    if kept.len() == 0 || !session.connection.is_open() {
        spares.give_back(kept);
        return;
    }
    let is_new = is_new || planted!(EachByteBuysTime);
    let begun = if is_new { session.shared.now } else { kept.begun() };
    kept.set_need(ran.need + usize::from(planted!(OneByteTooManyAwaited)), begun);
    session.connection.keep_input(kept.fitted(spares));
}
