//! From bytes to frames to the handler, within a connection's budgets.

use super::announce;
use super::input::{keep, may_read, read, read_on};
use super::malformed::{check_frame_len, impossible, malformed};
use super::room::{may_tell_of_room, tell_of_room};
use crate::codec::{Codec, Decoded};
use crate::connection::Phase;
use crate::error::CloseReason;
use crate::handler::{Handler, PeerOf, Session, guard, panicked, session};
use crate::layers::{Layers, Passage};
use crate::middleware::Frame;
use crate::panics::catch;
use crate::read_buffer::ReadBuffer;
use crate::turn::{Bench, Turn};

/// So much output is written before more is read: it is near at hand for the kernel, and the peer
/// can be busy with it meanwhile. Less goes out together with what comes of that.
const WORTH_WRITING_LEN: usize = 16 * 1024;

/// Whether a connection is to be served on at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// There is more to do, and its budgets allow it.
    Again,
    /// An event, or its place on the loop's list, brings it here again.
    Wait,
}

/// Does for a connection what is possible: reads once, runs frames, and sends what came of them.
///
/// Nearly every connection is open, with nothing kept, nothing held and no layer that looks at its
/// frames, nearly every time. This is the way of those, with as little in it as can be; whatever
/// turns out to be different goes on in [`serve_rest`], or was from the beginning and goes through
/// [`serve_other`].
#[inline(always)]
pub(super) fn serve<H: Handler>(
    handler: &mut H,
    peer: &mut PeerOf<H>,
    turn: &mut Turn<'_>,
) -> Next {
    let (mut session, bench) = session(peer, turn);
    let session = &mut session;
    if !session.connection.is_poised() || session.connection.is_watched() {
        return serve_other(handler, session, bench);
    }
    // All of the read budget is left, and no buffer is longer.
    let (now, buffer) = (session.shared.now, &mut *bench.buffer);
    let Some(len) = session.connection.read(&mut session.network, buffer, now) else {
        return wind_up(handler, session, bench.layers);
    };
    session.count_read(len);
    let before = session.shared.frames_left;
    let ran = catch(|| run_plain(handler, session, &mut buffer[..len]));
    session.count_frames(before.wrapping_sub(session.shared.frames_left));
    if let Some(Ran { consumed, .. }) = ran
        && consumed >= len
        && session.connection.is_plain()
        && session.connection.write_output(session.shared, &mut session.network)
    {
        return Next::Wait;
    }
    serve_rest(handler, session, bench, len, ran)
}

/// Decodes and runs the frames in `input`, which is not empty, of a connection that has nothing
/// special about it, as long as that is so.
#[inline(always)]
fn run_plain<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, input: &mut [u8]) -> Ran {
    let input_len = input.len();
    let mut rest = input;
    loop {
        session.shared.mark = session.shared.output.mark();
        let rest_len = rest.len();
        let len = match session.codec.decode(rest) {
            Ok(Decoded::Frame { frame, consumed: len }) => {
                session.shared.frames_left = session.shared.frames_left.wrapping_sub(1);
                if let Err(error) = handler.on_frame(session, frame) {
                    session.connection.close(CloseReason::Failed(error));
                }
                len
            }
            Ok(Decoded::Incomplete { need }) => {
                return Ran { consumed: input_len - rest_len, need: need.max(rest_len + 1) };
            }
            Err(error) => return malformed(handler, session, error, input_len - rest_len),
        };
        match rest.get_mut(len..) {
            Some(behind) if len > 0 => rest = behind,
            _ => return impossible(handler, session, input_len - rest_len),
        }
        let is_tired = session.shared.frames_left == 0 && !planted!(FrameBudgetOff);
        if rest.is_empty() || is_tired || !(session.may_run() || planted!(FramesAfterClose)) {
            return Ran { consumed: input_len - rest.len(), need: 0 };
        }
    }
}

/// The connection has `len` bytes of input in the shared buffer, of which some may have been run,
/// and is not as it was any more; or something panicked.
#[inline(never)]
fn serve_rest<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    bench: &mut Bench<'_>,
    len: usize,
    ran: Option<Ran>,
) -> Next {
    session.shared.read_left = session.shared.read_left.saturating_sub(len);
    let mut ran = ran.unwrap_or_else(|| {
        panicked(session);
        Ran { consumed: len, need: 0 }
    });
    if ran.consumed < len && ran.need == 0 && session.may_go_on() {
        let more = run_all(
            handler,
            session,
            &mut bench.buffer[ran.consumed..len],
            bench.layers,
            Decoding::Next,
        );
        ran = Ran { consumed: ran.consumed + more.consumed, need: more.need };
    }
    if ran.consumed < len {
        keep(handler, session, bench.buffer, None, len, ran);
    }
    wind_up(handler, session, bench.layers)
}

/// Goes on with a connection that was served in this event already, until there is no more or its
/// budgets are used up.
#[inline(never)]
pub(super) fn serve_on<H: Handler>(handler: &mut H, peer: &mut PeerOf<H>, turn: &mut Turn<'_>) {
    let (mut session, bench) = session(peer, turn);
    let session = &mut session;
    while serve_other(handler, session, bench) == Next::Again {}
}

/// As [`serve`], for a connection that may be anything.
#[inline(never)]
fn serve_other<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    bench: &mut Bench<'_>,
) -> Next {
    if session.connection.is_listed_ready() {
        // Whoever is on the list is served when it is his turn, and once a turn.
        return Next::Wait;
    }
    let (mut kept, len) = prepare(handler, session, bench.buffer);
    if len > 0 || kept.is_some() {
        let in_place = kept.as_mut().filter(|_| len == 0);
        let input = in_place.map_or(&mut bench.buffer[..len], |kept| kept.filled());
        let input_len = input.len();
        let ran = run_all(handler, session, input, bench.layers, Decoding::Next);
        if ran.consumed < input_len || kept.is_some() {
            keep(handler, session, bench.buffer, kept, len, ran);
        }
    }
    wind_up(handler, session, bench.layers)
}

/// Does what comes before the frames of a connection that is not open, or has something waiting.
/// Makes input ready to be decoded, if possible: at the beginning of the shared buffer, as many
/// bytes as this says; or, if it says zero, where it was kept.
#[inline(never)]
fn prepare<H: Handler>(
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

/// Something has happened to a connection that is being made. If it is made now, it is announced,
/// and served like any other from then on.
fn connect<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
    if session.connection.check_connected(session.shared, &mut session.network) {
        session.shared.metrics.connects_succeeded += 1;
        announce(handler, session);
    }
}

/// After the frames: goes on if that is possible, or sees to the end of the stream and to whatever
/// else is due.
#[inline(never)]
fn wind_up<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, layers: &mut Layers) -> Next {
    if session.connection.is_full() || session.shared.output.len() >= WORTH_WRITING_LEN {
        session.flush();
    }
    let has_frames = session.connection.has_frames_waiting() && session.connection.may_run();
    if may_read(session)
        || (has_frames && session.shared.frames_left > 0)
        || may_tell_of_room(session)
    {
        return Next::Again;
    }
    if session.connection.is_end_due()
        && session.connection.may_run()
        && catch(|| run_end(handler, session, layers)).is_none()
    {
        panicked(session);
    }
    session.settle();
    Next::Wait
}

/// How far the frames of an input were run.
#[derive(Clone, Copy)]
pub(super) struct Ran {
    pub(super) consumed: usize,
    /// How many bytes there must be of the rest before it is worth decoding again; zero if it is
    /// now.
    pub(super) need: usize,
}

/// Runs the frames in `input`, of which there is some and may be run; whatever panics ends this
/// connection only.
fn run_all<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    input: &mut [u8],
    layers: &mut Layers,
    decoding: Decoding,
) -> Ran {
    let (before, input_len) = (session.shared.frames_left, input.len());
    let ran = catch(|| run_frames(handler, session, input, layers, decoding));
    let count = before.wrapping_sub(session.shared.frames_left);
    session.count_frames(count);
    if count > 0 {
        session.connection.note_active_newcomer();
    }
    ran.unwrap_or_else(|| {
        panicked(session);
        Ran { consumed: input_len, need: 0 }
    })
}

/// What the codec is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Decoding {
    /// The next frame.
    Next,
    /// What the end of the stream has made of what is left.
    Last,
}

/// Decodes and runs the frames in `input`, until there is no whole one, or something stops it. As
/// [`run_plain`], for a connection that may be anything.
#[inline(never)]
fn run_frames<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    input: &mut [u8],
    layers: &mut Layers,
    decoding: Decoding,
) -> Ran {
    let is_watched = session.connection.is_watched();
    if is_watched {
        layers.look_at(session.connection, input);
    }
    let input_len = input.len();
    let mut consumed = 0;
    loop {
        session.shared.mark = session.shared.output.mark();
        let rest = &mut input[consumed..];
        let rest_len = rest.len();
        let decoded = match decoding {
            Decoding::Next => session.codec.decode(rest),
            Decoding::Last => session.codec.decode_end(rest).map(|last| match last {
                Some(frame) => Decoded::Frame { frame, consumed: rest_len },
                None => Decoded::Incomplete { need: 0 },
            }),
        };
        match decoded {
            Ok(Decoded::Frame { frame, consumed: len }) => {
                session.shared.frames_left = session.shared.frames_left.wrapping_sub(1);
                if (!is_watched || is_let_through(handler, session, layers, consumed, len))
                    && let Err(error) = handler.on_frame(session, frame)
                {
                    session.connection.close(CloseReason::Failed(error));
                }
                if (len == 0 && decoding == Decoding::Next) || len > rest_len {
                    return impossible(handler, session, consumed);
                }
                consumed += len;
            }
            Ok(Decoded::Incomplete { need }) => {
                return Ran { consumed, need: need.max(rest_len + 1) };
            }
            Err(error) => return malformed(handler, session, error, consumed),
        }
        if consumed >= input_len || !session.may_go_on() {
            return Ran { consumed, need: 0 };
        }
    }
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
    let mut input = session.connection.take_input().unwrap_or_default();
    run_all(handler, session, input.filled(), layers, Decoding::Last);
    session.connection.note_active_newcomer();
    if session.connection.is_full() {
        session.flush();
    }
}

/// Whether the handler may have the frame that was in the `len` bytes of the input from `start` on:
/// asks the layers that want to see it.
#[inline(never)]
fn is_let_through<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    layers: &mut Layers,
    start: usize,
    len: usize,
) -> bool {
    check_frame_len(handler, session, len);
    if !session.connection.is_open() {
        return false;
    }
    let seen = std::mem::take(&mut layers.seen);
    let wire = seen.get(start..start.saturating_add(len)).unwrap_or_default();
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
