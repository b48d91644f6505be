//! From bytes to frames to the handler, within a connection's budgets.

use std::ops::Range;

use super::announce;
use crate::codec::{Codec, Decoded};
use crate::connection::Phase;
use crate::error::{CloseReason, FrameError, FrameFault};
use crate::handler::{Handler, Session, guard, panicked};
use crate::layers::{Layers, Passage};
use crate::middleware::Frame;
use crate::panics::catch;
use crate::read_buffer::ReadBuffer;
use crate::turn::Bench;

/// A short beginning of a frame is put before what is read next, in the shared buffer; a longer one
/// is read on where it is.
const JOIN_LEN: usize = 4096;

/// Does for a connection whatever is possible, within its budgets.
#[inline(always)]
pub(super) fn serve<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    bench: &mut Bench<'_>,
) {
    if session.connection.phase() == Phase::Open {
        serve_open(handler, session, bench);
    } else {
        serve_other(handler, session, bench);
    }
}

/// Does what there is to do before it is open, or after.
#[inline(never)]
fn serve_other<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, bench: &mut Bench<'_>) {
    match session.connection.phase() {
        Phase::Connecting => connect(handler, session),
        Phase::Lingering => {
            session.connection.linger(session.shared, session.network, bench.buffer);
        }
        // What waits is flushed when the event is settled.
        Phase::Open | Phase::Flushing | Phase::Closed => {}
    }
}

/// Flushes what waits, reads, and runs frames; counts what that came to.
#[inline(always)]
fn serve_open<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, bench: &mut Bench<'_>) {
    if session.connection.queued_len() > 0 {
        session.connection.flush(session.shared, session.network);
    }
    let config = &session.shared.config;
    let (bytes, frames) = (config.read_budget, config.frame_budget);
    let mut budget = Budget { bytes, frames };
    if catch(|| run(handler, session, bench, &mut budget)).is_none() {
        panicked(session);
    }
    let (bytes, frames) = (bytes.wrapping_sub(budget.bytes), frames.wrapping_sub(budget.frames));
    session.connection.ran_frames(frames);
    session.connection.count_received(bytes);
    let metrics = &mut session.shared.metrics;
    metrics.frames = metrics.frames.wrapping_add(frames as u64);
    metrics.bytes_received = metrics.bytes_received.wrapping_add(bytes as u64);
}

/// Something has happened to a connection that is being made. If it is made now, it is served when
/// it is its turn.
fn connect<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
    if session.connection.check_connected(session.shared, session.network) {
        session.shared.metrics.connects_succeeded += 1;
        announce(handler, session);
    }
}

/// What a connection may still do in this turn.
struct Budget {
    bytes: usize,
    frames: usize,
}

/// Runs the frames that wait, then reads and runs more.
#[inline(always)]
fn run<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    bench: &mut Bench<'_>,
    budget: &mut Budget,
) {
    let Bench { buffer, layers } = bench;
    let buffer = &mut **buffer;
    loop {
        let (mut kept, len) = match session.connection.input.take() {
            None if may_read(session, budget) => match read(session, buffer, budget) {
                Some(len) => (None, len),
                None => break,
            },
            None => break,
            Some(kept) => match read_on(session, buffer, kept, budget) {
                Some((kept, len)) => (Some(kept), len),
                None => break,
            },
        };
        let in_place = kept.as_mut().filter(|_| len == 0);
        let input = in_place.map_or(&mut buffer[..len], |kept| kept.filled());
        let ran = run_frames(handler, session, input, budget, layers);
        if ran.consumed < input.len() || kept.is_some() {
            keep(session, buffer, kept, len, ran);
        } else if !session.connection.may_read() {
            break;
        }
    }
    if session.connection.is_end_due() && session.connection.may_run() {
        run_end(handler, session, layers);
    }
}

#[inline]
fn may_read<H: Handler>(session: &Session<'_, H>, budget: &Budget) -> bool {
    budget.bytes > 0 && budget.frames > 0 && session.connection.may_read()
}

/// Reads into `buffer`, within the budget; says how many bytes came, if any.
#[inline(always)]
fn read<H: Handler>(
    session: &mut Session<'_, H>,
    buffer: &mut [u8],
    budget: &mut Budget,
) -> Option<usize> {
    let room = buffer.len().min(budget.bytes);
    let len = session.connection.read(session.network, &mut buffer[..room], session.shared.now)?;
    budget.bytes -= len;
    Some(len)
}

/// Makes input that was kept worth decoding, if possible: at the beginning of the shared buffer,
/// whose first bytes it then is, as many as this says; or, if it says zero, where it was kept.
#[inline(never)]
fn read_on<H: Handler>(
    session: &mut Session<'_, H>,
    buffer: &mut [u8],
    mut kept: Box<ReadBuffer>,
    budget: &mut Budget,
) -> Option<(Box<ReadBuffer>, usize)> {
    let mut len = 0;
    while kept.missing() > 0 {
        if !may_read(session, budget) {
            session.connection.input = Some(kept);
            return None;
        }
        let before = kept.len();
        let is_short = kept.is_short(JOIN_LEN, buffer.len());
        let space = if is_short {
            buffer[..before].copy_from_slice(kept.filled());
            &mut buffer[before..]
        } else {
            kept.space()
        };
        let Some(read) = read(session, space, budget) else {
            session.connection.input = Some(kept);
            return None;
        };
        if !is_short {
            kept.fill(read);
        } else if read < kept.missing() {
            kept.append(&buffer[before..before + read]);
        } else {
            len = before + read;
            break;
        }
    }
    let may_run = budget.frames > 0 && session.connection.may_run();
    if !may_run && len == 0 {
        session.connection.input = Some(kept);
        return None;
    }
    Some((kept, len))
}

/// How far the frames of an input were run.
#[derive(Clone, Copy)]
struct Ran {
    consumed: usize,
    /// How many bytes there must be of the rest before it is worth decoding again; zero if it is
    /// now.
    need: usize,
}

/// Decodes and runs the frames in `input`, until there is no whole one, or something stops it.
#[inline(always)]
fn run_frames<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    input: &mut [u8],
    budget: &mut Budget,
    layers: &mut Layers,
) -> Ran {
    let is_watched = session.connection.is_watched();
    if is_watched {
        layers.look_at(session.connection, input);
    }
    let mut room = session.output_room();
    let input_len = input.len();
    let mut consumed = 0;
    let mut need = 0;
    while consumed < input_len && budget.frames > 0 && session.connection.may_run() {
        session.shared.mark = session.shared.output.mark();
        match session.codec.decode(&mut input[consumed..]) {
            Ok(Decoded::Frame { frame, consumed: len }) => {
                budget.frames -= 1;
                let range = consumed..consumed + len;
                if (!is_watched || is_let_through(handler, session, layers, range))
                    && let Err(error) = handler.on_frame(session, frame)
                {
                    session.connection.close(CloseReason::Failed(error));
                }
                consumed += len;
                if len == 0 || consumed > input_len {
                    close_malformed(session, IMPOSSIBLE_FRAME);
                }
                if session.shared.output.len() >= room {
                    session.connection.flush(session.shared, session.network);
                    room = session.output_room();
                }
            }
            Ok(Decoded::Incomplete { need: asked }) => {
                need = asked.max(input_len - consumed + 1);
                break;
            }
            Err(error) => close_malformed(session, error),
        }
    }
    Ran { consumed: consumed.min(input_len), need }
}

/// What a codec is told that claims a frame of no bytes, or of more than there are.
const IMPOSSIBLE_FRAME: FrameError =
    FrameError::new(FrameFault::Malformed("the codec's frame has an impossible length"), 0);

#[cold]
fn close_malformed<H: Handler>(session: &mut Session<'_, H>, error: FrameError) {
    session.connection.close(CloseReason::Malformed(error));
}

/// Closes the connection if a layer allows no frame of so many bytes.
fn check_frame_len<H: Handler>(session: &mut Session<'_, H>, len: usize) {
    if let Some(limit) = session.connection.max_frame_len()
        && len > limit
    {
        close_malformed(session, FrameError::new(FrameFault::TooLong { limit }, limit));
    }
}

/// Keeps what was not consumed with the connection. The input was the first `len` bytes of the
/// shared buffer or, if that is zero, what was kept before.
#[inline(never)]
fn keep<H: Handler>(
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
    check_frame_len(session, ran.need);
    let spares = &mut session.shared.spares;
    if kept.len() == 0 || !session.connection.is_open() {
        spares.give_back(kept);
        return;
    }
    let begun = if is_new { session.shared.now } else { kept.begun() };
    kept.set_need(ran.need, begun);
    session.connection.input = Some(kept.fitted(spares));
}

/// The peer has finished, and all its whole frames have been run: is there a last one, and what
/// does the handler make of it?
#[inline(never)]
fn run_end<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, layers: &mut Layers) {
    if session.connection.has_frames_waiting() {
        return;
    }
    if !session.connection.has_run_last() {
        run_last(handler, session, layers);
    }
    // The last frame may have paused it: the end is then told after the pause.
    if session.connection.may_run() {
        session.connection.note_end_told();
        if session.connection.is_announced() {
            guard(session, |session| handler.on_end(session));
        } else {
            session.close();
        }
    }
}

/// Runs the frame that only the end of the stream made whole, if there is one.
fn run_last<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, layers: &mut Layers) {
    session.connection.note_last_run();
    session.shared.mark = session.shared.output.mark();
    let mut input = session.connection.input.take().unwrap_or_default();
    let len = input.len();
    let is_watched = session.connection.is_watched();
    if is_watched {
        layers.look_at(session.connection, input.filled());
    }
    match session.codec.decode_end(input.filled()) {
        Ok(Some(frame)) => {
            session.shared.metrics.frames += 1;
            session.connection.ran_frames(1);
            if !is_watched || is_let_through(handler, session, layers, 0..len) {
                guard(session, |session| handler.on_frame(session, frame));
            }
        }
        Ok(None) => {}
        Err(error) => close_malformed(session, error),
    }
}

/// Whether the handler may have the frame that was in `range` of the input: asks the layers that
/// want to see it.
#[inline(never)]
fn is_let_through<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    layers: &mut Layers,
    range: Range<usize>,
) -> bool {
    let len = range.len();
    check_frame_len(session, len);
    if !session.connection.is_open() {
        return false;
    }
    let seen = std::mem::take(&mut layers.seen);
    let wire = seen.get(range).unwrap_or_default();
    let frame = Frame { wire_len: len, body: session.codec.body(wire) };
    let passage = layers.on_frame(&mut session.context(), frame);
    layers.seen = seen;
    if passage == Passage::Passed {
        // No frame before the opening.
        session.connection.admit();
    }
    announce(handler, session);
    // Whatever becomes of the frame, what was sent for it up to now was sent.
    session.shared.mark = session.shared.output.mark();
    passage == Passage::Passed && session.connection.is_open()
}
