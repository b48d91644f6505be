//! Input that is no frame, and the end of the connection that comes of it.

use super::frames::Ran;
use crate::error::{CloseReason, FrameError, FrameFault};
use crate::handler::{Handler, Session, take_leave};

/// What a codec is told that claims a frame of no bytes, or of more than there are.
const IMPOSSIBLE_FRAME: FrameError =
    FrameError::new(FrameFault::Malformed("the codec's frame has an impossible length"), 0);

#[cold]
pub(super) fn impossible<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    consumed: usize,
) -> Ran {
    malformed(handler, session, IMPOSSIBLE_FRAME, consumed)
}

/// What was not consumed is no frame.
#[cold]
pub(super) fn malformed<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    error: FrameError,
    consumed: usize,
) -> Ran {
    take_leave(handler, session, CloseReason::Malformed(error));
    Ran { consumed, need: 0 }
}

/// Closes the connection if a layer allows no frame of so many bytes.
pub(super) fn check_frame_len<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    len: usize,
) {
    if let Some(limit) = session.connection.max_frame_len()
        && len > limit
    {
        malformed(handler, session, FrameError::new(FrameFault::TooLong { limit }, limit), 0);
    }
}
